"""A training sweep as its user writes it: data sets and weight decays by methods."""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pydantic

from sdprelax.base import InputError, SdprelaxError
from sdprelax.datasets import datasets
from sdprelax.laboratory._document import Document
from sdprelax.laboratory._job import Trial
from sdprelax.laboratory._kinds import Sweep
from sdprelax.laboratory._settings import Entry, Settings, Written, checked, common, expanded
from sdprelax.laboratory._store import Store
from sdprelax.laboratory.training._trial import TrainingTrial, load_problem, training_versions
from sdprelax.lasso import Stage
from sdprelax.methods import methods

__all__ = ["SETTINGS", "TrainingSweep", "read_sweep"]

Protocol = typing.Literal["standard", "paper"]


@dataclass(frozen=True)
class TrainingSweep(Sweep):
    """A validated training sweep; beside what every sweep has:

    Attributes
    ----------
    datasets, methods: grids already expanded, in the order of the file.
    gamma, bias: weight decays, and with or without bias.
    protocol: "standard", or "paper" for the test accuracy of Prakhya, Birdal and Yurtsever (2025) beside the others.
    """

    kind: ClassVar[str] = "training"
    datasets: tuple[Entry, ...]
    methods: tuple[Entry, ...]
    gamma: tuple[float, ...]
    bias: tuple[bool, ...]
    protocol: Protocol

    def plan(self) -> list[TrainingTrial]:
        """Return the distinct trials in the order of the file."""
        trials: dict[str, TrainingTrial] = {}
        sources = []
        for entry in self.datasets:
            source = datasets.create(entry.name, entry.options)
            digest = source.digest() if hasattr(source, "digest") else ""
            sources.append((entry.name, datasets.identified(source), digest))
        chosen = [(entry.name, methods.create(entry.name, entry.options)) for entry in self.methods]
        for dataset, dataset_options, digest in sources:
            for bias in self.bias:
                for gamma in self.gamma:
                    for name, method in chosen:
                        for repeat in range(self.repeat):
                            trial = TrainingTrial(
                                dataset, dataset_options, digest, gamma, bias, name,
                                methods.identified(method),
                                repeat, self.seed, self.limits, self.protocol, training_versions(dataset, name, method),
                            )  # fmt: skip
                            trials.setdefault(trial.hash, trial)
        return list(trials.values())

    def check(self, trials: Sequence[Trial], store: Store) -> Callable[[Stage], None]:
        """See that the data load, and that methods that look at them beforehand take them."""
        checked = set()
        for trial in _training(trials):
            asks = hasattr(methods[trial.method], "check")
            what = (trial.dataset_label, trial.bias, trial.method_label if asks else "")
            if what in checked:
                continue
            checked.add(what)
            try:
                _, problem = load_problem(trial)
                if asks:
                    methods.create(trial.method, trial.method_options).check(problem)  # type: ignore[attr-defined]
            except InputError as error:
                raise InputError(f"data set {trial.dataset_label}: {error}") from None
        return lambda stage: None

    def kernels(self, trials: Sequence[Trial]) -> list[str]:
        """Return the modules of compiled functions that trials compute with."""
        named = {trial.method for trial in _training(trials)}
        entries = [entry for entry in self.methods if methods.canonical(entry.name) in named]
        found = [methods.kernels(entry.name, methods.create(entry.name, entry.options)) for entry in entries]
        return list(dict.fromkeys(kernel for kernels in found for kernel in kernels))

    def sizes(self, trials: Sequence[Trial]) -> list[str]:
        """Return a line for every data set and method: shape, number of trials, and the size that the method states."""
        groups: dict[tuple[str, bool, str], list[TrainingTrial]] = {}
        for trial in _training(trials):
            groups.setdefault((trial.dataset_label, trial.bias, trial.method_label), []).append(trial)
        lines = []
        for (dataset, bias, method), group in groups.items():
            _, problem = load_problem(group[0])
            n, d, c = problem.shape
            count = "1 trial" if len(group) == 1 else f"{len(group)} trials"
            lines.append(
                f"{dataset}{' + bias' if bias else ''} (n={n}, d={d}, c={c}), {method}: {count}{_size(group[0])}"
            )
        return lines


def _training(trials: Sequence[Trial]) -> Iterator[TrainingTrial]:
    return (trial for trial in trials if isinstance(trial, TrainingTrial))


def _size(trial: TrainingTrial) -> str:
    """Return what the method says of its size on a problem, where it says anything."""
    method = methods.create(trial.method, trial.method_options)
    if not hasattr(method, "size"):
        return ""
    try:
        return f", {method.size(load_problem(trial)[1])}"
    except SdprelaxError as error:
        return f", {error}"


class _Written(Written):
    datasets: list[Any] = pydantic.Field(description="data sets, each with its options")
    gamma: float | list[float] = pydantic.Field(description="weight decay")
    bias: bool | list[bool] = pydantic.Field(False, description="whether the hidden layer has a bias")
    methods: list[Any] = pydantic.Field(description="methods, each with its options")
    protocol: Protocol = pydantic.Field("standard", description="paper: also the accuracy of docs/paper.md")


SETTINGS = Settings(
    "a sweep",
    _Written,
    (("datasets", datasets, True), ("methods", methods, True)),
    "gamma=0.1, limits.time=60 or methods.sdp.solver=scs",
)


def read_sweep(path: Path, document: Document) -> TrainingSweep:
    """Return a validated training sweep.

    Raises
    ------
    InputError: anything wrong, in one sentence with file and line.
    """
    written = checked(document, _Written)
    gammas = written.gamma if isinstance(written.gamma, list) else [written.gamma]
    for value in gammas:
        if not 0.0 < value < float("inf"):
            raise document.error(("gamma",), f"gamma is {value}; it must be a positive finite number.")
    for key, values in (("gamma", gammas), ("datasets", written.datasets), ("methods", written.methods)):
        if not values:
            raise document.error((key,), f"'{key}' is empty; it needs at least one entry.")
    return TrainingSweep(
        **common(document, path, written),
        datasets=tuple(expanded(document, "datasets", datasets)),
        methods=tuple(expanded(document, "methods", methods)),
        gamma=tuple(gammas),
        bias=tuple(written.bias if isinstance(written.bias, list) else [written.bias]),
        protocol=written.protocol,
    )
