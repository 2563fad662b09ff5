"""Verdicts on networks of other libraries, held to the exact method: certify.csv.

    python benchmarks/certify.py [--limit 120]

Five networks that PyTorch's Adam trained (full batches, its own weight decay) and five of scikit-learn, each as a user
of that library would: ``objective`` is the network's, ``lower`` what ``sdprelax.certify`` proves within the limit,
``above`` its verdict in percent, ``better`` the objective of the network that it found. ``exact`` then gets as much
time again from starts of its own: ``true`` says that the verdict's bound is no larger than its network's objective,
and its bound no larger than the verdict's network's.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from harness import Benchmark, Needs, Row, Run

import sdprelax
from sdprelax.datasets import datasets

# Library, data set with its options, what the network is, and its penalty.
CASES: dict[str, dict[str, Any]] = {
    "torch, spiral": {"data": "spiral", "loss": "cross_entropy", "decay": 1e-2, "width": 32},
    "torch, iris": {"data": "iris", "scaling": "standard", "loss": "cross_entropy", "decay": 1e-2, "width": 16},
    "torch, iris, squared": {"data": "iris", "scaling": "standard", "loss": "squared", "decay": 1e-2, "width": 16},
    "torch, wine": {"data": "wine", "scaling": "standard", "loss": "cross_entropy", "decay": 3e-2, "width": 16},
    "torch, digits": {"data": "digits", "scaling": "minmax", "loss": "cross_entropy", "decay": 3e-2, "width": 32},
    "sklearn, spiral": {"data": "spiral", "kind": "MLPClassifier", "decay": 1.0, "width": 32},
    "sklearn, iris": {"data": "iris", "scaling": "standard", "kind": "MLPClassifier", "decay": 1.0, "width": 16},
    "sklearn, breast cancer": {
        "data": "breast_cancer", "scaling": "standard", "kind": "MLPClassifier", "decay": 3.0, "width": 16,
    },
    "sklearn, diabetes": {"data": "diabetes", "scaling": "standard", "kind": "MLPRegressor", "decay": 3.0, "width": 16},
    "sklearn, digits": {"data": "digits", "scaling": "minmax", "kind": "MLPClassifier", "decay": 10.0, "width": 32},
}  # fmt: skip
# Full-batch steps of Adam.
STEPS, RATE = 3_000, 1e-2

benchmark = Benchmark(__doc__, limit=(120.0, "seconds that the verdict, and then the exact method, get"))


def package(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        raise Needs(f"{name}: pip install {name}") from None


def by_torch(X: np.ndarray, Y: np.ndarray, case: dict[str, Any], steps: int) -> Any:
    """Return a module as its users train one."""
    torch = package("torch")
    torch.manual_seed(0)
    module = torch.nn.Sequential(
        torch.nn.Linear(X.shape[1], case["width"]), torch.nn.ReLU(), torch.nn.Linear(case["width"], Y.shape[1])
    )
    criterion = torch.nn.CrossEntropyLoss() if case["loss"] == "cross_entropy" else torch.nn.MSELoss()
    inputs, targets = (torch.as_tensor(np.array(part), dtype=torch.float32) for part in (X, Y))
    optimiser = torch.optim.Adam(module.parameters(), lr=RATE, weight_decay=case["decay"])
    for _ in range(steps):
        optimiser.zero_grad()
        criterion(module(inputs), targets).backward()
        optimiser.step()
    return module


def verdict_on(name: str, granted: float, steps: int, rows: int | None) -> Row:
    """Train a network, certify it, and let the exact method try the same problem."""
    case = CASES[name]
    options = {key: case[key] for key in ("scaling",) if key in case}
    data = datasets.create(case["data"], options).load()
    X, Y = data.X[:rows], data.Y[:rows]
    if name.startswith("torch"):
        network = by_torch(X, Y, case, steps)
        verdict = sdprelax.certify((X, Y), network, loss=case["loss"], weight_decay=case["decay"], time_limit=granted)
    else:
        kind = getattr(package("sklearn.neural_network"), case["kind"])
        network = kind(
            hidden_layer_sizes=(case["width"],), alpha=case["decay"], max_iter=steps, random_state=0, solver="lbfgs"
        )
        # Labels, or the numbers themselves.
        y = Y.ravel() if data.classes is None else np.argmax(Y, axis=1)
        network.fit(X, y)
        verdict = sdprelax.certify((X, y), network, time_limit=granted)
    problem = verdict.problem
    row = {
        "n": problem.shape[0], "rank": np.linalg.matrix_rank(problem.inputs), "outputs": problem.shape[2],
        "gamma": problem.gamma, "objective": verdict.upper, "lower": verdict.lower, "better": verdict.better_upper,
        "above": None if verdict.excess is None else 100.0 * verdict.excess, "verdict_seconds": verdict.seconds,
    }  # fmt: skip
    try:
        exact = sdprelax.solve(problem, "exact", time_limit=granted, seed=1)
    except sdprelax.ProblemTooLarge:
        return row | {"exact_lower": None, "exact_upper": None, "true": None}
    # A bound that is above any network's objective is false, whoever found the network.
    uppers = [value for value in (verdict.upper, verdict.better_upper, exact.upper) if value is not None]
    true = max(verdict.lower or 0.0, exact.lower or 0.0) <= min(uppers)
    return row | {"exact_lower": exact.lower, "exact_upper": exact.upper, "true": true}


@benchmark.part(
    "certify",
    columns=(
        "network", "n", "rank", "outputs", "gamma", "objective", "lower", "above", "better", "verdict_seconds",
        "exact_lower", "exact_upper", "true",
    ),
    by=("network",),
)  # fmt: skip
def certify(run: Run) -> Iterator[Row]:
    for name in run.choose(tuple(CASES), tiny=("torch, spiral", "sklearn, iris")):
        if run.wants(name):
            limit = run.choose(run.options["limit"], tiny=2.0)
            found = run.apart(verdict_on, name=name, granted=limit, steps=run.choose(STEPS, tiny=20),
                              rows=run.choose(None, tiny=9))  # fmt: skip
            yield {"network": name, **found}


if __name__ == "__main__":
    benchmark.main()
