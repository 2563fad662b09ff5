"""The tables of docs/paper.md: the experiments of Prakhya, Birdal and Yurtsever 2025 ("P25")."""

from __future__ import annotations

import numpy as np
import pandas as pd

from documents.writing import PUBLISHED, figure, markdown, published, significant, table

PROBLEM = ["dataset", "bias", "gamma"]
# P25's experiments, with the sweep that repeats each, the published files, and the sections of docs/paper.md.
SETS, TABLES = ["paper_bounds", "paper_predictions"], "Bounds, Test accuracy, Roundings"
COMMANDS = [
    ("tightness on random sets: relaxation, SGD by width", "random", ["paper_bounds", "paper_traces"], "Random data"),
    ("the same with its epochs of SGD", "protocol/random", ["paper_bounds"], "Random data"),
    ("tightness on the spiral: relaxation, SGD by width, Frank–Wolfe", "spiral", [*SETS, "paper_traces"],
     "Bounds, Roundings"),
    *((f"{name}: relaxation and its rounding, SGD, NNGP, NTK", name.lower().replace(" ", "_"), SETS, TABLES)
      for name in ("Iris", "Ionosphere", "Pima", "Bank Notes", "MNIST")),
    *((f"{name} with its epochs of SGD", f"protocol/{name.lower().replace(' ', '_')}", [], "SGD with P25's epochs")
      for name in ("Iris", "Ionosphere", "Pima", "Bank Notes", "MNIST")),
    ("Possum (in its code alone), from your file", "own_file/possum", [], "Possum and CIFAR-10"),
    ("CIFAR-10 (in its code alone), from your file", "own_file/cifar10", [], "Possum and CIFAR-10"),
]  # fmt: skip
ROUNDINGS = ["gaussian", "eigen", "extract", "three_operator"]


def family(trials: pd.DataFrame) -> pd.Series:
    """Return the bare name of every row's method."""
    return trials["method"].str.partition("(")[0]


def shown(name: str, bias: bool) -> str:
    """Return what a data set is called here."""
    return name.replace("_", " ") + (" + bias" if bias else "")


def written(rows: list[dict[str, str]]) -> str:
    """Return rows of cells as Markdown."""
    return markdown(list(rows[0]), [list(row.values()) for row in rows], left=len(rows[0]))


def excess(value: float, best: float) -> str:
    """Return how far a network's objective lies above the best network's."""
    return "–" if np.isnan(value) else f"+{digits(100.0 * (value / best - 1.0))} %"


def digits(value: float) -> str:
    """Return a percentage with two digits, or whole."""
    return f"{value:.0f}" if value >= 10.0 else f"{value:.2g}"


def best_of(networks: pd.DataFrame, best: float) -> str:
    """Return the excess of the best of some networks, and its name."""
    if networks.empty:
        return "–"
    chosen = networks.loc[networks["objective"].idxmin()]
    return f"{excess(chosen['objective'], best)} ({chosen['predictor'].partition(',')[0]})"


@table("paper bounds")
def bounds() -> str:
    """Per real data set, γ and bias, the best pair, and the SDP, SGD and roundings beside it."""
    predictions = published("paper_predictions")
    rows = []
    for (name, bias, gamma), trials in published("paper_bounds").groupby(PROBLEM, sort=False):
        if name.startswith("random"):
            continue
        same = (predictions[PROBLEM] == [name, bias, gamma]).all(axis=1)
        of = family(trials)
        lower, upper = trials["lower"].max(), trials["upper"].min()
        sdp = trials[of == "sdp"]
        bound = sdp["lower"].max()
        rounded = predictions[same & (family(predictions) == "sdp") & predictions["objective"].notna()]
        plain = rounded[~rounded["predictor"].str.contains("polished|network|iterate")]
        polished = rounded[rounded["predictor"].str.contains("polished")]
        rows.append({
            "data": shown(name, bias), "γ": f"{gamma:g}",
            "SDP bound": "–" if np.isnan(bound) else f"{bound:.5g} ({100 * bound / upper:.1f} %)",
            "best pair": f"{'0' if np.isnan(lower) else f'{lower:.6g}'} … {upper:.6g}",
            "gap": "–" if np.isnan(lower) else f"{(upper - lower) / upper:.1e}",
            "by": f"{'–' if np.isnan(lower) else of[trials['lower'].idxmax()]}, {of[trials['upper'].idxmin()]}",
            "best SGD": excess(trials[of == "sgd"]["upper"].min(), upper),
            "best rounding": best_of(plain, upper), "polished": best_of(polished, upper),
        })  # fmt: skip
    return written(rows)


def random_trials() -> pd.DataFrame:
    """Return the trials of the hundred sets with the optimum of each."""
    trials = published("paper_bounds").query("sweep == 'random'")
    optimum = trials[trials["method"] == "exact"].set_index(PROBLEM)["upper"]
    return trials.join(optimum.rename("optimum"), on=PROBLEM)


@table("paper random")
def random() -> str:
    """What the random sets say of every method, relative to the exact optimum: means and extremes."""
    rows = []
    for (method, gamma), trials in random_trials().groupby(["method", "gamma"], sort=False):
        over = 100.0 * (trials["upper"] / trials["optimum"] - 1.0)
        part = 100.0 * trials["lower"] / trials["optimum"]
        rows.append({
            "method": method, "γ": f"{gamma:g}", "sets": f"{len(trials)}",
            "certified, mean (least)": f"{part.mean():.3f} % ({part.min():.3f} %)" if part.notna().any() else "–",
            "network, mean (largest)": f"+{digits(over.mean())} % (+{digits(over.max())} %)",
            "seconds, mean": f"{trials['seconds'].mean():.2f}",
        })  # fmt: skip
    return written(rows)


@table("paper random, short")
def random_short() -> str:
    """The relaxation, its rounded networks and SGD over the hundred sets."""
    found = random_trials()
    protocol = published("paper_bounds").query("sweep == 'random-protocol'")
    rows = []
    for gamma, trials in found.groupby("gamma", sort=False):
        by = trials.groupby("method")
        sdp, sgd = by.get_group("sdp"), by.get_group("sgd(width=100)")
        share = 100.0 * sdp["lower"] / sdp["optimum"]
        over, lost = (100.0 * (part["upper"] / part["optimum"] - 1.0) for part in (sdp, sgd))
        long = protocol[protocol["gamma"] == gamma].set_index("method")["upper"]
        slow = next(upper for method, upper in long.items() if "epochs=500000" in str(method))
        rows.append([
            f"{gamma:g}", f"{share.mean():.1f} % ({share.min():.1f} %)",
            *(f"{significant(part.mean())} % ({significant(part.max())} %)" for part in (over, lost)),
            f"{significant(100.0 * (slow / long['exact'] - 1.0))} %",
        ])  # fmt: skip
    columns = [
        "100 random sets, γ", "certified by the SDP, mean (least)",
        "its rounded network above the optimum, mean (most)", "SGD of 1,500 epochs", "of P25's 500,000, one set",
    ]  # fmt: skip
    return markdown(columns, rows, left=0)


@table("paper accuracy")
def accuracy() -> str:
    """Test accuracy of everything that predicts."""
    return accuracies(published("paper_predictions").query("not bias"))


@table("paper accuracy with a bias")
def accuracy_with_a_bias() -> str:
    """The same with a bias."""
    return accuracies(published("paper_predictions").query("bias"))


def accuracies(predictions: pd.DataFrame) -> str:
    """Return test accuracies, in percent, one row per predictor and one column per data set, bias and γ."""
    rows: dict[str, dict[str, str]] = {}
    columns: dict[str, None] = {}
    for row in predictions[predictions["test_accuracy"].notna()].to_dict("records"):
        if row["predictor"] == "iterate best on the test set":
            continue
        column = f"{shown(row['dataset'], row['bias'])}, {row['gamma']:g}"
        ridge = ", relative ridge" if "relative" in row["method"] else ""
        who = f"{row['method'].partition('(')[0]}: {row['predictor']}{ridge}"
        columns.setdefault(column)
        rows.setdefault(who, {}).setdefault(column, f"{100.0 * row['test_accuracy']:.1f}")
    return written(
        [{"predictor": who, **{name: found.get(name, "–") for name in columns}} for who, found in rows.items()]
    )


@table("paper roundings")
def roundings() -> str:
    """Per problem, every rounding's objective and test accuracy, before and after polish."""
    predictions = published("paper_predictions")
    mine = predictions[(family(predictions) == "sdp") & predictions["objective"].notna()]
    rows = []
    for (name, bias, gamma), found in mine.groupby(PROBLEM, sort=False):
        if name.startswith("random"):
            continue
        by_name = found.drop_duplicates("predictor").set_index("predictor")
        row = {"data": shown(name, bias), "γ": f"{gamma:g}"}
        for rounding in ROUNDINGS:
            cells = []
            for predictor in (rounding, f"{rounding}, polished"):
                if predictor in by_name.index:
                    reached = by_name.loc[predictor]
                    share = reached["test_accuracy"]
                    tested = "" if np.isnan(share) else f" ({100.0 * share:.1f})"
                    cells.append(f"{reached['objective']:.4g}{tested}")
            row[rounding] = " → ".join(cells) or "–"
        rows.append(row)
    return written(rows)


@table("paper protocol")
def protocol() -> str:
    """What P25's protocol makes of its own rounding: accuracies in percent."""
    predictions = published("paper_predictions")
    mine = predictions[(family(predictions) == "sdp") & predictions["paper_accuracy"].notna()]
    rows = []
    for (name, bias, gamma), found in mine.groupby(PROBLEM, sort=False):
        by_name = found.drop_duplicates("predictor").set_index("predictor")
        if "iterate best on the test set" not in by_name.index:
            continue
        iterate, rounded = by_name.loc["iterate best on the test set"], by_name.loc["three_operator"]
        rows.append({
            "data": shown(name, bias), "γ": f"{gamma:g}",
            "P25's protocol": f"{100 * iterate['paper_accuracy']:.1f} (threshold {iterate['paper_threshold']:.2f})",
            "same iterate, argmax": f"{100 * iterate['test_accuracy']:.1f}",
            "iterate of least objective, argmax": f"{100 * rounded['test_accuracy']:.1f}",
            "its network polished, argmax": f"{100 * by_name.loc['three_operator, polished', 'test_accuracy']:.1f}"
            if "three_operator, polished" in by_name.index else "–",
            "best network of all roundings, argmax": f"{100 * by_name.loc['network', 'test_accuracy']:.1f}",
        })  # fmt: skip
    return written(rows)


@table("paper transductive")
def transductive() -> str:
    """The relaxation's own predictions on Iris, and their price."""
    trials = published("paper_bounds").query("sweep == 'iris' and method.str.startswith('sdp')")
    rows = []
    for (name, bias, gamma), found in trials.groupby(PROBLEM, sort=False):
        lifted = found["method"].str.contains("transductive=True")
        plain, own = found[~lifted].iloc[0], found[lifted].iloc[0]
        rows.append([
            shown(name, bias), f"{gamma:g}", f"{plain['seconds']:.1f}", f"{own['seconds']:.1f}",
            f"{100 * plain['test_accuracy']:.1f}", f"{100 * own['test_accuracy']:.1f}",
        ])  # fmt: skip
    columns = ["data", "γ", "seconds, plain", "seconds, transductive", "rounded network", "relaxation"]
    return markdown(columns, rows)


@table("paper commands")
def commands() -> str:
    """What of the paper's experiments is repeated by what, where it stands, and on which problems it has run."""
    found = pd.concat([published("paper_bounds"), long_trials()])
    rows = []
    for experiment, name, files, places in COMMANDS:
        sweep = name.rpartition("/")[2] + ("-protocol" if name.startswith("protocol/") else "")
        trials = found[found["sweep"] == sweep]
        rows.append([
            experiment, f"`experiments/paper/{name}.yaml`", ", ".join(f"`{file}`" for file in files) or "–", places,
            ran(trials),
        ])  # fmt: skip
    columns = ["P25's experiment", "`sdprelax run`", "published in", "shown in", "run here"]
    return markdown(columns, rows, left=len(columns))


def ran(trials: pd.DataFrame) -> str:
    """Return on which problems trials have run."""
    said = []
    for bias, part in trials.groupby("bias"):
        gammas = ", ".join(f"{gamma:g}" for gamma in sorted(part["gamma"].unique(), reverse=True))
        said.append(f"γ = {gammas} {'with' if bias else 'without'} a bias")
    counted = trials["dataset"].nunique()
    return "; ".join(said) + (f"; {counted} sets" if counted > 1 else "") or "no"


def long_trials() -> pd.DataFrame:
    """Return the trials of SGD with P25's epochs on real sets that have ended, if any have."""
    path = PUBLISHED / "paper_protocol.csv"
    return pd.read_csv(path) if path.is_file() else pd.DataFrame(columns=["sweep", *PROBLEM, "method", "upper"])


@table("paper long")
def long() -> str:
    """How far above the best network SGD with P25's epochs ends, where it has run, and SGD of fewer."""
    bounds = published("paper_bounds")
    random = bounds[(bounds["sweep"] == "random-protocol") & bounds["method"].str.contains("epochs=500000")]
    spiral = bounds[(bounds["sweep"] == "spiral") & (bounds["method"] == "sgd(width=300)")]
    rows = []
    for row in pd.concat([spiral, random, long_trials()]).to_dict("records"):
        same = bounds[(bounds[PROBLEM] == [row[name] for name in PROBLEM]).all(axis=1)]
        other = (same["method"] != row["method"]) | (same["sweep"] != row["sweep"])
        shorter = same[(family(same) == "sgd") & other & (row["dataset"] != "spiral")]
        best = min(same["upper"].min(), row["upper"])
        spent = row.get("processor_seconds", np.nan)
        rows.append([
            shown(row["dataset"], row["bias"]), f"{row['gamma']:g}", excess(row["upper"], best),
            f"{row['seconds'] if np.isnan(spent) else spent:.0f}", excess(shorter["upper"].min(), best),
            "–" if shorter.empty else f"{shorter['seconds'].iloc[0]:.0f}",
        ])  # fmt: skip
    columns = ["data", "γ", "P25's epochs, above the best network", "seconds", "fewer epochs", "seconds of those"]
    return markdown(columns, rows)


@table("paper epochs")
def epochs() -> str:
    """What P25's epochs of SGD cost."""
    rows = [
        [
            row.data, f"{row.n} × {row.d} → {row.c}", f"{row.epochs:,}", f"{row.ms:.2g}",
            f"{row.pytorch_ms / row.ms:.1f}", f"{row.minutes:.0f}" if row.minutes >= 1.0 else f"{row.minutes:.2g}",
        ]
        for row in published("sgd_epochs").itertuples()
    ]  # fmt: skip
    columns = ["data", "size", "epochs", "ms an epoch", "PyTorch's over ours", "minutes a run"]
    return markdown(columns, rows, left=2)


@figure("paper random, certified")
def certified() -> str:
    """The range of shares that the relaxation certifies of the hundred sets."""
    sdp = random_trials().query("method == 'sdp'")
    said = []
    for gamma, part in (100.0 * sdp["lower"] / sdp["optimum"]).groupby(sdp["gamma"], sort=False):
        said.append(f"{part.min():.0f} % to {part.max():.0f} % of the optimum at γ = {gamma:g}")
    return " and ".join(said).replace(" of the optimum at γ = 0.01", " at γ = 0.01")
