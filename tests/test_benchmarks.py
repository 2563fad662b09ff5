"""Every part of every script in benchmarks/ runs at its tiny size and gives its whole table, so that none rots."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path

import pandas as pd
import pytest
from harness import (
    KILLED,
    Benchmark,
    Failed,
    Needs,
    Row,
    Run,
    alternated,
    environment,
    isolated,
    peak_memory,
    ratio,
    summary,
)  # fmt: skip

from tests.trying_measures import asleep, broken, busy, hungry, near

ROOT = Path(__file__).resolve().parents[1]
PUBLISHED = ROOT / "results" / "published"
# All files of the folder but what they share.
SCRIPTS = sorted({path.stem for path in (ROOT / "benchmarks").glob("*.py")} - {"harness", "problems"})
PARTS = [(name, part) for name in SCRIPTS for part in importlib.import_module(name).benchmark.parts]
# What a peer alone would fill, and what nothing fills unless it is a fault.
EMPTY = {"fault"}


@pytest.mark.parametrize(("script", "part"), PARTS)
def test_every_part_gives_its_whole_table(script: str, part: str, tmp_path: Path) -> None:
    benchmark: Benchmark = importlib.import_module(script).benchmark
    try:
        faults = benchmark.run(part, Run(tiny=True, here=True, options=benchmark.defaults()), tmp_path)
    except Needs as needed:
        pytest.skip(f"{script} {part} needs {needed}")
    assert faults == []
    name = benchmark.parts[part].name
    table = pd.read_csv(tmp_path / f"{name}.csv", keep_default_na=False, na_values=[""])
    assert len(table) and tuple(table.columns) == benchmark.parts[part].columns
    assert set(table.columns[table.isna().all()]) <= EMPTY, "or nothing was measured"
    for written in tmp_path.glob("*.csv"):
        published = PUBLISHED / written.name
        if published.exists():
            assert list(pd.read_csv(written).columns) == list(pd.read_csv(published).columns)


def test_there_is_a_part_for_every_published_table_of_a_benchmark() -> None:
    assert len(SCRIPTS) >= 10 and len(PARTS) >= 20


def test_the_script_that_contributing_shows_is_one(tmp_path: Path) -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("## Adding a benchmark")[2]
    script = tmp_path / "mine.py"
    script.write_text(text.partition("```python\n")[2].partition("```")[0], encoding="utf-8")
    shown = {"__name__": "mine", "__file__": str(script)}
    exec(compile(script.read_text(encoding="utf-8"), script, "exec"), shown)
    assert shown["benchmark"].run("mine", Run(tiny=True, here=True), tmp_path) == []
    table = pd.read_csv(tmp_path / "mine.csv")
    assert list(table["oracle"]) == ["branch_and_bound", "enumeration"] and table["gap"].max() <= 1e-6
    assert not table.isna().any(axis=None)


# ---- the harness itself


SPEED = Benchmark("Speed.", repeats=(2, "how often"))


@SPEED.part("speed", columns=("case", "seconds", "by"), by=("case",))
def speed(run: Run) -> object:
    for case in ("a", "b", "c"):
        if run.wants(case):
            yield {"case": case, "seconds": 1.0, "by": run.threads, "more": 0}
            run.aside("more", [{"case": case, "point": k} for k in range(run.options["repeats"])])


def test_a_measured_process_is_charged_for_itself_alone() -> None:
    found = Run().apart(busy, seconds=0.2)
    assert found["what"] == "busy"
    assert found["processor"] >= 0.2 and found["processor"] <= 2.0 * found["seconds"] + 0.1
    assert found["peak_mb"] >= found["base_mb"] + 49.0
    # What this process holds is not what the measured one began with.
    assert found["base_mb"] < 0.8 * peak_memory()


def test_limits_end_a_process_and_errors_are_said() -> None:
    assert Run().apart(asleep, limit=0.5)["status"] == KILLED
    assert Run().apart(hungry, memory=4.0)["status"] == "out of memory"
    with pytest.raises(Failed, match="this cannot be measured"):
        Run().apart(broken)
    assert isolated([sys.executable, "-c", "import sys; sys.exit(3)"]).status == 3


def test_contestants_alternate_and_the_slow_run_once() -> None:
    order: list[str] = []

    def contestant(name: str, seconds: float) -> Row:
        order.append(name)
        return {"seconds": seconds + len(order), "processor": seconds}

    found = alternated({"a": lambda: contestant("a", 1.0), "b": lambda: contestant("b", 9.0)}, 3, enough=5.0)
    assert order == ["a", "b", "a", "a"] and len(found["b"]) == 1
    assert summary(found["a"])["runs"] == 3 and summary(found["a"])["seconds"] == 4.0
    assert ratio(summary(found["b"]), summary(found["a"])) == 11.0 / 4.0


def test_an_environment_is_made_once_from_its_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    listing = tmp_path / "none.txt"
    listing.write_text("# nothing\n", encoding="utf-8")
    python = environment(listing, tmp_path)
    assert isolated([python, "-c", "import sys; sys.exit(sys.prefix == sys.base_prefix)"]).status == 0
    mark = Path(python).parents[1] / "mark"
    mark.touch()
    assert environment(listing, tmp_path) == python and mark.exists()
    listing.write_text("this-is-nowhere==1.0\n", encoding="utf-8")
    with pytest.raises(Needs, match=r"none, which cannot be installed here: .*this-is-nowhere"):
        environment(listing, tmp_path)


def test_lists_of_environments_are_pinned_and_there_for_every_rival() -> None:
    rivals = importlib.import_module("rivals")
    contestants = (rivals.PYSCNN, *rivals.COLUMNED, *rivals.RELU, *rivals.CONIC, *rivals.INTEGER)
    lists = {each.listing for each in contestants if each.listing is not None}
    assert {path.stem for path in rivals.LISTS.iterdir()} == lists
    for name in lists:
        lines = (rivals.LISTS / f"{name}.txt").read_text(encoding="utf-8").splitlines()
        needed = [line for line in lines if not line.startswith("#")]
        assert needed and all(re.fullmatch(r"[\w-]+==[\w.]+", line) for line in needed)


def test_a_contestant_climbs_to_the_target_and_one_that_cannot_run_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rivals = importlib.import_module("rivals")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setattr(rivals, "LISTS", tmp_path)
    (tmp_path / "absent.txt").write_text("this-is-nowhere==1.0\n", encoding="utf-8")
    ladder = (1e-1, 1e-6, 1e-9)
    contestants = [
        rivals.Contestant("ours", near, ladder), rivals.Contestant("best", near, ladder, all=True),
        rivals.Contestant("short", near, ladder[:1]), rivals.Contestant("absent", near, ladder, "absent"),
    ]  # fmt: skip
    run = Run(here=True, options={"environments": str(tmp_path)})
    rows = {row["solver"]: row for row in rivals.race(run, contestants, lambda row: rivals.above(1.0, row))}
    assert [rows[name].get("setting") for name in rows] == [1e-6, 1e-9, 1e-1, None]
    assert [rows[name]["status"] for name in ("ours", "best", "short")] == ["met", "met", "not met"]
    assert rows["ours"]["runs"] == 3 and rows["ours"]["ratio"] == 1.0 and rows["short"]["ratio"] > 0.0
    assert rows["absent"]["status"].startswith("needs absent, which cannot be installed here: ")


def test_cases_that_are_not_asked_for_keep_their_rows(tmp_path: Path) -> None:
    arguments = ["--output", str(tmp_path)]
    for more in ([], ["--only", "b", "--threads", "2"], ["--only", "c", "--repeats", "1"]):
        with pytest.raises(SystemExit) as ended:
            SPEED.main(arguments + more)
        assert ended.value.code == 0
    table = pd.read_csv(tmp_path / "speed.csv")
    assert table.to_dict("list") == {"case": ["a", "b", "c"], "seconds": [1.0] * 3, "by": [1, 2, 1]}
    assert list(pd.read_csv(tmp_path / "more.csv")["case"]) == ["a", "a", "b", "b", "c"]
    with pytest.raises(SystemExit, match="there is no case 'd'; there are a, b, c"):
        SPEED.main([*arguments, "--only", "d"])
    assert list(pd.read_csv(tmp_path / "speed.csv")["by"]) == [1, 2, 1]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["more.csv", "speed.csv"]


def test_a_script_is_a_command(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "benchmarks" / "exact.py"), "arcs", "--tiny", "--output", str(tmp_path)]
    done = isolated(command)
    assert done.status == 0, done.errors
    assert len(pd.read_csv(tmp_path / "global_arcs.csv")) == 1


@pytest.mark.parametrize("script", ["distill", "gated", "rivals"])
def test_scripts_that_measure_in_a_peers_interpreter_import_numpy_alone(script: str) -> None:
    code = f"import sys; sys.modules.update(dict.fromkeys(('sdprelax', 'pandas', 'psutil'))); import {script}"
    ended = isolated([sys.executable, "-c", code], folder=ROOT / "benchmarks")
    assert ended.status == 0, ended.errors


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["arcs"], "arcs needs the arrays of Prakhya, Birdal and Yurtsever"),
        (["arrows"], "there is no part 'arrows'; there are programs, arcs"),
        ([], "the following arguments are required: PART"),
    ],
)
def test_what_cannot_run_says_what_it_needs(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        importlib.import_module("exact").benchmark.main(arguments)
    assert ended.value.code == 2 and said in capsys.readouterr().err
