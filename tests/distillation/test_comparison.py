from __future__ import annotations

import math

import numpy as np
import pytest

from sdprelax.base import InputError

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from sdprelax.distillation import _comparison as measure  # noqa: E402

nn = torch.nn


@pytest.fixture
def network():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(2, 3, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(48, 5), nn.ReLU(inplace=True)
        ).eval()


def activation_errors(teacher, network, layers, loader):
    """Errors of a network's layers, both networks being modules."""
    pairs = (tuple(measure.layer_outputs(model, layers, batch) for model in (teacher, network)) for batch in loader)
    return measure.relative_errors(pairs)


PICTURES = np.random.default_rng(0).standard_normal((11, 2, 4, 4)).astype(np.float32)


def test_a_network_agrees_with_itself(network):
    outputs = measure.logits(network, PICTURES, size=4)
    assert outputs.shape == (11, 5)
    assert measure.accuracy(outputs, np.argmax(outputs, axis=1)) == 1.0
    assert measure.accuracy(np.eye(4), np.array([0, 1, 2, 0])) == 0.75
    with pytest.raises(InputError, match="one label per output"):
        measure.accuracy(np.eye(4), np.array([0]))


def test_a_network_has_no_activation_errors_against_itself(network):
    layers = ["0", "3", "4"]
    errors = activation_errors(network, network, layers, measure.batches(PICTURES, 4))
    assert errors == dict.fromkeys(layers, 0.0)


def test_activation_errors_are_one_for_the_mean_and_do_not_depend_on_the_batches(network):
    class Constant(nn.Module):
        def forward(self, inputs):
            return mean.expand(len(inputs), *mean.shape)

    mean = network[:3](torch.from_numpy(PICTURES)).detach().mean(dim=0)
    constant = nn.Sequential(nn.Identity(), nn.Identity(), Constant(), network[3], network[4])
    whole, parts = (activation_errors(network, constant, ["2", "3"], measure.batches(PICTURES, k)) for k in (11, 3))
    assert whole["2"] == pytest.approx(1.0, abs=1e-6)
    assert whole["3"] == pytest.approx(1.0, abs=1e-6)  # an affine image of the mean is the mean of the images
    # In single precision a batch's size moves the last bits of what the network computes.
    assert whole == pytest.approx(parts, rel=1e-6)


def test_activation_errors_follow_their_formula(network):
    other = nn.Sequential(nn.Conv2d(2, 3, 3, padding=1), *list(network)[1:])
    expected, found = (model[:4](torch.from_numpy(PICTURES)).detach().double().numpy() for model in (network, other))
    ratio = np.sum((found - expected) ** 2) / np.sum((expected - expected.mean(axis=0)) ** 2)
    errors = activation_errors(network, other, ["3"], measure.batches(PICTURES, 4))
    assert errors["3"] == pytest.approx(ratio, rel=1e-5)


def test_every_call_of_a_module_counts_and_constant_layers_are_exact_or_infinite():
    shared = nn.ReLU()
    teacher = nn.Sequential(nn.Identity(), shared, nn.Flatten(), shared)
    shifted = nn.Sequential(nn.Identity(), nn.Softplus(), nn.Flatten(), nn.ReLU())
    ones = [torch.ones(3, 2, 1, 1)]
    assert activation_errors(teacher, teacher, ["1"], ones) == {"1": 0.0, "1 (2)": 0.0}
    assert activation_errors(teacher, shifted, ["2"], ones) == {"2": math.inf}
    with pytest.raises(InputError, match="no module 'nowhere'"):
        activation_errors(teacher, teacher, ["nowhere"], ones)


@pytest.mark.parametrize(
    ("layer", "shape", "expected"),
    [
        (lambda: nn.Linear(7, 5), (7,), 7 * 5),
        (lambda: nn.Linear(7, 5), (3, 7), 3 * 7 * 5),
        (lambda: nn.Conv2d(4, 6, 3, padding=1), (4, 8, 8), 6 * 8 * 8 * 4 * 9),
        (lambda: nn.Conv2d(4, 6, 3, stride=2, padding=1), (4, 8, 8), 6 * 4 * 4 * 4 * 9),
        (lambda: nn.Conv2d(4, 4, 3, padding=1, groups=4), (4, 8, 8), 4 * 8 * 8 * 9),
        (lambda: nn.ReLU(), (4,), 0),
    ],
)
def test_multiply_adds_follow_their_formula(layer, shape, expected):
    assert measure.multiply_adds(layer(), torch.zeros(1, *shape)) == expected


def test_parameters_and_bytes_count_shared_numbers_once():
    layer = nn.Linear(3, 3)
    both = nn.Sequential(layer, nn.ReLU(), layer)
    assert measure.parameters(both) == 12 and measure.stored_bytes(both) == 48
    assert measure.parameters(nn.BatchNorm1d(5)) == 10
    assert measure.stored_bytes(nn.BatchNorm1d(5)) == 4 * 20 + 8  # mean, variance, and an integer counter


def test_latency_has_its_quartiles_in_order_and_restores_the_threads(network):
    threads = torch.get_num_threads()
    times = measure.latency({"a": network, "b": network}, torch.from_numpy(PICTURES), sizes=(1, 8), repetitions=5)
    assert set(times) == {1, 8} and all(set(found) == {"a", "b"} for found in times.values())
    assert all(0.0 < lower <= median <= upper for found in times.values() for median, lower, upper in found.values())
    assert torch.get_num_threads() == threads
    with pytest.raises(InputError, match="too few"):
        measure.latency({"a": network}, torch.from_numpy(PICTURES), sizes=(99,), repetitions=1)
