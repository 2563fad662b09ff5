"""A trial of any kind, with the hash that names it for ever, the attempts at it, and what is found in one."""

from __future__ import annotations

import abc
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

from sdprelax.base import Deadline, Registry
from sdprelax.lasso import Stage

__all__ = ["Attempt", "Found", "Job", "Limits", "Trial", "described", "flat_options", "label"]


@dataclass(frozen=True)
class Limits:
    """What one trial may take.

    Attributes
    ----------
    time: wall time in seconds; None for no limit.
    memory: resident memory of its process and their children in megabytes (2^20 bytes); None for no limit.
    """

    time: float | None = None
    memory: float | None = None

    @property
    def any(self) -> bool:
        """Whether there is a limit at all."""
        return self.time is not None or self.memory is not None


@dataclass(frozen=True, eq=False)
class Found:
    """What a trial has found, in the end or so far.

    Attributes
    ----------
    fields: the entries of its record that are its kind's own; an entry ``seconds`` counts in place of the clock's.
    status: how it ended.
    save: writes the files that lie beside the record, all of them ``*.npz``, into a folder.
    log: what is to stand in the log before what was printed.
    """

    fields: dict[str, Any] = field(default_factory=dict)
    status: str = "running"
    save: Callable[[Path], None] = lambda folder: None
    log: str = ""


@dataclass(frozen=True, eq=False)
class Attempt:
    """What a trial is given when it is run.

    Attributes
    ----------
    shared: folder of what all trials of a sweep have in common.
    checkpoints: folder, made when it is needed, that outlives the process until the attempt has ended.
    deadline: the time by which it should end.
    known: called with what is known before the first result; alone counts if the trial proves unfit to be run.
    report: called with what is found so far, which is kept whatever becomes of the process.
    stage: ``stage(name, rows)`` is called when a pass over data starts, and returns ``advance(rows_read)``.
    """

    shared: Path
    checkpoints: Path
    deadline: Deadline
    known: Callable[[Found], None]
    report: Callable[[Found], None]
    stage: Stage


class Trial(abc.ABC):
    """What is run as one, whatever its kind; its fields are complete, with all defaults.

    Attributes
    ----------
    kind: name of its kind.
    repeat: number of the run among those with other random numbers.
    limits: what the trial may take. Not part of the hash: a trial that ended within its limits has the same result
        under wider ones.
    versions: of everything that computes the result, when the trial was planned.
    """

    kind: ClassVar[str]
    repeat: int
    limits: Limits
    versions: dict[str, str]

    @property
    @abc.abstractmethod
    def hash(self) -> str:
        """The first 16 hex digits of the SHA-256 of everything that determines the result."""

    @property
    @abc.abstractmethod
    def method_label(self) -> str:
        """What is run, with the options that differ from their defaults: progress is counted by it."""

    @property
    @abc.abstractmethod
    def problem_label(self) -> str:
        """What it is run on, in words."""

    @property
    @abc.abstractmethod
    def unknown(self) -> tuple[str, ...]:
        """What of the trial is not registered in this process: a user's own file defines it, which was not executed."""

    @abc.abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """Return the trial as JSON can hold it."""

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Self:
        """Return the trial that :meth:`to_dict` gave."""
        return cls(**{**content, "limits": Limits(**content["limits"])})

    @abc.abstractmethod
    def versions_here(self) -> dict[str, str]:
        """Return the version, in this process, of everything that computes the result."""

    @abc.abstractmethod
    def blank(self) -> dict[str, Any]:
        """Return the entries of its record that are its kind's own, where nothing was found."""

    @abc.abstractmethod
    def run(self, attempt: Attempt) -> Found:
        """Return what the trial finds; an exception is an error of the trial."""

    @abc.abstractmethod
    def examine(
        self, folder: Path, record: dict[str, Any], shared: Path, deadline: Deadline
    ) -> tuple[int, list[str], list[str]]:
        """Prove a record of the trial again; nothing in it is believed.

        Returns
        -------
        How many bounds were proved, a sentence for each thing that is wrong, and one for each that could not be looked
        at.
        """

    def make_ready(self) -> None:  # noqa: B027
        """Load and compile what the trial's time should not be charged with."""

    def grace(self, limit: float) -> float:
        """Return the seconds that it may take beyond its time limit to return what it has, before it is killed."""
        return max(2.0, 0.1 * limit)


@dataclass(frozen=True)
class Job:
    """One attempt at a trial; an attempt that has ended is never overwritten, a later one counts instead."""

    trial: Trial
    attempt: int = 1

    @property
    def name(self) -> str:
        """Folder of the attempt: the trial's hash, with the number of the attempt after the first."""
        return self.trial.hash if self.attempt == 1 else f"{self.trial.hash}.{self.attempt}"

    def to_dict(self) -> dict[str, Any]:
        """Return the attempt as JSON can hold it: its kind, its trial and its number."""
        return {"kind": self.trial.kind, "trial": self.trial.to_dict(), "attempt": self.attempt}


def label(name: str, options: dict[str, Any], registry: Registry[Any]) -> str:
    """Return a registered entry, by its option ``label`` if there is one, with options that are not the defaults."""
    # Without its class, nothing is known to be a default.
    declared = registry.options(name) if name in registry else []
    defaults = flat_options({option.name: option.default for option in declared})
    said = {k: v for k, v in flat_options(options).items() if k not in defaults or v != defaults[k]}
    own = said.pop("label", None)
    return described(own or name, said)


def flat_options(options: dict[str, Any]) -> dict[str, Any]:
    """Return options with those of options as "solver_options.tolerance"."""
    flat: dict[str, Any] = {}
    for key, value in options.items():
        if isinstance(value, dict):
            flat |= {f"{key}.{inner}": part for inner, part in flat_options(value).items()}
        else:
            flat[key] = value
    return flat


def described(name: str, options: dict[str, Any]) -> str:
    """Return ``name(option=value, ...)`` for flat options, an inner one by its own name."""
    shown = [f"{key.rsplit('.', 1)[-1]}={_shown(value)}" for key, value in options.items()]
    return f"{name}({', '.join(shown)})" if shown else name


def _shown(value: Any) -> str:
    """Return an option's value as a label has it: a list of names, or of names with options, without quotes."""
    if isinstance(value, list):
        return "[" + ", ".join(map(_shown, value)) + "]"
    if isinstance(value, dict):
        return ", ".join(described(key, inner) if isinstance(inner, dict) else f"{key}={inner}"
                         for key, inner in value.items())  # fmt: skip
    return str(value)
