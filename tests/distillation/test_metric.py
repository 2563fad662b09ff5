"""The metric of a block's outputs: what follows the block says which of them matter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sdprelax.base import InputError
from sdprelax.certificate import verify_residual
from sdprelax.lasso import MappedRows

torch = pytest.importorskip("torch", reason="PyTorch is not installed (extra: torch)")

from sdprelax.distillation import OnnxTeacher, distill  # noqa: E402
from sdprelax.distillation._activations import collect_activations  # noqa: E402
from sdprelax.distillation._layout import Layout  # noqa: E402
from sdprelax.distillation._metric import OutputMetric, jacobian_metric  # noqa: E402
from sdprelax.distillation._torch_teacher import TorchTeacher  # noqa: E402
from sdprelax.distillation.distillers import Task, distillers  # noqa: E402


class Shifted(torch.nn.Module):  # type: ignore[misc]
    """A block with a way around it: x ↦ rest(block(x) + x)."""

    def __init__(self, block: Any, rest: Any) -> None:
        super().__init__()
        self.block, self.rest = block, rest

    def forward(self, x: Any) -> Any:
        return self.rest(self.block(x) + x)


def made(rest: Any, width: int = 6) -> Any:
    nn = torch.nn
    block = nn.Sequential(nn.Linear(width, 9), nn.ReLU(), nn.Linear(9, width))
    return Shifted(block, rest).eval()


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


@pytest.fixture
def batches() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.standard_normal((25, 6)).astype(np.float32) for _ in range(4)]


def test_behind_a_linear_rest_the_metric_is_the_change_of_the_networks_output(batches: list[np.ndarray]) -> None:
    network = made(torch.nn.Linear(6, 3))
    teacher, layout = TorchTeacher(network, "block"), Layout.of((6,), (6,))
    metric = jacobian_metric(teacher, batches, layout, 100)
    weight = network.rest.weight.detach().double().numpy()
    np.testing.assert_allclose(metric, weight.T @ weight, rtol=1e-6, atol=1e-7)
    delta = np.random.default_rng(1).standard_normal((100, 6))
    with torch.no_grad():
        left = network.block(torch.from_numpy(np.concatenate(batches))).double()
        rest = network.rest.double()
        change = rest(left + torch.from_numpy(delta)) - rest(left)
    assert float(np.sum((delta @ metric) * delta)) == pytest.approx(float((change**2).sum()), rel=1e-6)


def test_to_first_order_the_metric_is_the_mean_square_change_behind_any_rest(batches: list[np.ndarray]) -> None:
    nn = torch.nn
    network = made(nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 4)))
    metric = jacobian_metric(TorchTeacher(network, "block"), batches, Layout.of((6,), (6,)), 100)
    inputs = torch.from_numpy(np.concatenate(batches)).double()
    network.double()
    errors = []
    for size in (1e-2, 1e-3):
        with torch.no_grad():
            left = network.block(inputs) + inputs
            # The same error everywhere: the mean over samples is then δᵀMδ.
            delta = torch.from_numpy(size * np.random.default_rng(1).standard_normal(6))
            change = network.rest(left + delta) - network.rest(left)
        squares = float((change**2).sum(1).mean())
        expected = float(delta.numpy() @ metric @ delta.numpy())
        errors.append(abs(squares - expected) / expected)
    assert errors[1] < 0.2 * errors[0] and errors[1] < 1e-3


@pytest.mark.parametrize("view", ["patches", "pooled"])
def test_outputs_at_many_positions_have_the_metric_of_a_row(view: Any) -> None:
    nn = torch.nn
    network = nn.Sequential(nn.Conv2d(2, 3, 3, padding=1), nn.Flatten(), nn.Linear(48, 5)).eval()
    pictures = np.random.default_rng(0).standard_normal((7, 2, 4, 4)).astype(np.float32)
    layout = Layout.of((2, 4, 4), (3, 4, 4), view)
    metric = jacobian_metric(TorchTeacher(network, "0"), [pictures], layout, 7)
    slopes = network[2].weight.detach().double().numpy().reshape(5, 3, 16)
    # In the view 'pooled' one output of the student stands at all positions.
    at_all, at_each = slopes.sum(2).T @ slopes.sum(2), np.einsum("kcp,kdp->cd", slopes, slopes) / 16
    np.testing.assert_allclose(metric, at_all if view == "pooled" else at_each, rtol=1e-5, atol=1e-6)


def test_signs_drawn_at_random_stand_for_many_outputs(batches: list[np.ndarray]) -> None:
    network = made(torch.nn.Linear(6, 400))
    many = [batch[[k]] for _ in range(10) for batch in batches for k in range(25)]
    metric = jacobian_metric(TorchTeacher(network, "block"), many, Layout.of((6,), (6,)), 1000)
    weight = network.rest.weight.detach().numpy()
    # Five standard deviations of what 8,000 draws of signs give.
    np.testing.assert_allclose(metric, weight.T @ weight, atol=5.0 * np.sqrt(2.0 / 8000.0) * np.trace(metric) / 6)


def test_a_mixed_metric_has_the_identitys_trace_and_a_regular_root() -> None:
    flat = np.outer([1.0, 2.0, 0.0], [1.0, 2.0, 0.0])
    for share in (0.0, 0.5, 0.99):
        found = OutputMetric.mixed(flat, share)
        np.testing.assert_allclose(found.root @ found.root, (1 - share) * np.eye(3) + share * 3 / 5 * flat, atol=1e-12)
        np.testing.assert_allclose(found.root @ found.inverse, np.eye(3), atol=1e-12)
    with pytest.raises(InputError, match="does not depend on what leaves the block"):
        OutputMetric.mixed(np.zeros((3, 3)), 0.5)


def test_a_student_is_fitted_in_the_metric_and_proved_in_it(batches: list[np.ndarray], tmp_path: Path) -> None:
    network = made(torch.nn.Linear(6, 2))
    teacher = TorchTeacher(network, "block")
    store = collect_activations(teacher.capture, batches, tmp_path, identity="test")
    task = Task(teacher, store, loader=batches)
    options: dict[str, Any] = {"gates": 3, "shrinkage": 1e-2, "penalty": "frobenius", "tolerance": 1e-6}
    plain, found = (distillers.create("gated_relu", options | {"jacobian": share}).fit(task) for share in (0.0, 0.999))
    assert found.program is not None and found.fitted is not None and found.root is not None and plain.root is None
    rows = MappedRows(task.rows(found.student.layout), found.root)
    blocks = ((block.inputs, block.targets) for block in rows.blocks())
    proof = verify_residual(found.program, rows.shape, blocks)
    assert found.program.dual_value <= proof.lower <= proof.upper <= found.program.value
    assert found.program_gap is not None and found.program_gap <= 1e-6
    # The student's own objective, from what it returns and what its weights are in transformed outputs.
    inputs = torch.from_numpy(np.concatenate(batches))
    with torch.no_grad():
        left = [each.student(inputs).double().numpy() for each in (plain, found)]
        wanted = network.block(inputs).double().numpy()
    size = sum(np.linalg.norm(weights) for weights in found.fitted.whole_weights())
    loss = 0.5 * float(np.sum(((left[1] - wanted) @ found.root) ** 2))
    assert found.upper == pytest.approx(loss + found.details["gamma"] * size, rel=1e-5)
    # No other student is better in this metric, the one of the plain program neither.
    others = plain.fitted.whole_weights() @ found.root
    loss = 0.5 * float(np.sum(((left[0] - wanted) @ found.root) ** 2))
    assert found.upper <= (1.0 + 1e-5) * (
        loss + found.details["gamma"] * sum(np.linalg.norm(weights) for weights in others)
    )


def test_where_neurons_are_few_they_serve_the_outputs_that_matter(batches: list[np.ndarray]) -> None:
    nn = torch.nn
    network = nn.Sequential(nn.Linear(6, 6), nn.Linear(6, 1)).eval()
    with torch.no_grad():
        # Of outputs of very different sizes the rest of the network looks at the smallest alone.
        network[0].weight.copy_(torch.diag(torch.tensor([10.0, 8.0, 6.0, 4.0, 2.0, 1.0])))
        network[1].weight.copy_(torch.tensor([[0.0, 0.0, 0.0, 0.0, 0.0, 1.0]]))
    inputs = torch.from_numpy(np.concatenate(batches))
    errors = []
    for share in (0.0, 0.999):
        found = distill(network, "0", batches, gates=1, shrinkage=1e-3, budget=0.5, jacobian=share)
        with torch.no_grad():
            errors.append(float((found.network(inputs) - network(inputs)).square().mean()))
    assert errors[0] > 0.5 and errors[1] < 0.01


@pytest.mark.parametrize("options", [{}, {"budget": 0.8, "penalty": "nuclear"}])
def test_without_a_jacobian_nothing_changes_and_behind_an_isometry_neither(
    batches: list[np.ndarray], options: dict[str, Any]
) -> None:
    network = made(torch.nn.Linear(6, 6))
    with torch.no_grad():
        network.rest.weight.copy_(2.0 * torch.linalg.qr(torch.randn(6, 6))[0])
    common: dict[str, Any] = {"gates": 3, "shrinkage": 1e-2, "tolerance": 1e-7, **options}
    plain, found = (distill(network, "block", batches, jacobian=share, **common) for share in (0.0, 0.9))
    assert found.lower == pytest.approx(plain.lower, rel=1e-5)
    assert found.upper == pytest.approx(plain.upper, rel=1e-4)


def test_inputs_that_cannot_be_gone_through_again_are_refused(batches: list[np.ndarray]) -> None:
    network = made(torch.nn.Linear(6, 2))
    with pytest.raises(InputError, match="100 inputs whose activations there are, and 0 were given once more"):
        distill(network, "block", iter(batches), jacobian=0.9)
    with pytest.raises(InputError, match="jacobian"):
        distill(network, "block", batches, jacobian=1.0)


def test_an_onnx_teacher_has_no_jacobian(batches: list[np.ndarray], tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="ONNX is not installed (extra: onnx)")
    onnx = pytest.importorskip("onnx", reason="ONNX is not installed (extra: onnx)")
    from sdprelax.distillation._onnx import export_onnx

    nn = torch.nn
    export_onnx(nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 2)).eval(), batches[0], tmp_path / "net.onnx")
    matrices = [node for node in onnx.load(tmp_path / "net.onnx").graph.node if node.op_type in ("Gemm", "MatMul")]
    teacher = OnnxTeacher(tmp_path / "net.onnx", matrices[1].input[0], "output")
    with pytest.raises(InputError, match="'jacobian' needs a PyTorch teacher"):
        distill(teacher, None, batches, jacobian=0.5)


def test_a_network_that_is_not_differentiable_behind_the_block_is_refused(batches: list[np.ndarray]) -> None:
    class Rounded(torch.nn.Module):  # type: ignore[misc]
        def forward(self, x: Any) -> Any:
            return x.argmax(1).float()

    with pytest.raises(InputError, match="no differentiable function of what leaves the block 'block'"):
        distill(made(Rounded()), "block", batches, jacobian=0.5, gates=2)
