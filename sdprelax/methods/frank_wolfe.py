"""Method ``frank_wolfe``: Sahiner et al.'s Frank–Wolfe with a nonnegative-PCA oracle per sampled pattern."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal

import numpy as np
import scipy.optimize
from pydantic import PositiveFloat, PositiveInt

from sdprelax.base import Deadline, Floats, InputError, ProblemTooLarge, positive_part
from sdprelax.cells import sampled_patterns
from sdprelax.certificate import COVER_KERNELS, cover_certificate, proving_seconds
from sdprelax.exact import PatternOracle
from sdprelax.lasso import Directions, Program, Stop, interior_point, profiled
from sdprelax.methods import methods
from sdprelax.problem import Loss, Presolved, Problem, Reduction, Squared, reduce
from sdprelax.training import Incumbent, Outcome, Report, unreported

__all__ = ["FrankWolfe"]

# Unit directions nearer than this are one atom.
SAME = 1e-12
# Steps from one corrective group lasso to the next, and the most dual variables n·c that it takes.
CORRECTING, LARGEST_MASTER = 10, 12_000
# Seconds from one report to the next.
TELLING = 1.0


@methods.register("frank_wolfe")
@dataclass(frozen=True)
class FrankWolfe:
    """Frank-Wolfe over sampled activation patterns (Sahiner et al. 2021): networks, neuron by neuron.

    For losses that are differentiable. Every sampled pattern D_i is asked for its best neuron at the residual R = −∇ℓ
    (squared loss: Y − predictions),

        max ‖RᵀD_iXu‖  over  ‖u‖ ≤ 1, (2D_i − I)Xu ≥ 0                    (nonnegative PCA),

    and the best of all, u with output weights v = RᵀD_iXu/‖RᵀD_iXu‖, is the atom of this step. Sahiner, Ergen, Pauly
    and Pilanci, *Vector-output ReLU neural network problems are copositive programs* (ICLR 2021), step 2/(2 + k) within
    a ball Σ‖u_k‖‖v_k‖ ≤ t whose radius they give by hand (``step: classic``). Their oracle takes the top eigenvector of
    XᵀD_iRRᵀD_iX where that lies in the cone and recurses over the cone's faces where it does not, which is exponential
    in the rank; :class:`PatternOracle` is polynomial, exact in rank 2 and for one output, and else a local search.

    Without a radius the penalised objective ℓ + γΣ‖u_k‖‖v_k‖ itself is minimised: conditional gradient for
    norm-regularised problems (Harchaoui, Juditsky, Nemirovski 2015), in its variant that minimises, at every step, over
    all of the cone spanned by the present iterate and the new atom: a convex program, of the squared loss a quadratic
    one, in two nonnegative variables, the scale of the one and the size of the other. An offset is always the best.

    Every iterate is a network, and the best of them is returned. ``sampled_frank_wolfe_gap`` in the details is the
    Frank–Wolfe gap as this oracle sees it. It bounds nothing: only sampled patterns are seen, and the oracle may be
    local.

    Parameters
    ----------
    patterns: distinct activation patterns sampled by Gaussian gates; fewer where no more turn up.
    iterations: most steps.
    step: "line_search" (exact) or "classic", 2/(2 + k) as published, which needs a radius.
    radius: t, in the user's units: Σ‖u_k‖‖v_k‖ ≤ t instead of a penalty; None for the penalised form.
    corrective: every tenth step, and at the end, solve for all output weights anew (group lasso over the atoms;
        penalised form only).
    tolerance: sampled gap, relative to the objective, at which to stop.
    certify: prove a lower bound from the best iterate's residual where the rank is at most 5, in half of the time and
        at most 30 s.
    """

    version: ClassVar[int] = 2
    # At a subgradient the best neuron need not be of use.
    losses: ClassVar[str] = "differentiable"
    activations: ClassVar[None] = None
    offset: ClassVar[bool] = True
    sample_weight: ClassVar[bool] = True

    patterns: PositiveInt = 100
    iterations: PositiveInt = 1000
    step: Literal["line_search", "classic"] = "line_search"
    radius: PositiveFloat | None = None
    corrective: bool = False
    tolerance: PositiveFloat = 1e-6
    certify: bool = True

    def __post_init__(self) -> None:
        if self.step == "classic" and self.radius is None:
            raise InputError("step: classic moves within a ball and needs its radius; without one take line_search.")
        if self.corrective and self.radius is not None:
            raise InputError("corrective: true solves the penalised form; leave the radius out.")
        if self.radius is not None and not math.isfinite(self.radius):
            raise InputError(f"radius is {self.radius}; it must be a finite number, or None for the penalised form.")

    def size(self, problem: Problem) -> str:
        """Return the number of patterns and what each of them is asked for."""
        reduction = reduce(problem)
        return f"at most {self.patterns} patterns of {reduction.generators} rows in rank {reduction.rank}"

    @property
    def kernels(self) -> Iterable[str]:
        """Modules of compiled functions that it computes with."""
        return COVER_KERNELS if self.certify else ()

    def run(
        self, problem: Problem, *, rng: np.random.Generator, deadline: Deadline, report: Report = unreported
    ) -> Outcome:
        """Return the best iterate, and the bound that the last residual proves."""
        self._require_room(problem)
        best = Incumbent(Presolved.of(problem), deadline, report)
        best.offer_empty()
        if best.empty_is_optimal():
            return best.outcome(True)
        presolved, reduction, units = best.presolved, best.presolved.reduction, best.presolved.units
        training = Deadline(deadline.remaining - (proving_seconds(reduction, deadline) if self.certify else 0.0))
        signs, gates, _ = sampled_patterns(reduction.rows, self.patterns, rng)
        oracle = PatternOracle(reduction.rows, signs, gates)
        radius = None if self.radius is None else self.radius * units.inputs / units.targets
        descent = _Descent(presolved.problem, reduction, self.step, radius)
        lowest, gap, steps, converged = self._descended(descent, oracle, best, training)
        A = descent.residual(lowest)
        certificate = cover_certificate(presolved, A, deadline) if self.certify else None
        best.details = {
            "rank": reduction.rank, "patterns": len(signs),
            "oracle": "exact" if oracle.exact(problem.Y.shape[1]) else "local",
            "iterations": steps, "converged": converged, "atoms": lowest.directions.shape[1],
            "sampled_frank_wolfe_gap": units.value(gap) if math.isfinite(gap) else None,
        }  # fmt: skip
        late = deadline.expired or (training.expired and steps < self.iterations)
        return best.outcome(converged, late, certificate=certificate)

    def _require_room(self, problem: Problem) -> None:
        """Refuse to correct where the matrices of that are too large."""
        dual_variables = problem.Y.size
        if self.corrective and dual_variables > LARGEST_MASTER:
            raise ProblemTooLarge(
                f"corrective: true factors dense matrices of order n·c = {dual_variables:,} and takes at most "
                f"{LARGEST_MASTER:,}; corrective: false has no such limit."
            )

    def _descended(
        self, descent: _Descent, oracle: PatternOracle, best: Incumbent, deadline: Deadline
    ) -> tuple[_Iterate, float, int, bool]:
        """Return the lowest iterate, the last sampled gap, the number of steps, and whether the gap is small enough.

        On the way the lowest iterate is offered every second.
        """
        presolved = best.presolved
        Y = presolved.problem.Y
        iterate = lowest = _Iterate.empty(presolved.reduction.rank, Y)
        objective = descent.objective(iterate)
        told, gap, steps, converged = deadline.elapsed, math.inf, 0, False
        while not deadline.expired:
            A = descent.residual(iterate)
            w, height = oracle.best(presolved.reduction.pull_back(A), deadline)
            gap = descent.gap(iterate, height)
            converged = gap <= self.tolerance * descent.scale(iterate)
            if converged or steps == self.iterations:
                break
            iterate = descent.moved(iterate, w, steps)
            steps += 1
            if self.corrective and steps % CORRECTING == 0:
                iterate = descent.corrected(iterate, deadline)
            value = descent.objective(iterate)
            if value < objective:
                lowest, objective = iterate, value
            if deadline.elapsed - told > TELLING:
                best.offer(presolved.reduced_network(lowest.directions, lowest.weights))
                told = deadline.elapsed
        if self.corrective:
            lowest = descent.corrected(lowest, deadline)
        best.offer(presolved.reduced_network(lowest.directions, lowest.weights))
        return lowest, gap, steps, converged


@dataclass(frozen=True, eq=False)
class _Iterate:
    """A network as unit hidden weights, shape (r, K), output weights, shape (K, c), and its predictions (n, c)."""

    directions: Floats
    weights: Floats
    predictions: Floats

    @staticmethod
    def empty(rank: int, Y: Floats) -> _Iterate:
        return _Iterate(np.zeros((rank, 0)), np.zeros((0, Y.shape[1])), np.zeros_like(Y))

    @property
    def mass(self) -> float:
        """Σ‖u_k‖‖v_k‖."""
        return float(np.linalg.norm(self.weights, axis=1).sum())

    def combined(self, scale: float, w: Floats, v: Floats, activations: Floats) -> _Iterate:
        """Return the iterate times a scale, plus a neuron of unit hidden weights w and output weights v."""
        predictions = scale * self.predictions + np.outer(activations, v)
        same = np.flatnonzero(np.max(np.abs(self.directions - w[:, None]), axis=0, initial=0.0) <= SAME)
        weights = scale * self.weights
        if same.size:
            weights[same[0]] += v
            return _Iterate(self.directions, weights, predictions)
        return _Iterate(np.column_stack([self.directions, w]), np.vstack([weights, v]), predictions)


@dataclass(frozen=True, eq=False)
class _Descent:
    """The steps of one form of the problem, penalised (radius None) or over the ball."""

    problem: Problem
    reduction: Reduction
    step: str
    radius: float | None

    @cached_property
    def loss(self) -> Loss:
        """The loss, at the best offset where there is one."""
        problem = self.problem
        return profiled(problem.loss, problem.offset_decay) if problem.offset else problem.loss

    def residual(self, iterate: _Iterate) -> Floats:
        """Return R = −∇ℓ."""
        return self.loss.residual(iterate.predictions, self.problem.Y)

    def objective(self, iterate: _Iterate) -> float:
        """Return ℓ + γΣ‖u_k‖‖v_k‖."""
        return self._loss(iterate) + self.problem.gamma * iterate.mass

    def _loss(self, iterate: _Iterate) -> float:
        return self.loss.value(iterate.predictions, self.problem.Y)

    @cached_property
    def _least(self) -> float:
        """inf ℓ, which is 0 for most losses."""
        return self.loss.dual_value(np.zeros_like(self.problem.Y), self.problem.Y)

    def scale(self, iterate: _Iterate) -> float:
        """Return what the gap is relative to: the objective, in the ball ℓ + γt."""
        if self.radius is None:
            return abs(self.objective(iterate))
        return abs(self._loss(iterate) + self.problem.gamma * self.radius)

    def gap(self, iterate: _Iterate, height: float) -> float:
        """Return the Frank–Wolfe gap if the oracle's maximum is ``height``.

        In the penalised form the atoms are those of the ball of radius (objective − inf ℓ)/γ, which holds all that is
        better.
        """
        gamma = self.problem.gamma
        along = float(np.sum(self.residual(iterate) * iterate.predictions))
        if self.radius is not None:
            return max(0.0, self.radius * height - along)
        excess = max(0.0, height - gamma) * (self.objective(iterate) - self._least) / gamma
        return max(0.0, gamma * iterate.mass - along + excess)

    def moved(self, iterate: _Iterate, w: Floats, k: int) -> _Iterate:
        """Return the iterate after step k towards the neuron of unit hidden weights w."""
        Y, P = self.problem.Y, iterate.predictions
        activations = self.reduction.features(w[:, None])[:, 0]
        slope = activations @ self.residual(iterate)
        length = float(np.linalg.norm(slope))
        v = slope / length if length > 0.0 else np.zeros_like(slope)
        Q = np.outer(activations, v)
        plain = self.loss == Squared()
        if self.radius is None:
            form = (P, Q, Y, self.problem.gamma, iterate.mass)
            scale, size = _two_variables(*form) if plain else _two_of_any_loss(self.loss, *form)
        else:
            towards = self.radius * Q - P
            square = float(np.sum(towards**2))
            exact = float(np.sum((Y - P) * towards)) / square if square > 0.0 else 0.0
            if not plain and self.step != "classic":
                exact = _along(self.loss, P, towards, Y)
            share = 2.0 / (2.0 + k) if self.step == "classic" else min(1.0, max(0.0, exact))
            scale, size = 1.0 - share, share * self.radius
        return iterate.combined(scale, w, size * v, activations)

    def corrected(self, iterate: _Iterate, deadline: Deadline) -> _Iterate:
        """Return the best network on the iterate's directions, those without weight dropped, if it is better."""
        features = self.reduction.features(iterate.directions)
        program, stop = Program.of(self.problem, Directions(features)), Stop(1e-10, deadline=deadline)
        found = interior_point(program, None, stop).weights[:, 0]
        sizes = np.linalg.norm(found, axis=1)
        kept = sizes > 1e-9 * np.max(sizes, initial=0.0)
        weights = found[kept]
        other = _Iterate(iterate.directions[:, kept], weights, features[:, kept] @ weights)
        return other if self.objective(other) <= self.objective(iterate) else iterate


@np.errstate(over="ignore", invalid="ignore")
def _two_of_any_loss(
    loss: Loss, P: Floats, Q: Floats, Y: Floats, gamma: float, mass: float
) -> tuple[float, float]:  # fmt: skip
    """Return a, b ≥ 0 of least ℓ(aP + bQ; Y) + γ(a·mass + b), by L-BFGS."""

    def value(x: Floats) -> tuple[float, Floats]:
        at = x[0] * P + x[1] * Q
        A = loss.residual(at, Y)
        slope = np.array([gamma * mass - np.sum(A * P), gamma - np.sum(A * Q)])
        return loss.value(at, Y) + gamma * float(x[0] * mass + x[1]), slope

    found = scipy.optimize.minimize(
        value, np.array([1.0, 0.0]), jac=True, method="L-BFGS-B", bounds=[(0.0, None)] * 2,
        options={"ftol": 1e-15, "gtol": 1e-12},
    )  # fmt: skip
    return float(found.x[0]), float(found.x[1])


def _along(loss: Loss, P: Floats, towards: Floats, Y: Floats) -> float:
    """Return the s between 0 and 1 of least ℓ(P + s·towards; Y)."""
    found = scipy.optimize.minimize_scalar(
        lambda s: loss.value(P + s * towards, Y), bounds=(0.0, 1.0), method="bounded", options={"xatol": 1e-12}
    )
    return float(found.x)


def _two_variables(P: Floats, Q: Floats, Y: Floats, gamma: float, mass: float) -> tuple[float, float]:
    """Return a, b ≥ 0 of least ½‖aP + bQ − Y‖² + γ(a·mass + b)."""
    H = np.array([[np.sum(P * P), np.sum(P * Q)], [np.sum(P * Q), np.sum(Q * Q)]])
    h = np.array([np.sum(P * Y) - gamma * mass, np.sum(Q * Y) - gamma])
    candidates = [np.array([1.0, 0.0])]
    for edge in (0, 1):
        if H[edge, edge] > 0.0:
            alone = np.zeros(2)
            alone[edge] = max(0.0, h[edge] / H[edge, edge])
            candidates.append(alone)
    if np.linalg.det(H) > 1e-14 * H[0, 0] * H[1, 1]:
        candidates.append(positive_part(np.linalg.solve(H, h)))
    a, b = min(candidates, key=lambda x: float(0.5 * x @ H @ x - h @ x))
    return float(a), float(b)
