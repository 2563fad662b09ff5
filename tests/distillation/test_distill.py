"""Distillation as a whole: from a network and its inputs to a student proved to be the best behind its gates."""

from __future__ import annotations

import copy
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sdprelax import GroupCertificate
from sdprelax.base import InputError, ProblemTooLarge
from sdprelax.certificate import Gates, verify_residual

torch = pytest.importorskip("torch", reason="PyTorch is not installed (extra: torch)")

from sdprelax.distillation import OnnxTeacher, distill  # noqa: E402
from sdprelax.distillation._activations import collect_activations  # noqa: E402
from sdprelax.distillation._layout import Layout  # noqa: E402
from sdprelax.distillation._teacher_gates import teacher_gates  # noqa: E402
from sdprelax.distillation._torch_teacher import TorchTeacher  # noqa: E402
from sdprelax.distillation.distillers import Task, distillers  # noqa: E402
from sdprelax.lasso import Masked, Program, moments_of  # noqa: E402


@pytest.fixture
def network() -> Any:
    torch.manual_seed(0)
    nn = torch.nn
    return nn.Sequential(
        OrderedDict(
            stem=nn.Sequential(nn.Conv2d(1, 3, 3, padding=1), nn.ReLU()),
            body=nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 4, 1)),
            pool=nn.Sequential(nn.AvgPool2d(2), nn.Flatten()),
            head=nn.Sequential(nn.Linear(16, 12), nn.ReLU(), nn.Linear(12, 3)),
        )
    ).eval()


@pytest.fixture
def batches() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.standard_normal((20, 1, 4, 4)).astype(np.float32) for _ in range(8)]


@pytest.fixture
def test_batches() -> list[tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(1)
    return [(rng.standard_normal((30, 1, 4, 4)).astype(np.float32), rng.integers(0, 3, 30)) for _ in range(2)]


def test_the_student_is_proved_to_be_nearly_the_best_behind_its_gates(network: Any, batches: list[np.ndarray]) -> None:
    found = distill(network, "head", batches, gates=6, shrinkage=1e-3, tolerance=1e-5)
    assert found.program_gap is not None and found.program_gap <= 1e-5
    assert (found.program.dual_value, found.fitted.value) == (found.lower, found.upper)
    assert found.lower is not None and found.upper is not None and found.gap is not None
    # Rounding to single precision is all that lies between the student and the program's own solution.
    assert 0.0 <= found.gap <= 1e-4
    # The upper bound is the objective of this very student, on these very activations.
    teacher = TorchTeacher(network, "head")
    z, f = (np.concatenate(side) for side in zip(*map(teacher.capture, batches), strict=True))
    left = found.student(torch.from_numpy(z)).detach().numpy()
    loss = 0.5 * float(np.sum((left.astype(float) - f) ** 2))
    weights = found.student.to_arrays()
    size = sum(np.linalg.norm(W, "nuc") for W in weights["full"].astype(float))
    for gate in set(weights["gate_of"].tolist()):
        chosen = weights["gate_of"] == gate
        size += np.linalg.norm(weights["inner"][:, chosen].astype(float) @ weights["outer"][chosen], "nuc")
    assert loss + found.details["gamma"] * size == pytest.approx(found.upper, rel=1e-4)


def test_a_budget_is_kept_and_its_price_is_known(
    network: Any, batches: list[np.ndarray], test_batches: list[tuple[np.ndarray, np.ndarray]]
) -> None:
    errors = []
    for budget in (0.3, 0.6, 1.0):
        found = distill(network, "head", batches, gates=3, shrinkage=1e-4, budget=budget, test=test_batches)
        comparison = found.comparison
        assert comparison is not None and found.upper is not None and found.lower is not None
        assert comparison.parameters <= budget * comparison.block_parameters
        assert comparison.parameters == sum(
            array.size for name, array in found.student.to_arrays().items() if not name.endswith("gate_of")
        )
        assert found.upper >= found.lower
        errors.append(found.details["fit_error"])
        assert found.details["fit_error"] >= 0.99 * found.details["program_fit_error"]
    assert errors == sorted(errors, reverse=True)


def test_the_result_does_not_depend_on_the_order_of_the_data(network: Any, batches: list[np.ndarray]) -> None:
    inputs = np.concatenate(batches)
    first = distill(network, "head", [inputs], gates=4, tolerance=1e-6)
    for seed in range(2):
        order = np.random.default_rng(seed).permutation(len(inputs))
        again = distill(network, "head", np.array_split(inputs[order], 5), gates=4, tolerance=1e-6)
        assert again.details["shrinkage"] == first.details["shrinkage"]
        np.testing.assert_allclose([again.lower, again.upper], [first.lower, first.upper], rtol=3e-6)
        z = torch.from_numpy(np.random.default_rng(5).random((50, 16), dtype=np.float32))
        np.testing.assert_allclose(first.student(z).detach(), again.student(z).detach(), atol=2e-3)


@pytest.mark.parametrize("name", ["body", "head"])
def test_figures_compare_student_and_teacher(
    network: Any, batches: list[np.ndarray], test_batches: list[tuple[np.ndarray, np.ndarray]], name: str
) -> None:
    found = distill(network, name, batches, gates=4, shrinkage=1e-6, test=test_batches)
    figures = found.comparison
    assert figures is not None and figures.accuracy is not None
    assert figures.block_parameters == sum(p.numel() for p in network.get_submodule(name).parameters())
    assert figures.teacher_parameters - figures.network_parameters == figures.block_parameters - figures.parameters
    assert figures.activation_error < 0.3
    expected = {"body": ["pool.0", "pool.1", "head.0", "head.1", "head.2"], "head": []}[name]
    assert list(figures.layer_errors) == expected
    assert set(figures.latency["1"]) == {"block", "student", "teacher", "network"}
    with torch.no_grad():
        images = np.concatenate([x for x, _ in test_batches])
        same = found.network(torch.from_numpy(images)).argmax(1) == network(torch.from_numpy(images)).argmax(1)
    assert figures.agreement == pytest.approx(float(same.float().mean()))


def test_an_interrupted_call_goes_on_with_the_activations_it_has(
    network: Any, batches: list[np.ndarray], tmp_path: Path
) -> None:
    class Stopped(Exception):
        pass

    def stop(done: int, total: int | None) -> None:
        assert total == len(batches)
        if done == 3:
            raise Stopped

    with pytest.raises(Stopped):
        distill(network, "head", batches, folder=tmp_path, progress=stop)
    done: list[int] = []
    again = distill(
        network, "head", batches, folder=tmp_path, progress=lambda k, _: done.append(k), gates=2, shrinkage=1e-2
    )
    assert done == [4, 5, 6, 7, 8]
    fresh = distill(network, "head", batches, gates=2, shrinkage=1e-2)
    assert (again.lower, again.upper) == (fresh.lower, fresh.upper)


def test_a_folder_is_not_taken_for_that_of_another_network_or_other_data(
    network: Any, batches: list[np.ndarray], tmp_path: Path
) -> None:
    options: dict[str, Any] = {"folder": tmp_path, "gates": 2, "shrinkage": 1e-2}
    first = distill(network, "head", batches, **options)
    assert distill(network, "head", iter(batches), **options).upper == first.upper
    other = copy.deepcopy(network)
    with torch.no_grad():
        other.head[0].weight.mul_(2.0)
    with pytest.raises(InputError, match="holds activations of"):
        distill(other, "head", batches, **options)
    with pytest.raises(InputError, match="begins with other activations"):
        distill(network, "head", [2.0 * batch for batch in batches], **options)


def test_a_teacher_in_training_mode_is_measured_as_it_evaluates_and_left_as_it_was(
    batches: list[np.ndarray], test_batches: list[tuple[np.ndarray, np.ndarray]]
) -> None:
    torch.manual_seed(0)
    nn = torch.nn
    network = nn.Sequential(
        nn.Flatten(), nn.Linear(16, 12), nn.BatchNorm1d(12), nn.ReLU(), nn.Dropout(0.5), nn.Linear(12, 8), nn.ReLU(),
        nn.Linear(8, 3),
    )  # fmt: skip
    network(torch.from_numpy(batches[0]))
    before = copy.deepcopy(network.state_dict())
    figures = []
    for training in (True, False):
        network.train(training)
        found = distill(network, "5", batches, gates=2, shrinkage=1e-3, test=test_batches)
        assert found.comparison is not None
        figures.append((found.upper, found.comparison.agreement, found.comparison.activation_error))
        assert all(module.training == training for module in network.modules())
    assert figures[0] == pytest.approx(figures[1])
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_inputs_in_double_precision_are_taken(network: Any, batches: list[np.ndarray]) -> None:
    options: dict[str, Any] = {"gates": 2, "shrinkage": 1e-2}
    double = distill(network, "head", [batch.astype(np.float64) for batch in batches], **options)
    assert double.upper == distill(network, "head", batches, **options).upper


@pytest.mark.parametrize("draw", ["covariance", "teacher"])
def test_gates_are_chosen_from_candidates_and_all_of_them_are_bounded(
    network: Any, batches: list[np.ndarray], draw: str
) -> None:
    options: dict[str, Any] = {"gates": 2, "shrinkage": 1e-3, "draw": draw, "penalty": "frobenius"}
    found = distill(network, "head", batches, candidates=6, **options)
    assert found.candidates is not None and found.candidates_gap is not None and found.lower is not None
    assert found.candidates.dual_value <= found.lower <= found.program.value <= found.candidates.value * (1 + 1e-12)
    drawn = {tuple(direction) for direction in found.candidates.design.directions.T}
    assert len(drawn) == 12 and {tuple(direction) for direction in found.program.design.directions.T} <= drawn
    assert found.program.design.count == 3 and found.details["candidates"] == 12
    plain = distill(network, "head", batches, **options)
    assert plain.candidates is None and plain.candidates_gap is None and "candidates" not in plain.details


def test_gates_that_say_the_same_are_one_gate(network: Any, batches: list[np.ndarray]) -> None:
    with torch.no_grad():
        network.body[0].weight[1] = network.body[0].weight[0]
        network.body[0].bias[1] = network.body[0].bias[0]
        network.body[0].weight[2] = 0.0
        network.body[0].bias[2] = 0.0
    found = distill(network, "body", batches, draw="teacher", gates=6, shrinkage=1e-3, skip=False)
    assert found.student.to_arrays()["gates"].shape[1] <= 4
    assert found.program_gap is not None and found.program_gap <= 5e-4


def test_a_block_that_has_nothing_to_imitate_is_imitated_at_once(batches: list[np.ndarray]) -> None:
    torch.manual_seed(0)
    nn = torch.nn
    network = nn.Sequential(nn.Flatten(), nn.Linear(16, 4), nn.Linear(4, 3)).eval()
    with torch.no_grad():
        network[2].weight.zero_()
        network[2].bias.zero_()
    found = distill(network, "2", batches, gates=2)
    assert (found.lower, found.program_gap, found.gap) == (0.0, 0.0, 0.0)
    with torch.no_grad():
        network[1].weight.zero_()
        network[1].bias.zero_()
        network[2].bias.fill_(1.0)
    # Nothing enters, and no constant helps: the best is no student at all.
    found = distill(network, "2", batches, gates=2, bias=False)
    assert found.program_gap is not None and found.program_gap <= 1e-10
    assert found.lower == pytest.approx(0.5 * 160 * 3)


def test_the_same_student_comes_from_an_onnx_teacher(
    network: Any, batches: list[np.ndarray], test_batches: list[tuple[np.ndarray, np.ndarray]], tmp_path: Path
) -> None:
    pytest.importorskip("onnxruntime", reason="ONNX is not installed (extra: onnx)")
    onnx = pytest.importorskip("onnx", reason="ONNX is not installed (extra: onnx)")
    from sdprelax.distillation._onnx import export_onnx

    path = tmp_path / "network.onnx"
    export_onnx(network, batches[0], path)
    matrices = [node for node in onnx.load(path).graph.node if node.op_type in ("Gemm", "MatMul")]
    teacher = OnnxTeacher(path, matrices[0].input[0], "output")
    assert teacher.block_parameters == 16 * 12 + 12 + 12 * 3 + 3
    options: dict[str, Any] = {"gates": 4, "shrinkage": 1e-3, "budget": 0.9}
    there = distill(teacher, None, batches, test=test_batches, **options)
    here = distill(network, "head", batches, test=test_batches, **options)
    assert there.upper == pytest.approx(here.upper, rel=1e-3)
    assert there.comparison is not None and here.comparison is not None
    assert there.comparison.activation_error == pytest.approx(here.comparison.activation_error, rel=0.1)
    onnx.save(there.network, tmp_path / "swapped.onnx")
    assert OnnxTeacher(tmp_path / "swapped.onnx", teacher.entering, "output").predict(batches[0]).shape == (20, 3)
    there.export_onnx(tmp_path / "student.onnx")
    assert (tmp_path / "student.onnx").is_file()
    with pytest.raises(InputError, match="write None instead of 'head'"):
        distill(teacher, "head", batches)
    for rival in ("pruning", "labels"):
        with pytest.raises(InputError, match="needs a PyTorch teacher"):
            distill(teacher, None, batches, distiller=rival)


@pytest.mark.parametrize(
    ("distiller", "options"),
    [
        ("adam", {"epochs": 5}),
        ("adam", {"epochs": 5, "neurons": "gated"}),
        ("pruning", {"budget": 0.5}),
        ("adam", {"epochs": 5, "loss": "cross_entropy"}),
    ],
)
def test_rivals_keep_the_same_budget_and_claim_no_bounds(
    network: Any,
    batches: list[np.ndarray],
    test_batches: list[tuple[np.ndarray, np.ndarray]],
    distiller: str,
    options: dict[str, Any],
) -> None:
    options = {"budget": 0.5, **options}
    found = distill(network, "head", batches, distiller=distiller, test=test_batches, **options)
    assert (found.lower, found.upper, found.program_gap, found.gap) == (None, None, None, None)
    assert found.comparison is not None
    assert found.comparison.parameters <= 0.5 * found.comparison.block_parameters


def test_a_cross_entropy_is_of_logits(network: Any, batches: list[np.ndarray], tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"outputs of shape \(4, 4, 4\) leave this block"):
        distill(network, "body", batches, distiller="adam", loss="cross_entropy")
    teacher = TorchTeacher(network, "pool")
    pictures = np.concatenate(batches)
    store = collect_activations(teacher.capture, batches, tmp_path, identity="test")
    with pytest.raises(InputError, match="is not what the network returns"):
        distillers.create("adam", {"loss": "cross_entropy"}).fit(Task(teacher, store, pictures=pictures))


def test_a_convex_relu_student_is_above_what_its_patterns_allow(network: Any, batches: list[np.ndarray]) -> None:
    for skip in (False, True):
        found = distill(
            network, "head", batches[:2], distiller="convex_relu", patterns=3, shrinkage=1e-2, skip=skip, seed=1
        )
        assert 0.0 < found.details["gated_lower"] <= found.details["objective"]
        assert found.lower is None, "what no certificate goes with is no bound"
        assert (found.student.skip is not None) == skip


def test_gates_of_the_teacher_open_where_its_neurons_do(network: Any, batches: list[np.ndarray]) -> None:
    teacher = TorchTeacher(network, "body")
    z, _ = teacher.capture(batches[0])
    hidden = network.body[0](torch.from_numpy(z)).detach().numpy()
    # A wider view holds the same filters with zeros around them.
    for kernel in (3, 5):
        layout = Layout.of((3, 4, 4), (4, 4, 4), "patches", kernel)
        rows = layout.inputs(z)
        moments = moments_of(_rows(rows))
        gates = teacher_gates(network.body, layout, moments, 6)
        opened = (rows @ gates >= 0.0).T
        neurons = hidden.transpose(1, 0, 2, 3).reshape(6, -1) >= 0.0
        assert {pattern.tobytes() for pattern in opened} == {pattern.tobytes() for pattern in neurons}
    with pytest.raises(InputError, match="does not fit rows of the view 'pooled'"):
        distill(network, "body", batches, draw="teacher", view="pooled")
    with pytest.raises(InputError, match="first layer Linear or Conv2d, and the block's is AvgPool2d"):
        distill(network, "pool", batches, draw="teacher", view="flat")


def test_a_normalisation_after_the_first_layer_moves_its_gates() -> None:
    torch.manual_seed(0)
    nn = torch.nn
    block = nn.Sequential(nn.Linear(5, 7, bias=False), nn.BatchNorm1d(7), nn.ReLU(), nn.Linear(7, 2))
    with torch.no_grad():
        for part in (block[1].running_mean, block[1].bias, block[1].weight):
            part.copy_(torch.randn(7))
    block.eval()
    z = np.random.default_rng(0).standard_normal((200, 5)).astype(np.float32)
    layout = Layout.of((5,), (2,))
    rows = layout.inputs(z)
    opened = (rows @ teacher_gates(block, layout, moments_of(_rows(rows)), 7) >= 0.0).T
    neurons = (block[1](block[0](torch.from_numpy(z))) >= 0).numpy().T
    assert {pattern.tobytes() for pattern in opened} == {pattern.tobytes() for pattern in neurons}


def _rows(inputs: np.ndarray) -> Any:
    from sdprelax.lasso import ArrayRows

    return ArrayRows(inputs, np.zeros((len(inputs), 1)))


def test_a_certificate_is_proved_again_from_its_arrays(network: Any, batches: list[np.ndarray], tmp_path: Path) -> None:
    teacher = TorchTeacher(network, "head")
    store = collect_activations(teacher.capture, batches, tmp_path, identity="test")
    task = Task(teacher, store, samples=np.arange(0, 160, 2))
    found = distillers.create("gated_relu", {"gates": 3, "shrinkage": 1e-3}).fit(task)
    kept = found.program
    assert kept is not None and isinstance(kept.design, Gates)
    # Independently of the out-of-core code: the gated program in memory proves an interval that meets it.
    layout = task.layout("auto", 3)
    z, f = layout.inputs(store.entering[::2]), layout.targets(store.leaving[::2])
    masks = np.hstack([z @ kept.design.directions >= 0.0, np.ones((len(z), 1))]).astype(float)
    program = Program(kept.gamma, kept.penalty, Masked(z, masks), f)
    value = program.value(kept.whole_weights(), program.predict(kept.whole_weights()))
    assert kept.dual_value <= value <= kept.value * (1 + 1e-12)
    kept.save(tmp_path / "program.npz")
    rows = task.rows(layout)
    blocks = ((block.inputs, block.targets) for block in rows.blocks())
    proof = verify_residual(GroupCertificate.load(tmp_path / "program.npz"), rows.shape, blocks)
    assert kept.dual_value <= proof.lower <= proof.upper <= kept.value
    assert kept.value - kept.dual_value == pytest.approx(proof.upper - proof.lower, rel=1e-6)


def test_wrong_input_is_one_sentence(network: Any, batches: list[np.ndarray], tmp_path: Path) -> None:
    cases: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
        ("no module 'haed': did you mean 'head'", (network, "haed", batches), {}),
        ("name is empty", (network, None, batches), {}),
        ("give the dotted name of a module", (network, 3, batches), {}),
        ("call network.float|give network.float", (copy.deepcopy(network).double(), "head", batches), {}),
        ("nonnegative integer", (network, "head", batches), {"seed": -1}),
        ("must be an nn.Module", (object(), "head", batches), {}),
        ("unknown distiller 'gated'", (network, "head", batches), {"distiller": "gated"}),
        ("no option 'gate'", (network, "head", batches), {"gate": 3}),
        ("holds no neuron", (network, "head", batches), {"budget": 0.01}),
        ("shrinkage", (network, "head", batches), {"shrinkage": 2.0}),
        ("no batches", (network, "head", []), {}),
        ("not finite", (network, "head", [batches[0] * np.nan]), {}),
        ("does not fit a block", (network, "pool", batches), {"view": "patches"}),
        ("no parameters of its own", (network, "pool", batches), {"budget": 0.5, "view": "flat"}),
    ]
    for number, (sentence, arguments, options) in enumerate(cases):
        folder = tmp_path / str(number)
        with pytest.raises(InputError, match=sentence) as raised:
            distill(*arguments, folder=folder, **options)
        assert str(raised.value).count("\n") == 0
    # What is wrong in the call itself is said before anything is computed or written.
    assert not any((tmp_path / str(number)).exists() for number in range(10) if number != 8)
    with pytest.raises(ProblemTooLarge, match="allow more memory"):
        distill(network, "head", batches, memory=1e4)
