"""Pictures of networks over two-dimensional data: their neurons, and the regions that they make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sdprelax.base import InputError, optional
from sdprelax.laboratory.results._pictures import COLOURS, blank_figure, drawn, literal
from sdprelax.networks import Network, decided
from sdprelax.problem import Problem

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["geometry_picture", "labels_of", "neurons_picture"]


def labels_of(problem: Problem) -> NDArray[np.intp]:
    """Return the class of every sample, or the output of its largest target by magnitude, shape (n,)."""
    return decided(problem.Y) if problem.loss.targets == "signs" else np.argmax(np.abs(problem.Y), axis=1)


@drawn
def neurons_picture(problem: Problem, networks: Mapping[str, Network]) -> Figure:
    """Draw the neurons of several networks over two-dimensional data, one panel each.

    A ray points along a neuron's hidden weight u; its length is ‖u‖‖v‖ relative to the largest neuron of
    all panels, its colour the output to which v contributes most (by magnitude). Points are coloured by their
    largest target.

    Raises
    ------
    InputError: the data are not two-dimensional, or have a bias (then u is not a direction in the plane).
    """
    X = problem.X
    if problem.inputs.shape[1] != 2:
        raise InputError(f"neurons can be drawn over 2 inputs without bias; this problem has {problem.shape[1]}.")
    reach = 1.05 * float(np.max(np.linalg.norm(X, axis=1)))
    sizes = {
        name: np.linalg.norm(network.hidden, axis=0) * np.linalg.norm(network.output, axis=1)
        for name, network in networks.items()
    }
    largest = max((float(np.max(size, initial=0.0)) for size in sizes.values()), default=0.0) or 1.0
    figure = blank_figure(2.6 * len(networks), 2.9)
    panels: list[Axes] = list(np.atleast_1d(figure.subplots(1, len(networks), sharex=True, sharey=True)))
    shade = [COLOURS[k % len(COLOURS)] for k in labels_of(problem)]
    for axes, (name, network) in zip(panels, networks.items(), strict=True):
        axes.scatter(X[:, 0], X[:, 1], s=9, c=shade, alpha=0.55, linewidths=0)
        for u, v, size in zip(network.hidden.T, network.output, sizes[name], strict=True):
            if size > 1e-3 * largest:
                tip = u / np.linalg.norm(u) * reach * size / largest
                colour = COLOURS[int(np.argmax(np.abs(v))) % len(COLOURS)]
                axes.plot([0.0, tip[0]], [0.0, tip[1]], color=colour, linewidth=1.2)
        shown = int(np.sum(sizes[name] > 1e-3 * largest))
        axes.set_title(f"{literal(name)}: {shown} neurons, p = {problem.objective(network):.5g}")
        axes.set_aspect("equal")
        axes.set_xlim(-reach, reach)
        axes.set_ylim(-reach, reach)
    return figure


@drawn
def geometry_picture(problem: Problem, network: Network, samples: Sequence[int] = ()) -> Figure:
    """Draw a network over two-dimensional data: its regions, its neurons' lines, and the samples they pass.

    The background is the output, or with several outputs the largest of them; each line is where a neuron switches on,
    drawn thicker for larger neurons. Regions of linearity are what the lines leave between them.

    Parameters
    ----------
    problem: of 2 inputs, with or without bias.
    network: any of its networks.
    samples: samples to be circled, by number: those that a wedge network is made of.

    Raises
    ------
    InputError: the data are not two-dimensional.
    """
    X, Y = problem.X, problem.Y
    if X.shape[1] != 2:
        raise InputError(f"regions can be drawn over 2 inputs; this problem has {X.shape[1]}.")
    centre, half = 0.5 * (X.max(axis=0) + X.min(axis=0)), 0.6 * float(np.max(np.ptp(X, axis=0))) or 1.0
    ticks = np.linspace(-half, half, 300)
    grid = np.stack(np.meshgrid(ticks + centre[0], ticks + centre[1]), axis=-1)
    outputs = network.predict(grid.reshape(-1, 2)).reshape(300, 300, -1)
    figure = blank_figure(4.4, 4.0)
    axes = figure.subplots()
    extent = (centre[0] - half, centre[0] + half, centre[1] - half, centre[1] + half)
    look: dict[str, Any] = {"origin": "lower", "extent": extent, "alpha": 0.45, "interpolation": "nearest"}
    if outputs.shape[2] == 1:
        bound = float(np.max(np.abs(outputs))) or 1.0
        image = axes.imshow(outputs[:, :, 0], cmap="RdBu_r", vmin=-bound, vmax=bound, **look)
        figure.colorbar(image, ax=axes, label="output", shrink=0.8)
        points: Any = {"c": Y[:, 0], "cmap": "RdBu_r", "vmin": -bound, "vmax": bound}
    else:
        palette = np.array([optional("matplotlib.colors").to_rgb(colour) for colour in COLOURS])
        axes.imshow(palette[np.argmax(outputs, axis=2) % len(COLOURS)], **look)
        points = {"c": palette[np.argmax(Y, axis=1) % len(COLOURS)]}
    sizes = np.linalg.norm(network.hidden, axis=0) * np.linalg.norm(network.output, axis=1)
    largest = float(np.max(sizes, initial=0.0)) or 1.0
    for u, size in zip(network.hidden.T, sizes, strict=True):
        length = float(np.linalg.norm(u[:2]))
        if length == 0.0 or size <= 1e-3 * largest:
            continue
        offset = (u[2] if problem.bias else 0.0) + u[:2] @ centre
        foot, along = centre - u[:2] * offset / length**2, np.array([-u[1], u[0]]) / length
        ends = np.stack([foot - 4.0 * half * along, foot + 4.0 * half * along])
        axes.plot(ends[:, 0], ends[:, 1], color="0.25", linewidth=0.4 + 1.6 * size / largest, zorder=2)
    axes.scatter(X[:, 0], X[:, 1], s=14, edgecolors="0.2", linewidths=0.4, zorder=3, **points)
    chosen = X[list(samples)]
    axes.scatter(
        chosen[:, 0], chosen[:, 1], s=55, facecolors="none", edgecolors="black", linewidths=1.1, zorder=4,
        label=f"{len(chosen)} of {len(X)} samples, {network.width} neurons",
    )  # fmt: skip
    axes.set_xlim(*extent[:2])
    axes.set_ylim(*extent[2:])
    axes.set_aspect("equal")
    axes.set_title(f"p = {problem.objective(network):.5g}")
    figure.legend(loc="outside lower center", frameon=False)
    return figure
