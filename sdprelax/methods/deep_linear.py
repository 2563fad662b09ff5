"""Method ``deep_linear``: linear networks with a bottleneck and weight decay, trained to a proved global optimum."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from sdprelax.base import Deadline, InputError
from sdprelax.certificate import GroupCertificate, LinearCertificate
from sdprelax.linear import checked_width
from sdprelax.methods import methods
from sdprelax.methods._linear_search import LinearSearch
from sdprelax.problem import Presolved, Problem
from sdprelax.training import Incumbent, Outcome, Report, unreported

__all__ = ["DeepLinear"]

# Share of the tolerance beyond which more is tried.
WITHIN = 0.1


@methods.register("deep_linear")
@dataclass(frozen=True)
class DeepLinear:
    """Linear networks of any depth and width with weight decay, with proved bounds of their optimum.

    Solves min ½‖XW_1⋯W_L − Y‖² + (γ/2)Σ‖W_l‖² over layers of which the narrowest is ``width`` wide, after Prakhya and
    Yurtsever 2026, who write the problem without weight decay as a completely positive program whose size depends on
    inputs and outputs alone. The bounds are those of ``value`` and ``dual_value`` in the details, proved by the
    outcome's ``program``; the network is its predictor, and for two layers the outcome's network. For two layers
    without a bottleneck the problem is that of :class:`sdprelax.Problem` with a linear activation, so that there are
    bounds of p* too. Two layers are nearly always certified, and white inputs always; from three layers on the gap
    often stays open by some per cent (docs/mathematics/deep_linear.md).

    Parameters
    ----------
    width: k, of the narrowest layer; None for no bottleneck.
    depth: number of layers L.
    restarts: random starts of the descent, beside those that closed forms give.
    tolerance: relative gap within which the problem is solved.
    """

    version: ClassVar[int] = 2
    closes: ClassVar[str] = "program_gap"
    losses: ClassVar[tuple[str, ...] | None] = ("squared",)
    activations: ClassVar[tuple[str, ...] | None] = ("leaky",)

    width: PositiveInt | None = None
    depth: Annotated[int, Field(ge=2, le=64)] = 2
    restarts: NonNegativeInt = 3
    tolerance: PositiveFloat = 1e-6

    def check(self, problem: Problem) -> None:
        """Refuse activations that are not linear.

        Raises
        ------
        InputError: the activation has a kink.
        """
        ahead, behind = problem.activation.slopes
        if (ahead, behind) != (1.0, -1.0):
            raise InputError(
                f"deep_linear trains linear networks, and this problem has the activation {problem.activation}; give "
                "it activation={'leaky': {'slope': 1}}."
            )

    def size(self, problem: Problem) -> str:
        """Return the shape of the products of layers, on which all depends."""
        _, d, c = problem.shape
        return f"matrices {d}×{c}"

    def certifies(self, problem: Problem, program: GroupCertificate | LinearCertificate) -> bool:
        """Say whether a certificate is of the networks that the options say."""
        width = checked_width(self.width, min(problem.shape[1:]))
        return isinstance(program, LinearCertificate) and (program.width, program.depth) == (width, self.depth)

    def run(
        self, problem: Problem, *, rng: np.random.Generator, deadline: Deadline, report: Report = unreported
    ) -> Outcome:
        """Return the network and the certificate of its optimum.

        Raises
        ------
        InputError: see :meth:`check`.
        """
        self.check(problem)
        best = Incumbent(Presolved.of(problem), deadline, report)
        search = LinearSearch(best.presolved, self.width, self.depth)
        for start in search.starts(self.restarts, rng):
            search.descend(start, rng, deadline)
            if deadline.expired:
                break
        enough, two = WITHIN * self.tolerance, self.depth == 2
        search.prove_plainly()
        if two and search.gap > enough and not deadline.expired:
            best.details["steps"] = search.split(enough, rng, deadline)
        if search.gap > enough and not deadline.expired:
            search.prove_from_network(deadline)
        if two and search.gap > enough and search.small and not deadline.expired:
            best.details["relaxation"] = search.relax(rng, deadline)
        program, network = search.certificate(), search.network()
        if two:
            best.offer(search.two_layers(), search.of_all_widths())
        best.details |= {"rank": search.rank} | ({} if program is None else program.details(problem))
        solved = program is not None and program.gap(problem) <= self.tolerance
        predictors = {"deep_linear": replace(network, bias=problem.bias)}
        return best.outcome(solved, program=program, predictors=predictors)
