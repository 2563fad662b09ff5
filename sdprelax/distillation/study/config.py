"""A study of distillation as its user writes it, validated before anything runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydantic

from sdprelax.distillation.distillers import distillers
from sdprelax.distillation.images import images
from sdprelax.distillation.teachers import teachers
from sdprelax.laboratory import (
    SECONDS,
    Document,
    Entry,
    Family,
    Settings,
    checked,
    expanded,
    file_schema,
    folder_name,
    only,
    own_modules,
    quantity,
    read_settings,
)

__all__ = ["Study", "load_study", "schema"]


@dataclass(frozen=True, eq=False)
class Study:
    """A validated study: every combination of block, distiller, fraction and repeat is a run.

    Attributes
    ----------
    document: the file, for errors that say where in it they are.
    name: folder of the results.
    teacher, images: what is imitated, and on which pictures.
    blocks: names of the teacher's modules; one None for a teacher that names its block itself.
    distillers: grids already expanded, in the order of the file.
    fractions: shares of the transfer pictures, ascending.
    repeat: how often everything is run, on other samples with other random numbers.
    seed: what the random numbers derive from.
    batch: pictures at a time through the teacher.
    time_limit: seconds that one run may take; None for no limit.
    """

    document: Document
    name: str
    teacher: Entry
    images: Entry
    blocks: tuple[str | None, ...]
    distillers: tuple[Entry, ...]
    fractions: tuple[float, ...]
    repeat: int
    seed: int
    batch: int
    time_limit: float | None


class _Limits(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid")
    time: float | str | None = pydantic.Field(default=None, description="wall time: seconds, or e.g. 10min")


class _Written(pydantic.BaseModel):
    """The top level of the file; entries are checked against their own classes afterwards."""

    model_config = pydantic.ConfigDict(extra="forbid")
    name: str = pydantic.Field(description="folder of the results")
    teacher: Any = pydantic.Field(description="trained network, with its options")
    images: Any = pydantic.Field(description="pictures to fit and to measure on, with their options")
    block: str | list[str] | None = pydantic.Field(None, description="modules of the network to replace, one at a time")
    distillers: list[Any] = pydantic.Field(description="what takes a block's place, each with its options")
    fraction: float | list[float] = pydantic.Field(1.0, description="share of the transfer pictures to fit on")
    repeat: int = pydantic.Field(1, ge=1, description="runs of each, on other samples with other random numbers")
    seed: int = pydantic.Field(0, ge=0, description="what the random numbers derive from")
    batch: int = pydantic.Field(64, ge=1, description="pictures at a time through the network")
    limits: _Limits = pydantic.Field(_Limits(), description="what one run may take")
    modules: list[str] = pydantic.Field([], description="Python files with distillers, teachers, images of your own")


_SETTINGS = Settings(
    "a distillation", _Written, ("distillers",), ("teacher", "images"),
    "fraction=0.1, limits.time=60 or distillers.gated_relu.gates=8",
)  # fmt: skip


def load_study(path: Path, overrides: Sequence[str] = ()) -> Study:
    """Read and validate a study.

    Parameters
    ----------
    path: the YAML file.
    overrides: settings such as ``distillers.gated_relu.gates=8`` or ``fraction=[0.1, 1]`` that replace the file's.

    Raises
    ------
    InputError: anything wrong, in one sentence with file and line.
    """
    document = read_settings(path, _SETTINGS)
    for override in overrides:
        _SETTINGS.override(document, override)
    written = checked(document, _Written)
    name = folder_name(document, written.name)
    for key in ("block", "distillers", "fraction"):
        if getattr(written, key) == []:
            raise document.error((key,), f"'{key}' is empty; it needs at least one entry.")
    own_modules(document, path, written.modules)
    teacher = only(document, "teacher", teachers, written.teacher, "one teacher is imitated; its options have no grid.")
    pictures = only(document, "images", images, written.images, "one set of images is used; its options have no grid.")
    fractions = written.fraction if isinstance(written.fraction, list) else [written.fraction]
    for value in fractions:
        if not 0.0 < value <= 1.0:
            raise document.error(("fraction",), f"fraction is {value}; it must be above 0 and at most 1.")
    return Study(
        document=document,
        name=name,
        teacher=teacher,
        images=pictures,
        blocks=_blocks(document, written.block, teacher),
        distillers=tuple(expanded(document, "distillers", distillers)),
        fractions=tuple(sorted(set(fractions))),
        repeat=written.repeat,
        seed=written.seed,
        batch=written.batch,
        time_limit=quantity(
            document, "time", written.limits.time, SECONDS, "s, min, h or d such as '10min'"
        ),
    )  # fmt: skip


def _blocks(document: Document, written: str | list[str] | None, teacher: Entry) -> tuple[str | None, ...]:
    """Return the blocks' names, by default the teacher's own."""
    if written is None:
        return (teachers[teacher.name].block,)
    names = written if isinstance(written, list) else [written]
    for index, name in enumerate(names):
        if name in names[:index]:
            raise document.error(("block", index), f"the block '{name}' is here a second time.")
    return tuple(names)


def schema() -> dict[str, Any]:
    """Return the JSON Schema of a study's file, every registered name and option included."""
    families: list[Family] = [("teacher", teachers, False), ("images", images, False), ("distillers", distillers, True)]
    return file_schema(_Written, families, "sdprelax distillation")
