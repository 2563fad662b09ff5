"""What a sweep costs beyond its trials: 10,000 that do nothing, beside joblib's bare loop over the same function.

Planning, scheduling, collecting and the resumed run are whole commands; joblib calls what a trial of them computes
in as many processes and keeps nothing. Writes results/published/sweep.csv and prints the table of docs/performance.md.

    python benchmarks/sweep.py [--trials 10000] [--workers 2]
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import psutil

HERE = Path(__file__).resolve().parent
MODULE = HERE.parent / "tests" / "experiment" / "trying_methods.py"
RESULTS = HERE.parent / "results" / "published" / "sweep.csv"


def write_sweep(folder: Path, trials: int) -> Path:
    path = folder / "sweep.yaml"
    path.write_text(
        f"name: idle\nmodules: [{MODULE}]\ndatasets: [{{random: {{n: 5, d: 2, c: 1, seed: [0, 1]}}}}]\n"
        f"gamma: [0.01, 0.1, 1, 10, 100]\nmethods: [{{idle: {{tag: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]}}}}]\n"
        f"repeat: {trials // 100}\n"
    )
    return path


def timed(folder: Path, *arguments: str) -> tuple[float, float, list[float]]:
    """Run a command; return its seconds, its own peak memory in MB, and its memory over time."""
    before = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "sdprelax", *arguments], cwd=folder, stdout=subprocess.DEVNULL)
    memory: list[float] = []

    def watch() -> None:
        while process.poll() is None:
            try:
                memory.append(psutil.Process(process.pid).memory_info().rss / 2**20)
            except psutil.Error:
                return
            time.sleep(0.25)

    thread = threading.Thread(target=watch)
    thread.start()
    if process.wait() != 0:
        raise SystemExit(f"{arguments} failed")
    seconds = time.perf_counter() - before
    thread.join()
    return seconds, max(memory, default=0.0), memory


def bare(seed: int, gamma: float) -> float:
    """What a trial that does nothing does."""
    from sdprelax import Network, Problem

    rng = np.random.default_rng(seed % 2)
    problem = Problem(rng.standard_normal((5, 2)), rng.standard_normal((5, 1)), gamma)
    return problem.upper_bound(Network.empty(2, 1))


def joblib_loop(trials: int, workers: int) -> float:
    with joblib.Parallel(n_jobs=workers) as parallel:
        parallel(joblib.delayed(bare)(seed, 1.0) for seed in range(workers))  # starts the processes
        before = time.perf_counter()
        parallel(joblib.delayed(bare)(seed, 1.0) for seed in range(trials))
        return time.perf_counter() - before


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=HERE.parent) as temporary:
        folder = Path(temporary)
        write_sweep(folder, given.trials)
        run = ["run", "sweep.yaml", "--workers", str(given.workers)]
        planning, _, _ = timed(folder, *run, "--dry-run")
        running, peak, memory = timed(folder, *run)
        for name in ("table.parquet", "table.csv", "trace.parquet"):
            (folder / "results" / "idle" / name).unlink()
        collecting, _, _ = timed(folder, "collect", "results/idle")
        resuming, _, _ = timed(folder, *run)
        nothing, _, _ = timed(folder, "--version")
        loop = joblib_loop(given.trials, given.workers)
    third = max(1, len(memory) // 3)
    rows = [
        ("planning (--dry-run), s", planning, 2.0),
        ("scheduling, ms per trial", 1e3 * (running - collecting) / given.trials, 5.0),
        ("collect, s", collecting, 5.0),
        ("resumed no-op run, s", resuming, 3.0),
        ("runner's memory, last third over first third", np.median(memory[-third - third : -third])
         / np.median(memory[third // 2 : third]), 1.1),
        ("runner's peak memory, MB", peak, float("nan")),
        ("joblib's bare loop, ms per call", 1e3 * loop / given.trials, float("nan")),
        ("starting sdprelax at all, s", nothing, float("nan")),
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=["what", "measured", "target"])
    table.insert(0, "trials", given.trials)
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(RESULTS, index=False)
    print(table.to_string(index=False))
    print(f"{os.cpu_count()} cores; children's user time {resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime:.0f} s")


if __name__ == "__main__":
    main()
