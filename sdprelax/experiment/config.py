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
from sdprelax.methods import methods
from sdprelax.registry import Registry

__all__ = ["Entry", "Sweep", "load_sweep"]

UNITS = {"s": 1.0, "sec": 1.0, "min": 60.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


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
    time_limit: seconds a trial may take; None for no limit.
    """

    name: str
    datasets: tuple[Entry, ...]
    methods: tuple[Entry, ...]
    gamma: tuple[float, ...]
    bias: tuple[bool, ...]
    repeat: int
    seed: int
    time_limit: float | None


class _Limits(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid")
    time: float | str | None = None


class _Written(pydantic.BaseModel):
    """The top level of the file; entries are checked against their own classes afterwards."""

    model_config = pydantic.ConfigDict(extra="forbid")
    name: str
    datasets: list[Any]
    gamma: float | list[float]
    bias: bool | list[bool] = False
    methods: list[Any]
    repeat: int = pydantic.Field(1, ge=1)
    seed: int = pydantic.Field(0, ge=0)
    limits: _Limits = _Limits()


def load_sweep(path: Path, overrides: typing.Sequence[str] = ()) -> Sweep:
    """Read and validate a sweep.

    Parameters
    ----------
    path: the YAML file.
    overrides: settings such as ``methods.sdp.solver=scs`` or ``gamma=[0.1, 1]`` that replace the file's.

    Raises
    ------
    InputError: anything wrong, in one sentence with file and line.
    """
    document = read_document(path)
    if not isinstance(document.content, dict):
        raise InputError(f"{path}: a sweep is a mapping with the keys {', '.join(_Written.model_fields)}.")
    for override in overrides:
        _override(document, override)
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
    return Sweep(
        name=written.name,
        datasets=tuple(_entries(document, "datasets", datasets)),
        methods=tuple(_entries(document, "methods", methods)),
        gamma=tuple(gammas),
        bias=tuple(written.bias if isinstance(written.bias, list) else [written.bias]),
        repeat=written.repeat,
        seed=written.seed,
        time_limit=_seconds(document, written.limits.time),
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


def _entries(document: Document, key: str, registry: Registry[Any]) -> Iterator[Entry]:
    """Yield the validated entries of a list, one for each point of their grids."""
    for index, item in enumerate(document.content[key]):
        where: Path_ = (key, index)
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


def _seconds(document: Document, written: float | str | None) -> float | None:
    if written is None:
        return None
    match = re.fullmatch(r"\s*([0-9.]+)\s*([a-z]*)\s*", str(written))
    try:
        if match is None:
            raise ValueError
        seconds = float(match[1]) * UNITS[match[2] or "s"]
        if seconds <= 0.0:
            raise ValueError
    except (ValueError, KeyError):
        message = f"the time limit is {written!r}; write seconds, or a number with s, min, h or d such as '10min'."
        raise document.error(("limits", "time"), message) from None
    return seconds


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
