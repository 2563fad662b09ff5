"""From the solutions of a relaxation to networks: what is rounded when, polished, and kept."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np

from sdprelax.base import Floats
from sdprelax.lasso import OnDirections
from sdprelax.lifting import LiftedProgram
from sdprelax.networks import Network, Predictor
from sdprelax.relaxation import CertifiedRelaxation, RelaxationSolution
from sdprelax.rounding import Rounding, Walk, roundings
from sdprelax.rounding.extract import tightness
from sdprelax.training import Incumbent, polish

__all__ = ["Roundings"]


@dataclass(frozen=True)
class Roundings:
    """The roundings of a relaxation's solutions.

    Parameters
    ----------
    named: name and options of every rounding, in order.
    polish: improve rounded networks by local training.
    """

    named: list[tuple[str, dict[str, Any]]]
    polish: bool

    def improve(self, relaxed: CertifiedRelaxation, rng: np.random.Generator, solution: RelaxationSolution) -> None:
        """Offer the network of the first rounding of a solution that is not the last."""
        best = relaxed.best
        for name, options in self.named[:1]:
            network, _, _ = _network_of(roundings.create(name, options), relaxed.lifting, solution.lifted, rng)
            best.offer(network)
            if self.polish:
                best.offer(polish(best.presolved.problem, network, deadline=relaxed.deadline))

    def finish(
        self, best: Incumbent, lifting: LiftedProgram, lifted: Floats, rng: np.random.Generator,
        predictors: dict[str, Predictor], candidates: list[Network],
    ) -> None:  # fmt: skip
        """Offer the network of every rounding, as it is and polished, while there is time.

        Every network becomes a predictor; what walks met become candidates.
        """
        presolved, deadline = best.presolved, best.deadline
        started = deadline.elapsed
        for name, options in self.named:
            # Without the first one there would be no network at all. Another takes about as long.
            needed = name == self.named[0][0] and not (deadline.expired and best.width)
            if not needed and deadline.remaining <= deadline.elapsed - started:
                break
            started = deadline.elapsed
            rounded, gap, met = _network_of(roundings.create(name, options), lifting, lifted, rng)
            if name == self.named[0][0]:
                best.details["tightness"] = dataclasses.asdict(tightness(lifting, lifted, rounded))
            candidates += map(presolved.network, met)
            reached = {"rounding_gap": gap} if gap is not None else {}
            reached |= {"rounded": best.offer(rounded), "seconds": deadline.elapsed - started}
            predictors[name] = presolved.network(rounded)
            if self.polish and not deadline.expired:
                polished = polish(presolved.problem, rounded, deadline=deadline)
                reached |= {"polished": best.offer(polished), "seconds": deadline.elapsed - started}
                predictors[f"{name}, polished"] = presolved.network(polished)
            best.details.setdefault("roundings", {})[name] = reached


def _network_of(
    rounding: Rounding, lifting: LiftedProgram, lifted: Floats, rng: np.random.Generator
) -> tuple[Network, float | None, list[Network]]:
    """Return a rounding's network, the gap of the program it comes from, and, of one that walks, those that it met."""
    if not isinstance(rounding, Walk):
        found = rounding.round(lifting, lifted, rng=rng)
        return (found.network, found.gap, []) if isinstance(found, OnDirections) else (found, None, [])
    met = list(rounding.walk(lifting, lifted))
    return min(met, key=lifting.problem.objective), None, met
