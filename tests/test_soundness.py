"""Every lower bound of every method is at most every upper bound of every method, with no tolerance."""

from __future__ import annotations

import itertools

import pytest

import sdprelax
from tests.conftest import degenerate_problem

# (method, options, every how many problems): the slow ones on a share of the problems.
METHODS = [
    ("exact", {}, 1),
    ("sdp", {"rounding": "eigen"}, 1),
    ("sdp", {"solver": "scs", "solver_options": {"tolerance": 1e-3}, "rounding": "gaussian", "polish": False}, 2),
    ("sdp", {"presolve": False, "rounding": None}, 3),
    ("sdp", {"form": "lifted", "rounding": "extract"}, 10),
    ("sdp", {"solver_options": {"max_iterations": 4}, "rounding": "three_operator"}, 5),
    ("sdp", {"solver": "native", "solver_options": {"max_iterations": 150, "tolerance": 1e-9}, "rounding": None}, 2),
    ("lbfgs", {"width": 20, "restarts": 1}, 1),
    ("frank_wolfe", {"patterns": 20, "iterations": 20}, 2),
    ("copositive", {"patterns": 10, "samples": 3}, 4),
]


# Ten of each: what every tenth problem is solved by sees all nine kinds of them. `benchmarks/soundness.py` has more.
@pytest.mark.parametrize("block", range(10))
def test_no_lower_bound_exceeds_an_upper_bound(block: int) -> None:
    for seed in range(10 * block, 10 * block + 10):
        problem = degenerate_problem(seed)
        lowers, uppers = [], []
        for method, options, every in METHODS:
            if seed % every:
                continue
            outcome = sdprelax.solve(problem, method, **options)
            assert outcome.upper is not None and outcome.network is not None
            assert outcome.upper == problem.upper_bound(outcome.network)
            uppers.append((outcome.upper, method, options))
            if outcome.certificate is not None:
                assert outcome.lower is not None
                assert sdprelax.verify(problem, outcome.certificate) >= outcome.lower
                lowers.append((outcome.lower, method, options))
        for lower, upper in itertools.product(lowers, uppers):
            assert lower[0] <= upper[0], f"seed {seed}: {lower} > {upper}"
        exact = lowers[0][0], uppers[0][0]
        assert exact[1] - exact[0] <= 1e-5 * exact[1], f"seed {seed}: exact left a gap {exact}"
