"""Method ``wedge``: networks whose neurons are wedge products of samples, trained by a Lasso."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
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
    users_certificate,
)
from sdprelax.lasso import LassoFit, LassoProgram, LassoSolver, lasso
from sdprelax.methods import methods
from sdprelax.methods.gates import WITHIN
from sdprelax.networks import Network
from sdprelax.problem import Problem, Units, reduce
from sdprelax.training import Outcome, Report, Status, unreported
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
    min ½‖Φz − Y‖² + γΣ‖z_k‖, whose optimum is proved (``value``, ``dual_value`` in the details). The upper bound is the
    network's own objective in the training problem. With p = 1 all features are exact for networks with weight decay
    ½γ(‖u‖_1² + ‖v‖²); with p = 2 the lower bound of p* is what the Lasso's dual point proves.

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
    solver: of the Lasso: "interior_point" (ours), "skglm" or "sklearn" (coordinate descent along a path of γ), or
        "auto": the first up to 3,000 dual variables n·c, else the last.
    tolerance: relative duality gap of the Lasso to be proved; ``solved`` means that it is.
    merge: whether neurons of one chamber are added up at the end, where that is better: closed forms no more.
    """

    version: ClassVar[int] = 2
    closes: ClassVar[str] = "program_gap"

    penalty: Literal[1, 2] = 2
    bias: Literal["regularised", "free"] = "regularised"
    features: Features = "all"
    count: PositiveInt = 1_000
    sketch: PositiveInt | None = None
    layers: Literal[2, 3] = 2
    solver: LassoSolver = "auto"
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
        """Refuse a problem without bias for bias: free.

        Raises
        ------
        InputError: it has none.
        """
        if self._free and not problem.bias:
            raise InputError(
                "method 'wedge' with bias: free needs a problem with a bias; set bias: true in the sweep, beside "
                "gamma, or bias=True on the Problem."
            )

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
        spread = Units.of(Problem(problem.X - np.mean(problem.X, axis=0), problem.Y, problem.gamma))
        units = Units(problem, spread.inputs, spread.targets)
        return units if units.exact else Units(problem)

    def _geometry(self, units: Units) -> WedgeProblem:
        samples = units.original.X / units.inputs if self._free else units.problem.inputs
        return WedgeProblem(samples, self.penalty, self._free)

    @property
    def kernels(self) -> Iterable[str]:
        """Modules of compiled functions that it computes with."""
        return COVER_KERNELS if self.features == "all" and self.penalty == 2 and not self._free else ()

    def run(
        self, problem: Problem, *, rng: np.random.Generator, deadline: Deadline, report: Report = unreported
    ) -> Outcome:
        """Return the network of the Lasso's optimum, its bounds, and the proved value of the Lasso.

        Raises
        ------
        InputError: bias: free for a problem without bias.
        ProblemTooLarge: features: all, or layers: 3, and there are too many.
        SolverUnavailable: solver: skglm, and it is not installed.
        """
        self.check(problem)
        units = self._units(problem)
        if self.layers == 3:
            return self._three_layers(problem, units, deadline)
        geometry = self._geometry(units)
        training = deadline.fraction(TRAINING)
        dictionary, _, fit = self._train(geometry, units, rng, training, report)
        used = fit.used
        network = self._network(units, dictionary.of(used), fit.weights[used], fit.offset)
        proof = _certificate(units, Neurons(dictionary.directions, self._free), fit)
        details: dict[str, Any] = {
            **proof.details(problem),
            "features": dictionary.count, "degenerate": dictionary.degenerate, "neurons": int(np.sum(used)),
            "samples": sorted({int(i) for i in dictionary.subsets[used].ravel() if i >= 0}),
        }  # fmt: skip
        if dictionary.subsets[used].size <= LISTED:
            details["subsets"] = dictionary.subsets[used].tolist()
        details["samples_used"] = len(details["samples"])
        if geometry.walls.rank == 2 and not self._free and self.penalty == 2 and self.features == "all":
            details["largest_angle"] = largest_angle(geometry.walls.rows)
        if self.merge:
            network = min(network, merged_in_chambers(problem.inputs, network), key=problem.upper_bound)
        details["width"] = network.width
        upper = problem.upper_bound(network)
        report(Outcome(upper=upper, network=network, program=proof, details=details))
        lower, certificate = None, None
        if self.features == "all" and self.penalty == 2 and not self._free:
            found = cone_certificate(
                units.problem, reduce(units.problem), fit.multiplier, deadline=deadline.fraction(PROVING)
            )
            certificate = users_certificate(units, found)
            lower = certificate.lower
        return Outcome(
            lower=lower, upper=upper, network=network, certificate=certificate, program=proof,
            status=self._status(details, fit, deadline), seconds=deadline.elapsed, details=details,
        )  # fmt: skip

    def _status(self, details: dict[str, Any], fit: LassoFit, deadline: Deadline) -> Status:
        if details["program_gap"] <= self.tolerance:
            return "solved"
        return "time limit" if fit.expired or deadline.expired else "not converged"

    def _train(
        self, geometry: WedgeProblem, units: Units, rng: np.random.Generator, deadline: Deadline, report: Report
    ) -> tuple[WedgeDictionary, LassoProgram, LassoFit]:
        """Return the dictionary, the Lasso over it, and its solution."""
        Y, gamma = units.problem.Y, units.problem.gamma

        def solved(dictionary: WedgeDictionary, start: LassoFit | None = None) -> tuple[LassoProgram, LassoFit]:
            program = LassoProgram(geometry.features(dictionary.directions), Y, gamma, self._free)
            return program, lasso(
                program, self.solver, tolerance=WITHIN * self.tolerance, start=start, deadline=deadline
            )

        if self.features == "all":
            dictionary = geometry.all_wedges()
        elif self.features == "random":
            dictionary = geometry.random_wedges(self.count, rng, self.sketch)
        else:
            first = max(1, min(self.count // 2, 2 * len(Y)))
            dictionary = geometry.random_wedges(first, rng)
        program, fit = solved(dictionary)
        first_network = self._network(units, dictionary.of(fit.used), fit.weights[fit.used], fit.offset)
        report(Outcome(upper=units.original.upper_bound(first_network), network=first_network))
        if self.features != "oracle" or geometry.subset_count <= first:
            return dictionary, program, fit
        best, idle = fit.value, 0
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
                weights = np.vstack([fit.weights, np.zeros((dictionary.count - before, Y.shape[1]))])
                program, fit = solved(dictionary, LassoFit(weights, fit.offset, A, fit.value, fit.dual_value))
            idle = 0 if fit.value < best * (1.0 - PROGRESS) else idle + 1
            best = min(best, fit.value)
        return dictionary, program, fit

    def _network(self, units: Units, dictionary: WedgeDictionary, weights: Floats, offset: Floats) -> Network:
        """Return the network in the user's units, balanced; an output bias is a neuron that sees the ones alone."""
        hidden, output = dictionary.directions, weights
        if not self._free:
            return units.network(Network(hidden, output)).balanced()
        hidden = np.vstack([hidden[:-1] / units.inputs, hidden[-1:]])
        if np.any(offset != 0.0):
            hidden = np.hstack([hidden, np.eye(len(hidden))[:, -1:]])
            output = np.vstack([output, offset])
        return Network(hidden, output * units.targets, bias=True).balanced()

    def _three_layers(self, problem: Problem, units: Units, deadline: Deadline) -> Outcome:
        X, Y, gamma = problem.X / units.inputs, units.problem.Y, units.problem.gamma
        dictionary = ramp_dictionary(X, self.penalty)
        program = LassoProgram(dictionary.features(X), Y, gamma, True)
        fit = lasso(program, self.solver, tolerance=WITHIN * self.tolerance, deadline=deadline)
        proof = _certificate(units, dictionary.design, fit)
        details: dict[str, Any] = proof.details(problem)
        details |= {"features": len(dictionary.lower), "degenerate": dictionary.degenerate}
        details["neurons"] = int(np.sum(fit.used))
        # x/s sees p and q in units of s: w/s·x − p is what the first neuron of a chain is fed.
        in_users = type(dictionary)(
            dictionary.directions, dictionary.lower * units.inputs, dictionary.upper * units.inputs, 0
        )
        network = in_users.network(fit.weights * (units.targets / units.inputs), fit.offset * units.targets)
        return Outcome(
            program=proof, predictors={"three_layer": network}, status=self._status(details, fit, deadline),
            seconds=deadline.elapsed, details=details,
        )  # fmt: skip


def _certificate(units: Units, design: Neurons | Ramps, fit: LassoFit) -> GroupCertificate:
    """Return what proves the optimum of a Lasso."""
    weights, offset = fit.weights.T[:, None, :], fit.offset if design.free else None
    return group_certificate(units, design, "frobenius", weights, fit.multiplier, offset)
