"""Proves the bounds of a study's students anew, from the activations as they are stored."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from sdprelax.certificate import Gates, relative_gap
from sdprelax.deadline import Deadline
from sdprelax.distillation import FLAT
from sdprelax.distillation.activations import ActivationStore, collect
from sdprelax.distillation.study.run_store import RunStore
from sdprelax.distillation.study.runs import sampled
from sdprelax.errors import InputError
from sdprelax.gated_training import Penalty
from sdprelax.out_of_core.neurons import Neurons
from sdprelax.out_of_core.proof import prove
from sdprelax.verified import Floats

__all__ = ["Verified", "is_study", "verify_study"]

# A sum in another order differs by rounding errors.
TOLERANCE = 1e-9
NEEDED = ("directions", "skip", "weights", "student_weights", "gamma", "penalty")


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
    """Yield what came of every run that has a certificate.

    Parameters
    ----------
    deadline: the time after which no further run is looked at; those left are one row.
    """
    store, until = RunStore(folder), deadline or Deadline()
    records = list(store.records())
    for number, record in enumerate(records):
        if until.expired:
            late = f"they were not verified within {until.seconds:g} seconds; allow more with --time-limit."
            yield Verified("the rest", f"{len(records) - number} runs", None, None, (late,))
            return
        path = store.runs / record["hash"]
        if not (path / "certificate.npz").is_file():
            if all(record.get(name) is None for name in ("lower", "upper", "program_gap")):
                continue
            yield _fault(record, "its certificate is not there.")
            continue
        try:
            yield _verified(store, record, path)
        except InputError as error:
            yield _fault(record, str(error))
        except (ArithmeticError, KeyError, TypeError, ValueError, np.linalg.LinAlgError):
            yield _fault(record, "its record, its certificate or its activations are damaged.")


def _fault(record: dict[str, Any], sentence: str) -> Verified:
    return Verified(record["hash"], _words(record), None, None, (sentence,))


def _words(record: dict[str, Any]) -> str:
    whose = f"{record['block']}, {record['distiller']}".removeprefix(", ")
    return f"{whose}, fraction {record['fraction']:g}, repeat {record['repeat']}"


def _verified(store: RunStore, record: dict[str, Any], path: Path) -> Verified:
    from sdprelax.distillation.students import load_student

    certificate, student = _certificate(path / "certificate.npz"), load_student(path / "student.npz")
    activations = _activations(store, record)
    samples = sampled(activations.samples, record["fraction"], record["seed"])
    rows = activations.rows(student.layout, samples)
    gates = Gates(certificate["directions"], bool(certificate["skip"]))
    gamma, penalty = float(certificate["gamma"]), str(certificate["penalty"])
    if penalty not in get_args(Penalty):
        raise InputError(f"its certificate has the penalty '{penalty}', which is none.")
    program, fitted = (
        prove(rows, gates, certificate[name], gamma, penalty)  # type: ignore[arg-type]
        for name in ("weights", "student_weights")
    )
    faults = []
    if len(samples) != record["samples"]:
        faults.append(f"it was fitted to {record['samples']} samples, and there are {len(samples)} of its fraction.")
    if not _close(gamma, record["details"]["gamma"]):
        faults.append(f"it is said to be of γ = {record['details']['gamma']!r}, and its certificate has {gamma!r}.")
    if _exceeds(record["lower"], program.lower):
        faults.append(f"the lower bound {record['lower']!r} exceeds {program.lower!r}, which is what can be proved.")
    if _exceeds(fitted.upper, record["upper"]):
        faults.append(f"the upper bound {record['upper']!r} is below {fitted.upper!r}, which is what can be proved.")
    gap = relative_gap(record["lower"], record["upper"])
    if not abs(gap - record["gap"]) <= TOLERANCE:
        faults.append(f"the gap {record['gap']!r} is not that of its bounds, {gap!r}.")
    if not program.gap <= record["program_gap"] + TOLERANCE:
        faults.append(f"the gap {record['program_gap']!r} is below {program.gap!r}, which is what can be proved.")
    weights = _student_weights(student, gates)
    if weights is None or not np.allclose(weights, certificate["student_weights"], rtol=1e-12, atol=0.0):
        faults.append("the student that is stored is not the one whose bound is proved.")
    return Verified(record["hash"], _words(record), program.lower, fitted.upper, tuple(faults))


def _certificate(path: Path) -> dict[str, NDArray[Any]]:
    try:
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name] for name in NEEDED}
    except Exception:
        # A damaged archive fails in zlib, zipfile or NumPy, each with errors of its own.
        raise InputError(f"{path} is damaged, or proves nothing that is known here.") from None


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
    return collect(_nothing, (), folder, identity=record["activations"], layout_options=FLAT)


def _nothing(batch: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    raise AssertionError("a finished store needs no batches")


def _close(one: float, other: float) -> bool:
    return abs(one - other) <= TOLERANCE * abs(other)


def _exceeds(one: float, other: float) -> bool:
    # What is not a number exceeds everything.
    return not one <= other + TOLERANCE * abs(other)


def _student_weights(student: Any, gates: Gates) -> Floats | None:
    """Return a gated student's W, shape (c, d, m), over the certificate's gates; None if it has others."""
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
    found = Neurons(of[np.asarray(student.gate_of)], inner, outer, of[np.asarray(student.full_gate_of)], full)
    return found.weights(gates.count)
