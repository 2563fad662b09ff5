"""Makes certificates out of what solvers and oracles return; none of it needs to be trusted."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import scipy.linalg
import scipy.optimize
from numpy.typing import NDArray

from sdprelax.base import Ball, CertificateError, Deadline, Floats, positive_part, provable_from
from sdprelax.cells import Cone, whole_space
from sdprelax.certificate._certificate import BlockProof, Certificate, ConeProof, RelaxationProof
from sdprelax.certificate._cone_cover import Cover, most_cones, tightest_cover
from sdprelax.certificate._forms import proved_forms
from sdprelax.certificate._verify import (
    LARGEST_MULTIPLIER,
    MeasuredData,
    block_oracle,
    dual_bound,
    pulled_back,
    reduced_slack,
)
from sdprelax.lifting.inequalities import Forms, Inequality
from sdprelax.problem import Problem, Reduction, Units, units_of

__all__ = ["cone_certificate", "empty_network_certificate", "joined_certificate", "relaxation_certificate"]

# A certificate claims this little less than it proves here, so that another machine's rounding proves it too.
PORTABLE = 1e-12
# Relative slack of the oracle's bound that a cover ends at when nobody says otherwise.
ACCURACY = 1e-9
# Least square of a pivot over largest entry of a matrix that is to be inverted.
SINGULAR = 1e-15
# Largest entry below which a matrix is as good as zero.
TINY = 1e-240
# Where the central path may end while t is looked for.
ROUGH = 1e-7


class _Draft:
    """A dual point and generator rows in the units of a certificate to be made.

    Attributes
    ----------
    reduction: the generator rows, with factors in units of X.
    multiplier: A over a power of two, with entries of about 100 at most: formula (1) takes any multiple of A.
    scale: what an oracle value of the problem's A is divided by to be one of ``multiplier`` in these units.
    """

    def __init__(self, problem: Problem, reduction: Reduction, A: Floats) -> None:
        self.problem = problem
        self.units = units_of(problem)
        self.data = MeasuredData.of(problem, self.units)
        factor = reduction.factor / self.units[0]
        self.reduction = dataclasses.replace(reduction, factor=factor, activation=problem.activation)
        with np.errstate(over="ignore"):  # no dual point of these units: the point 0 proves what it can
            A = np.ascontiguousarray(A)
            # A loss of degree k has dual points of degree k − 1.
            targets = self.units[1:] * ((problem.loss.degree or 1) - 1)
            for unit in targets:
                A = A / unit
        largest = float(np.max(np.abs(A), initial=0.0))
        if not math.isfinite(largest):
            A, largest = np.zeros_like(A), 0.0
        self._of_multiplier = math.ldexp(1.0, max(math.frexp(largest)[1] - 7, -1021)) if largest else 1.0
        self.multiplier = A / self._of_multiplier
        self.scale = (self.units[0], *targets, self._of_multiplier)

    def measured(self, oracle: Any, power: int = 1) -> Any:
        """Return values of the problem's oracle, or their squares with power 2, in these units."""
        for unit in self.scale * power:
            oracle = oracle / unit
        return oracle

    def claimed(self, proof: RelaxationProof | ConeProof, reduced: float) -> Certificate:
        """Return the certificate with the bound that a proved ω̂ of the generator rows gives."""
        certificate = Certificate(0.0, self.multiplier, self.reduction, proof, self.units)
        proved = dual_bound(self.data, certificate, reduced)
        proved -= PORTABLE * abs(proved)
        return dataclasses.replace(certificate, lower=Units(self.problem, *self.units).value(proved))


def relaxation_certificate(
    problem: Problem,
    reduction: Reduction,
    A: Floats,
    multipliers: Sequence[Floats],
    cones: Sequence[Cone] | None = None,
    more: Mapping[str, Inequality] | None = None,
    forms: Sequence[Forms] | None = None,
) -> Certificate:
    """Return the best certificate that approximate multipliers of the relaxation give.

    Parameters
    ----------
    A: residual Y − Λ_αv, shape (n, c).
    multipliers: N of the reduced slack of every cone, shape (m, m) for its m forms, however inaccurate; it is
        symmetrised and clipped at 0 outside the products that vanish.
    cones: the partition of weight space; default: one cone that is all of it.
    more: families of inequalities beyond the standard ones, by name, which N has multipliers of.
    forms: the forms of every block that N has multipliers of, in place of ``cones`` and ``more``.

    Raises
    ------
    CertificateError: a family of ``more`` does not hold for every neuron, or N makes use of a product that is said to
        vanish and does not.

    Notes
    -----
    Repair (docs/mathematics/certificate.md, "Multipliers of the relaxation"): where H is not positive semidefinite the
    multipliers of "complementary", those of the products α_iβ_i, are all lowered by one t, which adds 2t‖β‖² and 2tβᵀX̂w
    to it. The κ that is then needed is the largest eigenvalue of a Schur complement, and t is found by a
    one-dimensional search. One A serves all cones.
    """
    A = problem.admissible(A)
    draft = _Draft(problem, reduction, A)
    g = reduction.generators
    blocks = list(forms or [Forms.of(reduction.rows, cone, more) for cone in cones or [whole_space(g)]])
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        given = [
            _admissible(draft.measured(N, 2 if block.cone.sector is None else 1), block)
            for N, block in zip(multipliers, blocks, strict=True)
        ]
    if not all(_largest(N) <= LARGEST_MULTIPLIER for N in given):
        given = [np.zeros_like(N) for N in given]

    def empty() -> RelaxationProof:
        """Return the proof of the dual point 0."""
        nothing = (np.zeros((block.count, block.count)) for block in blocks)
        return RelaxationProof(
            tuple(_block(block, N, np.zeros(1), 0.0) for block, N in zip(blocks, nothing, strict=True))
        )

    if g == 0:
        return draft.claimed(empty(), 0.0)
    dual = pulled_back(draft.reduction, draft.multiplier)
    worst, proved = 0.0, list[BlockProof]()
    for block in blocks:
        repaired = _repaired(reduction.rows, dual, block, given.pop(0))
        if repaired is None:
            return _Draft(problem, reduction, np.zeros_like(A)).claimed(empty(), 0.0)
        worst = max(worst, repaired[1])
        proved.append(repaired[0])
    return draft.claimed(RelaxationProof(tuple(proved)), worst)


def joined_certificate(parts: Sequence[Certificate]) -> Certificate:
    """Return the certificate over the cones of several, each of one problem's same dual point over the same rows.

    What it claims is the least that they claim: a larger oracle value proves less.

    Raises
    ------
    ValueError: there is none, or they are of different dual points, rows or units.
    """
    if not parts:
        raise ValueError("no certificates do not add up to one")
    first, blocks = parts[0], list[BlockProof]()
    for part in parts:
        same = part.units == first.units and np.array_equal(part.multiplier, first.multiplier)
        same = same and np.array_equal(part.reduction.rows, first.reduction.rows)
        if not (same and isinstance(part.proof, RelaxationProof)):
            raise ValueError("certificates of different dual points, rows or units do not add up to one")
        blocks.extend(part.proof.blocks)
    return dataclasses.replace(first, lower=min(part.lower for part in parts), proof=RelaxationProof(tuple(blocks)))


def _block(forms: Forms, N: Floats, kappa: Floats, delta: float) -> BlockProof:
    """Return the block of a proof with κ, with a sector (κ, κ_v, κ_t), of one output (κ, κ_t)."""
    balance = (float(np.sum(kappa[1:-1])), float(kappa[-1])) if len(kappa) > 1 else (0.0, 0.0)
    return BlockProof(forms.cone, N, float(kappa[0]), delta, forms.stated, balance)


def _admissible(multipliers: Floats, forms: Forms) -> Floats:
    """Return N symmetric and nonnegative but where products vanish; what is given is overwritten."""
    N, (first, second) = multipliers, forms.zeros.T
    N += N.T
    N *= 0.5
    free, N = N[first, second], positive_part(N)
    N[first, second] = N[second, first] = free
    return N


def _largest(values: Floats) -> float:
    """Return the largest absolute value; not a number if there is one that is none."""
    return float(np.maximum(np.max(values, initial=0.0), -np.min(values, initial=0.0)))


def _repaired(rows: Floats, dual: Ball, forms: Forms, N: Floats) -> tuple[BlockProof, float] | None:
    """Return the block with the best N − t·(twins), κ, δ that can be proved, and its oracle; None where nothing can.

    Raises
    ------
    CertificateError: a form does not hold for every neuron in the cone, or a product does not vanish that is said to.
    """
    cone, held = forms.cone, proved_forms(rows, forms)
    held.excess(N)
    k, r = len(cone.undetermined), rows.shape[1]
    ball = reduced_slack(rows, dual, forms, N)
    slack = ball.mid
    if not (np.all(np.isfinite(slack)) and np.all(np.isfinite(ball.rad))):
        return None
    # Which κ an entry of the corner, of w, v or t, belongs to.
    outputs = len(slack) - k - r
    kind = (
        np.repeat([0, 1, 2], [r, max(outputs - 1, 0), min(outputs, 1)])
        if outputs > 1
        else np.repeat([0, 1], [r, outputs])
    )
    # Where all cancels what is left is rounding, which the margin has to cover.
    scale = max(float(np.abs(slack).max() + ball.rad.max()), 1e-250)
    if len(chosen := forms.coordinates) and k:
        bounds = held.bounds(np.stack([chosen, chosen], axis=1))
        N[chosen, chosen] -= _square_shift(slack, forms.matrix[chosen].toarray(), bounds, k) / bounds
        ball = reduced_slack(rows, dual, forms, N)
    eigenvalues, vectors = np.linalg.eigh(ball.mid[:k, :k])
    if k:
        first, second = forms.vanishing["complementary"].T
        free = np.hstack([rows[cone.undetermined], np.zeros((k, outputs))])
        shift = _twin_shift(ball.mid, (eigenvalues, vectors), free, kind)
        del ball, slack
        N[first, second] -= shift
        N[second, first] = N[first, second]
        ball, eigenvalues = reduced_slack(rows, dual, forms, N), eigenvalues + 2.0 * shift
    slack = ball.mid
    coupling, corner = slack[k:, :k] @ vectors, slack[k:, k:]
    # What the Cholesky proof itself needs on the diagonal, increased until the proof goes through.
    margin = max(4.0 * (k + r) * np.finfo(float).eps * scale, abs(provable_from(ball)))
    least = max(0.0, -float(eigenvalues[0])) if k else 0.0
    for _ in range(60):
        shifted = least + margin
        schur = _schur(coupling, eigenvalues + (shifted - 0.5 * margin), corner)
        kappa = _least_diagonal(schur, kind)
        block = _block(forms, N, kappa + margin, shifted)
        try:
            block_oracle(rows, dual, block, proved=held, slack=ball)
        except CertificateError:
            margin *= 4.0
            continue
        # Twice the margin that was needed here leaves room for another machine's rounding.
        proved = _block(forms, N, kappa + 2.0 * margin, block.delta + margin)
        largest = max(_largest(kappa), proved.delta, _largest(N))
        if largest > LARGEST_MULTIPLIER:
            return None
        return proved, block_oracle(rows, dual, proved, proved=held, slack=ball)
    return None


def _schur(coupling: Floats, eigenvalues: Floats, corner: Floats) -> Floats:
    """Return S with diag(κ) ⪰ S exactly if the matrix with diag(κ) on its corner is positive semidefinite.

    Parameters
    ----------
    coupling, eigenvalues: of the β block, in its eigenvectors.
    """
    return np.asarray((coupling / eigenvalues) @ coupling.T - corner)


def _least_diagonal(schur: Floats, kind: NDArray[np.int64], end: float = 1e-11) -> Floats:
    """Return the κ of each kind with diag(κ[kind]) ⪰ S of least sum: of one kind S's largest eigenvalue, but ≥ 0.

    Of several kinds by Newton's method along the central path of −log det.

    Parameters
    ----------
    end: the path's last μ over the size of S; the sum is above the least by about that times the order.
    """
    count = int(kind[-1]) + 1 if len(kind) else 1
    top = float(np.linalg.eigvalsh(schur)[-1]) if len(kind) else 0.0
    if count == 1:
        return np.array([max(0.0, top)])
    unit = float(np.abs(schur).max())
    if not unit > TINY:
        return np.full(count, max(0.0, top))
    schur, members = schur / unit, np.eye(count)[kind]
    kappa, mu = np.full(count, top / unit + 1.0), 1.0
    inverse = _inverse(kappa[kind], schur)
    while mu > end and inverse is not None:
        for _ in range(20):
            gradient = 1.0 - mu * (members.T @ inverse.diagonal())
            hessian = mu * (members.T @ inverse**2 @ members)
            step = -np.linalg.solve(hessian, gradient)
            decrement = float(-gradient @ step)
            length = 1.0
            while (there := _inverse((kappa + length * step)[kind], schur)) is None and length > 1e-6:
                length *= 0.5
            if there is None:
                return kappa * unit
            kappa, inverse = kappa + length * step, there
            if decrement <= 1e-3 * mu:
                break
        mu *= 0.1
    return kappa * unit


def _inverse(diagonal: Floats, schur: Floats) -> Floats | None:
    """Return the inverse of diag(diagonal) − S; None where that is not positive definite to working precision."""
    matrix = np.diag(diagonal) - schur
    factor, failed = scipy.linalg.lapack.dpotrf(matrix, lower=True)
    if failed or not float(np.min(factor.diagonal())) ** 2 > SINGULAR:
        return None
    # Zeros are above the diagonal.
    lower = scipy.linalg.lapack.dpotri(factor, lower=True)[0]
    return np.asarray(lower + lower.T - np.diag(lower.diagonal()))


def _largest_violation(coupling: Floats, eigenvalues: Floats, corner: Floats) -> float:
    """Return the least κ ≥ 0 with κE_ww + slack ⪰ 0, by the Schur complement in the β block's eigenvectors."""
    return max(0.0, float(np.linalg.eigvalsh(_schur(coupling, eigenvalues, corner))[-1]))


def _twin_shift(slack: Floats, pairs: tuple[Floats, Floats], free: Floats, kind: NDArray[np.int64]) -> float:
    """Return the t > 0 for which multipliers lowered by t at the entries (α_i, β_i) need the least sum of κ.

    Parameters
    ----------
    slack: over z, shape (len(z), len(z)); it gains 2t on the diagonal of ββ and tX̂ between β and w.
    pairs: eigenvalues and eigenvectors of ββ.
    free: the rows X̂ of the β, shape (k, len(z) − k), with zeros where z goes on beyond w.
    kind: which κ an entry beyond β has, shape (len(z) − k,).
    """
    k = len(free)
    eigenvalues, vectors = pairs
    coupling, gained, corner = slack[k:, :k] @ vectors, free.T @ vectors, slack[k:, k:]
    least, scale = max(0.0, -0.5 * float(eigenvalues[0])), max(float(np.abs(slack).max()), 1e-250)

    def kappa(log: float) -> float:
        t = least + math.exp(log)
        schur = _schur(coupling + t * gained, eigenvalues + 2.0 * t, corner)
        return float(np.sum(_least_diagonal(schur, kind, ROUGH)))

    ends = (math.log(scale * 1e-16), math.log(scale * 10.0))
    accuracy = 1e-3 if kind[-1] == 0 else 3e-2
    found = scipy.optimize.minimize_scalar(kappa, bounds=ends, method="bounded", options={"xatol": accuracy})
    return least + math.exp(float(found.x))


def _square_shift(slack: Floats, forms: Floats, bounds: Floats, free: int) -> float:
    """Return the ε > 0 for which multipliers of squares g_p²/ζ_p lowered by ε, at the price of ε each, cost least.

    Where a solver ends a little short of positive semidefinite, forms that are coordinates make it so at next to no
    price, while β² costs much: a form may be small where β is not.

    Parameters
    ----------
    slack: over z, shape (len(z), len(z)); it gains εΣg_pg_pᵀ/ζ_p.
    forms: g_p, shape (p, len(z)).
    bounds: ζ_p with (g_pᵀz)² ≤ ζ_p‖w‖², shape (p,).
    free: number of entries of β.
    """
    gained, scale = (forms.T / bounds) @ forms, max(float(np.abs(slack).max()), 1e-250)

    def cost(log: float) -> float:
        shifted = slack + math.exp(log) * gained
        eigenvalues, vectors = np.linalg.eigh(shifted[:free, :free])
        least = max(0.0, scale * 1e-15 - float(eigenvalues[0]))
        kappa = _largest_violation(shifted[free:, :free] @ vectors, eigenvalues + least, shifted[free:, free:])
        return kappa + len(bounds) * math.exp(log) + free * least

    ends = (math.log(scale * 1e-18), math.log(scale))
    found = scipy.optimize.minimize_scalar(cost, bounds=ends, method="bounded", options={"xatol": 1e-2})
    return math.exp(float(found.x))


def cone_certificate(
    problem: Problem,
    reduction: Reduction,
    A: Floats,
    *,
    cover: Cover | None = None,
    deadline: Deadline | None = None,
) -> Certificate:
    """Return the certificate of a dual point by a cover of weight space with cones.

    Parameters
    ----------
    A: the dual point, shape (n, c); moved into the dual's domain, and scaled into feasibility by the bound's formula.
    cover: a complete cover that was computed for this very ``A`` of a problem in its own units
        (``Units.of(problem).problem``), if there is one already; A is then in the domain as it is.
    deadline: the cover is the tightest one found by then.
    """
    draft = _Draft(problem, reduction, problem.admissible(A) if cover is None else A)
    g, r = reduction.rows.shape
    if g == 0:
        return draft.claimed(ConeProof(1.0, 1), 0.0)
    if cover is None or draft.units != (1.0, 1.0):
        deadline = deadline or Deadline()
        dual = pulled_back(draft.reduction, draft.multiplier)
        # Without a limit there is no need to work towards the accuracy by levels.
        first = 0.0 if deadline.seconds == math.inf else math.inf
        aim = draft.data.gamma / draft.scale[-1]
        cover = tightest_cover(reduction.rows, dual, aim, ACCURACY, deadline=deadline, first=first)
        level, bound = cover.level, cover.bound
    else:
        level, bound = draft.measured(cover.level), draft.measured(cover.bound)
    if not (level > 0.0 and math.isfinite(bound)):
        level, bound = 1.0, math.inf
    # Another machine's rounding may split a few cones more.
    proof = ConeProof(level, min(2 * cover.cones + 1000, most_cones(g, r, A.shape[1])))
    return draft.claimed(proof, bound)


def empty_network_certificate(problem: Problem, reduction: Reduction) -> Certificate | None:
    """Return the certificate that no neuron pays, p* = ℓ(0; Y), or None where that is not so or not evident.

    It is so exactly if ‖Aᵀφ(Xu)‖ ≤ γ‖u‖ for every u, with A the residual at its predictions (squared loss without an
    offset: Y), as for large γ, zero targets or zero inputs.
    """
    units = Units.of(problem)
    scaled = units.problem
    empty = scaled.empty_network()
    nothing = empty.predict(scaled.X)
    steepest = float(np.linalg.norm(scaled.inputs, 2)) * float(np.linalg.norm(scaled.residual(nothing), 2))
    if problem.activation.lipschitz * steepest > scaled.gamma:
        return None
    g, A = reduction.generators, problem.residual(units.network(empty).predict(problem.X))
    certificate = relaxation_certificate(problem, reduction, A, [np.zeros((2 * g, 2 * g))])
    value = units.value(scaled.objective(empty))
    # An offset that fits leaves what rounding does.
    rounding = 1e-18 * abs(units.value(scaled.loss.value(np.zeros_like(scaled.Y), scaled.Y)))
    return certificate if certificate.lower >= value - 1e-9 * abs(value) - rounding else None
