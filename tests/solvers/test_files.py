"""Programs written for other solvers: what they say, read by parsers of the test's own, and solutions read back."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cvxpy as cp
import numpy as np
import pytest

import sdprelax
from sdprelax import InputError, Problem, RelaxationModel
from sdprelax.cells import whole_space


def problem(seed: int = 0, c: int = 2, **options: Any) -> Problem:
    rng = np.random.default_rng(seed)
    Y = 30.0 * rng.standard_normal((5, c))
    if options.get("loss") == "logistic":
        Y = np.sign(Y)
    return Problem(rng.standard_normal((5, 2)), Y, **({"gamma": 1.0} | options))


def added(model: RelaxationModel) -> RelaxationModel:
    g = len(model.rows)
    model.add("sum", form=np.concatenate([np.ones(2 * g), np.zeros(2)])[None], reason=whole_space(g))
    return model


def narrow() -> Problem:
    """Return a problem of one generator row, whose cones leave nothing undetermined."""
    return Problem(np.array([[1.0, 2.0], [-2.0, -4.0]]), np.array([[30.0], [10.0]]), gamma=1.0)


MODELS: dict[str, Callable[[], RelaxationModel]] = {
    "reduced": lambda: sdprelax.relax(problem()),
    "lifted": lambda: sdprelax.relax(problem(), form="lifted"),
    "minors": lambda: sdprelax.relax(problem(), form="scaled_diagonally_dominant"),
    "cones": lambda: added(sdprelax.relax(problem(), cones=2)),
    "one row": lambda: sdprelax.relax(narrow()),
    "no equation": lambda: sdprelax.relax(narrow(), cones=2),
    "offset": lambda: sdprelax.relax(problem(offset=0.5)),
    "absolute": lambda: sdprelax.relax(problem(loss="absolute")),
    "logistic": lambda: sdprelax.relax(problem(c=1, loss="logistic", gamma=0.1)),
}


def read_sdpa(path: Path) -> tuple[list[int], list[float], list[list[np.ndarray]]]:
    """Return block sizes, c, and F_0, F_1, ... as lists of dense blocks."""
    lines = [line for line in path.read_text().splitlines() if line[0] not in '"*']
    count = int(lines[0].split()[0])
    sizes = [int(size) for size in lines[2].split()]
    costs = [float(value) for value in lines[3].split()]
    assert len(costs) == count and len(sizes) == int(lines[1].split()[0])
    F = [[np.zeros((abs(size), abs(size))) for size in sizes] for _ in range(count + 1)]
    for line in lines[4:]:
        matrix, block, i, j = (int(part) for part in line.split()[:4])
        assert i <= j and (sizes[block - 1] > 0 or i == j)
        F[matrix][block - 1][i - 1, j - 1] = F[matrix][block - 1][j - 1, i - 1] = float(line.split()[4])
    return sizes, costs, F


def solve_sdpa(path: Path) -> tuple[float, np.ndarray, list[np.ndarray]]:
    """Return value, x and Y of what a file says."""
    sizes, costs, F = read_sdpa(path)
    x = cp.Variable(len(costs))
    constraints = []
    for block, size in enumerate(sizes):
        flat = np.stack([part[block].ravel() for part in F[1:]], axis=1) @ x - F[0][block].ravel()
        X = cp.reshape(flat, (abs(size), abs(size)), order="C")
        constraints.append(cp.diag(X) >= 0 if size < 0 else 0.5 * (X + X.T) >> 0)
    program = cp.Problem(cp.Minimize(np.array(costs) @ x), constraints)
    program.solve(solver="CLARABEL")
    duals = [np.asarray(constraint.dual_value) for constraint in constraints]
    return float(program.value), x.value, [np.diag(Y) if Y.ndim == 1 else 0.5 * (Y + Y.T) for Y in duals]


def sdpa_output(sizes: list[int], x: np.ndarray, Y: list[np.ndarray]) -> str:
    def braces(values: np.ndarray) -> str:
        return "{" + ",".join(f"{value:+.16e}" for value in values) + "}"

    blocks = [
        braces(np.diag(y)) if size < 0 else "{ " + ", ".join(braces(row) for row in y) + " }"
        for size, y in zip(sizes, Y, strict=True)
    ]
    body = "\n".join(blocks)
    return (
        f"phase.value  = pdOPT     \n   Iteration = 12\nobjValPrimal = +1.0e+00\nxVec = \n{braces(x)}\n"
        f"xMat = \n{{\n{{+1.0e+00}}\n}}\nyMat = \n{{\n{body}\n}}\n    main loop time = 0.01\n      total time = 0.012\n"
    )


def csdp_output(x: np.ndarray, Y: list[np.ndarray]) -> str:
    lines = [" ".join(f"{value:.18e}" for value in x), "1 1 1 1 1.0e+00"]
    for block, y in enumerate(Y):
        lines += [f"2 {block + 1} {i + 1} {j + 1} {y[i, j]:.18e}" for i, j in np.argwhere(np.triu(y) != 0.0)]
    return "\n".join(lines) + "\n"


@pytest.mark.filterwarnings("ignore:Solution may be inaccurate")
@pytest.mark.parametrize("name", [name for name in MODELS if name != "logistic"])
def test_sdpa_files_have_the_value_and_their_solutions_prove_it(name: str, tmp_path: Path) -> None:
    model = MODELS[name]()
    model.solve("clarabel")  # which leaves its values in the program
    value, bound = model.program.value, model.bound
    model.write(tmp_path / "p.dat-s")
    found, x, Y = solve_sdpa(tmp_path / "p.dat-s")
    accuracy = 1e-2 if name == "lifted" else 1e-4  # which has no interior
    assert found + _constant(tmp_path / "p.dat-s") == pytest.approx(value, rel=accuracy)
    outputs = {"out": sdpa_output(read_sdpa(tmp_path / "p.dat-s")[0], x, Y), "sol": csdp_output(x, Y)}
    for suffix, text in outputs.items():
        (tmp_path / f"p.{suffix}").write_text(text)
        other = MODELS[name]()
        certificate = other.read(tmp_path / f"p.{suffix}")
        assert other.value == pytest.approx(model.value_in_units(value), rel=accuracy)
        # Multipliers of minors are not unique, and repaired for the semidefinite cone.
        assert certificate.lower == pytest.approx(bound, rel=0.1 if name == "minors" else 10.0 * accuracy)
        assert sdprelax.verify(other.presolved.original, certificate) >= certificate.lower


def _constant(path: Path) -> float:
    (said,) = re.findall(r"is that of the file plus (\S+)\.\n", path.read_text())
    return float(said)


def read_cbf(path: Path) -> dict[str, list[list[str]]]:
    """Return the lines of every section."""
    sections: dict[str, list[list[str]]] = {}
    name = ""
    for line in path.read_text().splitlines():
        if re.fullmatch(r"[A-Z]+", line) and line not in ("MIN", "MAX"):
            name = line
            sections[name] = []
        elif line and not line.startswith("#"):
            sections[name].append(line.split())
    return sections


def solve_cbf(path: Path) -> tuple[float, dict[str, Any]]:
    """Return value and solution of what a file says."""
    file = read_cbf(path)
    assert file["VER"] == [["3"]] and file["OBJSENSE"] == [["MIN"]]
    x = cp.Variable(int(file["VAR"][0][0]))
    assert file["VAR"][1:] == [["F", file["VAR"][0][0]]]

    def entries(section: str) -> Iterator[list[float]]:
        rows = file.get(section, [["0"]])
        assert len(rows) == 1 + int(rows[0][0])
        return ([float(value) for value in row] for row in rows[1:])

    costs, A, b = np.zeros(x.shape), np.zeros((int(file["CON"][0][0]), *x.shape)), np.zeros(int(file["CON"][0][0]))
    for j, value in entries("OBJACOORD"):
        costs[int(j)] = value
    for i, j, value in entries("ACOORD"):
        A[int(i), int(j)] = value
    for i, value in entries("BCOORD"):
        b[int(i)] = value
    constraints: list[Any] = []
    rows: list[np.ndarray] = []
    start = 0
    for kind, size in ((kind, int(size)) for kind, size in file["CON"][1:]):
        own = np.arange(start, start + size)
        part = A[own] @ x + b[own]
        if kind == "EXP":
            constraints.append(cp.constraints.ExpCone(part[2], part[1], part[0]))
        else:
            constraints.append({"L=": part == 0, "L+": part >= 0, "Q": cp.SOC(part[0], part[1:])}[kind])
        rows.append(own)
        start += size
    orders = [int(size[0]) for size in file.get("PSDCON", [["0"]])[1:]]
    H, D = [np.zeros((*x.shape, size, size)) for size in orders], [np.zeros((size, size)) for size in orders]
    for k, j, p, q, value in entries("HCOORD"):
        assert p >= q
        H[int(k)][int(j), int(p), int(q)] = H[int(k)][int(j), int(q), int(p)] = value
    for k, p, q, value in entries("DCOORD"):
        D[int(k)][int(p), int(q)] = D[int(k)][int(q), int(p)] = value
    psd = [
        cp.reshape(h.reshape(len(h), -1).T @ x, d.shape, order="C") + d >> 0 for h, d in zip(H, D, strict=True)
    ]  # fmt: skip
    program = cp.Problem(cp.Minimize(costs @ x), [*constraints, *psd])
    program.solve(solver="CLARABEL")
    y = np.zeros(len(b))
    for kind, own, constraint in zip(file["CON"][1:], rows, constraints, strict=True):
        dual = constraint.dual_value
        flat = np.concatenate([np.ravel(part) for part in dual]) if isinstance(dual, list) else np.ravel(dual)
        # CVXPY adds multipliers of equations, and has the arguments of exponential cones in the other order.
        y[own] = {"L=": -flat, "EXP": flat[::-1]}.get(kind[0], flat)
    return float(program.value), {"x": x.value, "y": y, "psd": [each.dual_value for each in psd]}


@pytest.mark.parametrize("name", [name for name in MODELS if name != "lifted"])
def test_conic_benchmark_files_have_the_value_and_their_solutions_prove_it(name: str, tmp_path: Path) -> None:
    model = MODELS[name]()
    model.solve("clarabel")  # which leaves its values in the program
    value, bound = model.program.value, model.bound
    model.write(tmp_path / "p.cbf")
    found, solution = solve_cbf(tmp_path / "p.cbf")
    assert found + _constant(tmp_path / "p.cbf") == pytest.approx(value, rel=1e-5)
    other = MODELS[name]()
    assert other.read(solution).lower == pytest.approx(bound, rel=0.1 if name == "minors" else 1e-3)
    assert sdprelax.verify(other.presolved.original, other.certificate()) >= other.bound
    listed = {"x": solution["x"].tolist(), "y": solution["y"].tolist(), "psd": [S.tolist() for S in solution["psd"]]}
    (tmp_path / "p.json").write_text(json.dumps(listed))
    assert MODELS[name]().read(tmp_path / "p.json").lower == other.bound


def test_sdpa_itself_solves_the_file_and_its_output_is_read(tmp_path: Path) -> None:
    sdpap = pytest.importorskip("sdpap", reason="sdpa-multiprecision is not installed (extra: referee)")
    model = sdprelax.relax(problem())
    model.solve()
    model.write(tmp_path / "p.dat-s")
    A, b, c, K, J = sdpap.importsdpa(str(tmp_path / "p.dat-s"))
    sdpap.solve(A, b, c, K, J, {"print": "no", "sdpaResult": str(tmp_path / "p.out")})
    value, bound = model.value, model.bound
    assert model.read(tmp_path / "p.out").lower == pytest.approx(bound, rel=1e-4)
    assert model.value == pytest.approx(value, rel=1e-4)
    assert (tmp_path / "p.out").read_text().startswith("SDPA")


def test_mosek_reads_the_conic_benchmark_file(tmp_path: Path) -> None:
    mosek = pytest.importorskip("mosek", reason="MOSEK is not installed (extra: mosek)")
    model = sdprelax.relax(problem())
    model.write(tmp_path / "p.cbf")
    file = read_cbf(tmp_path / "p.cbf")
    with mosek.Env() as env, env.Task() as task:
        task.readdata(str(tmp_path / "p.cbf"))
        assert task.getnumvar() == int(file["VAR"][0][0])
        assert task.getobjsense() == mosek.objsense.minimize


def test_what_is_no_file_or_no_solution_is_one_sentence(tmp_path: Path) -> None:
    model, other = sdprelax.relax(problem()), sdprelax.relax(problem(c=1))
    with pytest.raises(InputError, match=r"write one that ends with \.dat-s or \.cbf"):
        model.write(tmp_path / "p.txt")
    with pytest.raises(InputError, match="SDPA's format has no exponential cones"):
        MODELS["logistic"]().write(tmp_path / "p.dat-s")
    with pytest.raises(InputError, match="cannot be read"):
        model.read(tmp_path / "missing.out")
    other.write(tmp_path / "p.dat-s")
    _, x, Y = solve_sdpa(tmp_path / "p.dat-s")
    (tmp_path / "p.out").write_text(sdpa_output(read_sdpa(tmp_path / "p.dat-s")[0], x, Y))
    (tmp_path / "p.sol").write_text(csdp_output(x, Y))
    with pytest.raises(InputError, match="is a solution of another program: it has"):
        model.read(tmp_path / "p.out")
    with pytest.raises(InputError, match="is neither the output of SDPA, with xVec and yMat, nor of CSDP"):
        model.read(tmp_path / "p.sol")
    for entry in ("2 9 1 1 1.0", "2 0 1 1 1.0", "2 1 1 99 1.0"):
        (tmp_path / "p.sol").write_text(csdp_output(x, Y) + entry)
        with pytest.raises(InputError, match="it has more or larger blocks"):
            other.read(tmp_path / "p.sol")
    (tmp_path / "p.json").write_text("[1, 2")
    with pytest.raises(InputError, match="cannot be read"):
        model.read(tmp_path / "p.json")
    (tmp_path / "p.json").write_text("[1, 2]")
    with pytest.raises(InputError, match="is a mapping of numbers"):
        model.read(tmp_path / "p.json")
    with pytest.raises(InputError, match="is a mapping of numbers"):
        model.read({"x": [1.0]})
    with pytest.raises(InputError, match="its arrays have the shapes"):
        model.read({"x": [1.0], "y": [1.0]})
    with pytest.raises(InputError, match="a dual point has 'A' and 'N'"):
        model.read({"A": np.zeros((5, 2)), "M": 0})
