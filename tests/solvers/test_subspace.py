"""The space of positive eigenvalues of a matrix that moves slowly is followed without all of its eigenpairs."""

from __future__ import annotations

import numpy as np
import pytest

from sdprelax.lifting import LiftedProgram
from sdprelax.problem import Problem, reduce
from sdprelax.solvers.native import subspace
from sdprelax.solvers.native.alternating import AlternatingDirections
from sdprelax.solvers.native.arrays import Arrays, arrays_of
from sdprelax.solvers.native.subspace import PositivePart
from tests.solvers.test_native import libraries

ORDER = 80


def moving(steps: int, rank: int = 6, seed: int = 0) -> list[np.ndarray]:
    """Matrices of few positive eigenvalues whose eigenvectors turn a little from one to the next."""
    rng = np.random.default_rng(seed)
    values = np.concatenate([np.linspace(1.0, 9.0, rank), -np.linspace(0.1, 5.0, ORDER - rank)])
    vectors, found = np.linalg.qr(rng.standard_normal((ORDER, ORDER)))[0], []
    for _ in range(steps):
        vectors = np.linalg.qr(vectors + 2e-3 * rng.standard_normal((ORDER, ORDER)))[0]
        found.append((vectors * values) @ vectors.T)
    return found


def nearest(matrix: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.maximum(values, 0.0)) @ vectors.T


@pytest.mark.parametrize("arrays", libraries())
@pytest.mark.parametrize("accuracy", [3e-3, 1e-6])
def test_a_matrix_that_moves_slowly_is_followed(
    arrays: Arrays, accuracy: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subspace, "FEWEST", 40)
    part = PositivePart(arrays)
    for matrix in moving(20):
        found, rank = part(arrays.of(matrix), accuracy)
        error = np.linalg.norm(arrays.back(found) - nearest(matrix)) / np.linalg.norm(nearest(matrix))
        assert rank == 6 and error <= 2.0 * accuracy
        assert np.linalg.eigvalsh(arrays.back(found))[0] >= -1e-5
    assert part.whole == 1


def test_a_jump_is_noticed_and_all_eigenpairs_are_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subspace, "FEWEST", 40)
    arrays = arrays_of("numpy", None)
    part = PositivePart(arrays)
    for matrix, whole in [(moving(1)[0], 1), (moving(1, 15, seed=5)[0], 2), (moving(1, 3, seed=6)[0], None)]:
        found, rank = part(matrix, 1e-6)
        assert np.linalg.norm(found - nearest(matrix)) <= 1e-5 * np.linalg.norm(matrix)
        assert rank == np.sum(np.linalg.eigvalsh(matrix) > 0.0)
        assert whole is None or part.whole == whole
    for matrix in (np.zeros((ORDER, ORDER)), np.eye(ORDER), -np.eye(ORDER)):
        found, _ = part(matrix, 1e-6)
        np.testing.assert_allclose(found, nearest(matrix), atol=1e-9)


def test_small_matrices_and_those_that_are_not_followed_take_all_eigenpairs() -> None:
    arrays, matrices = arrays_of("numpy", None), moving(3)
    for part in (PositivePart(arrays), PositivePart(arrays, follows=False)):
        for matrix in matrices:
            np.testing.assert_allclose(part(matrix, 3e-3)[0], nearest(matrix), atol=1e-12)
        assert part.whole == 3


def test_steps_with_the_space_followed_come_to_the_same_point(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    problem = Problem(rng.standard_normal((60, 8)), rng.standard_normal((60, 1)), 5.0)
    lifting = LiftedProgram(problem, reduce(problem))
    monkeypatch.setattr(subspace, "FEWEST", 40)
    monkeypatch.setattr(subspace, "SHARE", 0.8)
    runs = [AlternatingDirections(lifting, arrays_of("numpy", None), follows=follows) for follows in (False, True)]
    for run in runs:
        for _ in range(400):
            run.step()
    values = [run.estimates().entrywise for run in runs]
    assert values[1] == pytest.approx(values[0], rel=1e-3)
    assert runs[0].positive_part.whole == 400 and runs[1].positive_part.whole < 200
