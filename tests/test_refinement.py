"""Over families of inequalities, partitions and losses: bounds are sound, and refining never loosens them."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import sdprelax
from sdprelax import Problem
from sdprelax.base import Deadline
from sdprelax.cells import Cone, sectors_of, whole_space
from sdprelax.certificate import relaxation_certificate
from sdprelax.lifting import LiftedProgram
from sdprelax.lifting.inequalities import inequalities
from sdprelax.problem import Units, reduce
from sdprelax.relaxation import relaxation, split_by_coverage
from sdprelax.solvers import solvers
from tests.certificate.verifiers import proved_by_both

# Relative accuracy of Clarabel's values.
ACCURACY = 1e-5

LADDER: list[tuple[frozenset[str], tuple[str, ...]]] = [
    (frozenset({"complementary"}), ()),
    (frozenset({"nonnegative"}), ()),
    (frozenset(), ()),
    (frozenset(), ("sectors",)),
]


def asked(loss: str, seed: int) -> Problem:
    rng = np.random.default_rng(seed)
    X, Y = rng.standard_normal((6, 2 + seed % 2)), rng.standard_normal((6, 2))
    if loss == "logistic":
        Y = np.sign(Y)
    return Problem(X, Y, float(rng.choice([0.3, 0.05])), loss=loss)


def claim(lifting: LiftedProgram, cones: list[Cone], path: Path | None = None) -> tuple[float, float]:
    """Return what a solver claims and what both verifiers prove."""
    found = relaxation(lifting, "reduced", cones).solve(solvers.create("clarabel"), Deadline())  # type: ignore[arg-type]
    certificate = relaxation_certificate(
        lifting.problem, lifting.reduction, found.multiplier, found.multipliers, cones, lifting.more
    )
    assert found.solved.value is not None
    return found.solved.value, (proved_by_both(lifting.problem, certificate, path) if path else certificate.lower)


@pytest.mark.parametrize(("loss", "seed"), [("squared", 0), ("squared", 1), ("huber", 2), ("logistic", 3)])
def test_more_families_and_finer_partitions_never_loosen(loss: str, seed: int, tmp_path: Path) -> None:
    problem = Units.of(asked(loss, seed)).problem
    reduction = reduce(problem)
    optimum = sdprelax.solve(problem, "exact")
    space = [whole_space(reduction.generators)]
    rungs = [
        LiftedProgram(problem, reduction, {name: inequalities.create(name) for name in more}, left_out)
        for left_out, more in LADDER
    ]
    nested = [space, split_by_coverage(reduction.rows, space, 2), split_by_coverage(reduction.rows, space, 3)]
    halves = [[cone.within(sector) for cone in cones for sector in sectors_of(2, 4)] for cones in nested[:2]]
    quarters = [cone.within(sector) for cone in nested[0] for sector in sectors_of(2, 6)]
    chains = [
        [(rungs[0], space), (rungs[2], space), *((rungs[2], cones) for cones in nested[1:])],
        [(rungs[1], space), (rungs[2], space), (rungs[3], halves[0]), (rungs[3], quarters)],
        [(rungs[3], halves[0]), (rungs[3], halves[1])],
    ]
    for chain in chains:
        found = [claim(*link, tmp_path / "certificate.npz") for link in chain]
        size = abs(optimum.upper)
        for (before, _), (after, _) in pairwise(found):
            assert after >= before - ACCURACY * size
        assert all(proved <= optimum.upper + 1e-9 * size for _, proved in found)
        assert found[-1][1] >= found[-1][0] - 1e-3 * size, "the finest claim is proved"
