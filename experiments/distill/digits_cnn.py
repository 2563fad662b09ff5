"""Small networks for scikit-learn's digits, trained here: of convolutions, and a transformer."""

from __future__ import annotations

import json
from collections import OrderedDict
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from pydantic import NonNegativeInt, PositiveInt

from sdprelax.base import optional, write_arrays
from sdprelax.datasets import file_arrays
from sdprelax.distillation.images import images
from sdprelax.distillation.teachers import frozen, teachers

BATCH, RATE, DECAY = 64, 3e-3, 1e-2


@teachers.register("digits_cnn")
@dataclass(frozen=True)
class DigitsCNN:
    """A ReLU network for scikit-learn's digits, trained on the spot in seconds; its weights are kept for the next time.

    ``stem``: a convolution and pooling to width×4×4. ``body``: two 3×3 convolutions with ReLU to 2·width×4×4.
    ``pool``: to a vector of 8·width. ``head``: a network of two layers with 128 neurons, to 10 logits. It is trained on
    the transfer part of images ``digits`` with their default split, so that a student is to be measured on that split.

    Parameters
    ----------
    width: channels of the stem.
    epochs: passes over the transfer part, with AdamW, a cosine schedule and pictures shifted by up to a pixel.
    seed: of the initial weights and of the order of the pictures.
    """

    name: ClassVar[str] = "digits_cnn"
    block: ClassVar[str | None] = "body"

    width: PositiveInt = 32
    epochs: PositiveInt = 30
    seed: NonNegativeInt = 0

    def identity(self) -> str:
        """Return the options."""
        return json.dumps({"teacher": self.name, **asdict(self)}, sort_keys=True)

    def load(self, folder: Path) -> Any:
        """Return the network, trained unless ``folder`` has its weights."""
        torch = optional("torch")
        path = folder / f"{self.name}-width{self.width}-epochs{self.epochs}-seed{self.seed}.npz"
        if path.is_file():
            model = self._network()
            model.load_state_dict({name: torch.from_numpy(array) for name, array in file_arrays(path).items()})
            return frozen(model)
        model = self._trained()
        folder.mkdir(parents=True, exist_ok=True)
        write_arrays(path, {name: weights.numpy() for name, weights in model.state_dict().items()})
        return model

    def _network(self) -> Any:
        nn, width = optional("torch").nn, self.width
        return nn.Sequential(
            OrderedDict(
                stem=nn.Sequential(nn.Conv2d(1, width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
                body=nn.Sequential(
                    nn.Conv2d(width, 2 * width, 3, padding=1),
                    nn.ReLU(),
                    nn.Conv2d(2 * width, 2 * width, 3, padding=1),
                    nn.ReLU(),
                ),
                pool=nn.Sequential(nn.MaxPool2d(2), nn.Flatten()),
                head=nn.Sequential(nn.Linear(8 * width, 128), nn.ReLU(), nn.Linear(128, 10)),
            )
        )

    def _trained(self) -> Any:
        """Return the trained network; the same options give the same weights, whatever was drawn before."""
        torch = optional("torch")
        data, threads = images.create("digits").load(), torch.get_num_threads()
        pictures = torch.from_numpy(np.pad(data.transfer[:], ((0, 0), (0, 0), (1, 1), (1, 1))))
        labels = torch.from_numpy(data.transfer_labels)
        torch.set_num_threads(1)  # sums over several threads would depend on their number
        try:
            with torch.random.fork_rng(devices=[]), torch.enable_grad():
                torch.manual_seed(self.seed)
                model = self._network()
                optimiser = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=DECAY)
                schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, self.epochs)
                for _ in range(self.epochs):
                    for chosen in torch.randperm(len(pictures)).split(BATCH):
                        top, left = torch.randint(0, 3, (2,)).tolist()
                        logits = model(pictures[chosen, :, top : top + 8, left : left + 8])
                        optimiser.zero_grad()
                        torch.nn.functional.cross_entropy(logits, labels[chosen]).backward()
                        optimiser.step()
                    schedule.step()
        finally:
            torch.set_num_threads(threads)
        return frozen(model)


@teachers.register("digits_transformer")
@dataclass(frozen=True)
class DigitsTransformer(DigitsCNN):
    """A transformer for scikit-learn's digits, trained as digits_cnn is: a token for each of a picture's eight rows.

    ``embed``: rows of eight pixels to tokens of ``width``, with a learnt position. ``encoder``: two layers with four
    heads, GELU and an MLP of 4·width neurons, which is the span ``encoder.layers.1.linear1:linear2`` of the last one.
    ``head``: of the tokens' mean, to 10 logits.

    Parameters
    ----------
    width: of a token, a multiple of four.
    epochs: passes over the transfer part, with AdamW, a cosine schedule and pictures shifted by up to a pixel.
    seed: of the initial weights and of the order of the pictures.
    """

    name: ClassVar[str] = "digits_transformer"
    block: ClassVar[str | None] = "encoder.layers.1.linear1:linear2"

    def _network(self) -> Any:
        return _transformer(self.width)


def _transformer(width: int) -> Any:
    torch = optional("torch")
    nn = torch.nn

    class Transformer(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.embed, self.position = nn.Linear(8, width), nn.Parameter(0.02 * torch.randn(8, width))
            layer = nn.TransformerEncoderLayer(width, 4, 4 * width, activation="gelu", batch_first=True, dropout=0.0)
            self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
            self.head = nn.Linear(width, 10)

        def forward(self, pictures: Any) -> Any:
            return self.head(self.encoder(self.embed(pictures[:, 0]) + self.position).mean(1))

    return Transformer()
