"""The ``run`` of every method is short: its steps have names."""

from __future__ import annotations

import ast
import inspect
import textwrap

import pytest

from sdprelax.methods import methods

LONGEST = 30


def _lines(function: object) -> int:
    """Return the number of lines of a function's source without its docstring."""
    source = textwrap.dedent(inspect.getsource(function))  # type: ignore[arg-type]
    [definition] = ast.parse(source).body
    assert isinstance(definition, ast.FunctionDef)
    first = definition.body[0]
    documented = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    return len(source.splitlines()) - ((first.end_lineno or 0) - first.lineno + 1 if documented else 0)


@pytest.mark.parametrize("name", sorted(methods))
def test_run_is_thirty_lines_at_most(name: str) -> None:
    assert _lines(methods[name].run) <= LONGEST
