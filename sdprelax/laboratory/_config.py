"""A sweep as its user writes it, validated before anything runs."""

from __future__ import annotations

import typing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydantic

from sdprelax.base import InputError
from sdprelax.datasets import datasets
from sdprelax.laboratory._document import Document
from sdprelax.laboratory._entries import (
    MEGABYTES,
    SECONDS,
    Entry,
    Settings,
    checked,
    expanded,
    folder_name,
    only,
    own_modules,
    quantity,
    read_settings,
)
from sdprelax.laboratory._job import Limits
from sdprelax.laboratory._schema import Family, file_schema
from sdprelax.laboratory.engines import engines
from sdprelax.methods import methods

__all__ = ["Entry", "Sweep", "load_sweep", "load_sweeps", "schema"]

Protocol = typing.Literal["standard", "paper"]


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
    protocol: "standard", or "paper" for the test accuracy of Prakhya, Birdal and Yurtsever 2025 too.
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
    memory: float | str | None = pydantic.Field(default=None, description="memory with its unit, e.g. 4GB")


class _Written(pydantic.BaseModel):
    """The top level of the file; entries are checked against their own classes afterwards."""

    model_config = pydantic.ConfigDict(extra="forbid")
    name: str = pydantic.Field(description="folder of the results")
    datasets: list[Any] = pydantic.Field(description="data sets, each with its options")
    gamma: float | list[float] = pydantic.Field(description="weight decay")
    bias: bool | list[bool] = pydantic.Field(False, description="whether the hidden layer has a bias")
    methods: list[Any] = pydantic.Field(description="methods, each with its options")
    repeat: int = pydantic.Field(1, ge=1, description="runs of each trial, with different random numbers")
    seed: int = pydantic.Field(0, ge=0, lt=2**63, description="what the random numbers derive from")
    protocol: Protocol = pydantic.Field("standard", description="paper: also the accuracy of docs/paper.md")
    limits: _Limits = pydantic.Field(_Limits(), description="what one trial may take")
    engine: Any = pydantic.Field("processes", description="where trials run")
    modules: list[str] = pydantic.Field([], description="Python files with methods and data sets of your own")


_SETTINGS = Settings(
    "a sweep", _Written, ("datasets", "methods"), ("engine",), "gamma=0.1, limits.time=60 or methods.sdp.solver=scs"
)
ONE_ENGINE = "one engine runs a sweep; its options are single values."


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
    documents = [read_settings(path, _SETTINGS) for path in paths]
    for override in overrides:
        refused = []
        for document in documents:
            try:
                _SETTINGS.override(document, override)
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
    written = checked(document, _Written)
    name = folder_name(document, written.name)
    gammas = written.gamma if isinstance(written.gamma, list) else [written.gamma]
    for value in gammas:
        if not 0.0 < value < float("inf"):
            raise document.error(("gamma",), f"gamma is {value}; it must be a positive finite number.")
    for key, values in (("gamma", gammas), ("datasets", written.datasets), ("methods", written.methods)):
        if not values:
            raise document.error((key,), f"'{key}' is empty; it needs at least one entry.")
    modules = own_modules(document, path, written.modules)
    limits = Limits(
        quantity(document, "time", written.limits.time, SECONDS, "s, min, h or d such as '10min'"),
        quantity(document, "memory", written.limits.memory, MEGABYTES, "MB, GB or TB such as '4GB'"),
    )
    return Sweep(
        name=name,
        datasets=tuple(expanded(document, "datasets", datasets)),
        methods=tuple(expanded(document, "methods", methods)),
        gamma=tuple(gammas),
        bias=tuple(written.bias if isinstance(written.bias, list) else [written.bias]),
        repeat=written.repeat,
        seed=written.seed,
        protocol=written.protocol,
        limits=limits,
        engine=only(document, "engine", engines, written.engine, ONE_ENGINE),
        modules=modules,
    )


def schema() -> dict[str, Any]:
    """Return the JSON Schema of a sweep's file, every registered name and option included."""
    families: list[Family] = [("datasets", datasets, True), ("methods", methods, True), ("engine", engines, False)]
    return file_schema(_Written, families, "sdprelax sweep")
