"""Method ``sdp``: the relaxation of Prakhya, Birdal and Yurtsever 2025 ("P25"), solved, certified and rounded."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from pydantic import PositiveFloat, PositiveInt

from sdprelax.base import LATER, Deadline, InputError, SolverFailed, Use
from sdprelax.cells import Cone, sectors_of, whole_space
from sdprelax.certificate import Certificate
from sdprelax.exact import EXACT_KERNELS
from sdprelax.lifting import LiftedProgram
from sdprelax.lifting.inequalities import Inequality, chosen_families, inequalities, named_options
from sdprelax.methods import methods
from sdprelax.methods._kernel_form import tabulated, transduced
from sdprelax.methods._partitions import FEW_ROWS, guide, partition, trained_on, within
from sdprelax.methods._roundings import Roundings
from sdprelax.networks import Network, Predictor
from sdprelax.problem import PARALLEL, Presolved, Problem, Reduction, Squared, reduce_inputs
from sdprelax.relaxation import (
    MOST_PARTS,
    CertifiedRelaxation,
    Form,
    Growth,
    LocalGrowth,
    RelaxationSolution,
    Splitting,
    is_structured,
    partition_of,
    split_by_neurons,
)
from sdprelax.rounding import roundings
from sdprelax.solvers import StructuredSolver, by_default, solvers
from sdprelax.training import Incumbent, Outcome, Report, locally_trained, status_of, unreported

__all__ = ["SDP"]

# Splittings that grow a partition until the gap is closed.
GROWING = ("gap", "local")
# Up to FEW_ROWS rows, and with sectors, "local" starts from cones of so many undetermined ones, whose programs are
# short, or from this share of its cones; beyond, it starts from all of weight space.
SMALL, BEFORE = 16, 0.5
# Distance of unit rows below which they are one generator where the solver has no start otherwise.
NEARLY_PARALLEL = 1e-5
# Share of a time limit that is the solver's, where there is a rounding, and where there is only the last proof.
SOLVING, PROVING_LAST = 0.85, 0.95


@methods.register("sdp")
@dataclass(frozen=True)
class SDP:
    """The SDP relaxation: solved, certified by its multipliers, and rounded to a network.

    Parameters
    ----------
    form: "reduced" (facially reduced, the default), "lifted" (as published) or "scaled_diagonally_dominant" (reduced,
        with minors of order two in place of positive semidefiniteness: weaker, without a semidefinite cone).
    solver: conic solver; ``sdprelax solvers`` says which run here. Default: for the presolved reduced form
        "interior_point" up to 150 generator rows and "native" beyond, else "clarabel".
    solver_options: options of that solver; without a named one, of "interior_point" (or "clarabel"), whatever the size.
    presolve: merge parallel rows, drop zero rows and scale (docs/mathematics/problem.md, "Presolve"); off repeats P25.
    cones: most cones that weight space is split into, one block each; more of them close the gap.
    sectors: most sectors that the space of outputs is split into in every cone, at least 2^c; 1 for none, but
        for "gap", which tries them by itself. Their blocks speak of balanced neurons, and the family of inequalities
        "sectors" comes with them.
    splitting: which rows to split at: "violation" (where a coarser solution mixes both signs of a row), "coverage"
        (where the parts have the fewest undetermined rows), "strong" (where the certificate of a good network's
        residual improves most; small problems) or "gap": at rows or between sectors, whichever buys more of the bound,
        round after round until the gap is ``tolerance``, the time is up or there are ``cones`` blocks (1: 256);
        "local" does the same at rows for the fixed residual of a good network, whose certificate is one program per
        cone (Clarabel's up to 40 undetermined rows, our own steps beyond), and solves no program over all cones. The
        details say whether that network's gap closed (``guide_converged``), and, where time ended before the first
        cones were all solved, whether the bound is the one that training it proved (``bound_of_guide``).
    tolerance: relative gap at which "gap" and "local" end.
    start: path of a certificate of a relaxation of this problem, whose partition and bound "gap" goes on from, relative
        to the working directory. With another file there a trial is another one.
    rounding: how to turn the solution into a network; None for the bound alone.
    rounding_options: options of that rounding.
    inequalities: all families (``sdprelax list inequalities``) that the relaxation asks for, each a name or
        {name: {option: value}}; None for those of the relaxation as published, nonnegative and
        complementary, and walls over cones.
    more_roundings: further roundings of the same solution, each a name or {name: {option: value}}; the best network
        counts.
    polish: improve rounded networks by local training (L-BFGS).
    transductive: lift the test inputs too, without a loss, and offer the relaxation's own predictions there
        (docs/mathematics/relaxation.md, "The relaxation's own predictions"). It makes the relaxation larger, and if
        anything tighter.
    """

    version: ClassVar[int] = 3
    losses: ClassVar[None] = None
    activations: ClassVar[None] = None
    offset: ClassVar[bool] = True
    sample_weight: ClassVar[bool] = True

    form: Form = "reduced"
    solver: str | None = None
    solver_options: dict[str, Any] = field(default_factory=dict)
    presolve: bool = True
    cones: PositiveInt = 1
    sectors: PositiveInt = field(default=1, metadata=LATER)
    splitting: Splitting = "violation"
    tolerance: PositiveFloat = field(default=1e-3, metadata=LATER)
    start: str | None = field(default=None, metadata=LATER)
    rounding: str | None = "gaussian"
    rounding_options: dict[str, Any] = field(default_factory=dict)
    inequalities: list[str | dict[str, dict[str, Any]]] | None = field(default=None, metadata=LATER)
    more_roundings: list[str | dict[str, dict[str, Any]]] = field(default_factory=list)
    polish: bool = True
    transductive: bool = False

    def __post_init__(self) -> None:
        # Wrong names and options are refused here, before any work starts.
        if self.form == "lifted" and not self._whole:
            raise InputError("form: lifted is the single block as published; cones and sectors need form: reduced.")
        if self.start is not None and self.splitting != "gap":
            raise InputError("start is the partition that splitting: gap goes on from; no other splitting has one.")
        if self.splitting == "local" and (self.solver or self.solver_options or self.form != "reduced"):
            raise InputError(
                "splitting: local solves the reduced form, every cone in its own way; leave out form, solver and "
                "solver_options."
            )
        asked = {inequalities.canonical(named_options("inequalities", entry)[0]) for entry in self.inequalities or []}
        if self._whole and (mute := sorted(name for name in asked if inequalities[name].of_sectors)):
            raise InputError(f"the inequalities {', '.join(mute)} speak of output sectors alone: give sectors: too.")
        if self.solver is not None:
            object.__setattr__(self, "solver", solvers.canonical(self.solver))
        name = self.solver or by_default(self._structured, 0)[0]
        object.__setattr__(self, "solver_options", solvers.typed(name, self.solver_options))
        solver = solvers.create(name, self.solver_options)
        more, left_out = self._families
        if isinstance(solver, StructuredSolver) and (
            self.form != "reduced" or not self.presolve or solver.needs & left_out
        ):
            families = f" with the inequalities {', '.join(sorted(solver.needs))}" if solver.needs else ""
            raise InputError(
                f"solver: {name} is for the presolved reduced form{families}; anything else needs a conic solver such "
                "as clarabel."
            )
        if self.form == "lifted" and more:
            raise InputError("form: lifted is the relaxation as published; more inequalities need form: reduced.")
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
            name, options = named_options("more_roundings", entry)
            roundings.typed(name, options)
            if [roundings.canonical(name) for name, _ in self._roundings.named].count(roundings.canonical(name)) > 1:
                raise InputError(f"rounding '{name}' is named twice; each rounding of a solution is named once.")

    @property
    def _roundings(self) -> Roundings:
        """The roundings, the first one first."""
        if self.rounding is None:
            return Roundings([], self.polish)
        more = [named_options("more_roundings", entry) for entry in self.more_roundings]
        return Roundings([(self.rounding, self.rounding_options), *more], self.polish)

    @property
    def _families(self) -> tuple[dict[str, Inequality], frozenset[str]]:
        """The families beyond the standard ones by name, and the standard ones that are left out."""
        more, left_out = chosen_families(self.inequalities)
        # Blocks of sectors have no norms without it.
        return (more if self._whole else {"sectors": inequalities.create("sectors")} | more), left_out

    @property
    def _whole(self) -> bool:
        """Whether there is a single block, of all neurons."""
        return self.cones == 1 and self.sectors == 1 and self.splitting not in GROWING

    @property
    def _most(self) -> int:
        """The most cones that weight space is split into; of those that grow nobody need say how many."""
        return MOST_PARTS if self.cones == 1 and self.splitting in GROWING else self.cones

    @property
    def _structured(self) -> bool:
        """Whether it is a program that every structured solver takes."""
        return self.presolve and is_structured(self.form, self._families[1])

    @property
    def kernels(self) -> Iterable[str]:
        """Modules of compiled functions that it computes with."""
        return EXACT_KERNELS if self.splitting == "local" or (self.splitting == "strong" and self.cones > 1) else ()

    def uses(self) -> Iterable[Use]:
        """Return the roundings, and the solvers that there may be, whatever the size of the problem."""
        named = [self.solver] if self.solver else by_default(self._structured, 0 if self.solver_options else None)
        more = [(inequalities, *named_options("inequalities", entry)) for entry in self.inequalities or []]
        # Options are the first one's.
        return [
            *((solvers, name, {} if k else self.solver_options) for k, name in enumerate(named)),
            *((roundings, *one) for one in self._roundings.named),
            *more,
        ]

    def digest(self) -> str:
        """Return the SHA-256 of the certificate that it goes on from; "" without one.

        Raises
        ------
        InputError: it cannot be read.
        """
        if self.start is None:
            return ""
        from sdprelax.datasets import sha256  # and with it tables, which take their time

        return sha256(self.start)

    @property
    def dispensable(self) -> tuple[str, ...]:
        """Solvers that are chosen only for problems that they take; the last one takes all."""
        return () if self.solver or self.solver_options else tuple(by_default(self._structured)[:-1])

    def check(self, problem: Problem) -> None:
        """Refuse too few sectors, and ``transductive`` where there is nothing to predict at, or to predict with.

        Raises
        ------
        InputError: fewer sectors than orthants; or the problem has no queries, or another loss than the squared one,
            weights or an offset.
        """
        orthants = 2 ** problem.shape[2]
        if 1 < self.sectors < orthants:
            raise InputError(
                f"sectors: {self.sectors} is fewer than the {orthants} orthants of {problem.shape[2]} outputs; give at "
                "least as many, or 1 for none."
            )
        if self.transductive and (problem.loss != Squared() or problem.offset):
            raise InputError(
                "transductive predicts with the relaxation's kernel form, which the squared loss alone has, without "
                "sample weights and offset."
            )
        if self.transductive and problem.queries is None:
            raise InputError(
                "transductive predicts at the test inputs, and there are none: give the data set a test part "
                "(test_size), or Problem its queries."
            )

    def size(self, problem: Problem) -> str:
        """Return the order of the matrix, or how many blocks there are at most, and of which order at most.

        Where rows are split is found only by solving, and so are the blocks' own orders.
        """
        lifting = LiftedProgram(problem, self._reduced(problem)[0])
        order = self._order(lifting)
        if self._whole:
            return f"matrix of order {order}"
        if self.splitting == "gap":
            first = f"one block of order {order}" if self.start is None else f"the blocks of {self.start}"
            return f"{first}, growing to at most {self._most} blocks"
        found, space = sectors_of(problem.shape[2], self.sectors), whole_space(lifting.generators)
        within = space.within(found[0]) if found else space
        if self.splitting == "local":
            alone = within.order(lifting.reduction.rank)
            return f"programs of order at most {alone}, one for each of at most {self._most} cones"
        order = within.order(lifting.reduction.rank) if found else order
        return f"at most {self._most * max(1, len(found))} blocks of order at most {order}"

    def run(
        self, problem: Problem, *, rng: np.random.Generator, deadline: Deadline, report: Report = unreported
    ) -> Outcome:
        """Return the certified bound of the relaxation and the rounded network."""
        self.check(problem)
        best = Incumbent(Presolved.of(problem), deadline, report)
        best.offer_empty()
        if best.empty_is_optimal():
            zero = np.zeros(problem.Y.shape[1])
            return best.outcome(True, predictors={"relaxation": tabulated(problem, zero)} if self.transductive else {})
        # Within a time limit a part of it is the roundings' and the last proof's.
        share = SOLVING if self.rounding is not None else PROVING_LAST
        solving = deadline.fraction(share if deadline.seconds < math.inf else 1.0)
        try:
            relaxed, solution, predictors = self._relaxed(best, PARALLEL, rng, solving)
        except SolverFailed:
            if not self._structured:
                raise
            # Rows too nearly parallel for a start become one generator; the certificate pays for the difference.
            relaxed, solution, predictors = self._relaxed(best, NEARLY_PARALLEL, rng, solving)
        candidates: list[Network] = []
        self._roundings.finish(best, relaxed.lifting, solution.lifted, rng, predictors, candidates)
        solved = solution.solved
        late = deadline.expired or relaxed.late or status_of(solved.status) == "time limit"
        best.solver_said(solved.status, solved.value, solved.log)
        attained = not late and relaxed.attained(solved)
        if self.splitting in GROWING:
            attained = best.gap <= self.tolerance
        return best.outcome(attained, late, predictors=predictors, candidates=tuple(candidates))

    def _relaxed(
        self, best: Incumbent, parallel: float, rng: np.random.Generator, deadline: Deadline
    ) -> tuple[CertifiedRelaxation, RelaxationSolution, dict[str, Predictor]]:
        """Return the relaxation, its solution, and the relaxation's own predictor, if it is to have one.

        Raises
        ------
        SolverFailed: no solver has a point; or, where rows are still to be merged, the first one has none.
        """
        problem, units = best.presolved.problem, best.presolved.units
        reduction, asked = self._reduced(problem, parallel)
        lifting = LiftedProgram(problem, reduction, *self._families)
        size = 0 if self.solver_options else lifting.generators
        names = [self.solver] if self.solver else by_default(self._structured, size, problem)
        strict = self._structured and parallel == PARALLEL
        relaxed = CertifiedRelaxation(
            lifting, self.form, names, self.solver_options, best, deadline, strict=strict
        )  # fmt: skip
        if self.splitting not in GROWING:
            relaxed.improve = functools.partial(self._roundings.improve, relaxed, rng)
        if self.splitting == "gap":
            solution, cones, pruned = *self._grown(relaxed, rng), 0
        elif self.splitting == "local":
            solution, cones, pruned = *self._grown_locally(relaxed, rng), 0
        else:
            sectors = sectors_of(problem.shape[2], self.sectors)
            cones, idle = partition(relaxed, self.splitting, self.cones, sectors, rng)
            solution, pruned = relaxed.solve(cones, idle)
        best.details |= {"pruned": pruned, "order": self._order(lifting)}
        if relaxed.rounds:
            best.details["separation"] = relaxed.rounds
        if not self._whole:
            undetermined = sorted((len(cone.undetermined) for cone in cones), reverse=True)
            best.details |= {"cones": len(cones), "undetermined": undetermined}
        best.details["solve_seconds"] = best.deadline.elapsed
        if asked is None:
            return relaxed, solution, {}
        predicted, best.details["kernel_form_distance"] = transduced(lifting, asked, solution.lifted)
        return relaxed, solution, {"relaxation": tabulated(units.original, predicted * units.targets)}

    def _reduced(self, problem: Problem, parallel: float = PARALLEL) -> tuple[Reduction, Reduction | None]:
        """Return the reduction to lift over, and that of the queries on the same generators if they are lifted too."""
        n = problem.shape[0]
        X = np.vstack([problem.inputs, problem.query_inputs]) if self.transductive else problem.inputs
        phi = problem.activation
        whole = reduce_inputs(X, parallel, phi) if self.presolve else Reduction.identity(X, phi)
        return whole.of_samples(slice(n)), whole.of_samples(slice(n, None)) if self.transductive else None

    def _order(self, lifting: LiftedProgram) -> int:
        return int(lifting.order if self.form == "lifted" else lifting.face.shape[1])

    def _grown(
        self, relaxed: CertifiedRelaxation, rng: np.random.Generator
    ) -> tuple[RelaxationSolution, list[Cone]]:  # fmt: skip
        """Return the solution over a partition that grows until the gap is closed, and that partition."""
        best, reduction = relaxed.best, relaxed.lifting.reduction
        # The gap is one between the bound and a network.
        problem, deadline = best.presolved.problem, relaxed.deadline
        best.offer(locally_trained(problem, rng, deadline))
        cones = [whole_space(reduction.generators)]
        if self.start is not None:
            certificate = Certificate.load(self.start)
            cones = partition_of(certificate, reduction, problem.shape[2])
            best.go_on_from(certificate)
        improve = functools.partial(self._roundings.improve, relaxed, rng)
        growth = Growth(relaxed, cones, self._most, self.tolerance, improve)
        solution = growth.run()
        best.details["growth"] = growth.rounds
        return solution, growth.cones

    def _grown_locally(
        self, relaxed: CertifiedRelaxation, rng: np.random.Generator
    ) -> tuple[RelaxationSolution, list[Cone]]:  # fmt: skip
        """Return a good network's Λ with the multipliers of every cone of a partition, and that partition."""
        best, lifting = relaxed.best, relaxed.lifting
        guided = guide(lifting, rng, relaxed.deadline)
        network, A = guided.network, guided.multiplier
        best.details["guide_converged"] = guided.converged
        best.offer(network)
        problem, reduction, most = lifting.problem, lifting.reduction, self._most
        if not guided.converged:
            network = trained_on(problem, network, rng, relaxed.deadline)
            best.offer(network)
            A = problem.residual(network.predict(problem.X))
        start = [whole_space(reduction.generators)]
        if reduction.generators <= FEW_ROWS or self.sectors > 1:
            start = split_by_neurons(reduction.rows, reduction.pull_back(A), max(1, int(BEFORE * most)), SMALL, rng)
        start = within(start, sectors_of(lifting.problem.shape[2], self.sectors))
        growth = LocalGrowth(relaxed, network, A, start, most, self.tolerance)
        solution = growth.run()
        if not growth.solved:
            # Cones without multipliers prove little; what the network's columns proved is kept if it is more.
            best.details["bound_of_guide"] = best.prove(guided.certificate)
        best.details["growth"] = growth.rounds
        return solution, growth.cones
