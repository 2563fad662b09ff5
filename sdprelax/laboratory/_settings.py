"""What files of settings have in common: their keys, registered entries with grids, overrides, errors, JSON Schema."""

from __future__ import annotations

import functools
import itertools
import operator
import re
import typing
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeVar, get_type_hints

import pydantic
import yaml

from sdprelax.base import InputError, Registry, misread, nearest
from sdprelax.laboratory._document import Document, Path_, parsed
from sdprelax.laboratory._job import Limits
from sdprelax.laboratory._modules import load_modules
from sdprelax.laboratory.engines import engines

__all__ = [
    "MEGABYTES",
    "SECONDS",
    "Entry",
    "Family",
    "Settings",
    "Written",
    "checked",
    "common",
    "expanded",
    "file_schema",
    "in_units",
    "only",
]

Model = TypeVar("Model", bound="Written")
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


# A key, the entries it may name, and whether it takes a list of them whose options have grids.
Family = tuple[str, Registry[Any], bool]
ONE_ENGINE = "one engine runs a sweep; its options are single values."


class _Limits(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid")
    time: float | str | None = pydantic.Field(default=None, description="wall time: seconds, or e.g. 10min")
    memory: float | str | None = pydantic.Field(default=None, description="memory with its unit, e.g. 4GB")


class Written(pydantic.BaseModel):
    """Top-level keys of every file; entries are checked against their own classes afterwards."""

    model_config = pydantic.ConfigDict(extra="forbid")
    # What a key may be, in words, where its type says it badly; of the key itself and of whatever it holds.
    right: ClassVar[dict[str, str]] = {}
    name: str = pydantic.Field(description="folder of the results")
    repeat: int = pydantic.Field(1, ge=1, description="runs of each trial, with different random numbers")
    seed: int = pydantic.Field(0, ge=0, lt=2**63, description="what the random numbers derive from")
    limits: _Limits = pydantic.Field(_Limits(), description="what one trial may take")
    engine: Any = pydantic.Field("processes", description="where trials run")
    modules: str | list[str] = pydantic.Field([], description="Python files with registered classes of your own")


@dataclass(frozen=True)
class Entry:
    """A registered entry with one choice of every option that the user gave."""

    name: str
    options: dict[str, Any]


@dataclass(frozen=True)
class Settings:
    """How the settings of one kind of file are laid out.

    Parameters
    ----------
    kind: what the file is called in messages, with its article.
    model: the top level's keys.
    families: keys that name registered entries, beside ``engine``.
    examples: overrides that this kind of file takes, for messages.
    """

    kind: str
    model: type[Written]
    families: tuple[Family, ...]
    examples: str

    def override(self, document: Document, text: str) -> None:
        """Apply ``key.path=value`` to a document's content.

        Raises
        ------
        InputError: no such setting, or a value that is not YAML.
        """
        lists = [key for key, _, grid in self.families if grid]
        single = ["engine", *(key for key, _, grid in self.families if not grid)]
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
        elif keys[0] in single and len(keys) == 3:
            written = content.get(keys[0])
            options = written.get(keys[1]) if isinstance(written, dict) else None
            content[keys[0]] = {keys[1]: {**(options or {}), keys[2]: value}}
        elif keys[0] in lists and len(keys) >= 3:
            field = self.model.model_fields[keys[0]]
            entries = content.get(keys[0], [] if field.is_required() else field.default)
            content[keys[0]] = [*entries] if isinstance(entries, list) else [entries]
            _override_entries(self.kind, content[keys[0]], keys, value, text)
        else:
            raise InputError(f"--set {text}: no such setting; write e.g. {self.examples}.")


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


def common(document: Document, path: Path, written: Written) -> dict[str, Any]:
    """Return the fields that every sweep has, by name; the user's own Python files, relative to the file, are executed.

    Raises
    ------
    InputError: a name that cannot be a folder's, a limit that is none, a Python file that fails, an unknown engine.
    """
    name = written.name
    if not re.fullmatch(r"[\w.-]+", name) or name.startswith("."):
        message = f"the name '{name}' becomes a folder; use letters, digits, '-', '_' and '.' only."
        raise document.error(("name",), message)
    named = [written.modules] if isinstance(written.modules, str) else written.modules
    modules = tuple(str((path.parent / module).resolve()) for module in named)
    try:
        load_modules(modules)
    except InputError as error:
        raise document.error(("modules",), str(error)) from None
    limits = Limits(
        _quantity(document, "time", written.limits.time, SECONDS, "s, min, h or d such as '10min'"),
        _quantity(document, "memory", written.limits.memory, MEGABYTES, "MB, GB or TB such as '4GB'"),
    )
    engine = only(document, "engine", engines, written.engine, ONE_ENGINE)
    return {
        "document": document, "name": name, "repeat": written.repeat, "seed": written.seed, "limits": limits,
        "engine": engine, "modules": modules,
    }  # fmt: skip


def expanded(document: Document, key: str, registry: Registry[Any], written: Any) -> Iterator[Entry]:
    """Yield the validated entries that a key holds, a list of them or a single one, one for each point of their grids.

    Raises
    ------
    InputError: an unknown name or option, or a wrong value, with its line.
    """
    listed = isinstance(written, list)
    for index, item in enumerate(written if listed else [written]):
        where: Path_ = (key, index) if listed else (key,)
        options: Any
        if isinstance(item, str):
            name, options = item, {}
        elif isinstance(item, dict) and len(item) == 1:
            name, options = next(iter(item.items()))
            where = (*where, name)
            options = {} if options is None else options
        else:
            right = f"'{key}: name' or '{key}: {{name: {{option: value}}}}'"
            right = "'- name' or '- name: {option: value}'" if listed else right
            raise document.error(where, f"write {right}, not {item!r}.")
        if not isinstance(options, dict):
            raise document.error(where, f"the options of '{name}' are {options!r}; write them as 'option: value'.")
        try:
            name = registry.canonical(name)
            hints = get_type_hints(registry[name])
        except InputError as error:
            raise document.error(where, str(error)) from None
        axes = []
        for option, value in options.items():
            grid = isinstance(value, list) and not _takes_list(hints.get(option))
            if grid and not value:
                raise document.error((*where, option), f"the list of '{option}' is empty.")
            axes.append([(option, choice) for choice in (value if grid else [value])])
        for point in itertools.product(*axes):
            chosen = dict(point)
            try:
                registry.create(name, chosen)
            except InputError as error:
                culprit = _culprit(chosen, str(error))
                raise document.error((*where, culprit) if culprit else where, str(error)) from None
            yield Entry(name, chosen)


def _culprit(options: dict[str, Any], message: str) -> str | None:
    """Return the option that a message speaks of: it is named there, or its value is the first thing in quotes."""
    quoted = re.search(r"'([^']+)'", message)
    named = [option for option in options if f"'{option}'" in message or message.startswith(f"{option} ")]
    held = [option for option, value in options.items() if quoted and repr(quoted[1]) in repr(value)]
    return next(iter(named + held), None)


def _takes_list(hint: Any) -> bool:
    """Say whether a field's own type admits a list, so that a list is a value and not a grid."""
    return typing.get_origin(hint) in (list, tuple) or any(_takes_list(part) for part in typing.get_args(hint))


def only(document: Document, key: str, registry: Registry[Any], written: Any, sentence: str) -> Entry:
    """Return the one entry of a key of which there is one, alone or in a list.

    Parameters
    ----------
    sentence: what is said of several.

    Raises
    ------
    InputError: several, or a wrong one.
    """
    entries = list(expanded(document, key, registry, written))
    if len(entries) != 1:
        raise document.error((key,), sentence)
    return entries[0]


def _quantity(
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


def _first_error(document: Document, model: type[Written], error: pydantic.ValidationError) -> InputError:
    # A key that is missing may be there under another spelling.
    first, *others = sorted(
        error.errors(), key=lambda found: found["type"] != "extra_forbidden" or len(found["loc"]) > 1
    )
    where = tuple(first["loc"])
    if first["type"] == "extra_forbidden":
        inner = model.model_fields[str(where[0])].annotation if len(where) > 1 else model
        assert isinstance(inner, type) and issubclass(inner, pydantic.BaseModel)
        known = inner.model_fields
        return document.error(where, f"unknown key '{where[-1]}': {nearest(str(where[-1]), known)}.")
    if first["type"] == "missing":
        return document.error((), f"the key '{where[-1]}' is missing.")
    if where[0] in model.right:
        value = document.content[where[0]]
        return document.error(where, f"'{where[0]}' is {value!r}; it must be {model.right[str(where[0])]}.")
    # Whatever it might have been.
    possible = [first, *(other for other in others if other["loc"][0] == where[0])]
    right = " or ".join(dict.fromkeys(map(_possibility, possible)))
    return document.error(where, f"'{where[0]}' is {first['input']!r}, but should be {right}.")


def _possibility(error: Any) -> str:
    """Return what one of pydantic's errors says would be right, without a class's name."""
    if error["type"] in ("model_type", "model_attributes_type", "dataclass_type", "dict_type"):
        return "a mapping of keys to values"
    message: str = error["msg"]
    return message.removeprefix("Input should be ").split(",")[0]


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


def file_schema(model: type[pydantic.BaseModel], families: Sequence[Family], title: str) -> dict[str, Any]:
    """Return the JSON Schema of a file whose top level is ``model``, every registered name and option included."""
    found = model.model_json_schema()
    definitions = found.setdefault("$defs", {})
    properties = found["properties"]
    properties["include"] = {
        "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}],
        "description": "files whose keys stand here unless this file has them",
    }
    found["required"] = []  # an included file may have them
    for key, registry, grid in families:
        names = list(registry)
        options = {name: _options_schema(registry, name, definitions, grid=grid) for name in names}
        required = {name: any(option.required for option in registry.options(name)) for name in names}
        entry = {
            "anyOf": [
                {"enum": [name for name in names if not required[name]]},
                {"type": "object", "minProperties": 1, "maxProperties": 1, "additionalProperties": False,
                 "properties": options},
            ]
        }  # fmt: skip
        description = properties[key]["description"]
        listed = {"type": "array", "minItems": 1, "items": entry}
        properties[key] = {"anyOf": [entry, listed]} if grid else dict(entry)
        properties[key]["description"] = description
    found["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    found["title"] = title
    return found


def _options_schema(registry: Registry[Any], name: str, definitions: dict[str, Any], *, grid: bool) -> dict[str, Any]:
    written = pydantic.TypeAdapter(registry[name]).json_schema()
    definitions.update(written.pop("$defs", {}))
    properties = written.get("properties", {})
    hints = get_type_hints(registry[name])
    for option, value in properties.items():
        if grid and not _takes_list(hints[option]):
            value.pop("title", None)
            properties[option] = {"anyOf": [value, {"type": "array", "minItems": 1, "items": value}]}
    found = {"type": ["object", "null"], "additionalProperties": False, "properties": properties}
    found["description"] = registry.summary(name)
    if written.get("required"):
        found["required"] = written["required"]
    return found
