"""Proved optima of group programs: weights behind fixed gates, Lassos over fixed neurons.

    min over W_i (p×c) and t  ℓ(ΣΦ_iW_i + 1tᵀ; Y) + γΣ‖W_i‖,     dual: max D(A)  s.t. ‖Φ_iᵀA‖° ≤ γ, 1ᵀA = 0

(t and 1ᵀA = 0 with a free offset alone; one that costs (δ/2)‖t‖² takes ‖1ᵀA‖²/(2δ) off D). Weights bound the optimum
from above; from below does any A whose multiple s ≥ 0 is feasible, by D(sA), for the squared loss s⟨A, Y⟩ − ½s²‖A‖².
Every term is a sum over samples, so that they are looked at block by block, with all rounding errors bounded
(docs/mathematics/certificate.md). The optimum bounds p* only where a method says so.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, get_args

import numpy as np

from sdprelax.base import (
    Ball,
    Deadline,
    Floats,
    bound_above,
    read_arrays,
)
from sdprelax.certificate._build import PORTABLE
from sdprelax.certificate._certificate import unreadable
from sdprelax.certificate._checks import checked_array, checked_number, refusing, require, require_kind
from sdprelax.certificate._designs import Design, Gates, Neurons, Ramps, doubtful
from sdprelax.problem import Loss, Problem, ProvedRay, Squared, Units, largest_multiple, norms
from sdprelax.problem.norms import Penalty

__all__ = [
    "GroupBounds",
    "GroupCertificate",
    "GroupRows",
    "balanced",
    "group_bounds",
    "group_certificate",
    "group_rows",
    "program_gap_of",
    "residual_certificate",
    "verify_group",
    "verify_residual",
]

# Doubles of Φ formed at once.
FORMED = 4_000_000
# Upper bounds up to here are of an objective of zero; a value within this share of ½‖Y‖² is rounding.
UNDERFLOW, ROUNDING = 1e-280, 1e-15
# What ``verify_group`` takes: numbers of a certificate, in its units; products of two of which no float decides whether
# a gate is open; floating-point numbers of Φ.
LARGEST, MOST_DOUBTFUL, MOST_FEATURES = 2.0**400, 100_000, 10**12
DESIGNS: dict[str, type[Gates] | type[Neurons] | type[Ramps]] = {"gates": Gates, "neurons": Neurons, "ramps": Ramps}


SQUARED = Squared()


class GroupRows(NamedTuple):
    """Some samples of a group program.

    Parameters
    ----------
    features: Φ, shape (b, m·p), group after group.
    targets: Y, shape (b, c).
    multiplier: A, shape (b, c), exactly or a ball that holds it; None for the residual of the weights.
    """

    features: Ball
    targets: Floats
    multiplier: Floats | Ball | None = None


@dataclass(frozen=True, eq=False)
class GroupBounds:
    """Proved bounds of a group program's optimum.

    Attributes
    ----------
    lower, upper: of the optimum.
    loss: a proved upper bound of ℓ(ΣΦ_iW_i + 1tᵀ; Y), squared loss: ½‖ΣΦ_iW_i + 1tᵀ − Y‖².
    slopes: Φ_iᵀA of every group, in floating point, shape (m, p, c).
    norm: of the groups.
    """

    lower: float
    upper: float
    loss: float
    slopes: Floats
    norm: Penalty

    @property
    def gap(self) -> float:
        """(upper − lower)/|upper|: :func:`program_gap_of`."""
        return program_gap_of(self.lower, self.upper)

    @cached_property
    def steepness(self) -> Floats:
        """‖Φ_iᵀA‖° of every group, in floating point, shape (m,).

        A group without weights enters an optimum only if this exceeds γ.
        """
        return norms.steepness(self.slopes, self.norm)


def program_gap_of(lower: float, upper: float, negligible: float = UNDERFLOW) -> float:
    """Return (upper − lower)/|upper|; 0 where the upper bound is no more than what is negligible."""
    return (upper - lower) / abs(upper) if abs(upper) > negligible else 0.0


def _formed(width: int) -> int:
    """Return how many rows of so many features are formed at once."""
    return max(1, FORMED // max(width, 1))


def group_bounds(
    rows: Iterable[GroupRows], weights: Floats, gamma: float, penalty: Penalty, offset: Floats | None = None,
    loss: Loss = SQUARED, decay: float = 0.0,
) -> GroupBounds:  # fmt: skip
    """Return proved bounds of a group program's optimum, rounding errors included.

    Parameters
    ----------
    rows: all samples, in blocks.
    weights: W, shape (m, p, c).
    gamma: γ.
    penalty: the groups' norm.
    offset: t, shape (c,), where there is one; 1ᵀA = 0 is the caller's to see to where it is free.
    loss: of the samples, all of them; the squared one by default.
    decay: δ, where t costs (δ/2)‖t‖²; 0 where it is free or there is none.
    """
    groups, width, outputs = weights.shape
    # Groups without weights predict nothing, and are not multiplied.
    used = np.flatnonzero(np.any(weights != 0.0, axis=(1, 2)))
    predicting = slice(None) if len(used) == groups else (used[:, None] * width + np.arange(width)).ravel()
    kept = Ball.exact(weights[used].reshape(-1, outputs))
    slopes = Ball.exact(np.zeros((groups * width, outputs)))
    norm: Penalty = "frobenius" if outputs == 1 else penalty
    # Under the columns' norm outputs of a separable loss are independent, and each has a multiple of its own.
    split = norm == "columns" and loss.separable
    kinds = [[k] for k in range(outputs)] if split else [list(range(outputs))]
    costs, rays, first = np.zeros(len(kinds)), list[ProvedRay](), 0
    sums = Ball.exact(np.zeros((1, outputs)))
    for features, given, multiplier in rows:
        part = loss.over(slice(first, first + len(given)))
        first += len(given)
        targets, predicted = Ball.exact(given), features[:, predicting] @ kept
        if offset is not None:
            predicted = predicted + Ball.exact(np.ones((len(given), 1))) @ Ball.exact(offset[None])
        if multiplier is None:
            point = part.exact_point(part.residual(predicted.mid, given), given, False)
        else:
            point = multiplier if isinstance(multiplier, Ball) else Ball.exact(multiplier)
        slopes = slopes + features.T @ point
        if decay:
            sums = sums + Ball.exact(np.ones((1, len(given)))) @ point
        for k, chosen in enumerate(kinds):
            costs[k] = _added(costs[k], part.value_above(predicted[:, chosen], targets[:, chosen]))
        found = [part.proved_ray(point[:, chosen], targets[:, chosen]) for chosen in kinds]
        rays = [old + new for old, new in zip(rays, found, strict=True)] if rays else found
    below = []
    for ray, chosen in zip(rays, kinds, strict=True):
        if decay:
            # What the offset takes off is a ray of no samples.
            tilt, none = bound_above(sums[:, chosen].square_above() / decay, 2), Ball.exact(np.zeros((0, len(chosen))))
            ray = ray + loss.over(slice(0, 0)).proved_ray(none, none, tilt)
        steepest = norms.steepest_above(slopes[:, chosen], width, norm)
        below.append(ray.below(ray.best(float(largest_multiple(steepest, gamma)))))
    lower = 0.0
    for part_below in below:
        lower += part_below
    if len(below) > 1:
        lower -= 1e-15 * (len(below) - 1) * float(np.sum(np.abs(below)))
    size = bound_above(gamma * norms.sizes_above(weights[used], norm), 2) if len(used) else 0.0
    if decay and offset is not None:
        size = bound_above(size + bound_above(0.5 * decay * Ball.exact(offset).square_above(), 2), 2)
    paid = _total_above(costs, len(costs) + 1)
    upper = _total_above(np.array([paid, size]), 2)
    return GroupBounds(lower, upper, paid, slopes.mid.reshape(weights.shape), norm)


def _total_above(terms: Floats, operations: int) -> float:
    """Return an upper bound of a sum of few numbers, which takes so many operations; 0 of zeros."""
    if not np.any(terms):
        return 0.0
    if np.all(terms >= 0.0):
        return bound_above(float(np.sum(terms)), operations)
    return math.nextafter(math.fsum(terms), math.inf)


def _added(sum_: float, term: float) -> float:
    """Return a sum of two numbers, rounded up; zeros add nothing."""
    return math.nextafter(sum_ + term, math.inf) if term else sum_


@dataclass(frozen=True, eq=False)
class GroupCertificate:
    """The optimum of a group program over a problem's data, with what it takes to prove it.

    Everything but the two claims is in the units X/s, Y/t, γ/(s·t). Of samples that memory need not hold they are 1.

    Parameters
    ----------
    value: claimed: the optimum is at most this.
    dual_value: claimed: the optimum is at least this.
    design: what stands before the weights.
    penalty: the groups' norm.
    units: (s, t), powers of two.
    gamma: γ.
    used: groups that carry weight, ascending, shape (k,).
    weights: theirs, shape (k, p, c).
    multiplier: A, shape (n, c), feasible after scaling; None for the residual of the weights.
    offset: t, shape (c,); None where neither design nor problem has an offset.
    column: B, what takes the place of the ones where the problem's hidden bias is free.
    """

    value: float
    dual_value: float
    design: Design
    penalty: Penalty
    units: tuple[float, float]
    gamma: float
    used: Any
    weights: Floats
    multiplier: Floats | None = None
    offset: Floats | None = None
    column: float = 1.0

    def __repr__(self) -> str:
        return f"GroupCertificate({self.dual_value!r} ≤ optimum ≤ {self.value!r}, {type(self.design).__name__})"

    def whole_weights(self) -> Floats:
        """Return the weights of all groups, shape (m, p, c)."""
        whole = np.zeros((self.design.count, *self.weights.shape[1:]))
        whole[self.used] = self.weights
        return whole

    def gap(self, problem: Problem) -> float:
        """Return (value − dual_value)/value as claimed; 0 for a value within rounding of zero."""
        units = Units(problem, *self.units, self.column)
        Y = problem.Y / units.targets
        negligible = max(ROUNDING * problem.loss.value(np.zeros_like(Y), Y), UNDERFLOW)
        return program_gap_of(units.measured_value(self.dual_value), units.measured_value(self.value), negligible)

    def details(self, problem: Problem) -> dict[str, float]:
        """Return what a record says of it: ``value``, ``dual_value`` and ``program_gap``."""
        return {"value": self.value, "dual_value": self.dual_value, "program_gap": self.gap(problem)}

    def save(self, path: str | Path) -> None:
        """Write the certificate to an ``.npz`` file, in which weights have the shape (c, p, k)."""
        kind = next(name for name, design in DESIGNS.items() if type(self.design) is design)
        np.savez(
            path, allow_pickle=False, kind=np.array("group"), design=np.array(kind), penalty=np.array(self.penalty),
            value=np.array(self.value), dual_value=np.array(self.dual_value), units=np.array(self.units),
            gamma=np.array(self.gamma), used=np.asarray(self.used), weights=np.transpose(self.weights),
            **{name: array for name in ("multiplier", "offset") if (array := getattr(self, name)) is not None},
            **({} if self.column == 1.0 else {"column": np.array(self.column)}),
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
            s, t = stored["units"].tolist()
            return GroupCertificate(
                stored["value"].item(), stored["dual_value"].item(), design(**plain), _penalty(stored["penalty"]),
                (s, t), stored["gamma"].item(), stored["used"], np.transpose(stored["weights"]),
                stored.get("multiplier"), stored.get("offset"), stored.get("column", np.ones(())).item(),
            )  # fmt: skip
        except Exception as error:
            raise unreadable(path, "certificate of a program", error) from None


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
    weights: W, shape (m, p, c).
    multiplier: A, shape (n, c); moved into the dual's domain, and of columns that sum to zero where the offset is free.
    offset: t, shape (c,), where there is one, of the design or of the problem.
    """
    problem, (_, free) = units.problem, _has_offset(units.problem, design)
    gamma = problem.gamma
    A = np.array(multiplier, dtype=np.float64)
    if problem.loss.unweighted == SQUARED:
        A = balanced(A) if free else A
    else:
        A = problem.loss.admissible(A, problem.Y, free)
    bounds = _bounds(problem, design, [(_inputs(units, design), problem.Y)], penalty, weights, A, offset)
    return _claiming(bounds, design, penalty, units, gamma, weights, A, offset)


def residual_certificate(
    bounds: GroupBounds, design: Design, penalty: Penalty, gamma: float, weights: Floats
) -> GroupCertificate:
    """Return the certificate of bounds that weights and their residual prove, in the samples' own units.

    Parameters
    ----------
    weights: W, shape (m, p, c).
    """
    return _claiming(bounds, design, penalty, None, gamma, weights, None, None)


def _claiming(
    bounds: GroupBounds, design: Design, penalty: Penalty, units: Units | None, gamma: float, weights: Floats,
    multiplier: Floats | None, offset: Floats | None,
) -> GroupCertificate:  # fmt: skip
    """Return a certificate that claims a little less than these bounds."""
    upper, lower, scales = _raised(bounds.upper, PORTABLE), _raised(bounds.lower, -PORTABLE), (1.0, 1.0)
    if units is not None:
        upper, lower, scales = units.value_above(upper), units.value(lower), (units.inputs, units.targets)
    used, column = np.flatnonzero(np.any(weights != 0.0, axis=(1, 2))), 1.0 if units is None else units.column
    return GroupCertificate(
        upper, lower, design, penalty, scales, gamma, used, weights[used], multiplier, offset, column
    )  # fmt: skip


def _raised(value: float, share: float) -> float:
    """Return a number more by a share of its size; less for a negative one."""
    return value * (1.0 + share) if value >= 0.0 else value * (1.0 - share)


def _has_offset(problem: Problem, design: Design) -> tuple[bool, bool]:
    """Return whether a program has an offset, its design's or the problem's, and whether that is free."""
    return design.free or problem.offset is not False, design.free or problem.free_constant


def _bounds(
    problem: Problem, design: Design, blocks: Iterable[tuple[Floats, Floats]], penalty: Penalty, weights: Floats,
    multiplier: Floats, offset: Floats | None, deadline: Deadline | None = None,
) -> GroupBounds:  # fmt: skip
    """Return the bounds that weights and a dual point of all samples prove for a program over a problem's data."""
    (_, free), loss = _has_offset(problem, design), problem.loss
    balanced_already = free and all(math.fsum(column) == 0.0 for column in multiplier.T)
    point: Floats | Ball = multiplier
    if loss.shift_invariant or (free and not balanced_already):
        point = loss.exact_point(multiplier, problem.Y, free)
    rows = group_rows(design, blocks, point, deadline)
    return group_bounds(rows, weights, problem.gamma, penalty, offset, loss, 0.0 if free else problem.offset_decay)


def group_rows(
    design: Design, blocks: Iterable[tuple[Floats, Floats]], multiplier: Floats | Ball | None = None,
    deadline: Deadline | None = None,
) -> Iterator[GroupRows]:  # fmt: skip
    """Yield a program's samples, no more features at a time than are formed at once.

    Parameters
    ----------
    blocks: inputs as the design sees them, shape (b, d), and targets, shape (b, c).
    multiplier: A, shape (n, c), of all blocks; None for the residual of the weights.

    Raises
    ------
    CertificateError: the time is up.
    """
    until, first, step = deadline or Deadline(), 0, _formed(design.count * design.width)
    for inputs, targets in blocks:
        for start in range(0, len(inputs), step):
            require(not until.expired, f"its proof takes longer than {until.seconds:g} seconds")
            part = slice(start, start + step)
            A = None if multiplier is None else multiplier[first + start : first + min(start + step, len(inputs))]
            yield GroupRows(design.enclosed(inputs[part]), targets[part], A)
        first += len(inputs)


def _inputs(units: Units, design: Design) -> Floats:
    """Return what a design sees: with free biases of its own the user's inputs, without their column of ones."""
    return units.original.X / units.inputs if design.free else units.problem.inputs


def verify_group(
    problem: Problem, certificate: GroupCertificate, deadline: Deadline | None = None
) -> tuple[float, float]:
    """Return the bounds (lower, upper) of its program's optimum that a certificate proves for a problem.

    Everything is computed anew from the problem's data and the certificate's numbers, rounding errors bounded.

    Raises
    ------
    CertificateError: the certificate does not fit the problem, or proves less than it claims; or the time is up.
    UntrustedArithmetic: this process does not round as proofs need it.
    """
    require_kind(certificate, GroupCertificate)
    with refusing():
        scales = tuple(checked_number("unit", unit, 2.0**-1074, 2.0**1023) for unit in certificate.units)
        require(len(scales) == 2, "its units are not two numbers")
        column = checked_number("column", certificate.column, 2.0**-1074, 2.0**1023)
        require(
            math.frexp(column)[0] == 0.5 and (column == 1.0 or not problem.penalise_bias),
            f"its column {column} is not a power of two, or not 1 where biases are penalised",
        )
        units = Units(problem, scales[0], scales[1], column)
        require(units.exact, f"its units {scales} are no powers of two in which the problem keeps its digits")
        require(certificate.gamma == units.problem.gamma, f"it is of γ = {certificate.gamma!r}, and not the problem's")
        design = certificate.design
        require(type(design) in DESIGNS.values(), f"its design is {design!r}")
        require(problem.bias or not design.free, "its program has free biases, and the problem has none")
        inputs = _inputs(units, design)
        blocks, shape = [(inputs, units.problem.Y)], (*inputs.shape, problem.Y.shape[1])
        bounds = proved_bounds(certificate, shape, blocks, deadline, units.problem)
        lower, upper = units.value(bounds.lower), units.value_above(bounds.upper)
        _require_claims(certificate, lower, upper)
    return lower, upper


def verify_residual(
    certificate: GroupCertificate, shape: tuple[int, int, int], blocks: Iterable[tuple[Floats, Floats]],
    deadline: Deadline | None = None,
) -> GroupBounds:  # fmt: skip
    """Return the bounds that a certificate of :func:`residual_certificate` proves, block by block.

    Parameters
    ----------
    shape: (n, d, c): samples, inputs, outputs.
    blocks: inputs, shape (b, d), and targets, shape (b, c), of all samples.

    Raises
    ------
    CertificateError: it does not fit the samples, or proves less than it claims; or the time is up.
    UntrustedArithmetic: this process does not round as proofs need it.
    """
    with refusing():
        require(tuple(certificate.units) == (1.0, 1.0), f"its units are {certificate.units}, and not 1")
        bounds = proved_bounds(certificate, shape, blocks, deadline)
        _require_claims(certificate, bounds.lower, bounds.upper)
    return bounds


def _require_claims(given: GroupCertificate, lower: float, upper: float) -> None:
    require(lower >= given.dual_value, f"it claims dual_value {given.dual_value!r} and proves {lower!r}")
    require(upper <= given.value, f"it claims value {given.value!r} and proves {upper!r}")


def proved_bounds(
    given: GroupCertificate, shape: tuple[int, int, int], blocks: Iterable[tuple[Floats, Floats]],
    deadline: Deadline | None, problem: Problem | None = None,
) -> GroupBounds:  # fmt: skip
    """Return the bounds that the numbers of a certificate prove, in its units, whatever it claims.

    Parameters
    ----------
    problem: whose loss and offset are the program's, in the certificate's units; None for the squared loss of blocks
        of samples that are not at hand, without an offset.
    """
    certificate = _checked(given, shape, problem)
    design, A, offset = certificate.design, certificate.multiplier, certificate.offset
    if isinstance(design, Gates):
        blocks = _decided(design, blocks)
    weights = certificate.whole_weights()
    if problem is not None and A is not None:
        return _bounds(problem, design, blocks, certificate.penalty, weights, A, offset, deadline)
    rows = group_rows(design, blocks, A, deadline)
    return group_bounds(rows, weights, certificate.gamma, certificate.penalty, offset)


def _decided(gates: Gates, blocks: Iterable[tuple[Floats, Floats]]) -> Iterator[tuple[Floats, Floats]]:
    """Yield blocks in pieces, as long as few signs are hidden by rounding: deciding one takes thousands of products."""
    unsure, step = 0, _formed(max(gates.directions.shape))
    for inputs, targets in blocks:
        for start in range(0, len(inputs), step):
            part = inputs[start : start + step]
            unsure += len(doubtful(part, gates.directions, Ball.exact(part) @ Ball.exact(gates.directions)))
            require(unsure <= MOST_DOUBTFUL, f"{unsure} gates are too close to samples to decide which are open")
            yield part, targets[start : start + step]


def _checked(given: GroupCertificate, shape: tuple[int, int, int], problem: Problem | None) -> GroupCertificate:
    """Return the certificate with every array and number of the type, shape and range that its proof needs."""
    n, d, c = shape
    design = _checked_design(given.design, n, d)
    require(given.penalty in get_args(Penalty), f"its penalty is {given.penalty!r}")
    require(isinstance(design, Gates) or given.penalty == "frobenius", "its penalty is one of matrices")
    used = checked_array("groups that carry weight", given.used, (len(given.used),), integer=True)
    inside = np.all(np.diff(used) > 0) and np.all((used >= 0) & (used < design.count))
    require(bool(inside), "it gives weight to groups that do not exist, or twice to one")
    weights = checked_array("weights", given.weights, (len(used), design.width, c), most=LARGEST)
    multiplier, offset = given.multiplier, given.offset
    if multiplier is not None:
        multiplier = checked_array("multiplier", multiplier, (n, c), most=LARGEST)
    has, free = (design.free, design.free) if problem is None else _has_offset(problem, design)
    require(has == (offset is not None), "it has an offset where its program has none, or none")
    loss = SQUARED if problem is None else problem.loss
    require(multiplier is not None or (loss == SQUARED and not has), "it has no multiplier")
    if offset is not None:
        offset = checked_array("offset", offset, (c,), most=LARGEST)
    if free and loss.unweighted == SQUARED and multiplier is not None:
        zero = all(math.fsum(column) == 0.0 for column in multiplier.T)
        require(zero, "its multiplier does not sum to zero, as a free offset asks for")
    # An optimum of a loss without a degree may be negative.
    least = 0.0 if loss.degree is not None else -math.inf
    value, dual_value = (
        checked_number(name, getattr(given, name), least, math.inf) for name in ("value", "dual_value")
    )
    gamma = checked_number("γ", given.gamma, 2.0**-1074, sys.float_info.max)
    return GroupCertificate(
        value, dual_value, design, given.penalty, given.units, gamma, used, weights, multiplier, offset, given.column
    )  # fmt: skip


def _checked_design(given: Any, n: int, d: int) -> Design:
    """Return a design with everything of the type, shape and range that its features of n samples need."""
    require(type(given) in DESIGNS.values(), f"its design is {given!r}")
    require(np.ndim(given.directions) == 2, "its directions are no matrix")
    count = np.shape(given.directions)[1]
    rows = d + (isinstance(given, Neurons) and given.free)
    directions = checked_array("directions", given.directions, (rows, count), most=LARGEST)
    features = n * given.count * given.width
    require(features <= MOST_FEATURES, f"it has {features:.1e} features, and at most {MOST_FEATURES:.0e} are computed")
    if isinstance(given, Gates):
        require(isinstance(given.skip, bool), "its skip is neither true nor false")
        return Gates(directions, given.skip)
    if isinstance(given, Neurons):
        require(isinstance(given.free, bool), "its free is neither true nor false")
        return Neurons(directions, given.free)
    lower, upper = (checked_array("levels", levels, (count,), most=LARGEST) for levels in (given.lower, given.upper))
    require(bool(np.all(lower < upper)), "a ramp of it does not end above where it starts")
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
