"""Time and memory of one step of `native`'s first phase against the number of rows, by library of arrays.

    python benchmarks/native/scaling.py [--arrays numpy torch cupy] [--device cuda] [--most 2000] [--threads 1]

Gaussian rows in 20 dimensions, two outputs, γ = 1. Every (library, n) has a process of its own, the libraries
alternating; time is the median of ten steps after forty, memory what the steps add to the process at their peak (the
library's own count on a GPU). Writes native_scaling.csv, the certified bounds with it.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

SIZES = (100, 200, 400, 700, 1000, 1400, 2000, 2800, 4000)
WARM_UP, STEPS = 40, 10


def measure(library: str, device: str | None, n: int) -> dict[str, Any]:
    """Measure in this process."""
    from sdprelax import Problem
    from sdprelax.certificate import relaxation_certificate
    from sdprelax.lifting import LiftedProgram
    from sdprelax.reduction import reduce
    from sdprelax.solvers.native.alternating import AlternatingDirections
    from sdprelax.solvers.native.arrays import arrays_of

    rng = np.random.default_rng(0)
    problem = Problem(rng.standard_normal((n, 20)), rng.standard_normal((n, 2)), 1.0)
    lifting = LiftedProgram(problem, reduce(problem))
    arrays = arrays_of(library, device)  # type: ignore[arg-type]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    def done() -> None:
        """Wait for what was only begun."""
        if device and library == "torch":
            arrays.xp.cuda.synchronize()
        elif library == "cupy":
            arrays.xp.cuda.Stream.null.synchronize()

    run, parts = AlternatingDirections(lifting, arrays), []
    for _ in range(WARM_UP):
        run.step()
    times = []
    for _ in range(STEPS):
        done()
        started = time.perf_counter()
        run.step()
        done()
        times.append(time.perf_counter() - started)
        compressed = run.face.compress(run._mirrored)
        done()
        started = time.perf_counter()
        arrays.positive_part(compressed)
        done()
        parts.append(time.perf_counter() - started)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    A, N = run.certified_point()
    lower = relaxation_certificate(problem, lifting.reduction, A, [N]).lower if n <= 1000 else None
    memory = (peak - before) * 1024 / 8
    if device and library == "torch":
        memory = arrays.xp.cuda.max_memory_allocated() / 8
    return {
        "arrays": library, "device": device or "cpu", "n": n, "seconds": statistics.median(times),
        "projection_seconds": statistics.median(parts), "doubles_per_n2": memory / n**2, "rank": run.rank,
        "lower": lower,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    parser.add_argument("--arrays", nargs="+", default=["numpy", "torch"])
    parser.add_argument("--device")
    parser.add_argument("--most", type=int, default=2000)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("results/published"))
    chosen = parser.parse_args()
    if chosen.measure:
        print(json.dumps(measure(*json.loads(chosen.measure))))
        return
    count = str(chosen.threads)
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": count, "OMP_NUM_THREADS": count, "MKL_NUM_THREADS": count}
    rows = []
    for n in (n for n in SIZES if n <= chosen.most):
        for library in chosen.arrays:
            device = chosen.device if library != "numpy" else None
            command = [sys.executable, __file__, "--measure", json.dumps([library, device, n])]
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
            rows.append({**json.loads(done.stdout.splitlines()[-1]), "threads": chosen.threads})
            print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
    chosen.out.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows).to_csv(chosen.out / "native_scaling.csv", index=False)


if __name__ == "__main__":
    main()
