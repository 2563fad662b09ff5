"""A sweep from plan to tables and pictures: resumed, interrupted, with errors in it."""

from __future__ import annotations

import html
import json
import math
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
import pytest

from sdprelax import InputError, Network, Problem, verify
from sdprelax.certificate import Certificate
from sdprelax.datasets import datasets
from sdprelax.laboratory import Store, load_sweep, run_sweep, schedule
from sdprelax.laboratory._job import Job
from sdprelax.laboratory.engines.local import Serial
from sdprelax.laboratory.results import house_style, load_table, origins, render, viewed, write_pictures
from sdprelax.laboratory.training import TRAINING, TrainingTrial, tightness_picture, tightness_table, unsound
from sdprelax.laboratory.training._plots import bounds_against_time, gap_by_method
from sdprelax.laboratory.training._tables import COLUMNS, ORIGINS, PREDICTIONS, TIGHTNESS, results_table
from sdprelax.laboratory.training._trial import SETTING

SWEEP = """\
name: small
datasets:
  - random: {n: 6, c: 2}
  - spiral: {points_per_class: 3}
gamma: [0.1, 1]
methods:
  - sdp: {rounding: [eigen, gaussian]}
  - exact
  - lbfgs: {width: 10, restarts: 1}
"""


def sweep(folder: Path, text: str = SWEEP) -> Any:
    path = folder / "sweep.yaml"
    path.write_text(text)
    return load_sweep(path)


def missing_trials(sweep: Any, results: Path, **options: Any) -> list[TrainingTrial]:
    return [job.trial for job in schedule(sweep, results, **options).jobs]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sweep")
    run_sweep(sweep(folder), folder, workers=1, engine="serial")
    return folder


def test_the_table_has_a_row_per_trial_and_the_methods_meet(finished: Path) -> None:
    table = load_table(finished / "small")
    assert len(table) == 2 * 2 * 4 and set(table["status"]) == {"solved"}
    assert list(dict.fromkeys(table["method"])) == ["sdp(rounding=eigen)", "sdp(rounding=gaussian)", "exact", "lbfgs"]
    assert list(dict.fromkeys(table["dataset"])) == ["random", "spiral"]
    assert unsound(table) == []
    exact = table[table["method"] == "exact"]
    assert (exact["gap"] <= 1e-5).all()
    for _, rows in table.groupby(["dataset", "gamma"]):
        assert rows["lower"].max() <= rows["upper"].min()
    assert table.equals(pd.read_parquet(finished / "small" / "table.parquet"))
    assert len(pd.read_csv(finished / "small" / "table.csv")) == len(table)


def test_what_is_stored_proves_the_row_again(finished: Path) -> None:
    folder = finished / "small"
    for trial in sweep(finished).plan():
        record = json.loads((folder / "trials" / trial.hash / "record.json").read_text())
        data = datasets.create(trial.dataset, trial.dataset_options).load()
        problem = Problem(data.X, data.Y, trial.gamma, trial.bias)
        network = Network.load(folder / "trials" / trial.hash / "network.npz")
        assert problem.upper_bound(network) == record["upper"]
        if record["lower"] is not None:
            certificate = Certificate.load(folder / "trials" / trial.hash / "certificate.npz")
            assert verify(problem, certificate) >= record["lower"]
        else:
            assert not (folder / "trials" / trial.hash / "certificate.npz").exists()


def test_pictures_are_written_as_pdf_and_png(finished: Path) -> None:
    for name in ("tightness", "time", "gap"):
        assert (finished / "small" / f"{name}.pdf").read_bytes().startswith(b"%PDF")
        assert (finished / "small" / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_a_finished_trial_is_not_run_again(finished: Path) -> None:
    assert missing_trials(sweep(finished), finished) == []
    before = {path: path.stat().st_mtime_ns for path in (finished / "small" / "trials").glob("*/record.json")}
    seen: list[dict[str, Any]] = []
    run_sweep(sweep(finished), finished, workers=1, engine="serial", progress=seen.append)
    assert seen == []
    after = {path: path.stat().st_mtime_ns for path in (finished / "small" / "trials").glob("*/record.json")}
    assert before == after
    wider = sweep(finished, SWEEP.replace("[0.1, 1]", "[0.1, 1, 10]"))
    assert {trial.gamma for trial in missing_trials(wider, finished)} == {10.0}


def test_processes_give_the_same_bounds_as_serial(finished: Path, tmp_path: Path) -> None:
    found = run_sweep(sweep(tmp_path), tmp_path, workers=2, engine="processes")
    serial = load_table(finished / "small")
    for name in ("dataset", "gamma", "method", "lower", "upper", "hash"):
        pd.testing.assert_series_equal(found.table[name], serial[name])


def test_an_error_is_a_row_and_the_sweep_goes_on(tmp_path: Path) -> None:
    text = SWEEP.replace("- exact", "- sdp: {solver: mosek}\n  - exact").replace(
        "- spiral: {points_per_class: 3}", "- random: {n: 40, d: 6, c: 2}"
    )
    table = run_sweep(sweep(tmp_path, text), tmp_path, workers=1, engine="serial").table
    status = table.groupby(["dataset", "method"])["status"].first()
    exact = status.xs("exact", level="method")
    assert exact.to_dict() == {"random(n=40, d=6)": "too large", "random(n=6, d=2)": "solved"}
    refused = table[table["status"] == "too large"]["message"]
    assert refused.str.contains("activation patterns").all()
    unlicensed = table[table["method"].str.contains("mosek")]
    if set(unlicensed["status"]) != {"solved"}:
        assert set(unlicensed["status"]) == {"unavailable"}
        assert unlicensed["message"].str.contains("licence|not installed").all()
        # What failed is run again where that is asked for, what finished or can never finish is not.
        assert missing_trials(sweep(tmp_path, text), tmp_path) == []
        again = missing_trials(sweep(tmp_path, text), tmp_path, retry=["failed"])
        assert {trial.method_options.get("solver") for trial in again} == {"mosek"}


def test_an_unexpected_exception_is_a_row_with_its_name_and_a_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def explode(*arguments: Any, **options: Any) -> None:
        raise ZeroDivisionError("of all things")

    monkeypatch.setattr("sdprelax.methods.lbfgs.train", explode)
    store = Store(tmp_path)
    store.prepare()
    trial = next(trial for trial in sweep(tmp_path).plan() if trial.method == "lbfgs")
    (record,) = Serial().run([Job(trial)], store, [])
    assert record["status"] == "error" and record["message"] == "ZeroDivisionError: of all things"
    assert "Traceback" in (tmp_path / "trials" / trial.hash / "log.txt").read_text()


def test_a_damaged_record_counts_as_none_and_a_damaged_table_is_rebuilt(tmp_path: Path) -> None:
    small = sweep(tmp_path, SWEEP.replace("  - exact\n", ""))
    run_sweep(small, tmp_path, workers=1, engine="serial")
    paths = sorted((tmp_path / "small" / "trials").glob("*/record.json"))
    paths[0].write_text(paths[0].read_text()[:100])
    paths[1].write_text("{}")
    paths[2].write_bytes(b"\xff\xfe")
    (tmp_path / "small" / "table.parquet").write_text("junk")
    with pytest.raises(InputError, match=r"is damaged; sdprelax collect .* rebuilds it"):
        load_table(tmp_path / "small")
    seen: list[dict[str, Any]] = []
    found = run_sweep(small, tmp_path, workers=1, engine="serial", progress=seen.append)
    assert {record["hash"] for record in seen} == {path.parent.name for path in paths[:3]}
    assert load_table(tmp_path / "small").equals(found.table) and len(found.table) == len(paths)


def test_time_limits_reach_the_method(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Nothing ends it from outside: it returns by itself.
    monkeypatch.setattr(TrainingTrial, "grace", lambda trial, limit: math.inf)
    endless = "methods: [lbfgs: {width: 100, restarts: 100000}]\nlimits: {time: 0.5}\n"
    table = run_sweep(sweep(tmp_path, SWEEP.split("methods:")[0] + endless), tmp_path, workers=1, engine="serial").table
    local = table[table["method"] == "lbfgs"]
    assert set(local["status"]) == {"time limit"} and local["upper"].notna().all()
    assert (local["seconds"] >= 0.5).all()


def test_bad_data_stop_a_sweep_before_anything_is_written(tmp_path: Path) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_text("a,y\n1,2.5\nnan,3.5\n")
    text = SWEEP.replace("- spiral: {points_per_class: 3}", f"- file: {{path: {bad}}}")
    with pytest.raises(InputError, match=r"data set file.*row 2, column 'a' holds 'nan'"):
        run_sweep(sweep(tmp_path, text), tmp_path / "results", workers=1)
    np.savez(tmp_path / "bad.npz", X=np.ones((3, 2)), Y=np.ones(2))
    text = text.replace("bad.csv", "bad.npz")
    with pytest.raises(InputError, match="X has 3 rows and Y has 2"):
        run_sweep(sweep(tmp_path, text), tmp_path / "results", workers=1)
    assert not (tmp_path / "results").exists()


def test_an_unknown_engine_and_no_workers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unknown engine 'proceses': did you mean 'processes'"):
        run_sweep(sweep(tmp_path), tmp_path, workers=1, engine="proceses")
    with pytest.raises(InputError, match="0 workers cannot run anything"):
        run_sweep(sweep(tmp_path), tmp_path, workers=0)


def record(method: str, lower: float | None, upper: float | None) -> dict[str, Any]:
    trial = {
        "dataset": "d",
        "dataset_options": {},
        "dataset_digest": "",
        "method": method,
        "method_options": {},
        "seed": 0,
    }
    return {
        "dataset": "d", "method": method,
        "n": 3, "d": 2, "c": 1, "gamma": 0.1, "bias": False, "repeat": 0, "status": "solved", "message": "",
        "lower": lower, "upper": upper, "gap": None, "seconds": 1.0, "hash": method, "trial": trial,
        "provenance": {"versions": {}}, "attempt": 1,
    }  # fmt: skip


def test_a_lower_bound_above_an_upper_bound_is_called_unsound() -> None:
    assert unsound(results_table([record("a", 1.0, 2.0), record("b", None, 1.5)])) == []
    (sentence,) = unsound(results_table([record("a", 1.6, 2.0), record("b", None, 1.5)]))
    assert "UNSOUND on d at gamma 0.1: the lower bound 1.6 of a exceeds the upper bound 1.5 of b" in sentence


def test_tightness_is_relative_to_the_best_bounds_of_all_methods() -> None:
    table = tightness_table(results_table([record("a", 1.0, 4.0), record("b", None, 2.0)]))
    assert table["certified_percent"].tolist()[0] == 50.0 and np.isnan(table["certified_percent"].tolist()[1])
    assert table["excess_percent"].tolist() == [300.0, 100.0]


def test_of_repeats_that_ended_differently_no_status_is_passed_over() -> None:
    first, second, third = (record("a", 1.0, 4.0) for _ in range(3))
    assert tightness_table(results_table([first, second]))["status"].tolist() == ["solved"]
    third["status"] = "time limit"
    table = results_table([first, second, third])
    assert tightness_table(table)["status"].tolist() == ["2 solved, 1 time limit"]


def strange_table() -> pd.DataFrame:
    """Results on data sets whose names are formulas and markup to others."""
    names = ("us$_vs_eu$.csv", r"$\foo$.csv", r"a_b&c|d%#\^~{}.csv")
    rows = [record("exact", 1.0, 2.0) for _ in names]
    for row, name in zip(rows, names, strict=True):
        row["dataset"] = name
        row["hash"] = name
    return results_table(rows)


@pytest.mark.parametrize("usual", [{}, {"text.usetex": True, "font.family": "cursive", "axes.titlesize": 40}])
def test_names_are_drawn_letter_by_letter_whatever_ones_own_settings_are(usual: dict[str, Any], tmp_path: Path) -> None:
    table = strange_table()
    trace = pd.DataFrame({"hash": list(table["hash"]), "seconds": 1.0, "lower": 1.0, "upper": 2.0})
    with matplotlib.rc_context(usual):
        drawn = {"time": bounds_against_time(table, trace), "gap": gap_by_method(table.assign(gap=0.5))}
        (written, *_) = write_pictures(tmp_path, {"tightness": tightness_picture(table), **drawn})
        figure = tightness_picture(strange_table())
        with matplotlib.rc_context({**house_style(), "svg.fonttype": "none"}):
            figure.savefig(tmp_path / "drawn.svg")
    assert written.read_bytes().startswith(b"\x89PNG")
    text = html.unescape((tmp_path / "drawn.svg").read_text())
    assert all(f">{name}, γ=0.1<" in text for name in table["dataset"])


def test_names_are_no_markup() -> None:
    shown = viewed(tightness_table(strange_table()), ["dataset", "method", "status"], TRAINING.looks)
    latex = render(shown, "latex").splitlines()[5:-2]
    assert latex == [
        r"us\$\_vs\_eu\$.csv & exact & solved \\", r"\$\textbackslash{}foo\$.csv & exact & solved \\",
        r"a\_b\&c\textbar{}d\%\#\textbackslash{}\textasciicircum{}\textasciitilde{}\{\}.csv & exact & solved \\",
    ]  # fmt: skip
    assert render(shown, "markdown").splitlines()[2:] == [
        r"| us\$_vs_eu\$.csv | exact | solved |", r"| \$\\foo\$.csv | exact | solved |",
        r"| a_b&c\|d%#\\^~{}.csv | exact | solved |",
    ]  # fmt: skip


def test_every_column_is_proved_attained_measured_or_reported_or_says_which_trial_it_is() -> None:
    said = [name for names in ORIGINS.values() for name in names]
    assert len(said) == len(set(said))
    assert {*COLUMNS, *PREDICTIONS, *TIGHTNESS} - {*said} == {
        "dataset", "gamma", "bias", "method", "repeat", "seed", "options", "dataset_options", "hash", "attempt",
        "predictor", *SETTING,
    }  # fmt: skip
    assert origins(ORIGINS, TIGHTNESS) == (
        "proved: lower; attained: upper; from these: gap, certified percent, excess percent; "
        "reported: status, gamma relative, seconds."
    )


@pytest.mark.parametrize(("form", "start"), [
    ("csv", "dataset,gamma,method"), ("markdown", "| data set | γ | method |\n| --- | --: | --- |"),
    ("latex", "% \\usepackage{booktabs}\n\\begin{tabular}{lrl}\n\\toprule"),
])  # fmt: skip
def test_tables_print_in_every_format(form: str, start: str) -> None:
    table = tightness_table(results_table([record("a_b", 1.0, 4.0)]))
    text = render(viewed(table, ["dataset", "gamma", "method"], TRAINING.looks), form)
    assert text.startswith(start) and ("a\\_b" if form == "latex" else "a_b") in text
