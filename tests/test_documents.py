"""The documents hold together: headings once, links alive, figures those of the published files."""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import sdprelax

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tools"))

from documents import documents, regenerated  # noqa: E402
from documents.writing import FIGURES, TABLES  # noqa: E402

DOCUMENTS = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in documents()}
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`[^`\n]*`")
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
BLOCK = re.compile(r"^```math\n.*?^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"\$[^$\n]+\$")
# Blocks of a matrix whose index has two letters and no braces, so that TeX lowers the first of them alone.
HALF_LOWERED = re.compile(r"(?:\\Lambda|\\zeta|[EHNPS])_[a-z]{2,}\b")
# An article that was taken for a dual point, and what is left of formulas in prose.
ARTICLE = re.compile(r"\$A\$ [`A-Z]")
LEFT_OVER = re.compile(r"\b\w{1,2}_\w\b|[α-ωΑ-Ω‖ᵀ₊≤≥∈√$]")
# A file of the project as documents name it; `*` stands for any name, {a,b} for either.
NAMED = re.compile(
    r"(?<![\w./-])((?:experiments|benchmarks|notebooks|results/published|tools|sdprelax|docs|tests)/[\w./*{},-]*[\w*}/])"
)
# A document as code, tests and notebooks name it, with the title of one of its sections.
REFERENCE = re.compile(r'(docs/[\w./*-]+\.md)(?:,\s+"([^"]+)")?')
# What the package's parts are called in documents, and in docstrings.
DOTTED = re.compile(r"(?<![\w/.-])sdprelax(?:\.[A-Za-z_]\w*)+")
IMPORTED = re.compile(r"^(?:>>> )?from (sdprelax[\w.]*) import ([\w, ]+)$", re.MULTILINE)
ROLE = re.compile(r":\w+:`~?(sdprelax\.[\w.]+)`")
TABLE = re.compile(r"^\|.*\n\|[-:| ]+\|\n(?:\|.*\n?)+", re.MULTILINE)
MARKED = re.compile(r"<!-- table: .+? -->.*?<!-- end -->", re.DOTALL)
NUMBER = re.compile(r"\|[ *≥≤>~+-]*\d")
# Tables of measured figures that no published file holds, by how they begin.
HAND_WRITTEN = {"| longest row | ‖Y‖ | random: largest", "| data | ½‖Y‖² | gated value | price"}


def headings(text: str) -> list[str]:
    """Return the headings of a document, without their number signs."""
    return [line.lstrip("#").strip() for line in FENCE.sub("", text).splitlines() if re.match(r"#{1,6} ", line)]


def anchor(heading: str) -> str:
    """Return what GitHub calls a heading in a link: small letters, no punctuation, hyphens for spaces."""
    words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
    return re.sub(r"[^\w\- ]", "", words).replace(" ", "-")


@pytest.mark.parametrize("name", DOCUMENTS)
def test_no_heading_occurs_twice(name: str) -> None:
    found = headings(DOCUMENTS[name])
    assert found
    assert [heading for heading in found if found.count(heading) > 1] == []


@pytest.mark.parametrize("name", DOCUMENTS)
def test_no_link_is_dead(name: str) -> None:
    dead = []
    for target in LINK.findall(CODE.sub("", FENCE.sub("", DOCUMENTS[name]))):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, heading = target.partition("#")
        file = (ROOT / name).parent / path if path else ROOT / name
        if not file.exists():
            dead.append(target)
        elif heading:
            anchors = {anchor(title) for title in headings(file.read_text(encoding="utf-8"))}
            dead += [target] if heading not in anchors else []
    assert dead == []


def unset(text: str) -> list[str]:
    """Return what is wrong with the formulas of a document in which all of them are LaTeX, as GitHub takes it."""
    blocks, lines = BLOCK.findall(text), CODE.sub("`", FENCE.sub("", MARKED.sub("", text)))
    prose = INLINE.sub("", "\n".join(line for line in lines.splitlines() if not re.match("#|    ", line)))
    return [
        *re.findall(r"\\[^A-Za-z\s]", "".join(INLINE.findall(lines))),  # Markdown takes this backslash for its own
        *HALF_LOWERED.findall("".join([*blocks, *INLINE.findall(lines)])),
        *ARTICLE.findall(lines),
        *LEFT_OVER.findall(prose),
    ]


@pytest.mark.parametrize(
    "name", [*(name for name in DOCUMENTS if name.startswith("docs/mathematics/")), "docs/solver.md"]
)
def test_formulas_are_set_as_formulas(name: str) -> None:
    assert INLINE.search(DOCUMENTS[name])
    assert unset(DOCUMENTS[name]) == []


def test_formulas_that_are_not_set_are_found() -> None:
    text = "# ‖u‖_1\n\n$A$ `Thing` of LW_i, $\\Lambda_av$, $\\sqrt{2\\,g}$ and γ.\n\n```math\nS_{ii}S_jj \\\\\n```\n"
    assert unset(text) == ["\\,", "S_jj", "\\Lambda_av", "$A$ `", "LW_i", "γ"]


def sources() -> list[Path]:
    """Return the files of the project in which people read prose: code, tests, settings, notebooks, documents."""
    folders = ("sdprelax", "tests", "tools", "benchmarks", "experiments", "notebooks")
    kinds = {".py", ".yaml", ".ipynb"}
    return [*documents(), *(p for folder in folders for p in sorted((ROOT / folder).rglob("*")) if p.suffix in kinds)]


def prose(path: Path) -> str:
    """Return a file's text in one line; of a notebook its cells without their output."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        text = "\n".join("".join(cell["source"]) for cell in json.loads(text)["cells"])
    return re.sub(r"\s*\n\s*(?:# )?", " ", text)


def test_documents_and_sections_that_code_names_are_there() -> None:
    named = [
        (path, *reference)
        for path in sources()
        if path.name not in ("CHANGELOG.md", "test_documents.py")
        for reference in REFERENCE.findall(prose(path))
    ]
    missing = [
        reference
        for reference in named
        if not (files := sorted(ROOT.glob(reference[1])))
        or (reference[2] and reference[2] not in headings(files[0].read_text(encoding="utf-8")))
    ]
    assert missing == []
    assert sum(bool(title) for _, _, title in named) >= 10, "the pattern finds titles"


def test_the_version_is_the_newest_of_the_changelog() -> None:
    sections = [line for line in DOCUMENTS["CHANGELOG.md"].splitlines() if line.startswith("## ")]
    released = [re.fullmatch(r"## (\d+)\.(\d+)\.(\d+) \((\d{4}-\d\d-\d\d)\): \S.*", line) for line in sections[1:]]
    assert sections[0] == "## Unreleased" and all(released), sections
    numbers = [tuple(map(int, found.groups()[:3])) for found in released if found]
    dates = [found[4] for found in released if found]
    assert numbers == sorted(set(numbers), reverse=True) and dates == sorted(dates, reverse=True)
    assert sdprelax.__version__ == ".".join(map(str, numbers[0]))


def is_there(name: str) -> bool:
    """Say whether a dotted name is a module of the package, or what a module or class of it holds."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        return all(hasattr(found, part) and (found := getattr(found, part)) is not None for part in parts[length:])
    return False


def test_names_of_the_package_in_prose_are_there_and_public_in_documents() -> None:
    named: set[tuple[str, str]] = set()
    for path in sources():
        pattern = DOTTED if path.suffix == ".md" else ROLE
        if path.name != "CHANGELOG.md":
            named |= {(str(path.relative_to(ROOT)), name) for name in pattern.findall(prose(path))}
        if path.suffix == ".md":
            for module, names in IMPORTED.findall(path.read_text(encoding="utf-8")):
                named |= {(str(path.relative_to(ROOT)), f"{module}.{name}") for name in names.split(", ")}
    assert [pair for pair in sorted(named) if not is_there(pair[1])] == []
    assert [pair for pair in sorted(named) if pair[0].endswith(".md") and "._" in pair[1]] == []
    assert len(named) > 50, "the patterns find names"


def test_files_of_the_package_that_docstrings_name_are_there() -> None:
    files = {path.name for path in (ROOT / "sdprelax").rglob("*.py")}
    modules = [path for path in sources() if path.is_relative_to(ROOT / "sdprelax")]
    named = {(path.name, name) for path in modules for name in re.findall(r"``(\w+\.py)``", prose(path))}
    assert named
    assert {pair for pair in named if pair[1] not in files} == set()


def test_p25_is_written_out_where_a_file_first_uses_it() -> None:
    written_out = 'Prakhya, Birdal and Yurtsever 2025 ("P25")'
    unexplained = [
        str(path.relative_to(ROOT))
        for path in sources()
        if path.name != "test_documents.py"
        and "P25" in (text := prose(path))
        and not text[: text.index("P25") + 5].endswith(written_out)
    ]
    assert unexplained == []


def test_every_published_picture_is_shown() -> None:
    shown = {Path(target).name for text in DOCUMENTS.values() for target in LINK.findall(text)}
    assert {path.name for path in (ROOT / "results" / "published").glob("*.png")} - shown == set()


# The changelog names what once was.
@pytest.mark.parametrize("name", sorted(DOCUMENTS.keys() - {"CHANGELOG.md"}))
def test_files_that_are_named_are_there(name: str) -> None:
    missing = []
    for written in NAMED.findall(DOCUMENTS[name]):
        either = re.fullmatch(r"(.*)\{(.*)\}(.*)", written)
        paths = [either[1] + part + either[3] for part in either[2].split(",")] if either else [written]
        missing += [path for path in paths if not list(ROOT.glob(path.rstrip("/.,")))]
    assert missing == []


@pytest.mark.parametrize("name", DOCUMENTS)
def test_figures_are_those_of_the_published_files(name: str) -> None:
    assert DOCUMENTS[name] == regenerated(DOCUMENTS[name]), "`make documents` brings the documents up to date."


def test_a_figure_that_was_changed_by_hand_is_found() -> None:
    text = DOCUMENTS["README.md"]
    for found in re.finditer(r"<!-- (?:table|figure): .+? -->(.*?)<!-- end -->", text, re.DOTALL):
        at = found.start(1) + re.search(r"\d", found[1]).start()  # type: ignore[union-attr]
        changed = text[:at] + str((int(text[at]) + 1) % 10) + text[at + 1 :]
        assert changed != text
        assert regenerated(changed) == text


def test_tables_of_measured_figures_are_made_from_published_files() -> None:
    typed = [
        table
        for text in DOCUMENTS.values()
        for table in TABLE.findall(MARKED.sub("", text))
        if len(NUMBER.findall(table)) >= 10
    ]
    new = [table[:80] for table in typed if not table.startswith(tuple(HAND_WRITTEN))]
    assert new == [], "publish the figures and let tools/documents make the table (CONTRIBUTING.md)."
    assert len(typed) == len(HAND_WRITTEN)


def test_nothing_is_made_that_no_document_shows() -> None:
    shown = set(re.findall(r"<!-- ((?:table|figure): .+?) -->", "".join(DOCUMENTS.values())))
    assert shown == {f"table: {name}" for name in TABLES} | {f"figure: {name}" for name in FIGURES}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<!-- table: nothing -->\n<!-- end -->", "no function makes the table 'nothing'"),
        ("so <!-- figure: forms -->1<!-- end -->", "no function makes the figure 'forms'"),
        ("<!-- table: forms -->\n| a |", "stands alone"),
        ("| a |\n<!-- end -->", "stands alone"),
        ("<!-- table: forms -->\n| a |\n<!-- table: exact -->\n<!-- end -->", "has no '<!-- end -->'"),
        ("of\n<!-- figure: ntk score -->wins<!-- end -->", "begins a line"),
    ],
)
def test_marks_that_do_not_fit_are_refused(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        regenerated(text)


@pytest.mark.parametrize("name", ["README.md", "docs/start.md"])
def test_the_first_example_runs_as_it_stands(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The optimum that they certify is the same, and the second verifier proves it from the files that one writes."""
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"^```python\n(.*?)^```$", DOCUMENTS[name], re.MULTILINE | re.DOTALL)
    found: dict[str, Any] = {}
    exec(code, found)
    exact = sdprelax.solve(found["problem"], "exact")
    assert exact.gap < 1e-8
    assert found["outcome"].lower <= exact.upper and exact.lower <= found["outcome"].upper
    network = sdprelax.load_predictor("network.npz")
    assert found["problem"].upper_bound(network) == pytest.approx(found["outcome"].upper, rel=1e-9)
    if "check_certificate" in DOCUMENTS[name] and "data.npz" in code:
        command = [sys.executable, str(ROOT / "tools" / "check_certificate.py"), "certificate.npz", "data.npz"]
        proved = subprocess.run(command, capture_output=True, text=True)
        assert float(proved.stdout) == pytest.approx(exact.lower, rel=1e-8), proved.stderr


def test_anchors_are_githubs() -> None:
    assert anchor("3.5 The certificate of the relaxation") == "35-the-certificate-of-the-relaxation"
    assert anchor("`gated_relu`, and *what* it costs") == "gated_relu-and-what-it-costs"
    assert anchor("The NTK as a kernel of gates, and its repair") == "the-ntk-as-a-kernel-of-gates-and-its-repair"
