"""What a sweep will take, said before anything runs."""

from __future__ import annotations

from collections.abc import Callable

from sdprelax.laboratory._runner import Scheduled

__all__ = ["print_plan"]


def print_plan(scheduled: Scheduled, echo: Callable[[str], None]) -> None:
    """Print the attempts to be made, and what is known of their size."""
    jobs = scheduled.jobs
    for job in jobs:
        again = f"  attempt {job.attempt}" if job.attempt > 1 else ""
        echo(f"{job.trial.hash}  {job.trial.problem_label}  {job.trial.method_label}  #{job.trial.repeat}{again}")
    for line in scheduled.sweep.sizes([job.trial for job in jobs]):
        echo(line)
    limits = scheduled.sweep.limits
    if limits.any:
        parts = [f"{limits.time:g} s" if limits.time else "", f"{limits.memory:g} MB" if limits.memory else ""]
        echo(f"limits of each: {', '.join(part for part in parts if part)}")
    echo(f"{len(jobs)} of {len(scheduled.trials)} trials would run; "
         f"{len(scheduled.trials) - len(jobs)} are finished.")  # fmt: skip
