"""Proves the lower bound of a certificate from the problem's own data, in error-bounded arithmetic.

Weak duality: whenever ‖Aᵀφ(Xu)‖ ≤ ω‖u‖ for every u, p* ≥ D(tA) for 0 ≤ t ≤ γ/ω, with the loss's dual value D; squared
loss: t⟨A, Y⟩ − ½t²‖A‖². What is to be proved is ω. Nothing that a solver, a presolve or an oracle said is trusted: the
certificate's reduction enters through the distance of the true samples from what it says of them,

    ‖Aᵀφ(Xu)‖ ≤ (ω̂·‖Q‖ + Lip(φ)·Σ_i ‖a_i‖·‖x_i − f_iQx̂_{g(i)}‖)·‖u‖,

where ω̂ bounds the reduced oracle max ‖Bᵀ[(X̂w)₊; (−X̂w)₊]‖/‖w‖, B = LᵀA.

All of it happens in the certificate's units (s, t), of X/s, Y/t and γ/(st). These are exact but where subnormal numbers
lose digits, which their radii cover; a γ that is rounded down proves less, never too much.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from numbers import Real
from typing import Any

import numpy as np

from sdprelax.base import (
    Ball,
    CertificateError,
    Deadline,
    Floats,
    InputError,
    bound_above,
    proves_psd,
    require_ieee_arithmetic,
)
from sdprelax.cells import Cone, combination, covers_space
from sdprelax.certificate._certificate import (
    LONGEST_PATH,
    MOST_BLOCKS,
    BlockProof,
    Certificate,
    ConeProof,
    RelaxationProof,
)
from sdprelax.certificate._cone_cover import cover_sphere, most_cones
from sdprelax.problem import Loss, Problem, Reduction, Units

__all__ = [
    "PROOF_VERSION",
    "MeasuredData",
    "block_oracle",
    "dual_bound",
    "original_oracle",
    "pulled_back",
    "reduced_oracle",
    "reduced_slack",
    "relaxation_oracle",
    "verify",
]

# Raised when the same certificate, or multipliers, prove another bound: trials that prove one run once more.
PROOF_VERSION = 1

# What a certificate may hold, in its units: rows, basis, factors, A and the data; then N, κ, δ and a target. Products
# of what is in range are far from overflow, and solvers' certificates are far from these ends.
LARGEST, LARGEST_MULTIPLIER = 2.0**100, 2.0**200
# Multiplications that all blocks of a relaxation's proof together may take.
MOST_MULTIPLICATIONS = 10**13


@dataclass(frozen=True, eq=False)
class MeasuredData:
    """A problem's data in the units of a certificate.

    Attributes
    ----------
    inputs: X/s with its column of ones, shape (n, d).
    targets: Y/t, shape (n, c).
    gamma: γ in these units, rounded down; squared loss: γ/(st).
    loss: of the problem.
    """

    inputs: Ball
    targets: Ball
    gamma: float
    loss: Loss

    @staticmethod
    def of(problem: Problem, units: tuple[float, float]) -> MeasuredData:
        """Return the data of a problem in units (s, t), two powers of two."""
        s, t = units
        inputs, targets = Ball.exact(problem.inputs).over(s), Ball.exact(problem.Y).over(t)
        exact = Fraction(problem.gamma) / Fraction(s) / Fraction(t) ** ((problem.loss.degree or 1) - 1)
        gamma = float(min(exact, Fraction(LARGEST)))
        below = gamma if Fraction(gamma) <= exact else math.nextafter(gamma, 0.0)
        return MeasuredData(inputs, targets, below, problem.loss)


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise CertificateError(f"the certificate does not hold: {message}.")


def _kind(certificate: object) -> str:
    """Return what a thing is that is no certificate, in words that do not ask it."""
    return "it is None" if certificate is None else f"it is of type {type(certificate).__name__}"


def _numbers(
    name: str, array: Any, shape: tuple[int, ...] | None = None, *, integer: bool = False, most: float = LARGEST
) -> Any:
    """Return an array of a certificate as contiguous float64 (or int64), in range and of the shape it must have.

    Whatever else a file may hold (booleans that would index as masks, integers that would wrap around,
    single precision) is either converted here, once, or refused.
    """
    values = np.asarray(array)
    _require(shape is None or values.shape == shape, f"its {name} has shape {values.shape} instead of {shape}")
    _require(values.dtype.kind in ("iu" if integer else "iuf"), f"its {name} holds values of type {values.dtype}")
    # Neither a sign nor a digit may change on the way to 64 bits.
    if integer:
        _require(bool(np.all((values >= -(2**62)) & (values <= 2**62))), f"its {name} holds integers beyond 2^62")
        return np.array(values, dtype=np.int64, order="C")
    values = np.array(values, dtype=np.float64, order="C")
    _require(bool(np.all(np.abs(values) <= most)), f"its {name} is not finite and at most {most:g}")
    return values


def _number(name: str, value: Any, least: float, most: float) -> float:
    """Return a number of a certificate that is between two others."""
    _require(isinstance(value, Real) and not isinstance(value, bool), f"its {name} is {value!r}")
    number = float(value)
    _require(least <= number <= most, f"its {name} is {number!r}, which is not between {least:g} and {most:g}")
    return number


def _checked(problem: Problem, certificate: Certificate) -> Certificate:
    """Return the certificate with every array and number of the type, shape and range that its proof needs."""
    n, d, c = problem.shape
    said, proof = certificate.reduction, certificate.proof
    _require(len(certificate.units) == 2, "its units are not two numbers")
    units = tuple(_number("unit", unit, 2.0**-1074, 2.0**1023) for unit in certificate.units)
    _require(all(math.frexp(unit)[0] == 0.5 for unit in units), f"its units {units} are not powers of two")
    _require(units[1] == 1.0 or problem.loss.degree is not None, "its loss has no other unit of targets than 1")
    _require(np.ndim(said.rows) == 2, "its rows are no matrix")
    g, r = np.shape(said.rows)
    _require(r <= d and (g == 0 or r > 0), f"its rows have {r} columns, not 1 to {d}")
    reduction = Reduction(
        _numbers("rows", said.rows),
        _numbers("basis", said.basis, (d, r)),
        _numbers("group", said.group, (n,), integer=True),
        _numbers("factor", said.factor, (n,)),
        problem.activation,
    )
    groups = reduction.group[reduction.factor != 0.0]
    _require(bool(np.all((groups >= 0) & (groups < g))), "its presolve names generators that do not exist")
    if isinstance(proof, RelaxationProof):
        _require(
            0 < len(proof.blocks) <= MOST_BLOCKS, f"its proof has {len(proof.blocks)} blocks, not 1 to {MOST_BLOCKS}"
        )
        proof = RelaxationProof(tuple(_checked_block(block, g) for block in proof.blocks))
        work = sum(_multiplications(block, r, c) for block in proof.blocks)
        _require(
            work <= MOST_MULTIPLICATIONS,
            f"its proof takes {work:.0e} multiplications, and at most {MOST_MULTIPLICATIONS:.0e} are done",
        )
        _require(covers_space([block.cone.path for block in proof.blocks]), "its cones do not cover weight space")
    else:
        most = most_cones(g, r, c)
        proof = ConeProof(
            _number("target", proof.target, 0.0, LARGEST_MULTIPLIER),
            int(_number("number of cones", proof.max_cones, 1, most)),
        )
        _require(proof.target > 0.0, "its target is not a positive number")
    lower = _number("lower bound", certificate.lower, 0.0, math.inf)
    return Certificate(
        lower, _numbers("multiplier", certificate.multiplier, (n, c)), reduction, proof, (units[0], units[1])
    )


def _checked_block(block: BlockProof, g: int) -> BlockProof:
    """Return the block of a proof for g generator rows with everything of the type, shape and range it needs."""
    signs = _numbers("signs", block.cone.signs, (g,), integer=True)
    _require(bool(np.all(np.abs(signs) <= 1)), "its signs are not −1, 0 or 1")
    _require(len(block.cone.path) <= LONGEST_PATH, f"the path to one of its cones is longer than {LONGEST_PATH} walls")
    path = tuple((int(row), int(side)) for row, side in block.cone.path)
    facets = tuple((int(row), int(side)) for row, side in block.cone.facets)
    _require(all(0 <= row < g and side in (1, -1) for row, side in path), "its cones name rows that do not exist")
    _require(set(facets) <= set(path), "the walls of a cone are not on its path")
    cone = Cone(path, signs.astype(np.int8), facets)
    k = len(cone.undetermined)
    size = 2 * k + len(facets)
    N = _numbers("N", block.multipliers, (size, size), most=LARGEST_MULTIPLIER)
    _require(bool(np.array_equal(N, N.T)), "its N is not symmetric")
    free, pairs = np.zeros(N.shape, dtype=bool), np.arange(k)
    free[pairs, pairs + k] = free[pairs + k, pairs] = True
    _require(bool(np.all(N[~free] >= 0.0)), "its N has a negative entry where it must be nonnegative")
    kappa, delta = (
        _number(name, value, 0.0, LARGEST_MULTIPLIER) for name, value in (("κ", block.kappa), ("δ", block.delta))
    )
    return BlockProof(cone, N, kappa, delta)


def _multiplications(block: BlockProof, r: int, c: int) -> int:
    """Return about how many multiplications the proof of a block takes: products, factorisations, sides of rows."""
    g, walls, order = len(block.cone.signs), len(block.cone.path), len(block.multipliers)
    said = int(np.count_nonzero(block.cone.signs))
    # Nonnegative least squares for every row: once per wall that enters the combination, half a million to start with.
    sides = said * (walls * r * (min(walls, r) + 10) + 500_000) if walls else 0
    return order**2 * r + (order + r) ** 3 + g * r * c + sides


def pulled_back(reduction: Reduction, A: Floats) -> Ball:
    """Return B = LᵀA with the rounding of its sums."""
    selection = reduction.selection()
    longest = int(np.max(np.diff(selection.tocsc().indptr), initial=0))
    mid = np.asarray(selection.T @ A)
    # |L|ᵀ|A| times γ_k bounds sums of k products; a product of nonzeros may underflow, one with a zero is exact.
    weight = np.asarray(abs(selection).T @ np.abs(A))
    touched = np.asarray((selection != 0.0).T.astype(np.float64) @ (A != 0.0).astype(np.float64)) > 0.0
    rad = weight * (2.0**-52 * (longest + 8)) + 1e-290
    return Ball(mid, np.where(touched, rad, 0.0))


def relaxation_oracle(rows: Floats, dual: Ball, proof: RelaxationProof, deadline: Deadline | None = None) -> float:
    """Return the bound of the reduced oracle that a relaxation proof gives: that of its worst block.

    Raises
    ------
    CertificateError: some H could not be proved positive semidefinite, or the time is up.
    """
    worst = 0.0
    for block in proof.blocks:
        _require_time(deadline)
        worst = max(worst, block_oracle(rows, dual, block, deadline))
    return worst


def _require_time(deadline: Deadline | None) -> None:
    if deadline is not None and deadline.expired:
        raise CertificateError(
            f"the certificate is not verified: its proof takes longer than {deadline.seconds:g} seconds."
        )


def block_oracle(rows: Floats, dual: Ball, block: BlockProof, deadline: Deadline | None = None) -> float:
    """Return the bound of ‖Bᵀ[(X̂w)₊; (−X̂w)₊]‖/‖w‖ on one cone.

    Raises
    ------
    CertificateError: H could not be proved positive semidefinite, or the time is up.
    """
    free, r = rows[block.cone.undetermined], rows.shape[1]
    H = reduced_slack(rows, dual, block.cone, block.multipliers)
    diagonal = np.concatenate([np.full(len(free), block.delta), np.full(r, block.kappa)])
    H = H + Ball.exact(np.diag(diagonal))
    _require(proves_psd(H), "its slack matrix is not proved positive semidefinite")
    gram = Ball.exact(free).T @ Ball.exact(free)
    largest = max(float(np.linalg.eigvalsh(gram.mid)[-1]), 0.0) * (1.0 + 1e-12)
    shifted = Ball.exact(np.eye(r) * largest) - gram
    if not proves_psd(shifted):
        largest = gram.operator_norm_above()
    square = bound_above(block.kappa + bound_above(block.delta * largest, 1), 1)
    return bound_above(bound_above(math.sqrt(square), 1) + _wrong_side(rows, dual, block.cone, deadline), 1)


def _wrong_side(rows: Floats, dual: Ball, cone: Cone, deadline: Deadline | None) -> float:
    """Return what rows contribute, per ‖w‖, that are not quite on the side of the cone that they are said to be on.

    Where ±x̂_j = Σ λ_iσ_ix̂_i + ρ with λ ≥ 0, the row is at most ‖ρ‖‖w‖ on the other side, and its term in f off by at
    most ‖b_j + b_{j+g}‖ times that. Any λ ≥ 0 will do.
    """
    g = len(rows)
    said = np.flatnonzero(cone.signs)
    if said.size == 0:
        return 0.0
    normals = np.array([side * rows[row] for row, side in cone.path]).reshape(len(cone.path), rows.shape[1])
    targets = rows[said] * cone.signs[said][:, None]
    weights = np.zeros((len(said), len(normals)))
    for target, combined in zip(targets, weights, strict=True):
        _require_time(deadline)
        combined[:] = combination(target, normals)[0]
    _require(bool(np.all(weights >= 0.0)), "a row of a cone has no side")
    distances = (Ball.exact(targets) - Ball.exact(weights) @ Ball.exact(normals)).row_norms()
    jumps = (dual[said] + dual[said + g]).row_norms()
    return bound_above(float(jumps @ distances), len(said) + 2)


def reduced_slack(rows: Floats, dual: Ball, cone: Cone, multipliers: Floats) -> Ball:
    """Return −DDᵀ − GᵀNG of a cone over z = (β, w), shape (k + r, k + r), with its rounding errors.

    G and f = Dᵀz are those of ``BlockProof``: G = [I X̂; I 0; 0 W] over the undetermined rows X̂ and the walls W.
    """
    g, free = len(rows), cone.undetermined
    k = len(free)
    ahead, behind = cone.signs >= 0, cone.signs < 0
    linear = Ball.exact(rows[ahead]).T @ dual[:g][ahead]
    if np.any(behind):
        linear = linear - Ball.exact(rows[behind]).T @ dual[g:][behind]
    outputs = _stack(dual[free] + dual[free + g], linear)
    # What is linear in w comes first: α and the walls; N is symmetric.
    order = np.concatenate([np.arange(k), np.arange(2 * k, len(multipliers))])
    X = Ball.exact(np.vstack([rows[free], cone.walls(rows)]))
    N = Ball.exact(multipliers)
    crossed = X.T @ N[np.ix_(order, np.arange(k))]
    corner = (X.T @ N[np.ix_(order, order)]) @ X
    side = crossed + X.T @ N[np.ix_(order, np.arange(k, 2 * k))]
    first = N[:k, :k] + N[:k, k : 2 * k] + N[k : 2 * k, :k] + N[k : 2 * k, k : 2 * k]
    mid = np.block([[first.mid, side.mid.T], [side.mid, corner.mid]])
    rad = np.block([[first.rad, side.rad.T], [side.rad, corner.rad]])
    return -(Ball(mid, rad) + outputs @ outputs.T)


def _stack(top: Ball, bottom: Ball) -> Ball:
    return Ball(np.vstack([top.mid, bottom.mid]), np.vstack([top.rad, bottom.rad]))


def reduced_oracle(certificate: Certificate, deadline: Deadline | None = None) -> float:
    """Return a proved ω̂ with ‖Bᵀ[(X̂w)₊; (−X̂w)₊]‖ ≤ ω̂‖w‖ for every w."""
    reduction, proof = certificate.reduction, certificate.proof
    if reduction.generators == 0:
        return 0.0
    dual = pulled_back(reduction, certificate.multiplier)
    if isinstance(proof, RelaxationProof):
        return relaxation_oracle(reduction.rows, dual, proof, deadline)
    cover = cover_sphere(reduction.rows, dual, proof.target, max_cones=proof.max_cones, deadline=deadline)
    if not cover.complete:
        _require_time(deadline)
    return cover.bound


def original_oracle(data: MeasuredData, certificate: Certificate, reduced: float) -> float:
    """Return a proved ω with ‖Aᵀφ(Xu)‖ ≤ ω‖u‖ for every u, given ω̂ of the generator rows."""
    reduction, A = certificate.reduction, certificate.multiplier
    Q = Ball.exact(reduction.basis)
    live = reduction.factor != 0.0
    said, rad = np.zeros_like(data.inputs.mid), np.zeros_like(data.inputs.mid)
    if np.any(live):
        ball = (Ball.exact(reduction.rows[reduction.group[live]]) @ Q.T) * reduction.factor[live][:, None]
        said[live], rad[live] = ball.mid, ball.rad
    distances = (data.inputs - Ball(said, rad)).row_norms()
    weights = Ball.exact(A).row_norms()
    slip = bound_above(float(weights @ distances), len(weights) + 2) if np.any(distances) else 0.0
    stretch = 1.0
    if not np.array_equal(reduction.basis, np.eye(*reduction.basis.shape)):
        defect = (Q.T @ Q - Ball.exact(np.eye(reduction.rank))).norm_above()
        stretch = bound_above(math.sqrt(1.0 + defect), 4)
    return bound_above(reduced * stretch + reduction.activation.lipschitz * slip, 4)


def dual_bound(data: MeasuredData, certificate: Certificate, reduced: float) -> float:
    """Return the best lower bound of p*/t², rounded down, that A gives, given ω̂ of the generator rows.

    max over 0 ≤ s ≤ γ/ω of D(sA), for the squared loss s⟨A, Y⟩ − ½s²‖A‖²; any s in that range is valid.
    """
    steepest = original_oracle(data, certificate, reduced)
    return data.loss.dual_bound(Ball.exact(certificate.multiplier), data.targets, data.gamma, steepest)


def verify(problem: Problem, certificate: Certificate, deadline: Deadline | None = None) -> float:
    """Return the lower bound of p* that a certificate proves for a problem.

    Everything is computed anew from the problem's data and the certificate's numbers, with all
    rounding errors bounded; the returned float is a proved lower bound.

    Parameters
    ----------
    deadline: the time by which the proof must have ended. Without one the work is bounded by what a certificate may
        hold: blocks, lengths of paths and cones beyond the limits that docs/guide.md states are refused.

    Raises
    ------
    CertificateError: the certificate does not fit the problem, its proof fails, or it proves less than
        the bound that it claims; or it is no certificate (a method without a bound leaves None); or the time is up.
    InputError: a deadline that is none.
    UntrustedArithmetic: this process does not round as proofs need it.
    """
    if not isinstance(deadline, Deadline | None):
        raise InputError(f"deadline is {deadline!r}; write sdprelax.Deadline(seconds), or None for no limit.")
    require_ieee_arithmetic()
    _require(isinstance(certificate, Certificate), _kind(certificate))
    try:
        with np.errstate(over="ignore", invalid="ignore", divide="ignore", under="ignore"):
            certificate = _checked(problem, certificate)
            data = MeasuredData.of(problem, certificate.units)
            largest = max(float(np.max(part.magnitude())) for part in (data.inputs, data.targets))
            _require(largest <= LARGEST, f"its units {certificate.units} are not those of the data")
            measured = dual_bound(data, certificate, reduced_oracle(certificate, deadline))
            proved = Units(problem, *certificate.units).value(measured)
    except (ArithmeticError, AttributeError, LookupError, MemoryError, RuntimeError, TypeError, ValueError) as error:
        # What a forged file can still provoke; a proof that cannot be evaluated proves nothing.
        words = str(error).rstrip(".") or type(error).__name__
        raise CertificateError(f"the certificate does not hold: its proof cannot be evaluated ({words}).") from None
    _require(
        proved >= certificate.lower,
        f"it claims the lower bound {certificate.lower!r} and proves {proved!r}",
    )
    return proved
