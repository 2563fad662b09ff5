"""A training problem as methods solve it, in units and generator rows, and the way back.

``Presolved.of(problem)`` applies both steps of presolve: units that are powers of two (:mod:`sdprelax.problem._units`)
and the generator rows of distinct rays (:mod:`sdprelax.problem._reduction`). What a method finds for ``problem``, it
takes back with :meth:`Presolved.network` and :meth:`Presolved.certificate`; as in CVXPY's reductions, applying and
inverting are one object's.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Protocol, TypeVar

from sdprelax.base import Floats
from sdprelax.networks import Network
from sdprelax.problem._problem import Problem
from sdprelax.problem._reduction import PARALLEL, Reduction, reduce, reduce_inputs
from sdprelax.problem._units import Units

__all__ = ["Presolved"]


class _Proof(Protocol):
    """A certificate: a proved lower bound, and the units (s, t) of the data that it is proved in."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def lower(self) -> float: ...

    @property
    def units(self) -> tuple[float, float]: ...


Proof = TypeVar("Proof", bound=_Proof)


@dataclass(frozen=True, eq=False)
class Presolved:
    """The user's problem, and the problem in units and generator rows that a method solves in its place.

    Parameters
    ----------
    units: those that the problem is solved in.
    rows: the generator rows to use; by default those of :func:`sdprelax.problem.reduce`, made when asked for.
    """

    units: Units
    rows: Reduction | None = None

    @staticmethod
    def of(problem: Problem) -> Presolved:
        """Return the presolved form of the user's problem."""
        return Presolved(Units.of(problem))

    @property
    def original(self) -> Problem:
        """The user's problem."""
        return self.units.original

    @property
    def problem(self) -> Problem:
        """The problem in the units, whose bias, if there is one, is a column of X like any other."""
        return self.units.problem

    @cached_property
    def reduction(self) -> Reduction:
        """Its generator rows."""
        return reduce(self.problem) if self.rows is None else self.rows

    def merged(self, parallel: float = PARALLEL) -> Presolved:
        """Return the same with unit rows nearer than ``parallel`` made one generator row."""
        return dataclasses.replace(self, rows=reduce_inputs(self.problem.inputs, parallel, self.problem.activation))

    def reduced_network(self, hidden: Floats, output: Floats) -> Network:
        """Return the network of ``problem`` with reduced hidden weights, shape (r, m), and output weights (m, c)."""
        return self.reduction.network(hidden, output, self.problem)

    def network(self, network: Network) -> Network:
        """Return a network of ``problem`` as one of the user's."""
        return self.units.network(network)

    def certificate(self, certificate: Proof) -> Proof:
        """Return a certificate of ``problem`` as one of the user's."""
        s, t = certificate.units
        units = (s * self.units.inputs, t * self.units.targets)
        parts: dict[str, Any] = {} if self.original.penalise_bias else {"column": self.units.column}
        return dataclasses.replace(certificate, lower=self.units.lower(certificate.lower), units=units, **parts)

    def claimed(self, value: float | None) -> float | None:
        """Return the value of ``problem`` that a solver claims, if it does, as one of the user's."""
        return None if value is None else self.units.value(value)
