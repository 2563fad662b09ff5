"""Method ``validated``: of the networks that are proved optimal on most of the training data, the best on the rest."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from sdprelax.base import Deadline, InputError, SolverFailed
from sdprelax.exact import OptimalSet, optimal_set
from sdprelax.methods import methods
from sdprelax.methods._folds import OverParts, labelled, of_samples, one_hot_rows, predictors_of, splits
from sdprelax.problem import Problem
from sdprelax.training import Outcome, Report, Status, unreported

__all__ = ["Validated"]


@methods.register("validated")
@dataclass(frozen=True)
class Validated(OverParts):
    """Of the networks that another method proves optimal to within a tolerance, the one of least loss on held-out data.

    Trains on all but one part of the training data, at the problem's γ, and chooses by that part
    (:meth:`sdprelax.OptimalSet.validated`; docs/mathematics/optima.md). Predictor ``validated`` is the network chosen,
    ``found`` the one that the method found. No bounds: they would be of fewer samples. Where the tolerance is not
    proved there is ``found`` alone. The part is drawn by the generator's first number, each class spread over the parts
    where the targets are classes.

    Parameters
    ----------
    of: the method's name: one that proves a network optimal, such as exact, gated_relu or mkl.
    options: its options.
    tolerance: the relative gap within which networks are chosen among; its own should be a tenth of that or less.
    folds: parts that the training data are split into, one of which is held out.
    """

    called: ClassVar[str] = "validated"
    proves: ClassVar[bool] = False
    # The method that is run says what it takes.
    losses: ClassVar[str] = "differentiable"
    activations: ClassVar[None] = None
    offset: ClassVar[bool] = True
    sample_weight: ClassVar[bool] = True

    of: str = "gated_relu"
    options: dict[str, Any] = field(default_factory=dict)
    tolerance: Annotated[float, Field(gt=0.0, lt=1.0)] = 1e-2
    folds: Annotated[int, Field(ge=2)] = 4

    def __post_init__(self) -> None:
        self._inner()

    def check(self, problem: Problem) -> None:
        """Refuse fewer samples than folds, and what the method refuses.

        Raises
        ------
        InputError: the reason.
        """
        self._require_folds(problem)
        inner = self._inner()
        if hasattr(inner, "check"):
            inner.check(problem)

    def size(self, problem: Problem) -> str:
        """Return what the method says of its size on all training data."""
        inner = self._inner()
        return str(inner.size(problem)) if hasattr(inner, "size") else f"one run of {self.of}"

    def run(
        self, problem: Problem, *, rng: np.random.Generator, deadline: Deadline, report: Report = unreported
    ) -> Outcome:
        """Return the network chosen and the one found.

        Raises
        ------
        InputError: see :meth:`check`; or a method that proves no network optimal.
        """
        self.check(problem)
        hot = one_hot_rows(problem.Y) or labelled(problem)
        kept, held = next(splits(problem.Y, self.folds, hot, int(rng.integers(2**31))))
        part, rest = of_samples(problem, kept), of_samples(problem, held)
        inner = self._inner().run(part, rng=rng, deadline=deadline)
        details: dict[str, Any] = {"held_out": len(held), "of": inner.details}
        gap = inner.gap if inner.program is None else inner.program.gap(part)
        if gap is None:
            raise InputError(
                f"method 'validated': '{self.of}' proves no network optimal; name exact, gated_relu or mkl."
            )
        if gap > self.tolerance:
            found = next(iter(predictors_of(inner).values()), None)
            if found is None:
                raise SolverFailed(f"'{self.of}' found no network to choose from.")
            status: Status = "not converged" if inner.status == "solved" else inner.status
            return Outcome(predictors={"found": found}, status=status, seconds=deadline.elapsed, details=details)
        optima = optimal_set(part, inner, tolerance=self.tolerance, seed=int(rng.integers(2**31)))
        return _chosen(optima, rest, deadline, details)


def _chosen(optima: OptimalSet, rest: Problem, deadline: Deadline, details: dict[str, Any]) -> Outcome:
    """Return the network of least loss on what is held out, beside the one found."""
    loss, both = rest.loss.unweighted, {}
    for name, one in (("validated", optima.validated(rest.X, rest.Y)), ("found", optima.found())):
        both[name] = one.network
        held_out = loss.value(one.network.predict(rest.X), rest.Y) / len(rest.Y)
        details[name] = {"loss": held_out, "gap": one.gap, "neurons": one.neurons}
    return Outcome(predictors=both, status="solved", seconds=deadline.elapsed, details=details)
