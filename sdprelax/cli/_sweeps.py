"""Commands that run trials, or say how they go: ``run``, ``status``, ``rerun``."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sdprelax.cli._terminal import echo

if TYPE_CHECKING:
    from sdprelax.laboratory import Scheduled

__all__ = ["print_status", "rerun_trial", "run_sweeps"]

# Exit codes: a lower bound exceeded an upper bound; trials failed, which ``--retry failed`` runs once more.
UNSOUND, SOME_FAILED = 1, 3
# Seconds between two looks of --watch.
WATCHED = 2.0
# Trials whose table is printed after a run.
MOST_PRINTED = 500
ResultsFolder = Annotated[Path, typer.Argument(help="A sweep's folder, e.g. results/quickstart.")]
ResultsFolders = Annotated[
    list[Path], typer.Argument(metavar="RESULTS...", help="A sweep's folder, several, or a folder of sweeps.")
]
TrustModules = Annotated[
    bool, typer.Option("--trust-modules", help="Execute the Python files that the sweep named (see its sweep.json).")
]


def run_sweeps(
    files: Annotated[list[Path], typer.Argument(help="A sweep or a distillation, a YAML file; or several, in turn.")],
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="Replace a setting, e.g. methods.sdp.solver=scs."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan with its sizes; run nothing.")] = False,
    results: Annotated[Path, typer.Option(help="Where the sweep's own folder goes.")] = Path("results"),
    workers: Annotated[int | None, typer.Option(help="Processes at a time; by default one per core.")] = None,
    engine: Annotated[
        str | None, typer.Option(help="serial, processes or dask, in place of the sweep's own choice.")
    ] = None,
    retry: Annotated[
        list[str] | None,
        typer.Option(help="Run trials of a status once more: failed, timeout, 'out of memory', ..."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Run every trial once more.")] = False,
) -> None:
    """Run what is missing of a sweep; print its table; write tables and pictures. Exit code 3 if trials failed."""
    from sdprelax.laboratory import load_sweeps, require_workers, schedule

    require_workers(workers)
    # All of them are checked before the first one runs.
    sweeps = load_sweeps(files, set_ or [])
    scheduled = [schedule(sweep, results, retry=retry or [], force=force) for sweep in sweeps]
    if dry_run:
        from sdprelax.laboratory import print_plan

        for one in scheduled:
            print_plan(one, echo)
        return
    codes = [_run(one, results, workers, engine) for one in scheduled]
    for code in (UNSOUND, SOME_FAILED):
        if code in codes:
            raise typer.Exit(code)


def _run(scheduled: Scheduled, results: Path, workers: int | None, engine: str | None) -> int:
    """Run a sweep and print what came of it; return its exit code."""
    from sdprelax.cli._display import SweepProgress, bars, print_files, print_summary
    from sdprelax.laboratory import FAILED, Store, kinds, run_scheduled
    from sdprelax.laboratory.results import Overview, counted

    sweep, total, count = scheduled.sweep, len(scheduled.trials), len(scheduled.jobs)
    kind = kinds(sweep.kind)

    @contextlib.contextmanager
    def announce(plan: dict[str, Any]) -> Iterator[Callable[[dict[str, Any]], None]]:
        echo(f"{sweep.name}: {count} of {total} trials to run, {total - count} finished before.")
        progress = Overview.of(plan)
        for record in scheduled.ended:
            progress.add(record)
        with SweepProgress(kind, Store(results / sweep.name), progress) as shown:
            yield shown.add

    try:
        found = run_scheduled(scheduled, results, workers=workers, engine=engine, watch=announce, say=echo, stage=bars)
    except KeyboardInterrupt:
        echo("sdprelax: interrupted; finished trials are kept, and the same command goes on.", err=True)
        raise typer.Exit(130) from None
    if len(found.table) <= MOST_PRINTED:
        print_summary(kind, found.table)
    else:
        ended = counted(found.table["status"])
        echo(f"{len(found.table)} trials ({ended}); sdprelax show {found.folder} prints their table.")
    print_files("table", found)
    failed = int(found.table["status"].isin(FAILED).sum())
    if failed:
        echo(f"{failed} of {total} trials failed; --retry failed runs them once more.")
    for sentence in found.unsound:
        echo(sentence, err=True)
    if found.unsound:
        return UNSOUND
    return SOME_FAILED if failed else 0


def print_status(
    results: ResultsFolder,
    watch: Annotated[
        bool, typer.Option("--watch", help="Again every two seconds, until every trial has ended or Ctrl-C.")
    ] = False,
) -> None:
    """Say how far a sweep is, what runs now and with which bounds, and what was lost."""
    from rich.live import Live

    from sdprelax.cli._display import console, progress_picture
    from sdprelax.laboratory import Store, kind_of_store, naming
    from sdprelax.laboratory.results import overview

    kind = kind_of_store(Store(results))
    named = naming(kind, Store(results).plan())
    found, running, lost = overview(results)
    if watch:
        picture = Live(progress_picture(kind, named, found, running), console=console(), auto_refresh=False)
        with picture, contextlib.suppress(KeyboardInterrupt):
            while found.waiting or running:
                time.sleep(WATCHED)
                found, running, lost = overview(results)
                picture.update(progress_picture(kind, named, found, running), refresh=True)
    else:
        console().print(progress_picture(kind, named, found, running))
    for trial in lost:
        echo(
            f"lost: {', '.join(kind.words(named(trial.record)))} "
            f"(its worker {trial.host}:{trial.pid} is gone; running the sweep again runs it)"
        )
    if found.waiting and not running:
        echo("nothing is running; the command that began goes on.")


def rerun_trial(
    trial: Annotated[str, typer.Argument(help="A trial's folder, or the first digits of its hash.")],
    results: Annotated[Path, typer.Option(help="Where to look for a hash.")] = Path("results"),
    trust_modules: TrustModules = False,
) -> None:
    """Run one finished trial again, apart, and say whether it gives the same; exit code 1 if not."""
    from sdprelax.cli._display import trial_line
    from sdprelax.laboratory import Store, naming
    from sdprelax.laboratory.results import find_trial
    from sdprelax.laboratory.results import rerun as run_again

    folder = find_trial(trial, results)
    found = run_again(folder, trust_modules=trust_modules)
    named = naming(found.kind, Store(folder.resolve().parent.parent).plan())
    echo(f"before: {trial_line(found.kind, named(found.before))}")
    echo(f"now:    {trial_line(found.kind, named(found.after))}")
    for name, (old, new) in found.changed_versions.items():
        echo(f"version of {name}: {old} then, {new} now")
    if not found.differences:
        echo("reproduced: every bound is the same to the last bit.")
        return
    for name, (old, new) in found.differences.items():
        echo(f"not reproduced: {name} was {old!r} and is {new!r}")
    raise typer.Exit(1)
