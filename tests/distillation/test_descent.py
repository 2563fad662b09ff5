from __future__ import annotations

import copy
import time

import numpy as np
import pytest

from sdprelax.base import Deadline, InputError
from sdprelax.distillation._layout import Layout

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from sdprelax.distillation import _comparison as measure  # noqa: E402
from sdprelax.distillation import _descent as rivals  # noqa: E402
from sdprelax.distillation._students import GatedStudent, ReLUStudent  # noqa: E402
from sdprelax.distillation.distillers.adam import cross_entropies, squared_errors  # noqa: E402
from sdprelax.distillation.distillers.labels import label_loss  # noqa: E402
from sdprelax.distillation.distillers.pruning import pruned  # noqa: E402

nn = torch.nn
LAYOUTS = [
    Layout.of((5,), (3,)),
    Layout.of((4, 5), (4, 3)),
    Layout.of((2, 4, 4), (3, 4, 4)),
    Layout.of((5,), (3,), bias=False),
]


def activations(student, count: int = 300) -> tuple[np.ndarray, np.ndarray]:
    """Inputs, and what a student makes of them."""
    entering = np.random.default_rng(0).standard_normal((count, *student.layout.input_shape)).astype(np.float32)
    with torch.no_grad():
        return entering, student(torch.from_numpy(entering)).numpy()


def train_adam(student, entering, leaving, **options):
    """Fit a student to activations, and return it."""
    options = {"epochs": 100, "learning_rate": 1e-3, "batch": 128, "patience": 20, **options}
    rivals.descend(student, squared_errors(student, entering, leaving), len(entering), **options)
    return student


def error(student, entering, leaving) -> float:
    with torch.no_grad():
        return float(np.mean((student(torch.from_numpy(entering)).numpy() - leaving) ** 2))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_widest_student_in_a_budget_is_in_it_and_one_neuron_more_is_not(layout):
    for budget in (60, 777):
        width = rivals.relu_width(layout, budget)
        counts = [rivals.relu_start(layout, width + more, seed=0).parameter_count for more in (0, 1)]
        assert counts[0] <= budget < counts[1]


def test_a_budget_without_a_neuron_is_one_sentence():
    with pytest.raises(InputError, match="a student with one neuron stores 9 numbers"):
        rivals.relu_width(LAYOUTS[0], 8)


def test_a_random_start_keeps_the_mean_square_of_its_inputs():
    layout = Layout.of((400,), (400,))
    _, leaving = activations(rivals.relu_start(layout, 2000, seed=0))
    assert np.mean(leaving**2) == pytest.approx(2.0, rel=0.1)  # 2 per neuron of variance 2, half of them open, twice


@pytest.mark.parametrize("layout", LAYOUTS)
def test_adam_fits_what_a_student_of_its_size_can_be(layout):
    entering, leaving = activations(rivals.relu_start(layout, 2, seed=1))
    student = rivals.relu_start(layout, 12, seed=2)
    before = error(student, entering, leaving)
    trained = train_adam(student, entering, leaving, epochs=60, learning_rate=2e-2, batch=50)
    assert trained is student and error(student, entering, leaving) < 0.02 * before


def test_the_cross_entropy_to_softened_logits_is_least_where_they_are_the_teachers():
    layout = Layout.of((5,), (3,))
    student = rivals.relu_start(layout, 6, seed=1)
    entering, leaving = activations(student)
    chosen = np.array([0, 7, 31])
    soft = torch.from_numpy(leaving[chosen]).softmax(1)
    entropy = -(soft * soft.log()).sum(1).mean()
    same = cross_entropies(student, entering, leaving)(chosen).detach()
    assert float(same) == pytest.approx(float(entropy), rel=1e-6)
    other = rivals.relu_start(layout, 6, seed=2)
    found = cross_entropies(other, entering, leaving)(chosen).detach()
    expected = torch.nn.functional.cross_entropy(other(torch.from_numpy(entering[chosen])), soft).detach()
    assert float(found) == pytest.approx(float(expected), rel=1e-6) and float(found) > float(same)
    # Logits are known up to a constant of each sample.
    shifted = cross_entropies(student, entering, leaving + 3.0)(chosen).detach()
    assert float(shifted) == pytest.approx(float(same), rel=1e-5)


def test_training_is_deterministic():
    entering, leaving = activations(rivals.relu_start(LAYOUTS[0], 2, seed=1))
    students = [rivals.relu_start(LAYOUTS[0], 4, seed=2) for _ in range(2)]
    for student in students:
        train_adam(student, entering, leaving, epochs=3)
    assert all(torch.equal(a, b) for a, b in zip(students[0].parameters(), students[1].parameters(), strict=True))


def test_a_gated_students_gates_stay():
    layout, rng = LAYOUTS[0], np.random.default_rng(0)

    def gated(scale: float) -> GatedStudent:
        gates = np.random.default_rng(5).standard_normal((layout.width, 3))
        inner, outer = rng.standard_normal((layout.width, 2)), rng.standard_normal((2, layout.outputs))
        full = rng.standard_normal((2, layout.width, layout.outputs))
        return GatedStudent(layout, gates, np.array([0, 1]), scale * inner, outer, np.array([2, -1]), scale * full)

    entering, leaving = activations(gated(1.0))
    student = gated(0.1)
    before, error_before = copy.deepcopy(student), error(student, entering, leaving)
    train_adam(student, entering, leaving, epochs=80, learning_rate=3e-2, batch=50)
    assert error(student, entering, leaving) < 0.1 * error_before
    for name, buffer in student.named_buffers():
        assert torch.equal(buffer, dict(before.named_buffers())[name])


def test_the_best_iterate_is_kept_where_training_diverges():
    entering, leaving = activations(rivals.relu_start(LAYOUTS[0], 2, seed=1))
    student = rivals.relu_start(LAYOUTS[0], 2, seed=1)
    train_adam(student, entering, leaving, epochs=3, learning_rate=1e3)
    assert error(student, entering, leaving) == 0.0


def test_training_ends_at_the_deadline():
    entering, leaving = activations(rivals.relu_start(LAYOUTS[0], 2, seed=1))
    start = time.monotonic()
    train_adam(
        rivals.relu_start(LAYOUTS[0], 4, seed=2),
        entering,
        leaving,
        epochs=10**6,
        patience=10**6,
        deadline=Deadline(0.2),
    )
    assert time.monotonic() - start < 20.0


def test_wrong_input_is_one_sentence():
    student = rivals.relu_start(LAYOUTS[0], 2, seed=0)
    entering, leaving = activations(student)
    with pytest.raises(InputError, match="as many of both"):
        train_adam(student, entering, leaving[:-1])
    with pytest.raises(InputError, match="leaves a part empty"):
        train_adam(student, entering, leaving, validation=0.0)
    with pytest.raises(InputError, match="mix must be 0"):
        label_loss(student, entering, None, leaving, 4.0, 0.1)
    with pytest.raises(InputError, match="need as many labels"):
        label_loss(student, entering, np.zeros(7, dtype=np.int64), leaving, 4.0, 0.1)


@pytest.mark.parametrize("mix", [0.0, 0.5, 1.0])
def test_labels_train_the_student_and_nothing_else(mix):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        teacher = nn.Sequential(nn.Linear(6, 5), nn.Linear(5, 3), nn.Linear(3, 4)).eval()
    pictures = np.random.default_rng(0).standard_normal((400, 6)).astype(np.float32)
    teacher_logits = measure.logits(teacher, pictures)
    labels = np.argmax(teacher_logits, axis=1)
    student = rivals.relu_start(LAYOUTS[0], 16, seed=0)
    network = nn.Sequential(teacher[0], student, teacher[2])
    frozen = copy.deepcopy(teacher).state_dict()
    before = measure.accuracy(measure.logits(network, pictures), labels)
    loss = label_loss(network, pictures, labels, teacher_logits, 4.0, mix)
    rivals.descend(student, loss, len(pictures), epochs=40, learning_rate=1e-2, batch=64, patience=10)
    assert measure.accuracy(measure.logits(network, pictures), labels) > max(before, 0.85)
    assert all(torch.equal(tensor, teacher.state_dict()[name]) for name, tensor in frozen.items())
    assert all(parameter.grad is None for parameter in teacher.parameters())


def test_pruning_keeps_exactly_the_largest_weights():
    block = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.Linear(12, 4))
    originals = [parameter.detach().clone() for parameter in block.parameters()]
    weights = torch.cat([original.reshape(-1) for original in originals if original.ndim > 1]).abs()
    sparse, nonzeros = pruned(block, 20)
    threshold = weights.sort(descending=True).values[19]
    kept = 0
    for original, parameter in zip(originals, sparse.parameters(), strict=True):
        if original.ndim == 1:
            assert torch.equal(parameter, original)
        else:
            assert torch.equal(parameter, torch.where(original.abs() >= threshold, original, 0.0))
            kept += int(torch.count_nonzero(parameter))
    assert kept == 20
    assert nonzeros == sum(int(torch.count_nonzero(parameter)) for parameter in sparse.parameters())
    assert all(torch.equal(a, b) for a, b in zip(originals, block.parameters(), strict=True))


def test_pruning_of_equal_weights_keeps_as_many_as_asked():
    block = nn.Linear(4, 4, bias=False)
    nn.init.ones_(block.weight)
    assert pruned(block, 5)[1] == 5
    assert pruned(block, 99)[1] == 16
    with pytest.raises(InputError, match="at least 0"):
        pruned(block, -1)


def test_what_a_student_stores_is_what_is_counted():
    width, outputs = LAYOUTS[2].width, LAYOUTS[2].outputs
    student = ReLUStudent(LAYOUTS[2], np.ones((width, 3)), np.ones((3, outputs)), np.ones((width, outputs)))
    assert measure.parameters(nn.Sequential(nn.Linear(2, 2), student)) == 6 + student.parameter_count
