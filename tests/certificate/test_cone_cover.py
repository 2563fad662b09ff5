"""The cover's bound is above the oracle's maximum and meets it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdprelax.base import Ball, Deadline
from sdprelax.certificate import tightest_cover
from sdprelax.certificate._cone_cover import cover_sphere, most_cones
from sdprelax.exact import Arrangement
from sdprelax.exact._oracle import value


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
    enumerated = Arrangement(rows).local_maxima(dual)
    cover = cover_sphere(rows, Ball.exact(dual), 1e-9)
    assert enumerated.values[0] <= cover.bound
    assert enumerated.values[0] == pytest.approx(cover.reached, rel=1e-7)


@given(st.integers(0, 60), st.sampled_from([1e-9, 0.7, 1.001]))
def test_threads_give_the_same_bits(seed: int, share: float) -> None:
    rows, dual = instance(seed, rank=1 + seed % 5)
    dual = Ball.exact(dual)
    target = share * cover_sphere(rows, dual, 1e-9).reached
    one, *others = (cover_sphere(rows, dual, target, threads=threads) for threads in (1, 2, 5))
    for other in others:
        assert vars(one) | {"peaks": one.peaks.tobytes()} == vars(other) | {"peaks": other.peaks.tobytes()}


def test_peaks_may_be_asked_for_below_the_target() -> None:
    rows, dual = instance(1, rank=4)
    exact = cover_sphere(rows, Ball.exact(dual), 1e-9)
    plain, noted = (
        cover_sphere(rows, Ball.exact(dual), 1.001 * exact.reached, **above)
        for above in ({}, {"above": 0.9 * exact.reached})
    )
    assert plain.peaks.shape[1] == 0 and plain.bound == noted.bound and plain.cones == noted.cones
    assert np.all(value(rows, dual, noted.peaks) > 0.9 * exact.reached) and noted.peaks.shape[1] > 0


def test_no_more_cones_are_examined_than_allowed() -> None:
    rows, dual = instance(1, rank=4)
    for limit in (1, 7, 50, 99):
        assert cover_sphere(rows, Ball.exact(dual), 1e-9, max_cones=limit, threads=2).cones == limit


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


@pytest.mark.parametrize("rank", [2, 3, 4, 5])
def test_levels_end_within_the_accuracy_asked_for(rank: int) -> None:
    rows, dual = instance(5, rank=rank)
    exact = cover_sphere(rows, Ball.exact(dual), 1e-9)
    for accuracy in (0.3, 1e-3, 1e-7):
        cover = tightest_cover(rows, Ball.exact(dual), 0.5 * exact.reached, accuracy, deadline=Deadline())
        assert cover.complete
        assert exact.reached <= cover.bound <= exact.reached * (1 + accuracy) * (1 + 1e-8)


def test_without_time_the_bound_is_the_trivial_one() -> None:
    rows, dual = instance(6, rank=4)
    cover = tightest_cover(rows, Ball.exact(dual), 1.0, 1e-6, deadline=Deadline(0.0))
    g = len(rows)
    trivial = np.sum(np.maximum(np.linalg.norm(dual[:g], axis=1), np.linalg.norm(dual[g:], axis=1)))
    assert cover.complete and cover.cones == 0
    assert cover.bound == pytest.approx(trivial)


def test_in_high_rank_the_bound_is_the_trivial_one() -> None:
    rows = np.linalg.qr(np.random.default_rng(0).standard_normal((20, 20)))[0]
    cover = cover_sphere(rows, Ball.exact(np.ones((40, 1))), 1.0)
    assert not cover.complete and cover.bound == pytest.approx(20.0)


@given(st.integers(0, 200))
def test_a_row_and_its_opposite_share_their_hyperplane(seed: int) -> None:
    """f(w) depends on b_j and b_{j+g} through their sum at the hyperplane: splitting a row in two changes nothing."""
    rows, dual = instance(seed)
    g = len(rows)
    half = np.vstack([0.5 * dual[:g], 0.5 * dual[:g], 0.5 * dual[g:], 0.5 * dual[g:]])
    one = cover_sphere(rows, Ball.exact(dual), 1e-9)
    two = cover_sphere(np.vstack([rows, rows]), Ball.exact(half), 1e-9)
    assert two.bound == pytest.approx(one.bound, rel=1e-7)
    swapped = cover_sphere(-rows, Ball.exact(np.vstack([dual[g:], dual[:g]])), 1e-9)
    assert swapped.bound == pytest.approx(one.bound, rel=1e-7)


def test_rows_whose_cones_would_not_fit_into_memory_are_bounded_trivially() -> None:
    rows = np.zeros((300_000, 2))
    rows[:, 0] = 1.0
    cover = cover_sphere(rows, Ball.exact(np.full((600_000, 1), 1e-6)), 1e-3)
    assert not cover.complete and cover.cones == 0 and 0.3 <= cover.bound <= 0.301


def test_more_outputs_and_rows_leave_fewer_cones() -> None:
    assert most_cones(10, 3, 1) > most_cones(10, 3, 5) > most_cones(100, 3, 5) > most_cones(100, 9, 5) > 0
