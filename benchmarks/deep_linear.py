"""How often deep linear networks are certified, by depth, width and the inputs' condition: deep_linear.csv."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

import numpy as np
from harness import Benchmark, Row, Run

import sdprelax

benchmark = Benchmark(__doc__)

# Samples, inputs and outputs of a problem; condition numbers of its inputs, about.
SHAPE, CONDITIONS = (60, 8, 6), {"white": 1.0, "10": 10.0, "100": 100.0}
# Weight decays, as shares of one at which about no singular value is left.
SHARES = (0.003, 0.03, 0.3)


def sample(condition: float, seed: int) -> sdprelax.Problem:
    """Return a problem whose inputs have singular values between √n and √n over their condition number."""
    n, d, c = SHAPE
    rng = np.random.default_rng(seed)
    left, right = np.linalg.qr(rng.standard_normal((n, d)))[0], np.linalg.qr(rng.standard_normal((d, d)))[0]
    X = np.sqrt(n) * (left * np.geomspace(1.0, 1.0 / condition, d)) @ right
    Y = X @ rng.standard_normal((d, c)) + rng.standard_normal((n, c))
    return sdprelax.Problem(X, Y, 1.0, activation={"leaky": {"slope": 1}})


def gaps(condition: float, depth: int, width: int, seeds: int) -> Row:
    """Certify networks of several problems and weight decays."""
    found = []
    for seed in range(seeds):
        problem = sample(condition, seed)
        largest = np.linalg.norm(problem.X.T @ problem.Y, 2) if depth == 2 else 0.2 * np.sum(problem.Y**2)
        for share in SHARES:
            decayed = problem.with_gamma(float(share * largest))
            outcome = sdprelax.solve(decayed, "deep_linear", width=width, depth=depth)
            lower, upper = sdprelax.verify_linear(decayed, outcome.program)
            found.append((outcome.status == "solved", (upper - lower) / upper))
    return {
        "trials": len(found),
        "solved": sum(good for good, _ in found),
        "median_gap": statistics.median(gap for _, gap in found),
        "largest_gap": max(gap for _, gap in found),
    }


@benchmark.part(
    "deep_linear",
    columns=("condition", "depth", "width", "trials", "solved", "median_gap", "largest_gap", "processor"),
    by=("condition", "depth"),
)
def certified(run: Run) -> Iterator[Row]:
    """Depths and widths over conditions."""
    for name in run.choose(tuple(CONDITIONS), tiny=("10",)):
        for depth in run.choose((2, 3, 4, 6), tiny=(2,)):
            if not run.wants(name, depth):
                continue
            for width in run.choose((1, 2, 4), tiny=(1,)):
                seeds = run.choose(10, tiny=1)
                row = run.apart(gaps, condition=CONDITIONS[name], depth=depth, width=width, seeds=seeds)
                yield {"condition": name, "depth": depth, "width": width, **row}


if __name__ == "__main__":
    benchmark.main()
