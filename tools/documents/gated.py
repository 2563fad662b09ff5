"""Gated networks beside pyscnn and skglm, and gates from the relaxation."""

from __future__ import annotations

import pandas as pd

from documents.writing import markdown, published, significant, table

STOPS = {
    "irls": "ours, irls, gap {}", "fista": "ours, fista, gap {}", "pyscnn": "pyscnn, squared subgradient {}",
    "skglm": "skglm, subgradient {}",
}  # fmt: skip
# A gap asked for is met to a hundredth.
MET = 1.01e-4


@table("gated")
def runs() -> str:
    """Every run of benchmarks/gated.py."""
    rows = [
        [run.data, f"{run.gates:,}", STOPS[run.solver].format(f"{run.tolerance:.0e}"), f"{run.excess:.0e}",
         f"{run.gap:.0e}", f"{run.seconds:.3g}", f"{run.time_ratio:.1f}×"] for run in published("gated").itertuples()
    ]  # fmt: skip
    columns = ["data (γ = 1 % of the largest useful)", "gates", "solver, stops at", "value above the least"]
    return markdown([*columns, "proved gap", "seconds", "ratio"], rows, left=(0, 2))


@table("gated, short")
def short() -> str:
    """The fastest run of ours, of pyscnn and of skglm that proves a gap of 1e-4."""
    found = published("gated")
    found = found[found["gap"] <= MET]

    def fastest(case: pd.DataFrame, solvers: tuple[str, ...]) -> pd.Series | None:
        met = case[case["solver"].isin(solvers)]
        return None if met.empty else met.loc[met["seconds"].idxmin()]

    rows = []
    for name, shown in (
        ("random 1000×50", "1000×50"), ("random 1000×50, 10⁴ gates", "1000×50"), ("random 10000×100", "10,000×100")
    ):  # fmt: skip
        case = found[found["data"] == name]
        ours, pyscnn, skglm = (fastest(case, which) for which in (("irls", "fista"), ("pyscnn",), ("skglm",)))
        assert ours is not None and pyscnn is not None
        beside = ["does not fit" if rival is None else f"{significant(rival['seconds'], 3)} s "
                  f"({significant(rival['seconds'] / ours['seconds'])}×)" for rival in (pyscnn, skglm)]  # fmt: skip
        seconds = significant(ours["seconds"], 2 if ours["seconds"] < 1 else 3)
        rows.append([f"{shown}, {ours['gates']:,}", f"{seconds} s (`{ours['solver']}`)", *beside])
    return markdown(["samples × inputs, gates", "ours", "pyscnn 0.0.10", "skglm 0.5"], rows)


@table("gates")
def gates() -> str:
    """Convex training over patterns of the relaxation's rounding and over Gaussian ones."""
    rows = [
        [run.data, run.patterns, f"{run.convex_sdp:.4g} / {run.convex_gaussian:.4g}",
         f"{run.gated_sdp:.4g} / {run.gated_gaussian:.4g}", f"{run.sdp:.4g}", f"{run.bound:.4g}"]
        for run in published("gates").itertuples()
    ]  # fmt: skip
    columns = ["data (γ = 0.1)", "patterns", "`convex_relu`: SDP's / Gaussian", "gated value: SDP's / Gaussian"]
    return markdown([*columns, "the SDP's own network", "certified"], rows)
