"""What a network's predictions cost on the data: convex losses, one file each.

A loss ℓ(P; Y) = Σ_i ℓ_i(P_i; Y_i) of predictions P and targets Y, both of shape (n, c), enters training in two places
(docs/mathematics/problem.md, "Losses"): ℓ itself in the objective, and its conjugate in the dual,

    D(A) = −ℓ*(−A) = inf over P of  ℓ(P; Y) + ⟨A, P⟩,         p* ≥ D(A) wherever ‖Aᵀφ(Xu)‖ ≤ γ‖u‖ for every u.

A = −∇ℓ(P), the *residual*, attains the infimum at P (Fenchel and Young). D is concave and D(0) = inf ℓ is finite, so
for any A the best feasible multiple sA is found on the *ray* s ↦ D(sA). A constant output t that the network may add
asks for 1ᵀA = 0 where t is free, and takes ‖1ᵀA‖²/(2γ) off D where it is penalised like a weight.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
import scipy.optimize

from sdprelax.base import UNIT, Ball, Floats, Registry, gamma, optional

__all__ = ["Loss", "ProvedRay", "Ray", "Weighted", "largest_multiple", "losses", "sums_above", "tilt_of"]

# Halvings after which the end of the dual's domain along a ray is known to rounding.
HALVINGS = 60
# Multiples up to this are taken for 0: far above where roundings are no longer relative.
SMALLEST_MULTIPLE = 1e-280
# Shares of a multiple that are tried in its place: at the very end of the dual's domain nothing is proved.
SHARES = (1.0, 1.0 - 2.0**-48, 1.0 - 2.0**-40, 1.0 - 2.0**-30)
# Least distance from the upper ends of the domain that a point of a shift-invariant loss is moved to, and the share of
# the mean one where columns are balanced too; sweeps that bring columns of other losses to their sums.
INSIDE, APART, SWEEPS = 1e-200, 2.0**-40, 50
# Newton steps, and halvings of an interval, for the best constant output; slopes below this share count as none there.
CONSTANT_STEPS, CONSTANT_HALVINGS, FLAT = 60, 120, 2.0**-60


class Ray(Protocol):
    """The dual value along a ray, s ↦ D(sA), in floating point."""

    def best(self, limit: Any) -> Any:
        """Return an s between 0 and ``limit`` at which D(sA) is largest; 0 where ``limit`` is no number."""
        ...

    def value(self, scale: Any) -> Any:
        """Return D(sA)."""
        ...


class ProvedRay(Protocol):
    """The dual value along a ray with its rounding errors; rays of blocks of samples add up to that of all of them."""

    def best(self, limit: float) -> float:
        """Return an s between 0 and ``limit`` at which D(sA) is large; floating point's word, no bound relies on it."""
        ...

    def below(self, scale: float) -> float:
        """Return a proved lower bound of the largest D(tA) with 0 ≤ t ≤ s; −∞ where nothing is proved."""
        ...

    def __add__(self, other: Any) -> ProvedRay:
        """Return the ray of both blocks of samples."""
        ...


class Loss(Protocol):
    """A convex loss; a subclass says what has no body here and inherits the rest.

    Attributes
    ----------
    targets: what Y holds: any "numbers"; "simplex", a distribution over the classes in every row; "signs", ±1; or
        "counts", numbers ≥ 0.
    degree: the k with ℓ(tP; tY) = t^k·ℓ(P; Y) for all t > 0; None where there is none, and targets keep their unit.
    curvature: the Lipschitz constant of ∇ℓ, so that D is strongly concave with its inverse; ∞ where ∇ℓ has none.
    smooth: whether ℓ is differentiable everywhere.
    separable: whether ℓ is a sum over the entries of P.
    shift_invariant: whether ℓ(P + s1ᵀ) = ℓ(P) for every s of shape (n, 1), so that rows of dual points add up to 0.
    """

    targets: ClassVar[Literal["numbers", "simplex", "signs", "counts"]] = "numbers"
    degree: ClassVar[int | None] = None
    curvature: ClassVar[float] = math.inf
    smooth: ClassVar[bool] = True
    separable: ClassVar[bool] = False
    shift_invariant: ClassVar[bool] = False

    @property
    def weights(self) -> Floats | None:
        """The samples' weights, shape (n,); None where all are 1."""
        return None

    @property
    def unweighted(self) -> Loss:
        """The loss of samples of weight 1."""
        return self

    def over(self, samples: Any) -> Loss:
        """Return the loss of some samples, given by a slice, indices or truth values: with their weights alone."""
        return self

    def check(self, Y: Floats) -> None:
        """Refuse targets that the loss is not defined for.

        Raises
        ------
        InputError: what is wrong with them, and what would be right.
        """

    # Of every sample: what a member says.

    def values(self, P: Floats, Y: Floats) -> Floats:
        """Return ℓ_i(P_i; Y_i) in floating point, shape (n,)."""
        ...

    def values_above(self, P: Ball, Y: Ball) -> Floats:
        """Return proved upper bounds of ℓ_i(P_i; Y_i) for every point of the balls, shape (n,)."""
        ...

    def residual(self, P: Floats, Y: Floats) -> Floats:
        """Return A = −∇ℓ(P; Y), shape (n, c); of a loss with kinks the negative of some subgradient."""
        ...

    def probabilities(self, P: Floats) -> Floats | None:
        """Return the probabilities of the classes, shape (n, classes), that predictions mean; None where they do not.

        Parameters
        ----------
        P: predictions, shape (n, c).
        """
        return None

    def dual_values(self, A: Floats, Y: Floats) -> Floats:
        """Return D_i(A_i) in floating point, shape (n,); −∞ outside of its domain.

        The domain's equations (``shift_invariant``) are taken to hold where they hold up to rounding.
        """
        ...

    def dual_values_below(self, A: Ball, Y: Ball) -> Floats:
        """Return proved lower bounds of D_i(A_i), shape (n,), for every point of the balls; −∞ where nothing is proved.

        Of a ``shift_invariant`` loss: for every point whose rows add up to 0 exactly.
        """
        ...

    def dual_range(self, Y: Floats) -> tuple[Floats, Floats]:
        """Return the least and the largest values, shape (n, c), that entries of A take in the domain of D; or ∓∞."""
        return np.full(Y.shape, -np.inf), np.full(Y.shape, np.inf)

    def proximal(self, P: Floats, Y: Floats, step: float | Floats) -> Floats:
        """Return the Q of least ℓ(Q; Y) + Σ_i‖Q_i − P_i‖²/(2·step_i), shape (n, c).

        Parameters
        ----------
        step: one number > 0, or those of the samples, shape (n, 1).
        """
        ...

    def hessian(self, P: Floats, Y: Floats) -> Floats:
        """Return ∇²ℓ_i(P_i), shape (n, c, c); of a loss with jumps in ∇ℓ one of its one-sided values."""
        raise NotImplementedError(f"{type(self).__name__} has no Hessian.")

    def dual_gradient(self, A: Floats, Y: Floats) -> Floats:
        """Return ∇D(A), shape (n, c): predictions that A is the residual at; at ends of the domain it may be ±∞."""
        raise NotImplementedError(f"{type(self).__name__} has no gradient of its dual value.")

    def dual_hessian(self, A: Floats, Y: Floats) -> Floats:
        """Return −∇²D_i(A_i) inside of the domain, shape (n, c, c)."""
        raise NotImplementedError(f"{type(self).__name__} has no Hessian of its dual value.")

    def expressions(self, P: Any, Y: Floats) -> Any:
        """Return ℓ_i(P_i; Y_i), shape (n,), of a CVXPY expression P."""
        ...

    def tensors(self, P: Any, Y: Any) -> Any:
        """Return ℓ_i(P_i; Y_i), shape (..., n), of PyTorch tensors (..., n, c), for methods that train with PyTorch."""
        raise NotImplementedError(f"{type(self).__name__} has no form for PyTorch.")

    # Of all samples.

    def value(self, P: Floats, Y: Floats) -> float:
        """Return ℓ(P; Y) in floating point."""
        return float(np.sum(self.values(P, Y)))

    def value_above(self, P: Ball, Y: Ball) -> float:
        """Return a proved upper bound of ℓ(P; Y)."""
        return float(sums_above(self.values_above(P, Y)[None])[0])

    def dual_value(self, A: Floats, Y: Floats) -> float:
        """Return D(A) in floating point; −∞ outside of its domain."""
        return float(np.sum(self.dual_values(A, Y)))

    def dual_value_below(self, A: Ball, Y: Ball) -> float:
        """Return a proved lower bound of D(A), with the words of :meth:`dual_values_below`."""
        return 0.0 - float(sums_above(-self.dual_values_below(A, Y)[None])[0])

    def expression(self, P: Any, Y: Floats) -> Any:
        """Return ℓ(P; Y) of a CVXPY expression P."""
        cp = optional("cvxpy")  # half a second, which commands that solve nothing need not wait for

        return cp.sum(self.expressions(P, Y))

    def constant(self, Y: Floats, P: Floats | None = None, decay: float = 0.0) -> Floats:
        """Return the constant output t, shape (c,), of least ℓ(P + 1tᵀ; Y) + (decay/2)‖t‖², in floating point.

        Parameters
        ----------
        P: predictions without it, shape (n, c); default 0.
        """
        start = np.zeros_like(Y) if P is None else P
        return (_by_halving if self.separable else _by_newton)(self, Y, start, decay)

    # Points of the dual.

    def admissible(self, A: Floats, Y: Floats, offset: bool = False) -> Floats:
        """Return a point of the domain of D near A, up to rounding; with ``offset`` of columns that add up to 0.

        That is into the range entry by entry; of a ``shift_invariant`` loss, where the distances from the upper ends
        are distributions, to the residual at their logarithms, with ``offset`` at the best constant besides.
        """
        low, high = self.dual_range(Y)
        if self.shift_invariant:
            # With columns to be balanced too, not so near to an end that their rounding would lead beyond it.
            apart = np.sum(high, axis=1, keepdims=True) * np.sum(high, axis=0) / np.sum(high) * APART if offset else 0.0
            scores = np.log(np.maximum(high - A, np.maximum(apart, INSIDE)))
            A = self.residual(scores + (self.constant(Y, scores) if offset else 0.0), Y)
            # Where no sample is of a class its column has no other point than 0.
            return np.where(np.any(high > 0.0, axis=0), A, 0.0) if offset else A
        A = np.clip(A, low, high)
        for _ in range(SWEEPS if offset else 0):
            excess = np.sum(A, axis=0)
            room = np.where(excess > 0.0, A - low, high - A)
            room = np.where(np.isfinite(room), room, 1.0 + np.max(room, where=np.isfinite(room), initial=0.0))
            whole = np.sum(room, axis=0)
            A = np.clip(A - room * (excess / np.where(whole > 0.0, whole, 1.0)), low, high)
        return np.asarray(A)

    def exact_point(self, A: Floats, Y: Floats, offset: bool, scale: float = 1.0) -> Ball:
        """Return a ball that holds a real point near A for which the equations of the dual hold exactly.

        Rows add up to 0 for a ``shift_invariant`` loss, columns with ``offset``. What is missing is added to the entry
        that has then most room around it in the domain; where nothing is missing nothing changes, and entries at an end
        of the domain stay there.

        Parameters
        ----------
        scale: the multiple of A that is wanted in the domain.
        """
        point = Ball.exact(A)
        if not (self.shift_invariant or offset):
            return point
        mid, rad = point.mid.copy(), point.rad.copy()
        low, high = self.dual_range(Y)

        def room(missing: Floats) -> Floats:
            moved = scale * (mid + missing)
            return np.minimum(moved - low, high - moved)

        if self.shift_invariant:
            missing = -np.array([[math.fsum(row)] for row in mid])
            rooms = room(missing)
            if offset:
                rooms = np.where(np.any(high > 0.0, axis=0), rooms, -np.inf)
            places = np.argmax(rooms, axis=1)
            for i in np.flatnonzero(missing).tolist():
                mid[i, places[i]], rad[i, places[i]] = _balancing(mid[i], rad[i], int(places[i]))
        if offset:
            missing = -np.array([math.fsum(column) for column in mid.T])
            unsettled = np.flatnonzero((missing != 0.0) | np.any(rad != 0.0, axis=0))
            rooms = room(missing)[:, unsettled]
            # A whole row of a shift-invariant loss, since columns' sums add up to 0 as rows do.
            places = np.argmax(np.min(rooms, axis=1, initial=np.inf) if self.shift_invariant else rooms, axis=0)
            for k, i in zip(unsettled.tolist(), np.broadcast_to(places, unsettled.shape).tolist(), strict=True):
                mid[i, k], rad[i, k] = _balancing(mid[:, k], rad[:, k], i)
        return Ball(mid, rad)

    def ray(self, A: Floats, Y: Floats, tilt: float = 0.0) -> Ray:
        """Return s ↦ D(sA) − ½s²·tilt in floating point."""
        return SampledRay(self, A, Y, tilt)

    def proved_ray(self, A: Ball, Y: Ball, tilt: float = 0.0) -> ProvedRay:
        """Return s ↦ D(sA) − ½s²·tilt with all rounding errors bounded."""
        return EnclosedRay(self, A, Y, tilt)

    def dual_bound(self, A: Ball, Y: Ball, gamma: float, steepest: float, tilt: float = 0.0) -> float:
        """Return a proved lower bound of D(sA) − ½s²·tilt for the best feasible multiple s of A.

        Parameters
        ----------
        A, Y: dual point and targets, shape (n, c).
        gamma: what the dual norm of a feasible point is at most.
        steepest: a proved upper bound of A's dual norm.
        tilt: a proved upper bound of what a penalised offset takes, ‖1ᵀA‖²/γ.
        """
        ray = self.proved_ray(A, Y, tilt)
        return ray.below(float(ray.best(float(largest_multiple(steepest, gamma)))))


losses: Registry[Loss] = Registry("loss", __name__)


@dataclass(frozen=True, eq=False)
class Weighted(Loss):
    """The loss Σ_i w_iℓ_i of weighted samples; its dual value is Σ_i w_iD_i(A_i/w_i).

    Parameters
    ----------
    loss: ℓ.
    sample_weight: w, shape (n,), positive.
    """

    loss: Loss
    sample_weight: Floats

    # Facts of ℓ, which a dataclass's own attributes of the class would hide.
    targets = property(lambda self: self.loss.targets)
    degree = property(lambda self: self.loss.degree)
    curvature = property(lambda self: self.loss.curvature * float(np.max(self.sample_weight)))
    smooth = property(lambda self: self.loss.smooth)
    separable = property(lambda self: self.loss.separable)
    shift_invariant = property(lambda self: self.loss.shift_invariant)

    def __repr__(self) -> str:
        return f"{self.loss!r} of weighted samples"

    @property
    def weights(self) -> Floats:
        """w, shape (n,)."""
        return self.sample_weight

    @property
    def unweighted(self) -> Loss:
        """ℓ."""
        return self.loss

    def over(self, samples: Any) -> Weighted:
        """Return the loss of some samples."""
        return Weighted(self.loss, self.sample_weight[samples])

    @property
    def _column(self) -> Floats:
        return self.sample_weight[:, None]

    def check(self, Y: Floats) -> None:
        """Refuse what ℓ refuses."""
        self.loss.check(Y)

    def values(self, P: Floats, Y: Floats) -> Floats:
        """Return w_iℓ_i."""
        return self.sample_weight * self.loss.values(P, Y)

    def values_above(self, P: Ball, Y: Ball) -> Floats:
        """Return w_i times ℓ's bounds, rounded up."""
        return np.nextafter(self.sample_weight * self.loss.values_above(P, Y), np.inf)

    def residual(self, P: Floats, Y: Floats) -> Floats:
        """Return w_iA_i."""
        return self._column * self.loss.residual(P, Y)

    def probabilities(self, P: Floats) -> Floats | None:
        """Return those of the loss without weights."""
        return self.loss.probabilities(P)

    def dual_values(self, A: Floats, Y: Floats) -> Floats:
        """Return w_iD_i(A_i/w_i)."""
        return self.sample_weight * self.loss.dual_values(A / self._column, Y)

    def dual_values_below(self, A: Ball, Y: Ball) -> Floats:
        """Return w_iD_i(A_i/w_i) from below; zeros stay zeros."""
        mid, reach = A.mid / self._column, A.rad / self._column
        lost = np.where(A.mid != 0.0, 2 * UNIT * np.abs(mid) + 2.0**-1073, 0.0)
        rad = np.where((A.rad > 0.0) | (lost > 0.0), (reach + lost) * (1.0 + 8 * UNIT) + 2.0**-1073, 0.0)
        unweighted = self.loss.dual_values_below(Ball(mid, rad), Y)
        return np.where(unweighted == 0.0, 0.0, np.nextafter(self.sample_weight * unweighted, -np.inf))

    def dual_range(self, Y: Floats) -> tuple[Floats, Floats]:
        """Return w times ℓ's range."""
        low, high = self.loss.dual_range(Y)
        return self._column * low, self._column * high

    def proximal(self, P: Floats, Y: Floats, step: float | Floats) -> Floats:
        """Return ℓ's map with steps w_i·step_i."""
        return self.loss.proximal(P, Y, self._column * step)

    def hessian(self, P: Floats, Y: Floats) -> Floats:
        """Return w_i∇²ℓ_i."""
        return self._column[:, :, None] * self.loss.hessian(P, Y)

    def dual_gradient(self, A: Floats, Y: Floats) -> Floats:
        """Return ∇D_i(A_i/w_i)."""
        return self.loss.dual_gradient(A / self._column, Y)

    def dual_hessian(self, A: Floats, Y: Floats) -> Floats:
        """Return −∇²D_i(A_i/w_i)/w_i."""
        return self.loss.dual_hessian(A / self._column, Y) / self._column[:, :, None]

    def expressions(self, P: Any, Y: Floats) -> Any:
        """Return w_iℓ_i of a CVXPY expression."""
        cp = optional("cvxpy")

        return cp.multiply(self.sample_weight, self.loss.expressions(P, Y))

    def tensors(self, P: Any, Y: Any) -> Any:
        """Return w_iℓ_i of PyTorch tensors."""
        return P.new_tensor(self.sample_weight) * self.loss.tensors(P, Y)


def largest_multiple(steepest: Any, gamma: Any) -> Floats:
    """Return the largest s with s·steepest ≤ γ, rounded down: numbers, or arrays of one shape.

    In exact arithmetic s·steepest ≤ γ holds. It is 0 where it would be so small that its rounding is not relative.
    """
    steepest = np.asarray(steepest, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore", under="ignore"):
        largest = np.where(steepest == 0.0, np.inf, gamma / steepest * (1.0 - 8 * UNIT))
    return np.where(largest > SMALLEST_MULTIPLE, largest, 0.0)


def tilt_of(A: Floats, decay: float) -> float:
    """Return ‖1ᵀA‖²/δ, twice what an offset that costs (δ/2)‖t‖² takes off the dual value; 0 where δ is."""
    return float(np.sum(np.sum(A, axis=0) ** 2)) / decay if decay else 0.0


@dataclass(frozen=True, eq=False)
class SampledRay:
    """s ↦ D(sA) − ½s²·tilt of any loss, by its ``dual_value``."""

    loss: Loss
    A: Floats
    Y: Floats
    tilt: float = 0.0

    def value(self, scale: float) -> float:
        """Return D(sA) − ½s²·tilt."""
        return self.loss.dual_value(scale * self.A, self.Y) - 0.5 * scale * scale * self.tilt

    def best(self, limit: float) -> float:
        """Return where the value is largest: in the domain, which is star-shaped, and no farther than it grows."""
        size = float(np.max(np.abs(self.A), initial=0.0))
        if not (limit > 0.0 and size > 0.0 and math.isfinite(size)):
            return 0.0
        low, high = self.loss.dual_range(self.Y)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            ends = np.where(self.A > 0.0, high / self.A, np.where(self.A < 0.0, low / self.A, np.inf))
        reach = float(np.min(ends))
        inside = np.all((low <= reach * self.A) & (reach * self.A <= high)) if reach < math.inf else True
        limit = min(limit, reach if inside else reach * (1.0 - 2.0**-51))
        end, best = min(limit, 1.0 / size), self.value(0.0)
        while end < limit and (now := self.value(end)) > best:
            end, best = min(2.0 * end, limit), now
        if not math.isfinite(self.value(end)):
            # Of a domain that is smaller than its range: between a point inside and one outside lies its end.
            outside = end
            while end > 0.0 and not math.isfinite(self.value(end)):
                end, outside = 0.5 * end, end
            for _ in range(HALVINGS):
                middle = 0.5 * (end + outside)
                end, outside = (middle, outside) if math.isfinite(self.value(middle)) else (end, middle)
        found = scipy.optimize.minimize_scalar(lambda s: -self.value(s), bounds=(0.0, end), method="bounded",
                                               options={"xatol": 1e-12 * max(end, 1e-300)})  # fmt: skip
        return max((0.0, end, float(found.x)), key=self.value)


@dataclass(frozen=True, eq=False)
class EnclosedRay:
    """s ↦ D(sA) − ½s²·tilt of any loss with its rounding errors, by its ``dual_value_below``."""

    loss: Loss
    A: Ball
    Y: Ball
    tilt: float = 0.0

    def best(self, limit: float) -> float:
        """Return where the value is largest for the midpoints."""
        return SampledRay(self.loss, self.A.mid, self.Y.mid, self.tilt).best(limit)

    def below(self, scale: float) -> float:
        """Return a proved lower bound of the largest value at 0 ≤ t ≤ s: of t near s, and of t = 0."""
        nothing = self.loss.dual_value_below(Ball.exact(np.zeros_like(self.A.mid)), self.Y)
        for share in SHARES if scale > 0.0 else ():
            if math.isfinite(below := self._at(share * scale)):
                return max(nothing, below)
        return nothing

    def _at(self, scale: float) -> float:
        taken = _half_square_above(scale, self.tilt)
        point = self.A if scale == 1.0 else self.A * scale
        # Zeros stay zeros: they may be at an end of the domain.
        zero = (self.A.mid == 0.0) & (self.A.rad == 0.0)
        below = self.loss.dual_value_below(Ball(point.mid, np.where(zero, 0.0, point.rad)), self.Y) - taken
        return math.nextafter(below, -math.inf) if taken else below

    def __add__(self, other: EnclosedRay) -> EnclosedRay:
        """Return the ray of both blocks of samples; what tilts take off adds up."""
        parts = ((self.A, other.A), (self.Y, other.Y))
        A, Y = (Ball(np.concatenate([a.mid, b.mid]), np.concatenate([a.rad, b.rad])) for a, b in parts)
        loss, weights, more = self.loss, self.loss.weights, other.loss.weights
        if weights is not None and more is not None:
            loss = Weighted(loss.unweighted, np.concatenate([weights, more]))
        tilt = math.nextafter(self.tilt + other.tilt, math.inf) if self.tilt or other.tilt else 0.0
        return EnclosedRay(loss, A, Y, tilt)


def _half_square_above(scale: float, tilt: float) -> float:
    """Return a float above ½s²·tilt, none of whose factors is rounded: s² may be far below all floats."""
    if not tilt:
        return 0.0
    if not math.isfinite(tilt):
        return math.inf
    try:
        return math.nextafter(float(Fraction(scale) ** 2 * Fraction(tilt) / 2), math.inf)
    except OverflowError:
        return math.inf


def sums_above(terms: Floats) -> Floats:
    """Return proved upper bounds of the sums of rows of numbers of either sign; ∞ where one overflows or is no number.

    Parameters
    ----------
    terms: shape (n, k); the sums have shape (n,). One term alone, and zeros, are their own sum.
    """
    if terms.shape[1] == 1:
        return np.where(np.isnan(terms[:, 0]), np.inf, terms[:, 0])
    with np.errstate(over="ignore", invalid="ignore"):
        total, size = np.sum(terms, axis=1), np.sum(np.abs(terms), axis=1)
        margin = gamma(terms.shape[1] + 1) * size * (1.0 + 2.0 * gamma(terms.shape[1] + 8)) + 2.0**-1000
        above = np.where(size > 0.0, np.nextafter(total + margin, np.inf), 0.0)
    return np.where(np.isfinite(size), above, np.inf)


def _balancing(mid: Floats, rad: Floats, place: int) -> tuple[float, float]:
    """Return (midpoint, radius) of minus the sum of all entries of a line but one."""
    others = np.arange(len(mid)) != place
    # math.fsum rounds the exact sum once, so that 0 is exact.
    total, spread = -math.fsum(mid[others]), math.fsum(rad[others])
    if not total and not spread:
        return 0.0, 0.0
    return total, math.nextafter(0.5 * math.ulp(total) + spread * (1.0 + 4 * UNIT), math.inf)


def _by_newton(loss: Loss, Y: Floats, P: Floats, decay: float) -> Floats:
    """Return the best constant output of a smooth loss: Newton steps, halved where they do not descend."""

    def value(t: Floats) -> float:
        return loss.value(P + t, Y) + 0.5 * decay * float(t @ t)

    def slope(t: Floats) -> Floats:
        return np.asarray(decay * t - np.sum(loss.residual(P + t, Y), axis=0))

    t = np.zeros(Y.shape[1])
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(CONSTANT_STEPS):
            gradient = slope(t)
            curved = np.sum(loss.hessian(P + t, Y), axis=0) + decay * np.eye(len(t))
            ridge = 1e-12 * max(float(np.trace(curved)), 1e-300)
            step = np.linalg.solve(curved + ridge * np.eye(len(t)), gradient)
            step *= min(1.0, 10.0 / max(float(np.max(np.abs(step))), 1e-300))
            length, now = 1.0, value(t)
            # At the end values differ by rounding alone, and slopes still tell.
            near = now + 1e-14 * abs(now)
            if value(t - step) <= near and np.linalg.norm(slope(t - step)) < 0.5 * np.linalg.norm(gradient):
                t = t - step
                continue
            while length > 1e-12 and not value(t - length * step) < now:
                length *= 0.5
            if length <= 1e-12:
                break
            t = t - length * step
    return np.asarray(t)


def _by_halving(loss: Loss, Y: Floats, P: Floats, decay: float) -> Floats:
    """Return the best constant output of a sum over entries: the zero of every column's slope, which increases."""

    def slope(t: Floats) -> Floats:
        return np.asarray(decay * t - np.sum(loss.residual(P + t, Y), axis=0))

    with np.errstate(over="ignore", invalid="ignore"):
        # Where all labels are one the least value is at infinity; a slope this small is as good as none.
        flat = FLAT * np.sum(np.abs(loss.residual(P, Y)), axis=0)
        low, high = -np.ones(Y.shape[1]), np.ones(Y.shape[1])
        while np.any(short := (slope(high) < -flat) & (high < 1e300)):
            high = np.where(short, 2.0 * high, high)
        while np.any(short := (slope(low) > flat) & (low > -1e300)):
            low = np.where(short, 2.0 * low, low)
        t = np.where((np.abs(slope(np.zeros_like(low))) <= flat), 0.0, 0.5 * (low + high))
        for _ in range(CONSTANT_HALVINGS):
            steep = slope(t)
            low, high = np.where(steep < -flat, t, low), np.where(steep > flat, t, high)
            t = np.where(np.abs(steep) <= flat, t, 0.5 * (low + high))
        if not loss.smooth:
            # Where there are kinks the least value is at one of them, or at 0 if that is as good.
            nearest = np.argmin(np.abs(Y - P - t), axis=0)
            kinks = (Y - P)[nearest, np.arange(Y.shape[1])]
            for k, tried in enumerate(np.stack([np.zeros_like(t), kinks, t]).T):
                costs = [loss.value(P[:, [k]] + u, Y[:, [k]]) + 0.5 * decay * u * u for u in tried.tolist()]
                t[k] = tried[int(np.argmin(costs))]
    return t
