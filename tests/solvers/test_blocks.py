"""Alternating directions over blocks with a common A: cones, sectors of output weights, other families and losses."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from sdprelax import Problem
from sdprelax.base import Deadline, Floats
from sdprelax.cells import Cone, sectors_of, whole_space
from sdprelax.certificate import relaxation_certificate, verify
from sdprelax.lifting import Block, LiftedProgram
from sdprelax.lifting.inequalities import inequalities
from sdprelax.problem import reduce
from sdprelax.relaxation import relaxation, split_by_coverage
from sdprelax.solvers import Coarser, PointReport, solvers
from sdprelax.solvers.native import Native
from sdprelax.solvers.native.refining import refined
from sdprelax.solvers.native.several import SeveralBlocks


def blocks_of(
    problem: Problem, cones: int, sectors: int, left_out: frozenset[str] = frozenset()
) -> tuple[LiftedProgram, list[Cone]]:
    reduction = reduce(problem)
    found = split_by_coverage(reduction.rows, [whole_space(reduction.generators)], cones)
    if not sectors:
        return LiftedProgram(problem, reduction, left_out=left_out), found
    parts = sectors_of(problem.shape[2], sectors)
    more = {"sectors": inequalities.create("sectors")}
    return LiftedProgram(problem, reduction, more), [cone.within(sector) for cone in found for sector in parts]


def regression(outputs: int, seed: int = 1, n: int = 8) -> Problem:
    rng = np.random.default_rng(seed)
    return Problem(rng.standard_normal((n, 3)), rng.standard_normal((n, outputs)), 0.6)


def classes(**options: object) -> Problem:
    rng = np.random.default_rng(3)
    X = rng.standard_normal((8, 3))
    # A parallel row: two samples of one generator.
    X[7] = 0.5 * X[0]
    return Problem(X, np.eye(2)[rng.integers(0, 2, 8)], 0.3, **options)  # type: ignore[arg-type]


CASES = [
    pytest.param(regression(2), 3, 0, frozenset(), id="cones"),
    pytest.param(regression(1), 1, 2, frozenset(), id="sectors of one output"),
    pytest.param(regression(2, n=6), 1, 4, frozenset(), id="sectors"),
    pytest.param(regression(1), 3, 2, frozenset(), id="cones with sectors"),
    pytest.param(regression(2), 1, 0, frozenset({"nonnegative"}), id="fewer inequalities"),
    pytest.param(classes(loss="cross_entropy", offset=True), 2, 0, frozenset(), id="another loss with an offset"),
    pytest.param(classes(activation="leaky"), 2, 0, frozenset(), id="two slopes"),
]


@pytest.mark.parametrize(("problem", "cones", "sectors", "left_out"), CASES)
def test_the_value_is_the_one_that_clarabel_finds_and_nearly_proved(
    problem: Problem, cones: int, sectors: int, left_out: frozenset[str]
) -> None:
    lifting, parts = blocks_of(problem, cones, sectors, left_out)
    blocks = lifting.over(parts)
    seen = []

    def report(A: Floats, N: Sequence[Floats]) -> float:
        seen.append(relaxation_certificate(problem, lifting.reduction, A, N, forms=[block.forms for block in blocks]))
        return seen[-1].lower

    found = Native(tolerance=2e-3).solve_blocks(lifting, blocks, Deadline(), report)
    assert found.solved.status == "optimal" and found.solved.value is not None
    theirs = relaxation(lifting, "reduced", parts).solve(solvers.create("clarabel", {}), Deadline()).solved.value
    assert theirs is not None
    assert found.solved.value == pytest.approx(theirs, rel=4e-3)
    best = max(seen, key=lambda certificate: certificate.lower)
    assert (1.0 - 4e-3) * theirs <= best.lower <= (1.0 + 1e-5) * theirs
    assert verify(problem, best) >= best.lower


def test_the_dual_point_is_a_subgradient_at_x_whatever_was_reached() -> None:
    problem = regression(2)
    lifting, parts = blocks_of(problem, 2, 4)
    run = SeveralBlocks(lifting, lifting.over(parts))
    for _ in range(25):
        run.step()
    A, multipliers = run.certified_point()
    assert np.allclose(A, problem.Y - run.predictions, atol=1e-12)
    for part, N in zip(run.parts, multipliers, strict=True):
        x, block = part.x[part.forms, part.forms] / np.outer(part.scale, part.scale), part.block
        free = np.zeros(N.shape, dtype=bool)
        free[block.zeros[:, 0], block.zeros[:, 1]] = free[block.zeros[:, 1], block.zeros[:, 0]] = True
        assert np.allclose(N, N.T, rtol=1e-12) and np.all(N[~free] >= 0.0) and np.all(x[free] == 0.0)
        assert np.all(x >= 0.0) and np.max(np.abs(N[~free] * x[~free])) == 0.0
        assert np.allclose(part.norms @ part.x[part.weights, part.weights], 0.0, atol=1e-12)


def test_bits_do_not_depend_on_the_number_of_threads() -> None:
    lifting, parts = blocks_of(regression(2), 2, 4)
    runs = [SeveralBlocks(lifting, lifting.over(parts), threads) for threads in (1, 3)]
    for run in runs:
        for _ in range(30):
            run.step()
    (A, N), (B, M) = (run.certified_point() for run in runs)
    for run in runs:
        run.close()
    assert np.array_equal(A, B) and all(map(np.array_equal, N, M))


def test_the_plain_block_written_as_any_other_has_the_same_value() -> None:
    problem = regression(2, seed=5)
    lifting, parts = blocks_of(problem, 1, 0)
    block: Block = lifting.over(parts)[0]
    run = SeveralBlocks(lifting, [block])
    for _ in range(800):
        run.step()

    def report(A: Floats, N: Sequence[Floats]) -> float:
        return relaxation_certificate(problem, lifting.reduction, A, N).lower

    alone = Native(tolerance=1e-3, phases="alternating").solve_blocks(lifting, [block], Deadline(), report)
    assert alone.solved.value == pytest.approx(run.estimates().semidefinite, rel=3e-3)
    assert report(*run.certified_point()) == pytest.approx(alone.solved.value, rel=3e-3)


REFINED = [
    pytest.param(regression(2), 3, 0, id="cones"),
    pytest.param(regression(1, n=6), 2, 2, id="cones with sectors of one output"),
    pytest.param(regression(2, n=6), 1, 4, id="sectors"),
    pytest.param(classes(loss="cross_entropy", offset=True), 2, 0, id="another loss with an offset"),
]


@pytest.mark.parametrize(("problem", "cones", "sectors"), REFINED)
def test_parts_begin_with_the_bound_of_the_whole(problem: Problem, cones: int, sectors: int) -> None:
    lifting, parts = blocks_of(problem, cones, sectors)
    finer = [part for cone in parts for part in cone.split(lifting.reduction.rows, int(cone.undetermined[0]))]
    start, blocks = solution_over(lifting, [whole_space(lifting.generators)]), lifting.over(parts)
    for grown in (blocks, lifting.over(finer)):
        before = certified(lifting, start.blocks, start.multiplier, start.multipliers)
        carried = refined(grown, start, problem.gamma)
        N = [block.multipliers(problem.gamma, part.M) for block, part in zip(grown, carried, strict=True)]
        assert before > 0.0
        assert certified(lifting, grown, start.multiplier, N) >= before * (1.0 - 1e-6)
        # They share out what the whole's weights are.
        shared = [part.factors @ part.factors.T for part in carried]
        weights = slice(2 * lifting.generators, 2 * lifting.generators + lifting.reduction.rank)
        sums = [
            sum(block.part(S)[weights, weights] for block, S in zip(several, matrices, strict=True))
            for several, matrices in ((grown, shared), (start.blocks, start.matrices))
        ]
        assert sums[0] == pytest.approx(sums[1], abs=1e-9)
        start = Coarser(grown, shared, start.multiplier, N)


def test_parts_come_to_the_same_value_from_the_whole_in_fewer_steps() -> None:
    lifting, parts = blocks_of(regression(2), 3, 0)
    start, blocks = solution_over(lifting, [whole_space(lifting.generators)]), lifting.over(parts)
    values, steps = [], []
    for given in (None, start):
        found = Native(tolerance=1e-2).solve_blocks(lifting, blocks, Deadline(), prover(lifting, blocks), given)
        assert found.solved.status == "optimal" and found.solved.value is not None
        values.append(found.solved.value)
        steps.append(int(found.solved.log.split(" steps")[0].split()[-1]))
    assert values[1] == pytest.approx(values[0], rel=2e-2)
    assert steps[1] < steps[0]


def solution_over(lifting: LiftedProgram, cones: list[Cone]) -> Coarser:
    blocks = lifting.over(cones)
    found = Native(tolerance=1e-2).solve_blocks(lifting, blocks, Deadline(), prover(lifting, blocks))
    return Coarser(blocks, found.matrices, found.multiplier, found.multipliers)


def prover(lifting: LiftedProgram, blocks: Sequence[Block]) -> PointReport:
    return lambda A, N: certified(lifting, blocks, A, N)


def certified(lifting: LiftedProgram, blocks: Sequence[Block], A: Floats, N: Sequence[Floats]) -> float:
    forms = [block.forms for block in blocks]
    return relaxation_certificate(lifting.problem, lifting.reduction, A, N, forms=forms).lower
