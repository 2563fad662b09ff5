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

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from sdprelax.base import (
    UNIT,
    Ball,
    Deadline,
    Floats,
    InputError,
    Integers,
    bound_above,
    proves_psd,
)
from sdprelax.cells import MOST_EDGES, Cone, Sector, covers_space
from sdprelax.certificate._certificate import (
    LONGEST_PATH,
    MOST_BLOCKS,
    BlockProof,
    Certificate,
    ConeProof,
    RelaxationProof,
)
from sdprelax.certificate._checks import (
    LARGEST_NUMBER,
    checked_array,
    checked_number,
    refusing,
    require,
    require_kind,
    require_time,
)
from sdprelax.certificate._cone_cover import cover_sphere, most_cones
from sdprelax.certificate._forms import MOST_CONCAVE, ProvedForms, path_normals, proved_forms, shortfalls
from sdprelax.lifting.inequalities import STANDARD, Forms
from sdprelax.problem import Loss, Problem, Reduction, Units, freedom, largest_multiple

__all__ = [
    "PROOF_VERSION",
    "MeasuredData",
    "block_oracle",
    "dual_bound",
    "dual_point",
    "original_oracle",
    "proved_dual_norm",
    "pulled_back",
    "reduced_oracle",
    "reduced_slack",
    "verify",
]

# Raised when the same certificate, or multipliers, prove another bound: trials that prove one run once more.
PROOF_VERSION = 1

# What N, κ, δ and a target may be, in a certificate's units; solvers' certificates are far from these ends.
LARGEST_MULTIPLIER = 2.0**200
# Columns of a matrix that are computed at a time.
COLUMNS = 256
# Multiplications that all blocks of a relaxation's proof together may take.
MOST_MULTIPLICATIONS = 10**13
# Multiplications, about, of one nonnegative least-squares problem: no deadline interrupts it.
MOST_COMBINED = 10**10


@dataclass(frozen=True, eq=False)
class MeasuredData:
    """A problem's data in the units of a certificate.

    Attributes
    ----------
    inputs: X/s with its column of ones, or of the certificate's B for free biases, shape (n, d).
    targets: Y/t, shape (n, c).
    gamma: γ in these units, rounded down; squared loss: γ/(st).
    loss: of the problem.
    balanced: whether columns of dual points add up to 0, as constant outputs cost nothing.
    decay: what half their square costs in these units, rounded down; 0 where there are none, or free ones.
    freedom: what ω is multiplied by for free biases; 1 where there are none.
    """

    inputs: Ball
    targets: Ball
    gamma: float
    loss: Loss
    balanced: bool
    decay: float
    freedom: float

    @staticmethod
    def of(problem: Problem, units: tuple[float, float], column: float = 1.0) -> MeasuredData:
        """Return the data of a problem in units (s, t) with a free bias in units of B, three powers of two."""
        s, t = units
        measured = Units(problem, s, t, column).measured
        inputs, targets = Ball.exact(measured).over(s), Ball.exact(problem.Y).over(t)
        gamma = Fraction(problem.gamma) / Fraction(s) / Fraction(t) ** ((problem.loss.degree or 1) - 1)
        balanced = problem.free_constant
        decay = 0.0 if balanced else _float_below(Units(problem, s, t, column).offset_decay)
        require(balanced or decay > 0.0 or problem.offset is False, "its units leave nothing of the offset's decay")
        free = 1.0 if problem.penalise_bias else freedom(Ball.exact(problem.X), column)
        return MeasuredData(inputs, targets, _float_below(gamma), problem.loss, balanced, decay, free)


def _float_below(value: Fraction) -> float:
    """Return the largest float that is at most a number ≥ 0."""
    nearest = float(min(value, Fraction(LARGEST_NUMBER)))
    return nearest if Fraction(nearest) <= value else math.nextafter(nearest, 0.0)


def _checked(problem: Problem, certificate: Certificate) -> Certificate:
    """Return the certificate with every array and number of the type, shape and range that its proof needs."""
    n, d, c = problem.shape
    said, proof = certificate.reduction, certificate.proof
    require(len(certificate.units) == 2, "its units are not two numbers")
    units = tuple(checked_number("unit", unit, 2.0**-1074, 2.0**1023) for unit in certificate.units)
    require(all(math.frexp(unit)[0] == 0.5 for unit in units), f"its units {units} are not powers of two")
    column = checked_number("column", certificate.column, 2.0**-1074, 2.0**1023)
    require(
        math.frexp(column)[0] == 0.5 and (column == 1.0 or not problem.penalise_bias),
        f"its column {column} is not a power of two, or not 1 where biases are penalised",
    )
    require(units[1] == 1.0 or problem.loss.degree is not None, "its loss has no other unit of targets than 1")
    require(np.ndim(said.rows) == 2, "its rows are no matrix")
    g, r = np.shape(said.rows)
    require(r <= d and (g == 0 or r > 0), f"its rows have {r} columns, not 1 to {d}")
    reduction = Reduction(
        checked_array("rows", said.rows),
        checked_array("basis", said.basis, (d, r)),
        checked_array("group", said.group, (n,), integer=True),
        checked_array("factor", said.factor, (n,)),
        problem.activation,
    )
    groups = reduction.group[reduction.factor != 0.0]
    require(bool(np.all((groups >= 0) & (groups < g))), "its presolve names generators that do not exist")
    if isinstance(proof, RelaxationProof):
        require(
            0 < len(proof.blocks) <= MOST_BLOCKS, f"its proof has {len(proof.blocks)} blocks, not 1 to {MOST_BLOCKS}"
        )
        proof = RelaxationProof(tuple(_checked_block(block, g, r, c) for block in proof.blocks))
        work = sum(_multiplications(block, r, c) for block in proof.blocks)
        require(
            work <= MOST_MULTIPLICATIONS,
            f"its proof takes {work:.0e} multiplications, and at most {MOST_MULTIPLICATIONS:.0e} are done",
        )
        require(covers_space([block.cone for block in proof.blocks]), "its cones do not cover weight space")
    else:
        most = most_cones(g, r, c)
        proof = ConeProof(
            checked_number("target", proof.target, 0.0, LARGEST_MULTIPLIER),
            int(checked_number("number of cones", proof.max_cones, 1, most)),
        )
        require(proof.target > 0.0, "its target is not a positive number")
    # An optimum of a loss without a degree may be negative, or 0 less what is lost to rounding.
    least = 0.0 if problem.loss.degree is not None else -math.inf
    lower = checked_number("lower bound", certificate.lower, least, math.inf)
    A = checked_array("multiplier", certificate.multiplier, (n, c))
    return Certificate(lower, A, reduction, proof, (units[0], units[1]), column)


def _checked_block(block: BlockProof, g: int, r: int, c: int) -> BlockProof:
    """Return the block of a proof, everything of the type, shape and range it needs for g rows of rank r, c outputs."""
    signs = checked_array("signs", block.cone.signs, (g,), integer=True)
    require(bool(np.all(np.abs(signs) <= 1)), "its signs are not −1, 0 or 1")
    require(len(block.cone.path) <= LONGEST_PATH, f"the path to one of its cones is longer than {LONGEST_PATH} walls")
    sector = _checked_sector(block.cone.sector, c)
    path = tuple((int(row), int(side)) for row, side in block.cone.path)
    facets = tuple((int(row), int(side)) for row, side in block.cone.facets)
    require(all(0 <= row < g and side in (1, -1) for row, side in path), "its cones name rows that do not exist")
    require(set(facets) <= set(path), "the walls of a cone are not on its path")
    cone = Cone(path, signs.astype(np.int8), facets, sector)
    order, forms = cone.order(r), {}
    for name, stated in block.forms.items():
        require(name not in STANDARD, f"it states the inequality '{name}', which states itself")
        require(np.ndim(stated) == 2, f"its inequality '{name}' is no matrix")
        forms[name] = checked_array(f"inequality '{name}'", stated, (len(stated), order))
    size = 2 * len(cone.undetermined) + len(facets) + sum(map(len, forms.values()))
    N = checked_array("N", block.multipliers, (size, size), most=LARGEST_MULTIPLIER)
    require(bool(np.array_equal(N, N.T)), "its N is not symmetric")
    least = 0.0 if sector is None else -LARGEST_MULTIPLIER
    kappa = checked_number("κ", block.kappa, least, LARGEST_MULTIPLIER)
    delta = checked_number("δ", block.delta, 0.0, LARGEST_MULTIPLIER)
    require(len(block.balance) == 2, "its balance is not two numbers")
    of_outputs, of_length = (
        checked_number(name, value, least, 0.0 if sector is None else LARGEST_MULTIPLIER)
        for name, value in zip(("κ_v", "κ_t"), block.balance, strict=True)
    )
    require(c > 1 or of_outputs == 0.0, "it has κ_v for one output")
    return BlockProof(cone, N, kappa, delta, forms, (of_outputs, of_length))


def _checked_sector(said: Sector | None, c: int) -> Sector | None:
    """Return the sector of a block for c outputs, with a path of integers that is one."""
    if said is None:
        return None
    require(len(said.path) <= c + MOST_EDGES, f"the path to a sector is longer than {c} + {MOST_EDGES}")
    steps = checked_array("sector", said.path, (len(said.path), 3), integer=True)
    sector = Sector(tuple((a, b, side) for a, b, side in steps.tolist()), c)
    require(sector.rays.shape == (c, c), "a sector is none")
    return sector


def _multiplications(block: BlockProof, r: int, c: int) -> int:
    """Return about how many multiplications the proof of a block takes: products, factorisations, forms."""
    g, walls, order = len(block.cone.signs), len(block.cone.path), len(block.multipliers)
    said, stated = int(np.count_nonzero(block.cone.signs)), sum(len(forms) for forms in block.forms.values())
    # Nonnegative least squares for every row: once per wall that enters the combination, half a million to start with.
    sides = said * (walls * r * (min(walls, r) + 10) + 500_000) if walls else 0
    entries = g - said + r
    require(
        not stated or (2 * entries + walls) * entries**2 <= MOST_COMBINED,
        f"the proof of one of its inequalities combines {2 * entries + walls} forms of {entries} numbers: too many",
    )
    sides += 2**MOST_CONCAVE * stated * ((2 * entries + walls) * entries * (entries + 10) + 500_000)
    return int(order**2 * r + (order + r) ** 3 + g * r * c + sides)


def pulled_back(reduction: Reduction, A: Floats) -> Ball:
    """Return B = LᵀA with the rounding of its sums, and of L's entries, slopes times factors."""
    selection = reduction.selection()
    dual = Ball.exact(A).combined(selection.T)
    if all(math.frexp(slope)[0] in (0.0, 0.5, -0.5) for slope in reduction.activation.slopes):
        return dual
    weight = np.asarray(abs(selection).T @ np.abs(A))
    return Ball(dual.mid, dual.rad + 4.0 * UNIT * weight + 1e-290)


def block_oracle(
    rows: Floats, dual: Ball, block: BlockProof, deadline: Deadline | None = None, proved: ProvedForms | None = None,
    slack: Ball | None = None,
) -> float:  # fmt: skip
    """Return the bound of ‖Bᵀ[(X̂w)₊; (−X̂w)₊]‖/‖w‖ on one cone.

    Parameters
    ----------
    proved: the block's forms, if they are proved already.
    slack: :func:`reduced_slack` of the block's multipliers, if it is known already.

    Raises
    ------
    CertificateError: a form or H ⪰ 0 could not be proved, or the time is up.
    """
    require_time(deadline)
    proved = proved or proved_forms(rows, Forms.of(rows, block.cone, block.forms), deadline)
    excess = proved.excess(block.multipliers, deadline)
    free, r = rows[block.cone.undetermined], rows.shape[1]
    H = slack or reduced_slack(rows, dual, proved.forms, block.multipliers)
    of_outputs, of_length = block.balance
    outputs = np.full(len(H.mid) - len(free) - r, of_outputs)
    outputs[-1:] = of_length
    H = H.plus_diagonal(np.concatenate([np.full(len(free), block.delta), np.full(r, block.kappa), outputs]))
    require(proves_psd(H), "its slack matrix is not proved positive semidefinite")
    gram = Ball.exact(free).T @ Ball.exact(free)
    largest = max(float(np.linalg.eigvalsh(gram.mid)[-1]), 0.0) * (1.0 + 1e-12)
    shifted = Ball.exact(np.eye(r) * largest) - gram
    if not proves_psd(shifted):
        largest = gram.operator_norm_above()
    # With a sector κ, κ_v and κ_t may be of either sign: their sum is exact, and a float above it is taken.
    kappa = block.kappa
    if block.cone.sector is not None:
        total = Fraction(block.kappa) + Fraction(of_outputs) + Fraction(of_length)
        kappa = max(0.0, math.nextafter(float(total), math.inf))
    proved_value = bound_above(kappa + bound_above(block.delta * largest, 1), 1)
    if excess:
        proved_value = bound_above(proved_value + excess, 1)
    # Without one it is the square of the oracle that is bounded.
    oracle = proved_value if block.cone.sector is not None else bound_above(math.sqrt(proved_value), 1)
    return bound_above(oracle + _wrong_side(rows, dual, block.cone, deadline), 1)


def _wrong_side(rows: Floats, dual: Ball, cone: Cone, deadline: Deadline | None) -> float:
    """Return what rows contribute, per ‖w‖, that are not quite on the side of the cone that they are said to be on.

    The form ±x̂_jᵀw is at least −ρ‖w‖, so the row is at most ρ‖w‖ on the other side, and its term in f off by at most
    ‖b_j + b_{j+g}‖ times that.
    """
    said, (g, r) = np.flatnonzero(cone.signs), rows.shape
    targets = rows[said] * cone.signs[said][:, None]
    distances = shortfalls(np.zeros((0, r)), path_normals(rows, cone), np.zeros((len(said), 0)), targets, deadline)
    jumps = (dual[said] + dual[said + g]).row_norms()
    return bound_above(float(jumps @ distances), len(said) + 2) if len(said) else 0.0


def reduced_slack(rows: Floats, dual: Ball, forms: Forms, multipliers: Floats) -> Ball:
    """Return H of a ``BlockProof`` without its κ and δ, shape (len(z), len(z)), with its rounding errors."""
    g, signs, free = len(rows), forms.cone.signs, forms.cone.undetermined
    k = len(free)
    ahead, behind = signs >= 0, signs < 0
    linear = Ball.exact(rows[ahead]).T @ dual[:g][ahead]
    if np.any(behind):
        linear = linear - Ball.exact(rows[behind]).T @ dual[g:][behind]
    top = dual[free] + dual[free + g]
    outputs = Ball(np.vstack([top.mid, linear.mid]), np.vstack([top.rad, linear.rad]))
    # G = [S X]: few forms' entries of β, and what is linear in w, which is not all of them.
    S, X = forms.matrix[:, :k], forms.matrix[:, k:].toarray()
    live = _places(np.any(X != 0.0, axis=1))
    N, W = Ball.exact(multipliers), Ball.exact(X[live])
    linear_in_w = N[:, live] @ W
    side, corner = linear_in_w.combined(S.T), W.T @ linear_in_w[live]
    order, columns = k + X.shape[1], sp.csc_array(S)
    mid, rad = np.empty((order, order)), np.empty((order, order))
    mid[:k, k:], rad[:k, k:] = side.mid, side.rad
    mid[k:, :k], rad[k:, :k] = side.mid.T, side.rad.T
    mid[k:, k:], rad[k:, k:] = corner.mid, corner.rad
    # Some columns at a time: of N those of the forms that have them.
    for place in range(0, k, COLUMNS):
        some = slice(place, min(place + COLUMNS, k))
        used = np.unique(columns[:, some].indices)
        folded = N[:, used].combined(S.T).T.combined(columns[used][:, some].T).T
        mid[:k, some], rad[:k, some] = folded.mid, folded.rad
    sector = forms.cone.sector
    if sector is None:
        for place in range(0, order, COLUMNS):
            some = slice(place, min(place + COLUMNS, order))
            ball = -(Ball(mid[some], rad[some]) + outputs[some] @ outputs.T)
            mid[some], rad[some] = ball.mid, ball.rad
        return Ball(mid, rad)
    # v = V(v, t), or ±t of one output; halves are exact.
    V = np.eye(sector.outputs, sector.outputs + 1) if sector.outputs > 1 else sector.rays.astype(np.float64)
    half = (outputs @ Ball.exact(V)) * 0.5
    inner = len(outputs.mid)
    product = [np.zeros((order, order)) for _ in range(2)]
    for whole, part in zip(product, (half.mid, half.rad), strict=True):
        whole[:inner, inner:], whole[inner:, :inner] = part, part.T
    return -(Ball(mid, rad) + Ball(*product))


def _places(chosen: NDArray[np.bool_]) -> slice | Integers:
    """Return where entries are chosen: a slice, of which arrays are views, where they are next to each other."""
    places = np.flatnonzero(chosen)
    if len(places) and places[-1] - places[0] + 1 == len(places):
        return slice(int(places[0]), int(places[-1]) + 1)
    return places


def reduced_oracle(certificate: Certificate, deadline: Deadline | None = None) -> float:
    """Return a proved ω̂ with ‖Bᵀ[(X̂w)₊; (−X̂w)₊]‖ ≤ ω̂‖w‖ for every w."""
    reduction, proof = certificate.reduction, certificate.proof
    if reduction.generators == 0:
        return 0.0
    dual = pulled_back(reduction, certificate.multiplier)
    if isinstance(proof, RelaxationProof):
        return max(block_oracle(reduction.rows, dual, block, deadline) for block in proof.blocks)
    cover = cover_sphere(reduction.rows, dual, proof.target, max_cones=proof.max_cones, deadline=deadline)
    if not cover.complete:
        require_time(deadline)
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
    """Return the best lower bound of p*/t^k, rounded down, that A gives, given ω̂ of the generator rows.

    max over 0 ≤ s ≤ γ/ω of D(sA), for the squared loss s⟨A, Y⟩ − ½s²‖A‖²; any s in that range is valid. A penalised
    offset takes s²‖1ᵀA‖²/(2δ) off.
    """
    point, steepest = dual_point(data, certificate, reduced)
    tilt = 0.0
    if data.decay:
        sums = Ball.exact(np.ones((1, len(data.targets.mid)))) @ point
        tilt = bound_above(sums.square_above() / data.decay, 2)
    return data.loss.dual_bound(point, data.targets, data.gamma, steepest, tilt)


def dual_point(data: MeasuredData, certificate: Certificate, reduced: float) -> tuple[Ball, float]:
    """Return a ball of a point next to A for which the equations of the dual hold, and a proved bound ω of its norm.

    Where the dual has equations (rows that add up to 0, or columns, for a free offset) it is A′ that satisfies them
    exactly, next to A, and ω grows by Lip(φ)·Σ_i‖a′_i − a_i‖‖x_i‖. Biases b that cost nothing matter up to |b| = R‖u‖
    for the longest row R of X, since beyond it Aᵀφ(Xu + b1) is constant as 1ᵀA = 0; for these ‖(u, b/B)‖ ≤
    √(1 + R²/B²)·‖u‖.
    """
    A, steepest = certificate.multiplier, original_oracle(data, certificate, reduced)
    point = Ball.exact(A)
    if data.loss.shift_invariant or data.balanced:
        wanted = float(data.loss.ray(A, data.targets.mid).best(float(largest_multiple(steepest, data.gamma))))
        point = data.loss.exact_point(A, data.targets.mid, data.balanced, wanted)
        moved, longest = (point - Ball.exact(A)).row_norms(), data.inputs.row_norms()
        slip = bound_above(float(moved @ longest), len(moved) + 2)
        steepest = bound_above(steepest + certificate.reduction.activation.lipschitz * slip, 3)
    if data.freedom > 1.0:
        steepest = bound_above(steepest * data.freedom, 1)
    return point, steepest


def proved_dual_norm(problem: Problem, certificate: Certificate, deadline: Deadline | None = None) -> float:
    """Return a proved ω with ‖Aᵀφ(Xu)‖ ≤ ω‖u‖ for every u, of a certificate's A, in the certificate's units.

    Where the dual has equations, it is of the point next to A for which these hold exactly.

    Raises
    ------
    CertificateError: the certificate does not fit the problem, or its proof fails, or the time is up.
    """
    with refusing():
        certificate = _checked(problem, certificate)
        data = MeasuredData.of(problem, certificate.units, certificate.column)
        return dual_point(data, certificate, reduced_oracle(certificate, deadline))[1]


def verify(problem: Problem, certificate: Certificate, deadline: Deadline | None = None) -> float:
    """Return the lower bound of p* that a certificate proves for a problem.

    Everything is computed anew from the problem's data and the certificate's numbers, with all
    rounding errors bounded; the returned float is a proved lower bound.

    Parameters
    ----------
    deadline: the time by which the proof must have ended. Without one the work is bounded by what a certificate may
        hold: blocks, lengths of paths and cones beyond the limits that docs/guide/trust.md states are refused.

    Raises
    ------
    CertificateError: the certificate does not fit the problem, its proof fails, or it proves less than
        the bound that it claims; or it is no certificate (a method without a bound leaves None); or the time is up.
    InputError: a deadline that is none.
    UntrustedArithmetic: this process does not round as proofs need it.
    """
    if not isinstance(deadline, Deadline | None):
        raise InputError(f"deadline is {deadline!r}; write sdprelax.Deadline(seconds), or None for no limit.")
    require_kind(certificate, Certificate)
    with refusing():
        certificate = _checked(problem, certificate)
        data = MeasuredData.of(problem, certificate.units, certificate.column)
        largest = max(float(np.max(part.magnitude())) for part in (data.inputs, data.targets))
        require(largest <= LARGEST_NUMBER, f"its units {certificate.units} are not those of the data")
        measured = dual_bound(data, certificate, reduced_oracle(certificate, deadline))
        proved = Units(problem, *certificate.units).value(measured)
    require(
        proved >= certificate.lower,
        f"it claims the lower bound {certificate.lower!r} and proves {proved!r}",
    )
    return proved
