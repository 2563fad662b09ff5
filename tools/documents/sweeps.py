"""Tables of sweeps that anyone can run: the quickstart, the tightness of the relaxation, wedge products."""

from __future__ import annotations

import contextlib
import io

import pandas as pd

from documents.writing import figure, markdown, published, scientific, significant, table
from sdprelax.cli._display import print_summary
from sdprelax.laboratory import kinds
from sdprelax.laboratory.training import tightness_table

PROBLEM = ["dataset", "bias", "gamma"]


def sweep(name: str) -> pd.DataFrame:
    """Return a published sweep; a trial without a message has an empty one."""
    found = published(name)
    return found.assign(message=found["message"].astype(object).where(found["message"].notna(), ""))


@table("quickstart")
def quickstart() -> str:
    """What ``make quickstart`` prints."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        print_summary(kinds("training"), sweep("quickstart"))
    lines = [line.rstrip() for line in printed.getvalue().splitlines()]
    return "\n".join(f"    {line}" for line in lines if line)


def quickstart_of(dataset: str, method: str) -> pd.Series:
    """Return a row of the quickstart's table of tightness."""
    found = tightness_table(sweep("quickstart"))
    named = found["dataset"].eq(dataset) & found["method"].str.partition("(")[0].eq(method)
    return found[named].iloc[0]


@figure("quickstart, iris certified")
def iris_certified() -> str:
    """The relaxation's share of the optimum on Iris."""
    return f"{quickstart_of('iris', 'sdp')['certified_percent']:.0f} %"


@figure("quickstart, iris local")
def iris_local() -> str:
    """How far local training ends above the optimum on Iris."""
    return f"{significant(quickstart_of('iris', 'lbfgs')['excess_percent'])} %"


@figure("quickstart, seconds")
def quickstart_seconds() -> str:
    """How long the trials of the quickstart took together, and the longest."""
    trials = published("quickstart")
    longest = trials.loc[trials["seconds"].idxmax()]
    return (
        f"{trials['seconds'].sum():.0f} s together, of which `{longest['method']}` on {longest['dataset']} "
        f"{longest['seconds']:.0f} s"
    )


def uncertified(method: str, gamma: float = 0.1) -> pd.Series:
    """Return what a method leaves uncertified of the optimum on the random sets of the tightness sweep."""
    found = tightness_table(sweep("tightness"))
    named = found["dataset"].str.startswith("random") & found["method"].eq(method) & found["gamma"].eq(gamma)
    assert named.any(), method
    return 1.0 - found[named]["certified_percent"] / 100.0


@figure("tightness, cones")
def cones() -> str:
    """What the relaxation leaves uncertified with more and more cones."""
    plain, twelve, more = (uncertified(name).median() for name in ("sdp(cones=1)", "sdp(cones=12)", "sdp(cones=24)"))
    return (
        f"the relaxation leaves {significant(100.0 * plain, 1)} % uncertified, 12 cones by strong branching "
        f"{significant(100.0 * twelve, 1)} %, 24 cones {scientific(more)}"
    )


@table("wedge sweep")
def wedges() -> str:
    """Certified bound and network of wedges beside the optimum."""
    found = sweep("wedge")
    wanted = [
        ("spiral", 0.1, "spiral 60×2→3", False), ("spiral", 0.01, "spiral 60×2→3", False),
        ("random(seed=0)", 0.1, "random 25×2→1, seed 0", False),
        ("random(seed=0)", 0.1, "the same, neurons of one chamber added up", True),
    ]  # fmt: skip
    rows = []
    for dataset, gamma, shown, merged in wanted:
        mine = found[(found["dataset"] == dataset) & (found["gamma"] == gamma)].set_index("method")
        wedge = mine.loc[f"wedge(penalty=2, features=all, count=1000, merge={merged})"]
        bounds = [f"{value:.6f}" for value in (wedge["lower"], wedge["upper"], mine.loc["exact", "upper"])]
        rows.append([shown, f"{gamma:g}", *bounds])
    return markdown(["data", "γ", "wedge, certified", "wedge, network", "exact"], rows)
