"""Convex training over the patterns of the SDP's rounding, against as many patterns of Gaussian gates.

    python benchmarks/gates.py [--out results/published]

For every number of patterns: the network of ``convex_relu`` (its objective), and the certified value of the gated
program with nuclear norms, over the largest neurons' patterns of the relaxation's rounding and over those of Gaussian
gates (median of five draws). ``sdp`` is the network that the relaxation itself was rounded to, ``bound`` what it
certified.
Writes gates.csv.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sdprelax import Problem, solve
from sdprelax.datasets import datasets

CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "random 40×5→1": ("random", {"n": 40, "d": 5, "c": 1, "teacher_width": 3}),
    "iris 75×4→3": ("iris", {}),
    "wine 89×13→3": ("wine", {"scaling": "standard"}),
}
GAMMA, COUNTS, DRAWS = 0.1, (5, 10, 20, 40), 5


def values(problem: Problem, gates: str, patterns: int, seed: int) -> dict[str, float]:
    convex = solve(problem, "convex_relu", gates=gates, patterns=patterns, seed=seed, time_limit=120.0)
    gated = solve(problem, "gated_relu", gates=gates, patterns=patterns, penalty="nuclear", seed=seed,
                  max_iterations=3_000, decomposition="none")  # fmt: skip
    assert convex.upper is not None
    return {"patterns": convex.details["patterns"], "convex": convex.upper, "gated": gated.details["value"],
            "gated_gap": gated.details["program_gap"]}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    root = Path(__file__).resolve().parents[1]
    parser.add_argument("--out", type=Path, default=root / "results" / "published")
    given = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for name, (source, options) in CASES.items():
        data = datasets.create(source, options).load()
        problem = Problem(data.X, data.Y, GAMMA)
        relaxed = solve(problem, "sdp")
        for count in COUNTS:
            proposed = values(problem, "sdp", count, 0)
            # As many as were proposed, should they be fewer.
            found = pd.DataFrame([values(problem, "gaussian", proposed["patterns"], seed) for seed in range(DRAWS)])
            row = {"data": name, "gamma": GAMMA, "asked": count, "patterns": proposed["patterns"]}
            row |= {f"{key}_sdp": value for key, value in proposed.items() if key != "patterns"}
            row |= {f"{key}_gaussian": float(np.median(found[key])) for key in ("convex", "gated")}
            row |= {"bound": relaxed.lower, "sdp": relaxed.upper}
            rows.append(row)
            print({key: f"{v:.5g}" if isinstance(v, float) else v for key, v in row.items()}, flush=True)
        given.out.mkdir(parents=True, exist_ok=True)
        pd.DataFrame(rows).to_csv(given.out / "gates.csv", index=False, float_format="%.8g")


if __name__ == "__main__":
    main()
