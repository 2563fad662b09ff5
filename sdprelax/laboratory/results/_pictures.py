"""How pictures look, and how they are written."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from sdprelax.base import write_whole

__all__ = ["COLOURS", "MARKERS", "STYLE", "literal", "looks_of", "write_pictures"]

# Okabe and Ito's palette, told apart by every kind of colour vision, and one marker each.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
# Matplotlib's own settings, whatever a user's matplotlibrc says, and what differs from them.
STYLE: dict[Any, Any] = {
    **{name: value for name, value in matplotlib.rcParamsDefault.items() if name not in ("backend", "interactive")},
    "font.size": 9, "axes.titlesize": 9, "axes.labelsize": 9, "legend.fontsize": 8, "xtick.labelsize": 8,
    "ytick.labelsize": 8, "axes.spines.top": False, "axes.spines.right": False, "pdf.fonttype": 42,
    "figure.constrained_layout.use": True,
}  # fmt: skip


def literal(name: Any) -> str:
    """Return a name as Matplotlib draws it letter by letter: what stands between two dollars would be a formula."""
    return str(name).replace("$", r"\$")


def looks_of(names: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Return a colour and a marker for each name."""
    # Where colours begin anew, markers are one further on.
    markers = [MARKERS[(k + k // len(COLOURS)) % len(MARKERS)] for k in range(len(names))]
    return {n: (COLOURS[k % len(COLOURS)], markers[k]) for k, n in enumerate(names)}


def write_pictures(folder: Path, pictures: dict[str, Figure | None]) -> list[Path]:
    """Write pictures as PDF and PNG, each whole; return the PNG files. Where there is none, an old one is removed."""
    written = []
    with matplotlib.rc_context(STYLE):  # the type of a PDF's fonts is settled when it is written
        for name, figure in pictures.items():
            for form in ("pdf", "png"):
                path = folder / f"{name}.{form}"
                if figure is None:
                    path.unlink(missing_ok=True)
                    continue
                drawn = io.BytesIO()
                figure.savefig(drawn, format=form, dpi=200)
                write_whole(path, drawn.getvalue())
            if figure is not None:
                written.append(folder / f"{name}.png")
    return written
