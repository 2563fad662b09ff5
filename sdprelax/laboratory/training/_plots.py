"""Pictures of a sweep: how tight, how large the gap, how fast."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from sdprelax.base import InputError
from sdprelax.laboratory.results._pictures import COLOURS, STYLE, literal, looks_of
from sdprelax.laboratory.training._tables import problem_columns, tightness_table
from sdprelax.laboratory.training._trial import gamma_words, problem_words
from sdprelax.networks import Network, decided
from sdprelax.problem import Problem

__all__ = [
    "bounds_against_time",
    "gap_by_method",
    "geometry_picture",
    "labels_of",
    "neurons_picture",
    "tightness_picture",
    "training_pictures",
]

# Trials in one picture, at most.
MOST_DRAWN = 1000
SMALLEST_GAP = 1e-10


@matplotlib.rc_context(STYLE)
def tightness_picture(table: pd.DataFrame) -> Figure:
    """Draw each method's certified interval on each problem, in units of the best upper bound.

    A closed interval at 1 is a certified global optimum; what lies left of 1 is not certified,
    what lies right of it is lost by the network.
    """
    tight = tightness_table(table)
    # What the table calls a data set has the bias in its name already.
    tight["problem"] = [
        f"{problem_words(row | {'bias': False})}, {gamma_words(row, chr(10))}" for row in tight.to_dict("records")
    ]
    problems, methods = list(dict.fromkeys(tight["problem"])), list(dict.fromkeys(tight["method"]))
    looks = looks_of(methods)
    height = 0.9 + 0.17 * len(problems) * (len(methods) + 1)
    figure = Figure(figsize=(6.5, height))
    axes = figure.subplots()
    axes.axvline(1.0, color="0.6", linewidth=0.8, zorder=0)
    floor = np.nanmin(tight["certified_percent"].to_numpy(dtype=float), initial=100.0) / 100.0
    ceiling = 1.0
    for row, problem in enumerate(problems):
        rows = tight[tight["problem"] == problem]
        best = rows["upper"].min()
        if not abs(best) > 0:
            continue
        for k, method in enumerate(methods):
            chosen = rows[rows["method"] == method]
            if chosen.empty:
                continue
            y = row + (k - (len(methods) - 1) / 2) * 0.8 / len(methods)
            lower, upper = (1.0 + (float(chosen[bound].iloc[0]) - best) / abs(best) for bound in ("lower", "upper"))
            colour, marker = looks[method]
            shown = min(upper, 1.5)
            ceiling = max(ceiling, shown if np.isfinite(shown) else 1.0)
            if np.isfinite(lower) and np.isfinite(upper):
                axes.plot([lower, shown], [y, y], color=colour, linewidth=1.6, solid_capstyle="butt")
            for value in (lower, upper):
                if np.isfinite(value):
                    end = "$>$" if value > 1.5 else marker
                    axes.plot(min(value, 1.5), y, marker=end, color=colour, markersize=4, linestyle="none")
    for method, (colour, marker) in looks.items():
        axes.plot([], [], color=colour, marker=marker, markersize=4, linewidth=1.6, label=literal(method))
    margin = 0.04 * (ceiling - floor) + 0.005
    axes.set_xlim(floor - margin, ceiling + margin)
    axes.set_yticks(range(len(problems)), map(literal, problems))
    axes.set_ylim(len(problems) - 0.5, -0.5)
    axes.set_xlabel("lower bound (left end) and network (right end), relative to the best network")
    figure.legend(loc="outside upper center", ncols=min(3, len(methods)), frameon=False)
    return figure


@matplotlib.rc_context(STYLE)
def gap_by_method(table: pd.DataFrame) -> Figure:
    """Draw the relative gap of every trial by method, one panel per γ; per γ/γ_max, where that has fewer values."""
    rows = table.dropna(subset=["gap"])
    share = "gamma_relative" in rows and bool(rows["gamma_relative"].notna().all())
    relative = share and rows["gamma_relative"].nunique() < rows["gamma"].nunique()
    column, title = ("gamma_relative", "γ/γ_max") if relative else ("gamma", "γ")
    gammas = sorted(rows[column].unique(), reverse=True)
    methods = list(dict.fromkeys(rows["method"]))
    looks = looks_of(list(dict.fromkeys(table["method"])))
    names = 0.4 + 0.07 * max(len(method) for method in methods)
    figure = Figure(figsize=(names + 2.6 * len(gammas), 1.1 + 0.4 * len(methods)))
    panels: list[Axes] = list(np.atleast_1d(figure.subplots(1, len(gammas), sharey=True)))
    rng = np.random.default_rng(0)
    for axes, gamma in zip(panels, gammas, strict=True):
        for k, method in enumerate(methods):
            gaps = rows[(rows[column] == gamma) & (rows["method"] == method)]["gap"].to_numpy(dtype=float)
            colour, marker = looks[method]
            spread = k + rng.uniform(-0.15, 0.15, len(gaps))
            shown = np.maximum(gaps, SMALLEST_GAP)
            axes.plot(shown, spread, marker, color=colour, markersize=5, alpha=0.75, markeredgewidth=0)
        axes.set_xscale("log")
        axes.set_xlim(SMALLEST_GAP / 3, 3.0)
        axes.set_xticks([1e-10, 1e-8, 1e-6, 1e-4, 1e-2, 1.0])
        axes.grid(axis="x", color="0.9", linewidth=0.6)
        axes.set_title(literal(f"{title} = {gamma:g}"))
    figure.supxlabel("relative gap of each trial (smaller is better)", fontsize=9)
    panels[0].set_yticks(range(len(methods)), map(literal, methods))
    panels[0].set_ylim(len(methods) - 0.5, -0.5)
    return figure


@matplotlib.rc_context(STYLE)
def bounds_against_time(trace: pd.DataFrame, table: pd.DataFrame) -> Figure:
    """Draw how far every method's bounds are from the best network, against seconds, one panel per problem.

    Solid: what the lower bound leaves uncertified, (best − lower)/|best|; dotted: what the network loses,
    (upper − best)/|best|.
    """
    keys = problem_columns(table)
    problems = list(table.groupby(keys, sort=False).groups)
    looks = looks_of(list(dict.fromkeys(table["method"])))
    columns = min(3, max(1, len(problems)))
    lines = -(-max(1, len(problems)) // columns)
    longest = max((len(name) for name in looks), default=0)
    beside = max(1, min(3, 110 // (longest + 12)))
    height = 2.1 * lines + 0.4 + 0.19 * -(-(len(looks) + 2) // beside)
    figure = Figure(figsize=(6.5, height))
    panels = list(np.atleast_1d(figure.subplots(lines, columns, squeeze=False)).ravel())
    for axes, problem in zip(panels, problems, strict=False):
        mine = (table[keys] == list(problem)).all(axis=1)
        best = table[mine]["upper"].min()
        points = trace.merge(table.loc[mine, ["hash", "method", "repeat"]], on="hash")
        if not abs(best) > 0 or points.empty:
            continue
        for (method, _), path in points.groupby(["method", "repeat"], sort=False):
            colour, marker = looks[str(method)]
            ordered = path.sort_values("seconds")
            seconds = np.maximum(ordered["seconds"].to_numpy(dtype=float), 1e-2)
            for bound, line in (("lower", "-"), ("upper", ":")):
                values = (ordered[bound].to_numpy(dtype=float) - best) / abs(best)
                far = -np.fmax.accumulate(values) if bound == "lower" else np.fmin.accumulate(values)
                far = np.maximum(far, SMALLEST_GAP)
                axes.step(seconds, far, line, where="post", color=colour, linewidth=1.1)
                axes.plot(seconds[-1], far[-1], marker, color=colour, markersize=4)
        axes.set_xscale("log")
        axes.set_yscale("log")
        # Whole decades, so that every axis has labels that can be read.
        low, high = axes.get_xlim()
        axes.set_xlim(10.0 ** np.floor(np.log10(low)), 10.0 ** np.ceil(np.log10(high)))
        axes.set_ylim(0.5 * SMALLEST_GAP, 2.0)
        axes.set_xlabel("seconds")
        shown = dict(zip(keys, problem, strict=True))
        share = table.loc[mine, "gamma_relative"].iloc[0] if "gamma_relative" in table else None
        axes.set_title(literal(f"{problem_words(shown)}, {gamma_words(shown | {'gamma_relative': share})}"))
    for axes in panels[len(problems) :]:
        axes.set_visible(False)
    for method, (colour, marker) in looks.items():
        panels[0].plot([], [], color=colour, marker=marker, markersize=4, linewidth=1.1, label=literal(method))
    for line, label in (("-", "best network − lower bound"), (":", "network − best network")):
        panels[0].plot([], [], line, color="0.4", linewidth=1.1, label=label)
    figure.supylabel("distance to the best network, relative to it", fontsize=9)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=beside, frameon=False)
    return figure


def labels_of(problem: Problem) -> NDArray[np.intp]:
    """Return the class of every sample, or the output of its largest target by magnitude, shape (n,)."""
    return decided(problem.Y) if problem.loss.targets == "signs" else np.argmax(np.abs(problem.Y), axis=1)


@matplotlib.rc_context(STYLE)
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
    figure = Figure(figsize=(2.6 * len(networks), 2.9))
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


@matplotlib.rc_context(STYLE)
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
    figure = Figure(figsize=(4.4, 4.0))
    axes = figure.subplots()
    extent = (centre[0] - half, centre[0] + half, centre[1] - half, centre[1] + half)
    look: dict[str, Any] = {"origin": "lower", "extent": extent, "alpha": 0.45, "interpolation": "nearest"}
    if outputs.shape[2] == 1:
        bound = float(np.max(np.abs(outputs))) or 1.0
        image = axes.imshow(outputs[:, :, 0], cmap="RdBu_r", vmin=-bound, vmax=bound, **look)
        figure.colorbar(image, ax=axes, label="output", shrink=0.8)
        points: Any = {"c": Y[:, 0], "cmap": "RdBu_r", "vmin": -bound, "vmax": bound}
    else:
        palette = np.array([matplotlib.colors.to_rgb(colour) for colour in COLOURS])
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


def training_pictures(table: pd.DataFrame, trace: pd.DataFrame) -> dict[str, Figure | None]:
    """Return the pictures of a sweep by name; None where there is nothing to see.

    More than a thousand trials make no picture that could be read: then there is none.
    """
    drawn = bool(table["upper"].notna().any()) and len(table) <= MOST_DRAWN
    return {
        "tightness": tightness_picture(table) if drawn else None,
        "time": bounds_against_time(trace, table) if drawn else None,
        "gap": gap_by_method(table) if drawn and table["gap"].notna().any() else None,
    }
