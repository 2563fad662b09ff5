"""How much choice optimal networks leave."""

from __future__ import annotations

import numpy as np
import pandas as pd

from documents.writing import figure, markdown, published, scientific, table

CASE = ["data", "share", "split"]


def _tolerance(value: float) -> str:
    return f"{100 * value:g} %" if value >= 1e-3 else scientific(value)


def _widths(name: str) -> pd.DataFrame:
    """Return accuracies in per cent, and how far apart the ends are, of every program and tolerance."""
    found = published(name).copy()
    percent = ["accuracy", "least_norm", "sparsest", "validated", "lowest", "highest", "flips"]
    found[percent] *= 100.0
    found["width"] = found["highest"] - found["lowest"]
    return found


@table("optima")
def optima() -> str:
    """Means over sets and splits, for every γ and tolerance."""
    rows = []
    for (share, tolerance), part in _widths("optima").groupby(["share", "tolerance"], sort=False):
        mean = part.mean(numeric_only=True)
        rows.append([
            f"{share:g}", _tolerance(tolerance), f"{mean['neurons']:.0f} → {mean['few']:.0f}",
            *(f"{mean[key]:.1f}" for key in ("accuracy", "least_norm", "sparsest", "validated")),
            f"{mean['lowest']:.1f}–{mean['highest']:.1f}", f"{part['width'].max():.1f}",
        ])  # fmt: skip
    columns = ["γ/γ_max", "within", "gates, found → minimal", "found", "least norm", "minimal", "by validation"]
    return markdown([*columns, "lowest–highest", "widest"], rows, left=0)


@table("optima nonzero")
def nonzero() -> str:
    """What fits the test data best among all that has the predictions of an optimum, by set."""
    rows = []
    for name, part in published("optima_nonzero").groupby("data", sort=False):
        mean = part.mean(numeric_only=True)
        rows.append([
            str(name), f"{mean['n']:.0f}", f"{mean['nonzero']:.0f}", f"{mean['optimal']:.0f}",
            *(f"{100 * mean[key]:.1f}" for key in ("accuracy", "chosen", "within")), _excess(mean["excess"]),
        ])  # fmt: skip
    columns = ["data", "n", "groups not 0", "at the optimum", "found", "fits the test data best"]
    return markdown([*columns, "the same, optimal to 1e-6", "objective above the optimum"], rows)


def _excess(value: float) -> str:
    return f"{100 * value:.2g} %" if value >= 1e-5 else "0 %"


@figure("optima unique")
def unique() -> str:
    """Programs with one optimum alone."""
    found = published("optima").drop_duplicates(CASE)
    return f"{int(found['unique'].sum())} of {len(found)}"


def _half(tolerance: float) -> float:
    found = _widths("optima")
    return float(np.mean(found.loc[found["tolerance"] == tolerance, "width"])) / 2.0


@figure("optima within 1 %")
def within_a_percent() -> str:
    """Half of the mean distance of the extremes."""
    return f"±{_half(1e-2):.1f}"


@figure("optima within 0.1 %")
def within_a_thousandth() -> str:
    """The same within a thousandth."""
    return f"±{_half(1e-3):.1f}"


@figure("optima within 1e-6")
def within_a_millionth() -> str:
    """Programs in which no two networks within 1e-6 of the optimum have another test accuracy."""
    found = _widths("optima")
    part = found[found["tolerance"] == 1e-6]
    return f"{int((part['width'] == 0.0).sum())} of {len(part)}"


@figure("optima choices")
def choices() -> str:
    """What other choices within 1 % gain on average, in points."""
    found = _widths("optima")
    part = found[found["tolerance"] == 1e-2]
    gains = [float(np.mean(part[key] - part["accuracy"])) for key in ("validated", "least_norm", "sparsest")]
    return f"{min(gains):+.1f} to {max(gains):+.1f}"


@figure("optima objective pairs")
def pairs() -> str:
    """How often the network of lower objective predicts better, among those within twice the least of the problem."""
    found = published("paper_predictions")
    found = found[(found["predictor"] == "network") & found["test_accuracy"].notna() & found["objective"].notna()]
    counts = {1: 0, 0: 0, -1: 0}
    for _, part in found.groupby(["dataset", "bias", "gamma"]):
        near = part[part["objective"] <= 2.0 * part["objective"].min()].sort_values("objective")
        accuracy = near["test_accuracy"].to_numpy()
        for k in range(len(near)):
            for j in range(k):
                counts[int(np.sign(round(accuracy[j] - accuracy[k], 9)))] += 1
    return f"better in {counts[1]} pairs, worse in {counts[-1]} and alike in {counts[0]}"
