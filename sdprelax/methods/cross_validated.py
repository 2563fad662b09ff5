"""Method ``cross_validated``: another method at the weight decay that validates best, by the training data alone."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from sdprelax.base import LATER, Deadline, Floats, InputError, SolverFailed
from sdprelax.exact import searched_gamma_max
from sdprelax.methods import Method, methods
from sdprelax.methods._folds import (
    OverParts,
    Split,
    classes_of,
    labelled,
    of_samples,
    one_hot_rows,
    predictors_of,
    splits,
)
from sdprelax.networks import Predictor
from sdprelax.problem import Problem, Squared
from sdprelax.training import Outcome, Report, Status, unreported

__all__ = ["CrossValidated"]

Factor = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]


@methods.register("cross_validated")
@dataclass(frozen=True)
class CrossValidated(OverParts):
    """Another method at the γ that is best by cross-validation on the training data; no bounds, as γ is another.

    Every predictor of the method, its network as "network", has its own γ: the one of the most right samples over all
    folds, of equals that of the least squared error, or loss where it is not the squared one, of equals the first. On
    all training data the method runs once for each γ chosen. Folds are drawn by the generator's first number; all γ see
    the same folds and, on each, the same random numbers.

    Parameters
    ----------
    of: the method's name.
    options: its options.
    gammas: what the problem's γ is multiplied with.
    relative: multiply γ_max of the training data with them instead (:func:`sdprelax.gamma_max`); the problem's γ plays
        no part then.
    folds: parts that the training data are split into; each class is spread over them where the targets are one-hot.
    score: "accuracy", of the largest output or of one output's sign; "squared_error"; "loss", the problem's, with the
        weights of the samples held out; or "auto": accuracy where every row of Y is one-hot, or labels ±1 for a loss of
        these, else the squared error for the squared loss and the loss for others.
    """

    called: ClassVar[str] = "cross_validated"
    proves: ClassVar[bool] = False
    version: ClassVar[int] = 2
    # The method that is run says what it takes.
    losses: ClassVar[None] = None
    activations: ClassVar[None] = None
    offset: ClassVar[bool] = True
    sample_weight: ClassVar[bool] = True

    of: str
    gammas: Annotated[list[Factor], Field(min_length=1)]
    options: dict[str, Any] = field(default_factory=dict)
    folds: Annotated[int, Field(ge=2)] = 5
    score: Literal["auto", "accuracy", "squared_error", "loss"] = "auto"
    relative: bool = field(default=False, metadata=LATER)

    def __post_init__(self) -> None:
        if len(set(self.gammas)) < len(self.gammas):
            raise InputError(f"method 'cross_validated': option 'gammas' is {self.gammas}, where one stands twice.")
        self._inner()

    def check(self, problem: Problem) -> None:
        """Refuse fewer samples than folds, and what the method refuses.

        Raises
        ------
        InputError: the reason.
        """
        self._require_folds(problem)
        if self.score == "accuracy" and problem.Y.shape[1] < 2 and not labelled(problem):
            raise InputError("method 'cross_validated': option 'score' is 'accuracy', but Y has one column.")
        for factor in self.gammas:
            if not 0.0 < factor * problem.gamma < math.inf:
                raise InputError(
                    f"method 'cross_validated': option 'gammas' has {factor:g}, which makes {factor * problem.gamma:g} "
                    f"of the problem's gamma {problem.gamma:g}; the product must be a positive finite number."
                )
        inner = self._inner()
        if hasattr(inner, "check"):
            try:
                inner.check(replace(problem, gamma=self.gammas[0] * problem.gamma, queries=None))
            except InputError as error:
                raise InputError(f"method 'cross_validated' runs '{self.of}' without test inputs: {error}") from None

    def size(self, problem: Problem) -> str:
        """Return the number of runs, and what the method says of its own on all training data."""
        count = f"{self.folds * len(self.gammas)} runs and the last"
        inner = self._inner()
        return f"{count}, each {inner.size(problem)}" if hasattr(inner, "size") else count

    def run(
        self, problem: Problem, *, rng: np.random.Generator, deadline: Deadline, report: Report = unreported
    ) -> Outcome:
        """Return every predictor of the method at its γ.

        A γ at which the method fails on some fold is not chosen.

        Raises
        ------
        InputError: see :meth:`check`; or a predictor that cannot predict at other inputs.
        SolverFailed: the method fails at every γ, or on all training data.
        """
        if self.relative:
            largest = searched_gamma_max(problem)
            if not largest > 0.0:
                raise InputError("method 'cross_validated': option 'relative' is true, but γ_max is 0: no neuron pays.")
            problem = replace(problem, gamma=largest)
        self.check(problem)
        inner = self._inner()
        hot = one_hot_rows(problem.Y) or labelled(problem)
        squared = self.score == "squared_error" or (self.score != "loss" and problem.loss.unweighted == Squared())
        cost = "squared_error" if squared else "loss"
        score = "accuracy" if self.score == "accuracy" or (self.score == "auto" and hot) else cost
        parts = list(splits(problem.Y, self.folds, hot, int(rng.integers(2**31))))
        *seeds, last = (int(seed) for seed in rng.integers(2**63, size=self.folds + 1))
        table, ends, failure = self._validated(inner, problem, parts, seeds, cost, deadline)
        if not table:
            raise failure or InputError(f"method 'cross_validated': '{self.of}' offers nothing that predicts.")
        chosen = {name: _best_gamma(table, name, score) for name in dict.fromkeys(row["predictor"] for row in table)}
        found, runs = _at_chosen(inner, problem, chosen, last, deadline, ends)
        if not hot and score != "accuracy":
            table = [{key: value for key, value in row.items() if key != "accuracy"} for row in table]
        stopped = ends.count("time limit")
        details = {"gamma": chosen, "score": score, "validation": table, "stopped_runs": stopped, "runs": runs}
        worst: Status = "time limit" if stopped else "not converged" if "not converged" in ends else "solved"
        return Outcome(predictors=found, status=worst, seconds=deadline.elapsed, details=details)

    def _validated(
        self, inner: Method, problem: Problem, parts: list[Split], seeds: list[int], cost: str, deadline: Deadline
    ) -> tuple[list[dict[str, Any]], list[Status], SolverFailed | None]:
        """Return a row for each predictor and γ that every fold has scored, every run's status, and a failure.

        Parameters
        ----------
        parts, seeds: training and validation rows, and random numbers, of every fold.
        cost: "squared_error" or "loss", what is summed up beside wrong samples.
        """
        n, failure = len(problem.Y), None
        ends: list[Status] = []
        wrong: dict[tuple[str, float], list[Floats]] = {}
        # At most: there may be a last run for every γ.
        left = (self.folds + 1) * len(self.gammas)
        for (train, test), seed in zip(parts, seeds, strict=True):
            for factor in self.gammas:
                gamma = factor * problem.gamma
                part = replace(of_samples(problem, train), gamma=gamma)
                until = deadline.fraction(1.0 / left)
                left -= 1
                try:
                    outcome = inner.run(part, rng=np.random.default_rng(seed), deadline=until)
                except SolverFailed as error:
                    failure = error
                    continue
                ends.append(outcome.status)
                for name, predictor in predictors_of(outcome).items():
                    errors = _errors(predictor.predict(problem.X[test]), of_samples(problem, test), cost)
                    wrong.setdefault((name, gamma), []).append(errors)
        rows: list[dict[str, Any]] = []
        for (name, gamma), folds in wrong.items():
            if len(folds) == self.folds:
                places, costs = np.sum(folds, axis=0) / n
                rows.append(
                    {
                        "predictor": name,
                        "gamma": gamma,
                        "accuracy": 1.0 - float(places),
                        cost: float(costs),
                    }
                )
        return rows, ends, failure


def _best_gamma(table: list[dict[str, Any]], predictor: str, score: str) -> float:
    """Return the γ of a predictor's best row: of most right samples, if that is the score, then of least cost."""
    mine = [row for row in table if row["predictor"] == predictor]
    by_accuracy = score == "accuracy"
    cost = "loss" if "loss" in mine[0] else "squared_error"
    best = min(mine, key=lambda row: (-row["accuracy"] if by_accuracy else 0.0, row[cost]))
    return float(best["gamma"])


def _at_chosen(
    inner: Method, problem: Problem, chosen: dict[str, float], seed: int, deadline: Deadline, ends: list[Status]
) -> tuple[dict[str, Predictor], list[dict[str, Any]]]:
    """Run the method on all training data once for each γ; return every predictor at its γ, and figures of the runs.

    Parameters
    ----------
    chosen: the γ of every predictor, by name.
    ends: gets the status of every run.
    """
    found: dict[str, Predictor] = {}
    runs: list[dict[str, Any]] = []
    gammas = list(dict.fromkeys(chosen.values()))
    for k, gamma in enumerate(gammas):
        whole = replace(problem, gamma=gamma, queries=None)
        until = deadline.fraction(1.0 / (len(gammas) - k))
        outcome = inner.run(whole, rng=np.random.default_rng(seed), deadline=until)
        ends.append(outcome.status)
        found |= {name: one for name, one in predictors_of(outcome).items() if chosen.get(name) == gamma}
        runs.append({"gamma": gamma, "seconds": outcome.seconds, **outcome.details})
    return {name: found[name] for name in chosen if name in found}, runs


def _errors(predicted: Floats, part: Problem, cost: str) -> Floats:
    """Return how many rows are of another class, and the sum of squared errors or the loss."""
    wrong = np.sum(classes_of(predicted) != classes_of(part.Y))
    if cost == "squared_error":
        return np.array([float(wrong), float(np.sum((predicted - part.Y) ** 2))])
    return np.array([float(wrong), part.loss.value(predicted, part.Y)])
