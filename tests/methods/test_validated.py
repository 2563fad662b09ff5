"""Method ``validated``: what it trains on, what it chooses, and that nothing else enters."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import sdprelax
from sdprelax import Problem

RNG = np.random.default_rng(0)
X = RNG.standard_normal((40, 3))
Y = np.where(X[:, :1] * X[:, 1:2] > 0.0, 1.0, -1.0)
PROBLEM = Problem(X, Y, 0.5, bias=True)


@pytest.mark.parametrize("of", ["gated_relu", "mkl", "exact"])
def test_the_network_chosen_is_no_worse_on_what_is_held_out(of: str) -> None:
    outcome = sdprelax.solve(PROBLEM, "validated", of=of, options={"tolerance": 1e-4}, tolerance=0.05)
    assert outcome.status == "solved" and list(outcome.predictors) == ["validated", "found"]
    assert outcome.lower is None and outcome.upper is None and outcome.details["held_out"] == 10
    chosen, found = outcome.details["validated"], outcome.details["found"]
    assert chosen["loss"] <= found["loss"] and max(chosen["gap"], found["gap"]) <= 0.05
    assert chosen["loss"] < found["loss"], "so wide a tolerance leaves some choice"


def test_the_part_held_out_is_not_trained_on() -> None:
    """Where a target is changed, that of a sample held out changes the choice, and never what is found."""
    first = sdprelax.solve(PROBLEM, "validated", tolerance=0.05)
    kept = 0
    for k in range(12):
        changed = Y.copy()
        changed[k] *= 0.9
        again = sdprelax.solve(replace(PROBLEM, Y=changed), "validated", tolerance=0.05)
        same = np.array_equal(again.predictors["found"].predict(X), first.predictors["found"].predict(X))
        kept += same
        assert same == (again.details["of"] == first.details["of"])
    assert 0 < kept < 12


def test_wrong_options_are_one_sentence() -> None:
    for options, words in (
        ({"of": "lbfgs"}, "'lbfgs' proves no network optimal"),
        ({"of": "gated_relu", "options": {"pattern": 3}}, r"option 'options' or 'of': .*no option 'pattern'"),
        ({"folds": 50}, "option 'folds' is 50, but there are 40 samples"),
    ):
        with pytest.raises(sdprelax.InputError, match=words):
            sdprelax.solve(PROBLEM, "validated", **options)
    with pytest.raises(sdprelax.InputError, match="differentiable"):
        sdprelax.solve(replace(PROBLEM, loss="hinge"), "validated")
