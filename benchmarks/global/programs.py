"""Which exact program is cheapest: column generation against the conic programs over all cells or patterns.

    python benchmarks/global/programs.py [--limit 60] [--largest 5000] [--out results/published]

Gaussian problems of n = 10 to 5,000 samples in ranks 1 to 4 with one and three outputs, γ = 0.1, each program alone
with the proof of its bound, all in one process and in processor time; ``ratio`` is that of column generation to the
conic program on the same problem. The conic program is the cell program in rank ≤ 2 and the convex program over all
patterns beyond it, which is for one output only. A program that met the time limit at some n, or has more than 20,000
patterns, is not tried at a larger one. Writes global_programs.csv.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sdprelax import Problem
from sdprelax.deadline import Deadline
from sdprelax.errors import SdprelaxError
from sdprelax.exact.arrangement import count_patterns
from sdprelax.methods.exact import CELLS, COLUMNS, PATTERNS, Exact
from sdprelax.reduction import Reduction

SIZES, MOST_PATTERNS = (10, 15, 25, 50, 100, 200, 400, 1000, 2000, 5000), 20_000


@dataclass(frozen=True)
class Only(Exact):
    """``exact`` with one program, whatever it would choose."""

    program: str = COLUMNS

    def _programs(self, problem: Problem, reduction: Reduction) -> list[str]:
        return [self.program]


def measured(problem: Problem, program: str, limit: float) -> dict[str, Any]:
    started = time.process_time()
    try:
        outcome = Only(program=program).run(problem, rng=np.random.default_rng(0), deadline=Deadline(limit))
    except SdprelaxError as error:
        return {"status": str(error)}
    return {"seconds": time.process_time() - started, "gap": outcome.gap, "status": outcome.status}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--limit", type=float, default=60.0)
    parser.add_argument("--largest", type=int, default=SIZES[-1])
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parents[2] / "results" / "published")
    given = parser.parse_args()
    rows: list[dict[str, Any]] = []
    given_up: set[tuple[str, int, int]] = set()
    # The first runs of a process compile and load.
    rng = np.random.default_rng(0)
    for rank, outputs, program in ((3, 1, PATTERNS), (3, 2, COLUMNS), (2, 2, CELLS)):
        warm = Problem(rng.standard_normal((8, rank)), rng.standard_normal((8, outputs)), 0.1)
        measured(warm, program, given.limit)
    for n in (size for size in SIZES if size <= given.largest):
        for rank in (1, 2, 3, 4):
            for outputs in (1, 3):
                rng = np.random.default_rng([n, rank, outputs])
                problem = Problem(rng.standard_normal((n, rank)), rng.standard_normal((n, outputs)), 0.1)
                row: dict[str, Any] = {"n": n, "rank": rank, "outputs": outputs, "patterns": count_patterns(n, rank)}
                conic = CELLS if rank <= 2 else PATTERNS if outputs == 1 else None
                for label, program in (("columns", COLUMNS), ("conic", conic)):
                    few = program == COLUMNS or row["patterns"] <= MOST_PATTERNS
                    if program is None or not few or (program, rank, outputs) in given_up:
                        continue
                    found = measured(problem, program, given.limit)
                    row |= {f"{label}_{key}": value for key, value in found.items()}
                    if found["status"] != "solved":
                        given_up.add((program, rank, outputs))
                if "conic_seconds" in row and "columns_seconds" in row:
                    row["ratio"] = row["columns_seconds"] / row["conic_seconds"]
                rows.append(row)
                print({k: f"{v:.3g}" if isinstance(v, float) else v for k, v in row.items()}, flush=True)
                pd.DataFrame(rows).to_csv(given.out / "global_programs.csv", index=False, float_format="%.4g")


if __name__ == "__main__":
    main()
