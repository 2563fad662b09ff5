"""Collect the paper's sweeps from results/ into results/published/, and print the tables of docs/paper.md.

    python experiments/paper/publish.py [--results results] [--out results/published]

What a sweep has not run yet is missing from the tables; ``sdprelax verify`` proves the rows that are there.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from sdprelax.results.tables import load_table

PROBLEM = ["dataset", "bias", "gamma"]
BOUNDS = [
    *PROBLEM, "n", "d", "c", "method", "status", "lower", "upper", "gap", "solver_value", "solver_status", "seconds",
    "peak_memory_mb", "width", "train_accuracy", "test_accuracy", "test_balanced_accuracy", "test_f1", "test_rmse",
    "paper_accuracy",
]  # fmt: skip
PREDICTIONS = [
    *PROBLEM, "method", "predictor", "objective", "train_accuracy", "test_accuracy", "test_balanced_accuracy",
    "test_f1", "test_rmse", "paper_accuracy", "paper_threshold",
]  # fmt: skip
ORDER = ["random", "spiral", "iris", "ionosphere", "pima", "bank_notes", "mnist"]


def collected(results: Path, name: str, columns: list[str]) -> pd.DataFrame:
    """Return one table of all the paper's sweeps, in the paper's order."""
    folders = sorted(path for path in results.glob("paper-*") if (path / f"{name}.parquet").is_file())
    parts = [load_table(folder, name)[columns].assign(sweep=folder.name.removeprefix("paper-")) for folder in folders]
    table = pd.concat(parts, ignore_index=True)
    # A data set is known by its name here; where its file lies is nobody's business.
    rank = table["dataset"].str.partition("(")[0].map({name: k for k, name in enumerate(ORDER)})
    keys = {"rank": rank, "gamma": -table["gamma"], "bias": table["bias"]}
    order = table.assign(**{f"by_{key}": value for key, value in keys.items()}).sort_values(
        ["by_rank", "sweep", "by_bias", "by_gamma"], kind="stable"
    ).index  # fmt: skip
    return table.loc[order, ["sweep", *columns]].reset_index(drop=True)


def traces(results: Path) -> pd.DataFrame:
    """Return bounds against seconds on the spiral and the first random set."""
    parts = []
    for sweep in ("random", "spiral"):
        folder = results / f"paper-{sweep}"
        if (folder / "trace.parquet").is_file():
            table = load_table(folder)
            table = table[table["dataset"].isin(["spiral", "random(seed=0)"])]
            parts.append(load_table(folder, "trace").merge(table[[*PROBLEM, "method", "hash"]], on="hash"))
    return pd.concat(parts, ignore_index=True)[[*PROBLEM, "method", "seconds", "lower", "upper"]]


def family(table: pd.DataFrame) -> pd.Series:
    """Return the bare name of every row's method."""
    return table["method"].str.partition("(")[0]


def bounds_table(bounds: pd.DataFrame, predictions: pd.DataFrame) -> pd.DataFrame:
    """Return, per real data set, γ and bias, the best pair, and the SDP, SGD and roundings beside it."""
    rows = []
    for (name, bias, gamma), trials in bounds.groupby(PROBLEM, sort=False):
        if name.startswith("random"):
            continue
        same = (predictions[PROBLEM] == [name, bias, gamma]).all(axis=1)
        of = family(trials)
        lower, upper = trials["lower"].max(), trials["upper"].min()
        sdp = trials[of == "sdp"]
        rounded = predictions[same & (family(predictions) == "sdp") & predictions["objective"].notna()]
        plain = rounded[~rounded["predictor"].str.contains("polished|network|iterate")]
        polished = rounded[rounded["predictor"].str.contains("polished")]
        rows.append({
            "data": name.replace("_", " ") + (" + bias" if bias else ""), "γ": f"{gamma:g}",
            "SDP bound": f"{sdp['lower'].max():.5g} ({100 * sdp['lower'].max() / upper:.1f} %)",
            "best pair": f"{lower:.6g} … {upper:.6g}", "gap": f"{(upper - lower) / upper:.1e}",
            "by": f"{of[trials['lower'].idxmax()]}, {of[trials['upper'].idxmin()]}",
            "best SGD": excess(trials[of == "sgd"]["upper"].min(), upper),
            "best rounding": best_of(plain, upper), "polished": best_of(polished, upper),
        })  # fmt: skip
    return pd.DataFrame(rows)


def excess(value: float, best: float) -> str:
    """Return how far a network's objective lies above the best network's."""
    return "–" if np.isnan(value) else f"+{percent(100.0 * (value / best - 1.0))} %"


def percent(value: float) -> str:
    """Return a percentage with two digits, or whole."""
    return f"{value:.0f}" if value >= 10.0 else f"{value:.2g}"


def best_of(networks: pd.DataFrame, best: float) -> str:
    """Return the excess of the best of some networks, and its name."""
    if networks.empty:
        return "–"
    chosen = networks.loc[networks["objective"].idxmin()]
    return f"{excess(chosen['objective'], best)} ({chosen['predictor'].partition(',')[0]})"


def random_table(bounds: pd.DataFrame) -> pd.DataFrame:
    """Return what the random sets say of every method, relative to the exact optimum: means and extremes."""
    mine = bounds[bounds["sweep"] == "random"]
    optimum = mine[mine["method"] == "exact"].set_index(PROBLEM)["upper"]
    mine = mine.join(optimum.rename("optimum"), on=PROBLEM)
    rows = []
    for (method, gamma), trials in mine.groupby(["method", "gamma"], sort=False):
        over = 100.0 * (trials["upper"] / trials["optimum"] - 1.0)
        part = 100.0 * trials["lower"] / trials["optimum"]
        rows.append({
            "method": method, "γ": f"{gamma:g}", "sets": len(trials),
            "certified, mean (least)": f"{part.mean():.3f} % ({part.min():.3f} %)" if part.notna().any() else "–",
            "network, mean (largest)": f"+{percent(over.mean())} % (+{percent(over.max())} %)",
            "seconds, mean": f"{trials['seconds'].mean():.2f}",
        })  # fmt: skip
    return pd.DataFrame(rows)


def accuracy_table(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return test accuracies, in percent, one row per predictor and one column per data set, bias and γ."""
    rows: dict[str, dict[str, str]] = {}
    columns: dict[str, None] = {}
    for row in predictions[predictions["test_accuracy"].notna()].to_dict("records"):
        if row["predictor"] == "iterate best on the test set":
            continue
        column = row["dataset"].replace("_", " ") + (" + bias" if row["bias"] else "") + f", {row['gamma']:g}"
        ridge = ", relative ridge" if "relative" in row["method"] else ""
        who = f"{row['method'].partition('(')[0]}: {row['predictor']}{ridge}"
        columns.setdefault(column)
        rows.setdefault(who, {}).setdefault(column, f"{100.0 * row['test_accuracy']:.1f}")
    return pd.DataFrame([{"predictor": who, **{c: found.get(c, "–") for c in columns}} for who, found in rows.items()])


def roundings_table(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return, per problem, every rounding's objective and test accuracy, before and after polish."""
    mine = predictions[(family(predictions) == "sdp") & predictions["objective"].notna()]
    names = ["gaussian", "eigen", "extract", "three_operator"]
    rows = []
    for (name, bias, gamma), found in mine.groupby(PROBLEM, sort=False):
        if name.startswith("random"):
            continue
        by_name = found.drop_duplicates("predictor").set_index("predictor")
        row = {"data": name.replace("_", " ") + (" + bias" if bias else ""), "γ": f"{gamma:g}"}
        for rounding in names:
            cells = []
            for predictor in (rounding, f"{rounding}, polished"):
                if predictor in by_name.index:
                    reached = by_name.loc[predictor]
                    accuracy = reached["test_accuracy"]
                    tested = "" if np.isnan(accuracy) else f" ({100.0 * accuracy:.1f})"
                    cells.append(f"{reached['objective']:.4g}{tested}")
            row[rounding] = " → ".join(cells) or "–"
        rows.append(row)
    return pd.DataFrame(rows)


def protocol_table(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return what P25's protocol makes of its own rounding: accuracies in percent."""
    mine = predictions[(family(predictions) == "sdp") & predictions["paper_accuracy"].notna()]
    rows = []
    for (name, bias, gamma), found in mine.groupby(PROBLEM, sort=False):
        by_name = found.drop_duplicates("predictor").set_index("predictor")
        if "iterate best on the test set" not in by_name.index:
            continue
        iterate, rounded = by_name.loc["iterate best on the test set"], by_name.loc["three_operator"]
        rows.append({
            "data": name.replace("_", " ") + (" + bias" if bias else ""), "γ": f"{gamma:g}",
            "P25's protocol": f"{100 * iterate['paper_accuracy']:.1f} (threshold {iterate['paper_threshold']:.2f})",
            "same iterate, argmax": f"{100 * iterate['test_accuracy']:.1f}",
            "iterate of least objective, argmax": f"{100 * rounded['test_accuracy']:.1f}",
            "its network polished, argmax": f"{100 * by_name.loc['three_operator, polished', 'test_accuracy']:.1f}"
            if "three_operator, polished" in by_name.index else "–",
            "best network of all roundings, argmax": f"{100 * by_name.loc['network', 'test_accuracy']:.1f}",
        })  # fmt: skip
    return pd.DataFrame(rows)


def main() -> None:
    """Write the tables of all trials and print those of the docs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=Path("results"))
    parser.add_argument("--out", type=Path, default=Path("results/published"))
    given = parser.parse_args()
    bounds = collected(given.results, "table", BOUNDS)
    predictions = collected(given.results, "predictions", PREDICTIONS)
    bounds.to_csv(given.out / "paper_bounds.csv", index=False, float_format="%.12g")
    predictions.to_csv(given.out / "paper_predictions.csv", index=False, float_format="%.8g")
    traces(given.results).to_csv(given.out / "paper_traces.csv", index=False, float_format="%.8g")
    tables = {
        "bounds": bounds_table(bounds, predictions),
        "random": random_table(bounds),
        "accuracy": accuracy_table(predictions[~predictions["bias"]]),
        "accuracy with a bias": accuracy_table(predictions[predictions["bias"]]),
        "roundings": roundings_table(predictions),
        "protocol": protocol_table(predictions),
    }
    for name, table in tables.items():
        print(f"<!-- {name} -->")
        print("| " + " | ".join(map(str, table.columns)) + " |")
        print("|" + "---|" * len(table.columns))
        for row in table.astype(str).to_numpy().tolist():
            print("| " + " | ".join(row) + " |")
        print()


if __name__ == "__main__":
    main()
