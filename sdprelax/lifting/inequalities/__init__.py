"""What every neuron satisfies, by name: one family of inequalities each (docs/mathematics/lifting.md, "Inequalities").

In a cone C of weight space a neuron is z = (β, w), with β of the rows that C leaves undetermined, and (β, w, v, t)
where the cone has a sector of output weights (:class:`sdprelax.cells.Cone`). A *form* is a linear function gᵀz that is
nonnegative for every neuron in C. Products of two forms are nonnegative, and some of them vanish. With the forms as
rows of G a relaxation asks of its block S, which stands for Σzzᵀ, that

    (GSGᵀ)_pq ≥ 0 for all forms p and q,     (GSGᵀ)_pq = 0 where their product vanishes.

The multipliers of both make one symmetric N. A family states forms, or products that vanish. It is never asked why:
:mod:`sdprelax.certificate` proves every form from the data, and refuses one that it cannot prove.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from sdprelax.base import Floats, InputError, Registry
from sdprelax.cells import Cone, Sector

__all__ = [
    "STANDARD",
    "Forms",
    "Inequality",
    "Pairs",
    "SeparatedForms",
    "WithFound",
    "chosen_families",
    "inequalities",
    "named_options",
]

# The families of the relaxation as published, over cones. Their forms come first in every block, in this order, also
# where a relaxation leaves a family out, so that certificates have one shape.
STANDARD = ("nonnegative", "complementary", "walls")

Pairs = NDArray[np.int64]


class Inequality:
    """A family of inequalities; a subclass has :meth:`forms`, :meth:`vanishing` or more of these."""

    # What a neuron satisfies has nothing to do with the loss, and activations enter by selecting among α and β.
    losses: ClassVar[None] = None
    activations: ClassVar[None] = None
    offset: ClassVar[bool] = True
    sample_weight: ClassVar[bool] = True
    # Whether it says something in blocks of output sectors alone.
    of_sectors: ClassVar[bool] = False

    @property
    def rounds(self) -> int:
        """How often a relaxation that has been solved asks for what :meth:`separated` returns, at most."""
        return 0

    def forms(self, rows: Floats, cone: Cone) -> sp.csr_array:
        """Return forms over λ, shape (m, len(λ)): each is nonnegative for every neuron in the cone.

        Parameters
        ----------
        rows: the generator rows X̂, shape (g, r); α = (X̂w)₊ and β = (−X̂w)₊ in λ = (α, β, w), or (α, β, w, v, t) where
            the cone has a sector.
        """
        return sp.csr_array((0, 2 * len(rows) + rows.shape[1] + cone.balanced))

    def vanishing(self, forms: Forms) -> Pairs:
        """Return pairs of forms, shape (p, 2), indices into all of them, whose product is zero for every neuron."""
        return np.zeros((0, 2), dtype=np.int64)

    def implied(self, forms: Forms) -> Pairs:
        """Return pairs, shape (p, 2), whose products are nonnegative combinations of others', or not asked for yet.

        They get no constraint and no multiplier, which spares solvers a degenerate dual; a certificate may have any.
        """
        return np.zeros((0, 2), dtype=np.int64)

    def coordinates(self, forms: Forms) -> NDArray[np.int64]:
        """Return forms that are coordinates of z, or are so with its last entries, shape (p,), p ≤ len(z).

        The matrix of a relaxation is then over them, and products that vanish are entries of it that are left out.
        """
        return np.zeros(0, dtype=np.int64)

    def separated(self, rows: Floats, forms: Forms, S: Floats) -> Floats:
        """Return further forms over z, shape (m, len(z)), whose products with others a solution violates, worst first.

        Parameters
        ----------
        forms: what the relaxation has in the cone already.
        S: the cone's block over z, shape (len(z), len(z)), of a solution without them.
        """
        return np.zeros((0, len(S)))


inequalities: Registry[Inequality] = Registry("inequality", __name__)


@cache
def standard() -> dict[str, Inequality]:
    """Return the families of the relaxation as published."""
    return {name: inequalities.create(name) for name in STANDARD}


def named_options(option: str, entry: str | Mapping[str, Mapping[str, Any]]) -> tuple[str, dict[str, Any]]:
    """Return name and options of an entry of an option that is a list of registered classes.

    Raises
    ------
    InputError: it is neither a name nor one {name: {option: value}}.
    """
    if isinstance(entry, str):
        return entry, {}
    if not isinstance(entry, Mapping) or len(entry) != 1 or not isinstance(next(iter(entry.values())), Mapping):
        raise InputError(f"{option} has {entry!r}; write a name, or one {{name: {{option: value}}}} for each.")
    ((name, options),) = entry.items()
    return name, dict(options)


def chosen_families(
    asked: Sequence[str | Mapping[str, Mapping[str, Any]]] | None,
) -> tuple[dict[str, Inequality], frozenset[str]]:
    """Return the families beyond the standard ones that are asked for, by name, and the standard ones that are not.

    Parameters
    ----------
    asked: every family, each a name or {name: {option: value}}; None for the standard ones.

    Raises
    ------
    InputError: it is no such list, or names a family twice, or one that does not exist.
    """
    if asked is None:
        return {}, frozenset()
    if isinstance(asked, str) or not isinstance(asked, Sequence):
        raise InputError(f"inequalities is {asked!r}; it must be a list of names, such as {list(STANDARD)}.")
    named = [named_options("inequalities", entry) for entry in asked]
    families = {inequalities.canonical(name): inequalities.create(name, options) for name, options in named}
    if len(families) < len(named):
        raise InputError(f"inequalities has {list(asked)!r}; name each family once.")
    more = {name: family for name, family in families.items() if name not in STANDARD}
    return more, frozenset(STANDARD) - families.keys()


@dataclass(frozen=True, eq=False)
class Forms:
    """All forms of a cone, family after family.

    Attributes
    ----------
    cone: the part of weight space.
    over: the forms over λ, shape (m, len(λ)).
    lift: T, shape (len(λ), len(z)), with λ = Tz in the cone.
    matrix: G, the same over z, shape (m, len(z)).
    places: where each family's forms are.
    vanishing: each family's products that vanish, pairs of forms, shape (p, 2).
    left_out: standard families that the relaxation does not ask for.
    implied: each family's products that follow from others, pairs of forms, shape (p, 2).
    coordinates: forms that are coordinates of z, or are so with its last entries.
    """

    cone: Cone
    over: sp.csr_array
    lift: sp.csr_array
    matrix: sp.csr_array
    places: dict[str, slice]
    vanishing: dict[str, Pairs]
    left_out: frozenset[str] = frozenset()
    implied: dict[str, Pairs] = field(default_factory=dict)
    coordinates: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))

    @staticmethod
    def of(
        rows: Floats, cone: Cone, more: Mapping[str, Inequality | Floats] | None = None,
        left_out: frozenset[str] = frozenset(),
    ) -> Forms:  # fmt: skip
        """Return the forms of the standard families and of more.

        Parameters
        ----------
        rows: the generator rows, shape (g, r).
        more: by name, families beyond the standard ones, or what one stated before, over z, shape (m, len(z)).
        left_out: standard families whose products are not asked for.
        """
        families = standard() | dict(more or {})
        stated = {
            name: family.forms(rows, cone) if isinstance(family, Inequality) else _over_activations(rows, cone, family)
            for name, family in families.items()
        }
        ends = np.cumsum([0, *(part.shape[0] for part in stated.values())]).tolist()
        places = {name: slice(ends[k], ends[k + 1]) for k, name in enumerate(stated)}
        parts = [part for part in stated.values() if part.shape[0]] or list(stated.values())[:1]
        over = sp.csr_array(sp.vstack(parts)) if len(parts) > 1 else parts[0]
        lift = cone.lift(rows)
        forms = Forms(cone, over, lift, sp.csr_array(over @ lift), places, {}, left_out)
        for name, family in families.items():
            if name not in left_out and isinstance(family, Inequality) and len(pairs := family.vanishing(forms)):
                forms.vanishing[name] = pairs
        for name, family in families.items():
            # Without the standard families there is little that others could follow from; all of space has no walls.
            if left_out <= {"walls"} and isinstance(family, Inequality) and len(pairs := family.implied(forms)):
                forms.implied[name] = pairs
        named = [family.coordinates(forms) for family in families.values() if isinstance(family, Inequality)]
        return replace(forms, coordinates=max(named, key=len))

    @property
    def count(self) -> int:
        """Number m of forms, the order of N."""
        return int(self.matrix.shape[0])

    @property
    def families(self) -> set[str]:
        """The families that have something to say of this cone."""
        return {name for name, place in self.places.items() if place.start < place.stop} | set(self.vanishing)

    @property
    def stated(self) -> dict[str, Floats]:
        """The forms over z of each family beyond the standard ones."""
        return {name: self.matrix[place].toarray() for name, place in self.places.items() if name not in STANDARD}

    @cached_property
    def zeros(self) -> Pairs:
        """All products that vanish, shape (p, 2)."""
        return np.concatenate([np.zeros((0, 2), dtype=np.int64), *self.vanishing.values()])

    @cached_property
    def pairs(self) -> Pairs:
        """All other products that are asked for, shape (p, 2), first ≤ second."""
        asked = np.ones(self.count, dtype=bool)
        for name in self.left_out:
            asked[self.places[name]] = False
        upper = np.triu(np.outer(asked, asked))
        for pairs in (self.zeros, self.zeros[:, ::-1], *self.implied.values()):
            upper[pairs[:, 0], pairs[:, 1]] = False
        return np.argwhere(upper)

    def multipliers(self, N: Floats) -> dict[str, Floats]:
        """Return a matrix of multipliers by family: a family's rows of N, or N at its products that vanish."""
        named = {name: N[place] for name, place in self.places.items() if place.start < place.stop}
        return named | {name: N[pairs[:, 0], pairs[:, 1]] for name, pairs in self.vanishing.items()}


@dataclass(frozen=True, eq=False)
class SeparatedForms:
    """Forms that separation found in a cone.

    Attributes
    ----------
    matrix: the forms over λ, shape (m, len(λ)).
    asked: their products that are asked for in that very cone, with the standard forms and with each other, shape
        (m, s + m). Those with other families' forms all are.
    """

    matrix: sp.csr_array
    asked: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class WithFound(Inequality):
    """A family together with forms that its separation found.

    Parameters
    ----------
    name: the family's.
    family: the family.
    found: what was found, by path and sector of a cone. A part of a cone has the forms of the cone, and all products.
    """

    name: str
    family: Inequality
    found: Mapping[tuple[tuple[tuple[int, int], ...], Sector | None], SeparatedForms]

    @property
    def rounds(self) -> int:
        """How often it is asked for more."""
        return self.family.rounds

    def forms(self, rows: Floats, cone: Cone) -> sp.csr_array:
        """Return the family's own forms and those that were found, shape (m, len(λ))."""
        own = self.family.forms(rows, cone)
        steps = () if cone.sector is None else cone.sector.path
        known = [
            (len(path) + len(before), found.matrix)
            for (path, sector), found in self.found.items()
            for before in [() if sector is None else sector.path]
            if set(path) <= set(cone.path) and steps[: len(before)] == before
        ]
        if not known:
            return own
        matrix = max(known, key=lambda each: each[0])[1]
        # A cone without a sector says nothing of output weights.
        beyond = sp.csr_array((matrix.shape[0], own.shape[1] - matrix.shape[1]))
        return sp.csr_array(sp.vstack([own, sp.hstack([matrix, beyond])]))

    def vanishing(self, forms: Forms) -> Pairs:
        """Return the family's."""
        return self.family.vanishing(forms)

    def implied(self, forms: Forms) -> Pairs:
        """Return the family's, and the products that are not asked for since no solution has violated them yet."""
        own, found = self.family.implied(forms), self.found.get((forms.cone.path, forms.cone.sector))
        if found is None:
            return own
        count, standard = found.matrix.shape[0], found.asked.shape[1] - found.matrix.shape[0]
        start = forms.places[self.name].stop - count
        first, second = np.nonzero(~found.asked)
        second = np.where(second < standard, second, second - standard + start)
        pairs = np.sort(np.stack([first + start, second], axis=1), axis=1)
        return np.concatenate([own, np.unique(pairs, axis=0)])

    def coordinates(self, forms: Forms) -> NDArray[np.int64]:
        """Return the family's."""
        return self.family.coordinates(forms)

    def separated(self, rows: Floats, forms: Forms, S: Floats) -> Floats:
        """Return the family's."""
        return self.family.separated(rows, forms, S)


def _over_activations(rows: Floats, cone: Cone, matrix: Floats) -> sp.csr_array:
    """Return forms over z, shape (m, len(z)), as forms over λ."""
    (g, r), free = rows.shape, cone.undetermined
    place = np.concatenate([g + free, np.arange(2 * g, 2 * g + r)])
    width = 2 * g + r + cone.balanced
    # The last entries of z are (v, t), of one output t alone.
    place = np.concatenate([place, np.arange(width - (cone.order(r) - len(place)), width)])
    spread = sp.csr_array((np.ones(len(place)), (np.arange(len(place)), place)), shape=(len(place), width))
    return sp.csr_array(sp.csr_array(np.asarray(matrix, dtype=np.float64)) @ spread)
