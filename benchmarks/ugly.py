"""Three hundred fresh problems of twenty ugly families: does anything claim what it did not prove?

    python benchmarks/ugly.py [--draws 15] [--seed 0] [--only years ...]        # ugly.csv

Every problem goes to every method. Checked is that ``solved`` comes with the method's own tolerance, that no error is
raised but the package's own, that ``verify`` proves every lower bound again, and that no lower bound of any method is
above an upper bound of any. There is a row for every problem and method; what failed is printed, and the exit status is
1 then.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from harness import Benchmark, Row, Run

import sdprelax
from sdprelax import Outcome, Problem, SdprelaxError
from sdprelax.methods import methods

Drawn = tuple[Any, Any, float, bool]
Family = Callable[[np.random.Generator], Drawn]
# Seconds that each method gets.
METHODS = {"exact": 6.0, "sdp": 6.0, "wedge": 4.0, "lbfgs": 2.0, "gated_relu": 2.0}
TINY, TINY_METHODS = ("years", "one sample"), {"exact": 6.0, "wedge": 4.0, "gated_relu": 2.0}

benchmark = Benchmark(__doc__, draws=(15, "problems of every family"), seed=(0, "of the problems"))


def size(rng: np.random.Generator) -> tuple[int, int, int]:
    return int(rng.integers(3, 15)), int(rng.integers(1, 4)), int(rng.integers(1, 4))


def plain(rng: np.random.Generator) -> Drawn:
    n, d, c = size(rng)
    return rng.standard_normal((n, d)), rng.standard_normal((n, c)), 10.0 ** rng.uniform(-3, 0), bool(rng.integers(2))


def largest(X: Any, Y: Any) -> float:
    """Return ‖X‖‖Y‖, from which on no neuron pays, without overflow where γ is representable."""
    x, y = float(np.max(np.abs(X))) or 1.0, float(np.max(np.abs(Y))) or 1.0
    return float(np.linalg.norm(X / x, 2)) * float(np.linalg.norm(Y / y, 2)) * x * y or 1.0


def shifted(X: Any, rng: np.random.Generator) -> Drawn:
    """Return inputs as they are, with a bias, targets of a size of one, and γ a share of the largest."""
    Y = rng.standard_normal((len(X), int(rng.integers(1, 4))))
    return X, Y, largest(X, Y) * 10.0 ** rng.uniform(-6, -1), True


def years(rng: np.random.Generator) -> Drawn:
    return shifted(rng.integers(1950, 2024, (int(rng.integers(4, 16)), 1)).astype(float), rng)


def years_and_months(rng: np.random.Generator) -> Drawn:
    n = int(rng.integers(5, 16))
    return shifted(np.column_stack([rng.integers(1950, 2024, n), rng.integers(1, 13, n)]).astype(float), rng)


def time_stamps(rng: np.random.Generator) -> Drawn:
    n = int(rng.integers(4, 14))
    return shifted(1.7e9 + np.sort(rng.uniform(0, 10.0 ** rng.uniform(4, 8), (n, 1)), axis=0), rng)


def far_from_zero(rng: np.random.Generator) -> Drawn:
    n, d, _ = size(rng)
    return shifted(10.0 ** rng.integers(3, 8) + rng.standard_normal((n, d)), rng)


def nearly_parallel(rng: np.random.Generator) -> Drawn:
    X, Y, gamma, _ = plain(rng)
    return X[:1] + 10.0 ** rng.uniform(-12, -3) * rng.standard_normal(X.shape), Y, gamma, False


def duplicates(rng: np.random.Generator) -> Drawn:
    X, Y, gamma, bias = plain(rng)
    chosen = rng.integers(0, len(X), 2 * len(X))
    return X[chosen] * rng.choice([-2.0, 1.0, 1.0, 3.0], (len(chosen), 1)), Y[chosen], gamma, bias


def scales(smallest: int, biggest: int) -> Family:
    def family(rng: np.random.Generator) -> Drawn:
        X, Y, gamma, _ = plain(rng)
        a, b = (10.0 ** (int(rng.choice([-1, 1])) * int(rng.integers(smallest, biggest + 1))) for _ in range(2))
        # γ must be a number: where the product is none, only the inputs are scaled.
        if not 1e-300 < gamma * a * b < 1e300:
            b = 1.0
        return X * a, Y * b, gamma * a * b, False

    return family


def zero_columns(rng: np.random.Generator) -> Drawn:
    X, Y, gamma, bias = plain(rng)
    return np.hstack([X, np.zeros((len(X), 2))])[:, rng.permutation(X.shape[1] + 2)], Y, gamma, bias


def zero_targets(rng: np.random.Generator) -> Drawn:
    X, Y, gamma, bias = plain(rng)
    return X, Y * (0.0 if rng.integers(2) else (np.arange(len(Y)) < 1)[:, None]), gamma, bias


def one_sample(rng: np.random.Generator) -> Drawn:
    X, Y, gamma, bias = plain(rng)
    return X[:1], Y[:1], gamma, bias


def collinear(rng: np.random.Generator) -> Drawn:
    X, Y, gamma, bias = plain(rng)
    return X[:, :1] @ rng.standard_normal((1, 3)), Y, gamma, bias


def tiny_gamma(rng: np.random.Generator) -> Drawn:
    X, Y, _, bias = plain(rng)
    return X, Y, largest(X, Y) * 10.0 ** rng.uniform(-14, -6), bias


def huge_gamma(rng: np.random.Generator) -> Drawn:
    X, Y, _, bias = plain(rng)
    return X, Y, largest(X, Y) * 10.0 ** rng.uniform(-1, 300), bias


def one_class(rng: np.random.Generator) -> Drawn:
    X, Y, gamma, bias = plain(rng)
    return X, np.eye(Y.shape[1] + 1)[np.zeros(len(X), dtype=int)], gamma, bias


def integers(rng: np.random.Generator) -> Drawn:
    n, d, c = size(rng)
    Y = rng.integers(-3, 4, (n, c)).astype(float)
    return rng.integers(-3, 4, (n, d)), Y, float(rng.choice([0.01, 0.1, 1.0])), True


def sparse(rng: np.random.Generator) -> Drawn:
    n, _, c = size(rng)
    return (rng.random((n, 4)) < 0.3).astype(float), rng.standard_normal((n, c)), 0.1, bool(rng.integers(2))


def wide(rng: np.random.Generator) -> Drawn:
    n, _, c = size(rng)
    return rng.standard_normal((min(n, 6), 20)), rng.standard_normal((min(n, 6), c)), 10.0 ** rng.uniform(-3, 0), False


def outliers(rng: np.random.Generator) -> Drawn:
    X, Y, gamma, bias = plain(rng)
    X[0] *= 1e8
    if rng.integers(2):
        Y[-1] *= 1e8
    return X, Y, gamma, bias


def subnormal(rng: np.random.Generator) -> Drawn:
    X, Y, gamma, _ = plain(rng)
    return X * 10.0 ** rng.uniform(-320, -300), Y * 10.0 ** rng.integers(0, 200), gamma * 1e-200, bool(rng.integers(2))


def columns_of_any_scale(rng: np.random.Generator) -> Drawn:
    X, Y, gamma, bias = plain(rng)
    return X * 10.0 ** rng.uniform(-8, 8, X.shape[1]), Y, gamma, bias


FAMILIES: dict[str, Family] = {
    "years": years, "years and months": years_and_months, "time stamps": time_stamps, "far from zero": far_from_zero,
    "nearly parallel": nearly_parallel, "duplicates": duplicates, "scales 1e±1…30": scales(1, 30),
    "scales 1e±30…150": scales(30, 150), "zero columns": zero_columns, "zero targets": zero_targets,
    "one sample": one_sample, "collinear": collinear, "tiny gamma": tiny_gamma, "huge gamma": huge_gamma,
    "one class": one_class, "integers": integers, "sparse": sparse, "wide": wide, "outliers": outliers,
    "subnormal": subnormal, "columns of any scale": columns_of_any_scale,
}  # fmt: skip


def examine(problem: Problem, method: str, seed: int, limit: float) -> tuple[Row, Outcome | None]:
    """Solve one problem by one method and say what is wrong with what it returned."""
    row: Row = {"method": method, "fault": ""}
    started = time.process_time()
    try:
        outcome = sdprelax.solve(problem, method, seed=seed, time_limit=limit)
    except SdprelaxError as error:
        return row | {"status": f"{type(error).__name__}: {error}"}, None
    except Exception as error:
        return row | {"status": "raw error", "fault": f"{type(error).__name__}: {error}"}, None
    row |= {"status": outcome.status, "lower": outcome.lower, "upper": outcome.upper, "gap": outcome.gap,
            "seconds": time.process_time() - started}  # fmt: skip
    chosen = methods.create(method, {})
    closes = getattr(chosen, "closes", None)
    if outcome.status == "solved" and closes is not None:
        gap = outcome.gap if closes == "gap" else outcome.details[closes]
        if not gap <= vars(chosen)["tolerance"]:
            row["fault"] = f"solved, with a {closes} of {gap:.1e}"
    if outcome.certificate is not None:
        try:
            proved = sdprelax.verify(problem, outcome.certificate)
            if outcome.lower is None or proved < outcome.lower:
                row["fault"] = f"proves {proved} and claims {outcome.lower}"
        except Exception as error:
            row["fault"] = f"verify: {type(error).__name__}: {error}"
    return row, outcome


def examined(family: str, draw: int, seed: int, budgets: Mapping[str, float]) -> list[Row]:
    """Return the rows of one problem."""
    index = list(FAMILIES).index(family)
    X, Y, gamma, bias = FAMILIES[family](np.random.default_rng([seed, index, draw]))
    label = {"family": family, "draw": draw, "n": len(X), "d": np.shape(X)[1], "c": np.shape(Y)[1], "gamma": gamma}
    rows = []
    problem = Problem(X, Y, gamma, bias)
    lower, upper = 0.0, np.inf
    for method, limit in budgets.items():
        row, outcome = examine(problem, method, draw, limit)
        rows.append(label | row)
        if outcome is not None:
            lower = max(lower, outcome.lower or 0.0)
            upper = min(upper, np.inf if outcome.upper is None else outcome.upper)
    if lower > upper:
        rows[0]["fault"] = f"a lower bound of {lower!r} is above an upper bound of {upper!r}"
    return rows


@benchmark.part(
    "ugly", by=("family",),
    columns=("family", "draw", "n", "d", "c", "gamma", "method", "fault", "status", "lower", "upper", "gap", "seconds"),
)  # fmt: skip
def ugly(run: Run) -> Iterator[Row]:
    draws, seed = run.choose(run.options["draws"], tiny=1), run.options["seed"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for family in FAMILIES:
            # All families have the same checks, and a tiny run makes them on a few.
            if not run.wants(family) or (run.tiny and family not in TINY):
                continue
            for draw in range(draws):
                for row in examined(family, draw, seed, TINY_METHODS if run.tiny else METHODS):
                    if row["fault"]:
                        run.fault(f"{family} {draw} {row['method']}: {row['fault']}")
                    yield row


if __name__ == "__main__":
    benchmark.main()
