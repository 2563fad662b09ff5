"""Products of forms that vanish in the plane: bounds from the order of the lines alone."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdprelax.cells import determinant, lines_by_angle
from sdprelax.certificate._plane import vanishing_bounds


def kinks(rows: np.ndarray) -> np.ndarray:
    """Return directions in all arcs between neighbouring perpendiculars and on these, shape (2, m)."""
    angles = np.sort(np.concatenate([np.arctan2(-rows[:, 0], rows[:, 1]), np.arctan2(rows[:, 0], -rows[:, 1])]))
    middles = 0.5 * (angles + np.append(angles[1:], angles[:1] + 2.0 * np.pi))
    spread = np.concatenate([angles, middles, np.linspace(-np.pi, np.pi, 97)])
    return np.stack([np.cos(spread), np.sin(spread)])


@given(seed=st.integers(0, 2**32 - 1), k=st.integers(0, 6), walls=st.integers(0, 3), coarse=st.booleans())
def test_the_bounds_hold_for_every_neuron_and_are_no_larger_than_the_forms(
    seed: int, k: int, walls: int, coarse: bool
) -> None:
    rng = np.random.default_rng(seed)
    free, normals = rng.standard_normal((k, 2)), rng.standard_normal((walls, 2))
    if coarse:  # rows of zeros, parallel and opposite ones
        free, normals = np.round(free), np.round(normals)
    S, X = rng.integers(-1, 2, (5, k)).astype(float), rng.standard_normal((5, 2))
    pairs = np.argwhere(np.triu(np.ones((5, 5))))
    found = vanishing_bounds(free, normals, S, X, pairs)
    w = kinks(np.vstack([free, normals]))
    w = w[:, np.all(normals @ w >= 0.0, axis=0)]
    values = S @ np.maximum(-free @ w, 0.0) + X @ w
    largest = np.max(np.abs(values[pairs[:, 0]] * values[pairs[:, 1]]), axis=1, initial=0.0)
    assert np.all(largest <= found * (1.0 + 1e-12) + 1e-12)
    sizes = np.max(np.abs(S) @ np.linalg.norm(free, axis=1)[:, None] + np.linalg.norm(X, axis=1)[:, None], initial=1.0)
    assert np.all(found <= sizes**2 * 1.001)


def test_neighbours_alone_have_products_that_do_not_vanish() -> None:
    rows = np.array([[np.cos(t), np.sin(t)] for t in np.arange(5) * np.pi / 5])
    # α_{j−1} + α_{j+1} − 2cos(36°)α_j of the ends of lines, counted around the circle: −x̂_i has the activation β_i.
    S, X = np.zeros((5, 5)), np.zeros((5, 2))
    for j in range(5):
        for i, share in ((j - 1, 1.0), (j, -2.0 * np.cos(np.pi / 5)), (j + 1, 1.0)):
            S[j, i % 5] += share
            X[j] += share * rows[i % 5] * (0 <= i < 5)
    pairs = np.argwhere(np.triu(np.ones((5, 5)), 1))
    found = vanishing_bounds(rows, np.zeros((0, 2)), S, X, pairs)
    near = np.isin((pairs[:, 1] - pairs[:, 0]) % 5, (1, 4))
    assert np.all(found[near] > 0.1)
    assert np.all(found[~near] < 1e-14)


def test_the_two_sides_of_a_row_vanish_together_and_in_a_cone_what_is_behind_its_wall() -> None:
    rows = np.array([[1.0, 0.0], [0.6, 0.8]])
    # β_0, α_0, β_1, α_1
    S, X = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]), np.zeros((4, 2))
    X[1], X[3] = rows
    pairs = np.array([[0, 1], [2, 3], [0, 3], [1, 2]])
    assert np.all(vanishing_bounds(rows, np.zeros((0, 2)), S, X, pairs)[:2] < 1e-15)
    assert np.all(vanishing_bounds(rows, np.zeros((0, 2)), S, X, pairs)[2:] > 0.1)
    assert vanishing_bounds(rows, rows[:1], S, X, pairs)[2] < 1e-15  # β_0 is zero ahead of its own wall


def test_a_cone_without_interior_is_bounded_by_all_of_the_plane() -> None:
    row, ray = np.array([[1.0, 0.0]]), np.array([[0.0, 1.0], [0.0, -1.0]])
    assert vanishing_bounds(row, ray, np.ones((1, 1)), np.zeros((1, 2)), np.array([[0, 0]]))[0] >= 1.0


def test_beyond_the_plane_nothing_is_proved() -> None:
    assert vanishing_bounds(np.eye(3), np.zeros((0, 3)), np.eye(3), np.eye(3), np.array([[0, 1]])) == np.inf


@pytest.mark.parametrize("scale", [1.0, 2.0**-600, 2.0**600])
def test_lines_are_told_apart_to_the_last_digit(scale: float) -> None:
    rows = np.array([[1.0, 1.0], [-1.0, -np.nextafter(1.0, 2.0)], [0.0, 0.0], [3.0, 3.0], [-1.0, 0.0], [0.0, -1.0]])
    number, sign = lines_by_angle(rows * scale)
    assert number.tolist() == [1, 2, -1, 1, 0, 3]
    assert sign.tolist() == [1, -1, 0, 1, -1, -1]
    assert determinant(rows[0], -rows[1]) == Fraction(1, 2**52)
