"""Convex programs of groups of weights: a design, a loss, and a norm of every group.

    min over W_1, ..., W_m (p×c) and t (c)  ℓ(Σ_iΦ_iW_i + 1tᵀ; Y) + γΣ_i‖W_i‖,
    dual:  max D(A)  s.t.  ‖Φ_iᵀA‖° ≤ γ for all i, 1ᵀA = 0

(t and 1ᵀA = 0 with a free offset alone; one that costs (δ/2)‖t‖² takes ‖1ᵀA‖²/(2δ) off D in place of that). D is the
dual value of any of :mod:`sdprelax.problem.losses`, for the squared one, ½‖P − Y‖², ⟨A, Y⟩ − ½‖A‖²; ‖·‖ with its dual
‖·‖° is one of :mod:`sdprelax.problem.norms`.
The design says what Φ_i is: D_iX behind a gate, the activations of a fixed neuron
(:mod:`sdprelax.lasso._designs`), or what sufficient statistics know of it (:mod:`sdprelax.lasso._statistics`).
docs/mathematics/lasso.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from sdprelax.base import Deadline, Floats
from sdprelax.lasso._designs import Directions, Masked
from sdprelax.problem import Loss, Problem, Ray, Squared, largest_multiple, norms
from sdprelax.problem.norms import Penalty

__all__ = ["Fit", "InnerSolver", "Objective", "Program", "Stop"]

SQUARED = Squared()


@dataclass(frozen=True, eq=False)
class Fit:
    """A primal-dual pair.

    Attributes
    ----------
    weights: W, shape (m, p, c).
    multiplier: A, shape (n, c), feasible in the dual up to rounding; of no rows where samples are not at hand.
    value, dual_value: of the two, in floating point; ``sdprelax.certificate.group_bounds`` bounds them.
    iterations: steps taken.
    offset: t, shape (c,), or one zero where none is free.
    trace: (value, dual value) at every step of a solver that lists them.
    expired: whether the deadline ended the solver.
    rho: penalty of the splitting at the end of alternating directions.
    """

    weights: Floats
    multiplier: Floats
    value: float
    dual_value: float
    iterations: int = 0
    offset: Floats = field(default_factory=lambda: np.zeros(1))
    trace: tuple[tuple[float, float], ...] = ()
    expired: bool = False
    rho: float | None = None

    @property
    def gap(self) -> float:
        """Duality gap relative to the value."""
        return (self.value - self.dual_value) / abs(self.value) if self.value != 0.0 else 0.0

    @property
    def used(self) -> NDArray[np.bool_]:
        """Whether each group carries weight, shape (m,)."""
        return np.asarray(np.any(self.weights != 0.0, axis=(1, 2)))

    def better(self, other: Fit) -> Fit:
        """Return the better weights of two pairs with the better dual point of the two."""
        value = other if other.value < self.value else self
        dual = other if other.dual_value > self.dual_value else self
        return replace(value, multiplier=dual.multiplier, dual_value=min(dual.dual_value, value.value))


@dataclass(frozen=True)
class Stop:
    """When a solver stops: at a duality gap, relative or absolute, after so many steps, or when the time is up.

    Parameters
    ----------
    tolerance: duality gap relative to the value.
    gap: duality gap; either is enough.
    steps: most steps of the solver.
    deadline: ends it with the best pair at hand.
    """

    tolerance: float = 0.0
    gap: float = 0.0
    steps: int = 100_000
    deadline: Deadline = field(default_factory=Deadline)

    def within(self, value: float, dual: float) -> bool:
        """Say whether the gap is small enough."""
        return value - dual <= max(self.gap, self.tolerance * abs(value))

    def reached(self, value: float, dual: float, steps: int) -> bool:
        """Say whether a solver ends here."""
        return self.within(value, dual) or steps >= self.steps or self.deadline.expired


@dataclass(frozen=True, eq=False)
class Objective:
    """What programs of every design share: γ, the norm of a group, and the scaling of dual points.

    Parameters
    ----------
    gamma: weight of the norms.
    penalty: a group's norm: "columns", "frobenius" or "nuclear"; of one output they are the same.
    """

    gamma: float
    penalty: Penalty

    @property
    def outputs(self) -> int:
        """c."""
        raise NotImplementedError

    @property
    def norm(self) -> Penalty:
        """The penalty; Frobenius's where all three are the same."""
        return self.penalty if self.outputs > 1 else "frobenius"

    def sizes(self, weights: Floats) -> Floats:
        """Return every group's norm ‖W_i‖, shape (m,)."""
        return norms.sizes(weights, self.norm)

    def steepness(self, slopes: Floats) -> Floats:
        """Return every group's dual norm ‖Φ_iᵀA‖°, shape (m,), of slopes Φ_iᵀA, shape (m, p, c)."""
        return norms.steepness(slopes, self.norm)

    def shrunk(self, weights: Floats, threshold: float) -> Floats:
        """Return the proximal map of threshold·Σ‖W_i‖."""
        return norms.shrunk(weights, threshold, self.norm)

    def scaled(self, ray: Ray, steepest: Any) -> tuple[Any, float]:
        """Return (s, dual value at sA) for the best multiple s ≥ 0 of a point A that is feasible.

        Parameters
        ----------
        ray: s ↦ D(sA); or those of every output, where the penalty is by columns, which gives each a multiple.
        steepest: the largest ‖Φ_iᵀA‖°, a number; or that of every output, shape (c,).
        """
        scale = ray.best(largest_multiple(steepest, self.gamma))
        return scale, float(np.sum(ray.value(scale)))


@dataclass(frozen=True, eq=False)
class Program(Objective):
    """A program whose samples are in memory.

    Parameters
    ----------
    gamma, penalty: as in :class:`Objective`.
    design: Φ.
    targets: Y, shape (n, c).
    intercept: whether there is an offset t.
    loss: ℓ.
    decay: what ½‖t‖² costs, δ; 0 where an offset is free or there is none.
    """

    design: Directions | Masked
    targets: Floats
    intercept: bool = False
    loss: Loss = SQUARED
    decay: float = 0.0

    @staticmethod
    def of(problem: Problem, design: Directions | Masked, penalty: Penalty = "frobenius") -> Program:
        """Return the program with a training problem's γ, targets, offset and loss."""
        return Program(
            problem.gamma, penalty, design, problem.Y, bool(problem.offset), problem.loss, problem.offset_decay
        )

    @property
    def outputs(self) -> int:
        """c."""
        return int(self.targets.shape[1])

    @property
    def plain(self) -> bool:
        """Whether it is of the squared loss, of samples of weight 1, without an offset."""
        return isinstance(self.loss, Squared) and not self.intercept

    @cached_property
    def nothing(self) -> float:
        """D(0) = inf ℓ, which is 0 for most losses."""
        return self.loss.dual_value(np.zeros_like(self.targets), self.targets) + 0.0

    @property
    def groups(self) -> int:
        """m."""
        return self.design.groups

    @cached_property
    def lengths(self) -> Floats:
        """Bounds of ‖Φ_i‖₂, shape (m,)."""
        return self.design.lengths

    def over(self, groups: NDArray[np.intp] | NDArray[np.bool_]) -> Program:
        """Return the program over some of the groups."""
        part = replace(self, design=self.design.over(groups))
        # A group's length does not depend on the others, and the norm of X in it is not worth computing again.
        if "lengths" in vars(self):
            vars(part)["lengths"] = self.lengths[groups]
        return part

    def of_output(self, k: int) -> Program:
        """Return the program of one output, of which there are c independent ones if norm and loss are of columns."""
        return replace(self, targets=self.targets[:, [k]])

    def centred(self) -> Program:
        """Return the program of the squared loss along directions without t: columns and targets less their means."""
        assert isinstance(self.design, Directions)
        targets = self.targets - np.mean(self.targets, axis=0)
        return Program(self.gamma, self.penalty, self.design.centred(), targets)

    def offset(self, weights: Floats) -> Floats:
        """Return the best t, shape (c,), for given weights; zeros where none is free."""
        if not self.intercept:
            return np.zeros(self.outputs)
        if self.loss == SQUARED and not self.decay:
            return np.asarray(np.mean(self.residual(weights), axis=0))
        return self.loss.constant(self.targets, self.predict(weights), self.decay)

    def zero(self) -> Floats:
        """Return weights of zeros."""
        return np.zeros((self.groups, self.design.width, self.outputs))

    def predict(self, weights: Floats) -> Floats:
        """Return Σ_iΦ_iW_i, shape (n, c)."""
        return self.design.predict(weights)

    def correlate(self, A: Floats) -> Floats:
        """Return Φ_iᵀA, shape (m, p, c)."""
        return self.design.correlate(A)

    def residual(self, weights: Floats) -> Floats:
        """Return −∇ℓ(Σ_iΦ_iW_i), the dual point that belongs to some weights, shape (n, c)."""
        return self.loss.residual(self.predict(weights), self.targets)

    def value(self, weights: Floats, prediction: Floats) -> float:
        """Return the objective of weights whose prediction is known."""
        return self.loss.value(prediction, self.targets) + self.gamma * float(np.sum(self.sizes(weights)))

    def steepest(self, A: Floats) -> float:
        """Return the largest ‖Φ_iᵀA‖°."""
        return float(np.max(self.steepness(self.correlate(A)), initial=0.0))

    def feasible(self, A: Floats, steepest: float) -> tuple[float, float]:
        """Return (s, dual value at sA) for the best multiple s ≥ 0 of A that is feasible."""
        scale, dual = self.scaled(self.loss.ray(A, self.targets), steepest)
        return float(scale), dual

    def pair(self, weights: Floats, *points: Floats) -> Fit:
        """Return weights with the best feasible multiple of their residual and of other dual points."""
        prediction = self.predict(weights)
        residual = self.loss.residual(prediction, self.targets)
        best = Fit(weights, np.zeros_like(residual), self.value(weights, prediction), self.nothing)
        for A in (*points, residual):
            scale, dual = self.feasible(A, self.steepest(A))
            if dual > best.dual_value:
                best = replace(best, multiplier=scale * A, dual_value=dual)
        return replace(best, dual_value=min(best.dual_value, best.value))


class InnerSolver(Protocol):
    """Solves a program without an offset of its own or weights, over whatever groups it has."""

    def __call__(self, program: Program, start: Fit, stop: Stop) -> Fit:
        """Return a pair that a solver stops at, or the best one when steps or time have run out.

        Parameters
        ----------
        start: a pair to start from, of which a solver takes the weights or the dual point.
        """
        ...
