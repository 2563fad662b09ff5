"""All networks that are optimal to within a tolerance, as far as they have neurons along known directions.

Training has many optima, or none beside the one that was found: docs/mathematics/optima.md says which networks are
optimal, after Mishkin and Pilanci 2023. Here they are chosen among: the shortest, one of few neurons, the best on
validation data, the best and the worst on test data. Each choice is a network whose objective is proved to be within
the tolerance of a proved lower bound, as that of the network found is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from sdprelax.base import CertificateError, Deadline, Floats, InputError, finite_matrix, require_seed, target_matrix
from sdprelax.certificate import Certificate, Gates, GroupCertificate, group_certificate, masks_of, verify, verify_group
from sdprelax.exact._masses import MOST, REACHED, Aim, Masses, Point, masses_of, single_optimum
from sdprelax.exact._maximal_directions import maximal_directions
from sdprelax.lasso import Directions, Fit, Masked, Program, gated_network
from sdprelax.networks import GatedNetwork, Network, decided
from sdprelax.problem import Presolved, Problem, Units
from sdprelax.training import Outcome, relative_gap

__all__ = ["OptimalSet", "Optimum", "Selection", "gated_optima", "optimal_set", "relu_optima"]

Selection = Literal["as_found", "least_norm", "sparsest"]

# Widths of the ramps that stand for right and wrong, in standard deviations of the outputs.
RAMPS = (0.01, 0.1, 1.0)
# Shares of the way from the network found to one chosen that are tried where rounding takes the latter out of the set.
WAY = (1.0, 0.99, 0.9, 0.5)
# Random inputs per direction that tell functions apart, and the share of all outputs that is a difference.
PROBES, NOTICED = 4, 1e-3
# What objectives of one network may differ by, relatively.
SAME = 1e-9
# Newton steps on validation data, the shares of one that are tried, the relative decrease that is worth no other, and
# the least curvature, as a share of the largest.
NEWTON, STEPS, SETTLED, FLAT = 30, (1.0, 0.5, 0.25, 0.1, 0.01), 1e-8, 1e-8


@dataclass(frozen=True, eq=False)
class Optimum:
    """A network that is optimal to within the tolerance.

    Attributes
    ----------
    network: a Network, or the GatedNetwork of a program behind gates.
    upper: its objective, rounded up; gap: (upper − lower)/|upper|, at most the tolerance.
    neurons: directions that carry mass.
    point: the masses, and the offset, in the units that were solved in.
    accuracy: on the data that it was chosen by, if it was by data with classes.
    """

    network: Network | GatedNetwork
    upper: float
    gap: float
    neurons: int
    point: Point = field(repr=False)
    accuracy: float | None = None


@dataclass(frozen=True, eq=False)
class OptimalSet:
    """Networks along fixed directions whose objective is within a tolerance of a proved lower bound.

    They are a part of all such networks: directions between those known are left out. So a range of accuracies
    over them is attained, and may be wider in truth.

    Attributes
    ----------
    problem: the training problem.
    tolerance: the largest (upper − lower)/|upper|.
    lower: of p*, or of the optimum of the program behind gates, proved.
    masses: masses along the directions, and what they may be.
    unique: whether the program behind the gates has a single optimum, up to rounding: the features of all groups that
        the gap does not exclude are linearly independent. False says nothing, as ever without gates.
    """

    problem: Problem
    tolerance: float
    lower: float
    masses: Masses
    _made: Callable[[Point], Network | GatedNetwork]
    _proved: Callable[[Point], float]
    # What one unit of the program's offset is in the user's targets.
    _unit: float
    unique: bool = False

    def __repr__(self) -> str:
        return f"OptimalSet({len(self.masses)} directions, dimension {self.dimension}, tolerance {self.tolerance:g})"

    @property
    def dimension(self) -> int:
        """In how many independent ways masses can change at the same predictions and the same penalty.

        Counted in floating point over the directions at γ. 0: no other network along these directions has the
        predictions of the one found, so that what choice there is lies within the tolerance.
        """
        return int(self.masses.null_space.shape[1])

    @property
    def functions(self) -> int:
        """In how many of these ways networks differ as functions, by more than a thousandth; at most :attr:`dimension`.

        A neuron and its opposite, (xᵀu)₊ = xᵀu + (−xᵀu)₊, can be exchanged without any input noticing.
        Told by outputs at random inputs near the samples.
        """
        if not self.dimension:
            return 0
        rng, X = np.random.default_rng(0), self.problem.X
        count = PROBES * len(self.masses)
        near = X[rng.integers(len(X), size=count)] + np.std(X, axis=0) * rng.standard_normal((count, X.shape[1]))
        features = self._features(near)[:, :, : len(self.masses)].reshape(-1, len(self.masses))
        singular = np.linalg.svd(features @ self.masses.null_space, compute_uv=False)
        return int(np.sum(singular > NOTICED * np.linalg.norm(features, 2)))

    def found(self) -> Optimum:
        """Return the network that the set was made around."""
        return self._optimum(self.masses.start)

    def least_norm(self, *, time_limit: float | None = None) -> Optimum:
        """Return the network of least Σ(‖u_k‖‖v_k‖)² over its neurons; the sum itself is what training minimises.

        Behind gates: of least Σ‖W_i‖². Equal neurons share their mass equally.

        Parameters
        ----------
        time_limit: seconds after which the network found is returned.
        """
        return self._optimum(self.masses.least_norm(Deadline.of(time_limit)))

    def sparsest(self, *, time_limit: float | None = None) -> Optimum:
        """Return a network of few neurons of which none can be left out, however the masses of the others change.

        It is *minimal*, as what Mishkin and Pilanci prune to is; a network of the fewest neurons of all is NP-hard to
        find in general, and need not be this one.

        Parameters
        ----------
        time_limit: seconds after which the sparsest network so far is returned, which may not be minimal.
        """
        return self._optimum(self.masses.sparsest(Deadline.of(time_limit)))

    def select(self, rule: Selection, deadline: Deadline) -> Optimum:
        """Return what a rule that needs no further data chooses: "as_found", "least_norm" or "sparsest"."""
        if rule == "least_norm":
            return self._optimum(self.masses.least_norm(deadline))
        return self._optimum(self.masses.sparsest(deadline) if rule == "sparsest" else self.masses.start)

    def validated(self, X: ArrayLike, Y: ArrayLike, *, time_limit: float | None = None) -> Optimum:
        """Return the network of least loss on validation data; the problem's loss, samples of weight 1.

        Parameters
        ----------
        X: inputs, shape (k, d); Y: targets, shape (k, c), as the problem has them.
        time_limit: seconds after which the network found is returned.

        Raises
        ------
        InputError: data of another shape, or a loss with kinks.
        """
        inputs, targets = self._data(X, Y)
        if not self.problem.loss.smooth:
            raise InputError("validated() takes differentiable losses, and this problem's has kinks.")
        point = self._validated(targets, self._features(inputs), Deadline.of(time_limit))
        return self._optimum(point, inputs, targets)

    def _validated(self, targets: Floats, features: Floats, deadline: Deadline) -> Point:
        """Return the point of least loss on validation data, by Newton's method over the set."""
        masses, loss = self.masses, self.problem.loss.unweighted
        if not len(masses):
            return masses.start
        flat = features.reshape(-1, features.shape[2])

        def outputs(point: Point) -> Floats:
            shift = self._unit * (point.offset - masses.start.offset) / masses.mass
            x = np.concatenate([point.masses / masses.mass, shift[: flat.shape[1] - len(masses)]])
            return np.asarray((flat @ x).reshape(targets.shape) + self._unit * masses.start.offset)

        point, reached = masses.start, loss.value(outputs(masses.start), targets)
        for _ in range(NEWTON):
            P = outputs(point)
            slopes, vectors = np.linalg.eigh(loss.hessian(P, targets))
            slopes = np.maximum(slopes, FLAT * max(float(np.max(slopes)), 1.0))
            # ½‖H^½(P' − P) − H^-½A‖² is the model, and P' all but linear in the unknowns.
            roots = (vectors * np.sqrt(slopes)[:, None, :]) @ vectors.mT
            inverse = (vectors / np.sqrt(slopes)[:, None, :]) @ vectors.mT
            squares = np.einsum("kcd,kdx->kcx", roots, features).reshape(-1, flat.shape[1])
            offset = self._unit * masses.start.offset
            target = np.einsum("kcd,kd->kc", roots, P - offset) + np.einsum(
                "kcd,kd->kc", inverse, loss.residual(P, targets)
            )
            there = masses.best(Aim.of(masses, squares=squares, target=target.ravel()), deadline)
            for share in STEPS:
                candidate = masses.between(point, there, share)
                value = loss.value(outputs(candidate), targets)
                if value < reached:
                    break
            else:
                return point
            settled = reached - value <= SETTLED * abs(reached)
            point, reached = candidate, value
            if settled or deadline.expired:
                break
        return point

    def extremes(self, X: ArrayLike, Y: ArrayLike, *, time_limit: float | None = None) -> tuple[Optimum, Optimum]:
        """Return networks of small and of large accuracy on given data: the ends of a range that the set attains.

        They are chosen by the targets of these very data, so they say how much choice matters, and not how well a
        network predicts. The least and the largest accuracy of all are hard to find; here margins, and ramps of
        them of several widths in place of right and wrong, are driven down and up by convex programs, and the most
        extreme network met is taken. So the true range may be wider.

        Parameters
        ----------
        X: inputs, shape (k, d); Y: targets of classes, shape (k, c), as the problem has them.
        time_limit: seconds for each end.

        Raises
        ------
        InputError: data of another shape, or targets that are no classes.
        """
        inputs, targets = self._data(X, Y)
        ordered = np.sort(targets, axis=1)
        classes = np.abs(targets) == 1.0 if targets.shape[1] == 1 else ordered[:, -1] > ordered[:, -2]
        if not np.all(classes):
            raise InputError("extremes() takes targets of classes: ±1, or rows of which one entry is the largest.")
        features = self._features(inputs)
        ends = [self._driven(sign, inputs, targets, features, Deadline.of(time_limit)) for sign in (-1.0, 1.0)]
        return ends[0], ends[1]

    def _driven(self, sign: float, inputs: Floats, targets: Floats, features: Floats, deadline: Deadline) -> Optimum:
        """Return the network of least (sign −1) or largest (1) accuracy that is met."""
        masses = self.masses
        best = self._optimum(masses.start, inputs, targets)
        for ramp in (None, *RAMPS):
            outputs = best.network.predict(inputs)
            margins, heights = _margins(outputs, targets, features, self._unit * masses.start.offset)
            scale = sign / (float(np.std(outputs)) or 1.0)
            if ramp is None:
                aim = Aim.of(masses, linear=-scale * np.mean(margins, axis=0))
            else:
                aim = Aim.of(masses, ramps=margins * (scale / ramp), heights=heights * (scale / ramp))
            met = self._optimum(masses.best(aim, deadline), inputs, targets)
            assert met.accuracy is not None and best.accuracy is not None
            if sign * met.accuracy > sign * best.accuracy:
                best = met
        return best

    def _data(self, X: ArrayLike, Y: ArrayLike) -> tuple[Floats, Floats]:
        inputs, targets = finite_matrix("X", X), target_matrix("Y", Y)
        d, c = self.problem.X.shape[1], self.problem.Y.shape[1]
        if inputs.shape[1] != d or targets.shape != (len(inputs), c):
            raise InputError(
                f"X has shape {inputs.shape} and Y {targets.shape}; this problem takes {d} inputs and {c} outputs, one "
                "row of both per sample."
            )
        return inputs, targets

    def _features(self, inputs: Floats) -> Floats:
        """Return the outputs that each unknown makes, shape (k, c, K), or (k, c, K + c) with those of an offset.

        In the user's units, of all mass on one direction, or of the offset as large as all mass.
        """
        masses, outputs = self.masses, self.problem.Y.shape[1]
        none = np.zeros_like(masses.start.offset)
        columns = [self._made(Point(masses.mass * unit, none)).predict(inputs) for unit in np.eye(len(masses))]
        if masses.program.intercept:
            columns += [np.tile(self._unit * masses.mass * unit, (len(inputs), 1)) for unit in np.eye(outputs)]
        return np.stack(columns, axis=2) if columns else np.zeros((len(inputs), outputs, 0))

    def _optimum(self, point: Point, inputs: Floats | None = None, targets: Floats | None = None) -> Optimum:
        """Return the network of a point, or of one on the way to it that is proved to be within the tolerance."""
        start = self.masses.start
        for share in (*WAY, 0.0):
            there = self.masses.between(start, point, share)
            upper = self._proved(there)
            gap = relative_gap(self.lower, upper)
            if share == 0.0 or (gap is not None and gap <= self.tolerance):
                break
        network = self._made(there)
        accuracy = None
        if inputs is not None and targets is not None:
            accuracy = float(np.mean(decided(network.predict(inputs)) == decided(targets)))
        return Optimum(network, upper, gap or 0.0, int(np.count_nonzero(there.masses)), there, accuracy)


def _margins(outputs: Floats, targets: Floats, features: Floats, offset: Floats) -> tuple[Floats, Floats]:
    """Return what margins are made of: features, shape (k, unknowns), and what the offset makes of them, shape (k,).

    A margin is positive where the class is right; of several outputs against the rival that is largest now.
    """
    truth = decided(targets)
    if outputs.shape[1] == 1:
        signs = np.where(truth == 1, 1.0, -1.0)
        return signs[:, None] * features[:, 0], signs * offset[0]
    rows = np.arange(len(truth))
    others = outputs.copy()
    others[rows, truth] = -np.inf
    rivals = np.argmax(others, axis=1)
    return features[rows, truth] - features[rows, rivals], offset[truth] - offset[rivals]


def optimal_set(problem: Problem, outcome: Outcome, *, tolerance: float = 1e-6, seed: int = 0) -> OptimalSet:
    """Return the networks that are proved optimal to within a tolerance, from an outcome that proves one to be.

    Of ``gated_relu`` and ``mkl`` they are networks behind the same gates, optimal for their convex program; of any
    method with a lower bound, such as ``exact``, networks of the training problem along the directions of the
    outcome's network, and along those where its dual point attains γ that a local search finds (in rank ≤ 2: all).
    docs/mathematics/optima.md.

    Parameters
    ----------
    problem: what was trained on.
    outcome: what :func:`sdprelax.solve` returned.
    tolerance: the largest relative gap of a network in the set, at least the outcome's own. The set grows with it.
    seed: of the local search.

    Raises
    ------
    InputError: an outcome that proves nothing, is farther from optimal than the tolerance, or is of another problem.
    """
    if not (isinstance(tolerance, (int, float)) and 0.0 < tolerance < 1.0):
        raise InputError(f"tolerance is {tolerance!r}; it must be a number between 0 and 1.")
    require_seed(seed)
    program = outcome.program
    if isinstance(program, GroupCertificate) and isinstance(program.design, Gates):
        _require_within(program.gap(problem), tolerance)
        _require_proved(problem, program)
        found = gated_optima(problem, program, tolerance)
        _require_of(problem, found.found().upper, program.value)
        return found
    if outcome.network is None or outcome.lower is None or outcome.gap is None or outcome.certificate is None:
        raise InputError(
            "this outcome proves no network optimal: optimal_set takes those of methods with a lower bound, such as "
            "exact, and of gated_relu and mkl."
        )
    _require_within(outcome.gap, tolerance)
    _require_of(problem, problem.upper_bound(outcome.network), outcome.upper)
    _require_proved(problem, outcome.certificate)
    presolved = Presolved.of(problem)
    units = presolved.units
    scaled = units.scaled_network(outcome.network)
    A = outcome.certificate.multiplier if problem.loss.smooth is False else None
    return relu_optima(presolved, scaled, outcome.lower, A, tolerance, np.random.default_rng(seed))


def _require_within(gap: float, tolerance: float) -> None:
    if gap > tolerance:
        raise InputError(
            f"this outcome is proved optimal to within {gap:.2g} and no closer; take a tolerance above that, or solve "
            "to a smaller one first."
        )


def _require_of(problem: Problem, reached: float, claimed: float | None) -> None:
    if claimed is None or abs(reached - claimed) > SAME * abs(claimed):
        raise InputError(
            f"this outcome is of another problem than {problem!r}: its network has another objective there."
        )


def _require_proved(problem: Problem, certificate: Certificate | GroupCertificate) -> None:
    """Refuse what proves nothing of this problem, whatever objective a network has there."""
    try:
        if isinstance(certificate, GroupCertificate):
            verify_group(problem, certificate)
        else:
            verify(problem, certificate)
    except CertificateError as error:
        raise InputError(f"this outcome is of another problem than {problem!r}: {error}") from None


def _allowed(lower: float, tolerance: float) -> float:
    """Return the largest upper bound whose gap is within a tolerance."""
    return lower / (1.0 - tolerance) if lower >= 0.0 else lower / (1.0 + tolerance)


def gated_optima(problem: Problem, certificate: GroupCertificate, tolerance: float) -> OptimalSet:
    """Return the gated networks whose objective is within a tolerance of the program's proved lower bound.

    Parameters
    ----------
    certificate: of a program behind gates, whose weights are in the set.
    """
    units = Units(problem, *certificate.units, certificate.column)
    gates, scaled = certificate.design.directions, units.problem
    program = Program.of(scaled, Masked(scaled.inputs, masks_of(scaled.inputs, gates)), certificate.penalty)
    weights, A = certificate.whole_weights(), np.asarray(certificate.multiplier)
    offset = np.zeros(program.outputs) if certificate.offset is None else certificate.offset
    reached, lower = units.measured_value(certificate.value), units.measured_value(certificate.dual_value)
    fit = Fit(weights, A, reached, lower, offset=offset)
    masses = masses_of(program, fit, max(0.0, _allowed(lower, tolerance) - reached))

    def made(point: Point) -> GatedNetwork:
        return gated_network(units, gates, masses.weights(point.masses), point.offset)

    def proved(point: Point) -> float:
        free = point.offset if scaled.offset is not False else None
        chosen = masses.weights(point.masses)
        return group_certificate(units, certificate.design, certificate.penalty, chosen, A, free).value

    unique = single_optimum(program, A, reached - lower)
    return OptimalSet(problem, tolerance, certificate.dual_value, masses, made, proved, units.targets, unique)


def relu_optima(
    presolved: Presolved, network: Network, lower: float, A: Floats | None, tolerance: float, rng: np.random.Generator
) -> OptimalSet:
    """Return the networks whose objective is within a tolerance of a lower bound of the user's problem.

    Parameters
    ----------
    network: of ``presolved.problem``, in the set.
    lower: proved, in the user's units.
    A: a dual point that the directions come from; the network's residual if None.
    rng: for the local search.
    """
    problem, reduction, units = presolved.problem, presolved.reduction, presolved.units
    merged = network.merged()
    hidden = reduction.basis.T @ merged.hidden
    lengths = np.linalg.norm(hidden, axis=0)
    output = merged.output * lengths[:, None]
    own = hidden / lengths
    t = np.zeros(output.shape[1]) if network.offset is None else network.offset
    if A is None:
        A = problem.residual(network.predict(problem.X))
    reached = units.measured_value(presolved.original.upper_bound(presolved.network(network)))
    budget = max(0.0, units.measured_value(_allowed(lower, tolerance)) - reached)
    total = float(np.sum(np.linalg.norm(output, axis=1))) or 1.0
    above = problem.gamma - budget / (REACHED * total)
    if reduction.generators:
        more = maximal_directions(reduction, A, max(0.0, above), own, MOST, rng)
        own = np.hstack([own, more])
    program = Program.of(problem, Directions(reduction.features(own)))
    weights = np.zeros((own.shape[1], 1, output.shape[1]))
    weights[: len(output), 0] = output
    fit = Fit(weights, A, reached, units.measured_value(lower), offset=t)
    masses = masses_of(program, fit, budget)

    def made(point: Point) -> Network:
        chosen = problem.network(reduction.basis @ own, masses.weights(point.masses)[:, 0],
                                 point.offset if problem.offset else None)  # fmt: skip
        return presolved.network(chosen.balanced())

    def proved(point: Point) -> float:
        return presolved.original.upper_bound(made(point))

    return OptimalSet(presolved.original, tolerance, lower, masses, made, proved, units.targets)
