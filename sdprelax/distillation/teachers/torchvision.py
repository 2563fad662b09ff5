"""Any network of torchvision, by name."""

from __future__ import annotations

import json
from collections import OrderedDict
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

from sdprelax.base import InputError, SolverUnavailable, nearest, optional
from sdprelax.distillation.teachers import frozen, normalisation, teachers

__all__ = ["Torchvision"]


@teachers.register("torchvision")
@dataclass(frozen=True)
class Torchvision:
    """A trained network of torchvision (pip install torchvision), which downloads the weights once.

    The network is called ``network``, so that a block of resnet18 is ``network.layer4.1``; before it stands the
    normalisation of the pixels that its weights were trained with.

    Parameters
    ----------
    name: as in ``torchvision.models.list_models()``; a wrong one is answered with the nearest.
    weights: which of the network's weights; DEFAULT are the best.
    """

    block: ClassVar[str | None] = None

    name: str = "resnet18"
    weights: str = "DEFAULT"

    def identity(self) -> str:
        """Return the options, and which weights these are."""
        return json.dumps({"teacher": "torchvision", **asdict(self), "weights": str(self._entry())}, sort_keys=True)

    def load(self, folder: Path) -> Any:
        """Return the network with its weights.

        Raises
        ------
        InputError: no network or no weights of that name.
        SolverUnavailable: torchvision is not installed, or the weights cannot be downloaded.
        """
        torch, models, entry = optional("torch"), _models(), self._entry()
        try:
            network = models.get_model(self.name, weights=entry)
        except OSError as error:
            raise SolverUnavailable(f"torchvision cannot get the weights of {self.name}: {error}.") from None
        seen = entry.transforms()
        parts = OrderedDict(normalise=normalisation(list(seen.mean), list(seen.std)), network=network)
        return frozen(torch.nn.Sequential(parts))

    def _entry(self) -> Any:
        models = _models()
        known = models.list_models()
        if self.name not in known:
            raise InputError(f"teacher 'torchvision': option 'name' is '{self.name}': {nearest(self.name, known)}.")
        choices = models.get_model_weights(self.name)
        if self.weights not in choices.__members__:
            raise InputError(
                f"teacher 'torchvision': option 'weights' is '{self.weights}': "
                f"{nearest(self.weights, choices.__members__)}."
            )
        return choices[self.weights]


def _models() -> Any:
    try:
        from torchvision import models
    except ImportError:
        raise SolverUnavailable("torchvision is not installed: pip install torchvision.") from None
    return models
