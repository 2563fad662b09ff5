"""Networks of wedge products: their Lasso by three solvers, what fewer features cost, and accuracy on real data.

    python benchmarks/wedge.py lassos                                  # wedge_lasso.csv
    python benchmarks/wedge.py random                                  # wedge_random.csv, wedge_random.png
    python benchmarks/wedge.py embeddings [--embeddings FILE.npz]      # wedge_embeddings.csv

lassos: one Lasso over the same features by every solver, to a relative gap of 1e-6 within 20 s. ``gap`` is proved,
rounding included, whoever found the weights; ``excess`` is the value above the least one; ``time_ratio`` is to
interior_point. A solver that looks at its clock too seldom is stopped after twice the time, and has no result.

random: the value of the Lasso over random wedges, sketched ones and those of column generation, over the value of all
wedges (``ratio``); targets of a planted ReLU teacher, γ = 0.1, geometric means and median seconds over three data sets.

embeddings: test accuracy on scikit-learn's digits or on a given file with arrays X (n×d) and labels (n), half of
the data being for training. γ per sample is chosen on a quarter of the training data (C of the logistic regression
likewise), 30 s a fit; ``seconds`` is the last fit's, ``seconds_all`` includes the choice. Rows of other data sets are
kept where ``--only`` names one, "digits" or the file's name without its ending.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from harness import Benchmark, Row, Run, ratio

import sdprelax
from sdprelax import Problem
from sdprelax.base import Deadline
from sdprelax.certificate import Neurons, group_bounds, group_rows
from sdprelax.certificate._group import balanced
from sdprelax.lasso import Directions, Program, Stop, solve_program
from sdprelax.wedge import WedgeProblem

benchmark = Benchmark(__doc__, embeddings=(None, "FILE.npz with X and labels of another data set"))


def planted(n: int, d: int, c: int, seed: int, *, width: int = 10, noise: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Return Gaussian inputs and the targets of a Gaussian ReLU teacher."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    Y = np.maximum(X @ rng.standard_normal((d, width)), 0.0) @ rng.standard_normal((width, c))
    return X, Y + noise * rng.standard_normal((n, c))


# Name, n, d, c, free bias, random subsets (None: all).
CASES: tuple[tuple[str, int, int, int, bool, int | None], ...] = (
    ("1-D, free bias", 200, 1, 1, True, None), ("2-D", 200, 2, 1, False, None),
    ("2-D, free bias", 200, 2, 1, True, None), ("3-D", 60, 3, 1, False, None), ("3-D", 60, 3, 3, False, None),
    ("10-D, 2,000 subsets", 300, 10, 1, False, 2_000),
)  # fmt: skip
TINY_CASES = (("2-D, free bias", 8, 2, 1, True, None), ("3-D", 7, 3, 2, False, 20))
SOLVERS = ("interior_point", "skglm", "sklearn")
GAMMA, TOLERANCE, SECONDS, NOISE = 0.1, 1e-6, 20.0, 0.1


def solved(solver: str, n: int, d: int, c: int, free: bool, count: int | None) -> Row:
    X, Y = planted(10, 2, c, 0)
    first = Directions(WedgeProblem(X).features(np.eye(2)))
    solve_program(Program(GAMMA, "frobenius", first, Y), solver)  # compiles
    X, Y = planted(n, d, c, 0, noise=NOISE)
    geometry = WedgeProblem(X, free=free)
    dictionary = geometry.random_wedges(count, np.random.default_rng(0)) if count else geometry.all_wedges()
    program = Program(GAMMA, "frobenius", Directions(geometry.features(dictionary.directions)), Y, free)
    started = time.perf_counter()
    fit = solve_program(program, solver, Stop(TOLERANCE, deadline=Deadline(SECONDS)))
    seconds = time.perf_counter() - started
    design = Neurons(dictionary.directions, free)
    A = balanced(fit.multiplier) if free else fit.multiplier
    proof = group_bounds(
        group_rows(design, [(X if free else geometry.inputs, Y)], A), fit.weights, GAMMA, "frobenius",
        fit.offset if free else None,
    )  # fmt: skip
    found = {"features": dictionary.count, "seconds": seconds, "value": proof.upper, "used": int(np.sum(fit.used))}
    return found | {"gap": (proof.upper - proof.lower) / proof.upper}


@benchmark.part(
    "wedge_lasso", by=("data", "c"),
    columns=("data", "n", "c", "features", "solver", "seconds", "value", "gap", "used", "excess", "time_ratio"),
)  # fmt: skip
def lassos(run: Run) -> Iterator[Row]:
    for name, n, d, c, free, count in run.choose(CASES, tiny=TINY_CASES):
        if not run.wants(name, c):
            continue
        # A solver that ignores its deadline is ended a while after it: loading and compiling take time too.
        limit = run.choose(3.0 * SECONDS, tiny=np.inf)
        size = {"n": n, "d": d, "c": c, "free": free, "count": count}
        names = run.choose(SOLVERS, tiny=SOLVERS[::2])  # skglm compiles for a quarter of a minute
        found = {solver: run.apart(solved, limit=limit, solver=solver, **size) for solver in names}
        least = min(row["value"] for row in found.values() if "value" in row)
        for solver, row in found.items():
            excess = row["value"] / least - 1.0 if "value" in row else np.nan
            key = {"data": name, "n": n, "c": c, "features": found[SOLVERS[0]]["features"], "solver": solver}
            yield key | row | {"excess": excess, "time_ratio": ratio(row, found[SOLVERS[0]])}


SIZES, DIMENSIONS, COUNTS = (20, 40, 80, 160), (2, 3, 4), (50, 200, 1_000, 5_000)
# How each choice of features is asked for; column generation may add a thousand pairs.
CHOICES: dict[str, Row] = {
    "all": {"features": "all"},
    **{f"random {count}": {"features": "random", "count": count} for count in COUNTS},
    **{f"sketch {count}": {"features": "random", "count": count, "sketch": 2} for count in COUNTS},
    "oracle": {"features": "oracle", "count": 1_000},
}  # fmt: skip


TINY_CHOICES = ("all", "random 50", "oracle")


def trained(n: int, d: int, draws: int, choice: str) -> Row:
    """Return figures of a choice's Lassos, and the seconds until its network was there, over data sets."""
    options = {"tolerance": TOLERANCE, "time_limit": 120.0, **CHOICES[choice]}
    sdprelax.solve(Problem(*planted(10, 2, 1, 0), GAMMA), "wedge", **CHOICES["all"])  # loads what is loaded once
    found: list[Row] = []
    for draw in range(draws):
        problem, there = Problem(*planted(n, d, 1, draw), GAMMA), []
        started = time.perf_counter()

        def report(_: Any, started: float = started, there: list[float] = there) -> None:
            there.append(time.perf_counter() - started)

        details = sdprelax.solve(problem, "wedge", seed=draw, report=report, **options).details
        found.append({key: details[key] for key in ("value", "features", "neurons", "program_gap")})
        found[-1]["seconds"] = there[0]
    return {key: [one[key] for one in found] for key in found[0]}


@benchmark.part(
    "wedge_random", by=("d", "n"), picture=lambda tables, folder: draw_random(tables, folder),
    columns=("d", "n", "choice", "all", "features", "neurons", "ratio", "worst_ratio", "worst_gap", "seconds"),
)  # fmt: skip
def random(run: Run) -> Iterator[Row]:
    draws = run.choose(3, tiny=1)
    for d in run.choose(DIMENSIONS, tiny=(2,)):
        for n in run.choose(SIZES, tiny=(6, 8)):
            pairs = WedgeProblem(planted(n, d, 1, 0)[0])
            try:
                pairs.all_wedges()
            except sdprelax.base._errors.ProblemTooLarge:
                continue
            if not run.wants(d, n):
                continue
            names = run.choose(tuple(CHOICES), tiny=TINY_CHOICES)
            found = {name: run.apart(trained, n=n, d=d, draws=draws, choice=name) for name in names}
            for name, one in found.items():
                ratios = np.divide(one["value"], found["all"]["value"])
                row = {"d": d, "n": n, "choice": name, "all": 2 * pairs.subset_count}
                row |= {key: float(np.median(one[key])) for key in ("features", "neurons", "seconds")}
                row |= {"ratio": float(np.exp(np.mean(np.log(ratios)))), "worst_ratio": float(np.max(ratios))}
                yield row | {"worst_gap": max(one["program_gap"])}


def draw_random(tables: dict[str, pd.DataFrame], folder: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    table = tables["wedge_random"]
    dimensions = sorted(table["d"].unique())
    shades = dict(zip(COUNTS, (0.5, 0.65, 0.8, 0.95), strict=True))
    looks: dict[str, Row] = {"all": {"color": "black", "marker": "o"}, "oracle": {"color": "#009E73", "marker": "^"}}
    for count, shade in shades.items():
        looks[f"random {count}"] = {"color": plt.cm.Blues(shade), "marker": "s"}
        looks[f"sketch {count}"] = {"color": plt.cm.Oranges(shade), "marker": "v", "linestyle": "--"}
    figure, axes = plt.subplots(
        2, len(dimensions), figsize=(13, 7.5), sharey="row", squeeze=False, layout="constrained"
    )
    for column, d in enumerate(dimensions):
        for row, key in enumerate(("ratio", "seconds")):
            axis = axes[row, column]
            axis.set_xscale("log")
            axis.set_yscale("log")
            part = table[table["d"] == d]
            ends = {}
            for name, look in looks.items():
                line = part[part["choice"] == name]
                # Where a choice came to all features at every n, or there was nothing to project, it is not drawn.
                if name != "all" and ((line["features"] == line["all"]).all() or (d == 2 and "sketch" in name)):
                    continue
                axis.plot(line["n"], line[key], markersize=4, linewidth=1.3, **look)
                ends[name] = float(line[key].iloc[-1])
            last = float(part["n"].max())
            low, high = float(table[key].min()), float(table[key].max())
            for name, height in spread(ends, 0.047 * np.log(high / low)).items():
                axis.annotate(
                    name, (last, ends[name]), xytext=(1.18 * last, height), fontsize=7.5, va="center",
                    color=looks[name]["color"], annotation_clip=False,
                    arrowprops={"arrowstyle": "-", "color": "0.8", "linewidth": 0.5, "shrinkA": 0, "shrinkB": 2},
                )  # fmt: skip
            sizes = sorted(part["n"].unique())
            axis.set_xlim(0.9 * sizes[0], last * (sizes[-1] / sizes[0]) ** 0.42)
            axis.xaxis.set_major_locator(FixedLocator(sizes))
            axis.xaxis.set_minor_locator(NullLocator())
            axis.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
            if row == 0:
                axis.set_title(f"{d} inputs" + ("\n(the others: as all)" if d == 2 else ""), fontsize=11)
                axis.yaxis.set_major_locator(FixedLocator([1.0, 1.2, 1.5, 2.0, 3.0, 5.0]))
                axis.set_ylim(0.85, 1.08 * high)
                axis.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g}"))
                axis.yaxis.set_minor_locator(NullLocator())
            else:
                axis.set_xlabel("samples n")
            axis.spines[["top", "right"]].set_visible(False)
            axis.grid(True, which="major", color="0.92", linewidth=0.6)
    axes[0, 0].set_ylabel("value / value over all wedges")
    axes[1, 0].set_ylabel("seconds")
    figure.suptitle("What fewer wedge products cost (γ = 0.1, planted teachers; numbers are pairs ±w)", fontsize=12)
    figure.savefig(folder / "wedge_random.png", dpi=110)


def spread(heights: dict[str, float], least: float) -> dict[str, float]:
    """Return heights on a log scale, moved apart to distances of at least ``least``, about where they were."""
    names = sorted(heights, key=heights.__getitem__)
    wanted = np.log([heights[name] for name in names]) - least * np.arange(len(names))
    # The nearest nondecreasing sequence: neighbours that are out of order become their mean.
    blocks: list[list[float]] = []
    for height in wanted:
        blocks.append([height])
        while len(blocks) > 1 and np.mean(blocks[-2]) > np.mean(blocks[-1]):
            blocks[-2:] = [blocks[-2] + blocks[-1]]
    moved = np.concatenate([np.full(len(block), np.mean(block)) for block in blocks])
    return dict(zip(names, np.exp(moved + least * np.arange(len(names))), strict=True))


SHARES, PLAIN, LIMIT = (3e-4, 1e-3), (0.1, 1.0, 10.0), 30.0
Fitted = tuple[Callable[[np.ndarray], np.ndarray], Row]
Learner = Callable[[np.ndarray, np.ndarray, float, int], Fitted]


def network(method: str, **options: Any) -> Learner:
    """Return what trains a network of one output per class, γ being a share of the number of samples."""

    def fit(X: np.ndarray, labels: np.ndarray, share: float, seed: int) -> Fitted:
        Y = np.eye(int(np.max(labels)) + 1)[labels]
        problem = Problem(X, Y, share * len(X), bias=True)
        outcome = sdprelax.solve(problem, method, seed=seed, time_limit=LIMIT, **options)
        found = outcome.network
        assert found is not None
        about = {"upper": outcome.upper, "width": found.width, "status": outcome.status}
        return lambda Z: np.argmax(found.predict(Z), axis=1), about

    return fit


def logistic(X: np.ndarray, labels: np.ndarray, C: float, _: int) -> Fitted:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=C, max_iter=2_000).fit(X, labels).predict, {"status": "solved"}


def learners() -> dict[str, tuple[Learner, tuple[float, ...]]]:
    found: dict[str, tuple[Learner, tuple[float, ...]]] = {}
    sgd = network("sgd", width=100, restarts=1, epochs=2_000, learning_rate=1e-4)
    found["sgd, width 100"] = sgd, SHARES
    found["logistic regression"] = logistic, PLAIN
    found["gated_relu, 100 patterns"] = network("gated_relu", patterns=100, tolerance=1e-3), SHARES
    for count, sketch in ((500, 10), (500, 30), (500, None), (2_000, 10)):
        name = f"wedge, {count} random" + (f", sketch {sketch}" if sketch else "")
        options = {"features": "random", "count": count, "sketch": sketch, "tolerance": 1e-2}
        found[name] = network("wedge", **options), SHARES
    return found


def classified(name: str, split: int, embeddings: str | None, rows: int | None) -> Row:
    from sklearn.model_selection import train_test_split

    X, labels = samples(embeddings, rows)
    learner, strengths = learners()[name]
    warnings.filterwarnings("ignore")
    train, test = train_test_split(np.arange(len(X)), test_size=0.5, random_state=split, stratify=labels)
    part, held = train_test_split(train, test_size=0.25, random_state=split, stratify=labels[train])
    started = time.perf_counter()
    scores = []
    for strength in strengths:
        predict, _ = learner(X[part], labels[part], strength, split)
        scores.append(float(np.mean(predict(X[held]) == labels[held])))
    best = strengths[int(np.argmax(scores))]
    last = time.perf_counter()
    predict, about = learner(X[train], labels[train], best, split)
    ended = time.perf_counter()
    reached = float(np.mean(predict(X[test]) == labels[test]))
    return {"accuracy": reached, "strength": best, "seconds": ended - last, "seconds_all": ended - started, **about}


def samples(embeddings: str | None, rows: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Return inputs and labels of the digits or of a file."""
    from sklearn.datasets import load_digits

    if embeddings is None:
        X, labels = load_digits(return_X_y=True)
        return X[:rows] / 16.0, labels[:rows]
    stored = np.load(embeddings)
    return np.asarray(stored["X"][:rows], dtype=float), np.unique(stored["labels"][:rows], return_inverse=True)[1]


@benchmark.part(
    "wedge_embeddings", by=("data",),
    columns=("data", "n_train", "d", "learner", "accuracy", "deviation", "strength", "seconds", "seconds_all", "upper",
             "width", "statuses"),
)  # fmt: skip
def embeddings(run: Run) -> Iterator[Row]:
    file, rows = run.options["embeddings"], run.choose(None, tiny=200)
    data = "digits" if file is None else Path(file).stem
    if not run.wants(data):
        return
    X, _ = samples(file, rows)
    for name in run.choose(tuple(learners()), tiny=("logistic regression", "wedge, 500 random, sketch 10")):
        splits = range(run.choose(3, tiny=2))
        part = pd.DataFrame([run.apart(classified, name=name, split=k, embeddings=file, rows=rows) for k in splits])
        row = {"data": data, "n_train": len(X) // 2, "d": X.shape[1], "learner": name}
        row |= {"accuracy": part["accuracy"].mean(), "deviation": part["accuracy"].std()}
        keys = ("strength", "seconds", "seconds_all", "upper", "width")
        row |= {key: part[key].median() for key in keys if key in part}
        yield row | {"statuses": "; ".join(sorted(set(part["status"])))}


if __name__ == "__main__":
    benchmark.main()
