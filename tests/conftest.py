"""Problems that many tests share."""

from __future__ import annotations

import os
from pathlib import Path

import hypothesis
import numpy as np
import pytest

from sdprelax import Problem
from sdprelax.problem import losses

# pytest-xdist says that its workers have a terminal of 80 columns; what is no terminal is as wide as it likes.
os.environ.pop("COLUMNS", None)

hypothesis.settings.register_profile("sdprelax", deadline=None, max_examples=60, derandomize=True)
hypothesis.settings.load_profile("sdprelax")

# Losses of the package: pages of docs/how_to add others to the registry.
LOSSES = tuple(name for name in losses if losses[name].__module__.startswith("sdprelax."))
ARRAYS = Path(__file__).resolve().parents[2] / "shared" / "data" / "p25"


@pytest.fixture
def p25() -> Path:
    """The folder of the paper's own arrays, which a user's clone does not have."""
    if not ARRAYS.is_dir():
        pytest.skip(f"the paper's arrays are not at {ARRAYS}")
    return ARRAYS


def degenerate_problem(seed: int) -> Problem:
    """A small random problem; two in three have something degenerate about them."""
    rng = np.random.default_rng(seed)
    n, d, c = int(rng.integers(1, 13)), int(rng.integers(1, 4)), int(rng.integers(1, 4))
    X = rng.standard_normal((n, d))
    Y = rng.standard_normal((n, c))
    kind = seed % 9
    if kind == 0:
        X[rng.integers(0, n, n // 2)] = X[0]  # duplicates
    elif kind == 1:
        X[: n // 2] = 0.0  # zero rows
    elif kind == 2:
        X = rng.choice([-2.0, -1.0, 0.5, 3.0], (n, 1)) * X[rng.integers(0, min(n, 3), n)]  # collinear rows
    elif kind == 3:
        X = np.outer(rng.standard_normal(n), rng.standard_normal(d))  # rank one
    elif kind == 4:
        Y = np.zeros_like(Y)
    elif kind == 5:
        X = np.round(X)  # many coplanar rows
    gamma = float(10.0 ** rng.uniform(-3, 0))
    return Problem(X, Y, gamma, bias=bool(d < 3 and rng.random() < 0.2))
