"""What ``gated_relu`` and ``mkl`` share: the choice of gates, and the gated program of a problem."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np

from sdprelax.base import Deadline, Floats, ProblemTooLarge, Use
from sdprelax.cells import Patterns, cell_probabilities, sampled_patterns, signs_of
from sdprelax.certificate import Gates, GroupCertificate, group_certificate, masks_of
from sdprelax.exact import activation_patterns, count_patterns
from sdprelax.lasso import Fit, Masked, Program, gated_network
from sdprelax.methods import methods
from sdprelax.methods.sdp import SDP
from sdprelax.networks import GatedNetwork, Network
from sdprelax.problem import Presolved, Problem, Reduction
from sdprelax.problem.norms import Penalty

__all__ = ["WITHIN", "GateChoice", "Gated", "choose_gates", "gate_count"]

GateChoice = Literal["gaussian", "all", "sdp"]

# Most patterns that are enumerated.
MANY = 20_000
# Share of its tolerance that a solver is asked for, so that rounding does not keep the rest from being proved.
WITHIN = 0.99
# Share of the time that a relaxation may take to propose gates.
PROPOSING = 0.5


def choose_gates(
    choice: GateChoice, count: int, presolved: Presolved, rng: np.random.Generator, deadline: Deadline
) -> Patterns:
    """Return the activation patterns of a gated program.

    Parameters
    ----------
    choice: "gaussian": those of Gaussian directions; "all": every pattern; "sdp": those of the neurons that the
        rounding of the SDP relaxation found, the most important first.
    count: most patterns, unless all are asked for.
    presolved: the problem.

    Raises
    ------
    ProblemTooLarge: all patterns of a problem that has too many.
    """
    reduction = presolved.reduction
    if reduction.rank == 0:
        return Patterns.none()
    if choice == "gaussian":
        return sampled_patterns(reduction.rows, count, rng)
    if choice == "all":
        expected = count_patterns(reduction.generators, reduction.rank)
        if expected > MANY:
            raise ProblemTooLarge(
                f"gates: all would enumerate too many activation patterns ({reduction.generators} distinct rows of "
                f"rank {reduction.rank} may have more than {MANY:,}); take gates: gaussian."
            )
        signs, inside = activation_patterns(reduction.rows)
        return Patterns(signs, inside.T, cell_probabilities(reduction.rows, signs, rng=rng))
    found = SDP().run(presolved.problem, rng=rng, deadline=deadline.fraction(PROPOSING))
    return _patterns_of([found.network, *found.predictors.values()], reduction, count, rng)


def _patterns_of(predictors: list[object], reduction: Reduction, count: int, rng: np.random.Generator) -> Patterns:
    """Return the patterns of networks' neurons, those of the first network first and its largest neurons first."""
    directions: list[Floats] = []
    for network in predictors:
        if isinstance(network, Network) and network.width:
            hidden = reduction.basis.T @ network.hidden
            lengths = np.linalg.norm(hidden, axis=0)
            order = np.argsort(-lengths * np.linalg.norm(network.output, axis=1), kind="stable")
            directions += [hidden[:, k] / lengths[k] for k in order if lengths[k] > 0.0]
    signs: dict[bytes, Floats] = {}
    for direction in directions:
        # A trained neuron often sits on a wall; a cell beside it will do.
        while np.any(reduction.rows @ direction == 0.0):
            direction = direction + 1e-9 * rng.standard_normal(reduction.rank)
        if len(signs) < count:
            signs.setdefault(signs_of(reduction.rows, direction).tobytes(), direction)
    if not signs:
        return sampled_patterns(reduction.rows, count, rng)
    inside = np.array(list(signs.values())).T
    return Patterns(signs_of(reduction.rows, inside), inside, np.full(len(signs), 1.0 / len(signs)))


def gate_count(choice: GateChoice, count: int, reduction: Reduction) -> int:
    """Return how many gates there will be, at most."""
    return count_patterns(reduction.generators, reduction.rank) if choice == "all" else count


def proposing(choice: GateChoice) -> Iterable[Use]:
    """Return the method that the gates of a choice come from, if one does."""
    return ((methods, "sdp", {}),) if choice == "sdp" else ()


@dataclass(frozen=True, eq=False)
class Gated:
    """The gated program of a problem, and its way back to a predictor.

    Parameters
    ----------
    presolved: the problem.
    patterns: of the gates.
    penalty: a gate's norm.
    """

    presolved: Presolved
    patterns: Patterns
    penalty: Penalty

    @staticmethod
    def of(
        problem: Problem, choice: GateChoice, count: int, penalty: Penalty, rng: np.random.Generator, deadline: Deadline
    ) -> Gated:
        """Return the program of the user's problem; the other parameters are those of :func:`choose_gates`."""
        presolved = Presolved.of(problem)
        return Gated(presolved, choose_gates(choice, count, presolved, rng, deadline), penalty)

    @property
    def problem(self) -> Problem:
        """The problem in its units."""
        return self.presolved.problem

    @property
    def reduction(self) -> Reduction:
        """Its generator rows."""
        return self.presolved.reduction

    @cached_property
    def gates(self) -> Floats:
        """g, shape (d, m)."""
        return self.reduction.basis @ self.patterns.directions

    @cached_property
    def projected(self) -> Program:
        """The program in the coordinates of X's row space, which are the generators'."""
        X = self.problem.inputs
        design = Masked(X @ self.reduction.basis, masks_of(X, self.gates))
        return Program.of(self.problem, design, self.penalty)

    @cached_property
    def program(self) -> Program:
        """The same in the coordinates of X where they are as many, so without rounding."""
        if not self._full:
            return self.projected
        return replace(self.projected, design=Masked(self.problem.inputs, masks_of(self.problem.inputs, self.gates)))

    @property
    def _full(self) -> bool:
        return bool(self.reduction.rank == self.problem.inputs.shape[1])

    def _users(self, fit: Fit) -> Floats:
        """Return the weights on the problem's inputs, shape (m, d, c)."""
        return fit.weights if self._full else np.asarray(self.reduction.basis @ fit.weights)

    def reduced(self, fit: Fit) -> Floats:
        """Return the weights on the reduction's generators, shape (m, r, c)."""
        return np.asarray(self.reduction.basis.T @ self._users(fit))

    def changed(self, fit: Fit, weights: Floats, offset: Floats) -> Fit:
        """Return a fit with other weights, on the problem's inputs, shape (m, d, c), and another offset, shape (c,)."""
        own = weights if self._full else np.asarray(self.reduction.basis.T @ weights)
        return replace(fit, weights=own, offset=offset)

    def network(self, fit: Fit) -> GatedNetwork:
        """Return the gated network in the user's units, without the gates that carry no weight."""
        return gated_network(self.presolved.units, self.gates, self._users(fit), fit.offset)

    def certificate(self, fit: Fit) -> GroupCertificate:
        """Return what proves the optimum of the program over these gates."""
        offset = fit.offset if self.problem.offset is not False else None
        return group_certificate(
            self.presolved.units, Gates(self.gates), self.penalty, self._users(fit), fit.multiplier, offset
        )

    def details(self, proof: GroupCertificate, fit: Fit) -> dict[str, Any]:
        """Return what a record says of a fit: its value and dual value, proved, and its size."""
        units = self.presolved.units
        return {
            **proof.details(self.presolved.original), "iterations": fit.iterations,
            "gates": len(self.patterns.signs), "gates_used": int(np.sum(fit.used)),
            "weights": float(np.sum(self.program.sizes(fit.weights))) * units.targets / units.inputs,
        }  # fmt: skip
