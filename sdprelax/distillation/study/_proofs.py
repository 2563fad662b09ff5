"""Proves the bounds of a student again, from the activations as they are stored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sdprelax.base import Deadline, Floats, InputError, first_line, read_arrays
from sdprelax.certificate import Gates, GroupCertificate, program_gap_of, verify_residual
from sdprelax.distillation._activations import ActivationStore, collect_activations
from sdprelax.distillation.distillers import distillers
from sdprelax.distillation.study._trial import CANDIDATES, METRIC, DistillationTrial, activations_folder, sampled
from sdprelax.laboratory import UNTRUSTED
from sdprelax.lasso import GatedNeurons, MappedRows, Rows

__all__ = ["examine_student"]

# What another machine's rounding may change, relatively.
SAME = 1e-9


def examine_student(
    trial: DistillationTrial, folder: Path, record: dict[str, Any], shared: Path, deadline: Deadline
) -> tuple[int, list[str], list[str]]:
    """Return how many bounds were proved, what is wrong with a record, and what could not be looked at.

    Bounds, gaps and the student's parameters must be what the certificates and the student say; accuracies, errors,
    latencies and seconds are reported by the trial, and nothing here proves them.
    """
    said = {"block": trial.block or "", "fraction": trial.fraction, "repeat": trial.repeat, "seed": trial.seed}
    notes = []
    if trial.distiller in distillers:
        said["distiller"] = trial.method_label
    else:
        notes.append(f"its distiller '{trial.distiller}' is {UNTRUSTED}.")
    faults = [f"it says {key} {record[key]!r}, and that is {value!r}." for key, value in said.items()
              if record[key] != value]  # fmt: skip
    if (folder / "certificate.npz").is_file():
        bounds, wrong = _prove(trial, folder, record, shared, deadline)
        return bounds, faults + wrong, notes
    if any(record[name] is not None for name in ("lower", "upper", "gap", "program_gap")):
        faults.append("its certificate is not there.")
    return 0, faults, notes


def _prove(
    trial: DistillationTrial, folder: Path, record: dict[str, Any], shared: Path, deadline: Deadline
) -> tuple[int, list[str]]:
    """Prove the optimum of a convex program, and the objective of the student that stands for it."""
    from sdprelax.distillation._students import load_student

    student = load_student(folder / "student.npz")
    program, fitted = (GroupCertificate.load(folder / name) for name in ("certificate.npz", "certificate-student.npz"))
    activations = _activations(trial, shared)
    samples = sampled(activations.samples, trial.fraction, trial.seed)
    rows: Rows = activations.rows(student.layout, samples)
    root = _root(folder / METRIC, rows.shape[2], float(trial.options.get("jacobian", 0.0)))
    if root is not None:
        rows = MappedRows(rows, root)
    optimum, objective = (
        verify_residual(one, rows.shape, ((block.inputs, block.targets) for block in rows.blocks()), deadline)
        for one in (program, fitted)
    )
    details, gates = record["details"], program.design
    if not isinstance(gates, Gates) or not isinstance(fitted.design, Gates) or not _same_program(program, fitted):
        return 0, ["its two certificates are not of one gated program."]
    said = {
        "samples": (record["samples"], len(samples)), "gamma": (details["gamma"], program.gamma),
        "lower": (record["lower"], program.dual_value), "upper": (record["upper"], fitted.value),
        "gap": (record["gap"], program_gap_of(program.dual_value, fitted.value)),
        "program_gap": (record["program_gap"], program_gap_of(program.dual_value, program.value)),
        "program_upper": (details["program_upper"], program.value),
        "parameters": (record["parameters"], student.parameter_count),
    }  # fmt: skip
    faults = [f"it says {key} {claim!r}, and that is {value!r}." for key, (claim, value) in said.items()
              if claim != value]  # fmt: skip
    if program.dual_value < optimum.lower * (1.0 - SAME) or program.value > optimum.upper * (1.0 + SAME):
        faults.append(f"its program's optimum is proved to be {optimum.lower!r} to {optimum.upper!r}, not as said.")
    if fitted.value > objective.upper * (1.0 + SAME):
        faults.append(f"its student attains {objective.upper!r}, and its certificate claims {fitted.value!r}.")
    weights = _student_weights(student, gates)
    if weights is None or not _same_weights(weights, root, fitted.whole_weights()):
        faults.append("the student that is stored is not the one whose bound is proved.")
    bounds = 3
    if (folder / CANDIDATES).is_file() or "candidates_lower" in details:
        faults, bounds = faults + _candidates_faults(folder, details, program, rows, deadline), bounds + 1
    return 0 if faults else bounds, faults


def _candidates_faults(
    folder: Path, details: dict[str, Any], program: GroupCertificate, rows: Rows, deadline: Deadline
) -> list[str]:
    """Return what is wrong with the bound of the program over all candidates, from which the gates were chosen."""
    if not (folder / CANDIDATES).is_file():
        return ["its certificate over all candidates is not there."]
    whole = GroupCertificate.load(folder / CANDIDATES)
    proved = verify_residual(whole, rows.shape, ((block.inputs, block.targets) for block in rows.blocks()), deadline)
    if not isinstance(whole.design, Gates) or not _among(program, whole):
        return ["its certificate over all candidates is not of candidates that its gates are among."]
    said = {
        "candidates": (details.get("candidates"), whole.design.directions.shape[1]),
        "candidates_lower": (details.get("candidates_lower"), whole.dual_value),
        "candidates_gap": (details.get("candidates_gap"), program_gap_of(whole.dual_value, program.value)),
    }  # fmt: skip
    faults = [f"it says {key} {claim!r}, and that is {value!r}." for key, (claim, value) in said.items()
              if claim != value]  # fmt: skip
    if whole.dual_value < proved.lower * (1.0 - SAME):
        faults.append(f"the optimum over all candidates is proved to be at least {proved.lower!r}, not as said.")
    return faults


def _among(program: GroupCertificate, whole: GroupCertificate) -> bool:
    """Say whether the gates of a program are among those of another one that is otherwise the same."""
    a, b = vars(program.design), vars(whole.design)
    columns = {direction.tobytes() for direction in b["directions"].T}
    held = all(direction.tobytes() in columns for direction in a["directions"].T)
    same = program.gamma == whole.gamma and program.penalty == whole.penalty and a["skip"] == b["skip"]
    return bool(held and same)


def _same_program(one: GroupCertificate, other: GroupCertificate) -> bool:
    """Say whether two certificates over gates are of one program."""
    a, b = vars(one.design), vars(other.design)
    same = np.array_equal(a["directions"], b["directions"]) and a["skip"] == b["skip"]
    return bool(same and one.gamma == other.gamma and one.penalty == other.penalty)


def _root(path: Path, outputs: int, share: float) -> Floats | None:
    """Return the root of the outputs' metric, shape (c, c); None where outputs are taken as they are.

    Parameters
    ----------
    share: of the Jacobian in it, as the trial's options say. Any (1 − s)·I + s·M with M of trace c is taken, as the
        teacher that M is of is not at hand.

    Raises
    ------
    InputError: the file holds no such matrix, or is there without a share, or is not there.
    """
    if path.is_file() != (share > 0.0):
        missing = "is there, and its outputs are to be taken as they are" if not share else "is not there"
        raise InputError(f"{path} {missing}: its option jacobian is {share:g}.")
    if not share:
        return None
    try:
        root = read_arrays(path)["root"].astype(np.float64)
        if root.shape != (outputs, outputs) or not np.all(np.isfinite(root)):
            raise ValueError(f"it must hold a matrix {outputs}×{outputs} of finite numbers")
    except Exception as error:
        # A damaged archive fails in zlib, zipfile or NumPy, each with errors of its own.
        raise InputError(f"{path} is not a readable metric: {first_line(error)}.") from None
    metric = root @ root
    least = float(np.linalg.eigvalsh(metric)[0]) if np.array_equal(root, root.T) else -np.inf
    if not (least >= (1.0 - share) - SAME * outputs and abs(np.trace(metric) - outputs) <= SAME * outputs):
        raise InputError(
            f"{path} is no metric of the option jacobian {share:g}: its root must be symmetric, and the metric of "
            f"trace {outputs} with no eigenvalue below {1.0 - share:g}."
        )
    return root


def _same_weights(weights: Floats, root: Floats | None, claimed: Floats) -> bool:
    """Say whether weights, times the root of a metric where there is one, are what a certificate has."""
    if root is None:
        return np.allclose(weights, claimed, rtol=1e-12, atol=0.0)
    # Where the products cancel, another machine's sums differ by roundings of what cancels.
    least = 4.0 * np.finfo(float).eps * float(np.max(np.abs(weights) @ np.abs(root), initial=0.0))
    return np.allclose(weights @ root, claimed, rtol=1e-12, atol=least)


def _activations(trial: DistillationTrial, shared: Path) -> ActivationStore:
    """Return the activations that a student was fitted to.

    Raises
    ------
    InputError: they are not there, not whole, or those of others.
    """
    folder = activations_folder(shared, trial.block)
    if not (folder / "store.json").is_file():
        raise InputError(f"there are no activations in {folder}.")
    # A finished store is returned as it is.
    return collect_activations(_nothing, (), folder, identity=trial.activations)


def _nothing(batch: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    raise InputError("its activations are not whole.")


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
