"""The site of documents: all pages are in its navigation, docstrings become what they mean, dead links are found."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tools"))

from website.docstrings import plain, restructured  # noqa: E402
from website.links import faults  # noqa: E402
from website.navigation import BELOW  # noqa: E402
from website.notebooks import folded  # noqa: E402


def test_every_page_stands_below_one_other() -> None:
    files = [*(ROOT / "docs").rglob("*.md"), *(ROOT / "notebooks").glob("*.ipynb")]
    files += [ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md"]
    pages = sorted(str(path.relative_to(ROOT).with_suffix("")) for path in files)
    listed = [page for below in BELOW.values() for page in below]
    assert sorted([*listed, "docs/README"]) == pages
    assert set(BELOW) <= set(pages)


def test_the_gallery_shows_every_notebook() -> None:
    gallery = (ROOT / "docs" / "gallery.md").read_text(encoding="utf-8")
    assert all(f"(../notebooks/{path.name})" in gallery for path in (ROOT / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("p* of ‖a‖ and |z|", r"p\* of ‖a‖ and \|z\|"),
        ("``p*`` and `lower_`", r"``p*`` and \`lower\_\`"),
        (":class:`sdprelax.Problem` of u_k", ":class:`sdprelax.Problem` of u_k"),
        ("of *Convex distillation:\nall of it* (2024), p*", "of *Convex distillation:\nall of it* (2024), p\\*"),
    ],
)
def test_notation_is_no_markup(written: str, meant: str) -> None:
    assert plain(written) == meant


def test_sections_of_docstrings_become_fields() -> None:
    docstring = """Train.

    p* = inf ℓ(x)*

Parameters
----------
X, Y: data,
    of shape (n, d).

Attributes
----------
lower_: a bound.

Raises
------
InputError: it is wrong.

Returns
-------
What is *not* said: a*."""
    assert "\n".join(restructured(docstring.split("\n"))).split("\n") == [
        "Train.", "", "::", "", "    p* = inf ℓ(x)*", "", "",
        ":param X: data,", "    of shape (n, d).", ":param Y: data,", "    of shape (n, d).", "",
        ".. rubric:: Attributes", "", "* ``lower_``: a bound.", "",
        ":raises InputError: it is wrong.", "",
        r":returns: What is \*not\* said: a\*.", "",
    ]  # fmt: skip


def test_cells_of_many_lines_are_folded() -> None:
    def cell(kind: str, lines: int) -> dict[str, object]:
        return {"cell_type": kind, "metadata": {}, "source": ["a\n"] * (lines - 1) + ["a"]}

    cells = [cell("code", 6), cell("code", 7), cell("markdown", 20)]
    read = json.loads(folded(json.dumps({"cells": cells})))["cells"]
    assert [kept["metadata"].get("tags") for kept in read] == [None, ["hide-input"], None]
    assert [kept["source"] for kept in read] == [given["source"] for given in cells]


def test_dead_links_and_what_comes_from_elsewhere_are_found(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text('<p id="here"><a href="b.html#there">b</a> <a href="https://x.org">x</a>')
    (tmp_path / "b.html").write_text('<p id="there"><a href="a.html#here">a</a><img src="p.png">')
    (tmp_path / "p.png").touch()
    assert faults(tmp_path) == []
    (tmp_path / "c.html").write_text(
        '<a href="a.html#nowhere">a</a><a href="none.html">n</a><script src="https://x.org/x.js"></script>'
    )
    assert faults(tmp_path) == [
        "c.html loads https://x.org/x.js from elsewhere.",
        "c.html links to a.html#nowhere, and that page has no such place.",
        "c.html links to none.html, and there is no such file.",
    ]
    assert faults(tmp_path / "nothing") == [f"{tmp_path / 'nothing'} has no pages."]


def test_formulas_are_set_and_unknown_commands_refused() -> None:
    pytest.importorskip("sphinx", reason="Sphinx is not installed (extra: docs)")
    math_core = pytest.importorskip("math_core", reason="math-core is not installed (extra: docs)")
    from website.mathematics import mathml

    assert mathml(r"\gamma", display=False) == "<math><mi>γ</mi></math>"
    assert "<mtable" in mathml("a = b \\tag{1}", display=True)
    with pytest.raises(math_core.LatexError, match="nosuch"):
        mathml(r"a + \nosuch", display=False)
