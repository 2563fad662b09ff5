"""Steps over one cone at a fixed dual point, and the projection that they share with those of several blocks."""

from __future__ import annotations

import numpy as np
import pytest

from sdprelax.base import Deadline
from sdprelax.cells import Cone, whole_space
from sdprelax.lifting.inequalities import Forms, inequalities
from sdprelax.relaxation._splitting import local_solution
from sdprelax.solvers.native import LocalSteps
from sdprelax.solvers.native.factored import AskedProducts, Factored


def instance(seed: int, g: int = 7, r: int = 3, c: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Return unit rows and a dual point."""
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((g, r))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True), rng.standard_normal((2 * g, c))


def steps(forms: Forms, dual: np.ndarray, count: int, start: LocalSteps | None = None) -> LocalSteps:
    run = LocalSteps(forms, dual, None if start is None else start.state)
    assert run.run(count, Deadline())
    return run


def slack(forms: Forms, dual: np.ndarray, N: np.ndarray) -> tuple[np.ndarray, int]:
    """Return −DDᵀ − GᵀNG and the order of β."""
    k, G = len(forms.cone.undetermined), forms.matrix.toarray()
    D = forms.lift.T @ np.pad(dual, ((0, G.shape[1] - k), (0, 0)))
    return -D @ D.T - G.T @ N @ G, k


def proved(forms: Forms, dual: np.ndarray, N: np.ndarray) -> float:
    """Return the least √κ for which κE_ww − DDᵀ − GᵀNG is positive semidefinite, β raised by what it lacks."""
    H, k = slack(forms, dual, N)
    if not k:
        return float(np.sqrt(max(0.0, np.linalg.eigvalsh(-H)[-1])))
    beta = H[:k, :k] + 1e-9 * np.eye(k)
    beta += max(0.0, -2.0 * float(np.linalg.eigvalsh(beta)[0])) * np.eye(k)
    schur = H[k:, :k] @ np.linalg.solve(beta, H[:k, k:]) - H[k:, k:]
    return float(np.sqrt(max(0.0, np.linalg.eigvalsh(schur)[-1])))


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("more", [None, {"sublinear": inequalities.create("sublinear")}], ids=["standard", "sublinear"])
def test_steps_end_at_the_value_of_the_conic_solver(seed: int, more: dict[str, object] | None) -> None:
    rows, dual = instance(seed)
    cone = whole_space(len(rows)) if seed % 2 else whole_space(len(rows)).split(rows, seed)[0]
    omega, _, S = local_solution(rows, dual, cone, Deadline(), more)  # type: ignore[arg-type]
    forms = Forms.of(rows, cone, more)  # type: ignore[arg-type]
    run = steps(forms, dual, 4000)
    N, found = run.multipliers(), run.matrix()
    assert np.allclose(N, N.T) and omega * (1.0 - 1e-6) <= proved(forms, dual, N) <= omega * (1.0 + 2e-2)
    D = forms.lift.T @ np.pad(dual, ((0, rows.shape[1]), (0, 0)))
    k = len(cone.undetermined)
    assert np.trace(found[k:, k:]) == pytest.approx(1.0, rel=1e-2)
    assert float(np.sum((D @ D.T) * found)) == pytest.approx(omega**2, rel=2e-2)
    assert float(np.sum((D @ D.T) * S)) == pytest.approx(omega**2, rel=1e-5), "as Clarabel's does"


@pytest.mark.parametrize("seed", range(4))
def test_a_part_starts_with_what_the_whole_has_proved(seed: int) -> None:
    rows, dual = instance(seed, g=9)
    whole = whole_space(len(rows))
    run = steps(Forms.of(rows, whole), dual, 3000)
    H, _ = slack(run.forms, dual, run.multipliers())
    for part in whole.split(rows, seed):
        begun = LocalSteps(Forms.of(rows, part), dual, run.state)
        # The whole's variables x are Ex′ of the part's, and so the part's slack is EᵀHE: as positive as before.
        lift = begun.forms.lift.toarray()
        E = np.vstack([lift[len(rows) + whole.undetermined], lift[2 * len(rows) :]])
        own, _ = slack(begun.forms, dual, begun.multipliers())
        assert np.allclose(own, E.T @ H @ E, atol=1e-5 * float(np.max(np.abs(H)))), "z was kept in single precision"


def test_steps_end_in_time() -> None:
    rows, dual = instance(0)
    assert not LocalSteps(Forms.of(rows, whole_space(len(rows))), dual).run(10, Deadline(0.0))


def test_a_cone_without_undetermined_rows_has_steps_too() -> None:
    rows, dual = instance(1, g=4, r=2)
    cone: Cone = whole_space(len(rows))
    while len(cone.undetermined):
        cone = cone.split(rows, int(cone.undetermined[0]))[0]
    forms = Forms.of(rows, cone)
    run = steps(forms, dual, 2000)
    exact = local_solution(rows, dual, cone, Deadline())[0]
    assert proved(forms, dual, run.multipliers()) == pytest.approx(exact, rel=1e-2)


def test_the_nearest_matrix_of_the_face_is_a_projection() -> None:
    rng = np.random.default_rng(0)
    K = rng.standard_normal((9, 5))
    face = Factored(K, 3)
    matrix, pull = (M + M.T for M in (rng.standard_normal((9, 9)), rng.standard_normal((5, 5))))

    def objective(S: np.ndarray) -> float:
        return 0.5 * float(np.sum((K @ S @ K.T - matrix) ** 2)) - float(np.sum(pull * S))

    F = face.nearest(matrix, face.whitened(pull))
    S = F @ F.T
    assert np.allclose(face.image(F), K @ F)
    gradient = K.T @ (K @ S @ K.T - matrix) @ K - pull
    # Optimality over S ⪰ 0: the gradient is positive semidefinite and complementary.
    assert np.linalg.eigvalsh(gradient)[0] > -1e-8 and abs(float(np.sum(gradient * S))) < 1e-8
    assert all(objective(S) <= objective(S + 0.1 * np.outer(v, v)) for v in rng.standard_normal((20, 5)))


def test_products_are_as_asked() -> None:
    asked = AskedProducts(np.array([[0, 0], [0, 1]]), np.array([[1, 2]]), 3)
    z = np.array([[-1.0, 2.0, -3.0], [2.0, -4.0, 5.0], [-3.0, 5.0, -6.0]])
    assert np.array_equal(asked.nearest(z), [[0.0, 2.0, -3.0], [2.0, -4.0, 0.0], [-3.0, 0.0, -6.0]])
