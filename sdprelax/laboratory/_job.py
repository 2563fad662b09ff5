"""One trial, with the hash that names it for ever, and the attempts at it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from sdprelax.base import Registry
from sdprelax.certificate import PROOF_VERSION
from sdprelax.datasets import datasets
from sdprelax.methods import Method, methods

__all__ = ["Job", "Limits", "Trial", "described", "flat_options", "versions"]


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


@dataclass(frozen=True)
class Trial:
    """One run of one method on one problem; options are complete, with their defaults.

    Attributes
    ----------
    dataset_digest: SHA-256 of the user's own file; "" for data that the options alone determine.
    limits: what the trial may take. Not part of the hash: a trial that ended within its limits has the
        same result under wider ones.
    protocol: "standard", or "paper": the accuracies of Prakhya, Birdal and Yurtsever 2025 too, whose threshold is
        chosen on the test set.
    versions: of everything that computes the result, as :func:`versions` says when the trial is planned.
    """

    dataset: str
    dataset_options: dict[str, Any]
    dataset_digest: str
    gamma: float
    bias: bool
    method: str
    method_options: dict[str, Any]
    repeat: int
    seed: int
    limits: Limits = field(default_factory=Limits)
    protocol: str = "standard"
    versions: dict[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the trial as JSON can hold it."""
        return {name: getattr(self, name) for name in FIELDS} | {
            "limits": {"time": self.limits.time, "memory": self.limits.memory}
        }

    @staticmethod
    def from_dict(content: dict[str, Any]) -> Trial:
        """Return the trial that :meth:`to_dict` gave."""
        return Trial(**{**content, "limits": Limits(**content["limits"])})

    @cached_property
    def hash(self) -> str:
        """The first 16 hex digits of the SHA-256 of everything that determines the result."""
        content = {name: getattr(self, name) for name in FIELDS}
        text = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @cached_property
    def dataset_label(self) -> str:
        """The data set with the options that differ from their defaults."""
        return _label(self.dataset, self.dataset_options, datasets)

    @cached_property
    def method_label(self) -> str:
        """The method with the options that differ from their defaults."""
        return _label(self.method, self.method_options, methods)

    @property
    def unknown(self) -> tuple[str, ...]:
        """What of the trial is not registered in this process: a user's own file defines it, which was not executed."""
        named = ((datasets, self.dataset), (methods, self.method))
        return tuple(f"{registry.kind} '{name}'" for registry, name in named if name not in registry)

    def generator(self) -> np.random.Generator:
        """Return the trial's source of random numbers: of the sweep's seed and the repeat alone."""
        return np.random.default_rng([self.seed, self.repeat])


# What determines a trial's result.
FIELDS = tuple(item.name for item in dataclasses.fields(Trial) if item.name != "limits")


@dataclass(frozen=True)
class Job:
    """One attempt at a trial; an attempt that has ended is never overwritten, a later one counts instead."""

    trial: Trial
    attempt: int = 1

    @property
    def name(self) -> str:
        """Folder of the attempt: the trial's hash, with the number of the attempt after the first."""
        return self.trial.hash if self.attempt == 1 else f"{self.trial.hash}.{self.attempt}"


def versions(dataset: str, method: str, chosen: Method) -> dict[str, str]:
    """Return the version of everything that determines a trial's result beside its options.

    Raised by one, a version runs the trials that it is in once more, and no others.

    Parameters
    ----------
    chosen: the method ``method`` with its options.
    """
    proof = {"proof": str(PROOF_VERSION)} if getattr(chosen, "proves", True) else {}
    return {f"{datasets.kind} {dataset}": datasets.version(dataset), **methods.versions(method, chosen), **proof}


def _label(name: str, options: dict[str, Any], registry: Registry[Any]) -> str:
    # Without its class, nothing is known to be a default.
    declared = registry.options(name) if name in registry else []
    defaults = flat_options({option.name: option.default for option in declared})
    return described(name, {k: v for k, v in flat_options(options).items() if k not in defaults or v != defaults[k]})


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
