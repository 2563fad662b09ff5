from __future__ import annotations

import itertools

import numpy as np
import pytest

from sdprelax.base import InputError
from sdprelax.lasso import ArrayRows, exact_neurons, few_neurons, prove, statistics_of, train_out_of_core
from tests.out_of_core.conftest import Case, made


def parameters(gate_of: np.ndarray, width: int, outputs: int, open_gate: int | None) -> int:
    return width * len(set(gate_of.tolist()) - {open_gate}) + len(gate_of) * (width + outputs)


def test_exact_neurons_are_the_same_weights_in_no_more_parameters() -> None:
    rng = np.random.default_rng(0)
    weights = np.zeros((4, 8, 6))
    weights[0] = np.outer(rng.standard_normal(8), rng.standard_normal(6))
    weights[2] = rng.standard_normal((8, 6))
    found = exact_neurons(weights)
    np.testing.assert_allclose(found.weights(4), weights, atol=1e-12)
    assert found.gate_of.tolist() == [0] and found.full_gate_of.tolist() == [2]
    assert found.used().tolist() == [0, 2]


@pytest.mark.parametrize("skip", [False, True])
def test_few_neurons_keep_to_the_budget_and_lose_less_the_larger_it_is(skip: bool) -> None:
    case = made(0, n=200, d=6, c=4, m=5, skip=skip)
    trained = train_out_of_core(case.rows, case.gates, "frobenius", share=1e-4)
    data, losses = trained.statistics, []
    assert data is not None
    for budget in (16, 40, 80, 160, 400):
        found = few_neurons(data, trained.weights, budget, trained.gamma, skip=skip)
        assert parameters(found.gate_of, 6, 4, 5 if skip else None) <= budget
        losses.append(data.loss(found.weights(case.gates.count)))
    assert all(later <= earlier * (1 + 1e-3) for earlier, later in itertools.pairwise(losses))


def test_with_room_enough_few_neurons_attain_the_optimum_of_the_convex_program() -> None:
    case = made(0, n=200, d=6, c=4, m=5)
    trained = train_out_of_core(case.rows, case.gates, "nuclear", share=1e-3, tolerance=1e-7)
    assert trained.statistics is not None
    found = few_neurons(trained.statistics, trained.weights, 10_000, trained.gamma, skip=True)
    decay = 0.5 * trained.gamma * (np.sum(found.inner**2) + np.sum(found.outer**2))
    value = trained.statistics.loss(found.weights(case.gates.count)) + decay
    # The factorised program attains the convex one, and never goes below what is proved.
    assert trained.proof.lower * (1 - 1e-9) <= value <= trained.proof.upper * (1 + 1e-5)
    # Fewer neurons stay above.
    few = few_neurons(trained.statistics, trained.weights, 40, trained.gamma, skip=True)
    assert prove(case.rows, case.gates, few.weights(6), trained.gamma, "nuclear").upper >= trained.proof.lower


def test_neurons_behind_known_gates_are_found_again(case: Case) -> None:
    rng = np.random.default_rng(0)
    weights = np.zeros((6, 6, 3))
    for gate in (1, 5):
        weights[gate] = np.outer(rng.standard_normal(6), rng.standard_normal(3))
    inputs = np.maximum(rng.standard_normal((400, 6)) + 0.5, 0.0)
    inputs[:, -1] = 1.0
    targets = case.gates.features(inputs) @ weights.reshape(-1, 3)
    trained = train_out_of_core(ArrayRows(inputs, targets), case.gates, "nuclear", share=1e-5, tolerance=1e-8)
    assert trained.statistics is not None
    found = few_neurons(trained.statistics, trained.weights, 3 * 6 + 2 * 3, trained.gamma, skip=True)
    assert sorted(found.gate_of.tolist()) == [1, 5]
    left = statistics_of(ArrayRows(inputs, targets), case.gates)[0].loss(found.weights(6))
    assert left <= 1e-4 * 0.5 * np.sum(targets**2)


def test_a_budget_below_one_neuron_is_refused(case: Case) -> None:
    trained = train_out_of_core(case.rows, case.gates, share=1e-2)
    with pytest.raises(InputError, match="holds no neuron"):
        few_neurons(trained.statistics, trained.weights, 14, trained.gamma, skip=True)
