"""Gated networks beside pyscnn and skglm, and gates from the relaxation."""

from __future__ import annotations

import pandas as pd

from documents.writing import figure, markdown, published, significant, table

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


def fastest(name: str, *solvers: str) -> pd.Series | None:
    """Return the fastest run of some solvers on a case that proves a gap of 1e-4, if there is one."""
    found = published("gated")
    met = found[(found["gap"] <= MET) & (found["data"] == name) & found["solver"].isin(solvers)]
    return None if met.empty else met.loc[met["seconds"].idxmin()]


@table("gated, short")
def short() -> str:
    """The fastest run of ours, of pyscnn and of skglm that proves a gap of 1e-4."""
    rows = []
    for name, shown in (
        ("random 1000×50", "1000×50"), ("random 1000×50, 10⁴ gates", "1000×50"), ("random 10000×100", "10,000×100")
    ):  # fmt: skip
        ours = fastest(name, "irls", "fista")
        assert ours is not None
        beside = []
        for rival in (fastest(name, "pyscnn"), fastest(name, "skglm")):
            said = "does not fit"
            if rival is not None:
                ratio = significant(rival["seconds"] / ours["seconds"])
                said = f"{significant(rival['seconds'], 3)} s ({ratio}×)"
            beside.append(said)
        seconds = significant(ours["seconds"], 2 if ours["seconds"] < 1 else 3)
        rows.append([f"{shown}, {ours['gates']:,}", f"{seconds} s (`{ours['solver']}`)", *beside])
    return markdown(["samples × inputs, gates", "ours", "pyscnn 0.0.10", "skglm 0.5"], rows)


@figure("gated, speeds")
def speeds() -> str:
    """How much longer pyscnn takes to a proved gap of 1e-4."""

    def ratio(name: str) -> str:
        ours, rival = fastest(name, "irls", "fista"), fastest(name, "pyscnn")
        assert ours is not None and rival is not None
        return significant(rival["seconds"] / ours["seconds"])

    return (
        f"{ratio('random 1000×50')} times pyscnn's speed at 1000×50 with 500 gates, {ratio('random 10000×100')} times "
        f"at 10,000×100 with 1,000, {ratio('random 1000×50, 10⁴ gates')} times with 10⁴ gates"
    )


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
