"""Every page of docs/how_to is followed to the letter, and what it says comes out.

A page has fenced blocks of three kinds. One that begins with ``# file: NAME`` is written to that file. Then of
``console`` every line ``$ sdprelax ...`` is called, all in one process, and of ``python`` every ``>>>`` is executed, in
another; what follows is compared with what comes out, where ``...`` stands for anything and spaces count once. Exactly
one file of a page that adds something is Python, and it registers exactly one class.
"""

from __future__ import annotations

import doctest
import importlib
import multiprocessing
import os
import re
import shlex
import sys
from pathlib import Path

import pytest

from sdprelax.cli._catalogue import FAMILIES

ROOT = Path(__file__).resolve().parents[1]
PAGES = {path.name: path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs" / "how_to").glob("*.md"))}
INDEX = PAGES.pop("README.md")
# Pages of the index's table are each about a new kind of thing.
ADDING = re.findall(r"^\| \[(\w+\.md)\]", INDEX, re.MULTILINE)
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"# file: (\S+)\n")
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def call(command: str, expected: str) -> None:
    """Call the command line in this process; what it prints must be what the page says."""
    from typer.testing import CliRunner

    from sdprelax.cli import app

    program, *arguments = shlex.split(command)
    assert program == "sdprelax", f"a page calls sdprelax alone, and this is: {command}"
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, f"$ {command}\n{done.output}\n{done.exception!r}"
    assert doctest.OutputChecker().check_output(expected, done.output, FLAGS), f"$ {command}\n{done.output}"


def execute(block: str, session: dict[str, object]) -> None:
    """Execute the ``>>>`` lines of a block in a session; what they print must be what the page says."""
    said: list[str] = []
    test = doctest.DocTestParser().get_doctest(block, {}, "page", None, 0)
    assert test.examples, f"this block is no file and has no '>>>':\n{block}"
    test.globs = session
    doctest.DocTestRunner(optionflags=FLAGS).run(test, out=said.append, clear_globs=False)
    assert not said, "".join(said)


def attempt(text: str, folder: str, kind: str) -> str:
    """Write a page's files into a folder, follow its blocks of one kind there, and return what went wrong."""
    os.chdir(folder)
    sys.path.insert(0, folder)
    session: dict[str, object] = {}
    try:
        for written, block in BLOCK.findall(text):
            assert written in ("yaml", "csv", "console", "python"), (
                f"no test follows blocks of kind '{written}':\n{block}"
            )
            if file := FILE.match(block):
                # A table has no comments.
                content = block[file.end() :] if written == "csv" else block
                Path(file[1]).write_text(content, encoding="utf-8")
            elif written == kind == "python":
                execute(block, session)
            elif written == kind:
                for command, expected in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE):
                    call(command, expected)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


@pytest.fixture(scope="module")
def elsewhere() -> multiprocessing.context.ForkServerContext:
    """Processes that have loaded sdprelax, and in which no other page has registered anything."""
    context = multiprocessing.get_context("forkserver")
    # What pages import is imported once; PyTorch where it is installed.
    context.set_forkserver_preload(
        ["sdprelax.cli", "sdprelax.methods.sdp", "sdprelax.laboratory.training._plots", "cvxpy", "torch"]
    )
    return context


def followed(context: multiprocessing.context.ForkServerContext, text: str, folder: Path) -> str:
    for kind in ("console", "python"):
        if f"```{kind}" in text:
            with context.Pool(1) as pool:
                if wrong := pool.apply(attempt, (text, str(folder), kind)):
                    return wrong
    return ""


@pytest.mark.parametrize("name", PAGES)
def test_a_page_says_what_happens(
    name: str, elsewhere: multiprocessing.context.ForkServerContext, tmp_path: Path
) -> None:
    if "import torch" in PAGES[name]:
        pytest.importorskip("torch", reason="PyTorch is not installed (extra: torch)")
    if wrong := followed(elsewhere, PAGES[name], tmp_path):
        pytest.fail(wrong, pytrace=False)


@pytest.mark.parametrize("name", ADDING)
def test_one_file_with_one_class_is_all_that_is_added(name: str) -> None:
    modules = [block for _, block in BLOCK.findall(PAGES[name]) if re.match(r"# file: \S+\.py\n", block)]
    assert len(modules) == 1
    assert len(re.findall(r"^@\w+\.register\(", modules[0], re.MULTILINE)) == 1


@pytest.mark.parametrize(
    ("block", "said"),
    [
        ("```console\n$ sdprelax solvers\nnothing\n```", "scs"),
        ("```console\n$ sdprelax list method\n```", "'methods'"),
        ("```console\n$ rm everything\n```", "a page calls sdprelax alone"),
        ("```python\n>>> 6 * 7\n43\n```", "42"),
        ("```python\n# file: a.py\nx = 42\n```\n\n```python\n>>> import a\n>>> a.x\n43\n```", "42"),
        ("```python\n6 * 7\n```", "this block is no file"),
        ("```bash\nls\n```\n\n```python\n>>> 1\n1\n```", "no test follows blocks of kind 'bash'"),
    ],
)
def test_a_page_that_is_wrong_is_found(
    block: str, said: str, elsewhere: multiprocessing.context.ForkServerContext, tmp_path: Path
) -> None:
    assert said in followed(elsewhere, block, tmp_path)


def test_every_family_has_its_page() -> None:
    families = [getattr(importlib.import_module(package), family) for family, package in FAMILIES.items()]
    assert {f"{registry.kind.replace(' ', '_')}.md" for registry in families} <= set(ADDING)


def test_the_index_has_every_page() -> None:
    assert set(re.findall(r"\]\((\w+\.md)\)", INDEX)) == set(PAGES)
