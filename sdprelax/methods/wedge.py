"""Method ``wedge``: networks whose neurons are wedge products of samples, trained by a Lasso."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import PositiveFloat, PositiveInt

from sdprelax.base import Deadline, Floats, InputError
from sdprelax.certificate import (
    COVER_KERNELS,
    GroupCertificate,
    Neurons,
    Ramps,
    cone_certificate,
    group_certificate,
)
from sdprelax.lasso import Directions, DirectionSolver, Fit, Program, Stop, require_solver, solve_program
from sdprelax.methods import methods
from sdprelax.methods._gates import WITHIN
from sdprelax.networks import Network
from sdprelax.problem import Presolved, Problem, Units
from sdprelax.training import Incumbent, Outcome, Report, unreported
from sdprelax.wedge import (
    Features,
    WedgeDictionary,
    WedgeProblem,
    largest_angle,
    merged_in_chambers,
    ramp_count,
    ramp_dictionary,
)

__all__ = ["Wedge"]

# Share of the time for the Lasso, and of what is left for the lower bound.
TRAINING, PROVING = 0.7, 0.5
# Most samples listed, neuron by neuron, in a record.
LISTED = 2_000
# Rounds of column generation in which the best value must fall by the share below, and exchanges started in a round.
PATIENCE, PROGRESS, SEARCHES = 3, 1e-6, 30


@methods.register("wedge")
@dataclass(frozen=True)
class Wedge:
    """Weights in closed form by geometric algebra: a Lasso over wedge products of samples (Pilanci 2023).

    Every candidate neuron vanishes on d − 1 samples (with a bias: its wall passes through d of them); its weights are
    their generalised cross product, its activations are distances (x ∧ x_j1 ∧ ...)₊/vol(x_j1 ∧ ...). Training is
    min ℓ(Φz; Y) + γΣ‖z_k‖ with the problem's loss and offset; its optimum is proved (``value``, ``dual_value`` in the
    details). The upper bound is the network's own objective in the training problem. With p = 1 all features are exact
    for networks with weight decay ½γ(‖u‖_1² + ‖v‖²); with p = 2 the lower bound of p* is what the Lasso's dual point
    proves.

    Parameters
    ----------
    penalty: p of the hidden weights' norm ‖u‖_p: 2, or 1, which adds the coordinate vectors to the samples.
    bias: "regularised" (the problem's own, if it has one) or "free": every neuron and the output has a bias without
        penalty, as in the paper; the data set's ``bias`` must be on, and the upper bound pays for the biases.
    features: "all" (every subset of samples), "random" (``count`` of them) or "oracle" (column generation: exchanges of
        one sample for another towards the most violated constraint).
    count: random features, or most features that the oracle adds; a neuron and its negative count as one.
    sketch: with features: random, the dimension of Gaussian projections in which wedges are taken, one projection a
        neuron; none by default.
    layers: 2, or 3: parallel chains of two neurons, a Lasso over ramps between samples (bias: free). No bounds of p*.
    solver: of the Lasso: "interior_point" (ours), "skglm" or "sklearn" (coordinate descent along a path of γ; squared
        loss), or "auto": the first up to 3,000 dual variables n·c, else the last. Of other losses "auto" is the first,
        and beyond that "splitting" (alternating directions); "fista" takes those that are differentiable.
    tolerance: relative duality gap of the Lasso to be proved; ``solved`` means that it is.
    merge: whether neurons of one chamber are added up at the end, where that is better: closed forms no more.
    """

    version: ClassVar[int] = 2
    closes: ClassVar[str] = "program_gap"
    losses: ClassVar[None] = None
    offset: ClassVar[bool] = True
    sample_weight: ClassVar[bool] = True

    penalty: Literal[1, 2] = 2
    bias: Literal["regularised", "free"] = "regularised"
    features: Features = "all"
    count: PositiveInt = 1_000
    sketch: PositiveInt | None = None
    layers: Literal[2, 3] = 2
    solver: DirectionSolver = "auto"
    tolerance: PositiveFloat = 1e-9
    merge: bool = False

    def __post_init__(self) -> None:
        if self.sketch is not None and (self.features != "random" or self.sketch < 2):
            raise InputError("sketch: takes features: random, and a dimension of 2 or more.")
        if self.layers == 3 and (self.bias != "free" or self.features != "all" or self.merge):
            raise InputError("layers: 3 takes bias: free, features: all and no merge; it is ramps between samples.")

    @property
    def _free(self) -> bool:
        return self.bias == "free"

    def check(self, problem: Problem) -> None:
        """Refuse a problem without bias for bias: free, and a loss that the solver does not take.

        Raises
        ------
        InputError: it has no bias, or another loss.
        """
        if self._free and not problem.bias:
            raise InputError(
                "method 'wedge' with bias: free needs a problem with a bias; set bias: true in the sweep, beside "
                "gamma, or bias=True on the Problem."
            )
        require_solver(self.solver, self._program(problem, np.zeros((len(problem.Y), 0))))

    def size(self, problem: Problem) -> str:
        """Return the number of features."""
        if self.layers == 3:
            n, d = problem.X.shape
            return f"{ramp_count(n, d, self.penalty):,} ramps"
        pairs = self._geometry(self._units(problem)).subset_count
        return f"{2 * (pairs if self.features == 'all' else min(pairs, self.count)):,} wedge products"

    def _units(self, problem: Problem) -> Units:
        """Return the units to train in: with free biases those of X less its mean, without a column of ones."""
        if not self._free:
            return Units.of(problem)
        column = Units.of(problem).column
        centred = problem.X - np.mean(problem.X, axis=0)
        spread = Units.of(replace(problem, X=centred, bias=False, queries=None, penalise_bias=True))
        units = Units(problem, spread.inputs, spread.targets, column)
        return units if units.exact else Units(problem, column=column)

    def _geometry(self, units: Units) -> WedgeProblem:
        samples = units.original.X / units.inputs if self._free else units.problem.inputs
        return WedgeProblem(samples, self.penalty, self._free)

    @property
    def kernels(self) -> Iterable[str]:
        """Modules of compiled functions that it computes with."""
        return COVER_KERNELS if self._proves else ()

    def run(
        self, problem: Problem, *, rng: np.random.Generator, deadline: Deadline, report: Report = unreported
    ) -> Outcome:
        """Return the network of the Lasso's optimum, its bounds, and the proved value of the Lasso.

        Raises
        ------
        InputError: see :meth:`check`.
        ProblemTooLarge: features: all, or layers: 3, and there are too many.
        SolverUnavailable: solver: skglm, and it is not installed.
        """
        self.check(problem)
        best = Incumbent(Presolved(self._units(problem)), deadline, report)
        if self.layers == 3:
            return self._three_layers(best)
        presolved, scaled = best.presolved, best.presolved.problem
        geometry = self._geometry(presolved.units)
        dictionary, fit = self._train(geometry, best, rng, deadline.fraction(TRAINING))
        used = dictionary.of(fit.used)
        network = self._network(presolved.units, used, fit.weights[fit.used, 0], fit.offset)
        if self.merge:
            network = min(network, merged_in_chambers(scaled.inputs, network), key=scaled.upper_bound)
        program = _certificate(presolved.units, Neurons(dictionary.directions, self._free), fit)
        best.details = program.details(problem) | self._figures(geometry, dictionary, used) | {"width": network.width}
        best.replace(network, program=program)
        proof = None
        if self._proves:
            proving = deadline.fraction(PROVING)
            proof = cone_certificate(scaled, presolved.reduction, fit.multiplier, deadline=proving)
        late = fit.expired or deadline.expired
        return best.outcome(program.gap(problem) <= self.tolerance, late, certificate=proof)

    @property
    def _proves(self) -> bool:
        """Whether the Lasso's dual point may prove a lower bound of p*."""
        return self.features == "all" and self.penalty == 2 and not self._free

    def _figures(self, geometry: WedgeProblem, dictionary: WedgeDictionary, used: WedgeDictionary) -> dict[str, Any]:
        """Return what a record says of the dictionary and of the part of it that is used."""
        samples = sorted({int(i) for i in used.subsets.ravel() if i >= 0})
        figures: dict[str, Any] = {
            "features": dictionary.count, "degenerate": dictionary.degenerate, "neurons": used.count,
            "samples": samples, "samples_used": len(samples),
        }  # fmt: skip
        if used.subsets.size <= LISTED:
            figures["subsets"] = used.subsets.tolist()
        if geometry.walls.rank == 2 and self._proves:
            figures["largest_angle"] = largest_angle(geometry.walls.rows)
        return figures

    def _train(
        self, geometry: WedgeProblem, best: Incumbent, rng: np.random.Generator, deadline: Deadline
    ) -> tuple[WedgeDictionary, Fit]:
        """Return the dictionary and the solution of the Lasso over it; offer the first dictionary's network."""
        units = best.presolved.units
        Y, gamma = units.problem.Y, units.problem.gamma

        def solved(dictionary: WedgeDictionary, start: Fit | None = None) -> Fit:
            program = self._program(units.problem, geometry.features(dictionary.directions))
            return solve_program(program, self.solver, Stop(WITHIN * self.tolerance, deadline=deadline), start=start)

        if self.features == "all":
            dictionary = geometry.all_wedges()
        elif self.features == "random":
            dictionary = geometry.random_wedges(self.count, rng, self.sketch)
        else:
            first = max(1, min(self.count // 2, 2 * len(Y)))
            dictionary = geometry.random_wedges(first, rng)
        fit = solved(dictionary)
        best.offer(self._network(units, dictionary.of(fit.used), fit.weights[fit.used, 0], fit.offset))
        if self.features != "oracle" or geometry.subset_count <= first:
            return dictionary, fit
        lowest, idle = fit.value, 0
        while idle < PATIENCE and dictionary.count < 2 * self.count and not deadline.expired:
            room = self.count - dictionary.count // 2
            A = fit.multiplier
            starts = geometry.random_subsets(min(SEARCHES, room), rng)
            normals, subsets = geometry.steepest_wedges(A, starts, deadline)
            found = geometry.of_walls(normals, subsets, 0)
            steepness = np.linalg.norm(geometry.features(found.directions).T @ A, axis=1)
            found = found.of(steepness > gamma * (1.0 + self.tolerance))
            if found.count:
                before = dictionary.count
                dictionary = dictionary.joined(found)
                weights = np.vstack([fit.weights, np.zeros((dictionary.count - before, 1, Y.shape[1]))])
                fit = solved(dictionary, replace(fit, weights=weights))
            idle = 0 if fit.value < lowest * (1.0 - PROGRESS) else idle + 1
            lowest = min(lowest, fit.value)
        return dictionary, fit

    def _program(self, problem: Problem, features: Floats) -> Program:
        """Return the Lasso over neurons of given activations; with free biases the outputs have them too."""
        program = Program.of(problem, Directions(features))
        return replace(program, intercept=True, decay=0.0) if self._free else program

    def _network(self, units: Units, dictionary: WedgeDictionary, weights: Floats, offset: Floats) -> Network:
        """Return the network of the problem in units, balanced.

        An output bias is a neuron that sees the ones alone, where the problem has no offset.
        """
        hidden, output = dictionary.directions, weights
        if self._free:
            # The column of ones is measured in units too, and free biases are not.
            one = units.inputs / units.column
            hidden = np.vstack([hidden[:-1], hidden[-1:] * one])
            if np.any(offset != 0.0) and not units.problem.offset:
                hidden = np.hstack([hidden, np.eye(len(hidden))[:, -1:] * one])
                output = np.vstack([output, offset])
        return units.problem.network(hidden, output, offset if units.problem.offset else None).balanced()

    def _three_layers(self, best: Incumbent) -> Outcome:
        units, problem = best.presolved.units, best.presolved.original
        X = problem.X / units.inputs
        dictionary = ramp_dictionary(X, self.penalty)
        program = self._program(units.problem, dictionary.features(X))
        fit = solve_program(program, self.solver, Stop(WITHIN * self.tolerance, deadline=best.deadline))
        proof = _certificate(units, dictionary.design, fit)
        best.details = proof.details(problem) | {
            "features": len(dictionary.lower), "degenerate": dictionary.degenerate, "neurons": int(np.sum(fit.used)),
        }  # fmt: skip
        # x/s sees p and q in units of s: w/s·x − p is what the first neuron of a chain is fed.
        in_users = type(dictionary)(
            dictionary.directions, dictionary.lower * units.inputs, dictionary.upper * units.inputs, 0
        )
        network = in_users.network(fit.weights[:, 0] * (units.targets / units.inputs), fit.offset * units.targets)
        return best.outcome(
            proof.gap(problem) <= self.tolerance, fit.expired or best.deadline.expired,
            program=proof, predictors={"three_layer": network},
        )  # fmt: skip


def _certificate(units: Units, design: Neurons | Ramps, fit: Fit) -> GroupCertificate:
    """Return what proves the optimum of a Lasso."""
    offset = fit.offset if design.free or units.problem.offset else None
    return group_certificate(units, design, "frobenius", fit.weights, fit.multiplier, offset)
