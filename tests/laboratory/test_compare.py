"""Two results side by side."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from sdprelax import InputError
from sdprelax.cli import app
from sdprelax.laboratory import load_sweep, run_sweep
from sdprelax.laboratory.results import compare

SWEEP = "name: {}\ndatasets: [{{random: {{n: 5, c: 1, seed: [0, 1]}}}}]\ngamma: 0.1\nmethods: [exact, lbfgs: {}]\n"


def results(folder: Path, name: str, options: str = "{width: 4, restarts: 1}") -> Path:
    (folder / "sweep.yaml").write_text(SWEEP.format(name, options))
    return run_sweep(load_sweep(folder / "sweep.yaml"), folder, engine="serial").folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("compare")
    results(folder, "a")
    return folder


def changed(folder: Path, target: Path, **values: Any) -> Path:
    """Copy results with something else in every record of ``exact``."""
    shutil.copytree(folder / "a", target)
    (target / "table.parquet").unlink()
    for path in target.glob("trials/*/record.json"):
        record = json.loads(path.read_text())
        if record["method"] == "exact":
            factor = {key: record[key] * value for key, value in values.items() if isinstance(value, float)}
            path.write_text(json.dumps({**record, **values, **factor}))
    return target


def test_results_equal_themselves(folder: Path) -> None:
    found = compare(folder / "a", folder / "a")
    assert len(found.rows) == 4 and found.only_a == found.only_b == 0 and found.worse.empty
    assert found.by_method()["speed"].tolist() == [1.0, 1.0]
    done = CliRunner().invoke(app, ["compare", str(folder / "a"), str(folder / "a"), "--fail-if-worse", "5%"])
    assert done.exit_code == 0 and "4 trials in both" in done.output


@pytest.mark.parametrize(("values", "words", "column", "ratio"), [
    ({"lower": 0.9}, "lower bound", "lower_ratio", 0.9), ({"upper": 1.1}, "upper bound", "upper_ratio", 1.1),
    ({"seconds": 100.0}, " s became ", "speed", 0.01), ({"status": "error"}, "solved became error", "speed", 1.0),
])  # fmt: skip
def test_what_got_worse_is_named_and_fails_where_asked(
    values: dict[str, Any], words: str, column: str, ratio: float, folder: Path, tmp_path: Path
) -> None:
    b = changed(folder, tmp_path / "b", **values)
    found = compare(folder / "a", b)
    assert list(found.worse["method"]) == ["exact", "exact"] and found.worse["worse"].str.contains(words).all()
    assert found.by_method().set_index("method").loc["exact", column] == pytest.approx(ratio)
    arguments = ["compare", str(folder / "a"), str(b)]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    failed = CliRunner().invoke(app, [*arguments, "--fail-if-worse", "5%"])
    assert failed.exit_code == 1 and failed.output.count("worse: random") == 2
    if "status" not in values:
        tolerant = CliRunner().invoke(app, [*arguments, "--fail-if-worse", "20000%"])
        assert tolerant.exit_code == 0
        assert compare(b, folder / "a").worse.empty, "what got better is not worse"


def test_only_the_same_problem_and_options_are_joined(folder: Path) -> None:
    b = results(folder, "b", "{width: 5, restarts: 1}")
    found = compare(folder / "a", b)
    assert set(found.rows["method"]) == {"exact"} and found.only_a == found.only_b == 2


def test_an_option_that_there_was_not_yet_is_at_its_default(folder: Path, tmp_path: Path) -> None:
    for restarts, joined in ((1, 4), (2, 2)):
        before = changed(folder, tmp_path / f"before_{restarts}")
        for path in before.glob("trials/*/record.json"):
            record = json.loads(path.read_text())
            options = record["trial"]["method_options"]
            del options["tolerance"]
            if record["trial"]["method"] == "lbfgs":
                options["restarts"] = restarts
            path.write_text(json.dumps(record))
        assert len(compare(before, folder / "a").rows) == joined


def test_wrong_input_is_refused(folder: Path, tmp_path: Path) -> None:
    text = "name: c\ndatasets: [spiral: {points_per_class: 2}]\ngamma: 1\nmethods: [exact]\n"
    (tmp_path / "other.yaml").write_text(text)
    c = run_sweep(load_sweep(tmp_path / "other.yaml"), tmp_path, engine="serial").folder
    with pytest.raises(InputError, match="have no trial in common"):
        compare(folder / "a", c)
    with pytest.raises(InputError, match="holds no results"):
        compare(folder / "a", tmp_path)
    done = CliRunner().invoke(app, ["compare", str(c), str(c), "--fail-if-worse", "much"])
    assert "write a percentage such as 5%" in str(done.exception)
