"""The report in a real browser: Debian's chromium, driven by Playwright."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from sdprelax import InputError
from sdprelax.laboratory import Store, load_sweep, run_sweep
from sdprelax.laboratory._store import seal
from sdprelax.laboratory.results import COLOURS, DARK, write_report

playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed (extra: dev)")
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
SWEEP = """\
name: shown
datasets: [{random: {n: 6, c: 2, seed: [0, 1]}}, {random: {n: 9, c: 2}}]
gamma: [0.1, 1]
methods:
  - sdp
  - exact
  - lbfgs: {width: 5, restarts: 2}
  - exact: {tolerance: 1.0e-3}
repeat: 1
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    (folder / "sweep.yaml").write_text(SWEEP)
    return run_sweep(load_sweep(folder / "sweep.yaml"), folder, engine="serial").folder


@pytest.fixture(scope="module")
def written(finished: Path) -> Path:
    return write_report(finished)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("there is no chromium here (Debian's package, or CHROMIUM=/path/to/it)")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def opened(browser: Any) -> Iterator[Any]:
    """Open a page; anything that it says on the console, or asks the network for, fails the test."""
    said: list[str] = []
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    page.on("console", lambda message: said.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: said.append(request.url) if request.url.startswith("http") else None)

    def visit(path: Path, fragment: str = "") -> Any:
        page.goto(f"file://{path}{fragment}")
        page.wait_for_selector("body[data-ready]")
        page.wait_for_selector("#plot-profile.js-plotly-plot, #plot-profile .none")
        return page

    yield visit
    page.close()
    assert said == []


def column(page: Any, name: str) -> list[str]:
    names = page.eval_on_selector_all("#table th", "cells => cells.map(cell => cell.dataset.name)")
    index = names.index(name) + 1
    found: list[str] = page.eval_on_selector_all(
        f"#table tr.row td:nth-child({index})", "c => c.map(x => x.textContent)"
    )
    return found


def test_the_report_opens_with_summary_table_and_plots(written: Path, opened: Any) -> None:
    page = opened(written)
    assert page.title() == "shown · sdprelax" and page.inner_text("h1") == "shown"
    assert "24\ntrials" in page.inner_text("#summary") and "6 of 6" in page.inner_text("#summary")
    assert "exact(tolerance=1e-06) certified 6 of 6 problems to 1e-6." in page.inner_text("#findings")
    assert page.inner_text("#unsound") == ""
    assert page.inner_text("#count") == "(24)"
    assert page.inner_text("#standing").startswith("proved: lower; attained: upper;")
    assert page.get_attribute("th[data-name=seconds]", "title") == "reported"
    for name in ("gap", "time", "profile", "scaling"):
        assert page.locator(f"#plot-{name} .main-svg").count() > 0, name
    profile = page.evaluate("document.getElementById('plot-profile').data")
    assert {curve["name"] for curve in profile} == {"sdp", "exact(tolerance=1e-06)", "exact(tolerance=0.001)", "lbfgs"}
    for curve in profile:
        assert curve["y"][-1] == 1.0 and curve["x"][0] == 1 and curve["y"] == sorted(curve["y"])
    assert sum(curve["y"][1] > 0 and curve["x"][1] == 1 for curve in profile) >= 1, "somebody is the fastest"
    page.select_option("#success", "0.0001")
    page.wait_for_function("document.getElementById('plot-profile').data.every(c => !c.name.startsWith('lbfgs'))")


def test_sorting_and_filtering_change_table_and_plots(written: Path, opened: Any) -> None:
    page = opened(written)
    page.click("th[data-name=gap]")
    gaps = [float(gap) for gap in column(page, "gap") if gap]
    assert len(gaps) == 18 and gaps == sorted(gaps) and column(page, "gap")[-6:] == [""] * 6
    page.click("th[data-name=gap]")
    assert [float(gap) for gap in column(page, "gap") if gap] == sorted(gaps, reverse=True)
    assert column(page, "gap")[-6:] == [""] * 6, "what is missing comes last either way"
    assert page.get_attribute("th[data-name=gap]", "aria-sort") == "descending"
    page.select_option("#filter-method", "sdp")
    assert set(column(page, "method")) == {"sdp"} and page.inner_text("#count") == "(6 of 24)"
    page.wait_for_function("document.getElementById('plot-gap').data.every(drawn => drawn.name === 'sdp')")
    page.fill("#search", "seed=1")
    assert set(column(page, "dataset")) == {"random(n=6, seed=1)"} and len(column(page, "dataset")) == 2
    page.fill("#search", "no such trial")
    assert column(page, "dataset") == []
    page.wait_for_selector("#plot-gap .none")
    page.click("#clear")
    assert page.inner_text("#count") == "(24)" and len(column(page, "dataset")) > 15


def test_the_reader_chooses_rows_by_numbers_and_columns_and_takes_them_away(
    finished: Path, written: Path, opened: Any
) -> None:
    page = opened(written)
    page.select_option("#range", "gap")
    page.fill("input[aria-label='gap to']", "0.00001 %")
    close = [record for record in Store(finished).records() if record["gap"] is not None and record["gap"] <= 1e-7]
    assert 0 < len(close) < 18 and page.inner_text("#count") == f"({len(close)} of 24)"
    page.fill("input[aria-label='gap from']", "small")
    assert page.get_attribute("input[aria-label='gap from']", "aria-invalid") == "true"
    assert page.inner_text("#count") == f"({len(close)} of 24)", "what is no number bounds nothing"
    page.click("#columns summary")
    chosen = ["dataset", "lower", "method.tolerance"]
    page.eval_on_selector_all(
        "#columns input",
        "(boxes, chosen) => boxes.forEach(b => b.checked === chosen.includes(b.value) || b.click())",
        chosen,
    )
    assert page.eval_on_selector_all("#table th", "cells => cells.map(cell => cell.dataset.name)") == chosen
    with page.expect_download() as download:
        page.click("#download")
    assert download.value.suggested_filename == "shown.csv"
    table = pd.read_csv(download.value.path())
    assert list(table) == chosen and sorted(table["lower"]) == sorted(record["lower"] for record in close)
    assert set(table["dataset"]) == {"random(n=6, seed=0)", "random(n=6, seed=1)", "random(n=9, seed=0)"}
    page.click("#clear")
    assert page.inner_text("#count") == "(24)" and page.locator("#ranges input").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone_a_tablet_and_a_desk_in_light_and_dark(written: Path, opened: Any, scheme: str) -> None:
    page = opened(written)
    page.emulate_media(color_scheme=scheme)
    ink = page.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--ink').trim()")
    page.wait_for_function("ink => document.getElementById('plot-scaling').layout?.font.color === ink", arg=ink)
    channels = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
    assert max(channels) < 60 if scheme == "dark" else min(channels) > 200
    drawn = page.evaluate("document.getElementById('plot-profile').data.map(curve => curve.line.color)")
    assert len(drawn) == 4 and set(drawn) <= set(DARK if scheme == "dark" else COLOURS)
    page.click("#table tr.row:nth-child(2)")
    for width in (1400, 800, 390):
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_function("document.getElementById('plot-gap').getBoundingClientRect().right <= innerWidth")
        page.wait_for_function(
            "[...document.querySelectorAll('.main-svg')].every(e => e.getBoundingClientRect().right <= innerWidth)"
        )
        assert page.evaluate("document.documentElement.scrollWidth") == width


def test_the_axis_of_time_starts_where_the_data_do(written: Path, opened: Any) -> None:
    page = opened(written)
    start, seconds = page.evaluate(
        "(({ layout, data }) => [10 ** layout.xaxis.range[0], data.flatMap(curve => curve.x)])"
        "(document.getElementById('plot-time'))"
    )
    assert 0.5 * min(seconds) < start < max(seconds)


def test_a_trial_has_its_log_options_and_neurons(finished: Path, written: Path, opened: Any, tmp_path: Path) -> None:
    page = opened(written)
    page.select_option("#filter-method", "sdp")
    page.click("#table tr.row")
    page.wait_for_selector("#plot-neurons .main-svg")
    assert "interior_point" in page.inner_text("#trial .log")
    record = next(
        record for record in Store(finished).records() if record["hash"] == page.url.rpartition("#trial-")[2]
    )  # fmt: skip
    assert repr(record["lower"]) in page.inner_text("#trial dl") and record["method"] == "sdp"
    drawn = page.evaluate("document.getElementById('plot-neurons').data.length")
    assert 1 < drawn <= 1 + record["width"]
    copied = page.inner_text("#trial .options")
    (tmp_path / "copied.yaml").write_text(copied)
    again = run_sweep(load_sweep(tmp_path / "copied.yaml"), tmp_path, engine="serial")
    assert list(again.table["hash"]) == [record["hash"]] and list(again.table["lower"]) == [record["lower"]]
    assert '"versions"' in page.inner_text("#trial") and yaml.safe_load(copied)["gamma"] == record["gamma"]
    page.click("#trial button:has-text('close')")
    assert page.is_hidden("#trial")


def test_a_link_to_a_trial_opens_it(finished: Path, written: Path, opened: Any) -> None:
    trial = next(Store(finished).records())["hash"]
    page = opened(written, f"#trial-{trial}")
    assert trial in page.inner_text("#trial dl")


def test_whatever_is_in_a_log_is_text(finished: Path, opened: Any, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(finished, tmp_path / "odd"))
    trial = next(Store(folder).records())["hash"]
    nasty = "</script><script>document.title = 'owned'</script> <b>&amp;</b> {{data}} \u2028"
    (folder / "trials" / trial / "log.txt").write_text(nasty)
    page = opened(write_report(folder), f"#trial-{trial}")
    assert page.title() == "odd · sdprelax"
    assert page.eval_on_selector("#trial .log", "e => e.textContent") == nasty


def test_five_thousand_rows_are_usable(finished: Path, opened: Any, tmp_path: Path) -> None:
    folder = tmp_path / "many"
    shutil.copytree(finished, folder)
    plan = json.loads((folder / "sweep.json").read_text())
    originals = list(Store(folder).records())
    trials = []
    for k in range(5000):
        record = dict(originals[k % len(originals)])
        name = f"{k:016x}"
        trial = {**record["trial"], "repeat": k}
        record |= {"hash": name, "trial": trial, "repeat": k, "seconds": record["seconds"] * (1 + k / 5000)}
        path = folder / "trials" / name
        path.mkdir()
        (path / "log.txt").write_text("a line of a log\n" * 20)
        record["seal"] = seal(record, path)
        (path / "record.json").write_text(json.dumps(record))
        labels = {"dataset_label": record["dataset"], "method_label": record["method"]}
        trials.append({"hash": name, "trial": trial, **labels})
    (folder / "sweep.json").write_text(json.dumps({**plan, "trials": trials, "to_run": []}))
    page = opened(write_report(folder))
    assert page.inner_text("#count") == "(5000)"
    assert page.locator("#table tr.row").count() < 100, "only the rows in sight are drawn"
    clock = "() => { const at = performance.now(); %s; return performance.now() - at; }"
    sort = page.evaluate(clock % "document.querySelector('th[data-name=seconds]').click()")
    search = page.evaluate(
        clock % "const s = document.getElementById('search'); s.value = 'lbfgs'; s.dispatchEvent(new Event('input'))"
    )
    expected = sum(originals[k % len(originals)]["method"].startswith("lbfgs") for k in range(5000))
    assert page.inner_text("#count") == f"({expected} of 5000)"
    assert max(sort, search) < 1000, "a second is the most that anyone waits for a click"
    seconds = [float(value) for value in column(page, "seconds")]
    assert seconds == sorted(seconds)
    page.eval_on_selector("#viewport", "e => { e.scrollTop = e.scrollHeight; }")
    page.wait_for_function("document.querySelector('#table tbody tr.row td').textContent !== ''")
    page.wait_for_timeout(200)
    last = [float(value) for value in column(page, "seconds")]
    assert min(last) >= max(seconds[:5])


def test_the_command_writes_where_it_is_told(finished: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sdprelax", "report", str(finished), "--output"]
    done = subprocess.run([*command, str(tmp_path / "a.html")], capture_output=True, text=True, check=True)
    assert done.stdout == f"report: {tmp_path / 'a.html'}\n" and 1e6 < (tmp_path / "a.html").stat().st_size < 2e6
    assert "src=" not in (tmp_path / "a.html").read_text().partition("<script>")[0], "nothing is fetched"
    failed = subprocess.run([*command, str(tmp_path / "no" / "a.html")], capture_output=True, text=True, check=False)
    assert failed.returncode == 2 and "No such file or directory" in failed.stderr
    with pytest.raises(InputError, match="holds no results"):
        write_report(tmp_path)


def test_a_trial_with_a_test_part_shows_how_well_everything_predicts(tmp_path: Path, opened: Any) -> None:
    (tmp_path / "sweep.yaml").write_text(
        "name: tested\ndatasets: [iris]\ngamma: 0.1\nprotocol: paper\nmethods: [gated_relu: {patterns: 10}, ntk]\n"
    )
    run_sweep(load_sweep(tmp_path / "sweep.yaml"), tmp_path, engine="serial")
    page = opened(write_report(tmp_path / "tested"))
    page.select_option("#filter-method", "gated_relu")
    page.click("#table tr.row")
    page.wait_for_selector(".predictions")
    cells = page.eval_on_selector_all(
        ".predictions tr", "rows => rows.map(r => [...r.children].map(c => c.textContent))"
    )
    assert cells[0] == ["predictor", "objective", "accuracy", "balanced", "F1", "RMSE", "paper's"]
    assert [row[0] for row in cells[1:]] == ["network", "gated"] and cells[2][1] == ""
    assert all(row[2].endswith(" %") for row in cells[1:])
