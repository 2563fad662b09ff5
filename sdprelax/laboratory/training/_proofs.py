"""Proves the bounds of a training trial again, and evaluates its predictors, on data loaded anew."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from sdprelax.base import Ball, Deadline, SdprelaxError
from sdprelax.certificate import Certificate, load_program, verify, verify_program
from sdprelax.datasets import Dataset, datasets
from sdprelax.laboratory._modules import UNTRUSTED
from sdprelax.laboratory.training._trial import (
    EVALUATED,
    MEANS,
    PROGRAM,
    SETTING,
    STATUSES,
    TrainingTrial,
    data_digest,
    evaluate,
    load_problem,
)
from sdprelax.methods import methods
from sdprelax.networks import Network, activations, bare_network, called, load_pipeline
from sdprelax.problem import Problem, freedom, losses
from sdprelax.training import relative_gap

__all__ = ["examine_record"]

# What another machine's rounding may change, relatively.
SAME = 1e-9


def examine_record(
    trial: TrainingTrial, folder: Path, record: dict[str, Any], deadline: Deadline
) -> tuple[int, list[str], list[str]]:
    """Return how many bounds of a record were proved, what is wrong with it, and what could not be looked at.

    What is called proved or attained is proved and attained again, and measures of predictors are measured again:
    ``sdprelax.laboratory.training._tables.ORIGINS`` says of every column which it is, and what a record merely reports.
    """
    faults, notes = [], list[str]()
    said = {"gamma": trial.gamma, "bias": trial.bias, "repeat": trial.repeat, "dataset": trial.dataset_label,
            "method": trial.method_label, "gap": relative_gap(record["lower"], record["upper"])}  # fmt: skip
    if trial.method not in methods and str(record["method"]).partition("(")[0] == trial.method:
        del said["method"]
        notes.append(f"its method '{trial.method}' is {UNTRUSTED}.")
    for registry, name in ((datasets, trial.dataset), (losses, trial.loss), (activations, trial.activation)):
        if name not in registry:
            return 0, [f"its {registry.kind} '{name}' is {UNTRUSTED}."], notes
    said |= {name: trial.setting.get(name) for name in SETTING}
    faults += [f"it says {key} {record.get(key)!r}, and that is {value!r}." for key, value in said.items()
               if record.get(key) != value]  # fmt: skip
    bounds, wrong = _prove(folder, record, trial, deadline)
    return bounds, faults + wrong, notes


def _prove(folder: Path, record: dict[str, Any], trial: TrainingTrial, deadline: Deadline) -> tuple[int, list[str]]:
    """Prove the bounds of a record anew, from the data and what lies beside it."""
    lower, upper = record["lower"], record["upper"]
    if record["data_digest"] is None:
        said = [key for key in ("lower", "upper", "n", "width", *EVALUATED[1:], *MEANS) if record.get(key) is not None]
        faults = [f"it ended before its data were loaded, and says {key} {record[key]!r}." for key in said]
        return 0, faults + _misfiled(folder, [entry["file"] for entry in record["predictors"]])
    data, problem = load_problem(trial)
    faults, bounds = [], 0
    if data_digest(data) != record["data_digest"]:
        faults.append("its data, loaded anew, are not those that it was run on.")
    if (record["n"], record["d"], record["c"]) != problem.shape:
        faults.append(f"it says n, d, c = {record['n']}, {record['d']}, {record['c']}; the data have {problem.shape}.")
    if lower is not None:
        wrong = _examine_lower(folder, lower, problem, deadline)
        faults, bounds = faults + wrong, bounds + (not wrong)
    elif (folder / "certificate.npz").is_file():
        faults.append("it says no lower bound, and a certificate lies beside it.")
    if upper is not None:
        wrong = _examine_upper(folder, record, problem)
        faults, bounds = faults + wrong, bounds + (not wrong)
    wrong = _examine_program(folder, record, trial, problem, deadline)
    faults, bounds = faults + wrong, bounds + 2 * (not wrong and "value" in record["details"])
    faults += _examine_predictors(folder, record, trial, data, problem)
    faults += _examine_status(record, trial)
    if lower is not None and upper is not None and lower > upper:
        faults.append(f"its lower bound {lower!r} exceeds its upper bound {upper!r}: that is a bug.")
    return bounds, faults


def _examine_lower(folder: Path, lower: float, problem: Problem, deadline: Deadline) -> list[str]:
    """Prove a lower bound anew: it is what its certificate claims, and no less than that proves."""
    try:
        certificate = Certificate.load(folder / "certificate.npz")
        proved = verify(problem, certificate, deadline)
    except SdprelaxError as error:
        return [f"its lower bound is not proved: {error}"]
    if lower != certificate.lower:
        return [f"it says lower bound {lower!r}, and its certificate claims {certificate.lower!r}."]
    if not lower <= proved <= lower + SAME * abs(lower) + _held_back(problem, certificate, proved):
        return [f"it says lower bound {lower!r}, and its certificate proves {proved!r}."]
    return []


def _held_back(problem: Problem, certificate: Certificate, proved: float) -> float:
    """Return by how much, at most, a bound is published below what is proved: of free biases (:meth:`Units.lower`)."""
    if problem.penalise_bias:
        return 0.0
    lost = 1.0 - 1.0 / freedom(Ball.exact(problem.X), certificate.column)
    return lost * (proved - problem.loss.dual_value(np.zeros_like(problem.Y), problem.Y))


def _examine_upper(folder: Path, record: dict[str, Any], problem: Problem) -> list[str]:
    """Evaluate a network anew: the upper bound is what it attains."""
    upper, faults = record["upper"], []
    try:
        network = bare_network(folder / "network.npz")
        attained = problem.attained(network)
    except SdprelaxError as error:
        return [f"its upper bound is not attained: {error}"]
    if not _just_above(upper, attained):
        faults.append(f"it says upper bound {upper!r}, and its network attains {attained!r}.")
    if record["width"] != network.width:
        faults.append(f"it says width {record['width']!r}, and its network has {network.width!r}.")
    return faults


def _examine_program(
    folder: Path, record: dict[str, Any], trial: TrainingTrial, problem: Problem, deadline: Deadline
) -> list[str]:
    """Prove the optimum of the program that a method solved anew: the details say what its certificate claims."""
    path, details = folder / "certificate-program.npz", record["details"]
    said = {key: details[key] for key in PROGRAM if key in details}
    if not path.is_file():
        return [
            f"it says {key} {value!r}, and no certificate of a program lies beside it." for key, value in said.items()
        ]
    try:
        certificate = load_program(path)
        lower, upper = verify_program(problem, certificate, deadline)
    except SdprelaxError as error:
        return [f"the value of its program is not proved: {error}"]
    claimed = certificate.details(problem)
    faults = [f"it says {key} {said.get(key)!r}, and the certificate of its program claims {value!r}."
              for key, value in claimed.items() if said.get(key) != value]  # fmt: skip
    method = methods.create(trial.method, trial.method_options) if trial.method in methods else None
    if not getattr(method, "certifies", lambda problem, program: True)(problem, certificate):
        faults.append("the certificate beside it is of another program than the method's options say.")
    if not (_just_above(certificate.value, upper) and _just_above(lower, certificate.dual_value)):
        faults.append(
            f"its certificate claims that its program's optimum is between {certificate.dual_value!r} and "
            f"{certificate.value!r}, and proves {lower!r} and {upper!r}."
        )
    return faults


def _examine_status(record: dict[str, Any], trial: TrainingTrial) -> list[str]:
    """Hold "solved" against the gap that the method says is then within its tolerance."""
    if record["status"] not in STATUSES:
        return [f"it says status {record['status']!r}, which is none."]
    method = methods.create(trial.method, trial.method_options) if trial.method in methods else None
    closes = getattr(method, "closes", None)
    if record["status"] != "solved" or closes is None:
        return []
    gap, tolerance = record["gap"] if closes == "gap" else record["details"].get(closes), vars(method)["tolerance"]
    if gap is not None and gap <= tolerance:
        return []
    return [f"it says that it is solved, and its {closes.replace('_', ' ')} {gap!r} is not within {tolerance!r}."]


def _just_above(more: float, less: float) -> bool:
    """Say whether a bound is another one or above it by no more than other machines' rounding."""
    return less <= more <= less + SAME * abs(less)


def _differs(said: float | None, found: float | None) -> bool:
    """Say whether a figure is another than found now; sums of another machine may differ in their last digits."""
    return said != found if said is None or found is None else not math.isclose(said, found, rel_tol=SAME)


def _examine_predictors(
    folder: Path, record: dict[str, Any], trial: TrainingTrial, data: Dataset, problem: Problem
) -> list[str]:
    """Evaluate everything that a trial predicts with again, and say what came out differently."""
    said = record["predictors"]
    faults, measured = _misfiled(folder, [entry["file"] for entry in said]), (*EVALUATED, *MEANS)
    for index, entry in enumerate(said):
        path = folder / Path(entry["file"]).name
        try:
            if called(path) != entry["name"]:
                faults.append(f"it says that {path.name} is '{entry['name']}', and that is '{called(path)}'.")
            stored = load_pipeline(path)
            figures = evaluate(stored.predictor, problem, data, trial.protocol)
        except SdprelaxError as error:
            faults.append(f"its predictor '{entry['name']}' is lost: {error}")
            continue
        if stored.carried() != data.pipeline(stored.predictor).carried():
            faults.append(f"its predictor '{entry['name']}' prepares its inputs in another way than its data were.")
        faults += [f"it says {key} {entry.get(key)!r} of '{entry['name']}', which has {value!r}."
                   for key in measured if _differs(entry.get(key), value := figures.get(key))]  # fmt: skip
        network = stored.predictor
        if isinstance(network, Network) and not entry["objective"] >= (attained := problem.attained(network)):
            faults.append(f"it says objective {entry['objective']!r} of '{entry['name']}', which attains {attained!r}.")
        if index == 0:
            faults += [f"it says {key} {record.get(key)!r}, and its predictor has {value!r}."
                       for key in measured[1:] if _differs(record.get(key), value := figures.get(key))]  # fmt: skip
    return faults


def _misfiled(folder: Path, listed: list[str]) -> list[str]:
    """Say whether a record lists the predictors that lie beside it, what its row speaks of first."""
    there = [path.name for path in (folder / "network.npz", *folder.glob("predictor-*.npz")) if path.is_file()]
    if sorted(listed) != sorted(there):
        return [
            f"it lists the predictors {', '.join(listed) or 'none'}, and {', '.join(there) or 'none'} lie beside it."
        ]
    if "network.npz" in listed:
        speaks = bare_network(folder / "network.npz").width > 0 or len(listed) == 1
        if speaks != (listed[0] == "network.npz"):
            return ["its row speaks of another predictor than it should."]
    return []
