"""Publish results: files of results/published that README.md, docs/ and notebooks/ show, and the documents with them.

    python experiments/publish.py quickstart tightness wedge losses     # runs these sweeps anew: `make figures`
    python experiments/publish.py paper closing gates ntk distill ladder gamma_path     # from what has run

The sweeps that are run here run in a folder of their own, so that no earlier trial counts; nothing of a sweep is
published unless all of its trials ended without an error, and every certificate and network has been verified. The
report's picture needs Playwright and Debian's chromium (or CHROMIUM=/path/to/it) and stays as it is without them.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from sdprelax.laboratory import Store
from sdprelax.laboratory.results import audit, load_results, load_table, write_report
from sdprelax.methods import methods

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
# Studies of experiments/distill, by their names.
DISTILLED = (
    "digits", "cifar10", "efficientnet", "jacobian", "efficientnet-jacobian", "candidates", "svhn", "transformer",
)  # fmt: skip
PROBLEM = ["dataset", "bias", "gamma"]
SWEEP = [
    *PROBLEM, "n", "d", "c", "method", "repeat", "status", "lower", "upper", "gap", "seconds", "width",
    "train_accuracy", "test_accuracy", "message",
]  # fmt: skip
PAPER_BOUNDS = [
    *PROBLEM, "n", "d", "c", "method", "status", "lower", "upper", "gap", "solver_value", "solver_status", "seconds",
    "peak_memory_mb", "width", "train_accuracy", "test_accuracy", "test_balanced_accuracy", "test_f1", "test_rmse",
    "paper_accuracy",
]  # fmt: skip
PAPER_PREDICTIONS = [
    *PROBLEM, "method", "predictor", "objective", "train_accuracy", "test_accuracy", "test_balanced_accuracy",
    "test_f1", "test_rmse", "paper_accuracy", "paper_threshold",
]  # fmt: skip
PAPER_PROTOCOL = [
    *PROBLEM, "n", "d", "c", "method", "epochs", "learning_rate", "restarts", "status", "upper", "processor_seconds",
    "test_accuracy", "paper_accuracy",
]  # fmt: skip
PAPER_ORDER = ["random", "spiral", "iris", "ionosphere", "pima", "bank_notes", "mnist"]
# What chromium needs in a container, and what it must not do.
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]


def quickstart(results: Path, out: Path) -> None:
    """The README's first table, its picture, and the picture of its report."""
    folder = run_and_publish("quickstart", out)
    try:
        shutil.copyfile(folder / "tightness.png", out / "quickstart.png")
        photograph(write_report(folder), out / "report.png")
    finally:
        shutil.rmtree(folder.parent)


def tightness(results: Path, out: Path) -> None:
    """The bounds of the relaxation, with and without cones, beside the optimum."""
    shutil.rmtree(run_and_publish("tightness", out).parent)


def wedge(results: Path, out: Path) -> None:
    """Networks of wedge products beside the optimum."""
    shutil.rmtree(run_and_publish("wedge", out).parent)


def losses(results: Path, out: Path) -> None:
    """The same classes by the squared loss and by cross-entropy."""
    columns = [*PROBLEM, "loss", *(name for name in SWEEP if name not in PROBLEM)]
    shutil.rmtree(run_and_publish("losses", out, columns).parent)


def run_and_publish(name: str, out: Path, columns: list[str] = SWEEP) -> Path:
    """Run a sweep of this folder anew, verify all of it, and publish its table; return where its results are."""
    folder = Path(tempfile.mkdtemp()) / name
    sdprelax("run", str(HERE / f"{name}.yaml"), "--results", str(folder.parent))
    table = load_table(folder)
    failed = table[~table["status"].isin(["solved", "time limit", "not converged"])]
    if len(failed):
        sys.exit(f"{name} is not published: {failed['status'].iloc[0]}, {failed['message'].iloc[0]} ({folder})")
    sdprelax("verify", str(folder))
    # All digits: a gap of 1e-10 is a difference of the last ones.
    table[columns].to_csv(out / f"{name}.csv", index=False)
    return folder


def sdprelax(*arguments: str) -> None:
    """Run a command of sdprelax; if it fails, so does this."""
    command = [sys.executable, "-m", "sdprelax", *arguments]
    if code := subprocess.run(command, check=False).returncode:
        sys.exit(f"sdprelax {' '.join(arguments)} ended with exit code {code}: nothing of it is published.")


def photograph(report: Path, target: Path) -> None:
    """Take the picture of a report, if there is a browser."""
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        chromium = None
    if chromium is None:
        print(f"{target} stays as it is: there is no Playwright or no chromium here.")
        return
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=FLAGS)
        page = browser.new_page(viewport={"width": 1400, "height": 1000}, device_scale_factor=0.75)
        page.goto(f"file://{report.resolve()}")
        page.wait_for_selector("body[data-ready]")
        page.wait_for_selector("#plot-profile.js-plotly-plot, #plot-profile .none")
        page.screenshot(path=target, full_page=True)
        browser.close()


def paper(results: Path, out: Path) -> None:
    """The experiments of Prakhya, Birdal and Yurtsever 2025: results/paper-*. What has not run here stays published."""
    sweeps = sorted(path for path in results.glob("paper-*") if (path / "table.parquet").is_file())
    if not sweeps:
        sys.exit(f"{results} has no sweep of the paper's: sdprelax run experiments/paper/*.yaml.")
    # SGD with the paper's epochs has a table of its own; that of the random sets has their optimum beside it.
    long = [path for path in sweeps if path.name.endswith("-protocol") and path.name != "paper-random-protocol"]
    if rest := [path for path in sweeps if path not in long]:
        updated(collected(rest, "table", PAPER_BOUNDS), out / "paper_bounds.csv", "%.12g")
        updated(collected(rest, "predictions", PAPER_PREDICTIONS), out / "paper_predictions.csv", "%.8g")
    if long:
        updated(collected(long, "table", PAPER_PROTOCOL), out / "paper_protocol.csv", "%.12g")
    if found := traces(results):
        table = pd.concat(found, ignore_index=True)[[*PROBLEM, "method", "seconds", "lower", "upper"]]
        table.to_csv(out / "paper_traces.csv", index=False, float_format="%.8g")


def collected(folders: list[Path], name: str, columns: list[str]) -> pd.DataFrame:
    """Return one table of some of the paper's sweeps."""
    parts = []
    for folder in folders:
        table = load_table(folder, name)
        if "processor_seconds" in columns:
            options = load_results(folder).table.set_index("hash")
            table = table[table["status"] == "solved"]
            for column in ("method.epochs", "method.learning_rate", "method.restarts", "details.processor_seconds"):
                table[column.partition(".")[2]] = table["hash"].map(options[column])
        parts.append(table[columns].assign(sweep=folder.name.removeprefix("paper-")))
    return pd.concat(parts, ignore_index=True)


def updated(table: pd.DataFrame, path: Path, digits: str) -> None:
    """Write a table of the paper's sweeps in the paper's order, with what was published of trials that it has not."""
    columns = [name for name in table.columns if name != "sweep"]
    if path.is_file():
        before, key = pd.read_csv(path), ["sweep", *PROBLEM, "method"]
        anew = pd.MultiIndex.from_frame(before[key]).isin(pd.MultiIndex.from_frame(table[key]))
        table = pd.concat([before[~anew], table], ignore_index=True)
    # A data set is known by its name here; where its file lies is nobody's business.
    rank = table["dataset"].str.partition("(")[0].map({name: k for k, name in enumerate(PAPER_ORDER)})
    keys = {"rank": rank, "gamma": -table["gamma"], "bias": table["bias"]}
    order = table.assign(**{f"by_{key}": value for key, value in keys.items()}).sort_values(
        ["by_rank", "sweep", "by_bias", "by_gamma"], kind="stable"
    ).index  # fmt: skip
    table.loc[order, ["sweep", *columns]].to_csv(path, index=False, float_format=digits)


def traces(results: Path) -> list[pd.DataFrame]:
    """Return bounds against seconds on the spiral and the first random set, as far as they are there."""
    parts = []
    for sweep in ("random", "spiral"):
        folder = results / f"paper-{sweep}"
        if (folder / "trace.parquet").is_file():
            table = load_table(folder)
            table = table[table["dataset"].isin(["spiral", "random(seed=0)"])]
            parts.append(load_table(folder, "trace").merge(table[[*PROBLEM, "method", "hash"]], on="hash"))
    return parts


def closing(results: Path, out: Path) -> None:
    """Exact optima and cones on the paper's arrays: results/closing-*, as far as they are there."""
    # What comes after another hyphen is a part of one table.
    parts: dict[str, list[dict[str, Any]]] = {}
    for folder in sorted(results.glob("closing-*"), reverse=True):
        parts.setdefault(folder.name.split("-")[1], []).extend(proved_anew(folder))
    if not parts:
        sys.exit(f"{results} has none: sdprelax run experiments/closing/*.yaml.")
    for name, rows in parts.items():
        table = pd.DataFrame(rows)
        pairs = table.groupby(["data", "gamma"], sort=False)
        if name == "synthetic":
            relaxed = table["method"] == "sdp"
            # Against the optimum: the relaxation alone has no network here.
            optima = pairs["upper"].transform("min")
            unsplit = table["seconds"].where(relaxed & ~table["options"].str.contains("cones"))
            table["upper"], table["gap"] = optima, table["gap"].where(~relaxed, 1.0 - table["lower"] / optima)
            table["time_ratio"] = (table["seconds"] / unsplit.groupby(pairs.ngroup()).transform("max")).where(relaxed)
        if name == "large":
            best = pairs.agg({"lower": "max", "upper": "min", "seconds": "sum"}).reset_index()
            best = best.assign(method="best pair", gap=1.0 - best["lower"] / best["upper"])
            table = pd.concat([table, best]).sort_values(["data", "gamma"], ascending=[True, False], kind="stable")
        table.to_csv(out / f"global_{name}.csv", index=False, float_format="%.10g")


def proved_anew(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield the trials of a sweep over the paper's arrays, with the seconds that it took to verify each."""
    store = Store(folder)
    next(audit(folder, trust_modules=True))  # loads what verifies
    started = time.perf_counter()
    for finding in audit(folder, trust_modules=True):
        if finding.faults:
            sys.exit(f"{folder} is not published: {finding.row}: {finding.faults[0]}")
        record = store.record(finding.name) or {}
        trial, data = record["trial"], record["trial"]["dataset_options"]
        label = f"{data['name']} {data['number']}" if data["name"] in ("random", "spiral") else data["name"]
        plain = vars(methods.create(trial["method"], {}))
        options = {key: value for key, value in trial["method_options"].items() if value != plain[key]}
        yield {
            "data": label + (" with bias" if trial["bias"] else ""), "gamma": trial["gamma"], "method": trial["method"],
            "options": str({"oracle": plain["oracle"], **options} if "oracle" in plain else options),
            **{key: record[key] for key in ("lower", "upper", "gap", "seconds")},
            "verify_seconds": time.perf_counter() - started, "status": record["status"],
            "program": record["details"].get("program"),
        }  # fmt: skip
        started = time.perf_counter()


def gates(results: Path, out: Path) -> None:
    """Patterns of the relaxation's rounding against Gaussian ones: results/gates."""
    if not (results / "gates").is_dir():
        sys.exit(f"{results} has no gates: sdprelax run experiments/gates.yaml.")
    trials = []
    for record in Store(results / "gates").records():
        options, details = record["trial"]["method_options"], record["details"]
        name = f"{record['trial']['dataset']} {record['n']}×{record['d']}→{record['c']}"
        trials.append({
            "data": name, "gamma": record["gamma"], "asked": options.get("patterns"), "gates": options.get("gates"),
            "method": record["trial"]["method"], "lower": record["lower"], "upper": record["upper"],
            "patterns": details.get("patterns"), "value": details.get("value"), "gap": details.get("program_gap"),
        })  # fmt: skip
    table = pd.DataFrame(trials).set_index(["data", "gamma"])
    rows = []
    for (data, gamma, asked), found in table.dropna(subset="asked").groupby(["data", "gamma", "asked"], sort=False):
        medians = found.groupby(["method", "gates"])[["upper", "value", "gap", "patterns"]].median()
        alone = table.loc[(data, gamma)].query("method == 'sdp'").iloc[0]
        rows.append({
            "data": data, "gamma": gamma, "asked": asked, "patterns": medians["patterns"]["convex_relu", "sdp"],
            "convex_sdp": medians["upper"]["convex_relu", "sdp"], "gated_sdp": medians["value"]["gated_relu", "sdp"],
            "gated_gap_sdp": medians["gap"]["gated_relu", "sdp"],
            "convex_gaussian": medians["upper"]["convex_relu", "gaussian"],
            "gated_gaussian": medians["value"]["gated_relu", "gaussian"], "bound": alone["lower"],
            "sdp": alone["upper"],
        })  # fmt: skip
    table = pd.DataFrame(rows).sort_values(["data", "asked"])
    table.to_csv(out / "gates.csv", index=False, float_format="%.8g")


def ntk(results: Path, out: Path) -> None:
    """The repaired NTK on small sets: results/ntk-uci and results/ntk-uci-small, as far as they are there."""
    sys.path.insert(0, str(HERE / "ntk"))
    import compare

    large, small = results / "ntk-uci", results / "ntk-uci-small"
    if not (large.is_dir() or small.is_dir()):
        sys.exit(f"{results} has neither: sdprelax run experiments/ntk/uci.yaml.")
    if large.is_dir():
        runs = compare.measured(large)
        pairs = compare.paired(runs)
        for name, table in (("", compare.summary(runs)), ("_pairs", pairs), ("_tests", compare.tests(pairs))):
            table.to_csv(out / f"ntk_uci{name}.csv", index=False, float_format="%.8g")
        compare.draw(pairs, out / "ntk_uci.png")
    if small.is_dir():
        errors = compare.summary(compare.measured(small))
        errors.to_csv(out / "ntk_uci_small.csv", index=False, float_format="%.8g")


def distill(results: Path, out: Path) -> None:
    """The studies of convex distillation in results/, as far as they are there."""
    found = [name for name in DISTILLED if (results / name / "table.csv").is_file()]
    if not found:
        sys.exit(f"{results} has none: sdprelax distill experiments/distill/digits.yaml.")
    for name in found:
        shutil.copyfile(results / name / "table.csv", out / f"distill_{name.replace('-', '_')}.csv")
    if "digits" in found:
        shutil.copyfile(results / "digits" / "fractions.png", out / "distill_fractions.png")


def ladder(results: Path, out: Path) -> None:
    """What every relaxation leaves uncertified, against seconds: results/ladder."""
    import relaxations

    verified(results, ["ladder"])
    table, growth = relaxations.ladder(results / "ladder")
    table.to_csv(out / "ladder.csv", index=False, float_format="%.10g")
    growth.to_csv(out / "ladder_growth.csv", index=False, float_format="%.6g")
    relaxations.ladder_picture(table, growth).savefig(out / "ladder.png", dpi=150)


def gamma_path(results: Path, out: Path) -> None:
    """The relaxation over γ/γ_max, and cross-validation's choice: results/gamma-path*."""
    import relaxations

    verified(results, ["gamma-path", "gamma-path-exact", "gamma-path-chosen"])
    path, chosen = relaxations.gamma_path(results)
    path.to_csv(out / "gamma_path.csv", index=False, float_format="%.10g")
    chosen.to_csv(out / "gamma_path_chosen.csv", index=False, float_format="%.10g")
    relaxations.gamma_path_picture(path, chosen).savefig(out / "gamma_path.png", dpi=150)


def verified(results: Path, names: list[str]) -> None:
    """See that sweeps have run without an error, and verify them."""
    for name in names:
        if not (results / name).is_dir():
            sys.exit(f"{results} has no {name}: sdprelax run experiments/{name.replace('-', '_')}.yaml.")
        table = load_table(results / name)
        failed = table[table["status"].isin(["error", "unavailable"])]
        if len(failed):
            sys.exit(f"{name} is not published: {failed['dataset'].iloc[0]}: {failed['message'].iloc[0]}")
        sdprelax("verify", str(results / name))


RECIPES = {
    recipe.__name__: recipe
    for recipe in (
        quickstart,
        tightness,
        wedge,
        losses,
        paper,
        closing,
        gates,
        ntk,
        distill,
        ladder,
        gamma_path,
    )
}


def main() -> None:
    """Publish what is named, then bring the documents up to date."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="+", choices=list(RECIPES), metavar="NAME", help=", ".join(RECIPES))
    parser.add_argument("--results", type=Path, default=ROOT / "results", help="where the others have run")
    given = parser.parse_args()
    out = ROOT / "results" / "published"
    for name in given.names:
        started = time.monotonic()
        RECIPES[name](given.results, out)
        print(f"{name}: published in {time.monotonic() - started:.0f} s", flush=True)
    subprocess.run([sys.executable, ROOT / "tools" / "write_documents.py"], check=True)


if __name__ == "__main__":
    main()
