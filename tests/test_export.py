"""Networks with their preprocessing as PyTorch and ONNX have them predict what they predict here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sdprelax
from sdprelax.base import InputError
from sdprelax.networks import GatedNetwork, Network, Pipeline, Preprocessing, to_torch, write_onnx

STEPS = {
    "as they are": Preprocessing(),
    "scaled": Preprocessing(
        ("a", "b", "c"), inputs=(("subtract", np.array([1e3, 2.0, 0.0])), ("divide", np.array([10.0, 0.5, 3.0])))
    ),
    "projected, targets scaled": Preprocessing(
        inputs=(("add", np.array(0.5)), ("project", np.arange(12.0).reshape(4, 3) - 5.0), ("multiply", np.array(0.1))),
        targets=(("subtract", np.array([1.0, -2.0])), ("divide", np.array([2.0, 5.0]))),
    ),
}  # fmt: skip
ACTIVATIONS = ("relu", {"leaky": {"slope": 0.2}}, "absolute", {"leaky": {"slope": -0.3}})


def pipeline(steps: str, activation: Any, bias: bool) -> tuple[Pipeline, np.ndarray]:
    rng = np.random.default_rng(0)
    network = Network(
        rng.standard_normal((3 + bias, 7)), rng.standard_normal((7, 2)), bias, activation, rng.standard_normal(2)
    )
    rows = rng.standard_normal((20, 4 if "projected" in steps else 3))
    return Pipeline(network, STEPS[steps], ("no", "yes")), rows


@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize("activation", ACTIVATIONS, ids=str)
@pytest.mark.parametrize("bias", [True, False])
def test_both_predict_what_the_network_predicts(steps: str, activation: Any, bias: bool, tmp_path: Path) -> None:
    torch, onnxruntime = pytest.importorskip("torch"), pytest.importorskip("onnxruntime")
    model, rows = pipeline(steps, activation, bias)
    expected = model.predict(rows)
    module = to_torch(model)
    assert [type(layer).__name__ for layer in module][::2] == ["Linear", "Linear"]
    with torch.no_grad():
        np.testing.assert_allclose(module(torch.from_numpy(rows)).numpy(), expected, rtol=1e-9, atol=1e-9)
    for precision, close in (("float64", 1e-6), ("float32", 1e-2)):  # ONNX has no slopes in double precision
        write_onnx(model, tmp_path / "n.onnx", precision)
        session = onnxruntime.InferenceSession(str(tmp_path / "n.onnx"))
        (found,) = session.run(None, {"input": rows.astype(precision)})
        np.testing.assert_allclose(found, expected, rtol=close, atol=close)
        metadata = session.get_modelmeta().custom_metadata_map
        assert json.loads(metadata["classes"]) == ["no", "yes"]
        assert json.loads(metadata.get("columns", "[]")) == list(model.preprocessing.columns)


def test_gaps_are_filled_in_onnx_alone(tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    steps = Preprocessing(inputs=(("fill", np.array([1.0, 2.0, 3.0])), ("multiply", np.array(2.0))))
    model = Pipeline(pipeline("as they are", "relu", True)[0].predictor, steps)
    rows = np.array([[np.nan, 0.5, np.nan], [1.0, 2.0, 3.0]])
    write_onnx(model, tmp_path / "n.onnx")
    (found,) = onnxruntime.InferenceSession(str(tmp_path / "n.onnx")).run(None, {"input": rows})
    np.testing.assert_allclose(found, model.predict(rows), rtol=1e-9)
    pytest.importorskip("torch")
    with pytest.raises(InputError, match="gaps that are filled, which two linear layers cannot: take ONNX"):
        to_torch(model)


@pytest.mark.parametrize(("n", "options"), [(12, {"bias": True}), (8, {"activation": {"leaky": {"slope": 0.2}}})])
def test_what_is_exported_is_certified_as_the_network_is(n: int, options: dict[str, Any], tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    rng = np.random.default_rng(1)
    problem = sdprelax.Problem(rng.standard_normal((n, 2)), rng.standard_normal((n, 1)), 0.1, **options)
    network = sdprelax.solve(problem, "lbfgs").network
    assert network is not None
    write_onnx(network, tmp_path / "n.onnx")
    verdict = sdprelax.certify(problem, tmp_path / "n.onnx", time_limit=5.0)
    assert verdict.upper == pytest.approx(problem.objective(network), rel=1e-9)


def test_what_cannot_be_exported_is_one_sentence(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    network = pipeline("as they are", "relu", True)[0].predictor
    words = Preprocessing(("a", "b"), (("a", "red"), ("a", "green"), ("b", None)))
    with pytest.raises(InputError, match="inputs are words of a table"):
        write_onnx(Pipeline(network, words), tmp_path / "n.onnx")
    turned = Preprocessing(("a", "b"), (("b", None), ("a", None)))
    with pytest.raises(InputError, match="or its columns in another order"):
        write_onnx(Pipeline(network, turned), tmp_path / "n.onnx")
    with pytest.raises(InputError, match="a GatedNetwork cannot be exported"):
        write_onnx(GatedNetwork(np.zeros((3, 1)), np.zeros((1, 3, 2))), tmp_path / "n.onnx")
    with pytest.raises(InputError, match="precision is 'half'; it must be one of float64, float32"):
        write_onnx(network, tmp_path / "n.onnx", "half")  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())
    for name in ("n.onnx", "n.pt"):
        with pytest.raises(InputError, match=r"predictors are kept in \.npz files; .*write_onnx"):
            network.save(tmp_path / name)  # type: ignore[attr-defined]
    with pytest.raises(InputError, match=r"is a folder: name the predictor's file in it, such as .*network\.npz"):
        sdprelax.load_predictor(tmp_path)
