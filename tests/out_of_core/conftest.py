from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest

from sdprelax.certificate import Gates
from sdprelax.lasso import ArrayRows, moments_of, sampled_gates


class Case(NamedTuple):
    rows: ArrayRows
    inputs: np.ndarray
    targets: np.ndarray
    gates: Gates


def made(seed: int, n: int = 60, d: int = 6, c: int = 3, m: int = 5, *, skip: bool = True) -> Case:
    """Activations as a trained network has them: nonnegative, with a constant 1; targets of a small network."""
    rng = np.random.default_rng(seed)
    inputs = np.maximum(rng.standard_normal((n, d)) + 0.5, 0.0)
    inputs[:, -1] = 1.0
    targets = np.maximum(inputs @ rng.standard_normal((d, 8)), 0.0) @ rng.standard_normal((8, c))
    targets += 0.1 * rng.standard_normal((n, c))
    rows = ArrayRows(inputs, targets, block_rows=17)
    return Case(rows, inputs, targets, Gates(sampled_gates(moments_of(rows), m, rng, bias=True), skip))


@pytest.fixture(params=range(3))
def case(request: pytest.FixtureRequest) -> Case:
    return made(request.param)
