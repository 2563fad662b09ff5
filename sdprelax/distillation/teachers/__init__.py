"""The trained networks that a student imitates: one file per kind, registered by name.

A kind is a frozen dataclass whose fields are its options, with two calls: ``load(folder)``, and ``identity() -> str``,
which says all that determines the network. Every teacher takes pictures with pixels in [0, 1], as ``images`` gives
them: what its network was trained to see beyond that is done by its own first layer.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Protocol

from sdprelax.base import Registry, optional

__all__ = ["TeacherSource", "frozen", "normalisation", "teachers"]


class TeacherSource(Protocol):
    """Produces a trained network from its options alone."""

    block: ClassVar[str | None]
    """Name of the block that is distilled where nothing else is said, or None."""

    def load(self, folder: Path) -> Any:
        """Return the network, an ``nn.Module`` in evaluation mode; kind ``onnx`` returns an ``OnnxTeacher``.

        Parameters
        ----------
        folder: where weights that had to be trained are kept for the next time; it is made if need be.
        """
        ...

    def identity(self) -> str:
        """Return a text that differs wherever the network does: options, and checksums of files."""
        ...


teachers: Registry[TeacherSource] = Registry("teacher", __name__)


def frozen(model: Any) -> Any:
    """Return the network in evaluation mode and without gradients for its weights."""
    return model.eval().requires_grad_(False)


def normalisation(mean: list[float], deviation: list[float]) -> Any:
    """Return the layer z ↦ (z − mean)/deviation, channel by channel, as a batch normalisation without parameters."""
    torch = optional("torch")
    layer = torch.nn.BatchNorm2d(len(mean), eps=0.0, affine=False)
    layer.running_mean.copy_(torch.tensor(mean))
    layer.running_var.copy_(torch.tensor(deviation, dtype=torch.float64) ** 2)
    return layer
