"""Out-of-core training finds the optimum of the gated program in memory, and its proof holds."""

from __future__ import annotations

import bisect
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from sdprelax.base import ProblemTooLarge
from sdprelax.certificate import Gates
from sdprelax.lasso import (
    ArrayRows,
    Fit,
    Program,
    Stop,
    best_share,
    heaviest,
    largest_gamma,
    prove,
    solve_program,
    statistics_of,
    total,
    train_out_of_core,
)
from sdprelax.lasso import _out_of_core as out_of_core
from sdprelax.lasso._alternating import StatisticsProgram, alternating
from sdprelax.lasso._rows import MappedRows, ResidualRows
from sdprelax.lasso._statistics import Statistics, fits
from sdprelax.problem.norms import Penalty
from tests.group_programs import gated, proved_gated
from tests.out_of_core.conftest import Case, made


def solved(data: Statistics, gamma: float, penalty: Penalty, tolerance: float) -> Fit:
    return alternating(StatisticsProgram(gamma, penalty, data), None, Stop(tolerance))


PENALTIES: tuple[Penalty, ...] = ("columns", "frobenius", "nuclear")


def in_memory(case: Case, gamma: float, penalty: Penalty) -> Program:
    return gated(case.inputs, case.gates.masks(case.inputs), case.targets, gamma, penalty)


def test_statistics_know_the_loss_of_any_weights(case: Case) -> None:
    program, data = in_memory(case, 1.0, "frobenius"), total(statistics_of(case.rows, case.gates, folds=4))
    weights = np.random.default_rng(0).standard_normal(program.zero().shape)
    loss = 0.5 * np.sum((program.predict(weights) - case.targets) ** 2)
    np.testing.assert_allclose(data.loss(weights), loss, rtol=1e-12)
    assert data.count == len(case.inputs)
    np.testing.assert_allclose(data.gram, data.gram.T)


def test_statistics_and_their_folds_do_not_depend_on_the_order_of_the_samples(case: Case) -> None:
    order = np.random.default_rng(3).permutation(len(case.inputs))
    moved = ArrayRows(case.inputs[order], case.targets[order], block_rows=23)
    for one, other in zip(
        statistics_of(case.rows, case.gates, folds=3), statistics_of(moved, case.gates, folds=3), strict=True
    ):
        assert one.count == other.count
        np.testing.assert_allclose(one.gram, other.gram, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(one.moment, other.moment, rtol=1e-12, atol=1e-12)


def memory_for(width: int, gates: int, outputs: int) -> int:
    """Return the least number of bytes that so many gates fit in."""
    return bisect.bisect_left(range(10**9), True, key=lambda memory: fits(width, gates, outputs, 1, memory))


class Interrupted(Exception):
    pass


class Interrupting:
    """Rows whose reader is stopped before a block."""

    def __init__(self, rows: ArrayRows, before: int) -> None:
        self.rows, self.before = rows, before
        self.shape, self.block_count = rows.shape, rows.block_count
        self.read: list[int] = []

    def blocks(self, first: int = 0) -> object:
        for number, block in enumerate(self.rows.blocks(first), start=first):
            if number == self.before:
                raise Interrupted
            self.read.append(number)
            yield block


def test_an_interrupted_pass_goes_on_where_it_was(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sdprelax.base._checkpoint.INTERVAL", -1.0)
    checkpoint = tmp_path / "statistics.npz"
    with pytest.raises(Interrupted):
        statistics_of(Interrupting(case.rows, 2), case.gates, folds=2, checkpoint=checkpoint)  # type: ignore[arg-type]
    rest = Interrupting(case.rows, -1)
    found = statistics_of(rest, case.gates, folds=2, checkpoint=checkpoint)  # type: ignore[arg-type]
    # The first block is read to see whose checkpoint it is.
    assert rest.read == [0, *range(2, case.rows.block_count)]
    for one, other in zip(found, statistics_of(case.rows, case.gates, folds=2), strict=True):
        np.testing.assert_array_equal(one.gram, other.gram)
        np.testing.assert_array_equal(one.moment, other.moment)
        np.testing.assert_array_equal(one.squares, other.squares)
    assert list(tmp_path.iterdir()) == []
    # Another choice of gates does not go on from this one's checkpoint.
    with pytest.raises(Interrupted):
        statistics_of(Interrupting(case.rows, 2), case.gates, checkpoint=checkpoint)  # type: ignore[arg-type]
    anew = Interrupting(case.rows, -1)
    statistics_of(anew, Gates(case.gates.directions[:, ::-1], True), checkpoint=checkpoint)  # type: ignore[arg-type]
    assert anew.read == [0, *range(case.rows.block_count)]
    # Nor do the same rows in another metric of their outputs.
    with pytest.raises(Interrupted):
        statistics_of(Interrupting(case.rows, 2), case.gates, checkpoint=checkpoint)  # type: ignore[arg-type]
    mapped = MappedRows(case.rows, 2.0 * np.eye(case.rows.shape[2]))
    (one,), (other,) = statistics_of(mapped, case.gates, checkpoint=checkpoint), statistics_of(mapped, case.gates)
    np.testing.assert_array_equal(one.moment, other.moment)


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("share", [0.3, 1e-2, 1e-4])
def test_the_optimum_is_that_of_the_program_in_memory(case: Case, penalty: Penalty, share: float) -> None:
    data = total(statistics_of(case.rows, case.gates))
    gamma = share * largest_gamma(data, penalty)
    fit = solved(data, gamma, penalty, 1e-7)
    program = in_memory(case, gamma, penalty)
    lower, upper = proved_gated(program, solve_program(program, stop=Stop(1e-7)))
    assert fit.gap <= 1e-7
    np.testing.assert_allclose(fit.value, upper, rtol=3e-7)
    np.testing.assert_allclose(fit.value, program.value(fit.weights, program.predict(fit.weights)), rtol=1e-9)
    proof = prove(case.rows, case.gates, fit.weights, gamma, penalty)
    assert lower <= proof.upper and proof.lower <= upper
    assert proof.gap <= 2e-7


@pytest.mark.parametrize("penalty", PENALTIES)
def test_all_weights_are_zero_from_the_largest_gamma_on(case: Case, penalty: Penalty) -> None:
    data = total(statistics_of(case.rows, case.gates))
    gamma = largest_gamma(data, penalty)
    assert not np.any(solved(data, 1.001 * gamma, penalty, 1e-10).weights)
    assert np.any(solved(data, 0.99 * gamma, penalty, 1e-10).weights)


@pytest.mark.parametrize("penalty", PENALTIES)
def test_the_proof_is_sound_whatever_the_weights(penalty: Penalty) -> None:
    rng = np.random.default_rng(0)
    for seed in range(12):
        case = made(seed, n=25, d=4, c=2, m=4, skip=bool(seed % 2))
        gamma = float(10.0 ** rng.uniform(-4, 2))
        program = in_memory(case, gamma, penalty)
        optimum = proved_gated(program, solve_program(program, stop=Stop(1e-9)))
        for scale in (0.0, 0.1, 10.0):
            weights = scale * rng.standard_normal(program.zero().shape)
            proof = prove(case.rows, case.gates, weights, gamma, penalty)
            assert proof.lower <= optimum[1]
            assert proof.upper >= optimum[0]


def test_the_proved_loss_is_above_the_one_in_rational_arithmetic(case: Case) -> None:
    program = in_memory(case, 1.0, "frobenius")
    weights = np.random.default_rng(0).standard_normal(program.zero().shape)
    masks, exact = case.gates.masks(case.inputs), Fraction(0)
    rational = [[[Fraction(float(entry)) for entry in row] for row in part] for part in weights]
    for z, f, mask in zip(case.inputs, case.targets, masks, strict=True):
        z_rational = [Fraction(float(entry)) for entry in z]
        for k in range(len(f)):
            sums = [sum(rational[i][j][k] for i in np.flatnonzero(mask)) for j in range(len(z))]
            residual = Fraction(float(f[k])) - sum(a * b for a, b in zip(z_rational, sums, strict=True))
            exact += residual * residual / 2
    loss = Fraction(prove(case.rows, case.gates, weights, 1.0, "frobenius").loss)
    assert exact <= loss <= exact * Fraction(1 + 1e-12)


@pytest.mark.parametrize("penalty", PENALTIES)
def test_a_working_set_ends_at_the_optimum_over_all_gates(penalty: Penalty) -> None:
    case = made(5, n=80, d=4, c=2, m=30)
    gamma_share = 0.15
    everything = train_out_of_core(case.rows, case.gates, penalty, share=gamma_share, tolerance=1e-5)
    assert len(everything.active) == 31
    memory = memory_for(4, 14, 2)
    few = train_out_of_core(case.rows, case.gates, penalty, share=gamma_share, tolerance=1e-5, memory=memory)
    assert len(few.active) <= 14
    assert max(few.proof.gap, everything.proof.gap) <= 1e-5
    np.testing.assert_allclose(few.gamma, everything.gamma, rtol=1e-12)
    np.testing.assert_allclose(few.proof.upper, everything.proof.upper, rtol=2e-5)


@pytest.mark.parametrize("penalty", PENALTIES)
def test_blocks_of_gates_end_at_an_optimum_whose_gates_memory_does_not_hold(penalty: Penalty) -> None:
    case = made(5, n=80, d=4, c=2, m=30)
    optimum = train_out_of_core(case.rows, case.gates, penalty, share=1e-2, tolerance=1e-6)
    memory = memory_for(4, 14, 2)
    few = train_out_of_core(case.rows, case.gates, penalty, share=1e-2, tolerance=1e-3, memory=memory)
    carrying = np.any(few.weights != 0.0, axis=(1, 2))
    assert len(few.active) <= 14 < np.sum(carrying)
    assert few.proof.gap <= 1e-3
    assert few.proof.lower <= optimum.proof.upper and few.proof.upper >= optimum.proof.lower
    kept, data = heaviest(case.rows, case.gates, few, penalty, memory=memory)
    assert len(kept) <= 14 and data.gates == len(kept) and np.all(carrying[kept])


def test_too_little_memory_for_one_gate_is_refused() -> None:
    case = made(5, n=80, d=4, c=2, m=30)
    with pytest.raises(ProblemTooLarge, match="allow more memory"):
        train_out_of_core(case.rows, case.gates, share=1e-4, memory=1e3)


def test_residual_rows_are_what_weights_leave_of_the_targets(case: Case) -> None:
    program = in_memory(case, 1.0, "frobenius")
    weights = np.random.default_rng(0).standard_normal(program.zero().shape)
    weights[2] = 0.0
    left = ResidualRows(case.rows, case.gates, weights)
    assert (left.shape, left.block_count) == (case.rows.shape, case.rows.block_count)
    found = np.vstack([block.targets for block in left.blocks()])
    np.testing.assert_allclose(found, case.targets - program.predict(weights), atol=1e-12)
    np.testing.assert_array_equal(next(left.blocks(1)).targets, found[17:34])


def test_the_result_is_the_same_in_any_order_of_the_data() -> None:
    case = made(2, n=90)
    first = train_out_of_core(case.rows, case.gates, "nuclear", tolerance=1e-7)
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(len(case.inputs))
        moved = ArrayRows(case.inputs[order], case.targets[order], block_rows=31)
        again = train_out_of_core(moved, case.gates, "nuclear", tolerance=1e-7)
        assert again.share == first.share
        np.testing.assert_allclose(again.proof.upper, first.proof.upper, rtol=1e-7)
        np.testing.assert_allclose(again.weights, first.weights, atol=1e-6 * np.max(np.abs(first.weights)))


def test_the_chosen_share_is_that_of_an_explicit_cross_validation() -> None:
    case = made(1, n=60)
    shares, errors = (0.1, 1e-2, 1e-3, 1e-4), []
    parts = statistics_of(case.rows, case.gates, folds=3)
    keys = np.concatenate([block.keys for block in case.rows.blocks()]) % 3
    largest, masks = largest_gamma(total(parts), "frobenius"), case.gates.masks(case.inputs)
    for share in shares:
        error = 0.0
        for fold in range(3):
            kept, held = keys != fold, keys == fold
            gamma = share * largest * np.mean(kept)
            program = gated(case.inputs[kept], masks[kept], case.targets[kept], gamma, "frobenius")
            other = gated(case.inputs[held], masks[held], case.targets[held], gamma, "frobenius")
            weights = solve_program(program, stop=Stop(1e-4)).weights
            error += float(np.sum((other.predict(weights) - case.targets[held]) ** 2))
        errors.append(error)
    share, found = best_share(parts, "frobenius", shares=shares)
    assert share == shares[int(np.argmin(errors))]
    np.testing.assert_allclose(found, errors[: len(found)], rtol=0.05)


@pytest.mark.parametrize("penalty", ["frobenius", "columns"])
def test_few_samples_are_solved_in_memory_to_the_same_optimum(
    penalty: Penalty, monkeypatch: pytest.MonkeyPatch
) -> None:
    case, read = made(3, n=40, d=8, m=30), list[str]()

    def stage(what: str, rows: int) -> Callable[[int], None]:
        read.append(what)
        return lambda _: None

    few = train_out_of_core(case.rows, case.gates, penalty, share=1e-2, tolerance=1e-7, stage=stage)
    assert read == ["samples", "proof"] and few.statistics is None and few.proof.gap <= 1e-7
    monkeypatch.setattr(out_of_core, "_in_memory", lambda *_: None)
    others = train_out_of_core(case.rows, case.gates, penalty, share=1e-2, tolerance=1e-7, stage=stage)
    assert read[2:] == ["statistics", "proof"] and others.statistics is not None
    np.testing.assert_allclose([few.gamma, few.value], [others.gamma, others.value], rtol=2e-7)
    kept, data = heaviest(case.rows, case.gates, few, penalty)
    assert set(np.flatnonzero(few.used)) == set(kept)
    residual = case.targets - in_memory(case, few.gamma, penalty).predict(few.weights)
    assert data.loss(few.weights[kept]) == pytest.approx(0.5 * np.sum(residual**2))


def test_many_samples_nuclear_norms_and_little_memory_go_by_statistics() -> None:
    few = (40, 8, 3)
    assert out_of_core._fewer(few, 31, "frobenius", 1e9) and out_of_core._fewer(few, 31, "columns", 1e9)
    assert not out_of_core._fewer(few, 31, "nuclear", 1e9)
    assert not out_of_core._fewer(few, 31, "frobenius", 1e4)
    assert not out_of_core._fewer((200_000, 513, 64), 9, "frobenius", 1e12)
    for gates in (9, 33):
        assert out_of_core._fewer((2_500, 513, 1), gates, "columns", 6e9)
