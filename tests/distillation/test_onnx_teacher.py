"""An ONNX teacher does what the PyTorch teacher does that it was exported from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="ONNX is optional")
runtime = pytest.importorskip("onnxruntime", reason="ONNX Runtime is optional")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from sdprelax.base import InputError  # noqa: E402
from sdprelax.distillation._layout import Layout  # noqa: E402
from sdprelax.distillation._onnx_teacher import OnnxTeacher  # noqa: E402

RNG = np.random.default_rng(0)
A, B, C, S = (RNG.standard_normal((3, 3)).astype(np.float32) for _ in range(4))
BATCH = RNG.standard_normal((4, 3)).astype(np.float32)


def model(
    nodes: list[tuple[str, list[str], list[str]]],
    weights: dict[str, np.ndarray],
    inputs: tuple[str, ...] = ("x",),
    outputs: tuple[str, ...] = ("y",),
    opset: int = 17,
    width: int = 3,
    kind: int = TensorProto.FLOAT,
    size: int | str = "N",
) -> Any:
    def values(names: tuple[str, ...]) -> list[Any]:
        return [helper.make_tensor_value_info(name, kind, [size, width]) for name in names]

    graph = helper.make_graph(
        [helper.make_node(*node) for node in nodes],
        "graph",
        values(inputs),
        values(outputs),
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def chain(number: Any = np.float32, **options: Any) -> Any:
    """x ↦ relu(xA) =: in ↦ relu(in·B) =: out ↦ out·C + out =: y, in numbers of some precision."""
    return model(
        [
            ("MatMul", ["x", "A"], ["a"]),
            ("Relu", ["a"], ["in"]),
            ("MatMul", ["in", "B"], ["b"]),
            ("Relu", ["b"], ["out"]),
            ("MatMul", ["out", "C"], ["c"]),
            ("Add", ["c", "out"], ["y"]),
        ],
        {name: weight.astype(number) for name, weight in {"A": A, "B": B, "C": C}.items()},
        kind=helper.np_dtype_to_tensor_dtype(np.dtype(number)),
        **options,
    )


def student(**options: Any) -> Any:
    """z ↦ z·S, whose names are those of the teacher's chain."""
    return model([("MatMul", ["x", "A"], ["y"])], {"A": S}, **options)


def teacher(entering: str = "in", leaving: str = "out", graph: Any = None) -> OnnxTeacher:
    return OnnxTeacher((graph or chain()).SerializeToString(), entering, leaving)


def computed(proto: Any, batch: np.ndarray = BATCH) -> np.ndarray:
    return runtime.InferenceSession(proto.SerializeToString()).run(None, {proto.graph.input[0].name: batch})[0]


def test_activations_are_those_of_the_two_tensors() -> None:
    z = np.maximum(BATCH @ A, 0.0)
    f = np.maximum(z @ B, 0.0)
    entered, left = teacher().capture(BATCH.astype(np.float64))
    np.testing.assert_allclose(entered, z, rtol=1e-5)
    np.testing.assert_allclose(left, f, rtol=1e-5)
    np.testing.assert_allclose(teacher().predict(BATCH), f @ C + f, rtol=1e-4, atol=1e-5)
    whole = teacher("x", "y")
    np.testing.assert_array_equal(whole.capture(BATCH)[0], BATCH)
    np.testing.assert_array_equal(whole.capture(BATCH)[1], whole.predict(BATCH))


@pytest.mark.parametrize("opset", [13, 17, 20])
def test_a_student_stands_where_the_block_was_and_nothing_else_is_left_of_it(opset: int, tmp_path: Path) -> None:
    onnx.save(student(opset=opset), tmp_path / "student.onnx")
    swapped = teacher().with_student(tmp_path / "student.onnx")
    f = np.maximum(BATCH @ A, 0.0) @ S
    np.testing.assert_allclose(computed(swapped), f @ C + f, rtol=1e-4, atol=1e-5)
    assert {numpy_helper.to_array(weight).tobytes() for weight in swapped.graph.initializer} == {
        weight.tobytes() for weight in (A, C, S)
    }
    kinds = [node.op_type for node in swapped.graph.node if node.op_type != "Identity"]
    assert sorted(kinds) == ["Add", "MatMul", "MatMul", "MatMul", "Relu"]


def test_a_student_of_a_student_is_as_good_as_the_first() -> None:
    once = teacher().with_student(student())
    twice = teacher(graph=once).with_student(student())
    np.testing.assert_array_equal(computed(twice), computed(once))
    assert len(twice.graph.initializer) == 3


def test_the_network_may_end_with_the_block_and_begin_with_it() -> None:
    np.testing.assert_allclose(computed(teacher("x", "y").with_student(student())), BATCH @ S, rtol=1e-5)
    assert len(teacher("x", "y").with_student(student()).graph.initializer) == 1


def test_what_leads_around_the_block_stays() -> None:
    residual = chain()
    residual.graph.node[-1].input[1] = "b"  # read inside the block, and by what comes after it
    f, b = np.maximum(BATCH @ A, 0.0) @ S, np.maximum(BATCH @ A, 0.0) @ B
    np.testing.assert_allclose(
        computed(teacher(graph=residual).with_student(student())), f @ C + b, rtol=1e-4, atol=1e-5
    )


def test_what_is_read_in_a_branch_is_the_students() -> None:
    branches = {
        name: helper.make_graph(
            [helper.make_node(kind, ["out", weight], [name])],
            name,
            [],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, None)],
        )
        for name, kind, weight in (("then", "MatMul", "C"), ("else", "Add", "out"))
    }
    graph = chain()
    del graph.graph.node[4:]
    graph.graph.node.append(
        helper.make_node("If", ["yes"], ["y"], then_branch=branches["then"], else_branch=branches["else"])
    )
    graph.graph.initializer.append(numpy_helper.from_array(np.array(True), "yes"))
    swapped = teacher(graph=graph).with_student(student())
    np.testing.assert_allclose(computed(swapped), np.maximum(BATCH @ A, 0.0) @ S @ C, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("entering", "leaving", "said"),
    [
        ("inn", "out", r"computes no tensor 'inn': did you mean 'in'\?"),
        ("in", "outt", r"computes no tensor 'outt': did you mean 'out'\?"),
        ("in", "B", "computes no tensor 'B'"),
        ("out", "in", "'in' is not computed from 'out'"),
        ("out", "out", "'out' is not computed from 'out'"),
    ],
)
def test_tensors_without_a_block_between_them_are_refused(entering: str, leaving: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        teacher(entering, leaving)


def test_models_and_students_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    two = model([("Add", ["x", "w"], ["in"]), ("Relu", ["in"], ["y"])], {}, inputs=("x", "w"))
    with pytest.raises(InputError, match=r"the model has 2 inputs \(x, w\): it must have one"):
        teacher(graph=two, leaving="y")
    with pytest.raises(InputError, match="not a readable ONNX model"):
        OnnxTeacher(b"no model", "in", "out")
    with pytest.raises(InputError, match="not a readable ONNX model"):
        OnnxTeacher(tmp_path / "missing.onnx", "in", "out")
    with pytest.raises(InputError, match="the student has 2 inputs"):
        teacher().with_student(two)
    wide = model([("MatMul", ["x", "S"], ["y"])], {"S": np.ones((3, 7), dtype=np.float32)}, outputs=("y",), width=7)
    wide.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 3
    with pytest.raises(InputError, match="does not fit between 'in' and 'out'"):
        teacher().with_student(wide)
    with pytest.raises(InputError, match="does not take this batch"):
        teacher().predict(BATCH[:, :2])


@pytest.mark.parametrize(("number", "accuracy"), [(np.float16, 1e-2), (np.float64, 1e-6)])
@pytest.mark.parametrize("entering", ["in", "x"])
def test_models_of_half_and_double_precision_take_a_student_of_single(
    number: Any, accuracy: float, entering: str
) -> None:
    original = teacher(entering, graph=chain(number))
    for found, expected in zip(original.capture(BATCH), teacher(entering).capture(BATCH), strict=True):
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected, rtol=accuracy, atol=accuracy)
    count = 9 if entering == "in" else 18
    assert (original.block_parameters, original.block_bytes) == (count, count * np.dtype(number).itemsize)
    swapped = original.with_student(student())
    found = computed(swapped, BATCH.astype(number))
    z = BATCH if entering == "x" else np.maximum(BATCH @ A, 0.0)
    assert found.dtype == number
    np.testing.assert_allclose(found, z @ S @ C + z @ S, rtol=3 * accuracy, atol=3 * accuracy)
    # The student may be replaced in its turn.
    again = teacher(entering, graph=swapped).with_student(student())
    np.testing.assert_array_equal(computed(again, BATCH.astype(number)), found)


@pytest.mark.parametrize("size", [1, 3])
def test_a_model_for_batches_of_one_size_takes_any(size: int) -> None:
    fixed, free = teacher(graph=chain(size=size)), teacher()
    for found, expected in zip(fixed.capture(BATCH), free.capture(BATCH), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5)
    swapped = OnnxTeacher(fixed.with_student(student()).SerializeToString(), "in", "out")
    np.testing.assert_allclose(swapped.predict(BATCH), computed(free.with_student(student())), rtol=1e-4, atol=1e-5)


def transposed(last: str = "MatMul") -> Any:
    """x (B, T, D) ↦ relu(xᵀA) =: in (T, B, D) ↦ in·B =: out, and out·C back in (B, T, D)."""
    nodes = [("MatMul", ["t", "A"], ["a"]), ("Relu", ["a"], ["in"]), ("MatMul", ["in", "B"], ["out"])]
    graph = model([*nodes, (last, ["out", "C"], ["c"])], {"A": A, "B": B, "C": C})
    swap = [helper.make_node("Transpose", [a], [b], perm=[1, 0, 2]) for a, b in (("x", "t"), ("c", "y"))]
    graph.graph.node.insert(0, swap[0])
    graph.graph.node.append(swap[1])
    for value in (*graph.graph.input, *graph.graph.output):
        value.type.tensor_type.shape.dim.insert(1, onnx.TensorShapeProto.Dimension(dim_param="T"))
    return graph


@pytest.mark.parametrize("size", [4, 5])
def test_samples_may_lie_along_any_axis_of_the_block(size: int) -> None:
    batch = RNG.standard_normal((size, 5, 3)).astype(np.float32)  # one of five samples has five tokens, too
    original = teacher(graph=transposed())
    z = np.maximum(batch @ A, 0.0)
    np.testing.assert_allclose(original.capture(batch)[0], z, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(original.capture(batch)[1], z @ B, rtol=1e-4, atol=1e-5)
    # x (B, T, D) ↦ x·S minus its mean over tokens: it must be given samples along its first axis.
    nodes = [("MatMul", ["x", "A"], ["s"]), ("ReduceMean", ["s", "axes"], ["m"]), ("Sub", ["s", "m"], ["y"])]
    other = model(nodes, {"A": S, "axes": np.array([1])}, opset=18)
    for value in (*other.graph.input, *other.graph.output):
        value.type.tensor_type.shape.dim.insert(1, onnx.TensorShapeProto.Dimension(dim_param="T"))
    expected = (z @ S - (z @ S).mean(axis=1, keepdims=True)) @ C
    np.testing.assert_allclose(computed(original.with_student(other), batch), expected, rtol=1e-4, atol=1e-5)


def test_inputs_that_are_not_apart_and_tensors_of_no_activations_are_refused() -> None:
    mixing = model([("ReduceMean", ["x"], ["m"]), ("Add", ["x", "m"], ["in"]), ("Relu", ["in"], ["y"])], {})
    with pytest.raises(InputError, match="inputs of a batch change each other's activations at 'in'"):
        teacher("in", "y", mixing).capture(BATCH)
    flat = model([("Reshape", ["x", "shape"], ["in"]), ("Relu", ["in"], ["y"])], {"shape": np.array([-1])})
    with pytest.raises(InputError, match=r"the tensor 'in' has shape \(9,\) for 3 inputs and \(6,\) for 2"):
        teacher("in", "y", flat).capture(BATCH)
    cast = model([("Relu", ["x"], ["in"])], {})
    cast.graph.node.extend(helper.make_node("Cast", [a], [b], to=to) for a, b, to in (("in", "n", 7), ("n", "y", 1)))
    with pytest.raises(InputError, match="the tensor 'n' holds numbers of type int64"):
        teacher("in", "n", cast)
    with pytest.raises(InputError, match="a batch is empty"):
        teacher().capture(BATCH[:0])
    numbers = model([("Cast", ["x"], ["in"])], {}, kind=TensorProto.INT64)
    numbers.graph.node[0].attribute.append(helper.make_attribute("to", 1))
    numbers.graph.node.append(helper.make_node("Relu", ["in"], ["y"]))
    numbers.graph.output[0].type.tensor_type.elem_type = TensorProto.FLOAT
    assert teacher("in", "y", numbers).capture(np.arange(6).reshape(2, 3))[1].shape == (2, 3)
    with pytest.raises(InputError, match="it holds float32, and the model takes int64"):
        teacher("in", "y", numbers).capture(BATCH)


def test_an_old_models_weights_are_no_inputs() -> None:
    old = chain()
    old.graph.input.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, [3, 3]) for name in ("A", "B", "C"))
    swapped = teacher(graph=old).with_student(student())
    assert [value.name for value in swapped.graph.input] == ["x", "A", "C"]
    np.testing.assert_array_equal(computed(swapped), computed(teacher().with_student(student())))


def test_exported_networks_behave_as_in_torch(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is optional")
    pytest.importorskip("onnxscript", reason="ONNX Script is optional")
    from sdprelax.distillation._onnx import export_onnx
    from sdprelax.distillation._students import GatedStudent
    from sdprelax.distillation._torch_teacher import TorchTeacher

    torch.manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(1, 2, 3, padding=1),
        torch.nn.ReLU(),
        torch.nn.Sequential(torch.nn.Conv2d(2, 3, 3, 2, 1), torch.nn.Tanh(), torch.nn.Conv2d(3, 3, 1)),
        torch.nn.ReLU(),
        torch.nn.Flatten(),
        torch.nn.Linear(12, 5),
    )
    images = RNG.standard_normal((3, 1, 4, 4)).astype(np.float32)
    original = TorchTeacher(network, "2")
    z, f = original.capture(images)
    export_onnx(network, images, tmp_path / "teacher.onnx")
    nodes = onnx.load(tmp_path / "teacher.onnx").graph.node
    convolutions = [node for node in nodes if node.op_type == "Conv"]
    exported = OnnxTeacher(tmp_path / "teacher.onnx", convolutions[1].input[0], convolutions[2].output[0])
    for found, expected in zip(exported.capture(images), (z, f), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-6)
    np.testing.assert_allclose(exported.predict(images), original.predict(images), atol=1e-6)

    layout = Layout.of(z.shape[1:], f.shape[1:])
    rng, d, c = np.random.default_rng(1), layout.width, layout.outputs
    arrays = rng.standard_normal((d, 2)), [0, 1, 1, 0], rng.standard_normal((d, 4)), rng.standard_normal((4, c))
    gated = GatedStudent(layout, *arrays, [-1], rng.standard_normal((1, d, c)))
    export_onnx(gated, z, tmp_path / "student.onnx")
    swapped = exported.with_student(tmp_path / "student.onnx")
    expected = TorchTeacher(original.with_student(gated), "2").predict(images)
    for part in (slice(0, 1), slice(None)):
        np.testing.assert_allclose(computed(swapped, images[part]), expected[part], rtol=1e-5, atol=1e-5)
