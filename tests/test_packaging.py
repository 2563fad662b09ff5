"""What is handed out: a source archive of the whole checkout, and the wheel made from it, which works elsewhere."""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

import sdprelax

CHECKOUT = Path(__file__).resolve().parents[1]
BUILD = "import sys; from setuptools import build_meta; build_meta.build_{}(sys.argv[1])"


def _tracked() -> list[str]:
    listed = subprocess.run(["git", "ls-files"], cwd=CHECKOUT, capture_output=True, text=True, check=False)
    if listed.returncode or not listed.stdout:
        pytest.skip("what belongs to the checkout is known where git is alone")
    return listed.stdout.splitlines()


def _built(kind: str, source: Path, into: Path) -> Path:
    into.mkdir()
    subprocess.run([sys.executable, "-c", BUILD.format(kind), str(into)], cwd=source, check=True, capture_output=True)
    (found,) = into.iterdir()
    return found


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source archive, made from a copy: setuptools leaves files beside what it reads."""
    folder = tmp_path_factory.mktemp("archive")
    for name in _tracked():
        if (CHECKOUT / name).is_file():
            (folder / "copy" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(CHECKOUT / name, folder / "copy" / name)
    return _built("sdist", folder / "copy", folder / "made")


@pytest.fixture(scope="module")
def installed(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder into which the wheel, made from the source archive alone, is installed."""
    folder = tmp_path_factory.mktemp("installed")
    with tarfile.open(archive) as packed:
        packed.extractall(folder / "unpacked", filter="data")
    (source,) = (folder / "unpacked").iterdir()
    wheel = _built("wheel", source, folder / "wheel")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile", "--no-index"]
    subprocess.run([*pip, "--target", str(folder / "site"), str(wheel)], check=True, capture_output=True)
    return folder / "site"


def test_the_source_archive_has_every_file_of_the_checkout(archive: Path) -> None:
    with tarfile.open(archive) as packed:
        there = {name.partition("/")[2] for name in packed.getnames()}
    assert [name for name in _tracked() if name not in there and (CHECKOUT / name).exists()] == []


def test_the_citation_is_of_this_version_as_the_changelog_dates_it() -> None:
    written = (CHECKOUT / "CITATION.cff").read_text(encoding="utf-8")
    version = re.search(r"^version: (.+)$", written, re.MULTILINE)
    released = re.search(r"^date-released: (.+)$", written, re.MULTILINE)
    assert version and released and version[1] == sdprelax.__version__
    changelog = (CHECKOUT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## {version[1]} ({released[1]})" in changelog


def test_on_windows_one_sentence_says_where_it_runs() -> None:
    script = "import sys; sys.platform = 'win32'; import sdprelax"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    last = done.stderr.strip().splitlines()[-1]
    assert last == "ImportError: sdprelax runs on Linux and macOS; on Windows, in the Windows Subsystem for Linux."


ROWS = [
    f"p{k};{k % 28 + 1:02}.03.2024;{['red', 'dark blue', ''][k % 3]};{'' if k == 9 else f'{k % 7},5'};{k % 5 - 2},25;"
    f"Besuch Nr. {k * k}, gemäß Plan;{'wohl' if k % 7 > 3 else 'kränklich'}"
    for k in range(40)
]


def test_a_newcomer_goes_from_a_messy_table_to_a_certified_network(installed: Path, tmp_path: Path) -> None:
    """All by the installed wheel, in a folder that has nothing but the table."""
    # Its bytecode is kept: every call would compile what it imports anew.
    environment = {**os.environ, "PYTHONPATH": str(installed), "PYTHONDONTWRITEBYTECODE": ""}

    def call(*words: str) -> str:
        command = [sys.executable, "-P", "-m", "sdprelax", *words]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    where = [sys.executable, "-P", "-c", "import sdprelax; print(sdprelax.__file__)"]
    found = subprocess.run(where, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True).stdout
    assert Path(found.strip()).is_relative_to(installed)
    header = "Kennung;gesehen;Farbe;Größe;Dosis;Bemerkung;Befund"
    (tmp_path / "patients.csv").write_text("\n".join([header, *ROWS]), encoding="cp1252")
    assert "written: mine.yaml" in call("init", "mine", "--data", "patients.csv")
    call("run", "mine.yaml", "--set", "gamma={relative: 0.1}", "--set", "methods={exact: {tolerance: 0.01}}")
    _certified(tmp_path / "results" / "mine", call)
    new = ["Dosis;Farbe;Größe", "0,25;red;6,5", "0,25;;0,5", ";dark blue;"]
    (tmp_path / "new.csv").write_text("\n".join(new), encoding="cp1252")
    predicted = pd.read_csv(io.StringIO(call("predict", "results/mine", "new.csv")))
    assert predicted["prediction"].tolist()[:2] == ["wohl", "kränklich"] and predicted["prediction"].notna().all()


def _certified(folder: Path, call: Callable[..., str]) -> None:
    (row,) = pd.read_csv(folder / "table.csv").to_dict("records")
    assert row["status"] == "solved" and row["gap"] <= 0.01 and 0.0 < row["lower"] <= row["upper"]
    assert "proved" in call("verify", str(folder))
    latex = call("show", str(folder), "--format", "latex")
    lines = [line for line in latex.splitlines() if line.rstrip().endswith(r"\\") or r"\\ " in line]
    assert len(lines) >= 2 and len({line.count("&") for line in lines}) == 1 and "exact" in latex
    call("report", str(folder))
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "patients.csv" in page and page.rstrip().endswith("</html>")
