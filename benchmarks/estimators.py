"""Grid searches over the penalty, ours beside scikit-learn's MLPClassifier, on breast cancer: estimators.csv.

Of every split a quarter is held out. On the rest, standardised within every fold, GridSearchCV chooses the penalty by
the accuracy in three folds: γ as a share of γ_max, the ridge as a share of the kernel, or scikit-learn's alpha. Each
estimator is as it comes, but for ``max_iter``, with which MLPClassifier ends by its own tolerance. ``accuracy`` is that
on the part held out of what was fitted again on all the rest; seconds are those of the search.
"""

from __future__ import annotations

import functools
import importlib
import time
import warnings
from collections.abc import Iterator
from typing import Any

from harness import Benchmark, Row, Run, alternated, ratio

# Estimator, its options, the option that is searched over, and the values tried.
CASES: dict[str, dict[str, Any]] = {
    "MLPClassifier": {
        "module": "sklearn.neural_network", "options": {"max_iter": 2000, "random_state": 0}, "penalty": "alpha",
        "values": (1e-4, 1e-2, 0.1, 1.0, 10.0),
    },
    "ReLUClassifier": {
        "module": "sdprelax", "options": {}, "penalty": "gamma", "values": (1e-3, 3e-3, 0.01, 0.03, 0.1),
    },
    "NTKClassifier": {
        "module": "sdprelax", "options": {}, "penalty": "gamma", "values": (1e-3, 3e-3, 0.01, 0.03, 0.1),
    },
}  # fmt: skip

benchmark = Benchmark(__doc__)


def searched(name: str, split: int, rows: int | None, values: int, folds: int) -> Row:
    """Search on one split, and return what was chosen and how well it does."""
    from sklearn.datasets import load_breast_cancer
    from sklearn.model_selection import GridSearchCV, train_test_split
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    case = CASES[name]
    X, y = load_breast_cancer(return_X_y=True)
    X, X_test, y, y_test = train_test_split(X[:rows], y[:rows], test_size=0.25, random_state=split, stratify=y[:rows])
    estimator = getattr(importlib.import_module(case["module"]), name)(**case["options"])
    grid = {f"{name.lower()}__{case['penalty']}": case["values"][-values:]}
    search = GridSearchCV(make_pipeline(StandardScaler(), estimator), grid, cv=folds)
    # Compiled functions are loaded, once per process, and not counted.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        make_pipeline(StandardScaler(), estimator).fit(X[:30], y[:30])
        started, begun = time.perf_counter(), time.process_time()
        search.fit(X, y)
    return {
        "seconds": time.perf_counter() - started, "processor": time.process_time() - begun,
        "fits": folds * values + 1, "penalty": next(iter(search.best_params_.values())),
        "validation": search.best_score_, "accuracy": search.score(X_test, y_test),
    }  # fmt: skip


@benchmark.part(
    "estimators",
    columns=(
        "estimator", "split", "fits", "penalty", "validation", "accuracy", "seconds", "processor", "processor_ratio",
    ),
    by=("split",),
)  # fmt: skip
def estimators(run: Run) -> Iterator[Row]:
    size = run.choose({"rows": None, "values": 5, "folds": 3}, tiny={"rows": 60, "values": 1, "folds": 2})
    for split in run.choose((0, 1), tiny=(0,)):
        if run.wants(split):
            rivals = {
                name: functools.partial(run.apart, searched, name=name, split=split, **size) for name in CASES
            }  # fmt: skip
            found = {name: runs[0] for name, runs in alternated(rivals).items()}
            for name, row in found.items():
                unit = found["MLPClassifier"]
                yield {"estimator": name, "split": split, **row, "processor_ratio": ratio(row, unit, "processor")}


if __name__ == "__main__":
    benchmark.main()
