"""Without a licence MOSEK still writes its model: read back and solved by Clarabel, it is the right one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import clarabel
import numpy as np
import pytest
import scipy.sparse as sp

from sdprelax import Problem, SolverUnavailable, solve
from sdprelax.base import Deadline
from sdprelax.lifting import LiftedProgram
from sdprelax.problem import reduce
from sdprelax.relaxation import relaxation
from sdprelax.solvers import available, solvers

mosek = pytest.importorskip("mosek", reason="MOSEK is not installed (extra: mosek)")


def licensed() -> bool:
    return next(state for state in available() if state.name == "mosek").runs


def triangle(task: Any, first_column: list[int]) -> tuple[Any, Any]:
    """Return the cost and the rows of the semidefinite variables, in Clarabel's scaled upper triangles."""

    def columns(j: Any, k: Any, low: Any) -> tuple[Any, Any]:
        j, k, low = np.array(j), np.array(k), np.array(low)
        return np.array(first_column)[j] + k * (k + 1) // 2 + low, np.where(k == low, 1.0, np.sqrt(2.0))

    shape = (task.getnumcon(), first_column[-1])
    cost = np.zeros(first_column[-1])
    if task.getnumbarcblocktriplets():
        _, j, k, low, values = task.getbarcblocktriplet()
        place, scale = columns(j, k, low)
        np.add.at(cost, place, scale * np.array(values))
    _, i, j, k, low, values = task.getbarablocktriplet()
    place, scale = columns(j, k, low)
    return cost, sp.csr_array(sp.coo_array((scale * np.array(values), (np.array(i), place)), shape=shape))


def read_and_solve(path: Path) -> float:
    """Rebuild the conic problem of a MOSEK task file through the Task API and solve it with Clarabel."""
    with mosek.Env() as env, env.Task() as task:
        task.readdata(str(path))
        assert task.getnumacc() == 0, "the reader below knows variables in cones, not affine conic constraints"
        scalars, rows = task.getnumvar(), task.getnumcon()
        orders = [task.getdimbarvarj(j) for j in range(task.getnumbarvar())]
        first_column = [scalars]
        for order in orders:
            first_column.append(first_column[-1] + order * (order + 1) // 2)
        size = first_column[-1]
        cost, matrix = triangle(task, first_column)
        cost[:scalars] += task.getclist(list(range(scalars)))
        i, j, values = task.getatrip()
        matrix = matrix + sp.csr_array(sp.coo_array((values, (i, j)), shape=(rows, size)))
        bounds = [task.getconbound(i) for i in range(rows)]
        assert all(key == mosek.boundkey.fx for key, _, _ in bounds)
        parts, right, cones = [matrix], [low for _, low, _ in bounds], [clarabel.ZeroConeT(rows)]
        unit = sp.eye_array(size, format="csr")

        def member(columns: list[int], cone: Any) -> None:
            parts.append(-unit[columns])
            right.extend([0.0] * len(columns))
            cones.append(cone)

        keys = [task.getvarbound(j) for j in range(scalars)]
        positive = [j for j, (key, _, _) in enumerate(keys) if key == mosek.boundkey.lo]
        assert all(low == 0.0 for key, low, _ in keys if key == mosek.boundkey.lo)
        assert all(key in (mosek.boundkey.lo, mosek.boundkey.fr) for key, _, _ in keys)
        member(positive, clarabel.NonnegativeConeT(len(positive)))
        for index in range(task.getnumcone()):
            kind, _, _, members = task.getcone(index)
            assert kind == mosek.conetype.quad
            member(list(members), clarabel.SecondOrderConeT(len(members)))
        for j, order in enumerate(orders):
            member(list(range(first_column[j], first_column[j + 1])), clarabel.PSDTriangleConeT(order))
        sign = -1.0 if task.getobjsense() == mosek.objsense.maximize else 1.0
        constant = float(task.getcfix())
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    stacked, zero = sp.csc_array(sp.vstack(parts)), sp.csc_array((size, size))
    solution = clarabel.DefaultSolver(zero, sign * cost, stacked, np.array(right), cones, settings).solve()
    return sign * float(solution.obj_val) + constant


@pytest.mark.parametrize("form", ["reduced", "lifted"])
def test_the_model_that_mosek_gets_is_the_relaxation(form: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    problem = Problem(rng.standard_normal((4, 2)), rng.standard_normal((4, 2)), 0.3)
    lifting = LiftedProgram(problem, reduce(problem))
    model = relaxation(lifting, form)  # type: ignore[arg-type]
    path = tmp_path / "model.task"
    try:
        model.program.solve(solver="MOSEK", mosek_params={}, save_file=str(path))
    except mosek.Error as error:
        assert not licensed(), error
    value = solve(problem, "sdp", rounding=None).solver_value
    assert value is not None
    # CVXPY hands MOSEK the dual program, of the same value; "lifted" has no interior, and Clarabel stalls on it.
    assert read_and_solve(path) == pytest.approx(value, rel=1e-6 if form == "reduced" else 2e-3)


def test_without_a_licence_one_sentence_says_so() -> None:
    if licensed():
        pytest.skip("MOSEK has a licence here")
    rng = np.random.default_rng(0)
    problem = Problem(rng.standard_normal((3, 2)), rng.standard_normal((3, 1)), 0.3)
    with pytest.raises(SolverUnavailable) as caught:
        solve(problem, "sdp", solver="MOSEK")
    message = str(caught.value)
    assert "licence" in message and "MOSEKLM_LICENSE_FILE" in message and "clarabel and scs" in message
    assert "\n" not in message


def test_a_licensed_mosek_agrees_with_clarabel() -> None:
    if not licensed():
        pytest.skip("MOSEK has no licence here")
    rng = np.random.default_rng(0)
    problem = Problem(rng.standard_normal((6, 2)), rng.standard_normal((6, 2)), 0.1)
    lifting = LiftedProgram(problem, reduce(problem))
    solution = relaxation(lifting, "reduced").solve(solvers.create("mosek"), Deadline())
    other = solve(problem, "sdp", rounding=None).solver_value
    assert solution.solved.value == pytest.approx(other, rel=1e-4)
