"""Networks of wedge products: their Lasso by three solvers, what fewer features cost, and accuracy on real data.

    python benchmarks/wedge.py lasso      [--out results/published]     # wedge_lasso.csv
    python benchmarks/wedge.py random     [--out results/published]     # wedge_random.csv, wedge_random.png
    python benchmarks/wedge.py embeddings [--out results/published] [--embeddings FILE.npz] [--workers 2]

lasso: one Lasso over the same features by every solver, to a relative gap of 1e-6 within 20 s. ``gap`` is proved,
rounding included, whoever found the weights; ``excess`` is the value above the least one; ``time_ratio`` is to
interior_point. A solver that looks at its clock too seldom is stopped after twice the time, and has no result.

random: the value of the Lasso over random wedges, sketched ones and those of column generation, over the value of all
wedges (``ratio``); targets of a planted ReLU teacher, γ = 0.1, geometric means and median seconds over three data sets.

embeddings: test accuracy on scikit-learn's digits or on a given file with arrays X (n×d) and labels (n), half of
the data being for training. γ per sample is chosen on a quarter of the training data (C of the logistic regression
likewise), 30 s a fit; ``seconds`` is the last fit's, ``seconds_all`` includes the choice. Rows of other data sets are
kept.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import sdprelax
from sdprelax import Problem
from sdprelax.deadline import Deadline
from sdprelax.wedge import LassoProgram, WedgeDictionary, WedgeProblem, lasso, proved

Row = dict[str, Any]


def show(row: Row) -> None:
    print({key: f"{v:.4g}" if isinstance(v, float) else v for key, v in row.items()}, flush=True)


def write(table: pd.DataFrame, folder: Path, name: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    table.to_csv(folder / f"{name}.csv", index=False, float_format="%.8g")


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
SOLVERS = ("interior_point", "skglm", "sklearn")
GAMMA, TOLERANCE, SECONDS, NOISE = 0.1, 1e-6, 20.0, 0.1


def measured(solver: str, geometry: WedgeProblem, dictionary: WedgeDictionary, program: LassoProgram) -> Row:
    """Solve a Lasso in a process of its own, which a solver that ignores its deadline cannot outlive."""
    here, there = multiprocessing.Pipe(duplex=False)

    def solve() -> None:
        started = time.perf_counter()
        fit = lasso(program, solver, tolerance=TOLERANCE, deadline=Deadline(SECONDS))
        seconds = time.perf_counter() - started
        lower, upper = proved(geometry.inputs, dictionary.directions, program, fit)
        there.send({"seconds": seconds, "value": upper, "gap": (upper - lower) / upper, "used": int(np.sum(fit.used))})

    # A forked process has the compiled code of its parent.
    process = multiprocessing.get_context("fork").Process(target=solve)
    process.start()
    answered = here.poll(2.0 * SECONDS)
    found = here.recv() if answered else {"seconds": 2.0 * SECONDS, "value": np.nan, "gap": np.nan, "used": -1}
    process.kill()
    process.join()
    return found


def run_lasso(given: argparse.Namespace) -> None:
    for solver in SOLVERS:  # compiles
        for c in (1, 2):
            X, Y = planted(10, 2, c, 0)
            lasso(LassoProgram(WedgeProblem(X).features(np.eye(2)), Y, GAMMA), solver)
    rows: list[Row] = []
    for name, n, d, c, free, count in CASES:
        X, Y = planted(n, d, c, 0, noise=NOISE)
        geometry = WedgeProblem(X, free=free)
        dictionary = geometry.random_wedges(count, np.random.default_rng(0)) if count else geometry.all_wedges()
        program = LassoProgram(geometry.features(dictionary.directions), Y, GAMMA, free)
        found = [measured(solver, geometry, dictionary, program) for solver in SOLVERS]
        least = np.nanmin([row["value"] for row in found])
        for solver, row in zip(SOLVERS, found, strict=True):
            row = {"data": name, "n": n, "c": c, "features": dictionary.count, "solver": solver, **row}
            row |= {"excess": row["value"] / least - 1.0, "time_ratio": row["seconds"] / found[0]["seconds"]}
            rows.append(row)
            show(row)
        write(pd.DataFrame(rows), given.out, "wedge_lasso")


SIZES, DIMENSIONS, COUNTS, DRAWS = (20, 40, 80, 160), (2, 3, 4), (50, 200, 1_000, 5_000), 3
# How each choice of features is asked for; column generation may add a thousand pairs.
CHOICES: dict[str, Row] = {
    "all": {"features": "all"},
    **{f"random {count}": {"features": "random", "count": count} for count in COUNTS},
    **{f"sketch {count}": {"features": "random", "count": count, "sketch": 2} for count in COUNTS},
    "oracle": {"features": "oracle", "count": 1_000},
}  # fmt: skip


def trained(problem: Problem, options: Row, seed: int) -> Row:
    """Return the value of a choice's Lasso, and the seconds until its network was there."""
    started, there = time.perf_counter(), []

    def report(_: Any) -> None:
        there.append(time.perf_counter() - started)

    outcome = sdprelax.solve(
        problem, "wedge", tolerance=TOLERANCE, seed=seed, time_limit=120.0, report=report, **options
    )
    details = outcome.details
    return {"value": details["value"], "features": details["features"], "neurons": details["neurons"],
            "gap": details["program_gap"], "seconds": there[0]}  # fmt: skip


def run_random(given: argparse.Namespace) -> None:
    rows: list[Row] = []
    trained(Problem(*planted(10, 2, 1, 0), GAMMA), CHOICES["all"], 0)  # loads what is loaded once
    for d in DIMENSIONS:
        for n in SIZES:
            pairs = WedgeProblem(planted(n, d, 1, 0)[0])
            try:
                pairs.require_room()
            except sdprelax.errors.ProblemTooLarge:
                continue
            values: dict[str, list[Row]] = {name: [] for name in CHOICES}
            for draw in range(DRAWS):
                problem = Problem(*planted(n, d, 1, draw), GAMMA)
                for name, options in CHOICES.items():
                    values[name].append(trained(problem, options, draw))
            for name, found in values.items():
                ratios = [row["value"] / whole["value"] for row, whole in zip(found, values["all"], strict=True)]
                row = {"d": d, "n": n, "choice": name, "all": 2 * pairs.subset_count}
                row |= {key: float(np.median([one[key] for one in found])) for key in ("features", "neurons")}
                row |= {"ratio": float(np.exp(np.mean(np.log(ratios)))), "worst_ratio": max(ratios)}
                row |= {"worst_gap": max(one["gap"] for one in found)}
                row["seconds"] = float(np.median([one["seconds"] for one in found]))
                rows.append(row)
                show(row)
    table = pd.DataFrame(rows)
    write(table, given.out, "wedge_random")
    draw_random(table, given.out / "wedge_random.png")


def draw_random(table: pd.DataFrame, path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    shades = dict(zip(COUNTS, (0.5, 0.65, 0.8, 0.95), strict=True))
    looks: dict[str, Row] = {"all": {"color": "black", "marker": "o"}, "oracle": {"color": "#009E73", "marker": "^"}}
    for count, shade in shades.items():
        looks[f"random {count}"] = {"color": plt.cm.Blues(shade), "marker": "s"}
        looks[f"sketch {count}"] = {"color": plt.cm.Oranges(shade), "marker": "v", "linestyle": "--"}
    figure, axes = plt.subplots(2, len(DIMENSIONS), figsize=(13, 7.5), sharey="row", layout="constrained")
    for column, d in enumerate(DIMENSIONS):
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
    figure.savefig(path, dpi=110)


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


SHARES, PLAIN, SPLITS, LIMIT = (3e-4, 1e-3), (0.1, 1.0, 10.0), 3, 30.0
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


def accuracy(name: str, X: np.ndarray, labels: np.ndarray, split: int) -> Row:
    from sklearn.model_selection import train_test_split

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
    return {"learner": name, "split": split, "accuracy": reached, "strength": best, "seconds": ended - last,
            "seconds_all": ended - started, **about}  # fmt: skip


def run_embeddings(given: argparse.Namespace) -> None:
    import joblib
    from sklearn.datasets import load_digits

    X, labels = load_digits(return_X_y=True)
    sets = {"digits": (X / 16.0, labels)}
    if given.embeddings:
        stored = np.load(given.embeddings)
        named = np.unique(stored["labels"], return_inverse=True)[1]
        sets = {given.embeddings.stem: (np.asarray(stored["X"], dtype=float), named)}
    rows: list[Row] = []
    written = given.out / "wedge_embeddings.csv"
    if written.exists():
        earlier = pd.read_csv(written)
        rows = earlier[~earlier["data"].isin(list(sets))].to_dict("records")
    for data, (X, labels) in sets.items():
        names = list(learners())
        jobs = [joblib.delayed(accuracy)(name, X, labels, split) for name in names for split in range(SPLITS)]
        done: list[Row] = []
        for one in joblib.Parallel(n_jobs=given.workers, return_as="generator")(jobs):
            done.append(one)
            if len(done) % SPLITS:
                continue
            part = pd.DataFrame(done[-SPLITS:])
            row = {"data": data, "n_train": len(X) // 2, "d": X.shape[1], "learner": one["learner"]}
            row |= {"accuracy": part["accuracy"].mean(), "deviation": part["accuracy"].std()}
            row |= {
                key: part[key].median()
                for key in ("strength", "seconds", "seconds_all", "upper", "width")
                if key in part
            }
            row["statuses"] = "; ".join(sorted(set(part["status"])))
            rows.append(row)
            show(row)
            write(pd.DataFrame(rows), given.out, "wedge_embeddings")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    root = Path(__file__).resolve().parents[1]
    parts = parser.add_subparsers(dest="part", required=True)
    for name, run in (("lasso", run_lasso), ("random", run_random), ("embeddings", run_embeddings)):
        part = parts.add_parser(name)
        part.set_defaults(run=run)
        part.add_argument("--out", type=Path, default=root / "results" / "published")
        if name == "embeddings":
            part.add_argument("--embeddings", type=Path, metavar="FILE.npz", help="X and labels of another data set")
            part.add_argument("--workers", type=int, default=os.cpu_count())
    given = parser.parse_args()
    given.run(given)


if __name__ == "__main__":
    main()
