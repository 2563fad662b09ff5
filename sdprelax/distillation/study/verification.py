"""Proves the bounds of a study's students anew, from the activations as they are stored."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sdprelax.base import Deadline, Floats, InputError, SdprelaxError
from sdprelax.certificate import Gates, GroupCertificate, relative_gap, verify_residual
from sdprelax.distillation._activations import ActivationStore, collect_activations
from sdprelax.distillation.distillers import distillers
from sdprelax.distillation.study.run_store import RunStore
from sdprelax.distillation.study.runs import run_hash, sampled
from sdprelax.laboratory import described, flat_options
from sdprelax.lasso import GatedNeurons

__all__ = ["Verified", "is_study", "verify_study"]

# What another machine's rounding may change, relatively.
SAME = 1e-9


@dataclass(frozen=True)
class Verified:
    """What came of proving one run's bounds again.

    Attributes
    ----------
    hash: the run.
    run: the same in words.
    lower, upper: bounds proved now: of the convex program's optimum, and of the student's objective; None where the
        proof was not reached.
    faults: sentences on what does not hold.
    """

    hash: str
    run: str
    lower: float | None
    upper: float | None
    faults: tuple[str, ...]


def is_study(folder: Path) -> bool:
    """Say whether this is a study's folder."""
    return (folder / "runs").is_dir() and (folder / "activations").is_dir()


def verify_study(folder: Path, deadline: Deadline | None = None) -> Iterator[Verified]:
    """Yield what came of every run that has a certificate, and of every one that is another than its name stands for.

    Bounds, gaps and the student's parameters must be what the certificates and the student say; accuracies, errors,
    latencies and seconds are reported by the run, and nothing here proves them.

    Parameters
    ----------
    deadline: the time after which no further run is looked at; those left are one row.
    """
    store, until = RunStore(folder), deadline or Deadline()
    records = list(store.records())
    for number, record in enumerate(records):
        path = store.runs / record["hash"]
        try:
            if (path / "certificate.npz").is_file():
                yield _verified(store, record, path, until)
                continue
            faults = _identity_faults(record)
            if any(record.get(name) is not None for name in ("lower", "upper", "gap", "program_gap")):
                faults.append("its certificate is not there.")
            if faults:
                yield Verified(record["hash"], _words(record), None, None, tuple(faults))
        except SdprelaxError as error:
            if until.expired:
                late = f"they were not verified within {until.seconds:g} seconds; allow more with --time-limit."
                yield Verified("the rest", f"{len(records) - number} runs", None, None, (late,))
                return
            yield _fault(record, str(error))
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
            yield _fault(record, "its record, its certificate or its activations are damaged.")


def _fault(record: dict[str, Any], sentence: str) -> Verified:
    return Verified(record["hash"], _words(record), None, None, (sentence,))


def _words(record: dict[str, Any]) -> str:
    whose = f"{record['block']}, {record['distiller']}".removeprefix(", ")
    return f"{whose}, fraction {record['fraction']:g}, repeat {record['repeat']}"


def _verified(store: RunStore, record: dict[str, Any], path: Path, deadline: Deadline) -> Verified:
    from sdprelax.distillation._students import load_student

    student = load_student(path / "student.npz")
    program, fitted = (GroupCertificate.load(path / name) for name in ("certificate.npz", "certificate-student.npz"))
    activations = _activations(store, record)
    samples = sampled(activations.samples, record["fraction"], record["seed"])
    rows = activations.rows(student.layout, samples)
    optimum, objective = (
        verify_residual(one, rows.shape, ((block.inputs, block.targets) for block in rows.blocks()), deadline)
        for one in (program, fitted)
    )
    faults = _identity_faults(record)
    details, gates = record["details"], program.design
    if not isinstance(gates, Gates) or not isinstance(fitted.design, Gates) or not _same_program(program, fitted):
        return _fault(record, "its two certificates are not of one gated program.")
    said = {
        "samples": (record["samples"], len(samples)), "gamma": (details["gamma"], program.gamma),
        "lower": (record["lower"], program.dual_value), "upper": (record["upper"], fitted.value),
        "gap": (record["gap"], relative_gap(program.dual_value, fitted.value)),
        "program_gap": (record["program_gap"], relative_gap(program.dual_value, program.value)),
        "program_upper": (details["program_upper"], program.value),
        "parameters": (record["parameters"], student.parameter_count),
    }  # fmt: skip
    faults += [f"it says {key} {claim!r}, and that is {value!r}." for key, (claim, value) in said.items()
               if claim != value]  # fmt: skip
    if program.dual_value < optimum.lower * (1.0 - SAME) or program.value > optimum.upper * (1.0 + SAME):
        faults.append(f"its program's optimum is proved to be {optimum.lower!r} to {optimum.upper!r}, not as said.")
    if fitted.value > objective.upper * (1.0 + SAME):
        faults.append(f"its student attains {objective.upper!r}, and its certificate claims {fitted.value!r}.")
    weights = _student_weights(student, gates)
    if weights is None or not np.allclose(weights, fitted.whole_weights(), rtol=1e-12, atol=0.0):
        faults.append("the student that is stored is not the one whose bound is proved.")
    return Verified(record["hash"], _words(record), optimum.lower, objective.upper, tuple(faults))


def _same_program(one: GroupCertificate, other: GroupCertificate) -> bool:
    """Say whether two certificates over gates are of one program."""
    a, b = vars(one.design), vars(other.design)
    same = np.array_equal(a["directions"], b["directions"]) and a["skip"] == b["skip"]
    return bool(same and one.gamma == other.gamma and one.penalty == other.penalty)


def _identity_faults(record: dict[str, Any]) -> list[str]:
    """Say whether a run is another one than its name stands for: of another distiller, option, block or share."""
    name, options = record["name"], record["options"]
    if name not in distillers:
        return []  # a user's own, whose file was not executed
    faults = []
    everything = dataclasses.asdict(distillers.create(name, options))  # type: ignore[call-overload]
    found = run_hash(
        record["origin"], record["block"] or None, name, everything, record["fraction"], record["seed"]
    )  # fmt: skip
    if found != record["hash"]:
        faults.append("its block, distiller, options, fraction or seed are not those that its name stands for.")
    label = described(name, flat_options(options))
    if record["distiller"] != label:
        faults.append(f"it says distiller {record['distiller']!r}, and that is {label!r}.")
    return faults


def _activations(store: RunStore, record: dict[str, Any]) -> ActivationStore:
    """Return the activations that a run was fitted to.

    Raises
    ------
    InputError: they are not there, not whole, or those of others.
    """
    folder = store.activations(record["block"] or None)
    if not (folder / "store.json").is_file():
        raise InputError(f"there are no activations in {folder}.")
    # A finished store is returned as it is.
    return collect_activations(_nothing, (), folder, identity=record["activations"])


def _nothing(batch: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    raise AssertionError("a finished store needs no batches")


def _student_weights(student: Any, gates: Gates) -> Floats | None:
    """Return a gated student's W, shape (m, d, c), over the certificate's gates; None if it has others."""
    arrays = student.to_arrays()
    if "gates" not in arrays:
        return None
    place = {direction.tobytes(): k for k, direction in enumerate(gates.directions.T.astype(np.float32))}
    numbers = [place.get(gate.tobytes()) for gate in arrays["gates"].T.astype(np.float32)]
    if None in numbers:
        return None
    # Number −1, the gate that is always open, is the last one.
    of = np.array([*numbers, gates.count - 1], dtype=np.intp)
    inner, outer, full = (arrays[name].astype(np.float64) for name in ("inner", "outer", "full"))
    found = GatedNeurons(of[np.asarray(student.gate_of)], inner, outer, of[np.asarray(student.full_gate_of)], full)
    return found.weights(gates.count)
