"""What a sweep costs beyond its trials: 10,000 that do nothing, beside joblib's bare loop over the same function.

    python benchmarks/sweep.py          # sweep.csv

Planning, scheduling, collecting and the resumed run are whole commands; joblib calls what a trial of them computes
in as many processes, two, and keeps nothing.
"""

from __future__ import annotations

import contextlib
import io
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from harness import Benchmark, Ended, Failed, Row, Run, isolated, peak_memory

MODULE = Path(__file__).resolve().parents[1] / "tests" / "laboratory" / "trying_methods.py"

benchmark = Benchmark(__doc__)


def bare(seed: int, gamma: float) -> float:
    """What a trial that does nothing does."""
    from sdprelax import Network, Problem

    rng = np.random.default_rng(seed % 2)
    problem = Problem(rng.standard_normal((5, 2)), rng.standard_normal((5, 1)), gamma)
    return problem.upper_bound(Network.empty(2, 1))


def joblib_loop(trials: int, workers: int) -> Row:
    import joblib

    with joblib.Parallel(n_jobs=workers) as parallel:
        parallel(joblib.delayed(bare)(seed, 1.0) for seed in range(workers))  # starts the processes
        started = time.perf_counter()
        parallel(joblib.delayed(bare)(seed, 1.0) for seed in range(trials))
        return {"seconds": time.perf_counter() - started}


def called(arguments: Sequence[str], folder: Path) -> Ended:
    """Run a command of sdprelax in this process."""
    from sdprelax.cli import app

    started = time.perf_counter()
    with contextlib.chdir(folder), contextlib.redirect_stdout(io.StringIO()):
        app(list(arguments), standalone_mode=False)
    return Ended(0, time.perf_counter() - started, 0.0, (peak_memory(),), "")


@benchmark.part("sweep", columns=("trials", "what", "measured", "target"))
def sweep(run: Run) -> Iterator[Row]:
    gammas = run.choose([0.01, 0.1, 1.0, 10.0, 100.0], tiny=[1.0])
    tags, repeats = run.choose([*range(10)], tiny=[0]), run.choose(100, tiny=2)
    trials = 2 * len(gammas) * len(tags) * repeats
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "sweep.yaml").write_text(
            f"name: idle\nmodules: [{MODULE}]\ndatasets: [{{random: {{n: 5, d: 2, c: 1, seed: [0, 1]}}}}]\n"
            f"gamma: {gammas}\nmethods: [{{idle: {{tag: {tags}}}}}]\nrepeat: {repeats}\n"
        )

        def command(*arguments: str) -> Ended:
            if run.here:
                return called(arguments, folder)
            ended = isolated([sys.executable, "-m", "sdprelax", *arguments], folder=folder)
            if ended.status != 0:
                raise Failed(f"sdprelax {' '.join(arguments)} ended with status {ended.status}:\n{ended.errors}")
            return ended

        workers = run.choose(2, tiny=1)
        # In this process there are no others to wait for.
        whole = ("run", "sweep.yaml", *(("--engine", "serial") if run.here else ("--workers", str(workers))))
        planning, running = command(*whole, "--dry-run").seconds, command(*whole)
        for name in ("table.parquet", "table.csv", "trace.parquet"):
            (folder / "results" / "idle" / name).unlink()
        collecting, resuming = command("collect", "results/idle").seconds, command(*whole).seconds
        nothing, loop = command("--version").seconds, run.apart(joblib_loop, trials=trials, workers=workers)["seconds"]
    memory = running.memory
    third = max(1, len(memory) // 3)
    grown = np.median(memory[-2 * third : -third] or memory) / np.median(memory[third // 2 : third])
    for what, measured, target in (
        ("planning (--dry-run), s", planning, 2.0),
        ("scheduling, ms per trial", 1e3 * (running.seconds - collecting) / trials, 5.0),
        ("collect, s", collecting, 5.0),
        ("resumed no-op run, s", resuming, 3.0),
        ("runner's memory, last third over first third", grown, 1.1),
        ("runner's peak memory, MB", max(memory), None),
        ("joblib's bare loop, ms per call", 1e3 * loop / trials, None),
        ("starting sdprelax at all, s", nothing, None),
    ):
        yield {"trials": trials, "what": what, "measured": float(measured), "target": target}


if __name__ == "__main__":
    benchmark.main()
