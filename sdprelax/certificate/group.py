"""Proved optima of group programs: weights behind fixed gates, Lassos over fixed neurons.

    min over W_i (p×c) and t  ½‖ΣΦ_iW_i + 1tᵀ − Y‖² + γΣ‖W_i‖,     dual: max ⟨A, Y⟩ − ½‖A‖²  s.t. ‖Φ_iᵀA‖° ≤ γ, 1ᵀA = 0

(t and 1ᵀA = 0 with a free offset alone). Weights bound the optimum from above; from below does any A whose multiple
s ≥ 0 is feasible, by s⟨A, Y⟩ − ½s²‖A‖². Every term is a sum over samples, so that they are looked at block by block,
with all rounding errors bounded (docs/mathematics.md section 7.4). The optimum bounds p* only where a method says so.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, get_args

import numpy as np

from sdprelax import group_norms as norms
from sdprelax.certificate.build import PORTABLE
from sdprelax.certificate.designs import Design, Gates, Neurons, Ramps, doubtful
from sdprelax.certificate.verify import _number, _numbers, _require
from sdprelax.deadline import Deadline
from sdprelax.errors import CertificateError
from sdprelax.files import read_arrays
from sdprelax.group_norms import Penalty, flattened
from sdprelax.problem import Problem
from sdprelax.units import Units
from sdprelax.verified import Ball, Floats, bound_above, feasible_multiple, quadratic_below, require_ieee_arithmetic

__all__ = [
    "GroupBounds",
    "GroupCertificate",
    "GroupRows",
    "balanced",
    "formed",
    "group_bounds",
    "group_certificate",
    "relative_gap",
    "verify_group",
]

# Doubles of Φ formed at once.
FORMED = 4_000_000
# Upper bounds up to here are of an objective of zero; a value within this share of ½‖Y‖² is rounding.
UNDERFLOW, ROUNDING = 1e-280, 1e-15
# What ``verify_group`` takes: numbers of a certificate, in its units; products of two of which no float decides whether
# a gate is open; floating-point numbers of Φ.
LARGEST, MOST_DOUBTFUL, MOST_FEATURES = 2.0**400, 100_000, 10**12
DESIGNS: dict[str, type[Gates] | type[Neurons] | type[Ramps]] = {"gates": Gates, "neurons": Neurons, "ramps": Ramps}


class GroupRows(NamedTuple):
    """Some samples of a group program.

    Parameters
    ----------
    features: Φ, shape (b, m·p), group after group.
    targets: Y, shape (b, c).
    multiplier: A, shape (b, c); None for the residual of the weights.
    """

    features: Ball
    targets: Floats
    multiplier: Floats | None = None


@dataclass(frozen=True, eq=False)
class GroupBounds:
    """Proved bounds of a group program's optimum.

    Attributes
    ----------
    lower, upper: of the optimum.
    loss: a proved upper bound of ½‖ΣΦ_iW_i + 1tᵀ − Y‖².
    slopes: Φ_iᵀA of every group, in floating point, shape (c, p, m).
    norm: of the groups.
    """

    lower: float
    upper: float
    loss: float
    slopes: Floats
    norm: Penalty

    @property
    def gap(self) -> float:
        """(upper − lower)/upper: :func:`relative_gap`."""
        return relative_gap(self.lower, self.upper)

    @cached_property
    def steepness(self) -> Floats:
        """‖Φ_iᵀA‖° of every group, in floating point, shape (m,).

        A group without weights enters an optimum only if this exceeds γ.
        """
        return norms.steepness(self.slopes, self.norm)


def relative_gap(lower: float, upper: float, negligible: float = UNDERFLOW) -> float:
    """Return (upper − lower)/upper; 0 where the upper bound is no more than what is negligible."""
    return (upper - lower) / upper if upper > negligible else 0.0


def formed(width: int) -> int:
    """Return how many rows of so many features are formed at once."""
    return max(1, FORMED // max(width, 1))


def group_bounds(
    rows: Iterable[GroupRows], weights: Floats, gamma: float, penalty: Penalty, offset: Floats | None = None
) -> GroupBounds:
    """Return proved bounds of a group program's optimum, rounding errors included.

    Parameters
    ----------
    rows: all samples, in blocks.
    weights: W, shape (c, p, m).
    gamma: γ.
    penalty: the groups' norm.
    offset: t, shape (c,), where it is free; 1ᵀA = 0 is then the caller's to see to.
    """
    outputs, width, groups = weights.shape
    # Groups without weights predict nothing, and are not multiplied.
    used = np.flatnonzero(np.any(weights != 0.0, axis=(0, 1)))
    predicting = slice(None) if len(used) == groups else (used[:, None] * width + np.arange(width)).ravel()
    kept = Ball.exact(flattened(weights[:, :, used]))
    slopes = Ball.exact(np.zeros((groups * width, outputs)))
    along, energy, losses = np.zeros(outputs), np.zeros(outputs), np.zeros(outputs)
    for features, given, multiplier in rows:
        targets = Ball.exact(given)
        residual = targets - features[:, predicting] @ kept
        if offset is not None:
            residual = residual - Ball.exact(np.ones((len(given), 1))) @ Ball.exact(offset[None])
        point = residual if multiplier is None else Ball.exact(multiplier)
        slopes = slopes + features.T @ point
        for k in range(outputs):
            losses[k] = _added(losses[k], residual[:, [k]].square_above())
            along[k] = _added(along[k], point[:, [k]].inner(targets[:, [k]])[0], down=True)
            energy[k] = _added(energy[k], point[:, [k]].square_above())
    norm: Penalty = "frobenius" if outputs == 1 else penalty
    # Output k's part of every group's slope, shape (m, p).
    parts = [Ball(*(array[:, k].reshape(-1, width) for array in (slopes.mid, slopes.rad))) for k in range(outputs)]
    if norm == "columns":
        # Outputs are independent: each has a multiple of its own.
        steepest = [norms.steepest_above([part], norm) for part in parts]
        lower = sum(_dual_below(*terms, gamma) for terms in zip(along, energy, steepest, strict=True))
        lower = max(0.0, lower - 1e-15 * outputs * abs(lower))
    else:
        energies = bound_above(float(np.sum(energy)), outputs)
        # The terms may differ in sign, so their sum errs relative to their magnitudes.
        alongs = float(np.sum(along)) - 1e-15 * outputs * float(np.sum(np.abs(along)))
        lower = _dual_below(alongs, energies, norms.steepest_above(parts, norm), gamma)
    loss = bound_above(0.5 * float(np.sum(losses)), outputs + 1) if np.any(losses) else 0.0
    size = bound_above(gamma * norms.sizes_above(weights[:, :, used], norm), 2) if len(used) else 0.0
    upper = bound_above(loss + size, 2) if loss or size else 0.0
    return GroupBounds(lower, upper, loss, np.stack([part.mid.T for part in parts]), norm)


def _dual_below(along: float, energy: float, steepest: float, gamma: float) -> float:
    """Return a proved lower bound of the dual value of the best feasible multiple of a point."""
    return quadratic_below(along, energy, float(feasible_multiple(along, energy, steepest, gamma)))


def _added(sum_: float, term: float, *, down: bool = False) -> float:
    """Return a sum of two numbers, rounded up, or down; zeros add nothing."""
    return math.nextafter(sum_ + term, -math.inf if down else math.inf) if term else sum_


@dataclass(frozen=True, eq=False)
class GroupCertificate:
    """The optimum of a group program over a problem's data, with what it takes to prove it.

    Everything but the two claims is in the units X/s, Y/t, γ/(s·t).

    Parameters
    ----------
    value: claimed: the optimum is at most this.
    dual_value: claimed: the optimum is at least this.
    design: what stands before the weights.
    penalty: the groups' norm.
    units: (s, t), powers of two.
    used: groups that carry weight, ascending, shape (k,).
    weights: theirs, shape (c, p, k).
    multiplier: A, shape (n, c), feasible after scaling.
    offset: t, shape (c,); None for a design without a free offset.
    """

    value: float
    dual_value: float
    design: Design
    penalty: Penalty
    units: tuple[float, float]
    used: Any
    weights: Floats
    multiplier: Floats
    offset: Floats | None = None

    def __repr__(self) -> str:
        return f"GroupCertificate({self.dual_value!r} ≤ optimum ≤ {self.value!r}, {type(self.design).__name__})"

    def gap(self, problem: Problem) -> float:
        """Return (value − dual_value)/value as claimed; 0 for a value within rounding of zero."""
        _, t = self.units
        negligible = max(ROUNDING * 0.5 * float(np.sum((problem.Y / t) ** 2)), UNDERFLOW)
        return relative_gap(self.dual_value / t / t, self.value / t / t, negligible)

    def details(self, problem: Problem) -> dict[str, float]:
        """Return what a record says of it: ``value``, ``dual_value`` and ``program_gap``."""
        return {"value": self.value, "dual_value": self.dual_value, "program_gap": self.gap(problem)}

    def save(self, path: str | Path) -> None:
        """Write the certificate to an ``.npz`` file."""
        kind = next(name for name, design in DESIGNS.items() if type(self.design) is design)
        np.savez(
            path, allow_pickle=False, kind=np.array("group"), design=np.array(kind), penalty=np.array(self.penalty),
            value=np.array(self.value), dual_value=np.array(self.dual_value), units=np.array(self.units),
            used=np.asarray(self.used), weights=self.weights, multiplier=self.multiplier,
            offset=np.zeros(0) if self.offset is None else self.offset,
            **{f"design_{name}": np.asarray(array) for name, array in vars(self.design).items()},
        )  # fmt: skip

    @staticmethod
    def load(path: str | Path) -> GroupCertificate:
        """Read what :meth:`save` wrote.

        Raises
        ------
        CertificateError: the file is none.
        """
        try:
            stored = read_arrays(path)
            if str(stored["kind"]) != "group":
                raise ValueError(f"it is of kind '{stored['kind']}'")
            design = DESIGNS[str(stored["design"])]
            fields = {name: stored[f"design_{name}"] for name in design.__dataclass_fields__}
            plain: dict[str, Any] = {name: array.item() if array.ndim == 0 else array for name, array in fields.items()}
            offset = stored["offset"]
            s, t = stored["units"].tolist()
            return GroupCertificate(
                stored["value"].item(), stored["dual_value"].item(), design(**plain), _penalty(stored["penalty"]),
                (s, t), stored["used"], stored["weights"], stored["multiplier"], offset if offset.size else None,
            )  # fmt: skip
        except Exception as error:
            # A damaged archive fails in zlib, zipfile, NumPy or the conversions above, each with errors of its own.
            missing = isinstance(error, KeyError)
            words = f"it holds no array named {error}" if missing else str(error).rstrip(".") or type(error).__name__
            raise CertificateError(f"{path} is not a readable certificate of a program: {words}.") from None


def _penalty(said: Any) -> Penalty:
    for penalty in get_args(Penalty):
        if str(said) == penalty:
            return penalty  # type: ignore[no-any-return]
    raise ValueError(f"it has the penalty '{said}', which is none")


def group_certificate(
    units: Units, design: Design, penalty: Penalty, weights: Floats, multiplier: Floats, offset: Floats | None = None
) -> GroupCertificate:
    """Return the certificate that a primal-dual pair gives, claiming a little less than it proves here.

    Parameters
    ----------
    units: of the problem; all that follows is in them.
    weights: W, shape (c, p, m).
    multiplier: A, shape (n, c); made to sum to zero where the offset is free.
    offset: t, shape (c,), where the design has a free one.
    """
    used = np.flatnonzero(np.any(weights != 0.0, axis=(0, 1)))
    A = balanced(multiplier) if design.free else np.array(multiplier, dtype=np.float64)
    found = GroupCertificate(
        0.0, 0.0, design, penalty, (units.inputs, units.targets), used, weights[:, :, used], A, offset
    )
    bounds = _bounds(units, found)
    return GroupCertificate(
        units.value_above(bounds.upper * (1.0 + PORTABLE)), units.value(bounds.lower * (1.0 - PORTABLE)), design,
        penalty, found.units, used, found.weights, A, offset,
    )  # fmt: skip


def _bounds(units: Units, certificate: GroupCertificate, deadline: Deadline | None = None) -> GroupBounds:
    design = certificate.design
    whole = np.zeros((*certificate.weights.shape[:2], design.count))
    whole[:, :, certificate.used] = certificate.weights
    rows = _rows(units, design, certificate.multiplier, deadline or Deadline())
    return group_bounds(rows, whole, units.problem.gamma, certificate.penalty, certificate.offset)


def _inputs(units: Units, design: Design) -> Floats:
    """Return what a design sees: with a free offset the user's inputs, without their column of ones."""
    return units.original.X / units.inputs if design.free else units.problem.inputs


def _rows(units: Units, design: Design, multiplier: Floats, deadline: Deadline) -> Iterator[GroupRows]:
    inputs, targets = _inputs(units, design), units.problem.Y
    step = formed(design.count * design.width)
    for start in range(0, len(inputs), step):
        part = slice(start, start + step)
        _require(not deadline.expired, f"its proof takes longer than {deadline.seconds:g} seconds")
        yield GroupRows(design.enclosed(inputs[part]), targets[part], multiplier[part])


def verify_group(
    problem: Problem, certificate: GroupCertificate, deadline: Deadline | None = None
) -> tuple[float, float]:
    """Return the bounds (lower, upper) of its program's optimum that a certificate proves for a problem.

    Everything is computed anew from the problem's data and the certificate's numbers, rounding errors bounded.

    Raises
    ------
    CertificateError: the certificate does not fit the problem, or proves less than it claims.
    """
    _require(isinstance(certificate, GroupCertificate), f"it is {certificate!r}")
    require_ieee_arithmetic()
    try:
        with np.errstate(over="ignore", invalid="ignore", divide="ignore", under="ignore"):
            units = _units(problem, certificate)
            checked = _checked(units, certificate)
            bounds = _bounds(units, checked, deadline)
            lower, upper = units.value(bounds.lower), units.value_above(bounds.upper)
    except (ArithmeticError, AttributeError, LookupError, MemoryError, RuntimeError, TypeError, ValueError) as error:
        # What a forged file can still provoke; a proof that cannot be evaluated proves nothing.
        words = str(error).rstrip(".") or type(error).__name__
        raise CertificateError(f"the certificate does not hold: its proof cannot be evaluated ({words}).") from None
    _require(lower >= certificate.dual_value, f"it claims dual_value {certificate.dual_value!r} and proves {lower!r}")
    _require(upper <= certificate.value, f"it claims value {certificate.value!r} and proves {upper!r}")
    return lower, upper


def _units(problem: Problem, certificate: GroupCertificate) -> Units:
    """Return the units that a certificate was made in, which no digit of the problem may be lost in."""
    units = Units(problem, *(float(unit) for unit in certificate.units))
    _require(units.exact, f"its units {certificate.units} are no powers of two in which the problem keeps its digits")
    return units


def _checked(units: Units, given: GroupCertificate) -> GroupCertificate:
    """Return the certificate with every array and number of the type, shape and range that its proof needs."""
    n, c = units.problem.Y.shape
    design = _checked_design(units, given.design)
    _require(given.penalty in get_args(Penalty), f"its penalty is {given.penalty!r}")
    _require(
        design.width > 1 or given.penalty == "frobenius" or isinstance(design, Gates), "its penalty is of matrices"
    )
    used = _numbers("groups that carry weight", given.used, (len(given.used),), integer=True)
    inside = np.all(np.diff(used) > 0) and np.all((used >= 0) & (used < design.count))
    _require(bool(inside), "it gives weight to groups that do not exist, or twice to one")
    weights = _numbers("weights", given.weights, (c, design.width, len(used)), most=LARGEST)
    multiplier = _numbers("multiplier", given.multiplier, (n, c), most=LARGEST)
    offset = None
    _require(design.free == (given.offset is not None), "it has a free offset where its program has none, or none")
    if design.free:
        offset = _numbers("offset", given.offset, (c,), most=LARGEST)
        balanced_ = all(math.fsum(column) == 0.0 for column in multiplier.T)
        _require(balanced_, "its multiplier does not sum to zero, as a free offset asks for")
    claims = _number("value", given.value, 0.0, math.inf), _number("dual_value", given.dual_value, 0.0, math.inf)
    return GroupCertificate(*claims, design, given.penalty, given.units, used, weights, multiplier, offset)


def _checked_design(units: Units, given: Any) -> Design:
    """Return a design with everything of the type, shape and range that its features need."""
    _require(type(given) in DESIGNS.values(), f"its design is {given!r}")
    inputs = _inputs(units, given)
    n, d = inputs.shape
    _require(np.ndim(given.directions) == 2, "its directions are no matrix")
    count = np.shape(given.directions)[1]
    rows = d + (isinstance(given, Neurons) and given.free)
    directions = _numbers("directions", given.directions, (rows, count), most=LARGEST)
    features = n * given.count * given.width
    _require(features <= MOST_FEATURES, f"it has {features:.1e} features, and at most {MOST_FEATURES:.0e} are computed")
    if given.free:
        _require(units.original.bias, "its program has free biases, and the problem has none")
    if isinstance(given, Gates):
        _require(isinstance(given.skip, bool), "its skip is neither true nor false")
        unsure = 0
        for start in range(0, n, step := formed(max(count, d))):
            part = inputs[start : start + step]
            unsure += len(doubtful(part, directions, Ball.exact(part) @ Ball.exact(directions)))
        _require(unsure <= MOST_DOUBTFUL, f"{unsure} gates are too close to samples to decide which are open")
        return Gates(directions, given.skip)
    if isinstance(given, Neurons):
        _require(isinstance(given.free, bool), "its free is neither true nor false")
        return Neurons(directions, given.free)
    lower, upper = (
        _numbers(name, array, (count,), most=LARGEST)
        for name, array in (("lower", given.lower), ("upper", given.upper))
    )
    _require(bool(np.all(lower < upper)), "a ramp of it does not end above where it starts")
    return Ramps(directions, lower, upper)


def balanced(A: Floats) -> Floats:
    """Return a dual point near A, shape (n, c), whose columns sum to zero exactly.

    Multiples of one power of two, few enough of it that no partial sum is rounded.
    """
    largest = float(np.max(np.abs(A), initial=0.0))
    if largest == 0.0:
        return A
    unit = 2.0 ** (math.frexp(largest)[1] - 52 + math.ceil(math.log2(len(A))) + 1)
    whole: Floats = np.round(A / unit)
    excess = np.sum(whole, axis=0)
    # An excess of at most n/2 is taken from the largest entries, one unit each.
    for k, amount in enumerate(excess.astype(int)):
        order = np.argsort(-np.abs(whole[:, k]), kind="stable")
        share, rest = divmod(abs(int(amount)), len(A))
        whole[:, k] -= np.sign(amount) * share
        whole[order[:rest], k] -= np.sign(amount)
    return whole * unit
