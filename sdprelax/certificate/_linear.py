"""Proved optima of linear networks with a bottleneck and weight decay.

    min over W_1 (d×k), W_2, …, W_L (k×c)  ½‖XW_1⋯W_L − Y‖² + (γ/2)Σ‖W_l‖²

The layers bound the optimum from above. From below do matrices F, N, R and numbers λ, t ≥ 0 and 0 ≤ ε ≤ 1 for which,
with E = XᵀXN and G = XᵀX − λEEᵀ,

    EᵀE ⪯ I,    λNᵀE ⪯ I,    tI + RRᵀ ⪰ FᵀGF,    XᵀY − GF = EC + C₀ with ‖C₀‖₂ ≤ εμ₀ (0 for an invertible E),

by ½‖Y‖² − ½(kt + ‖R‖²) − Σ_{i≤k} ½(c_i − μ_i)₊²/(λ − κ_i), with the singular values c of C and slopes μ of lines below
½κσ² + (1 − ε)½γLσ^{2/L} as far as σ may reach (docs/mathematics/deep_linear.md, "The proof of a lower bound"). All of
it is of the size of W but for the one pass over the samples that makes XᵀX and XᵀY.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from sdprelax.base import Ball, CertificateError, Deadline, Floats, bound_above, positive_part, proves_psd, read_arrays
from sdprelax.certificate._build import PORTABLE
from sdprelax.certificate._certificate import unreadable
from sdprelax.certificate._checks import (
    checked_array,
    checked_number,
    refusing,
    require,
    require_kind,
    require_time,
)
from sdprelax.certificate._group import ROUNDING, UNDERFLOW, program_gap_of
from sdprelax.networks import LinearNetwork
from sdprelax.problem import Problem, Squared, Units

__all__ = [
    "LinearCertificate",
    "borrowed_curvature",
    "decay_slope",
    "linear_certificate",
    "measured_decay",
    "reach_slope",
    "verify_linear",
]

# Layers of a network whose certificate is looked at, and numbers of a certificate, in its units.
DEEPEST, LARGEST = 64, 2.0**400
# How far N is moved inward, and t raised as a share of ‖XF‖₂², from attempt to attempt.
SLACKS = ((1e-13, 1e-15), (1e-12, 1e-14), (1e-12, 1e-13), (1e-11, 1e-12), (1e-10, 1e-12), (1e-9, 1e-12), (1e-9, 1e-11),
          (1e-8, 1e-11), (1e-8, 1e-10), (1e-7, 1e-9), (1e-6, 1e-8), (1e-5, 1e-6))  # fmt: skip
# Share of ‖Y‖² that ‖XF‖² counts as at least, and number that it counts as at least.
SMALL, TINY = 1e-6, 1e-200
# Steps of the search for κ.
STEPS = 60


def decay_slope(gamma: float, depth: int, curvature: float) -> float:
    """Return the largest μ with ½κσ² + ½γLσ^{2/L} ≥ μσ for every σ ≥ 0, in floating point.

    It is (L − 1)·(κ/(L − 2))^θ·γ^{1−θ} with θ = (L − 2)/(2L − 2), and γ for L = 2
    (docs/mathematics/deep_linear.md, "Any depth").

    Parameters
    ----------
    gamma: γ.
    depth: L ≥ 2.
    curvature: κ ≥ 0.
    """
    if gamma <= 0.0 or (depth > 2 and curvature <= 0.0):
        return 0.0
    return _slope(math.log(gamma) * depth, depth, curvature)


def _slope(log_power: float, depth: int, curvature: float) -> float:
    """Return μ, given log γ^L."""
    order, rest = 2 * depth - 2, depth - 2
    logarithm = math.log(depth - 1) + log_power / order
    if rest:
        logarithm += rest * (math.log(curvature) - math.log(rest)) / order
    return math.exp(min(logarithm, 700.0))


def _slope_below(power: Fraction, depth: int, curvature: float) -> float:
    """Return a float that is proved to be at most μ, given γ^L: μ^{2L−2}(L − 2)^{L−2} ≤ (L − 1)^{2L−2}κ^{L−2}γ^L."""
    order, rest = 2 * depth - 2, depth - 2
    if power <= 0 or (rest and curvature <= 0.0):
        return 0.0
    most = Fraction(depth - 1) ** order * Fraction(curvature) ** rest * power
    guess = _slope(math.log(power.numerator) - math.log(power.denominator), depth, curvature)
    for slack in (0.0, 1e-15, 1e-14, 1e-13, 1e-12):
        below = guess * (1.0 - slack)
        if Fraction(below) ** order * Fraction(rest) ** rest <= most:
            return below
    return 0.0


def reach_slope(value: float, gamma: float, depth: int) -> float:
    """Return the slope of the chord of ½γLσ^{2/L} from 0 to the σ at which it is ``value``, in floating point.

    No network of an objective below that value has a larger singular value.
    """
    if value <= 0.0 or gamma <= 0.0:
        return 0.0
    return math.exp(min(0.5 * depth * math.log(0.5 * gamma * depth) + (1.0 - 0.5 * depth) * math.log(value), 700.0))


def _reach_below(value: Fraction, power: Fraction, depth: int) -> float:
    """Return a float that is proved to be at most that slope ν, given γ^L: ν²v^{L−2} ≤ (L/2)^Lγ^L."""
    if value <= 0 or power <= 0:
        return 0.0
    most, lengths = Fraction(depth, 2) ** depth * power, value ** (depth - 2)
    square = most / lengths
    guess = math.exp(min(0.5 * (math.log(square.numerator) - math.log(square.denominator)), 700.0))
    for slack in (0.0, 1e-15, 1e-14, 1e-13, 1e-12):
        below = guess * (1.0 - slack)
        if Fraction(below) ** 2 * lengths <= most:
            return below
    return 0.0


def borrowed_curvature(singular: float, gamma: float, depth: int, curvature: float) -> float:
    """Return the κ ≤ λ for which (c − μ(κ))₊²/(λ − κ) is about least.

    Parameters
    ----------
    singular: c.
    gamma: γ.
    depth: L ≥ 2.
    curvature: λ ≥ 0.
    """
    if depth == 2 or curvature <= 0.0 or singular <= 0.0:
        return 0.0

    def cost(kappa: float) -> float:
        short = singular - decay_slope(gamma, depth, kappa)
        return 0.0 if short <= 0.0 else float(short * short / (curvature - kappa))

    # The least κ with μ(κ) ≥ c, where there is one: the term vanishes. Else a golden section in the logarithm of κ.
    if (whole := decay_slope(gamma, depth, curvature)) >= singular:
        wanted = curvature * math.pow(singular / whole, (2 * depth - 2) / (depth - 2)) * (1.0 + 1e-12)
        return min(wanted, curvature)
    low, high, golden = math.log(curvature) - 60.0, math.log(curvature * (1.0 - 1e-9)), 0.5 * (math.sqrt(5.0) - 1.0)
    for _ in range(STEPS):
        left, right = high - golden * (high - low), low + golden * (high - low)
        low, high = (low, right) if cost(math.exp(left)) <= cost(math.exp(right)) else (left, high)
    return math.exp(0.5 * (low + high))


@dataclass(frozen=True, eq=False)
class LinearCertificate:
    """The optimum of linear networks of a width and a depth on a problem's data, with what it takes to prove it.

    But for the two claims and the layers it is in the units X/s, Y/t.

    Parameters
    ----------
    value: claimed: the optimum is at most this.
    dual_value: claimed: the optimum is at least this.
    width: k, of the narrowest layer.
    layers: W_1, shape (d, m_1), to W_L, shape (m_{L−1}, c), the narrowest at most k wide: what attains ``value``, in
        the user's units.
    units: (s, t), powers of two.
    fit: F, shape (d, c).
    curvature: λ ≥ 0.
    directions: N, shape (d, m).
    borrowed: κ, shape (min(k, m, c),).
    share: ε.
    level: t ≥ 0.
    factor: R, shape (c, p).
    """

    value: float
    dual_value: float
    width: int
    layers: tuple[Floats, ...]
    units: tuple[float, float]
    fit: Floats
    curvature: float
    directions: Floats
    borrowed: Floats
    share: float
    level: float
    factor: Floats

    def __repr__(self) -> str:
        return (
            f"LinearCertificate({self.dual_value!r} ≤ optimum ≤ {self.value!r}, width {self.width}, depth {self.depth})"
        )

    @property
    def depth(self) -> int:
        """Number of layers L."""
        return len(self.layers)

    def gap(self, problem: Problem) -> float:
        """Return (value − dual_value)/value as claimed; 0 for a value within rounding of zero."""
        scale = float(np.max(np.abs(problem.Y), initial=0.0))
        # In units in which it does not overflow.
        energy = scale * Squared().value(problem.Y / scale, np.zeros_like(problem.Y)) * scale if scale else 0.0
        return program_gap_of(self.dual_value, self.value, max(ROUNDING * energy, UNDERFLOW))

    def details(self, problem: Problem) -> dict[str, float]:
        """Return what a record says of it: ``value``, ``dual_value`` and ``program_gap``."""
        return {"value": self.value, "dual_value": self.dual_value, "program_gap": self.gap(problem)}

    def save(self, path: str | Path) -> None:
        """Write the certificate to an ``.npz`` file."""
        np.savez(
            path, allow_pickle=False, kind=np.array("linear"), value=np.array(self.value),
            dual_value=np.array(self.dual_value), width=np.array(self.width), units=np.array(self.units),
            fit=self.fit, curvature=np.array(self.curvature), directions=self.directions, borrowed=self.borrowed,
            share=np.array(self.share), level=np.array(self.level), factor=self.factor, depth=np.array(self.depth),
            **{f"layer_{index}": layer for index, layer in enumerate(self.layers)},
        )  # fmt: skip

    @staticmethod
    def load(path: str | Path) -> LinearCertificate:
        """Read what :meth:`save` wrote.

        Raises
        ------
        CertificateError: the file is none.
        """
        try:
            stored = read_arrays(path)
            if str(stored["kind"]) != "linear":
                raise ValueError(f"it is of kind '{stored['kind']}'")
            depth = int(stored["depth"].item())
            if not 2 <= depth <= DEEPEST:
                raise ValueError(f"it has {depth} layers, not 2 to {DEEPEST}")
            s, t = stored["units"].tolist()
            return LinearCertificate(
                stored["value"].item(), stored["dual_value"].item(), stored["width"].item(),
                tuple(stored[f"layer_{index}"] for index in range(depth)), (s, t), stored["fit"],
                stored["curvature"].item(), stored["directions"], stored["borrowed"], stored["share"].item(),
                stored["level"].item(), stored["factor"],
            )  # fmt: skip
        except Exception as error:
            raise unreadable(path, "certificate of linear networks", error) from None


def linear_certificate(
    units: Units, width: int, network: LinearNetwork, fit: Floats, curvature: float = 0.0,
    directions: Floats | None = None,
) -> LinearCertificate:  # fmt: skip
    """Return the certificate that a network and a dual point give, claiming a little less than it proves here.

    Parameters
    ----------
    units: of the problem.
    width: k.
    network: in the user's units, of width k at most.
    fit: F in these units, shape (d, c).
    curvature: λ in these units; 0 for none.
    directions: N in these units, shape (d, m), with orthonormal columns of E = XᵀXN; None for none.

    Raises
    ------
    CertificateError: the network or F does not fit the problem, λ is not proved to be small enough, or γ does not pay
        for what F leaves.
    """
    N, error = np.zeros((len(fit), 0)) if directions is None else directions, CertificateError("there is none.")
    value = _objective_above(units.original, network.layers)
    with refusing():
        # The first slack with which the proof goes through is taken.
        for inward, slack in SLACKS:
            draft = _drafted(units, width, network, fit, curvature, (1.0 - inward) * N, slack, value)
            try:
                lower = _lower(units.original, _checked(units.original, draft), value, None)
            except CertificateError as refused:
                error = refused
                continue
            claimed = max(0.0, lower - PORTABLE * abs(lower))
            return dataclasses.replace(draft, value=value * (1.0 + PORTABLE), dual_value=claimed)
    raise error


def _drafted(
    units: Units, width: int, network: LinearNetwork, fit: Floats, curvature: float, N: Floats, slack: float,
    upper: float,
) -> LinearCertificate:  # fmt: skip
    """Return a certificate of a dual point that claims nothing, with t raised by a share of ‖XF‖₂²."""
    problem, depth, most = units.problem, network.depth, min(width, fit.shape[1])
    scales = (units.inputs, units.targets)
    split = _Split.of(units.original, scales, fit, curvature, N)
    free = _free_slope(units.original, *scales, depth, upper)
    # Without directions, or with nothing to pay from, all of γ is for what is outside.
    share = min(1.0, split.outside * (1.0 + 1e-9) / free) if N.shape[1] and free else 1.0
    share = 0.0 if split.least > 0.0 else share
    left = (1.0 - share) * measured_decay(units, depth)
    borrowed = [borrowed_curvature(c, left, depth, curvature) for c in split.singular_above()]
    values, vectors = np.linalg.eigh(split.square.mid)
    values, vectors = positive_part(np.asarray(values[::-1])), vectors[:, ::-1]
    below = float(values[width]) if width < len(values) else 0.0
    factor = vectors[:, :most] * np.sqrt(positive_part(values[:most] - below))
    size = max(float(np.linalg.norm(problem.X @ fit, 2)) ** 2, SMALL * float(np.sum(problem.Y**2)), TINY)
    level = below + slack * size
    kappa = np.array(borrowed[: min(width, *split.inside.mid.shape)])
    return LinearCertificate(
        math.inf, 0.0, width, network.layers, scales, fit, curvature, N, kappa, share, level, factor
    )


@dataclass(frozen=True, eq=False)
class _Split:
    """What a dual point leaves of XᵀY, in the directions of E and beyond.

    Attributes
    ----------
    columns: E = XᵀXN, shape (d, m).
    square: FᵀGF, shape (c, c).
    inside: C, shape (m, c), exact numbers.
    outside: a proved bound of ‖XᵀY − GF − EC‖₂.
    least: a proved lower bound of the least singular value of a square E; 0 where there is none.
    """

    columns: Ball
    square: Ball
    inside: Ball
    outside: float
    least: float

    @staticmethod
    def of(problem: Problem, units: tuple[float, float], fit: Floats, curvature: float, N: Floats) -> _Split:
        """Return that of F, λ and N in units (s, t)."""
        X, Y, F = Ball.exact(problem.inputs).over(units[0]), Ball.exact(problem.Y).over(units[1]), Ball.exact(fit)
        square, slopes = _over_samples(X, X), _over_samples(X, Y)
        E = square @ Ball.exact(N)
        image = square @ F
        if curvature:
            image = image - (E @ (E.T @ F)) * curvature
        missing = slopes - image
        inside = np.zeros((0, fit.shape[1]))
        if N.shape[1]:
            inside = np.asarray(np.linalg.lstsq(E.mid, missing.mid, rcond=None)[0])
            missing = missing - E @ Ball.exact(inside)
        return _Split(
            E, F.T @ image, Ball.exact(inside), _singular_values_above(missing)[0], _least_singular_value_below(E)
        )

    def singular_above(self) -> list[float]:
        """Return proved upper bounds of the singular values of the C for which EC is all of it, if E is square.

        That C differs by E⁻¹ of what is outside. Otherwise of the C that is held.
        """
        found = _singular_values_above(self.inside)
        if self.least == 0.0:
            return found
        return [bound_above(value + bound_above(self.outside / self.least, 2), 2) for value in found]


def _over_samples(first: Ball, second: Ball) -> Ball:
    """Return the product of a transposed matrix and another one, summed over blocks of about √n of n rows.

    Its rounding errors grow with √n in place of n.
    """
    step = max(1, math.isqrt(len(first.mid)))
    parts = [first[start : start + step].T @ second[start : start + step] for start in range(0, len(first.mid), step)]
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


def measured_decay(units: Units, depth: int) -> float:
    """Return the weight decay of every layer in the units of a certificate, in floating point: γ(t/s)^{2/L}/t²."""
    power = _decay_power(units.original, units.inputs, units.targets, depth)
    return math.exp((math.log(power.numerator) - math.log(power.denominator)) / depth)


def _decay_power(problem: Problem, inputs: float, targets: float, depth: int) -> Fraction:
    """Return γ^L in the units X/s and Y/t: γ^L·(t/s)²/t^{2L}."""
    s, t = Fraction(inputs), Fraction(targets)
    return Fraction(problem.gamma) ** depth * (t / s) ** 2 / t ** (2 * depth)


def verify_linear(
    problem: Problem, certificate: LinearCertificate, deadline: Deadline | None = None
) -> tuple[float, float]:
    """Return the bounds (lower, upper) of the optimum of linear networks that a certificate proves for a problem.

    The networks have the certificate's width and depth, and the problem's γ on every layer; the problem's activation
    does not matter. Everything is computed anew from the problem's data and the certificate's numbers, rounding errors
    bounded.

    Raises
    ------
    CertificateError: the certificate does not fit the problem, or proves less than it claims; or the time is up.
    UntrustedArithmetic: this process does not round as proofs need it.
    """
    require_kind(certificate, LinearCertificate)
    with refusing():
        checked = _checked(problem, certificate)
        upper = _objective_above(problem, checked.layers)
        require_time(deadline)
        lower = _lower(problem, checked, upper, deadline)
        require(lower >= checked.dual_value, f"it claims dual_value {checked.dual_value!r} and proves {lower!r}")
        require(upper <= checked.value, f"it claims value {checked.value!r} and proves {upper!r}")
    return lower, upper


def _checked(problem: Problem, given: LinearCertificate) -> LinearCertificate:
    """Return the certificate with every array and number of the type, shape and range that its proof needs."""
    _, d, c = problem.shape
    require(problem.loss == Squared(), "it is of the squared loss without weights, and the problem's is another")
    require(
        problem.offset is False and problem.penalise_bias, "it is of networks without offset, and the problem has one"
    )
    width = int(checked_number("width", given.width, 1, 2**62))
    require(width == given.width, f"its width is {given.width!r}")
    require(isinstance(given.layers, tuple), "its layers are no tuple")
    depth = len(given.layers)
    require(2 <= depth <= DEEPEST, f"it has {depth} layers, not 2 to {DEEPEST}")
    require(all(np.ndim(layer) == 2 for layer in given.layers), "a layer of it is no matrix")
    narrow = [np.shape(layer)[1] for layer in given.layers[:-1]]
    require(min(narrow) <= width, f"its layers are {min(narrow)} wide, and it is of width {width}")
    sizes = [d, *narrow, c]
    layers = tuple(
        checked_array(f"layer {index + 1}", layer, (sizes[index], sizes[index + 1]), most=LARGEST)
        for index, layer in enumerate(given.layers)
    )
    require(len(given.units) == 2, "its units are not two numbers")
    s, t = (checked_number("unit", unit, 2.0**-1074, 2.0**1023) for unit in given.units)
    require(all(math.frexp(unit)[0] == 0.5 for unit in (s, t)), f"its units {given.units} are not powers of two")
    require(np.ndim(given.factor) == 2, "its factor is no matrix")
    curvature = checked_number("λ", given.curvature, 0.0, LARGEST)
    require(np.ndim(given.directions) == 2, "its directions are no matrix")
    m = np.shape(given.directions)[1]
    require(m <= d, f"it has {m} directions, not 0 to {d}")
    borrowed = checked_array("κ", given.borrowed, (min(width, m, c),), most=LARGEST)
    require(bool(np.all(borrowed >= 0.0)), "a κ of it is negative")
    return LinearCertificate(
        checked_number("value", given.value, 0.0, math.inf),
        checked_number("dual_value", given.dual_value, 0.0, math.inf),
        width, layers, (s, t), checked_array("fit", given.fit, (d, c), most=LARGEST), curvature,
        checked_array("directions", given.directions, (d, m), most=LARGEST), borrowed,
        checked_number("share", given.share, 0.0, 1.0), checked_number("level", given.level, 0.0, LARGEST),
        checked_array("factor", given.factor, (c, np.shape(given.factor)[1]), most=LARGEST),
    )  # fmt: skip


def _objective_above(problem: Problem, layers: tuple[Floats, ...]) -> float:
    """Return a float that is proved to be at least the objective of a linear network, in the user's units."""
    predicted, squares = Ball.exact(problem.inputs), 0.0
    for layer in layers:
        predicted = predicted @ Ball.exact(layer)
        squares += Ball.exact(layer).square_above()
    penalty = bound_above(0.5 * (problem.gamma * squares), len(layers) + 3)
    return bound_above(problem.loss.value_above(predicted, Ball.exact(problem.Y)) + penalty, 2)


def _lower(problem: Problem, certificate: LinearCertificate, upper: float, deadline: Deadline | None) -> float:
    """Return a proved lower bound of the optimum in the user's units, of a certificate whose numbers are in range.

    Parameters
    ----------
    upper: a proved upper bound of the optimum: what is above it needs no look.
    """
    (s, t), curvature, depth = certificate.units, certificate.curvature, certificate.depth
    c, m = certificate.fit.shape[1], certificate.directions.shape[1]
    split = _Split.of(problem, (s, t), certificate.fit, curvature, certificate.directions)
    require_time(deadline)
    E, N, one = split.columns, Ball.exact(certificate.directions), Ball.exact(np.eye(m))
    require(proves_psd(one - E.T @ E), "the columns of its XᵀXN are not proved to be short")
    require(proves_psd(one - (N.T @ E) * curvature), f"XᵀX is not proved to have the curvature λ = {curvature!r}")
    factor = Ball.exact(certificate.factor)
    above = Ball.exact(certificate.level * np.eye(c)) + factor @ factor.T
    require(proves_psd(above - split.square), "tI + RRᵀ − FᵀGF is not proved positive semidefinite")
    require_time(deadline)
    twice = min(certificate.width, c) * certificate.level + factor.square_above()
    taken = bound_above(0.5 * twice, 4)
    free = _free_slope(problem, s, t, depth, upper)
    paid = math.isfinite(split.outside) and split.outside <= Fraction(certificate.share) * Fraction(free)
    require(paid or split.least > 0.0, "γ does not pay for what its F leaves beyond XᵀXN")
    rest = 1 - Fraction(certificate.share)
    power = _decay_power(problem, s, t, depth) * rest**depth
    for value, kappa in zip(split.singular_above(), certificate.borrowed.tolist(), strict=False):
        slope = max(_slope_below(power, depth, kappa), _float_below(rest * Fraction(free)))
        taken = bound_above(taken + _decay_term(value - slope, curvature, kappa), 2)
    Y = Ball.exact(problem.Y).over(t)
    below = math.nextafter(0.5 * Y.inner(Y)[0] - taken, -math.inf)
    return min(upper, Units(problem, s, t).value(max(0.0, below)))


def _float_below(value: Fraction) -> float:
    """Return a float that is at most a number ≥ 0."""
    nearest = float(min(value, Fraction(LARGEST)))
    return nearest if Fraction(nearest) <= value else math.nextafter(nearest, 0.0)


def _free_slope(problem: Problem, inputs: float, targets: float, depth: int, upper: float) -> float:
    """Return a slope that ½γLσ^{2/L} is proved to have without curvature, as far as σ may reach, in units X/s, Y/t.

    It is γ for two layers; for more it is that of the chord up to the σ beyond which an objective exceeds ``upper``.
    """
    power = _decay_power(problem, inputs, targets, depth)
    reach = _reach_below(Fraction(upper) / Fraction(targets) ** 2, power, depth) if math.isfinite(upper) else 0.0
    return max(_slope_below(power, depth, 0.0), reach)


def _decay_term(short: float, curvature: float, kappa: float) -> float:
    """Return ½(c − μ)₊²/(λ − κ), rounded up, for c − μ in floating point."""
    require(kappa <= curvature, f"its κ = {kappa!r} exceeds its λ = {curvature!r}")
    if short <= 0.0:
        return 0.0
    room = math.nextafter(curvature - kappa, -math.inf)
    require(room > 0.0, f"its F leaves a singular value that is {short!r} more than γ pays for")
    return bound_above(0.5 * math.nextafter(short, math.inf) ** 2 / room, 5)


def _least_singular_value_below(matrix: Ball) -> float:
    """Return a proved lower bound of the least singular value of matrices in a square ball; 0 where there is none."""
    rows, columns = matrix.mid.shape
    if rows != columns or not np.all(np.isfinite(matrix.mid)):
        return 0.0
    least = 0.9 * float(np.linalg.svd(matrix.mid, compute_uv=False)[-1])
    square = matrix.T @ matrix
    return least if least > 0.0 and proves_psd(square, bound_above(least * least, 1)) else 0.0


def _singular_values_above(matrix: Ball) -> list[float]:
    """Return proved upper bounds of the singular values of every matrix in a ball, descending.

    σ_i(C) ≤ σ_i(UΣVᵀ) + ‖C − UΣVᵀ‖ ≤ ‖U‖₂‖V‖₂Σ_ii + ‖C − UΣVᵀ‖, with ‖U‖₂² ≤ 1 + ‖UᵀU − I‖.
    """
    left, singular, right = np.linalg.svd(matrix.mid, full_matrices=False)
    if not len(singular):
        return [0.0]
    require(bool(np.all(np.diff(singular) <= 0.0) and singular[-1] >= 0.0), "its singular values are none")
    U, V, identity = Ball.exact(left), Ball.exact(right.T), Ball.exact(np.eye(len(singular)))
    stretch = 1.0
    for basis in (U, V):
        stretch = bound_above(stretch * math.sqrt(1.0 + (basis.T @ basis - identity).norm_above()), 4)
    missing = (matrix - (U * singular) @ V.T).norm_above()
    return [bound_above(float(value) * stretch + missing, 3) for value in singular]
