"""Cells' probabilities are solid angles: of all cells they add up, and they make the gated NTK of its closed form."""

from __future__ import annotations

import numpy as np
import pytest

from sdprelax.cell_probabilities import cell_probabilities
from sdprelax.exact.arrangement import activation_patterns
from sdprelax.kernels import gated_ntk_kernel


def unit_rows(g: int, r: int, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).standard_normal((g, r))
    return rows / np.linalg.norm(rows, axis=1)[:, None]


def generator() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.mark.parametrize(("g", "r"), [(1, 1), (2, 2), (9, 2), (3, 3), (25, 3)])
def test_all_cells_make_a_sphere_and_the_gated_ntk(g: int, r: int) -> None:
    rows = unit_rows(g, r)
    signs, _ = activation_patterns(rows)
    found = cell_probabilities(rows, signs, rng=generator())
    assert np.all(found > 0.0)
    assert np.sum(found) == pytest.approx(1.0, abs=1e-13)
    lengths = np.random.default_rng(1).uniform(0.5, 2.0, (g, 1))
    X, masks = lengths * rows, (signs.T > 0).astype(float)
    kernel = sum(p * np.outer(mask, mask) * (X @ X.T) for p, mask in zip(found, masks.T, strict=True))
    np.testing.assert_allclose(kernel, gated_ntk_kernel(X, X), atol=1e-13)
    # A gate and its negative are as likely.
    opposite = cell_probabilities(rows, -signs, rng=generator())
    np.testing.assert_allclose(found, opposite, rtol=1e-9)


@pytest.mark.parametrize(("g", "r"), [(7, 3), (6, 4)])
def test_frequencies_of_gaussian_gates_agree(g: int, r: int) -> None:
    rows = unit_rows(g, r, 3)
    signs, _ = activation_patterns(rows)
    found = cell_probabilities(rows, signs, rng=generator())
    drawn = np.where(np.random.default_rng(11).standard_normal((200_000, r)) @ rows.T > 0.0, 1, -1)
    share = np.array([np.mean(np.all(drawn == pattern, axis=1)) for pattern in signs])
    error = np.sqrt(np.maximum(share, 1e-5) / 200_000)
    assert np.all(np.abs(found - share) <= 7.5 * error)
    assert np.sum(found) == pytest.approx(1.0, abs=1e-9)


def test_orthants_have_their_known_probabilities() -> None:
    np.testing.assert_allclose(cell_probabilities(np.eye(3), activation_patterns(np.eye(3))[0], rng=generator()), 0.125)
    rows = unit_rows(3, 3, 5)
    correlated = np.arcsin([rows[0] @ rows[1], rows[0] @ rows[2], rows[1] @ rows[2]])
    expected = 0.125 + np.sum(correlated) / (4.0 * np.pi)
    found = cell_probabilities(rows, np.ones((1, 3), dtype=np.int8), rng=generator())
    np.testing.assert_allclose(found, [expected], rtol=1e-12)


def test_thin_cells_keep_their_digits() -> None:
    """Between two nearly parallel planes: of the plane's angle ε a share of ε/2π, cut in half by a third row."""
    for angle in (1e-3, 1e-8):
        rows = np.array([[1.0, 0.0, 0.0], [np.cos(angle), np.sin(angle), 0.0], [0.0, 0.0, 1.0]])
        thin = np.array([[1, -1, 1]], dtype=np.int8)
        assert cell_probabilities(rows, thin, rng=generator())[0] == pytest.approx(angle / (4.0 * np.pi), rel=1e-7)
        flat = cell_probabilities(rows[:2, :2], thin[:, :2], rng=generator())
        assert flat[0] == pytest.approx(angle / (2.0 * np.pi), rel=1e-7)


def test_a_pattern_of_no_cell_has_no_probability() -> None:
    rows = np.array([[1.0, 0.0], [0.0, 1.0], [np.sqrt(0.5), np.sqrt(0.5)]])
    assert cell_probabilities(rows, np.array([[1, 1, -1]], dtype=np.int8), rng=generator())[0] == 0.0
    in_space = np.hstack([rows, np.zeros((3, 1))])
    in_space = np.vstack([in_space, [[0.0, 0.0, 1.0]]])
    assert cell_probabilities(in_space, np.array([[1, 1, -1, 1]], dtype=np.int8), rng=generator())[0] == 0.0
    assert cell_probabilities(np.array([[1.0]]), np.array([[1], [-1]], dtype=np.int8), rng=generator()).tolist() == [
        0.5,
        0.5,
    ]
