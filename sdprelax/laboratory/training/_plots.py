"""Pictures of sweeps: how tight, how large the gap, how fast, and how all that goes with γ and with size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from sdprelax.laboratory.results._gather import Gathered
from sdprelax.laboratory.results._pictures import (
    blank_figure,
    drawn,
    legend_outside,
    literal,
    looks_of,
    panels,
    written_lines,
)
from sdprelax.laboratory.training._tables import problem_columns, tightness_table
from sdprelax.laboratory.training._trial import gamma_words, problem_words

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "PICTURES",
    "bounds_against_time",
    "gap_by_method",
    "gap_over_gamma",
    "performance_profile",
    "scaling_picture",
    "tightness_picture",
]

# Trials in one picture, at most.
MOST_DRAWN = 1000
SMALLEST_GAP = 1e-10
# Statuses of trials whose seconds say what a method takes.
TIMED = ("solved", "time limit", "timeout")
Methods = Sequence[str] | None


def _looks(table: pd.DataFrame, methods: Methods) -> dict[str, tuple[str, str]]:
    """Return colours and markers of a table's methods, as they are among all methods of its sweeps."""
    there = list(dict.fromkeys(table["method"]))
    found = looks_of(list(methods or there))
    return {name: found[name] for name in there}


def _lines(looks: dict[str, tuple[str, str]], width: float = 1.2) -> dict[str, dict[str, Any]]:
    return {
        name: {"color": colour, "marker": marker, "markersize": 4, "linewidth": width}
        for name, (colour, marker) in looks.items()
    }


def _whole_decades(axes: Axes) -> None:
    """Let a logarithmic axis of x begin and end with a decade, so that it has labels that can be read."""
    low, high = axes.get_xlim()
    axes.set_xlim(10.0 ** np.floor(np.log10(low)), 10.0 ** np.ceil(np.log10(high)))


def _gamma_column(table: pd.DataFrame) -> tuple[str, str]:
    """Return the column of γ, or of γ/γ_max where that is known and has fewer values, and its title."""
    known = "gamma_relative" in table and bool(table["gamma_relative"].notna().all())
    relative = known and table["gamma_relative"].nunique() < table["gamma"].nunique()
    return ("gamma_relative", "γ/γ_max") if relative else ("gamma", "γ")


@drawn
def tightness_picture(table: pd.DataFrame, methods: Methods = None, columns: int | None = None) -> Figure:
    """Draw each method's certified interval on each problem, in units of the best upper bound.

    A closed interval at 1 is a certified global optimum; what lies left of 1 is not certified,
    what lies right of it is lost by the network.

    Parameters
    ----------
    table: of trials.
    methods: all that have a colour, by default those of the table.
    columns: names beside each other in the legend.
    """
    tight = tightness_table(table)
    # What the table calls a data set has the bias in its name already.
    tight["problem"] = [
        f"{written_lines(problem_words(row | {'bias': False}), 2.5)}, {gamma_words(row, chr(10))}"
        for row in tight.to_dict("records")
    ]
    problems, looks = list(dict.fromkeys(tight["problem"])), _looks(table, methods)
    places = {method: k - (len(looks) - 1) / 2 for k, method in enumerate(looks)}
    figure = blank_figure(6.5, 0.9 + 0.17 * len(problems) * (len(looks) + 1))
    axes = figure.subplots()
    axes.axvline(1.0, color="0.6", linewidth=0.8, zorder=0)
    floor = np.nanmin(tight["certified_percent"].to_numpy(dtype=float), initial=100.0) / 100.0
    ceiling = 1.0
    for row in tight.to_dict("records"):
        best = tight.loc[tight["problem"] == row["problem"], "upper"].min()
        if not abs(best) > 0:
            continue
        y = problems.index(row["problem"]) + places[row["method"]] * 0.8 / len(looks)
        lower, upper = (1.0 + (row[bound] - best) / abs(best) for bound in ("lower", "upper"))
        colour, marker = looks[row["method"]]
        shown = min(upper, 1.5)
        ceiling = max(ceiling, shown if np.isfinite(shown) else 1.0)
        if np.isfinite(lower) and np.isfinite(upper):
            axes.plot([lower, shown], [y, y], color=colour, linewidth=1.6, solid_capstyle="butt")
        for value in (lower, upper):
            if np.isfinite(value):
                end = "$>$" if value > 1.5 else marker
                axes.plot(min(value, 1.5), y, marker=end, color=colour, markersize=4, linestyle="none")
    margin = 0.04 * (ceiling - floor) + 0.005
    axes.set_xlim(floor - margin, ceiling + margin)
    axes.set_yticks(range(len(problems)), problems)
    axes.set_ylim(len(problems) - 0.5, -0.5)
    figure.supxlabel("lower bound (left end) and network (right end), relative to the best network", fontsize=9)
    legend_outside(figure, _lines(looks, 1.6), columns, "upper")
    return figure


@drawn
def gap_by_method(table: pd.DataFrame, methods: Methods = None, columns: int | None = None) -> Figure:
    """Draw the relative gap of every trial by method, one panel per γ; per γ/γ_max, where that has fewer values.

    Parameters
    ----------
    table: of trials.
    methods: all that have a colour, by default those of the table.
    columns: panels beside each other, by default all.
    """
    rows = table.dropna(subset=["gap"])
    column, title = _gamma_column(rows)
    gammas = sorted(rows[column].unique(), reverse=True)
    shown, looks = list(dict.fromkeys(rows["method"])), _looks(table, methods)
    beside = columns or min(len(gammas), 4)
    figure, drawn_on = panels(len(gammas), beside, 2.6, 1.1 + 0.4 * len(shown))
    width, height = figure.get_size_inches()
    figure.set_size_inches(width + 0.4 + 0.07 * max(len(method) for method in shown), height)
    rng = np.random.default_rng(0)
    for k, (axes, gamma) in enumerate(zip(drawn_on, gammas, strict=True)):
        for place, method in enumerate(shown):
            gaps = rows[(rows[column] == gamma) & (rows["method"] == method)]["gap"].to_numpy(dtype=float)
            colour, marker = looks[method]
            spread = place + rng.uniform(-0.15, 0.15, len(gaps))
            high = np.maximum(gaps, SMALLEST_GAP)
            axes.plot(high, spread, marker, color=colour, markersize=5, alpha=0.75, markeredgewidth=0)
        axes.set_xscale("log")
        axes.set_xlim(SMALLEST_GAP / 3, 3.0)
        axes.set_xticks([1e-10, 1e-8, 1e-6, 1e-4, 1e-2, 1.0])
        axes.grid(axis="x", color="0.9", linewidth=0.6)
        axes.set_title(literal(f"{title} = {gamma:g}"))
        axes.set_yticks(range(len(shown)), map(literal, shown) if k % beside == 0 else [""] * len(shown))
        axes.set_ylim(len(shown) - 0.5, -0.5)
    figure.supxlabel("relative gap of each trial (smaller is better)", fontsize=9)
    return figure


@drawn
def bounds_against_time(
    table: pd.DataFrame, trace: pd.DataFrame, methods: Methods = None, columns: int | None = None
) -> Figure:
    """Draw how far every method's bounds are from the best network, against seconds, one panel per problem.

    Solid: what the lower bound leaves uncertified, (best − lower)/|best|; dotted: what the network loses,
    (upper − best)/|best|.

    Parameters
    ----------
    table: of trials.
    trace: bounds against seconds, by the hash of the trial.
    methods: all that have a colour, by default those of the table.
    columns: panels beside each other.
    """
    keys = problem_columns(table)
    problems, looks = list(table.groupby(keys, sort=False).groups), _looks(table, methods)
    width = 6.5 / max(1, min(3, columns or 3, len(problems)))
    figure, drawn_on = panels(len(problems), columns, width, 2.1)
    for axes, problem in zip(drawn_on, problems, strict=True):
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
        _whole_decades(axes)
        axes.set_ylim(0.5 * SMALLEST_GAP, 2.0)
        axes.set_xlabel("seconds")
        shown = dict(zip(keys, problem, strict=True))
        share = table.loc[mine, "gamma_relative"].iloc[0] if "gamma_relative" in table else None
        words = written_lines(problem_words(shown), width - 0.6)
        axes.set_title(f"{words}\n{gamma_words(shown | {'gamma_relative': share})}")
    figure.supylabel("distance to the best network, relative to it", fontsize=9)
    entries = _lines(looks, 1.1)
    for line, label in (("-", "best network − lower bound"), (":", "network − best network")):
        entries[label] = {"linestyle": line, "color": "0.4", "linewidth": 1.1}
    legend_outside(figure, entries)
    return figure


@drawn
def performance_profile(table: pd.DataFrame, methods: Methods = None, columns: int | None = None) -> Figure:
    """Draw the share of trials that each method solves, by its own tolerance, within a factor of the fastest's time.

    Source: E. D. Dolan and J. J. Moré (2002), Mathematical Programming 91.

    Parameters
    ----------
    table: of trials.
    methods: all that have a colour, by default those of the table.
    columns: names beside each other in the legend.
    """
    looks = _looks(table, methods)
    runs = table.groupby([*problem_columns(table), "repeat"], sort=False).ngroup()
    solved = table[(table["status"] == "solved") & table["seconds"].notna()].assign(run=runs)
    ratios = solved["seconds"] / solved.groupby("run")["seconds"].transform("min")
    figure = blank_figure(4.6, 2.9)
    axes = figure.subplots()
    most = 1.3 * max(2.0, float(ratios.max()))
    for method, (colour, _) in looks.items():
        mine = np.sort(ratios[solved["method"] == method].to_numpy(dtype=float))
        share = np.arange(len(mine) + 1) / runs.nunique()
        axes.step([1.0, *mine, most], [*share, share[-1]], where="post", color=colour, linewidth=1.4)
    axes.set_xscale("log")
    axes.set_xlim(1.0, most)
    axes.set_ylim(0.0, 1.03)
    axes.grid(color="0.9", linewidth=0.6)
    axes.set_xlabel("seconds, relative to the fastest method on the problem")
    axes.set_ylabel("problems solved by its own tolerance")
    axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
    legend_outside(figure, {name: {"color": colour} for name, (colour, _) in looks.items()}, columns)
    return figure


@drawn
def scaling_picture(table: pd.DataFrame, methods: Methods = None, columns: int | None = None) -> Figure:
    """Draw the median seconds of each method against the number n of samples.

    Parameters
    ----------
    table: of trials.
    methods: all that have a colour, by default those of the table.
    columns: names beside each other in the legend.
    """
    lines = _lines(_looks(table, methods))
    timed = table[table["status"].isin(TIMED)].dropna(subset=["n", "seconds"])
    figure = blank_figure(4.6, 2.9)
    axes = figure.subplots()
    for method, look in lines.items():
        median = timed[timed["method"] == method].groupby("n")["seconds"].median()
        axes.plot(median.index, np.maximum(median, 1e-3), **look)
    axes.set_xscale("log")
    axes.set_yscale("log")
    sizes = sorted(timed["n"].unique())
    if len(sizes) <= 8:
        axes.set_xticks(sizes, [f"{n:g}" for n in sizes])
        axes.minorticks_off()
    low, high = axes.get_ylim()
    axes.set_ylim(10.0 ** np.floor(np.log10(low)), 10.0 ** np.ceil(np.log10(high)))
    axes.grid(color="0.9", linewidth=0.6)
    axes.set_xlabel("n, samples")
    axes.set_ylabel("seconds, median")
    legend_outside(figure, lines, columns)
    return figure


@drawn
def gap_over_gamma(table: pd.DataFrame, methods: Methods = None, columns: int | None = None) -> Figure:
    """Draw the relative gap of every method's best bounds over γ, or γ/γ_max where it is known; a panel per data set.

    Parameters
    ----------
    table: of trials.
    methods: all that have a colour, by default those of the table.
    columns: panels beside each other.
    """
    tight, looks = tightness_table(table), _looks(table, methods)
    known = "gamma_relative" in tight and bool(tight["gamma_relative"].notna().all())
    column, title = ("gamma_relative", "γ/γ_max") if known else ("gamma", "γ")
    keys = [name for name in problem_columns(tight.assign(bias=False)) if name not in ("gamma", "bias")]
    tight["gap"] = tight["gap"].clip(lower=SMALLEST_GAP)
    groups = list(tight.groupby(keys, sort=False))
    figure, drawn_on = panels(len(groups), columns, 3.0, 2.4)
    for axes, (problem, rows) in zip(drawn_on, groups, strict=True):
        for method, look in _lines(looks).items():
            path = rows[(rows["method"] == method) & rows["gap"].notna()].sort_values(column)
            axes.plot(path[column], path["gap"], **look)
        axes.set_xscale("log")
        axes.set_yscale("log")
        _whole_decades(axes)
        axes.set_ylim(0.5 * SMALLEST_GAP, 3.0)
        axes.grid(color="0.9", linewidth=0.6)
        axes.set_xlabel(title)
        axes.set_title(written_lines(problem_words(dict(zip(keys, problem, strict=True)) | {"bias": False}), 2.4))
    figure.supylabel("relative gap", fontsize=9)
    bounded = {name: look for name, look in looks.items() if tight.loc[tight["method"] == name, "gap"].notna().any()}
    legend_outside(figure, _lines(bounded), None)
    return figure


def _when(
    there: Callable[[pd.DataFrame], bool], draw: Callable[..., Figure], *more: str
) -> Callable[[Gathered, int | None], Figure | None]:
    """Return what draws sweeps where there is anything to see; more than a thousand trials make no such picture."""

    def picture(found: Gathered, columns: int | None = None) -> Figure | None:
        table = found.tables["table"]
        if len(table) == 0 or len(table) > MOST_DRAWN or not there(table):
            return None
        return draw(table, *(found.tables[name] for name in more), methods=found.methods, columns=columns)

    return picture


def _has(name: str) -> Callable[[pd.DataFrame], bool]:
    return lambda table: bool(table[name].notna().any())


PICTURES = {
    "tightness": _when(_has("upper"), tightness_picture),
    "gap": _when(_has("gap"), gap_by_method),
    "time": _when(_has("upper"), bounds_against_time, "trace"),
    "profile": _when(lambda table: bool((table["status"] == "solved").any()), performance_profile),
    "scaling": _when(lambda table: len(table.loc[table["status"].isin(TIMED), "n"].unique()) > 1, scaling_picture),
    "path": _when(lambda table: len(table.loc[table["gap"].notna(), "gamma"].unique()) > 1, gap_over_gamma),
}
