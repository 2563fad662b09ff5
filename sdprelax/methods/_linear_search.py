"""What ``deep_linear`` looks for: a product of layers, and a dual point that proves how good it is."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import numpy as np

from sdprelax.base import CertificateError, Deadline, Floats, SolverFailed, SolverUnavailable
from sdprelax.certificate import (
    Certificate,
    LinearCertificate,
    linear_certificate,
    measured_decay,
    relaxation_certificate,
)
from sdprelax.linear import (
    LinearDual,
    LinearRelaxation,
    LinearTraining,
    Spectrum,
    balanced_layers,
    checked_width,
    primal_dual,
)
from sdprelax.networks import LinearNetwork, Network
from sdprelax.problem import Presolved

__all__ = ["LinearSearch"]

# Generator rows up to which p* is bounded.
MOST_ROWS = 300
# Order of the relaxation's semidefinite matrices up to which a conic solver is asked, and its share of the time.
LARGEST_ORDER, SOLVING = 80, 0.75
# Steps of the first-order method for the relaxation, and between two looks at its bound.
MOST_STEPS, LOOK = 2_000, 20
# Shares of γ that are kept back for rounding, should it be more than is foreseen.
KEPT_BACK = (1e-9, 1e-7, 1e-5)
# Share of the largest singular value below which another one counts as zero.
NEGLIGIBLE = 1e-7


class LinearSearch:
    """The best product of layers and the best dual point so far, in the units of the presolved problem.

    Parameters
    ----------
    presolved: the problem.
    width: k; None for no bottleneck.
    depth: number of layers L.

    Attributes
    ----------
    product: Z in the coordinates of :class:`sdprelax.linear.Spectrum`, shape (r, c), of rank k at most.
    upper: its objective.
    point: the dual point.
    """

    def __init__(self, presolved: Presolved, width: int | None, depth: int) -> None:
        self.presolved, self.depth = presolved, depth
        problem = presolved.problem
        _, d, c = problem.shape
        self.width = checked_width(width, min(d, c))
        self.spectrum = Spectrum.of(problem.X, problem.Y)
        gamma = measured_decay(presolved.units, depth)
        rank = max(1, min(self.width, *self.spectrum.targets.shape))
        self._training = LinearTraining(self.spectrum, rank, gamma, depth)
        self._dual = LinearDual(self.spectrum, rank, gamma, depth)
        self.product: Floats = np.zeros_like(self.spectrum.targets)
        self.upper = self.spectrum.energy
        self.point = self._dual.plain(self.product, self.upper)

    @property
    def trivial(self) -> bool:
        """Whether the targets have no part that the inputs could explain."""
        return not np.any(self.spectrum.inner)

    @property
    def gap(self) -> float:
        """(upper − lower)/upper of both in floating point."""
        return (self.upper - self.point.value) / self.upper if self.upper > 0.0 else 0.0

    @property
    def rank(self) -> int:
        """The rank of the product."""
        singular = np.linalg.svd(self.product, compute_uv=False) if self.product.size else np.zeros(1)
        return int(np.sum(singular > NEGLIGIBLE * max(float(singular[0]), np.finfo(float).tiny)))

    def starts(self, restarts: int, rng: np.random.Generator) -> Iterator[Floats]:
        """Yield products to descend from: those of closed forms, then random ones."""
        if self.trivial:
            return
        yield from self._training.starts()
        size = float(np.linalg.norm(self.spectrum.targets, 2)) / self.spectrum.values[:, None]
        for _ in range(restarts):
            yield size * rng.standard_normal(self.spectrum.targets.shape) / np.sqrt(self.spectrum.targets.size)

    def descend(self, start: Floats, rng: np.random.Generator, deadline: Deadline) -> None:
        """Take the product that descent ends at, if it is better."""
        reached = self._training.trained(start, rng, deadline)
        value = self._training.objective(reached)
        if value < self.upper:
            self.product, self.upper = self._training.of_rank(reached), value

    def prove_plainly(self) -> None:
        """Take the dual point of the product without curvature."""
        self.point = self._dual.plain(self.product, self.upper)

    def prove_from_network(self, deadline: Deadline) -> None:
        """Take the dual point that the product suggests, with curvature where that proves more."""
        if not self.trivial:
            point = self._dual.best(self.product, self.upper, deadline)
            self.point = max(self.point, point, key=lambda point: point.value)

    def split(self, tolerance: float, rng: np.random.Generator, deadline: Deadline) -> int:
        """Take dual points and products of a first-order method for the relaxation, and return its number of steps."""
        steps, spectrum, most = 0, self.spectrum, MOST_STEPS
        for steps, (Z, fit) in enumerate(primal_dual(spectrum, self._dual.width, self._dual.gamma, self.product), 1):
            if steps % LOOK and steps < most:
                continue
            self.point = max(self.point, self._dual.plain(fit, self.upper), key=lambda point: point.value)
            if self.gap <= tolerance or steps >= most or deadline.expired:
                self.descend(self._training.of_rank(Z), rng, deadline)
                break
        return steps

    @property
    def small(self) -> bool:
        """Whether a conic solver can hold the relaxation."""
        return sum(self.spectrum.targets.shape) <= LARGEST_ORDER

    def relax(self, rng: np.random.Generator, deadline: Deadline) -> str:
        """Take dual point and product that a conic solver finds for the relaxation, and return its word, or why not."""
        try:
            relaxation = LinearRelaxation(self.spectrum, self._dual.width, self._dual.gamma)
            found = relaxation.solve(deadline=Deadline(SOLVING * deadline.remaining))
        except (SolverFailed, SolverUnavailable) as error:
            return str(error)
        self.descend(self.spectrum.basis.T @ found.weights, rng, deadline)
        point = self._dual.plain(self.spectrum.basis.T @ found.fit, self.upper)
        self.point = max(self.point, point, key=lambda point: point.value)
        return found.solved.status

    def network(self) -> LinearNetwork:
        """Return the network of the user's problem, of balanced layers."""
        units = self.presolved.units
        W = units.targets / units.inputs * (self.spectrum.basis @ self.product)
        first, *inner, last = balanced_layers(W, self._dual.width, self.depth)
        return LinearNetwork(first, np.array(inner).reshape(-1, self._dual.width, self._dual.width), last)

    def certificate(self) -> LinearCertificate | None:
        """Return the certificate of both bounds; None where γ is too small beside the data's rounding for one."""
        points = [self.point]
        if not self.point.curvature:
            # Rounding grows with samples and inputs: more of γ is kept back for it.
            points += [self._dual.plain(self.point.fit, self.upper, inside) for inside in KEPT_BACK]
        for point in points:
            fit = self.spectrum.basis @ point.fit
            N = self.spectrum.basis @ (point.basis / self.spectrum.values[:, None] ** 2)
            with contextlib.suppress(CertificateError):
                return linear_certificate(self.presolved.units, self.width, self.network(), fit, point.curvature, N)
        return None

    def two_layers(self) -> Network:
        """Return the network of the presolved problem that the product is, for two layers."""
        hidden, output = balanced_layers(self.spectrum.basis @ self.product, self._dual.width, 2)
        return self.presolved.problem.network(hidden, output)

    def of_all_widths(self) -> Certificate | None:
        """Return the certificate of a lower bound of p*, over all widths; None with a bottleneck or of many samples."""
        problem, reduction = self.presolved.problem, self.presolved.reduction
        if self.width < min(problem.shape[1:]) or reduction.generators > MOST_ROWS:
            return None
        point = self._dual.plain(self.product, self.upper)
        A = problem.Y - problem.X @ (self.spectrum.basis @ point.fit)
        forms = 2 * reduction.generators
        return relaxation_certificate(problem, reduction, A, [np.zeros((forms, forms))])
