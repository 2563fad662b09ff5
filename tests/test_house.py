"""The house itself: rooms whose front doors are the public interface, and one name for one thing."""

from __future__ import annotations

import ast
import re
import tomllib
from collections import defaultdict
from pathlib import Path

import pytest

import sdprelax

ROOT = Path(sdprelax.__file__).parent
MODULES = sorted(path.relative_to(ROOT) for path in ROOT.rglob("*.py"))
TREES = {path: ast.parse((ROOT / path).read_text(encoding="utf-8")) for path in MODULES}


def _defined(tree: ast.Module) -> list[str]:
    """Return the classes, functions and aliases of types that a module defines for others; constants are its own."""
    names = []
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.append(node.name)
        elif isinstance(node, ast.Assign):
            names += [target.id for target in node.targets if isinstance(target, ast.Name)]
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.append(node.target.id)
    return [name for name in names if not name.startswith("_") and not name.isupper()]


def _exported(tree: ast.Module) -> list[str]:
    """Return ``__all__``."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and [getattr(target, "id", "") for target in node.targets] == ["__all__"]:
            return list(ast.literal_eval(node.value))
    return []


def _twice(names: dict[str, list[str]]) -> dict[str, list[str]]:
    return {name: places for name, places in names.items() if len(places) > 1}


def test_no_public_name_is_defined_twice() -> None:
    places = defaultdict(list)
    for path, tree in TREES.items():
        for name in _defined(tree):
            places[name].append(str(path))
    assert len(places) > 400
    assert _twice(places) == {}


def test_no_two_rooms_name_the_same_in_their_interface() -> None:
    doors = defaultdict(list)
    for path, tree in TREES.items():
        if path.name == "__init__.py" and path.parent != Path("."):
            for name in _exported(tree):
                doors[name].append(str(path.parent))
    assert len(doors) > 100
    # A room may pass on what a room within it gives.
    outermost = {
        name: [place for place in places if not any(place.startswith(f"{other}/") for other in places)]
        for name, places in doors.items()
    }
    assert _twice(outermost) == {}


@pytest.mark.parametrize("path", [path for path in MODULES if path.name == "__init__.py" and path.parts[1:]], ids=str)
def test_a_front_door_says_what_the_room_is_and_what_it_gives(path: Path) -> None:
    tree = TREES[path]
    assert ast.get_docstring(tree)
    exported = _exported(tree)
    assert exported
    assert exported == sorted(set(exported), key=lambda name: (not name.isupper(), not name[0].isupper(), name))


def test_the_packages_front_door_gives_what_rooms_give() -> None:
    assert ast.get_docstring(TREES[Path("__init__.py")])
    given = []
    for node in ast.parse((ROOT / "__init__.pyi").read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom):
            names = [alias.name for alias in node.names]
            given += names
            assert [alias.asname for alias in node.names] == names
            assert set(names) <= set(_exported(TREES[Path(*str(node.module).split("."), "__init__.py")]))
    assert sorted([*given, "__version__"]) == sorted(sdprelax.__all__)
    assert len(given) > 30


def test_rooms_enter_each_other_by_the_front_door() -> None:
    intruders = []
    for path, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sdprelax."):
                parts = [*str(node.module).split("."), *(alias.name for alias in node.names[:1])]
                private = [part for part in parts[1:] if part.startswith("_") and not part.startswith("__")]
                if private and parts[1] != path.parts[0]:
                    intruders.append(f"{path}: from {node.module} import {node.names[0].name}")
    assert intruders == []


def test_the_table_of_rooms_is_the_import_contract() -> None:
    """CONTRIBUTING's table names every room in the order of the layers."""
    checkout = ROOT.parent
    if not (checkout / "CONTRIBUTING.md").exists():
        pytest.skip("documents lie beside the package in a checkout alone")
    contract = tomllib.loads((checkout / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    layers = [
        [room.strip().removeprefix("sdprelax.") for room in layer.split("|")]
        for layer in contract["contracts"][0]["layers"]
    ]
    section = (checkout / "CONTRIBUTING.md").read_text(encoding="utf-8").split("## The rooms")[1].split("\n## ")[0]
    rows = [re.findall(r"`(\w+)`", row.split("|")[1]) for row in section.splitlines() if row.startswith("| `")]
    assert rows == layers
    assert {room for layer in layers for room in layer} == {path.parts[0] for path in MODULES if len(path.parts) > 1}
