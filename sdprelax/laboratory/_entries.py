"""What files of settings have in common: registered entries with grids of options, quantities, overrides, errors."""

from __future__ import annotations

import functools
import itertools
import operator
import re
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

import pydantic
import yaml

from sdprelax.base import InputError, Registry, misread, nearest
from sdprelax.laboratory._document import Document, Path_, parsed, read_document
from sdprelax.laboratory._modules import load_modules

__all__ = [
    "MEGABYTES",
    "SECONDS",
    "Entry",
    "Settings",
    "checked",
    "expanded",
    "folder_name",
    "in_units",
    "only",
    "own_modules",
    "quantity",
    "read_settings",
    "takes_list",
]

Model = TypeVar("Model", bound=pydantic.BaseModel)
SECONDS = {"": 1.0, "s": 1.0, "sec": 1.0, "min": 60.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
MEGABYTES = {
    "kb": 2.0**-10,
    "m": 1.0,
    "mb": 1.0,
    "g": 2.0**10,
    "gb": 2.0**10,
    "t": 2.0**20,
    "tb": 2.0**20,
}


@dataclass(frozen=True)
class Entry:
    """A data set or method with one choice of every option that the user gave."""

    name: str
    options: dict[str, Any]


@dataclass(frozen=True)
class Settings:
    """How the settings of one kind of file are laid out.

    Parameters
    ----------
    kind: what the file is called in messages, with its article.
    model: the top level's keys.
    lists: keys with lists of registered entries; ``single``: keys with one entry.
    examples: overrides that this kind of file takes, for messages.
    """

    kind: str
    model: type[pydantic.BaseModel]
    lists: tuple[str, ...]
    single: tuple[str, ...]
    examples: str

    def override(self, document: Document, text: str) -> None:
        """Apply ``key.path=value`` to a document's content.

        Raises
        ------
        InputError: no such setting, or a value that is not YAML.
        """
        path, separator, value_text = text.partition("=")
        if not separator:
            raise InputError(f"--set {text}: write it as key=value, e.g. {self.examples}.")
        try:
            value, _ = parsed(value_text)
        except yaml.YAMLError:
            raise InputError(f"--set {text}: the value is not valid YAML.") from None
        keys = path.split(".")
        content = document.content
        if keys[0] not in self.model.model_fields:
            raise InputError(f"--set {text}: unknown key '{keys[0]}': {nearest(keys[0], self.model.model_fields)}.")
        if len(keys) == 1:
            content[keys[0]] = value
        elif keys[0] == "limits" and len(keys) == 2:
            content["limits"] = {**(content.get("limits") or {}), keys[1]: value}
        elif keys[0] in self.single and len(keys) == 3:
            written = content.get(keys[0])
            options = written.get(keys[1]) if isinstance(written, dict) else None
            content[keys[0]] = {keys[1]: {**(options or {}), keys[2]: value}}
        elif keys[0] in self.lists and len(keys) >= 3:
            _override_entries(self.kind, content[keys[0]], keys, value, text)
        else:
            raise InputError(f"--set {text}: no such setting; write e.g. {self.examples}.")


def read_settings(path: Path, settings: Settings) -> Document:
    """Read a file of settings and those that it includes.

    Raises
    ------
    InputError: it cannot be read, or is no mapping.
    """
    document = read_document(path)
    if not isinstance(document.content, dict):
        keys = ", ".join(settings.model.model_fields)
        raise InputError(f"{path}: {settings.kind} is a mapping with the keys {keys}, include.")
    return document


def checked(document: Document, model: type[Model]) -> Model:
    """Return the top level of a file as its model.

    Raises
    ------
    InputError: the first thing that is wrong, with its line.
    """
    try:
        found = model.model_validate(document.content)
    except pydantic.ValidationError as error:
        raise _first_error(document, model, error) from None
    wrong = misread(document.content, found)
    if wrong is not None:
        where, right = wrong
        value = functools.reduce(operator.getitem, where, document.content)
        raise document.error(where, f"'{where[0]}' is {value!r}, but should be {right}.")
    return found


def folder_name(document: Document, name: str) -> str:
    """Return the settings' name if it can be a folder's.

    Raises
    ------
    InputError: it cannot.
    """
    if not re.fullmatch(r"[\w.-]+", name) or name.startswith("."):
        message = f"the name '{name}' becomes a folder; use letters, digits, '-', '_' and '.' only."
        raise document.error(("name",), message)
    return name


def own_modules(document: Document, path: Path, names: list[str]) -> tuple[str, ...]:
    """Execute the user's own Python files, relative to the settings' file; return their absolute paths.

    Raises
    ------
    InputError: one of them is not there or fails.
    """
    modules = tuple(str((path.parent / name).resolve()) for name in names)
    try:
        load_modules(modules)
    except InputError as error:
        raise document.error(("modules",), str(error)) from None
    return modules


def expanded(document: Document, key: str, registry: Registry[Any], items: list[Any] | None = None) -> Iterator[Entry]:
    """Yield the validated entries of a list, one for each point of their grids; ``items`` has no list in the file.

    Raises
    ------
    InputError: an unknown name or option, or a wrong value, with its line.
    """
    for index, item in enumerate(document.content[key] if items is None else items):
        where: Path_ = (key, index) if items is None else (key,)
        options: Any
        if isinstance(item, str):
            name, options = item, {}
        elif isinstance(item, dict) and len(item) == 1:
            name, options = next(iter(item.items()))
            where = (*where, name)
            options = {} if options is None else options
        else:
            raise document.error(where, f"write '- name' or '- name: {{option: value}}', not {item!r}.")
        if not isinstance(options, dict):
            raise document.error(where, f"the options of '{name}' are {options!r}; write them as 'option: value'.")
        try:
            name = registry.canonical(name)
            hints = get_type_hints(registry[name])
        except InputError as error:
            raise document.error(where, str(error)) from None
        axes = []
        for option, value in options.items():
            listed = isinstance(value, list) and not takes_list(hints.get(option))
            if listed and not value:
                raise document.error((*where, option), f"the list of '{option}' is empty.")
            axes.append([(option, choice) for choice in (value if listed else [value])])
        for point in itertools.product(*axes):
            chosen = dict(point)
            try:
                registry.create(name, chosen)
            except InputError as error:
                culprit = next((option for option in chosen if f"'{option}'" in str(error)), None)
                raise document.error((*where, culprit) if culprit else where, str(error)) from None
            yield Entry(name, chosen)


def takes_list(hint: Any) -> bool:
    """Say whether a field's own type admits a list, so that a list is a value and not a grid."""
    return typing.get_origin(hint) in (list, tuple) or any(takes_list(part) for part in typing.get_args(hint))


def only(document: Document, key: str, registry: Registry[Any], written: Any, sentence: str) -> Entry:
    """Return the one entry of a key that takes no list.

    Parameters
    ----------
    sentence: what is said of several.

    Raises
    ------
    InputError: several, or a wrong one.
    """
    entries = list(expanded(document, key, registry, [written]))
    if len(entries) != 1:
        raise document.error((key,), sentence)
    return entries[0]


def quantity(
    document: Document, name: str, written: float | str | None, units: dict[str, float], examples: str
) -> float | None:
    """Return a limit in its base unit.

    Parameters
    ----------
    units: what each unit stands for; of "" where a number may stand alone.
    examples: the units in words.

    Raises
    ------
    InputError: no positive number, or another unit.
    """
    if written is None:
        return None
    try:
        return in_units(written, units)
    except ValueError:
        right = "seconds, or a number with" if "" in units else "a number with its unit,"
        raise document.error(("limits", name), f"the {name} limit is {written!r}; write {right} {examples}.") from None


def _first_error(document: Document, model: type[pydantic.BaseModel], error: pydantic.ValidationError) -> InputError:
    first = error.errors()[0]
    where = tuple(first["loc"])
    if first["type"] == "extra_forbidden":
        inner = model.model_fields[str(where[0])].annotation if len(where) > 1 else model
        assert isinstance(inner, type) and issubclass(inner, pydantic.BaseModel)
        known = inner.model_fields
        return document.error(where, f"unknown key '{where[-1]}': {nearest(str(where[-1]), known)}.")
    if first["type"] == "missing":
        return document.error((), f"the key '{where[-1]}' is missing.")
    reason = first["msg"].replace("Input should be", "should be")
    return document.error(where, f"'{where[0]}' is {first['input']!r}, but {reason}.")


def _override_entries(kind: str, entries: list[Any], keys: list[str], value: Any, text: str) -> None:
    found = []
    for index, item in enumerate(entries):
        name = item if isinstance(item, str) else next(iter(item))
        found.append(name)
        if name != keys[1]:
            continue
        options = {} if isinstance(item, str) else dict(item[name] or {})
        inner = options
        for key in keys[2:-1]:
            inner[key] = dict(inner.get(key) or {})
            inner = inner[key]
        inner[keys[-1]] = value
        entries[index] = {name: options}
    if keys[1] not in found:
        raise InputError(
            f"--set {text}: this {kind.split()[-1]} has no {keys[0]} entry '{keys[1]}': {nearest(keys[1], set(found))}."
        )


def in_units(written: float | str, units: dict[str, float]) -> float:
    """Return a positive number such as 600 or ``10min`` in its base unit.

    Raises
    ------
    ValueError: it is none, or has another unit.
    """
    match = re.fullmatch(r"\s*([0-9.]+)\s*([a-z]*)\s*", str(written).lower())
    if match is None or match[2] not in units:
        raise ValueError
    value = float(match[1]) * units[match[2]]
    if value <= 0.0:
        raise ValueError
    return value
