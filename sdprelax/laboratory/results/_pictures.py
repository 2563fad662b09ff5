"""How pictures look, and how they are written: the drawing room of every kind of trial."""

from __future__ import annotations

import contextlib
import contextvars
import functools
import io
import itertools
import textwrap
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import numpy as np

from sdprelax.base import InputError, first_line, nearest, optional, storing, write_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "COLOURS", "MARKERS", "blank_figure", "drawn", "house_style", "legend_outside", "literal", "looks_of", "panels",
    "styled", "write_picture", "write_pictures", "written_lines",
]  # fmt: skip

# Okabe and Ito's palette but for its yellow, which is faint on white, and a violet: eight that every kind of colour
# vision tells apart, and one marker each.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#7800E1")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
# Methods whose colour is the same in every sweep, as long as there is one of each; others take what is left.
FIRST = ("sdp", "exact", "lbfgs", "gated_relu", "convex_relu", "wedge", "mkl", "frank_wolfe")
# Typefaces with Chinese, Japanese and Korean characters, the first of which that is installed is drawn with.
CJK = (
    "Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans SC", "Source Han Sans SC", "WenQuanYi Zen Hei",
    "WenQuanYi Micro Hei", "Droid Sans Fallback", "IPAGothic", "PingFang SC", "Hiragino Sans", "Arial Unicode MS",
    "Microsoft YaHei", "SimHei",
)  # fmt: skip
_added: contextvars.ContextVar[dict[Any, Any] | None] = contextvars.ContextVar("style", default=None)
Taken = ParamSpec("Taken")
Given = TypeVar("Given")
# Characters to an inch of a panel's title.
LETTERS = 13.0


@functools.cache
def _fonts() -> list[str]:
    there = {font.name for font in optional("matplotlib.font_manager").fontManager.ttflist}
    return ["DejaVu Sans", *[name for name in CJK if name in there][:1]]


def house_style() -> dict[Any, Any]:
    """Return Matplotlib's own settings, whatever a user's matplotlibrc says, with what differs from them here.

    Raises
    ------
    SolverUnavailable: Matplotlib is not installed.
    """
    defaults = optional("matplotlib").rcParamsDefault
    return {
        **{name: value for name, value in defaults.items() if name not in ("backend", "interactive")},
        "font.size": 9, "axes.titlesize": 9, "axes.labelsize": 9, "legend.fontsize": 8, "xtick.labelsize": 8,
        "ytick.labelsize": 8, "axes.spines.top": False, "axes.spines.right": False, "pdf.fonttype": 42,
        "figure.constrained_layout.use": True, "font.family": _fonts(),
    }  # fmt: skip


def blank_figure(width: float, height: float) -> Figure:
    """Return an empty figure of a width and a height in inches."""
    figure: Figure = optional("matplotlib.figure").Figure(figsize=(width, height))
    return figure


def drawn(function: Callable[Taken, Given]) -> Callable[Taken, Given]:
    """Let a function draw in the house's style, and with what :func:`styled` adds to it."""

    @functools.wraps(function)
    def drawing(*arguments: Taken.args, **options: Taken.kwargs) -> Given:
        settings = {**house_style(), **(_added.get() or {})}
        with optional("matplotlib").rc_context(settings), warnings.catch_warnings():
            # A character that no typeface has is drawn as a box, which says enough.
            warnings.filterwarnings("ignore", r"Glyph .* missing from", UserWarning)
            return function(*arguments, **options)

    return drawing


@contextlib.contextmanager
def styled(name: str | None) -> Iterator[None]:
    """Draw with a style of Matplotlib's, by its name or its file, upon the house's; colours stay those of the methods.

    Raises
    ------
    InputError: there is no such style, or its file cannot be read. SolverUnavailable: Matplotlib is not installed.
    """
    token = _added.set(None if name is None else _style(name))
    try:
        yield
    finally:
        _added.reset(token)


def _style(name: str) -> dict[Any, Any]:
    matplotlib, library = optional("matplotlib"), optional("matplotlib.style").library
    if name in library:
        found = dict(library[name])
    elif Path(name).is_file():
        try:
            found = dict(matplotlib.rc_params_from_file(name, use_default_template=False))
        except (OSError, ValueError) as error:
            raise InputError(f"{name} is no style of Matplotlib's: {first_line(error)}.") from None
    else:
        raise InputError(f"there is no style or file '{name}': {nearest(name, library, most=5)}.")
    if "font.family" in found:
        found["font.family"] = [*found["font.family"], *_fonts()]
    # Names are drawn letter by letter, which TeX does not do, panels laid out and colours chosen by us.
    ours = {"text.usetex": False, "figure.constrained_layout.use": True}
    ours |= {"axes.prop_cycle": matplotlib.rcParamsDefault["axes.prop_cycle"]}
    return {key: value for key, value in found.items() if key not in ("backend", "interactive")} | ours


def literal(name: Any) -> str:
    """Return a name as Matplotlib draws it letter by letter: what stands between two dollars would be a formula."""
    return str(name).replace("$", r"\$")


def written_lines(name: str, inches: float) -> str:
    """Return a title in lines that fit so many inches, to be drawn letter by letter."""
    return literal("\n".join(textwrap.wrap(name, max(12, int(LETTERS * inches)))))


def looks_of(names: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Return a colour and a marker for each name; up to eight names have eight colours.

    A method of ``FIRST`` has a colour of its own, which its first variant takes in every sweep.
    """
    places: dict[str, int] = {}
    for name in names:
        method = name.partition("(")[0]
        if method in FIRST and FIRST.index(method) not in places.values():
            places[name] = FIRST.index(method)
    free = (k for k in itertools.count() if k not in places.values())
    others = [name for name in names if name not in places]
    places |= dict(zip(others, itertools.islice(free, len(others)), strict=True))
    # Where colours begin anew, markers are one further on.
    return {
        name: (COLOURS[k % len(COLOURS)], MARKERS[(k + k // len(COLOURS)) % len(MARKERS)])
        for name in names
        for k in [places[name]]
    }


def panels(count: int, columns: int | None, width: float, height: float) -> tuple[Figure, list[Axes]]:
    """Return a figure with so many panels, of a width and a height in inches each, three side by side unless told."""
    beside = max(1, min(columns or 3, count))
    lines = -(-max(1, count) // beside)
    figure = blank_figure(max(4.6, width * beside), height * lines)
    axes = list(np.ravel(figure.subplots(lines, beside, squeeze=False)))
    for spare in axes[count:]:
        spare.set_visible(False)
    return figure, axes[:count]


def legend_outside(
    figure: Figure, entries: dict[str, dict[str, Any]], columns: int | None = None, where: str = "lower"
) -> None:
    """Name lines and markers below, or above, the panels, in as many columns as names leave room for unless told."""
    line = optional("matplotlib.lines").Line2D
    lines = [line([], [], label=literal(name), **look) for name, look in entries.items()]
    beside = columns or max(1, int(15.0 * figure.get_figwidth() / (max(map(len, entries)) + 6)))
    place: Any = f"outside {where} center"
    figure.legend(handles=lines, loc=place, ncols=beside, frameon=False)
    width, height = figure.get_size_inches()
    figure.set_size_inches(width, height + 0.2 * -(-len(entries) // beside))


def write_pictures(folder: Path, pictures: dict[str, Figure | None]) -> list[Path]:
    """Write pictures as PDF and PNG, each whole; return the PNG files. Where there is none, an old one is removed."""
    for name, figure in pictures.items():
        for form in ("pdf", "png"):
            if figure is None:
                (folder / f"{name}.{form}").unlink(missing_ok=True)
            else:
                write_picture(folder / f"{name}.{form}", figure)
    return [folder / f"{name}.png" for name, figure in pictures.items() if figure is not None]


@drawn  # the type of a PDF's fonts is settled when it is written
def write_picture(path: Path, figure: Figure) -> None:
    """Write a picture, whole, in the form that the ending of its file's name says.

    Raises
    ------
    InputError: it says none that Matplotlib can write. StorageError: it cannot be written.
    """
    known = figure.canvas.get_supported_filetypes()
    form = path.suffix.removeprefix(".").lower()
    if form not in known:
        raise InputError(f"{path}: a picture's file ends in .pdf, .png, .svg or another of {', '.join(sorted(known))}.")
    content = io.BytesIO()
    figure.savefig(content, format=form, dpi=200)
    with storing(path):
        write_whole(path, content.getvalue())
