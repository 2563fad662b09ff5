"""What a sweep will take, said before anything runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from sdprelax.base import SdprelaxError
from sdprelax.laboratory._job import Trial
from sdprelax.laboratory._runner import Scheduled
from sdprelax.laboratory._trial import load_problem
from sdprelax.methods import methods

__all__ = ["print_plan"]


def print_plan(scheduled: Scheduled, echo: Callable[[str], None]) -> None:
    """Print the attempts to be made, and for every data set and method their number and size."""
    jobs = scheduled.jobs
    for job in jobs:
        trial = job.trial
        again = f"  attempt {job.attempt}" if job.attempt > 1 else ""
        echo(
            f"{trial.hash}  {trial.dataset_label}  gamma={trial.gamma:g}  {trial.method_label}  #{trial.repeat}{again}"
        )
    groups: dict[tuple[str, bool, str], list[Trial]] = {}
    for job in jobs:
        key = (job.trial.dataset_label, job.trial.bias, job.trial.method_label)
        groups.setdefault(key, []).append(job.trial)
    for (dataset, bias, method), trials in groups.items():
        _, problem = load_problem(trials[0])
        n, d, c = problem.shape
        echo(f"{dataset}{' + bias' if bias else ''} (n={n}, d={d}, c={c}), {method}: "
             f"{_trials(len(trials))}{_size(trials)}")  # fmt: skip
    limits = scheduled.sweep.limits
    if limits.any:
        parts = [f"{limits.time:g} s" if limits.time else "", f"{limits.memory:g} MB" if limits.memory else ""]
        echo(f"limits of each: {', '.join(part for part in parts if part)}")
    echo(f"{len(jobs)} of {len(scheduled.trials)} trials would run; "
         f"{len(scheduled.trials) - len(jobs)} are finished.")  # fmt: skip


def _trials(count: int) -> str:
    return "1 trial" if count == 1 else f"{count} trials"


def _size(trials: Iterable[Trial]) -> str:
    """Return what the method says of its size on a problem, where it says anything."""
    trial = next(iter(trials))
    method = methods.create(trial.method, trial.method_options)
    if not hasattr(method, "size"):
        return ""
    try:
        return f", {method.size(load_problem(trial)[1])}"
    except SdprelaxError as error:
        return f", {error}"
