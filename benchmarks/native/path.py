"""A regularisation path of ten γ: every solve started from the one before, beside each on its own.

    python benchmarks/native/path.py [--data ../shared/data/p25] [--tolerance 1e-2]

Ionosphere (175 rows) and the first 300 rows of MNIST, γ from 1 down to 0.1, one thread; the two kinds alternate.
Writes native_path.csv.
"""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
from solvers import problem

import sdprelax

GAMMAS = np.geomspace(1.0, 0.1, 10)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/p25"))
    parser.add_argument("--tolerance", type=float, default=1e-2)
    parser.add_argument("--out", type=Path, default=Path("results/published"))
    chosen = parser.parse_args()
    rows = []
    for name, count in (("ionosphere", None), ("mnist", 300)):
        for warm in (False, True):
            path = sdprelax.regularisation_path(
                problem(chosen.data, name, count), list(GAMMAS), warm_start=warm,
                solver_options={"tolerance": chosen.tolerance},
            )  # fmt: skip
            for gamma, outcome in zip(GAMMAS, path, strict=True):
                proved = sdprelax.verify(dataclasses.replace(problem(chosen.data, name, count), gamma=float(gamma)),
                                         outcome.certificate)  # fmt: skip
                steps = int(outcome.log.split(", ")[1].split()[0])
                rows.append({"data": name, "warm": warm, "gamma": gamma, "steps": steps, "seconds": outcome.seconds,
                             "lower": outcome.lower, "proved": proved})  # fmt: skip
    chosen.out.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows).to_csv(chosen.out / "native_path.csv", index=False)


if __name__ == "__main__":
    main()
