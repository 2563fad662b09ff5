"""Students: the formula on rows, as a module on tensors, as a file and as an ONNX model."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is optional")

from sdprelax.base import InputError, SolverUnavailable, StorageError  # noqa: E402
from sdprelax.distillation._layout import Layout  # noqa: E402
from sdprelax.distillation._onnx import export_onnx  # noqa: E402
from sdprelax.distillation._students import GatedStudent, ReLUStudent, load_student  # noqa: E402
from sdprelax.distillation._torch_teacher import TorchTeacher  # noqa: E402

SHAPES: dict[str, tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = {
    "flat": ((2, 3), (4,), {"kind": "flat"}),
    "pooled": ((3, 4, 4), (2, 3, 3), {"kind": "pooled"}),
    "pooled to a vector": ((3, 4, 4), (2,), {"kind": "pooled"}),
    "tokens": ((3, 4), (3, 2), {}),
    "patches": ((2, 5, 4), (3, 5, 4), {}),
    "stride 2": ((2, 5, 4), (3, 3, 2), {}),
}


def layout_of(name: str, bias: bool = True) -> Layout:
    source, target, options = SHAPES[name]
    return Layout.of(source, target, bias=bias, **options)


def gated(layout: Layout, gate_of: list[int], full_gate_of: list[int], gates: int = 3, seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    d, c = layout.width, layout.outputs
    h, k = len(gate_of), len(full_gate_of)
    arrays = rng.standard_normal((d, gates)), rng.standard_normal((d, h)), rng.standard_normal((h, c))
    return GatedStudent(layout, arrays[0], gate_of, *arrays[1:], full_gate_of, rng.standard_normal((k, d, c)))


def relu(layout: Layout, neurons: int = 5, skip: bool = True, seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    d, c = layout.width, layout.outputs
    weights = rng.standard_normal((d, neurons)), rng.standard_normal((neurons, c))
    return ReLUStudent(layout, *weights, rng.standard_normal((d, c)) if skip else None)


def samples(layout: Layout, count: int = 4) -> np.ndarray:
    return np.random.default_rng(1).standard_normal((count, *layout.input_shape)).astype(np.float32)


def formula(student: Any, rows: np.ndarray) -> np.ndarray:
    """A student's definition, in double precision, neuron by neuron."""
    a = student.to_arrays()
    output = np.zeros((len(rows), student.layout.outputs))
    if isinstance(student, ReLUStudent):
        output += np.maximum(rows @ a["hidden"].astype(float), 0.0) @ a["output"]
        return output + rows @ a["skip"] if "skip" in a else output

    def opened(gate: int) -> np.ndarray:
        return np.ones(len(rows)) if gate < 0 else (rows @ a["gates"][:, gate].astype(float) >= 0.0).astype(float)

    for j, gate in enumerate(a["gate_of"]):
        output += np.outer(opened(gate) * (rows @ a["inner"][:, j].astype(float)), a["outer"][j])
    for weights, gate in zip(a["full"], a["full_gate_of"], strict=True):
        output += opened(gate)[:, None] * (rows @ weights.astype(float))
    return output


def outputs(student: Any, z: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        result = student(torch.tensor(z)).numpy()
    assert result.shape == (len(z), *student.layout.output_shape)
    return result


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize(
    ("gate_of", "full_gate_of"),
    [([0, 1, 2], []), ([2, 2, 0, 1, 2], [-1]), ([-1, 1, 0], [2, 0]), ([-1, -1], [-1]), ([], [1]), ([], [])],
)
def test_a_gated_student_is_its_formula_on_rows(
    name: str, bias: bool, gate_of: list[int], full_gate_of: list[int]
) -> None:
    layout = layout_of(name, bias)
    student, z = gated(layout, gate_of, full_gate_of), samples(layout)
    expected = formula(student, layout.inputs(z))
    np.testing.assert_allclose(layout.targets(outputs(student, z)), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize(("neurons", "skip"), [(5, False), (5, True), (0, True), (0, False)])
def test_a_relu_student_is_its_formula_on_rows(name: str, bias: bool, neurons: int, skip: bool) -> None:
    layout = layout_of(name, bias)
    student, z = relu(layout, neurons, skip), samples(layout)
    expected = formula(student, layout.inputs(z))
    np.testing.assert_allclose(layout.targets(outputs(student, z)), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", SHAPES)
def test_a_relu_network_is_the_gated_one_whose_gates_are_its_neurons(name: str) -> None:
    layout = layout_of(name)
    network, z = relu(layout), samples(layout)
    a = network.to_arrays()
    student = GatedStudent(layout, a["hidden"], range(5), a["hidden"], a["output"], [-1], a["skip"][None])
    np.testing.assert_array_equal(outputs(student, z), outputs(network, z))


def test_a_linear_block_is_a_student_whose_gate_is_always_open() -> None:
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Conv2d(1, 2, 3, padding=1), torch.nn.Conv2d(2, 3, 3, 2, 1), torch.nn.Flatten(), torch.nn.Linear(12, 5)
    )
    teacher = TorchTeacher(model, "1")
    images = np.random.default_rng(0).standard_normal((4, 1, 4, 4)).astype(np.float32)
    z, f = teacher.capture(images)
    layout = Layout.of(z.shape[1:], f.shape[1:])
    weights = np.column_stack([model[1].weight.detach().reshape(3, -1), model[1].bias.detach()]).T
    empty = np.zeros((layout.width, 0))
    student = GatedStudent(layout, empty, [], empty, np.zeros((0, 3)), [-1], weights[None])
    swapped = TorchTeacher(teacher.with_student(student), "1")
    np.testing.assert_allclose(swapped.predict(images), teacher.predict(images), atol=1e-6)


def test_every_number_of_a_student_counts_once_and_gates_do_too() -> None:
    layout = layout_of("patches")
    d, c = layout.width, layout.outputs
    assert gated(layout, [2, 2, 0, 1, 2], [-1, 0]).parameter_count == 3 * d + 5 * (d + c) + 2 * d * c
    assert relu(layout).parameter_count == 5 * (d + c) + d * c
    assert relu(layout, skip=False).parameter_count == 5 * (d + c)


@pytest.mark.parametrize("name", SHAPES)
def test_a_student_is_read_back_bit_for_bit(tmp_path: Path, name: str) -> None:
    layout = layout_of(name)
    z = samples(layout)
    for student in (gated(layout, [2, -1, 0], [-1, 1]), relu(layout), relu(layout, skip=False)):
        student.save(tmp_path / "student.npz")
        again = load_student(tmp_path / "student.npz")
        assert type(again) is type(student) and again.layout == layout
        assert {n: v.tobytes() for n, v in again.to_arrays().items()} == {
            n: v.tobytes() for n, v in student.to_arrays().items()
        }
        np.testing.assert_array_equal(outputs(again, z), outputs(student, z))


def test_what_is_no_student_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "other.npz", kind="gated", weights=np.ones(3))
    (tmp_path / "damaged.npz").write_bytes(b"PK damaged")
    for name in ("other.npz", "damaged.npz", "missing.npz"):
        with pytest.raises(InputError, match="is not a readable student"):
            load_student(tmp_path / name)
    with pytest.raises(StorageError, match="cannot be written"):
        relu(layout_of("flat")).save(tmp_path / "nowhere" / "student.npz")


def test_arrays_that_do_not_fit_are_refused() -> None:
    layout = layout_of("flat")
    d, c = layout.width, layout.outputs
    good: dict[str, Any] = {
        "gates": np.ones((d, 2)),
        "gate_of": [0, 1, 1],
        "inner": np.ones((d, 3)),
        "outer": np.ones((3, c)),
        "full_gate_of": [-1],
        "full": np.ones((1, d, c)),
    }
    bad: dict[str, Any] = {
        "gates": np.ones((d + 1, 2)),
        "gate_of": [0, 1, 2],
        "inner": np.full((d, 3), np.nan),
        "outer": np.ones((2, c)),
        "full_gate_of": [-2],
        "full": np.ones((1, c, d)),
    }
    GatedStudent(layout, **good)
    for name, value in bad.items():
        with pytest.raises(InputError, match=rf"a student's {name} (have|must)"):
            GatedStudent(layout, **{**good, name: value})


@pytest.mark.parametrize("name", SHAPES)
def test_an_exported_student_computes_the_same_for_any_batch(tmp_path: Path, name: str) -> None:
    onnx = pytest.importorskip("onnx", reason="ONNX is optional")
    runtime = pytest.importorskip("onnxruntime", reason="ONNX Runtime is optional")
    pytest.importorskip("onnxscript", reason="ONNX Script is optional")
    layout = layout_of(name)
    kinds = {"flat": relu(layout), "stride 2": gated(layout, [-1, 1, 0, 1], [-1, 2])}
    student = kinds.get(name, gated(layout, [2, 0, 1, 0], [0]))
    path = tmp_path / "student.onnx"
    export_onnx(student, samples(layout, 1), path)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    onnx.checker.check_model(onnx.load(path), full_check=True)
    session = runtime.InferenceSession(path)
    for count in (1, 5):
        z = samples(layout, count)
        (found,) = session.run(None, {"input": z})
        np.testing.assert_allclose(found, outputs(student, z), rtol=1e-5, atol=1e-5)


def test_an_exported_student_holds_its_numbers_once_and_as_kernels(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx", reason="ONNX is optional")
    pytest.importorskip("onnxscript", reason="ONNX Script is optional")
    layout = Layout.of((64, 4, 4), (32, 4, 4))
    student = gated(layout, [0, 1, 2, 0], [-1])
    export_onnx(student, samples(layout, 1), tmp_path / "student.onnx")
    graph = onnx.load(tmp_path / "student.onnx").graph
    numbers = [np.prod(weight.dims) for weight in graph.initializer if weight.data_type == 1 and weight.dims]
    assert sum(numbers) == student.parameter_count
    assert {"Slice", "Transpose", "Reshape"}.isdisjoint(node.op_type for node in graph.node)


def test_an_export_without_its_packages_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript.optimizer", None)
    layout = layout_of("flat")
    with pytest.raises(SolverUnavailable, match=r'pip install "sdprelax\[onnx\]"'):
        export_onnx(relu(layout), samples(layout), tmp_path / "student.onnx")
    assert not list(tmp_path.iterdir())
