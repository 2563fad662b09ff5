"""One training trial: a method on a problem, the witnesses of its bounds, and figures of all that it predicts with."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import importlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

import numpy as np

from sdprelax.base import (
    LATER,
    Deadline,
    InputError,
    Registry,
    SdprelaxError,
    import_present,
    ready,
    write_whole,
)
from sdprelax.certificate import PROOF_VERSION, Certificate
from sdprelax.datasets import Dataset, datasets
from sdprelax.exact import searched_gamma_max
from sdprelax.laboratory._job import Attempt, Found, Limits, Trial, label
from sdprelax.methods import Method, methods
from sdprelax.networks import (
    METRICS,
    Network,
    Predictor,
    activations,
    is_registered,
    metrics,
    paper_accuracy,
    save_predictor,
)
from sdprelax.problem import Loss, Problem, losses, targets_for
from sdprelax.training import Outcome, Status

__all__ = [
    "EVALUATED",
    "MEANS",
    "PROGRAM",
    "SETTING",
    "STATUSES",
    "TrainingTrial",
    "data_digest",
    "evaluate",
    "gamma_words",
    "load_problem",
    "problem_words",
    "store_gamma_max",
    "training_versions",
    "trial_gamma_max",
]  # fmt: skip

# What sets a problem apart beside data, bias and γ, by its column: what it usually is, and how it is said otherwise.
SETTING = {
    "loss": ("squared", "{}"), "activation": ("relu", "{}"), "offset": ("none", "{} offset"),
    "penalise_bias": ("yes", "bias not penalised"), "class_weight": ("none", "class weights {}"),
}  # fmt: skip
# Offsets in words, but for those penalised by a number of their own.
OFFSETS = {"False": "none", "True": "free", "penalised": "penalised"}


@dataclass(frozen=True)
class TrainingTrial(Trial):
    """One run of one method on one problem; options are complete, with their defaults.

    Attributes
    ----------
    dataset_digest: SHA-256 of the user's own file; "" for data that the options alone determine.
    offset, penalise_bias, class_weight: see :class:`sdprelax.Problem`.
    protocol: "standard", or "paper": the accuracies of Prakhya, Birdal and Yurtsever 2025 too, whose threshold is
        chosen on the test set.
    """

    kind: ClassVar[str] = "training"
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
    loss: str = field(default="squared", metadata=LATER)
    loss_options: dict[str, Any] = field(default_factory=dict, metadata=LATER)
    activation: str = field(default="relu", metadata=LATER)
    activation_options: dict[str, Any] = field(default_factory=dict, metadata=LATER)
    offset: bool | float | Literal["penalised"] = field(default=False, metadata=LATER)
    penalise_bias: bool = field(default=True, metadata=LATER)
    class_weight: Literal["balanced"] | list[float] | None = field(default=None, metadata=LATER)

    def to_dict(self) -> dict[str, Any]:
        """Return the trial as JSON can hold it."""
        return Registry.identified(self)

    @cached_property
    def hash(self) -> str:
        """The first 16 hex digits of the SHA-256 of everything that determines the result."""
        content = self.to_dict()
        del content["limits"]
        text = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @cached_property
    def dataset_label(self) -> str:
        """The data set with the options that differ from their defaults."""
        return label(self.dataset, self.dataset_options, datasets)

    @cached_property
    def method_label(self) -> str:
        """The method with the options that differ from their defaults."""
        return label(self.method, self.method_options, methods)

    @cached_property
    def setting(self) -> dict[str, str]:
        """What of the problem is not as usual, in words, by the columns of ``SETTING``."""
        said = {
            "loss": label(self.loss, self.loss_options, losses),
            "activation": label(self.activation, self.activation_options, activations),
            "offset": OFFSETS.get(str(self.offset), f"penalised({self.offset})"),
            "penalise_bias": "yes" if self.penalise_bias else "no",
            "class_weight": "none" if self.class_weight is None else str(self.class_weight),
        }
        return {name: words for name, words in said.items() if words != SETTING[name][0]}

    @cached_property
    def data_label(self) -> str:
        """The problem in words, but for γ."""
        return problem_words({"dataset": self.dataset_label, "bias": self.bias, **self.setting})

    @cached_property
    def problem_key(self) -> str:
        """What tells its problem from others but for γ: the first 16 hex digits of a SHA-256."""
        names = (
            "dataset", "dataset_options", "dataset_digest", "bias", "loss", "loss_options", "activation",
            "activation_options", "offset", "penalise_bias", "class_weight",
        )  # fmt: skip
        text = json.dumps([getattr(self, name) for name in names], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def problem_label(self) -> str:
        """The problem in words."""
        return f"{self.data_label} gamma={self.gamma:g}"

    @property
    def unknown(self) -> tuple[str, ...]:
        """What of the trial is not registered in this process: a user's own file defines it, which was not executed."""
        named = (
            (datasets, self.dataset), (losses, self.loss), (activations, self.activation), (methods, self.method)
        )  # fmt: skip
        return tuple(f"{registry.kind} '{name}'" for registry, name in named if name not in registry)

    def generator(self) -> np.random.Generator:
        """Return the trial's source of random numbers: of the sweep's seed and the repeat alone."""
        return np.random.default_rng([self.seed, self.repeat])

    def versions_here(self) -> dict[str, str]:
        """Return the versions of data set, loss, activation, method and proof in this process."""
        method = methods.create(self.method, self.method_options)
        return training_versions(self.dataset, self.method, method, self.loss, self.activation)

    def make_ready(self) -> None:
        """Compile what the method computes with; import what takes a second."""
        importlib.import_module("sklearn.metrics")
        method = methods.create(self.method, self.method_options)
        import_present(["cvxpy", *methods.libraries(self.method, method)])
        ready(methods.kernels(self.method, method))

    def blank(self) -> dict[str, Any]:
        """Return the entries of a record of which the data were never loaded."""
        return self._found(Outcome(), None).fields

    def run(self, attempt: Attempt) -> Found:
        """Return what the method returns, every bound of it with its witness."""
        method = methods.create(self.method, self.method_options)
        loaded = data, problem = load_problem(self)
        largest = _stored_gamma_max(self, attempt.shared)
        attempt.known(self._found(Outcome(), loaded, largest))
        resumed = {"checkpoint": attempt.checkpoints / "method.npz"} if getattr(method, "resumes", False) else {}
        outcome = method.run(
            problem, rng=self.generator(), deadline=attempt.deadline,
            report=lambda best: attempt.report(self._found(_witnessed(best), loaded, largest)), **resumed,
        )  # fmt: skip
        outcome = _witnessed(outcome)
        if self.protocol == "paper":
            outcome = _with_papers_choice(outcome, data)
        return dataclasses.replace(self._found(outcome, loaded, largest), status=str(outcome.status))

    def _found(
        self, outcome: Outcome, loaded: tuple[Dataset, Problem] | None, largest: float | None = None
    ) -> Found:  # fmt: skip
        n, d, c = (None, None, None) if loaded is None else loaded[1].shape
        files = _predictor_files(outcome)
        predictors = [] if loaded is None else [
            {"name": name, "file": file, **evaluate(predictor, loaded[1], loaded[0], self.protocol)}
            for name, file, predictor in files
        ]  # fmt: skip
        first = predictors[0] if predictors else dict.fromkeys(EVALUATED)
        measured = {name: first[name] for name in (*EVALUATED[1:], *MEANS) if name in first}
        fields = {
            "dataset": self.dataset_label, **self.setting, "n": n, "d": d, "c": c, "gamma": self.gamma,
            "gamma_max": largest, "bias": self.bias, "method": self.method_label, "repeat": self.repeat,
            "lower": outcome.lower, "upper": outcome.upper, "gap": outcome.gap, "solver_value": outcome.solver_value,
            "solver_status": outcome.solver_status, "width": outcome.network.width if outcome.network else None,
            **measured,
            "data_digest": None if loaded is None else data_digest(loaded[0]), "details": outcome.details,
            "predictors": predictors, "trace": [[point.seconds, point.lower, point.upper] for point in outcome.trace],
        }  # fmt: skip

        def save(folder: Path) -> None:
            for name, file, predictor in files:
                save_predictor(folder / file, predictor if loaded is None else loaded[0].pipeline(predictor), name)
            if outcome.certificate is not None:
                outcome.certificate.save(folder / "certificate.npz")
            if outcome.program is not None:
                outcome.program.save(folder / "certificate-program.npz")

        return Found(fields, save=save, log=outcome.log)

    def examine(
        self, folder: Path, record: dict[str, Any], shared: Path, deadline: Deadline
    ) -> tuple[int, list[str], list[str]]:
        """Prove bounds and evaluate predictors again, on data loaded anew."""
        from sdprelax.laboratory.training._proofs import examine_record

        return examine_record(self, folder, record, deadline)


def problem_words(row: Mapping[str, Any]) -> str:
    """Return the problem of a record or of a table's row in words, but for γ: data set, bias and what is not usual."""
    parts = [f"{row['dataset']}{' + bias' if row['bias'] else ''}"]
    for name, (usual, form) in SETTING.items():
        words = row.get(name)
        if isinstance(words, str) and words != usual:
            parts.append(form.format(words))
    return ", ".join(parts)


def gamma_words(row: Mapping[str, Any], between: str = " ") -> str:
    """Return the γ of a table's row in words, and what share of γ_max that is, where it is known."""
    share = row.get("gamma_relative")
    known = share is not None and math.isfinite(share)
    return f"γ={row['gamma']:g}{f'{between}({share:.3g} γ_max)' if known else ''}"


# What was computed in this process, by the problem's key; and the most entries of X of which it takes a few seconds.
_LARGEST: dict[str, float] = {}
CHEAP = 200_000


def trial_gamma_max(trial: TrainingTrial) -> float:
    """Return γ_max of a trial's problem, computed once; 0 where no neuron ever pays.

    Raises
    ------
    InputError: see :func:`load_problem`.
    """
    key = trial.problem_key
    if key not in _LARGEST:
        _LARGEST[key] = searched_gamma_max(load_problem(trial)[1])
    return _LARGEST[key]


def store_gamma_max(trials: Iterable[TrainingTrial], shared: Path) -> None:
    """Write γ_max of every problem into a folder that trials share, where it is not there and takes seconds at most."""
    folder = shared / GAMMA_MAX
    for trial in {trial.problem_key: trial for trial in trials}.values():
        path = folder / trial.problem_key
        if path.exists():
            continue
        # What is wrong with the data each trial says for itself.
        with contextlib.suppress(SdprelaxError, ArithmeticError, np.linalg.LinAlgError):
            if trial.problem_key in _LARGEST or load_problem(trial)[1].inputs.size <= CHEAP:
                folder.mkdir(exist_ok=True)
                write_whole(path, repr(trial_gamma_max(trial)).encode())


# Folder of numbers, one file for each problem's key.
GAMMA_MAX = "gamma_max"


def _stored_gamma_max(trial: TrainingTrial, shared: Path) -> float | None:
    """Return what :func:`store_gamma_max` wrote, if it did."""
    try:
        return float((shared / GAMMA_MAX / trial.problem_key).read_text())
    except (OSError, ValueError):
        return None


# The first versions of what trials had before there were others; they are not written down.
FIRST = {"loss squared": "1", "activation relu": "1"}


def training_versions(
    dataset: str, method: str, chosen: Method, loss: str = "squared", activation: str = "relu"
) -> dict[str, str]:
    """Return the version of everything that determines a trial's result beside its options.

    Raised by one, a version runs the trials that it is in once more, and no others.

    Parameters
    ----------
    chosen: the method ``method`` with its options.
    """
    named: list[tuple[Registry[Any], str]] = [(datasets, dataset), (losses, loss), (activations, activation)]
    said = {f"{registry.kind} {name}": registry.version(name) for registry, name in named}
    proof = {"proof": str(PROOF_VERSION)} if getattr(chosen, "proves", True) else {}
    usual = {name: version for name, version in said.items() if FIRST.get(name) != version}
    return {**usual, **methods.versions(method, chosen), **proof}


def _predictor_files(outcome: Outcome) -> list[tuple[str, str, Predictor]]:
    """Return name, file and predictor of everything that an outcome predicts with, what the row speaks of first."""
    others = [(name, f"predictor-{k}.npz", one) for k, (name, one) in enumerate(outcome.predictors.items(), start=1)]
    network = [] if outcome.network is None else [("network", "network.npz", outcome.network)]
    return [*network, *others] if outcome.judged_by_network else [*others, *network]


@functools.lru_cache(maxsize=4)
def _load(dataset: str, options: str, digest: str) -> Dataset:
    source = datasets.create(dataset, json.loads(options))
    if hasattr(source, "digest") and source.digest() != digest:
        raise InputError("the data file has changed since the sweep was planned.")
    return source.load()


def load_problem(trial: TrainingTrial) -> tuple[Dataset, Problem]:
    """Return a trial's data, with targets as its loss takes them, and the training problem on it.

    Raises
    ------
    InputError: the data cannot be read, are not finite numbers of fitting shapes, are none that the loss takes, or are
        not what they were.
    """
    data = _load(trial.dataset, json.dumps(trial.dataset_options, sort_keys=True), trial.dataset_digest)
    loss = losses.create(trial.loss, trial.loss_options)
    data = _with_targets_for(loss, data, trial)
    return data, Problem(
        data.X, data.Y, trial.gamma, trial.bias, queries=data.X_test, loss=loss, offset=trial.offset,
        activation=activations.create(trial.activation, trial.activation_options), class_weight=trial.class_weight,
        penalise_bias=trial.penalise_bias,
    )  # fmt: skip


def _with_targets_for(loss: Loss, data: Dataset, trial: TrainingTrial) -> Dataset:
    """Return the data with targets as the loss takes them; the same, where it takes these.

    Raises
    ------
    InputError: numbers for a loss of classes, or whole numbers that were taken for classes for a loss of counts.
    """
    if loss.targets == "numbers":
        return data
    task = trial.dataset_options.get("task")
    whole = data.classes is not None and all(name.isdecimal() for name in data.classes)
    if loss.targets == "counts" and task == "auto" and whole:
        raise InputError(
            f"the target's whole numbers were taken for classes, and loss '{trial.loss}' takes counts; write task: "
            "regression if they are counts, task: classification if they are classes."
        )
    try:
        Y_test = None if data.Y_test is None else targets_for(loss, data.Y_test)
        return dataclasses.replace(data, Y=targets_for(loss, data.Y), Y_test=Y_test)
    except InputError:
        distributions = data.Y.shape[1] > 1 and np.all((data.Y >= 0.0) & (data.Y <= 1.0))
        if data.classes is not None or loss.targets == "counts" or distributions:
            raise
        otherwise = "" if task is None else "write task: classification if they are classes, or "
        raise InputError(
            f"the target holds numbers and not classes, which loss '{trial.loss}' takes; {otherwise}take a loss of "
            "numbers, such as squared or huber."
        ) from None


@functools.lru_cache(maxsize=4)
def data_digest(data: Dataset) -> str:
    """Return the SHA-256 of the arrays, test part and shapes included."""
    found = hashlib.sha256()
    for array in (part for part in (data.X, data.Y, data.X_test, data.Y_test) if part is not None):
        found.update(str(array.shape).encode())
        found.update(np.ascontiguousarray(array, dtype=np.float64).tobytes())
    return found.hexdigest()


def _witnessed(outcome: Outcome) -> Outcome:
    """Return an outcome whose bounds have their witnesses.

    Raises
    ------
    SdprelaxError: one has none, or is not a finite number; such a bound is not published.
    """
    for name, bound, witness, kind in (
        ("lower", outcome.lower, outcome.certificate, Certificate), ("upper", outcome.upper, outcome.network, Network),
    ):  # fmt: skip
        if bound is None:
            continue
        if not (isinstance(bound, (float, int, np.floating)) and math.isfinite(bound)):
            raise SdprelaxError(f"the method returned the {name} bound {bound!r}, which is not a finite number.")
        if not isinstance(witness, kind):
            article, witness_name = "a" if name == "lower" else "an", kind.__name__.lower()
            raise SdprelaxError(
                f"the method returned {article} {name} bound without the {witness_name} that proves it."
            )
    lower, certificate = outcome.lower, outcome.certificate
    if lower is not None and certificate is not None and lower != certificate.lower:
        raise SdprelaxError(
            f"the method returned the lower bound {lower!r} and a certificate of {certificate.lower!r}."
        )
    said = sorted({*PROGRAM} & outcome.details.keys())
    if said and outcome.program is None:
        raise SdprelaxError(
            f"the method returned {', '.join(said)} without the certificate that proves a program's value."
        )
    for called, predictor in outcome.predictors.items():
        if not is_registered(predictor):
            raise SdprelaxError(
                f"the method's predictor '{called}' cannot be stored: register {type(predictor).__name__} "
                "with sdprelax.networks.register_predictor."
            )
    return outcome


def _with_papers_choice(outcome: Outcome, data: Dataset) -> Outcome:
    """Return an outcome that offers the paper's network too: of the candidates the one best on the test set."""
    if not outcome.candidates or data.X_test is None or data.Y_test is None or data.classes is None:
        return outcome
    X, Y = data.X_test, data.Y_test
    chosen = max(outcome.candidates, key=lambda network: paper_accuracy(network.predict(X), Y)[0])
    return dataclasses.replace(outcome, predictors={**outcome.predictors, "iterate best on the test set": chosen})


# How a trial can end.
STATUSES = (*get_args(Status), "timeout", "out of memory", "too large", "unavailable", "error")
# Details that stand for what the certificate of a program proves.
PROGRAM = ("value", "dual_value", "program_gap")
# What is said of every predictor.
EVALUATED = (
    "objective", *(f"{part}_{name}" for part in ("train", "test") for name in METRICS), "paper_accuracy",
    "paper_threshold",
)  # fmt: skip
# What is said too where the loss is not the squared one.
MEANS = ("train_loss", "test_loss")


def evaluate(predictor: Predictor, problem: Problem, data: Dataset, protocol: str) -> dict[str, float | None]:
    """Return what a record says of a predictor: a network's objective, proved, and metrics on training and test data.

    Where the loss is not the squared one, its mean over the samples, unweighted, is said too; and where it does not
    fit numbers, no RMSE.

    Parameters
    ----------
    protocol: "paper" also evaluates as Prakhya, Birdal and Yurtsever 2025 did, on the test set
        (:func:`sdprelax.networks.paper_accuracy`).
    """
    squared = losses.called(problem.loss.unweighted) == "squared"
    found: dict[str, float | None] = dict.fromkeys(EVALUATED if squared else (*EVALUATED, *MEANS))
    if isinstance(predictor, Network):
        found["objective"] = problem.upper_bound(predictor)
    for part, X, Y in (("train", data.X, data.Y), ("test", data.X_test, data.Y_test)):
        if X is None or Y is None:
            continue
        predicted = np.asarray(predictor.predict(X))
        if predicted.shape != Y.shape:
            raise SdprelaxError(f"it predicts outputs of shape {predicted.shape}, and the targets have {Y.shape}.")
        measured = metrics(predicted, Y, classification=data.classes is not None)
        if problem.loss.targets != "numbers":
            measured["rmse"] = None
        if not squared:
            measured["loss"] = problem.loss.unweighted.value(predicted, Y) / len(Y)
        found |= {f"{part}_{name}": value for name, value in measured.items()}
        if part == "test" and protocol == "paper" and data.classes is not None:
            found["paper_accuracy"], found["paper_threshold"] = paper_accuracy(predicted, Y)
    return found
