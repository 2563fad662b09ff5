"""sdprelax beside what one would take in its place, every rival in an environment of its own: rivals_*.csv.

    python benchmarks/rivals.py gated         # rivals_gated.csv: fixed gates; pyscnn
    python benchmarks/rivals.py relu          # rivals_relu.csv: networks by convex programs; jaxcld
    python benchmarks/rivals.py lasso         # rivals_lasso.csv: the group lasso behind gates; adelie, celer, skglm
    python benchmarks/rivals.py relaxation    # rivals_relaxation.csv: the relaxation; Clarabel, SCS, Moreau
    python benchmarks/rivals.py exact         # rivals_exact.csv: global optima; SCIP, Gurobi

An environment is made by venv and pip from the pinned list benchmarks/rivals/NAME.txt under ``--environments``
(build/rivals), and kept; a rival that cannot be installed is a row that says why. One thread each. ``processor`` is
what a solver takes with its own way of forming what it needs of the data, without loading it, without what a compiler
takes at the first call, which is ``compile``, and without CVXPY's. It is the median of three alternating runs where a
call takes less than REPEATED seconds. ``ratio`` is to the first row of ours.

gated, lasso, relu, relaxation: a solver is run at one tolerance after the other, from loose to tight, until its gap is
at most 1e-4; ``setting`` is that tolerance. The gap is of the value at its weights, evaluated in double precision, to
*our* lower bound of the program, proved with rounding errors included (of ``relu`` the bound of the relaxation, over
networks of any width); of ``relaxation`` it is the share by which the bound that its dual point proves is below the
best one. ``value`` and ``lower`` are those two.

relu: targets are classes. jaxcld's solver of the convex program over sampled patterns (ADMM with Nyström
preconditioning) has the patterns of `convex_relu` and two penalties ρ, multiples of γ, of which the best network
counts; the choice costs it nothing. It keeps the cones only in the limit: its network may be better than the program's
optimum, and it is the network that counts.

exact: networks of one output with hidden weights w_j and output weights ±1, which is all networks of that width with
weight decay: ½‖ΣΣ±(w_j·x)₊ − y‖² + γΣ‖w_j‖, a binary variable for every neuron and sample, second-order cones for the
norms, bounds on weights from the optimum's value, neurons of one sign in order of length. ``given`` has as many neurons
of each sign as the optimum, ``any`` as many as samples, which is every width. ``lower`` is the solver's own claim, and
``gap`` its own: (value − lower)/value; it stops at 1e-4.
"""

from __future__ import annotations

import functools
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gated as fixed
import numpy as np
from harness import (
    KILLED,
    Benchmark,
    Failed,
    Measure,
    Needs,
    Row,
    Run,
    alternated,
    environment,
    ratio,
    stopwatch,
    summary,
)  # fmt: skip
from problems import problem

HERE = Path(__file__).resolve().parent
LISTS = HERE / "rivals"
benchmark = Benchmark(__doc__, environments=(str(HERE.parent / "build" / "rivals"), "folder of the environments"))

TARGET = 1e-4
# Seconds on the wall below which a call is repeated, and how often.
GAMMA = 0.1
REPEATED, REPEATS = 6.0, 2
# Seconds after which a call is ended, and a solver that has a limit of its own ends.
LIMIT, SECONDS = 150.0, 30.0
COLUMNS = (
    "data", "solver", "setting", "value", "lower", "gap", "seconds", "processor", "compile", "ratio", "runs", "status",
)  # fmt: skip


@dataclass(frozen=True)
class Contestant:
    """A solver in a race.

    Parameters
    ----------
    name: what the table calls it.
    measure: a function at the top of a script; it gets ``tolerance`` and the race's arguments, and returns a ``value``.
    ladder: its tolerances, from loose to tight.
    listing: the list of its environment; None for this one.
    options: more arguments.
    all: the best rung counts, and not the first that meets the target.
    """

    name: str
    measure: Measure
    ladder: Sequence[float]
    listing: str | None = None
    options: Mapping[str, Any] | None = None
    all: bool = False


Judge = Callable[[Row], float]


def race(run: Run, contestants: Sequence[Contestant], judge: Judge, **arguments: Any) -> Iterator[Row]:
    """Yield a row for every contestant.

    Parameters
    ----------
    judge: returns the gap of what a contestant found.
    """
    found: dict[str, Row] = {}
    calls: dict[str, Callable[[], Row]] = {}
    for each in contestants:
        found[each.name], call = _climbed(run, each, judge, arguments)
        if call is not None:
            calls[each.name] = call
    again = {name: call for name, call in calls.items() if found[name]["wall"] < REPEATED}
    more = alternated(again, run.choose(REPEATS, tiny=0))
    unit: Row | None = None
    for name, first in found.items():
        runs = [first, *more.get(name, [])]
        row = first if "processor" not in first else summary(runs)
        unit = unit or row
        yield {"compile": 0.0, **row, "solver": name, "ratio": ratio(row, unit, "processor")}


def _climbed(run: Run, contestant: Contestant, judge: Judge, arguments: Row) -> tuple[Row, Callable[[], Row] | None]:
    """Return a contestant's row at the first rung of its ladder that meets the target, or at its best, and the call."""
    python, best, chosen = None, Row(), None
    try:
        if contestant.listing is not None:
            python = environment(LISTS / f"{contestant.listing}.txt", Path(run.options["environments"]))
        for rung in contestant.ladder:
            call = functools.partial(
                run.apart, contestant.measure, python=python, limit=LIMIT, tolerance=rung, **arguments,
                **(contestant.options or {}),
            )  # fmt: skip
            started = time.perf_counter()
            row = call()
            row |= {"setting": rung, "wall": time.perf_counter() - started}
            if row.get("status") == KILLED:
                return (best, chosen) if best else (row, None)
            gap = judge(row)
            row["gap"] = gap if np.isfinite(gap) else np.inf
            row.setdefault("status", "met" if row["gap"] <= TARGET else "not met")
            if not best or row["gap"] < best["gap"] or not contestant.all:
                best, chosen = row, call
            if row["gap"] <= TARGET and not contestant.all:
                break
    except Needs as missing:
        return {"status": f"needs {missing}"}, None
    except Failed as failed:
        return best or {"status": f"failed: {reason(failed)}"}, chosen
    return best, chosen


def reason(failed: Failed) -> str:
    """Return the last sentence of an error, without the name of its class and what follows a semicolon."""
    return str(failed).strip().splitlines()[-1].rpartition("Error: ")[2].partition(";")[0]


def above(lower: float, row: Row) -> float:
    """Return the gap of a value above a bound."""
    return float((row["value"] - lower) / row["value"])


# ---- fixed gates, and the group lasso that they make


def adelie(data: str, tolerance: float) -> Row:
    import adelie

    (X, y, G, gamma), passed = _arrays(data), stopwatch()
    features, n, width, gates = _features(X, G), len(X), X.shape[1], G.shape[1]
    # Their loss is ½‖·‖²/n; a path of one penalty is asked for, and not to end early on it.
    fit = adelie.grpnet(
        X=adelie.matrix.dense(features, n_threads=1), glm=adelie.glm.gaussian(y=y), lmda_path=[gamma / n],
        groups=np.arange(0, width * gates, width), penalty=np.ones(gates), intercept=False, tol=tolerance,
        n_threads=1, progress_bar=False, early_exit=False,
    )  # fmt: skip
    cost, weights = passed(), np.asarray(fit.betas[-1].todense()).reshape(gates, width).T
    return {**fixed.judged(dict(np.load(data)), G, weights), **cost}


def celer(data: str, tolerance: float) -> Row:
    from celer import GroupLasso

    (X, y, G, gamma), passed = _arrays(data), stopwatch()
    features, width = _features(X, G), X.shape[1]
    fit = GroupLasso(groups=width, alpha=gamma / len(X), fit_intercept=False, tol=tolerance, max_iter=500)
    fit.fit(features, y)
    cost, weights = passed(), fit.coef_.reshape(-1, width).T
    return {**fixed.judged(dict(np.load(data)), G, weights), **cost}


def _arrays(data: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    arrays = np.load(data)
    return arrays["X"], arrays["y"], arrays["G"], float(arrays["gamma"])


def _features(X: np.ndarray, G: np.ndarray) -> np.ndarray:
    """Return all D_iX side by side, column by column in memory."""
    masks = (X @ G >= 0.0).astype(float)
    return np.asfortranarray((masks[:, :, None] * X[:, None, :]).reshape(len(X), -1))


def proved(data: str) -> float:
    """Return our lower bound of a gated program, rounding errors included."""
    from sdprelax.certificate import Gates
    from sdprelax.lasso import ArrayRows, Masked, Program, Stop, prove, solve_program

    X, y, G, gamma = _arrays(data)
    masks = (X @ G >= 0.0).astype(float)
    fit = solve_program(Program(gamma, "frobenius", Masked(X, masks), y[:, None]), "auto", Stop(0.1 * TARGET))
    return float(prove(ArrayRows(X, y[:, None]), Gates(G), fit.weights, gamma, "frobenius").lower)


Size = tuple[int, int, int]
LADDER = (1e-1, 1e-2, 1e-3, 1e-4)
OURS = Contestant("ours", fixed.ours, LADDER, options={"solver": "auto"})
PYSCNN = Contestant("pyscnn", fixed.pyscnn, (1e-4, 1e-6, 1e-8, 1e-10), "pyscnn")
COLUMNED = (
    Contestant("celer", celer, (1e-2, *LADDER[2:], 1e-5, 1e-6), "celer"),
    Contestant("skglm", fixed.skglm, (1e-1, 1e-2, 1e-3, 1e-4), "skglm"),
    Contestant("adelie", adelie, (1e-6, 1e-8, 1e-10, 1e-12), "adelie"),
)
STAND_IN = Contestant("stand-in", fixed.clarabel, (1e-8,))


def programs(run: Run, sizes: Sequence[Size], contestants: Sequence[Contestant]) -> Iterator[Row]:
    """Yield the rows of all gated programs of some sizes."""
    for n, d, gates in sizes:
        name = f"{n:,}×{d}, {gates:,} gates"
        if run.wants(name):
            with tempfile.TemporaryDirectory() as folder:
                data = str(Path(folder) / "data.npz")
                np.savez(data, **fixed.case(n, d, gates))
                lower = proved(data)
                for row in race(run, contestants, functools.partial(above, lower), data=data):
                    yield row | {"data": name, "lower": lower}


@benchmark.part("rivals_gated", columns=COLUMNS, by=("data",))
def gated(run: Run) -> Iterator[Row]:
    sizes = run.choose(((1_000, 20, 100), (10_000, 20, 100), (100_000, 20, 100)), tiny=((20, 3, 4),))
    yield from programs(run, sizes, (OURS, run.choose(PYSCNN, tiny=STAND_IN)))


@benchmark.part("rivals_lasso", columns=COLUMNS, by=("data",))
def lasso(run: Run) -> Iterator[Row]:
    sizes = run.choose(((500, 20, 1_000), (1_000, 20, 100), (10_000, 20, 100)), tiny=((20, 3, 4),))
    yield from programs(run, sizes, (OURS, *run.choose(COLUMNED, tiny=(STAND_IN,))))


# ---- networks by convex programs


def classes(n: int, d: int) -> tuple[np.ndarray, np.ndarray]:
    """Return Gaussian inputs, in single precision's numbers, and two classes by the sign of a planted network."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, d)).astype(np.float32)
    labels = np.maximum(X @ rng.standard_normal((d, 5)), 0.0) @ rng.standard_normal(5) > 0.0
    return X.astype(float), labels.astype(int)


def networks(data: str, hidden: Sequence[np.ndarray], output: Sequence[np.ndarray]) -> float:
    """Return the objective of networks that feed one output each, of weights (d, m) and (m,)."""
    arrays = np.load(data)
    X, Y, gamma = arrays["X"], np.eye(2)[arrays["labels"]], float(arrays["gamma"])
    value = 0.0
    for k, (W, v) in enumerate(zip(hidden, output, strict=True)):
        W, v = np.asarray(W, dtype=float), np.asarray(v, dtype=float)
        value += 0.5 * np.sum((np.maximum(X @ W, 0.0) @ v - Y[:, k]) ** 2)
        value += gamma * np.sum(np.linalg.norm(W, axis=0) * np.abs(v))
    return float(value)


# Its own steps; of the inner ones, more divide zero by zero once they are at a residual of zero.
STEPS, INNER = 200, 10


def jaxcld(data: str, tolerance: float) -> Row:
    """Train with the penalty ρ that is ``tolerance`` times γ."""
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    import jax
    import jax.numpy as jnp
    from jaxcld.models.cvx_relu_mlp import CVX_ReLU_MLP
    from jaxcld.optimizers.admm import admm

    arrays = np.load(data)
    X, labels, masks, gamma = jnp.asarray(arrays["X"]), arrays["labels"], arrays["masks"], float(arrays["gamma"])
    settings = {"rank": 20, "beta": gamma, "gamma_ratio": 1.0, "pcg_iters": INNER, "check_opt": False}

    def fitted(steps: int) -> tuple[Any, Row]:
        passed = stopwatch()
        model = CVX_ReLU_MLP(X, jnp.asarray(labels), 2, masks.shape[1], gamma, tolerance * gamma, jax.random.PRNGKey(0))
        model.init_model()
        model.d_diags = jnp.asarray(masks, dtype=jnp.float32)
        model.e_diags = 2.0 * model.d_diags - 1.0
        admm(model, {**settings, "admm_iters": steps})
        jax.block_until_ready(model.theta1)
        return model, passed()

    compiling, once = (fitted(1)[1]["processor"] for _ in range(2))
    model, cost = fitted(STEPS)
    return {**cost, "compile": max(0.0, compiling - once), "value": networks(data, model.theta1, model.theta2)}


def trained(data: str, tolerance: float, method: str, options: Row) -> Row:
    import sdprelax

    arrays = np.load(data)
    problem = sdprelax.Problem(arrays["X"], np.eye(2)[arrays["labels"]], float(arrays["gamma"]))
    # The first call compiles.
    passed = stopwatch()
    sdprelax.solve(sdprelax.Problem(problem.X[:6], problem.Y[:6], 0.1), method, **options)
    compiled, passed = passed()["processor"], stopwatch()
    outcome = sdprelax.solve(problem, method, **options)
    cost = {**passed(), "compile": compiled}
    return {**cost, "value": problem.objective(outcome.network), "status": outcome.status}


PATTERNS = 50
RELU = (
    Contestant("ours, convex_relu", trained, (0.0,), options={"method": "convex_relu", "options": {"patterns": 50}}),
    Contestant("ours, lbfgs", trained, (0.0,), options={"method": "lbfgs", "options": {"restarts": 1}}),
    Contestant("jaxcld", jaxcld, (0.3, 1.0), "jaxcld", all=True),
)


@benchmark.part("rivals_relu", columns=COLUMNS, by=("data",))
def relu(run: Run) -> Iterator[Row]:
    import sdprelax
    from sdprelax.cells import sampled_patterns
    from sdprelax.problem import reduce

    for n, d in run.choose(((1_000, 10),), tiny=((12, 2),)):
        name = f"{n:,}×{d}→2, {PATTERNS} patterns"
        if not run.wants(name):
            continue
        X, labels = classes(n, d)
        steepest = max(
            np.linalg.norm(X.T @ ((X @ g > 0.0) * labels)) for g in np.random.default_rng(0).normal(size=(500, d))
        )
        problem = sdprelax.Problem(X, np.eye(2)[labels], 0.1 * float(steepest))
        reduction = reduce(problem)
        patterns = sampled_patterns(reduction.rows, PATTERNS, np.random.default_rng(0))
        masks = (X @ (reduction.basis @ patterns.directions) >= 0.0).astype(np.float32)
        bound = sdprelax.solve(problem, "sdp", rounding=None, time_limit=run.choose(30.0, tiny=5.0)).lower
        assert bound is not None
        with tempfile.TemporaryDirectory() as folder:
            data = str(Path(folder) / "data.npz")
            np.savez(data, X=X, labels=labels, masks=masks, gamma=problem.gamma)
            for row in race(run, run.choose(RELU, tiny=RELU[:2]), functools.partial(above, bound), data=data):
                yield row | {"data": name, "lower": bound}


# ---- the semidefinite relaxation


def relaxed(name: str, rows: int | None, tolerance: float, solver: str) -> Row:
    import sdprelax

    options = {"tolerance": tolerance}
    passed = stopwatch()
    sdprelax.relax(problem(None, "random", GAMMA, rows=4)).solve(solver, options)
    compiled = passed()["processor"]
    model = sdprelax.relax(problem(None, name, GAMMA, rows=rows))
    passed = stopwatch()
    model.solve(solver, options)
    return {**passed(), "compile": compiled, "value": model.bound}


def _standard(data: str) -> tuple[Any, ...]:
    """Return P, q, A, b and the sizes of cones of what CVXPY made of a program."""
    import scipy.sparse as sp

    arrays = np.load(data)
    P, A = (
        sp.csc_matrix(
            tuple(arrays[f"{name}_{part}"] for part in ("data", "indices", "indptr")), arrays[f"{name}_shape"]
        )
        for name in "PA"
    )
    sizes = {kind: arrays[kind].tolist() for kind in ("zero", "nonneg", "soc", "psd")}
    return P, arrays["c"], A, arrays["b"], sizes


def clarabel(data: str, answer: str, tolerance: float) -> Row:
    import clarabel

    P, q, A, b, sizes = _standard(f"{data}/CLARABEL.npz")
    made = {"zero": clarabel.ZeroConeT, "nonneg": clarabel.NonnegativeConeT, "soc": clarabel.SecondOrderConeT,
            "psd": clarabel.PSDTriangleConeT}  # fmt: skip
    settings = clarabel.DefaultSettings()
    settings.verbose, settings.max_threads = False, 1
    settings.tol_gap_abs = settings.tol_gap_rel = settings.tol_feas = tolerance
    passed = stopwatch()
    cones = [made[kind](size) for kind in made for size in sizes[kind]]
    found = clarabel.DefaultSolver(P, q, A, b, cones, settings).solve()
    cost = passed()
    np.savez(answer, x=found.x, z=found.z)
    return {**cost, "kind": "CLARABEL"}


def moreau(data: str, answer: str, tolerance: float) -> Row:
    import moreau
    import scipy.sparse as sp

    P, q, A, b, sizes = _standard(f"{data}/CLARABEL.npz")
    inner = moreau.IPMSettings(tol_gap_abs=tolerance, tol_gap_rel=tolerance, tol_feas=tolerance)
    settings = moreau.Settings(solver="ipm", device="cpu", ipm_settings=inner)
    cones = moreau.Cones(
        num_zero_cones=sum(sizes["zero"]), num_nonneg_cones=sum(sizes["nonneg"]), so_cone_dims=sizes["soc"],
        psd_dims=sizes["psd"],
    )  # fmt: skip
    full = sp.csr_array(P + sp.triu(P, 1).T)
    passed = stopwatch()
    found = moreau.Solver(full, q, sp.csr_array(A), b, cones=cones, settings=settings).solve()
    cost = passed()
    np.savez(answer, x=found.x, z=found.z)
    return {**cost, "kind": "CLARABEL"}


def scs(data: str, answer: str, tolerance: float) -> Row:
    import scs

    P, q, A, b, sizes = _standard(f"{data}/SCS.npz")
    cones = {"z": sum(sizes["zero"]), "l": sum(sizes["nonneg"]), "q": sizes["soc"], "s": sizes["psd"]}
    passed = stopwatch()
    solver = scs.SCS({"P": P, "A": A, "b": b, "c": q}, cones, eps_abs=tolerance, eps_rel=tolerance, max_iters=10**7,
                     time_limit_secs=SECONDS, verbose=False)  # fmt: skip
    found = solver.solve()
    cost = passed()
    np.savez(answer, x=found["x"], z=found["y"], s=found["s"])
    return {**cost, "kind": "SCS"}


CONIC = (
    Contestant("ours, interior_point", relaxed, (1e-2, 1e-3, 1e-4, 1e-6), options={"solver": "interior_point"}),
    Contestant("ours, native", relaxed, (1e-2, 1e-3, 1e-4), options={"solver": "native"}),
    Contestant("Clarabel", clarabel, (1e-4, 1e-6, 1e-8)),
    Contestant("SCS", scs, (1e-4, 1e-6)),
    Contestant("Moreau", moreau, (1e-4, 1e-6, 1e-8), "moreau"),
)


class Proving:
    """A relaxation in standard form, and the proof of what conic solvers make of it."""

    def __init__(self, name: str, rows: int | None, folder: Path) -> None:
        import sdprelax
        from sdprelax.lifting import LiftedProgram
        from sdprelax.problem import Units, reduce_inputs
        from sdprelax.relaxation._program import relaxation as modelled

        task = problem(None, name, GAMMA, rows=rows)
        self.shape, self.units, self.answer = task.shape, Units.of(task), folder / "answer.npz"
        inputs = reduce_inputs(self.units.problem.inputs)
        self.relaxation = modelled(LiftedProgram(self.units.problem, inputs), "reduced")
        model = sdprelax.relax(task)
        model.solve("interior_point", {"tolerance": 1e-8})
        self.best = model.bound
        self.chains = {}
        for kind in ("CLARABEL", "SCS"):
            data, *self.chains[kind] = self.relaxation.program.get_problem_data(kind, solver_opts={})
            A, dims = data["A"].tocsc(), data["dims"]
            P = data["P"] if "P" in data else 0.0 * A[:0, :]
            P = P.tocsc()
            arrays = {f"{name}_{part}": getattr(matrix, part) for name, matrix in (("P", P), ("A", A))
                      for part in ("data", "indices", "indptr", "shape")}  # fmt: skip
            sizes = {"zero": [dims.zero], "nonneg": [dims.nonneg], "soc": dims.soc, "psd": dims.psd}
            sizes = {key: np.array([size for size in value if size], dtype=int) for key, value in sizes.items()}
            np.savez(folder / f"{kind}.npz", c=data["c"], b=data["b"], **arrays, **sizes)

    def below(self, row: Row) -> float:
        """Return the share by which the bound that a solver's dual point proves is below the best one."""
        from sdprelax.certificate import relaxation_certificate
        from sdprelax.solvers import Solved

        if "kind" in row:
            point = np.load(self.answer)
            if not np.all(np.isfinite(point["z"])):
                row["value"] = 0.0
                return 1.0
            told = {"obj_val": 0.0, "solve_time": 0.0, "iterations": 0}
            if row["kind"] == "SCS":
                info = {"status": "solved", "pobj": 0.0, "iter": 0, "solve_time": 0.0, "setup_time": 0.0}
                said: Any = {"x": point["x"], "y": point["z"], "s": point["s"], "info": info | {"status_val": 1}}
            else:
                said = SimpleNamespace(status="Solved", x=point["x"], z=point["z"], **told)
            self.relaxation.program.unpack_results(said, *self.chains[row["kind"]])
            found, reduction = self.relaxation.left(Solved("read", None, "")), self.relaxation.lifting.reduction
            proof = relaxation_certificate(self.units.problem, reduction, found.multiplier, found.multipliers)
            row["value"] = self.units.value(proof.lower)
        return max(0.0, float(1.0 - row["value"] / self.best))


@benchmark.part("rivals_relaxation", columns=COLUMNS, by=("data",))
def relaxation(run: Run) -> Iterator[Row]:
    count = run.choose(None, tiny=5)
    for name in run.choose(("random", "spiral"), tiny=("random",)):
        if not run.wants(name):
            continue
        with tempfile.TemporaryDirectory() as folder:
            proving = Proving(name, count, Path(folder))
            n, d, c = proving.shape
            ours, theirs = CONIC[: run.choose(2, tiny=1)], CONIC[2 : run.choose(5, tiny=4)]
            there = {"data": folder, "answer": str(proving.answer)}
            contestants = [
                replace(each, options={**(each.options or {}), "name": name, "rows": count}) for each in ours
            ]
            contestants += [replace(each, options=there) for each in theirs]
            rows = list(race(run, contestants, proving.below))
            best = max(proving.best, *(row["value"] for row in rows if "value" in row))
            for row in rows:
                found = {"lower": row["value"], "gap": 1.0 - row["value"] / best} if "value" in row else {}
                yield row | {"data": f"{name} {n}×{d}→{c}", **found}


# ---- global optima


def planted(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return Gaussian inputs in the plane and the noisy targets of a network of three neurons."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, 2))
    return X, np.maximum(X @ rng.standard_normal((2, 3)), 0.0) @ rng.standard_normal(3) + 0.3 * rng.standard_normal(n)


def optimal(data: str, tolerance: float) -> Row:
    import sdprelax

    X, y, gamma, *_ = _planted(data, "any")
    passed = stopwatch()
    sdprelax.solve(sdprelax.Problem(X[:4], y[:4, None], gamma), "exact")
    compiled, passed = passed()["processor"], stopwatch()
    outcome = sdprelax.solve(sdprelax.Problem(X, y[:, None], gamma), "exact", tolerance=tolerance)
    return {**passed(), "compile": compiled, "value": outcome.upper, "lower": outcome.lower}


def _planted(data: str, width: str) -> tuple[np.ndarray, np.ndarray, float, np.ndarray, float]:
    """Return X, y, γ, the signs of neurons, and how long one may be."""
    arrays = np.load(data)
    X, y, gamma = arrays["X"], arrays["y"], float(arrays["gamma"])
    counts = [len(X)] * 2 if width == "any" else arrays["given"].tolist()
    signs = np.repeat([1.0, -1.0], counts)
    return X, y, gamma, signs, float(arrays["upper"]) * (1.0 + 1e-9) / gamma


def _attained(X: np.ndarray, y: np.ndarray, gamma: float, signs: np.ndarray, w: np.ndarray) -> float:
    residual = np.maximum(X @ w, 0.0) @ signs - y
    return float(0.5 * residual @ residual + gamma * np.sum(np.linalg.norm(w, axis=0)))


def gurobi(data: str, tolerance: float, width: str, until: float) -> Row:
    import gurobipy

    X, y, gamma, signs, longest = _planted(data, width)
    passed = stopwatch()
    model = gurobipy.Model()
    model.Params.Threads, model.Params.TimeLimit, model.Params.MIPGap = 1, until, tolerance
    free, shape = {"lb": -gurobipy.GRB.INFINITY}, (len(X), len(signs))
    w, length = model.addMVar((2, len(signs)), **free), model.addMVar(len(signs), ub=longest)
    active, is_open = model.addMVar(shape), model.addMVar(shape, vtype="B")
    residual, most = model.addMVar(len(X), **free), longest * np.linalg.norm(X, axis=1)[:, None]
    model.addConstr(active >= X @ w)
    model.addConstr(active <= X @ w + most * (1.0 - is_open))
    model.addConstr(active <= most * is_open)
    model.addConstr(residual == active @ signs - y)
    for j in range(len(signs)):
        model.addConstr(w[:, j] @ w[:, j] <= length[j] * length[j])
        if j and signs[j] == signs[j - 1]:
            model.addConstr(length[j - 1] >= length[j])
    model.setObjective(0.5 * (residual @ residual) + gamma * length.sum())
    model.optimize()
    return {**passed(), "lower": float(model.ObjBound), "value": _attained(X, y, gamma, signs, w.X)}


def scip(data: str, tolerance: float, width: str, until: float) -> Row:
    from pyscipopt import Model, quicksum

    X, y, gamma, signs, longest = _planted(data, width)
    passed, samples, neurons = stopwatch(), range(len(X)), range(len(signs))
    model = Model()
    model.setParam("limits/time", until)
    model.setParam("limits/gap", tolerance)
    w = [[model.addVar(lb=None) for _ in neurons] for _ in range(2)]
    length, loss = [model.addVar(ub=longest) for _ in neurons], model.addVar()
    residuals = []
    for i in samples:
        active, most = [model.addVar() for _ in neurons], longest * float(np.linalg.norm(X[i]))
        for j in neurons:
            slope, is_open = X[i, 0] * w[0][j] + X[i, 1] * w[1][j], model.addVar(vtype="B")
            model.addCons(active[j] >= slope)
            model.addCons(active[j] <= slope + most * (1.0 - is_open))
            model.addCons(active[j] <= most * is_open)
        residuals.append(model.addVar(lb=None))
        model.addCons(residuals[i] == quicksum(signs[j] * active[j] for j in neurons) - y[i])
    for j in neurons:
        model.addCons(w[0][j] * w[0][j] + w[1][j] * w[1][j] <= length[j] * length[j])
        if j and signs[j] == signs[j - 1]:
            model.addCons(length[j - 1] >= length[j])
    model.addCons(quicksum(0.5 * r * r for r in residuals) <= loss)
    model.setObjective(loss + gamma * quicksum(length))
    model.optimize()
    found = (
        np.array([[model.getVal(each) for each in row] for row in w]) if model.getNSols() else np.zeros((2, len(signs)))
    )
    return {**passed(), "lower": float(model.getDualbound()), "value": _attained(X, y, gamma, signs, found)}


def by_chance(data: str, tolerance: float, width: str, until: float) -> Row:
    """Take the best of a few neurons, and claim no more than 0."""
    X, y, gamma, *_ = _planted(data, width)
    passed, rng = stopwatch(), np.random.default_rng(0)
    drawn = [_attained(X, y, gamma, np.ones(1), rng.standard_normal((2, 1))) for _ in range(9)]
    return {**passed(), "lower": 0.0, "value": min(drawn)}


def own_gap(row: Row) -> float:
    """Return the gap of a value to the bound that its solver claims."""
    return above(row["lower"], row)


EXACT = Contestant("ours", optimal, (TARGET,))
INTEGER = tuple(
    Contestant(f"{name}, {width} width", measure, (TARGET,), listing, {"width": width, "until": SECONDS})
    for width in ("given", "any") for name, measure, listing in (("Gurobi", gurobi, "gurobi"), ("SCIP", scip, "scip"))
)  # fmt: skip
CHANCE = (Contestant("stand-in", by_chance, (TARGET,), options={"width": "given", "until": SECONDS}),)


@benchmark.part("rivals_exact", columns=COLUMNS, by=("data",))
def exact(run: Run) -> Iterator[Row]:
    import sdprelax

    for n in run.choose((6, 8, 10), tiny=(4,)):
        name = f"{n}×2→1"
        if not run.wants(name):
            continue
        X, y = planted(n)
        optimum = sdprelax.solve(sdprelax.Problem(X, y[:, None], GAMMA), "exact")
        assert optimum.network is not None
        given = [int(np.sum(sign * optimum.network.output > 0.0)) for sign in (1, -1)]
        with tempfile.TemporaryDirectory() as folder:
            data = str(Path(folder) / "data.npz")
            np.savez(data, X=X, y=y, gamma=GAMMA, given=given, upper=optimum.upper)
            for row in race(run, (EXACT, *run.choose(INTEGER, tiny=CHANCE)), own_gap, data=data):
                yield row | {"data": f"{name}, optimum of {given[0]}+{given[1]} neurons"}


if __name__ == "__main__":
    benchmark.main()
