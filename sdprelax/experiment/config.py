"""A sweep as its user writes it, validated before anything runs."""

from __future__ import annotations

import itertools
import re
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_type_hints

import pydantic
import yaml

from sdprelax.datasets import datasets
from sdprelax.errors import InputError, nearest
from sdprelax.experiment.document import Document, Path_, read_document
from sdprelax.experiment.engines import engines
from sdprelax.methods import methods
from sdprelax.registry import Registry
from sdprelax.trials.job import Limits
from sdprelax.trials.modules import load_modules

__all__ = ["Entry", "Sweep", "load_sweep", "load_sweeps", "schema"]

Protocol = typing.Literal["standard", "paper"]
SECONDS = {"s": 1.0, "sec": 1.0, "min": 60.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
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
class Sweep:
    """A validated sweep: every combination of its lists is a trial.

    Attributes
    ----------
    name: folder of the results.
    datasets, methods: grids already expanded, in the order of the file.
    gamma, bias: weight decays, and with or without bias.
    repeat: how often each trial is run, with different random numbers.
    seed: what the random numbers derive from.
    protocol: "standard", or "paper" for P25's test accuracy beside the others.
    limits: what one trial may take.
    engine: where trials run.
    modules: Python files with the user's own methods and data sets, as absolute paths.
    """

    name: str
    datasets: tuple[Entry, ...]
    methods: tuple[Entry, ...]
    gamma: tuple[float, ...]
    bias: tuple[bool, ...]
    repeat: int
    seed: int
    protocol: Protocol
    limits: Limits
    engine: Entry
    modules: tuple[str, ...]


class _Limits(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid")
    time: float | str | None = pydantic.Field(default=None, description="wall time: seconds, or e.g. 10min")
    memory: float | str | None = pydantic.Field(default=None, description="memory: megabytes, or e.g. 4GB")


class _Written(pydantic.BaseModel):
    """The top level of the file; entries are checked against their own classes afterwards."""

    model_config = pydantic.ConfigDict(extra="forbid")
    name: str = pydantic.Field(description="folder of the results")
    datasets: list[Any] = pydantic.Field(description="data sets, each with its options")
    gamma: float | list[float] = pydantic.Field(description="weight decay")
    bias: bool | list[bool] = pydantic.Field(False, description="whether the hidden layer has a bias")
    methods: list[Any] = pydantic.Field(description="methods, each with its options")
    repeat: int = pydantic.Field(1, ge=1, description="runs of each trial, with different random numbers")
    seed: int = pydantic.Field(0, ge=0, description="what the random numbers derive from")
    protocol: Protocol = pydantic.Field("standard", description="paper: P25's test accuracy beside the others")
    limits: _Limits = pydantic.Field(_Limits(), description="what one trial may take")
    engine: Any = pydantic.Field("processes", description="where trials run")
    modules: list[str] = pydantic.Field([], description="Python files with methods and data sets of your own")


def load_sweep(path: Path, overrides: typing.Sequence[str] = ()) -> Sweep:
    """Read and validate a sweep: :func:`load_sweeps` of one file."""
    return load_sweeps([path], overrides)[0]


def load_sweeps(paths: typing.Sequence[Path], overrides: typing.Sequence[str] = ()) -> list[Sweep]:
    """Read and validate several sweeps.

    Parameters
    ----------
    paths: the YAML files.
    overrides: settings such as ``methods.sdp.solver=scs`` or ``gamma=[0.1, 1]`` that replace the files'. Of several
        files each takes those that fit it, and one that fits none is wrong.

    Raises
    ------
    InputError: anything wrong, in one sentence with file and line; or two sweeps of one name.
    """
    documents = []
    for path in paths:
        document = read_document(path)
        if not isinstance(document.content, dict):
            raise InputError(f"{path}: a sweep is a mapping with the keys {', '.join(_Written.model_fields)}, include.")
        documents.append(document)
    for override in overrides:
        refused = []
        for document in documents:
            try:
                _override(document, override)
            except InputError as error:
                refused.append(error)
        if len(refused) == len(documents):
            raise refused[0]
    sweeps = [_validated(path, document) for path, document in zip(paths, documents, strict=True)]
    for k, sweep in enumerate(sweeps):
        for path, other in zip(paths, sweeps[:k], strict=False):
            if sweep.name == other.name:
                raise InputError(f"{path} and {paths[k]} are both named '{sweep.name}': each needs its own folder.")
    return sweeps


def _validated(path: Path, document: Document) -> Sweep:
    try:
        written = _Written.model_validate(document.content)
    except pydantic.ValidationError as error:
        raise _first_error(document, error) from None
    if not re.fullmatch(r"[\w.-]+", written.name) or written.name.startswith("."):
        message = f"the name '{written.name}' becomes a folder; use letters, digits, '-', '_' and '.' only."
        raise document.error(("name",), message)
    gammas = written.gamma if isinstance(written.gamma, list) else [written.gamma]
    for value in gammas:
        if not 0.0 < value < float("inf"):
            raise document.error(("gamma",), f"gamma is {value}; it must be a positive finite number.")
    for key, values in (("gamma", gammas), ("datasets", written.datasets), ("methods", written.methods)):
        if not values:
            raise document.error((key,), f"'{key}' is empty; it needs at least one entry.")
    modules = tuple(str((path.parent / name).resolve()) for name in written.modules)
    try:
        load_modules(modules)
    except InputError as error:
        raise document.error(("modules",), str(error)) from None
    limits = Limits(
        _quantity(document, "time", written.limits.time, SECONDS, "seconds", "s, min, h or d such as '10min'"),
        _quantity(document, "memory", written.limits.memory, MEGABYTES, "megabytes", "MB, GB or TB such as '4GB'"),
    )
    return Sweep(
        name=written.name,
        datasets=tuple(_entries(document, "datasets", datasets)),
        methods=tuple(_entries(document, "methods", methods)),
        gamma=tuple(gammas),
        bias=tuple(written.bias if isinstance(written.bias, list) else [written.bias]),
        repeat=written.repeat,
        seed=written.seed,
        protocol=written.protocol,
        limits=limits,
        engine=_engine(document, written.engine),
        modules=modules,
    )


def _first_error(document: Document, error: pydantic.ValidationError) -> InputError:
    first = error.errors()[0]
    where = tuple(first["loc"])
    if first["type"] == "extra_forbidden":
        known = _Limits.model_fields if len(where) > 1 else _Written.model_fields
        return document.error(where, f"unknown key '{where[-1]}': {nearest(str(where[-1]), known)}.")
    if first["type"] == "missing":
        return document.error((), f"the key '{where[-1]}' is missing.")
    reason = first["msg"].replace("Input should be", "should be")
    return document.error(where, f"'{where[0]}' is {first['input']!r}, but {reason}.")


def _entries(document: Document, key: str, registry: Registry[Any], items: list[Any] | None = None) -> Iterator[Entry]:
    """Yield the validated entries of a list, one for each point of their grids; ``items`` has no list in the file."""
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
            listed = isinstance(value, list) and not _takes_list(hints.get(option))
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


def _takes_list(hint: Any) -> bool:
    """Say whether a field's own type admits a list, so that a list is a value and not a grid."""
    return typing.get_origin(hint) in (list, tuple) or any(_takes_list(part) for part in typing.get_args(hint))


def _engine(document: Document, written: Any) -> Entry:
    entries = list(_entries(document, "engine", engines, [written]))
    if len(entries) != 1:
        raise document.error(("engine",), "one engine runs a sweep; its options are single values.")
    return entries[0]


def _quantity(
    document: Document, name: str, written: float | str | None, units: dict[str, float], unit: str, examples: str
) -> float | None:
    """Return a limit in its base unit."""
    if written is None:
        return None
    match = re.fullmatch(r"\s*([0-9.]+)\s*([a-z]*)\s*", str(written).lower())
    try:
        if match is None:
            raise ValueError
        value = float(match[1]) * (units[match[2]] if match[2] else 1.0)
        if value <= 0.0:
            raise ValueError
    except (ValueError, KeyError):
        message = f"the {name} limit is {written!r}; write {unit}, or a number with {examples}."
        raise document.error(("limits", name), message) from None
    return value


def _override(document: Document, text: str) -> None:
    """Apply ``key.path=value`` to the document's content."""
    path, separator, value_text = text.partition("=")
    if not separator:
        raise InputError(f"--set {text}: write it as key=value, e.g. methods.sdp.solver=scs.")
    try:
        value = yaml.safe_load(value_text)
    except yaml.YAMLError:
        raise InputError(f"--set {text}: the value is not valid YAML.") from None
    keys = path.split(".")
    content = document.content
    if keys[0] not in _Written.model_fields:
        raise InputError(f"--set {text}: unknown key '{keys[0]}': {nearest(keys[0], _Written.model_fields)}.")
    if len(keys) == 1:
        content[keys[0]] = value
    elif keys[0] == "limits" and len(keys) == 2:
        content["limits"] = {**(content.get("limits") or {}), keys[1]: value}
    elif keys[0] == "engine" and len(keys) == 3:
        written = content.get("engine")
        options = written.get(keys[1]) if isinstance(written, dict) else None
        content["engine"] = {keys[1]: {**(options or {}), keys[2]: value}}
    elif keys[0] in ("methods", "datasets") and len(keys) >= 3:
        _override_entries(content[keys[0]], keys, value, text)
    else:
        raise InputError(
            f"--set {text}: no such setting; write e.g. gamma=0.1, limits.time=60 or methods.sdp.solver=scs."
        )


def _override_entries(entries: list[Any], keys: list[str], value: Any, text: str) -> None:
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
            f"--set {text}: this sweep has no {keys[0]} entry '{keys[1]}': {nearest(keys[1], set(found))}."
        )


def schema() -> dict[str, Any]:
    """Return the JSON Schema of a sweep's file, every registered name and option included."""
    found = _Written.model_json_schema()
    definitions = found.setdefault("$defs", {})
    properties = found["properties"]
    properties["include"] = {
        "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}],
        "description": "files whose keys stand here unless this file has them",
    }
    found["required"] = []  # an included file may have them
    families: list[tuple[str, Registry[Any], bool]] = [
        ("datasets", datasets, True), ("methods", methods, True), ("engine", engines, False),
    ]  # fmt: skip
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
        properties[key] = {"type": "array", "minItems": 1, "items": entry} if grid else dict(entry)
        properties[key]["description"] = description
    found["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    found["title"] = "sdprelax sweep"
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
