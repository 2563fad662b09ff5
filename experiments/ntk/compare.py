"""MKL against the NTK on small sets: what a sweep of experiments/ntk found, with paired tests.

The error of a predictor on a set's test part is the share of wrong classes, or for regression the mean squared error
relative to the variance of the test targets. ``python experiments/publish.py ntk`` writes

    ntk_uci.csv         mean and standard deviation of the error over the splits, per set and predictor
    ntk_uci_pairs.csv   the difference MKL − rival per set with its corrected resampled t-test
    ntk_uci_tests.csv   sets on which MKL wins, ties and loses, with Wilcoxon's signed-rank test over the sets
    ntk_uci.png         the errors against each other

Splits of one set share most of their training data, so the plain t-test finds too much; the corrected one (Nadeau and
Bengio 2003) replaces the variance's factor 1/k by 1/k + n_test/n_train. Wilcoxon's test takes a set as one observation
(Demšar 2006); differences of zero are split between both signs.
"""

from __future__ import annotations

import functools
import json
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.stats
from matplotlib.figure import Figure

from sdprelax.base import InputError
from sdprelax.datasets import Dataset, datasets
from sdprelax.laboratory.results import load_table

OURS = "mkl"
DRAWN = ("ntk gated", "ntk relu")
KEYS = ["task", "set", "predictor"]
LEVEL = 0.05
# Mean errors closer than this are equal: they are sums of the same few fractions.
EQUAL = 1e-10


@functools.cache
def loaded(source: str, written: str) -> Dataset:
    """Return a data set by its name and its options in JSON, as a table has them: with the digest of its file.

    Raises
    ------
    InputError: the file is not the one that the sweep read.
    """
    options = json.loads(written)
    digest = options.pop("sha256", "")
    found = datasets.create(source, options)
    if hasattr(found, "digest") and found.digest() != digest:
        raise InputError(f"the file of {source} {options.get('name', '')} has changed since the sweep.")
    return found.load()


def label(method: str, options: dict[str, object], predictor: str) -> str:
    """Return what a predictor is called here: "mkl", "ntk gated", "gated_relu gated"."""
    if method == "ntk":
        return f"ntk {options.get('network', 'relu')}"
    if method == OURS and predictor == "ntk":
        return "ntk sampled"
    return method if predictor in (method, "kernel", "network") else f"{method} {predictor}"


def measured(results: Path) -> pd.DataFrame:
    """Return the test error of every predictor on every split of every set.

    Raises
    ------
    InputError: two entries of the sweep have one label here, or a set has no test part.
    """
    trials = load_table(results)[["hash", "dataset", "method", "repeat", "dataset_options", "options", "n", "d", "c"]]
    table = load_table(results, "predictions")[["hash", "predictor", "test_accuracy", "test_rmse"]]
    rows = []
    for row in table.merge(trials, on="hash").itertuples():
        source, written = row.dataset.partition("(")[0], json.loads(row.dataset_options)
        data = loaded(source, row.dataset_options)
        if data.Y_test is None:
            raise InputError(f"{row.dataset} has no test part: give it a test_size.")
        method, options = row.method.partition("(")[0], json.loads(row.options)
        if method == "cross_validated":
            method, options = options["of"], options.get("options", {})
        regression = data.classes is None
        rows.append({
            "task": "regression" if regression else "classification", "set": written.get("name", source),
            "predictor": label(method, options, row.predictor), "split": written.get("split_seed"),
            "repeat": row.repeat, "n": len(data.Y) + len(data.Y_test), "d": int(row.d), "c": int(row.c),
            "error": row.test_rmse**2 / float(np.var(data.Y_test)) if regression else 1.0 - row.test_accuracy,
            "ratio": len(data.Y_test) / len(data.Y),
        })  # fmt: skip
    found = pd.DataFrame(rows)
    twice = found.duplicated([*KEYS, "split", "repeat"])
    if twice.any():
        name, which = found.loc[twice, ["predictor", "set"]].iloc[0]
        raise InputError(f"{results} has two entries that are both called '{name}' here, on {which}.")
    return found


def summary(runs: pd.DataFrame) -> pd.DataFrame:
    """Return mean and standard deviation of the error per set and predictor; of classes the accuracy too."""
    grouped = runs.groupby(KEYS)
    found = grouped.agg(
        n=("n", "first"), d=("d", "first"), c=("c", "first"), splits=("error", "size"), error=("error", "mean"),
        deviation=("error", "std"),
    ).reset_index()  # fmt: skip
    found["accuracy"] = np.where(found["task"] == "classification", 1.0 - found["error"], np.nan)
    return found


def corrected_t(differences: np.ndarray, ratio: float) -> tuple[float, float]:
    """Return t and the two-sided p of the corrected resampled t-test; NaN where the differences do not vary.

    Parameters
    ----------
    differences: of the errors, one per split, shape (k,).
    ratio: n_test/n_train.
    """
    k = len(differences)
    spread = float(np.std(differences, ddof=1)) if k > 1 else 0.0
    if spread <= EQUAL:
        return np.nan, np.nan
    t = float(np.mean(differences)) / (spread * np.sqrt(1.0 / k + ratio))
    return t, 2.0 * float(scipy.stats.t.sf(abs(t), k - 1))


def paired(runs: pd.DataFrame) -> pd.DataFrame:
    """Return, per rival and set, both mean errors on the splits that both ran, their difference and its test."""
    ours = runs[runs["predictor"] == OURS]
    both = runs[runs["predictor"] != OURS].merge(
        ours, on=["task", "set", "split", "repeat"], suffixes=("_rival", "_mkl")
    )
    rows = []
    for (task, rival, name), part in both.groupby(["task", "predictor_rival", "set"]):
        differences = (part["error_mkl"] - part["error_rival"]).to_numpy()
        t, p = corrected_t(differences, float(part["ratio_mkl"].mean()))
        mean = float(np.mean(differences))
        rows.append({
            "rival": rival, "task": task, "set": name, "splits": len(part), "mkl_error": part["error_mkl"].mean(),
            "rival_error": part["error_rival"].mean(), "difference": 0.0 if abs(mean) <= EQUAL else mean,
            "t": t, "p": p,
        })  # fmt: skip
    return pd.DataFrame(rows)


def tests(pairs: pd.DataFrame) -> pd.DataFrame:
    """Return, per rival and task, wins, ties and losses over the sets and Wilcoxon's two-sided p."""
    rows = []
    for rival, of_rival in pairs.groupby("rival"):
        parts = {**dict(tuple(of_rival.groupby("task"))), "all": of_rival}
        for task, part in parts.items():
            difference = part["difference"].round(10)
            wins, losses = int((difference < 0.0).sum()), int((difference > 0.0).sum())
            clear = part["p"] < LEVEL
            p = 1.0
            if wins + losses:
                p = float(scipy.stats.wilcoxon(difference, zero_method="zsplit").pvalue)
            rows.append({
                "rival": rival, "task": task, "sets": len(part), "wins": wins, "ties": len(part) - wins - losses,
                "losses": losses, "clear_wins": int((clear & (difference < 0.0)).sum()),
                "clear_losses": int((clear & (difference > 0.0)).sum()), "mean_difference": part["difference"].mean(),
                "median_difference": part["difference"].median(), "wilcoxon_p": p,
            })  # fmt: skip
    return pd.DataFrame(rows)


def draw(pairs: pd.DataFrame, path: Path) -> None:
    """Draw MKL's error against every drawn rival's, a panel per task; filled where the t-test finds a difference."""
    rivals = [name for name in DRAWN if name in set(pairs["rival"])]
    tasks = [(name, words) for name, words in (
        ("classification", "share of wrong classes"), ("regression", "mean squared error / variance"),
    ) if name in set(pairs["task"])]  # fmt: skip
    figure = Figure(figsize=(5.0 * len(tasks), 4.9 * len(rivals)), layout="constrained")
    axes = figure.subplots(len(rivals), len(tasks), squeeze=False)
    for axis, (rival, (task, words)) in zip(axes.flat, [(r, t) for r in rivals for t in tasks], strict=True):
        part = pairs[(pairs["rival"] == rival) & (pairs["task"] == task)]
        x, y = part["rival_error"].to_numpy(), part["mkl_error"].to_numpy()
        clear = (part["p"] < LEVEL).to_numpy()
        top = 1.08 * max(x.max(initial=0.0), y.max(initial=0.0), 1e-3)
        axis.plot([0.0, top], [0.0, top], color="0.6", linewidth=1.0, zorder=1)
        axis.scatter(x[~clear], y[~clear], facecolors="none", edgecolors="#0072B2", label="no clear difference")
        axis.scatter(x[clear], y[clear], color="#D55E00", label=f"clear difference (p < {LEVEL:g}, corrected t-test)")
        # Names only where a point is away from the diagonal: elsewhere they would cover each other.
        for name, a, b in zip(part["set"], x, y, strict=True):
            if abs(a - b) > 0.04 * top:
                axis.annotate(name, (a, b), xytext=(4, 3), textcoords="offset points", fontsize=7)
        wins, losses = int((part["difference"] < 0.0).sum()), int((part["difference"] > 0.0).sum())
        axis.set(
            xlim=(0.0, top), ylim=(0.0, top), aspect="equal", xlabel=f"{rival}: {words}", ylabel=f"MKL: {words}",
            title=f"{len(part)} {task} sets: MKL wins {wins}, loses {losses}",
        )  # fmt: skip
        axis.legend(loc="upper left", fontsize=7, frameon=False)
    figure.savefig(path, dpi=150)
