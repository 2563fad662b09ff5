"""A training sweep as its user writes it: data sets and weight decays by methods."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import pydantic

from sdprelax.base import InputError, Registry, SdprelaxError
from sdprelax.datasets import datasets
from sdprelax.laboratory._document import Document
from sdprelax.laboratory._job import Trial
from sdprelax.laboratory._kinds import Sweep
from sdprelax.laboratory._settings import Entry, Settings, Written, checked, common, expanded
from sdprelax.laboratory._store import Store
from sdprelax.laboratory.training._trial import (
    TrainingTrial,
    load_problem,
    store_gamma_max,
    training_versions,
    trial_gamma_max,
)
from sdprelax.lasso import Stage
from sdprelax.methods import Method, methods
from sdprelax.networks import activations
from sdprelax.problem import Problem, losses, require_taken

__all__ = ["SETTINGS", "TrainingSweep", "read_sweep"]

Protocol = Literal["standard", "paper"]
Positive = Annotated[float, pydantic.Field(gt=0.0, allow_inf_nan=False)]
Offset = pydantic.StrictBool | Literal["penalised"] | Positive
ClassWeight = Literal["balanced"] | list[Positive] | None


@dataclass(frozen=True)
class TrainingSweep(Sweep):
    """A validated training sweep; beside what every sweep has:

    Attributes
    ----------
    datasets, methods, losses, activations: grids already expanded, in the order of the file.
    gamma, bias: weight decays, and with or without bias.
    relative: in place of weight decays, these as shares of each problem's γ_max (:func:`sdprelax.gamma_max`).
    offset, penalise_bias, class_weight: what :class:`sdprelax.Problem` takes under these names.
    protocol: "standard", or "paper" for the test accuracy of Prakhya, Birdal and Yurtsever (2025) beside the others.
    """

    kind: ClassVar[str] = "training"
    datasets: tuple[Entry, ...]
    methods: tuple[Entry, ...]
    gamma: tuple[float, ...]
    bias: tuple[bool, ...]
    losses: tuple[Entry, ...]
    activations: tuple[Entry, ...]
    offset: tuple[Offset, ...]
    penalise_bias: tuple[bool, ...]
    class_weight: tuple[ClassWeight, ...]
    protocol: Protocol
    relative: tuple[float, ...] = ()

    def plan(self) -> list[TrainingTrial]:
        """Return the distinct trials in the order of the file."""
        trials: dict[str, TrainingTrial] = {}
        sources = []
        for entry in self.datasets:
            source = datasets.create(entry.name, entry.options)
            digest = source.digest() if hasattr(source, "digest") else ""
            sources.append((entry.name, datasets.identified(source), digest))
        chosen = [(entry.name, methods.create(entry.name, entry.options)) for entry in self.methods]
        # A bias that is not there costs nothing either way.
        biases = [(bias, costs or not bias) for bias in self.bias for costs in self.penalise_bias]
        settings = list(itertools.product(
            _identified(losses, self.losses), _identified(activations, self.activations), self.offset,
            self.class_weight, biases,
        ))  # fmt: skip
        for dataset, dataset_options, digest in sources:
            for loss, activation, offset, weight, (bias, costs) in settings:
                for gamma, (name, method), repeat in itertools.product(
                    self.gamma or self.relative, chosen, range(self.repeat)
                ):
                    versions = training_versions(dataset, name, method, loss[0], activation[0])
                    trial = TrainingTrial(
                        dataset, dataset_options, digest, gamma, bias, name, methods.identified(method), repeat,
                        self.seed, self.limits, self.protocol, versions, loss[0], loss[1],
                        activation[0], activation[1], offset, costs, weight,
                    )  # fmt: skip
                    if self.relative:
                        trial = self._relative(trial)
                    trials.setdefault(trial.hash, trial)
        return list(trials.values())

    def _relative(self, trial: TrainingTrial) -> TrainingTrial:
        """Return the trial whose γ is the share of γ_max that it is now."""
        try:
            largest = trial_gamma_max(trial)
        except InputError as error:
            raise InputError(f"data set {trial.dataset_label}: {error}") from None
        if not largest > 0.0:
            said = f"gamma is relative, but γ_max of {trial.data_label} is 0: no neuron ever pays."
            raise self.document.error(("gamma",), said)
        return dataclasses.replace(trial, gamma=trial.gamma * largest)

    def check(self, trials: Sequence[Trial], store: Store) -> Callable[[Stage], None]:
        """See that the data load, that losses take them, and that methods take the problems."""
        checked = set()
        loaded: tuple[str, Problem] | None = None
        for trial in _training(trials):
            what = (trial.data_label, trial.method_label)
            if what in checked:
                continue
            checked.add(what)
            method = methods.create(trial.method, trial.method_options)
            try:
                if loaded is None or loaded[0] != trial.data_label:
                    loaded = trial.data_label, load_problem(trial)[1]
                taken = self._refusal(loaded[1], trial.method, method)
                if taken is None and hasattr(method, "check"):
                    method.check(loaded[1])
            except InputError as error:
                raise InputError(f"data set {trial.dataset_label}: {error}") from None
            if taken is not None:
                raise taken
        return lambda stage: store_gamma_max(_training(trials), store.shared)

    def _refusal(self, problem: Problem, name: str, method: Method) -> InputError | None:
        """Return what is wrong, with its line, where a method does not take a problem."""
        try:
            require_taken(problem, methods, name, method)
        except InputError as error:
            written = self.document.content["methods"]
            where = [k for k, item in enumerate(written if isinstance(written, list) else [written])
                     if methods.canonical(item if isinstance(item, str) else next(iter(item))) == name]  # fmt: skip
            return self.document.error(("methods", *where[:1]), str(error))
        return None

    def kernels(self, trials: Sequence[Trial]) -> list[str]:
        """Return the modules of compiled functions that trials compute with."""
        named = {trial.method for trial in _training(trials)}
        entries = [entry for entry in self.methods if methods.canonical(entry.name) in named]
        found = [methods.kernels(entry.name, methods.create(entry.name, entry.options)) for entry in entries]
        return list(dict.fromkeys(kernel for kernels in found for kernel in kernels))

    def sizes(self, trials: Sequence[Trial]) -> list[str]:
        """Return a line for every data set and method: shape, number of trials, and the size that the method states."""
        groups: dict[tuple[str, str], list[TrainingTrial]] = {}
        for trial in _training(trials):
            groups.setdefault((trial.data_label, trial.method_label), []).append(trial)
        lines = []
        for (data, method), group in groups.items():
            _, problem = load_problem(group[0])
            n, d, c = problem.shape
            count = "1 trial" if len(group) == 1 else f"{len(group)} trials"
            largest = f", γ_max={trial_gamma_max(group[0]):g}" if self.relative else ""
            lines.append(f"{data} (n={n}, d={d}, c={c}{largest}), {method}: {count}{_size(group[0])}")
        return lines


def _identified(registry: Registry[Any], entries: Sequence[Entry]) -> list[tuple[str, dict[str, Any]]]:
    """Return names and complete options of entries."""
    return [(entry.name, registry.identified(registry.create(entry.name, entry.options))) for entry in entries]


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


class _Relative(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid")
    relative: float | list[float] = pydantic.Field(description="shares of γ_max, of each problem its own")


class _Written(Written):
    right: ClassVar[dict[str, str]] = {
        "gamma": "a number, a list of numbers, or {relative: …} with one of these",
        "offset": "true (free), false, penalised or a positive number, or a list of these",
        "class_weight": "balanced, null or a list with a positive number for each class, or a list of these",
    }
    datasets: Any = pydantic.Field(description="data sets, each with its options")
    gamma: float | list[float] | _Relative = pydantic.Field(description="weight decay")
    bias: bool | list[bool] = pydantic.Field(False, description="whether the hidden layer has a bias")
    methods: Any = pydantic.Field(description="methods, each with its options")
    loss: Any = pydantic.Field("squared", description="what predictions cost, or a list of losses")
    activation: Any = pydantic.Field("relu", description="what hidden neurons compute, or a list of activations")
    offset: Offset | list[Offset] = pydantic.Field(False, description="whether outputs have biases of their own")
    penalise_bias: bool | list[bool] = pydantic.Field(True, description="whether the hidden bias costs as weights do")
    class_weight: ClassWeight | list[ClassWeight] = pydantic.Field(
        None, description="weights of the classes' samples: a number for each, or balanced"
    )
    protocol: Protocol = pydantic.Field("standard", description="paper: also the accuracy of docs/paper.md")


SETTINGS = Settings(
    "a sweep",
    _Written,
    (("datasets", datasets, True), ("methods", methods, True), ("loss", losses, True),
     ("activation", activations, True)),
    "gamma=0.1, limits.time=60 or methods.sdp.solver=scs",
)  # fmt: skip


def read_sweep(path: Path, document: Document) -> TrainingSweep:
    """Return a validated training sweep.

    Raises
    ------
    InputError: anything wrong, in one sentence with file and line.
    """
    written = checked(document, _Written)
    relative = isinstance(written.gamma, _Relative)
    if isinstance(written.gamma, _Relative):
        written = written.model_copy(update={"gamma": written.gamma.relative})
    grids: dict[str, list[Any]] = {
        name: value if isinstance(value, list) else [value] for name, value in vars(written).items()
    }
    if grids["class_weight"] and all(isinstance(weight, float) for weight in grids["class_weight"]):
        grids["class_weight"] = [written.class_weight]  # a list of numbers is one choice
    for key in ("gamma", "bias", "offset", "penalise_bias", "class_weight", *(key for key, *_ in SETTINGS.families)):
        if not grids[key]:
            raise document.error((key,), f"'{key}' is empty; it needs at least one entry.")
    for value in grids["gamma"]:
        if not 0.0 < value < float("inf"):
            raise document.error(("gamma",), f"gamma is {value}; it must be a positive finite number.")
    if not all(grids["penalise_bias"]) and not any(grids["bias"]):
        said = "penalise_bias: false is of a hidden bias, and there is none; write bias: true beside it."
        raise document.error(("penalise_bias",), said)
    shared = common(document, path, written)
    named = {
        key: tuple(expanded(document, key, registry, getattr(written, key))) for key, registry, _ in SETTINGS.families
    }
    if written.protocol == "paper" and {entry.name for entry in named["loss"]} != {"squared"}:
        raise document.error(("protocol",), "protocol: paper is of the squared loss; leave out one of the two keys.")
    return TrainingSweep(
        **shared, datasets=named["datasets"], methods=named["methods"], losses=named["loss"],
        activations=named["activation"], gamma=() if relative else tuple(grids["gamma"]),
        relative=tuple(grids["gamma"]) if relative else (), bias=tuple(grids["bias"]),
        offset=tuple(grids["offset"]), penalise_bias=tuple(grids["penalise_bias"]),
        class_weight=tuple(grids["class_weight"]), protocol=written.protocol,
    )  # fmt: skip
