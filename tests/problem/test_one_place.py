"""The squared loss and the ReLU are spelled where they live, and nowhere else in the package.

What is looked for, in every file but those of the two families: the positive part of an array (``maximum(·, 0)``,
``clip`` at 0, a function called relu), CVXPY's sum of squares, and half a sum of squares. What looks alike is told
apart by name: a projection on the nonnegative numbers is a call of a function called ``positive_part`` or
``nonnegative_part``, and a penalty has a factor called ``gamma`` or ``penalty``. A layer ``ReLU`` in a teacher, a
network of somebody else, is a class and no function.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import sdprelax

PACKAGE = Path(sdprelax.__file__).parent
FAMILIES = (PACKAGE / "problem" / "losses", PACKAGE / "networks" / "activations")
PROJECTIONS = ("positive_part", "nonnegative_part")
# What a sum of squares is called where it is not written out, and what a weight decay's factor is.
SQUARES, DECAY = ("residual", "energy", "energies", "squares", "rest", "losses"), ("gamma", "decay", "penalty")


def zero(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, (int, float)) and node.value == 0


def factors(node: ast.expr) -> Iterator[ast.expr]:
    """Yield the factors of a product; x/2 is 0.5·x."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        yield from factors(node.left)
        yield from factors(node.right)
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div) and isinstance(node.right, ast.Constant):
        if node.right.value == 2:
            yield ast.Constant(0.5)
        yield from factors(node.left)
    else:
        yield node


def names(node: ast.expr) -> set[str]:
    """Return all names and attributes in an expression."""
    found = {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
    return found | {part.attr for part in ast.walk(node) if isinstance(part, ast.Attribute)}


def squares(node: ast.expr) -> bool:
    """Say whether an expression has a sum of squares, written out or by name."""
    summed = names(node) & {"sum", "norm", "vdot", "square_above"}
    for part in ast.walk(node):
        power = isinstance(part, ast.BinOp) and isinstance(part.op, ast.Pow)
        if power and isinstance(part.right, ast.Constant) and part.right.value == 2 and summed:
            return True
        product = isinstance(part, ast.BinOp) and isinstance(part.op, ast.Mult)
        if product and ast.unparse(part.left) == ast.unparse(part.right) and summed:
            return True
    return "square_above" in summed or bool(names(node) & set(SQUARES))


def spelled(tree: ast.AST, inside: str = "") -> Iterator[tuple[int, str]]:
    """Yield line and kind of everything in a file that spells the loss or the activation."""
    for node in ast.iter_child_nodes(tree):
        where = node.name if isinstance(node, ast.FunctionDef) else inside
        if isinstance(node, ast.Call) and inside not in PROJECTIONS:
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            bounds = [*node.args, *(keyword.value for keyword in node.keywords if keyword.arg in ("min", "a_min"))]
            array = isinstance(node.func, ast.Attribute) or called == "maximum"
            if called in ("maximum", "clip", "clamp") and array and any(map(zero, bounds)):
                yield node.lineno, "the positive part of an array"
            if called in ("relu", "relu_", "sum_squares"):
                yield node.lineno, called
        if isinstance(node, ast.BinOp):
            parts = list(factors(node))
            half = any(isinstance(part, ast.Constant) and part.value == 0.5 for part in parts)
            decay = any(name in part for part in map(ast.unparse, parts) for name in DECAY)
            if half and not decay and any(map(squares, parts)):
                yield node.lineno, "half a sum of squares"
        yield from spelled(node, where)


FILES = [path for path in sorted(PACKAGE.rglob("*.py")) if not any(family in path.parents for family in FAMILIES)]


def test_loss_and_activation_are_spelled_in_their_families_alone() -> None:
    found = [
        f"{path.relative_to(PACKAGE)}:{line}: {kind}"
        for path in FILES
        for line, kind in spelled(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert found == []


@pytest.mark.parametrize(
    "line",
    [
        "a = np.maximum(inputs @ U, 0.0) @ V",
        "a = xp.clip(z, 0.0, None)",
        "a = z.clip(0)",
        "a = z.clamp(min=0.0)",
        "a = functional.relu(z)",
        "a = 0.5 * cp.sum_squares(P - Y) + b",
        "a = 0.5 * float(np.sum((P - Y) ** 2))",
        "a = float(0.5 * np.sum(residual**2) + gamma * size)",
        "a = np.sum(A * Y) - 0.5 * np.sum(A * A)",
        "a = scale * along - 0.5 * scale * scale * energy",
        "a = np.linalg.norm(P - Y) ** 2 / 2",
        "def f():\n    return np.maximum(z, 0)",
    ],
)
def test_each_kind_is_found(line: str) -> None:
    assert list(spelled(ast.parse(line)))


@pytest.mark.parametrize(
    "line",
    [
        "def positive_part(x):\n    return np.maximum(x, 0.0)",
        "a = positive_part(eigenvalues)",
        "a = 0.5 * gamma * float(np.sum(U**2))",
        "a = 0.5 * (matrix + matrix.T)",
        "a = max(0.0, value)",
        "a = nn.ReLU()",
        "a = np.maximum(lengths, tiny)",
    ],
)
def test_what_only_looks_alike_is_not(line: str) -> None:
    assert not list(spelled(ast.parse(line)))
