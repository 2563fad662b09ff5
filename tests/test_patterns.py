"""Sampled patterns are distinct cells of the arrangement, each with a direction inside it."""

from __future__ import annotations

import numpy as np
import pytest

from sdprelax.cells import cell_probabilities, sampled_patterns
from sdprelax.exact import activation_patterns


@pytest.mark.parametrize(("g", "r"), [(6, 2), (5, 3), (1, 1)])
def test_many_draws_find_the_cells_that_enumeration_finds_and_no_others(g: int, r: int) -> None:
    rng = np.random.default_rng(g)
    rows = rng.standard_normal((g, r))
    rows /= np.linalg.norm(rows, axis=1)[:, None]
    every = {tuple(signs) for signs in activation_patterns(rows)[0].tolist()}
    signs, directions, frequencies = sampled_patterns(rows, 1000, rng)
    assert {tuple(pattern) for pattern in signs.tolist()} == every
    assert len(signs) == len(every) == directions.shape[1]
    assert np.all(signs * (rows @ directions).T > 0.0)
    probabilities = cell_probabilities(rows, signs, rng=rng)
    # Fifty times a thousand draws.
    np.testing.assert_allclose(frequencies, probabilities, atol=5.0 * np.sqrt(0.25 / 50_000))
    assert np.sum(frequencies) == pytest.approx(1.0)
    np.testing.assert_allclose(np.linalg.norm(directions, axis=0), 1.0)


def test_no_more_patterns_than_asked_for() -> None:
    rows = np.random.default_rng(0).standard_normal((30, 4))
    signs, directions, _ = sampled_patterns(rows, 7, np.random.default_rng(1))
    assert signs.shape == (7, 30) and directions.shape == (4, 7)
