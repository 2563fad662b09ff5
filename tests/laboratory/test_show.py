"""What ``show`` prints: rows and columns that are asked for, in widths and characters that a terminal has."""

from __future__ import annotations

import io
import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
from rich.cells import cell_len
from typer.testing import CliRunner

import sdprelax
from sdprelax.cli import app
from sdprelax.cli._terminal import SPELLING, fitted
from sdprelax.laboratory.results import Column, audit, overview, render, viewed
from tests.laboratory.trying_results import LABEL, run_small


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("show")
    run_small(folder)
    return folder


@pytest.fixture(scope="module")
def table(folder: Path) -> pd.DataFrame:
    return sdprelax.load_results(folder / "small").table


def show(*arguments: object, columns: int | None = None) -> str:
    environment = {} if columns is None else {"COLUMNS": str(columns)}
    done = CliRunner().invoke(app, ["show", *map(str, arguments)], env=environment)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


def csv(*arguments: object) -> pd.DataFrame:
    return pd.read_csv(io.StringIO(show(*arguments, "--format", "csv")))


@pytest.mark.parametrize(("condition", "query"), [
    ("gamma < 0.05 and method.width == 3", "gamma < 0.05 and `method.width` == 3"),
    ("0.01 <= γ < 0.1 or method in ['ntk']", "gamma < 0.1 or method == 'ntk'"),
    ("not method.str.startswith('lbf') and dataset.seed == 1", "~method.str.startswith('lbf') and `dataset.seed` == 1"),
])  # fmt: skip
def test_the_rows_for_which_a_condition_holds_are_shown_in_order(
    condition: str, query: str, folder: Path, table: pd.DataFrame
) -> None:
    asked = ("--where", condition, "--columns", "hash,upper", "--sort", "-upper", "--trials")
    expected = table.query(query).sort_values("upper", ascending=False, kind="stable")
    assert 0 < len(expected) < len(table)
    assert csv(folder / "small", *asked)["hash"].tolist() == expected["hash"].tolist()


def test_what_is_certified_is_relative_to_the_best_of_all_trials_whichever_are_shown(folder: Path) -> None:
    whole = csv(folder / "small")
    chosen = csv(folder / "small", "--where", "method == 'wedge'")
    assert len(chosen) == 8
    assert chosen["certified_percent"].tolist() == whole[whole["method"] == "wedge"]["certified_percent"].tolist()


def test_groups_have_means_and_standard_deviations(folder: Path, table: pd.DataFrame) -> None:
    found = csv(folder / "small", "--group", "dataset.n,γ,method", "--columns", "network,seconds")
    groups = table.groupby(["dataset.n", "gamma", "method"], sort=False)["upper"]
    assert found["upper"].to_numpy() == pytest.approx(groups.mean().to_numpy(), nan_ok=True)
    assert found["upper_deviation"].to_numpy() == pytest.approx(groups.std().to_numpy(), nan_ok=True)
    assert set(found["trials"]) == {2}
    printed = show(folder / "small", "--group", "method")
    assert re.search(r"wedge +8 +\d+\.\d{6} ± \d+\.\d{6}", printed)
    (latex,) = re.findall(r"wedge & \$8\$ & (.*?) &", show(folder / "small", "--group", "method", "--format", "latex"))
    assert re.fullmatch(r"\$\d+\.\d{6} \\pm \d+\.\d{6}\$", latex)


@pytest.mark.parametrize(("arguments", "message"), [
    (["--columns", "gapp"], "there is no column 'gapp': did you mean 'gap'?"),
    (["--trials", "--columns", "method.widht"], "there is no column 'method.widht': did you mean 'method.width'?"),
    (["--columns", "method.width"], "'method.width' is a column of trials, of which several are one row here: add"),
    (["--sort", "second"], "there is no column 'second': did you mean 'seconds'?"),
    (["--group", "methd"], "there is no column 'methd': did you mean 'method'?"),
    (["--group", "gamma", "--columns", "method"], "column 'method' is not of numbers, which have means"),
    (["--group", "gamma", "--trials"], "write one of them"),
    (["--where", "gama < 1"], "there is no column 'gama': did you mean 'gamma'?"),
    (["--where", "method.widht == 1"], "there is no column 'method.widht': did you mean 'method.width'?"),
    (["--where", "gamma <"], "--where 'gamma <' is no condition"),
    (["--where", "gamma + 1"], "--where 'gamma + 1' is neither true nor false of a row: write a comparison"),
    (["--where", "method < 1"], "--where 'method < 1' cannot be evaluated"),
    (["--where", "__import__('os')"], "there is no column '__import__'"),
])  # fmt: skip
def test_wrong_input_is_one_sentence(arguments: list[str], message: str, folder: Path) -> None:
    with pytest.raises(sdprelax.InputError) as caught:
        show(folder / "small", *arguments)
    assert message in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_a_table_fits_its_terminal_and_names_every_data_set_once(columns: int, folder: Path) -> None:
    lines = show(folder, columns=columns).splitlines()
    assert max(map(cell_len, lines)) <= columns
    assert sum("数据" in line for line in lines) == 1
    assert sum(line.startswith("random(n=5, seed=0)") for line in lines) == 1
    assert ("excess" in lines[0]) == (columns == 120)
    assert lines[-1] == "34 trials: 34 solved."


def test_labels_that_are_cut_stay_apart() -> None:
    labels = [f"method(an_option_of_long_name={value}, another={k})" for k in (1, 2) for value in (0.1, 0.25)]
    column = Column("method", "method", labels, True)
    numbers = [Column(name, name, ["1.234567"] * 4, False) for name in ("a", "b", "c")]
    lines, missing = fitted([column, *numbers], ["c"], [False] * 4, [], 52)
    assert len({line for line, _ in lines}) == 5 and all(cell_len(line) <= 52 for line, _ in lines)
    assert [column.name for column in missing] == ["c"] and all("…" in line for line, _ in lines[1:])


def test_rows_that_are_not_solved_are_marked_and_counted(folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(folder / "small", tmp_path / "small"))
    records = [json.loads(path.read_text()) for path in sorted(copy.glob("trials/*/record.json"))]
    failed = [record for record in records if record["method"] == "ntk"][:2]
    for record in failed:
        record |= {"status": "error", "message": "it was not its day."}
        (copy / "trials" / record["hash"] / "record.json").write_text(json.dumps(record))
    removed = next(record for record in records if record["method"] == "wedge")
    shutil.rmtree(copy / "trials" / removed["hash"])
    lines = show(copy, columns=80).splitlines()
    marked = [line for line in lines if line.startswith("! ")]
    assert len(marked) == 2 and all("ntk" in line for line in marked)
    (said,) = (line for line in lines if line.startswith("error: "))
    assert said.endswith(" and 1 more, ntk: it was not its day.")
    assert lines[-1] == "31 of 32 trials ended: 2 error, 29 solved (marked ! where not solved)."


def test_a_trial_has_one_name_everywhere(folder: Path, table: pd.DataFrame, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(folder / "small", tmp_path / "small"))
    names = {"lbfgs(width=2)", "lbfgs(width=3)", "wedge", "ntk"}
    assert set(table["method"]) == names
    assert set(overview(copy)[0].methods) == names
    for path in copy.glob("trials/*/log.txt"):
        path.write_text("changed")
    row = table[table["method"] == "lbfgs(width=2)"].iloc[0]
    said = {finding.name: finding.row for finding in audit(copy)}
    assert said[row["hash"]] == f"{row['dataset']} gamma=0.1, lbfgs(width=2)"
    page = sdprelax.laboratory.results.write_report(copy).read_text(encoding="utf-8")
    assert '"random(n=5, seed=0) gamma=0.1","lbfgs(width=2)"' in page


@pytest.mark.parametrize(("encoding", "shown"), [
    ("ascii", "gamma/gamma_max, e +/- ... ??"), ("latin-1", "gamma/gamma_max, é ± ... ??"),
    ("utf-8", "γ/γ_max, é ± … 数据"),
])  # fmt: skip
def test_what_an_encoding_has_not_is_spelt_out(encoding: str, shown: str) -> None:
    assert "γ/γ_max, é ± … 数据".encode(encoding, errors=SPELLING).decode(encoding) == shown


def test_latex_has_booktabs_rules_aligned_numbers_and_nothing_unescaped() -> None:
    rows = pd.DataFrame({
        "name": ["[a]--b_c & 100% #1 {x} ~^\\ $y$", "*γ±"], "gap": [1.25e-12, 0.5],
        "mixed": [0.25, 12.0], "none": [None, -3.5],
    })  # fmt: skip
    view = viewed(rows, list(rows), {"gap": ("gap", lambda value: f"{value:.1e}")})
    lines = render(view, "latex").splitlines()
    assert lines[:3] == [r"% \usepackage{booktabs}", r"\begin{tabular}{lrrr}", r"\toprule"]
    assert lines[4] == r"\midrule" and lines[-2:] == [r"\bottomrule", r"\end{tabular}"]
    first, second = (line.removesuffix(r" \\") for line in lines[5:7])
    name, *numbers = first.split(" & ")
    assert name == r"{[}a{]}-{}-b\_c \& 100\% \#1 \{x\} \textasciitilde{}\textasciicircum{}\textbackslash{} \$y\$"
    assert numbers == [r"$1.2\times 10^{-12}$", "$0.25$", "--"]
    assert second == r"{*}$\gamma$$\pm$ & $5.0\times 10^{-1\phantom{0}}$ & $12.00$ & $-3.5$"


def test_several_sweeps_are_one_table_under_names_that_tell_their_methods_apart(folder: Path) -> None:
    found = csv(folder / "small", folder / "other", "--trials", "--columns", "sweep,dataset,method")
    assert found.groupby("sweep")["method"].unique().map(set).to_dict() == {
        "small": {"lbfgs(width=2)", "lbfgs(width=3)", "wedge", "ntk"}, "other": {"lbfgs(width=4)", "wedge"},
    }  # fmt: skip
    assert LABEL in set(found["dataset"])
