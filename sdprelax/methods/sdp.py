"""Method ``sdp``: the relaxation of Prakhya, Birdal and Yurtsever 2025 ("P25"), solved, certified and rounded."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import scipy.linalg
import scipy.sparse as sp
from pydantic import PositiveInt

from sdprelax.base import Deadline, Floats, InputError, SolverFailed, Use
from sdprelax.cells import Cone, whole_space
from sdprelax.certificate import Certificate, relaxation_certificate, users_certificate
from sdprelax.exact import EXACT_KERNELS, generate_columns
from sdprelax.lasso import OnDirections
from sdprelax.lifting import LiftedProgram
from sdprelax.lifting.inequalities import STANDARD, Inequality, inequalities
from sdprelax.methods import methods
from sdprelax.networks import Network, Predictor, Tabulated
from sdprelax.problem import PARALLEL, Problem, Reduction, Units, reduce, reduce_inputs
from sdprelax.relaxation import (
    Form,
    RelaxationSolution,
    Splitting,
    idle_cones,
    local_certificate,
    solve_relaxation,
    split_by_coverage,
    split_by_strong_branching,
    split_by_violation,
)
from sdprelax.rounding import Rounding, Walk, roundings
from sdprelax.rounding.extract import tightness
from sdprelax.solvers import NO_START, StructuredSolver, solvers
from sdprelax.training import (
    Bound,
    Outcome,
    Report,
    Status,
    empty_network_outcome,
    polish,
    random_network,
    status_of,
    unreported,
)

__all__ = ["SDP"]

# Share of the cones that the relaxation is first solved over, to see where the rest of the splits should go.
COARSE = 2 / 3
# What guides strong branching: a network trained by column generation to this gap, in at most so many seconds.
GUIDE_GAP, GUIDE_WIDTH, GUIDE_SECONDS = 1e-7, 60, 30.0
# A pruned cone whose own certificate exceeds γ by this factor gets its block back.
BACK = 1.0 + 1e-6
# Most generators at which a relaxation without a named solver is solved to many digits.
SMALL = 150
# Relative distance of claim and dual value from which on a stalled run counts as settled, and most rows for another.
SETTLED, SECOND_OPINION = 1e-3, 100
# What a certificate may leave of a solver's claim where that counts as solved, relatively.
NEARLY_PROVED = 1e-2
# Distance of unit rows below which they are one generator where the solver has no start otherwise.
NEARLY_PARALLEL = 1e-5
# Share of a time limit that is the solver's, where there is a rounding.
SOLVING = 0.85


@methods.register("sdp")
@dataclass(frozen=True)
class SDP:
    """The SDP relaxation: solved, certified by its multipliers, and rounded to a network.

    Parameters
    ----------
    form: "reduced" (facially reduced, the default) or "lifted" (as published).
    solver: conic solver; ``sdprelax solvers`` says which run here. Default: for the presolved reduced form's single
        block "interior_point" up to 150 generator rows and "native" beyond, else "clarabel".
    solver_options: options of that solver; without a named one, of "interior_point" (or "clarabel"), whatever the size.
    presolve: merge parallel rows, drop zero rows and scale (docs/mathematics/problem.md, "Presolve"); off repeats P25.
    cones: most cones that weight space is split into, one block each; more of them close the gap.
    splitting: which rows to split at: "violation" (where a coarser solution mixes both signs of a row), "coverage"
        (where the parts have the fewest undetermined rows) or "strong" (where the certificate of a good network's
        residual improves most; small problems).
    rounding: how to turn the solution into a network; None for the bound alone.
    rounding_options: options of that rounding.
    more_inequalities: families of inequalities beyond those of every relaxation, each a name or
        {name: {option: value}}.
    more_roundings: further roundings of the same solution, each a name or {name: {option: value}}; the best network
        counts.
    polish: improve rounded networks by local training (L-BFGS).
    transductive: lift the test inputs too, without a loss, and offer the relaxation's own predictions there
        (docs/mathematics/relaxation.md, "The relaxation's own predictions"). It makes the relaxation larger, and if
        anything tighter.
    """

    version: ClassVar[int] = 2

    form: Form = "reduced"
    solver: str | None = None
    solver_options: dict[str, Any] = field(default_factory=dict)
    presolve: bool = True
    cones: PositiveInt = 1
    splitting: Splitting = "violation"
    rounding: str | None = "gaussian"
    rounding_options: dict[str, Any] = field(default_factory=dict)
    more_inequalities: list[str | dict[str, dict[str, Any]]] = field(default_factory=list)
    more_roundings: list[str | dict[str, dict[str, Any]]] = field(default_factory=list)
    polish: bool = True
    transductive: bool = False

    def __post_init__(self) -> None:
        # Wrong names and options are refused here, before any work starts.
        if self.form == "lifted" and self.cones > 1:
            raise InputError("form: lifted is the single block as published; cones need form: reduced.")
        if self.solver is not None:
            object.__setattr__(self, "solver", solvers.canonical(self.solver))
        name = self.solver or self._candidates(0)[0]
        object.__setattr__(self, "solver_options", solvers.typed(name, self.solver_options))
        solver = solvers.create(name, self.solver_options)
        if isinstance(solver, StructuredSolver) and not (self._single and set(self._more) <= solver.takes):
            raise InputError(
                f"solver: {name} is for the presolved reduced form's single block; form: lifted, presolve: false, "
                "cones and more_inequalities need a conic solver such as clarabel."
            )
        if self.form == "lifted" and self.more_inequalities:
            raise InputError("form: lifted is the relaxation as published; more_inequalities need form: reduced.")
        if self.form == "lifted" and getattr(solver, "needs_interior", False):
            raise InputError(
                f"solver: {name} computes so precisely that form: lifted, which has no interior, is infeasible for it "
                "once its equations are rounded; take form: reduced, of the same value, or solver: clarabel."
            )
        if self.rounding is not None:
            object.__setattr__(self, "rounding", roundings.canonical(self.rounding))
            object.__setattr__(self, "rounding_options", roundings.typed(self.rounding, self.rounding_options))
        elif self.more_roundings:
            raise InputError("more_roundings come after the first one, and rounding is null: name it there.")
        for entry in self.more_roundings:
            name, options = _named("more_roundings", entry)
            roundings.typed(name, options)
            if [roundings.canonical(name) for name, _ in self._roundings].count(roundings.canonical(name)) > 1:
                raise InputError(f"rounding '{name}' is named twice; each rounding of a solution is named once.")

    @property
    def _roundings(self) -> list[tuple[str, dict[str, Any]]]:
        """Name and options of every rounding, in order."""
        if self.rounding is None:
            return []
        return [
            (self.rounding, self.rounding_options),
            *(_named("more_roundings", entry) for entry in self.more_roundings),
        ]

    @property
    def _more(self) -> dict[str, Inequality]:
        """The families of ``more_inequalities`` by name."""
        named = [_named("more_inequalities", entry) for entry in self.more_inequalities]
        families = {inequalities.canonical(name): inequalities.create(name, options) for name, options in named}
        if len(families) < len(named) or not families.keys().isdisjoint(STANDARD):
            raise InputError(
                f"more_inequalities has {self.more_inequalities!r}; name each family once, and none of those that "
                f"every relaxation has: {', '.join(STANDARD)}."
            )
        return families

    @property
    def _single(self) -> bool:
        return self.form == "reduced" and self.cones == 1 and self.presolve

    def _candidates(self, generators: int) -> list[str]:
        """Return the names of the solvers to try, until one has a point."""
        if self.solver is not None:
            return [self.solver]
        if not self._single or self.more_inequalities:
            return ["clarabel"]
        many = generators > SMALL and not self.solver_options
        return ["native" if many else "interior_point", "clarabel"]

    @property
    def kernels(self) -> Iterable[str]:
        """Modules of compiled functions that it computes with."""
        return EXACT_KERNELS if self.splitting == "strong" and self.cones > 1 else ()

    def uses(self) -> Iterable[Use]:
        """Return the roundings, and the solvers that there may be, whatever the size of the problem."""
        named = [*self._candidates(SMALL), *self._candidates(SMALL + 1)]
        more = [(inequalities, *_named("more_inequalities", entry)) for entry in self.more_inequalities]
        return [*((solvers, name, {}) for name in named), *((roundings, *one) for one in self._roundings), *more]

    def check(self, problem: Problem) -> None:
        """Refuse ``transductive`` where there is nothing to predict at.

        Raises
        ------
        InputError: the problem has no queries.
        """
        if self.transductive and problem.queries is None:
            raise InputError(
                "transductive predicts at the test inputs, and there are none: give the data set a test part "
                "(test_size), or Problem its queries."
            )

    def size(self, problem: Problem) -> str:
        """Return the order of the matrix variable and the number of entrywise constraints on it."""
        lifting = LiftedProgram(problem, self._reduced(problem)[0])
        order = lifting.face.shape[1] if self.form == "reduced" else lifting.order
        return f"matrix of order {order}"

    def run(
        self, problem: Problem, *, rng: np.random.Generator, deadline: Deadline, report: Report = unreported
    ) -> Outcome:
        """Return the certified bound of the relaxation and the rounded network."""
        self.check(problem)
        units = Units.of(problem)
        scaled = units.problem
        network = Network.empty(problem.X.shape[1], problem.Y.shape[1], problem.bias)
        upper = problem.upper_bound(network)
        empty = empty_network_outcome(problem, units, deadline)
        if empty is not None:
            nothing = {"relaxation": _tabulated(problem, np.zeros(problem.Y.shape[1]))} if self.transductive else {}
            return dataclasses.replace(empty, predictors=nothing)
        # Within a time limit a part of it is the roundings'.
        share = SOLVING if self.rounding is not None and deadline.seconds < math.inf else 1.0
        reserved = deadline.fraction(share)
        best = _Best(problem, units, deadline, report, network, upper)
        for parallel in (PARALLEL, NEARLY_PARALLEL):
            # Rows too nearly parallel for a start become one generator; the certificate pays for the difference.
            strict = self._single and parallel == PARALLEL
            reduction, asked = self._reduced(scaled, parallel)
            lifting = LiftedProgram(scaled, reduction, self._more)
            best.lifting = lifting
            try:
                cones, idle = self._partition(lifting, rng, deadline, best)
                solution, pruned = self._solve(lifting, cones, idle, reserved, best, strict=strict)
                break
            except SolverFailed:
                if not strict:
                    raise
        certificate = best.certificate
        assert certificate is not None
        details: dict[str, Any] = {"pruned": pruned}
        details["order"] = int(lifting.face.shape[1] if self.form == "reduced" else lifting.order)
        if self.cones > 1:
            details["cones"] = len(cones)
            details["undetermined"] = sorted((len(cone.undetermined) for cone in cones), reverse=True)
        details["solve_seconds"] = deadline.elapsed
        predictors: dict[str, Predictor] = {}
        if asked is not None:
            predicted, distance = _transduced(lifting, asked, solution.lifted)
            predictors["relaxation"] = _tabulated(problem, predicted * units.targets)
            details["kernel_form_distance"] = distance
        candidates: list[Network] = []
        started = deadline.elapsed
        for name, options in self._roundings:
            # The first one comes in any case: without it there would be no network at all. Another takes about as long.
            if name != self.rounding and deadline.remaining <= deadline.elapsed - started:
                break
            started = deadline.elapsed
            rounded, gap, met = _rounded(roundings.create(name, options), lifting, solution.lifted, rng)
            if name == self.rounding:
                details["tightness"] = dataclasses.asdict(tightness(lifting, solution.lifted, rounded))
            candidates += map(units.network, met)
            reached = {"rounding_gap": gap} if gap is not None else {}
            reached |= {"rounded": best.offer(rounded), "seconds": deadline.elapsed - started}
            predictors[name] = units.network(rounded)
            if self.polish and not deadline.expired:
                polished = polish(scaled, rounded, deadline=deadline)
                reached |= {"polished": best.offer(polished), "seconds": deadline.elapsed - started}
                predictors[f"{name}, polished"] = units.network(polished)
            details.setdefault("roundings", {})[name] = reached
        claimed = solution.solved.value
        return Outcome(
            lower=certificate.lower, upper=best.upper, network=best.network, certificate=certificate,
            predictors=predictors, candidates=tuple(candidates),
            solver_value=None if claimed is None else units.value(claimed), solver_status=solution.solved.status,
            status="time limit" if deadline.expired or reserved.expired else _status(lifting, solution, best),
            seconds=deadline.elapsed, trace=tuple(best.trace), details=details, log=solution.solved.log,
        )  # fmt: skip

    def _reduced(self, problem: Problem, parallel: float = PARALLEL) -> tuple[Reduction, Reduction | None]:
        """Return the reduction to lift over, and that of the queries on the same generators if they are lifted too."""
        n = problem.shape[0]
        X = np.vstack([problem.inputs, problem.query_inputs]) if self.transductive else problem.inputs
        whole = reduce_inputs(X, parallel) if self.presolve else Reduction.identity(X)
        return whole.of_samples(slice(n)), whole.of_samples(slice(n, None)) if self.transductive else None

    def _solve(
        self, lifting: LiftedProgram, cones: Sequence[Cone], idle: Sequence[Cone], deadline: Deadline, best: _Best,
        *, strict: bool = False,
    ) -> tuple[RelaxationSolution, int]:  # fmt: skip
        """Solve over the cones that are not idle; an idle one is proved by its own multipliers, or comes back.

        Returns the solution and how many cones stayed idle. ``strict``: the first solver's failure is final.
        """
        reduction, gamma = lifting.reduction, lifting.problem.gamma
        # Where no neuron pays all cones are idle, and the relaxation still wants a block.
        idle = [cone for cone in idle if len(idle) < len(cones) or cone is not cones[0]]
        while True:
            active = [cone for cone in cones if cone not in idle]
            found = self._solved(lifting, active, deadline, best, strict)
            dual = reduction.pull_back(found.multiplier)
            proofs = [local_certificate(reduction.rows, dual, cone, deadline, lifting.more) for cone in idle]
            loose = [cone for cone, (omega, _) in zip(idle, proofs, strict=True) if omega > gamma * BACK]
            if not loose or deadline.expired:
                best.prove(found.multiplier, [*found.multipliers, *(N for _, N in proofs)], [*active, *idle])
                return found, len(idle)
            idle = [cone for cone in idle if cone not in loose]

    def _solved(
        self, lifting: LiftedProgram, cones: Sequence[Cone], deadline: Deadline, best: _Best, strict: bool
    ) -> RelaxationSolution:
        names = self._candidates(lifting.generators)
        found: RelaxationSolution | None = None
        for name in names:
            solver = solvers.create(name, self.solver_options if name == names[0] else {})
            try:
                found = solve_relaxation(
                    lifting, self.form, cones, solver, deadline, lambda A, N: best.prove(A, [N], cones)
                )
            except SolverFailed:
                if found is None and (strict or name == names[-1]):
                    raise
                continue
            if strict and found.solved.status == NO_START:
                best.prove(found.multiplier, found.multipliers, cones)
                raise SolverFailed(found.solved.log)
            # A run that stalls far from its own claim, as for tiny γ, goes to the next solver too.
            if name == names[-1] or lifting.generators > SECOND_OPINION or _settled(lifting, found):
                break
            best.prove(found.multiplier, found.multipliers, cones)
        assert found is not None
        return found

    def _partition(
        self, lifting: LiftedProgram, rng: np.random.Generator, deadline: Deadline, best: _Best
    ) -> tuple[list[Cone], list[Cone]]:
        """Return the cones, and those that seem idle."""
        problem, reduction = lifting.problem, lifting.reduction
        rows, space = reduction.rows, [whole_space(reduction.generators)]
        if self.cones == 1:
            return space, []
        if self.splitting == "coverage":
            return split_by_coverage(rows, space, self.cones), []
        if self.splitting == "violation":
            coarse = split_by_coverage(rows, space, max(1, math.ceil(COARSE * self.cones)))
            solution, _ = self._solve(lifting, coarse, [], deadline, best)
            dual = reduction.pull_back(solution.multiplier)
            cones = split_by_violation(rows, dual, coarse, solution, self.cones)
        else:
            found = generate_columns(
                problem, reduction, start=random_network(problem, GUIDE_WIDTH, rng), tolerance=GUIDE_GAP,
                deadline=Deadline(min(GUIDE_SECONDS, 0.25 * deadline.remaining)), rng=rng,
                report=lambda best, lower, upper: None,
            )  # fmt: skip
            network = reduction.network(found.hidden, found.output, problem)
            dual = reduction.pull_back(problem.Y - network.predict(problem.X))
            coarse = split_by_coverage(rows, space, min(4, self.cones))
            target = problem.gamma * (1.0 + GUIDE_GAP)
            cones = split_by_strong_branching(rows, dual, coarse, self.cones, target, deadline.fraction(0.5))
        return cones, idle_cones(rows, dual, cones, problem.gamma, deadline)


def _settled(lifting: LiftedProgram, found: RelaxationSolution) -> bool:
    """Say whether the claimed value and the dual value of a solution agree."""
    dual, claimed = lifting.problem.dual_value(found.multiplier), found.solved.value
    return found.solved.status != "stalled" or claimed is None or abs(claimed - dual) <= SETTLED * abs(claimed)


def _status(lifting: LiftedProgram, found: RelaxationSolution, best: _Best) -> Status:
    """Return "solved" where what the solver claims is nearly proved: more nearly where our own one stalled."""
    claimed, status = found.solved.value, status_of(found.solved.status)
    short = 0.0 if claimed is None else (claimed - best.proved) / max(abs(claimed), np.finfo(float).tiny)
    if found.solved.status == "stalled":
        return "solved" if claimed is not None and abs(short) <= SETTLED else status
    return "not converged" if status == "solved" and short > NEARLY_PROVED else status


class _Best:
    """The best certificate and network so far, in the user's units, and how they came about.

    Parameters
    ----------
    problem: the user's; units: what it is solved in, as ``lifting``.
    network, upper: a first network and its objective.
    """

    def __init__(
        self, problem: Problem, units: Units, deadline: Deadline, report: Report, network: Network, upper: float
    ) -> None:
        self.problem, self.units = problem, units
        self.lifting = LiftedProgram(units.problem, reduce(units.problem))
        self.deadline, self.report = deadline, report
        self.network, self.upper = network, upper
        self.certificate: Certificate | None = None
        self.proved = 0.0
        self.trace: list[Bound] = []
        self._tell()

    def _tell(self) -> None:
        lower = None if self.certificate is None else self.certificate.lower
        self.trace.append(Bound(self.deadline.elapsed, lower, self.upper))
        self.report(Outcome(lower, self.upper, self.network, self.certificate, trace=tuple(self.trace)))

    def prove(self, A: Floats, multipliers: Sequence[Floats], cones: Sequence[Cone]) -> float:
        """Make a certificate of approximate multipliers; return its bound in the units."""
        lifting = self.lifting
        found = relaxation_certificate(lifting.problem, lifting.reduction, A, multipliers, cones, lifting.more)
        self.proved = max(self.proved, found.lower)
        proposed = users_certificate(self.units, found)
        if self.certificate is None or proposed.lower > self.certificate.lower:
            self.certificate = proposed
        self._tell()
        return found.lower

    def offer(self, network: Network) -> float:
        """Take a network in the units if it is better; return its objective."""
        users = self.units.network(network)
        value = self.problem.upper_bound(users)
        if value < self.upper:
            self.network, self.upper = users, value
            self._tell()
        return value


def _named(option: str, entry: str | dict[str, dict[str, Any]]) -> tuple[str, dict[str, Any]]:
    """Return name and options of an entry of an option that is a list of registered classes."""
    if isinstance(entry, str):
        return entry, {}
    if len(entry) != 1:
        raise InputError(f"{option} has {entry!r}; write a name, or one {{name: {{option: value}}}} for each.")
    name, options = next(iter(entry.items()))
    return name, options


def _rounded(
    rounding: Rounding, lifting: LiftedProgram, lifted: Floats, rng: np.random.Generator
) -> tuple[Network, float | None, list[Network]]:
    """Return a rounding's network, the gap of the program it comes from, and, of one that walks, those that it met."""
    if not isinstance(rounding, Walk):
        found = rounding.round(lifting, lifted, rng=rng)
        return (found.network, found.gap, []) if isinstance(found, OnDirections) else (found, None, [])
    met = list(rounding.walk(lifting, lifted))
    return min(met, key=lifting.problem.objective), None, met


def _transduced(lifting: LiftedProgram, asked: Reduction, lifted: Floats) -> tuple[Floats, float]:
    """Return the relaxation's own predictions in kernel form, K_q(K + γI)⁻¹Y, at training inputs and queries.

    Also returned: their largest distance from Λ_{α_q,v}, relative to the largest prediction; 0 at an exact optimum.
    """
    g, problem = lifting.generators, lifting.problem
    rows = sp.vstack([lifting.selection, asked.selection()]).tocsr()
    cross = np.asarray(lifting.selection @ (rows @ lifted[: 2 * g, : 2 * g]).T).T
    kernel = cross[: len(problem.Y)]
    ridge = 0.5 * (kernel + kernel.T) + problem.gamma * np.eye(len(kernel))
    predicted: Floats = cross @ scipy.linalg.solve(ridge, problem.Y, assume_a="sym")
    direct = rows @ lifted[: 2 * g, lifting.blocks["v"]]
    return predicted, float(np.max(np.abs(predicted - direct)) / max(np.max(np.abs(predicted)), 1e-300))


def _tabulated(problem: Problem, predicted: Floats) -> Tabulated:
    """Return predictions, shape (n + t, c) or (c,), at the problem's inputs and queries."""
    assert problem.queries is not None
    inputs = np.vstack([problem.X, problem.queries])
    return Tabulated(inputs, np.broadcast_to(predicted, (len(inputs), problem.Y.shape[1])).copy())
