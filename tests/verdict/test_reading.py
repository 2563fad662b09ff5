"""Networks of other libraries: the same predictions, the same objective, and one sentence where nothing can be read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sdprelax import InputError, certify
from sdprelax.verdict import read_trained

X = np.random.default_rng(0).standard_normal((12, 3))
LABELS = np.arange(12) % 3


@pytest.fixture
def torch() -> Any:
    return pytest.importorskip("torch")


def sequential(torch: Any, *, width: int = 5, c: int = 3, bias: bool = True, between: Any = None) -> Any:
    torch.manual_seed(0)
    layers = torch.nn.Linear(3, width, bias=bias), between or torch.nn.ReLU(), torch.nn.Linear(width, c, bias=bias)
    return torch.nn.Sequential(*layers)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("between", ["ReLU", "LeakyReLU"])
def test_a_module_predicts_as_it_did(torch: Any, bias: bool, between: str) -> None:
    module = sequential(torch, bias=bias, between=getattr(torch.nn, between)())
    found = read_trained(module)
    predicted = module(torch.as_tensor(X, dtype=torch.float32)).detach().numpy()
    assert np.allclose(found.network.predict(X), predicted, atol=1e-5)
    assert found.network.bias is bias and (found.network.offset is not None) is bias
    found.check(X)


@pytest.mark.parametrize(
    ("loss", "criterion", "reduction"),
    [
        ("cross_entropy", "CrossEntropyLoss", "mean"), ("cross_entropy", "CrossEntropyLoss", "sum"),
        ("squared", "MSELoss", "mean"), ("squared", "MSELoss", "sum"), ("absolute", "L1Loss", "mean"),
        ("huber", "HuberLoss", "mean"),
    ],
)  # fmt: skip
def test_weight_decay_and_mean_losses_are_the_same_objective(
    torch: Any, loss: str, criterion: str, reduction: str
) -> None:
    """The objective is PyTorch's, criterion plus half the weight decay of all parameters, times one factor."""
    module = sequential(torch)
    hot = np.eye(3)[LABELS]
    wanted = torch.as_tensor(LABELS) if loss == "cross_entropy" else torch.as_tensor(hot, dtype=torch.float32)
    objective = getattr(torch.nn, criterion)(reduction=reduction)(
        module(torch.as_tensor(X, dtype=torch.float32)), wanted
    )
    squares = sum(float((part.detach() ** 2).sum()) for part in module.parameters())
    decay = 0.02
    verdict = certify((X, LABELS if loss == "cross_entropy" else hot), module, loss=loss, weight_decay=decay,
                      reduction=reduction, time_limit=0.0)  # fmt: skip
    factor = (
        {"cross_entropy": 12.0, "squared": 18.0}.get(loss, 36.0)
        if reduction == "mean"
        else {"squared": 0.5}.get(loss, 1.0)
    )
    assert verdict.upper == pytest.approx(factor * (objective.item() + 0.5 * decay * squares), rel=1e-5)


def test_a_module_that_computes_something_else_is_refused(torch: Any) -> None:
    class Residual(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = torch.nn.Linear(3, 3), torch.nn.Linear(3, 3)

        def forward(self, x: Any) -> Any:
            return self.second(torch.relu(self.first(x))) + x

    class Functional(Residual):
        def forward(self, x: Any) -> Any:
            return self.second(torch.relu(self.first(x)))

    with pytest.raises(InputError, match="computes something else"):
        read_trained(Residual()).check(X)
    read_trained(Functional()).check(X)

    class Backwards(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.second, self.first = torch.nn.Linear(3, 3), torch.nn.Linear(3, 3)

        def forward(self, x: Any) -> Any:
            return self.second(torch.relu(self.first(x)))

    class Tiny(Functional):
        def forward(self, x: Any) -> Any:
            return 1e-4 * self.second(torch.tanh(self.first(x)))

    read_trained(Backwards()).check(X)
    with pytest.raises(InputError, match="computes something else"):
        read_trained(Tiny()).check(X)


def test_other_architectures_are_one_sentence(torch: Any, tmp_path: Path) -> None:
    nn = torch.nn
    for module, said in (
        (nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2)), "3 linear layers"),
        (nn.Sequential(nn.Linear(3, 4), nn.GELU(), nn.Linear(4, 2)), "a layer GELU"),
        (nn.Sequential(nn.Linear(3, 2)), "1 linear layers"),
    ):
        with pytest.raises(InputError, match=said):
            read_trained(module)
    torch.save(sequential(torch).state_dict(), tmp_path / "state.pt")
    expected = sequential(torch)(torch.as_tensor(X, dtype=torch.float32)).detach().numpy()
    assert np.allclose(read_trained(tmp_path / "state.pt").network.predict(X), expected, atol=1e-5)
    torch.save(sequential(torch), tmp_path / "module.pt")
    with pytest.raises(InputError, match="no state_dict"):
        read_trained(tmp_path / "module.pt")


@pytest.mark.parametrize("written", ["Gemm", "MatMul"])
def test_an_onnx_model_predicts_as_it_did(written: str, tmp_path: Path) -> None:
    """As PyTorch's exporters write it: Gemm of transposed weights with biases, or MatMul and, with biases, Add."""
    onnx = pytest.importorskip("onnx")
    helper = onnx.helper
    rng = np.random.default_rng(0)
    U, V, b = (rng.standard_normal(shape).astype(np.float32) for shape in ((3, 4), (4, 2), (4,)))
    if written == "Gemm":
        nodes = [helper.make_node("Gemm", ["x", "U", "b"], ["z"], transB=1)]
    else:
        nodes = [helper.make_node("MatMul", ["x", "U"], ["y"]), helper.make_node("Add", ["y", "b"], ["z"])]
    nodes += [helper.make_node("LeakyRelu", ["z"], ["h"], alpha=0.25), helper.make_node("MatMul", ["h", "V"], ["p"])]
    real = onnx.TensorProto.FLOAT
    tensors = {"U": U.T if written == "Gemm" else U, "V": V, "b": b}
    graph = helper.make_graph(
        nodes, "network", [helper.make_tensor_value_info("x", real, ["n", 3])],
        [helper.make_tensor_value_info("p", real, ["n", 2])],
        [onnx.numpy_helper.from_array(np.ascontiguousarray(value), name) for name, value in tensors.items()],
    )  # fmt: skip
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), tmp_path / "network.onnx")
    found = read_trained(tmp_path / "network.onnx")
    found.check(X)
    inner = X @ U + b
    assert np.allclose(found.network.predict(X), np.where(inner > 0.0, inner, 0.25 * inner) @ V, atol=1e-5)
    assert found.network.bias and found.network.offset is None


@pytest.mark.filterwarnings("ignore")  # of estimators that have not converged
def test_an_estimator_says_its_loss_and_penalty() -> None:
    neural = pytest.importorskip("sklearn.neural_network")
    several = np.stack([LABELS > 0, LABELS > 1], axis=1).astype(int)
    for kind, y, factor in (
        (neural.MLPClassifier, LABELS, 12.0), (neural.MLPClassifier, LABELS > 0, 12.0),
        (neural.MLPClassifier, LABELS + 1.0, 12.0), (neural.MLPClassifier, several, 12.0),
        (neural.MLPRegressor, np.eye(3)[LABELS][:, 0], 12.0),
    ):  # fmt: skip
        estimator = kind(hidden_layer_sizes=(4,), alpha=0.5, solver="lbfgs", max_iter=30, random_state=0)
        with pytest.raises(InputError, match="not fitted"):
            read_trained(kind(hidden_layer_sizes=(4,)))
        estimator.fit(X, y)
        verdict = certify((X, y), estimator, time_limit=0.0)
        # What scikit-learn minimised, in its own words: mean losses and α/2n of all weights but biases.
        assert verdict.upper == pytest.approx(factor * estimator.loss_, rel=1e-6)
    # Its descent divides the penalty by a batch, and the loss of several outputs by none of them.
    hot = np.eye(3)[LABELS]
    batches = neural.MLPRegressor(hidden_layer_sizes=(4,), alpha=0.5, max_iter=2, batch_size=4).fit(X, hot)
    assert certify((X, hot), batches, time_limit=0.0).problem.gamma == 1.5
    with pytest.raises(InputError, match="how large the penalty"):
        certify((X, hot), batches, loss="huber")
    with pytest.raises(InputError, match="2 hidden layers"):
        read_trained(neural.MLPClassifier((4, 4), max_iter=2).fit(X, LABELS))
    with pytest.raises(InputError, match="'tanh'"):
        read_trained(neural.MLPClassifier((4,), activation="tanh", max_iter=2).fit(X, LABELS))


def test_plain_arrays_and_unreadable_files(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    U, V, b, t = (
        rng.standard_normal((3, 4)),
        rng.standard_normal((4, 2)),
        rng.standard_normal(4),
        rng.standard_normal(2),
    )
    np.savez(tmp_path / "plain.npz", hidden=U, output=V, hidden_bias=b, output_bias=t)
    found = read_trained(str(tmp_path / "plain.npz"))
    assert np.allclose(found.network.predict(X), np.maximum(X @ U + b, 0.0) @ V + t)
    np.savez(tmp_path / "other.npz", W=U)
    (tmp_path / "broken.onnx").write_bytes(b"nothing")
    for name, said in (
        ("other.npz", "holds the arrays W"),
        ("none.npz", "no such file"),
        ("plain.txt", "no such file"),
    ):
        with pytest.raises(InputError, match=said):
            read_trained(tmp_path / name)
    (tmp_path / "plain.txt").write_text("", encoding="utf-8")
    with pytest.raises(InputError, match="ends in"):
        read_trained(tmp_path / "plain.txt")
    pytest.importorskip("onnx")
    with pytest.raises(InputError, match=r"no readable ONNX model|0 linear layers"):
        read_trained(tmp_path / "broken.onnx")
