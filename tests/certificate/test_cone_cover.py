"""The cover's bound is above the oracle's maximum and meets it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdprelax.certificate.cone_cover import cover_sphere
from sdprelax.deadline import Deadline
from sdprelax.exact.arrangement import Arrangement, value
from sdprelax.verified import Ball


def instance(seed: int, rank: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    r = rank or int(rng.integers(1, 5))
    g, c = (1 if r == 1 else int(rng.integers(r, r + 8))), int(rng.integers(1, 4))
    rows = rng.standard_normal((g, r))
    return rows / np.linalg.norm(rows, axis=1)[:, None], rng.standard_normal((2 * g, c))


@given(st.integers(0, 400))
def test_the_bound_is_proved_and_met_by_a_direction(seed: int) -> None:
    rows, dual = instance(seed)
    cover = cover_sphere(rows, Ball.exact(dual), 1e-9)
    rng = np.random.default_rng(seed)
    directions = rng.standard_normal((rows.shape[1], 20_000))
    directions /= np.linalg.norm(directions, axis=0)
    assert cover.complete
    assert np.max(value(rows, dual, directions)) <= cover.bound
    assert cover.reached <= cover.bound <= cover.reached * (1 + 1e-8)
    assert np.max(value(rows, dual, cover.peaks)) == pytest.approx(cover.reached)


@given(st.integers(0, 150))
def test_enumerating_faces_gives_the_same_maximum(seed: int) -> None:
    """Two independent oracles: cones against the faces of the arrangement."""
    rows, dual = instance(seed, rank=2 + seed % 3)
    enumerated = Arrangement(rows).candidates(dual)
    cover = cover_sphere(rows, Ball.exact(dual), 1e-9)
    assert enumerated.values[0] <= cover.bound
    assert enumerated.values[0] == pytest.approx(cover.reached, rel=1e-7)


def test_a_loose_target_is_proved_with_few_cones() -> None:
    rows, dual = instance(1, rank=4)
    exact = cover_sphere(rows, Ball.exact(dual), 1e-9)
    loose = cover_sphere(rows, Ball.exact(dual), 2.0 * exact.bound)
    assert loose.cones < exact.cones
    assert exact.bound < loose.bound <= 2.0 * exact.bound * (1 + 1e-9)


@pytest.mark.parametrize("limit", [1, 50, 200])
def test_an_interrupted_cover_still_bounds(limit: int) -> None:
    rows, dual = instance(1, rank=4)
    exact = cover_sphere(rows, Ball.exact(dual), 1e-9)
    for cover in (
        cover_sphere(rows, Ball.exact(dual), 1e-9, max_cones=limit),
        cover_sphere(rows, Ball.exact(dual), 1e-9, deadline=Deadline(0.0)),
    ):
        assert not cover.complete
        assert cover.bound >= exact.reached


def test_a_wide_ball_widens_the_bound() -> None:
    rows, dual = instance(2, rank=3)
    exact = cover_sphere(rows, Ball.exact(dual), 1e-9).bound
    wide = cover_sphere(rows, Ball(dual, np.full_like(dual, 1e-3)), 1e-9).bound
    assert wide > exact


def test_scaling_the_dual_scales_the_bound() -> None:
    rows, dual = instance(3, rank=3)
    one = cover_sphere(rows, Ball.exact(dual), 1e-9).bound
    many = cover_sphere(rows, Ball.exact(1024.0 * dual), 1e-9).bound
    assert many == pytest.approx(1024.0 * one, rel=1e-8)
