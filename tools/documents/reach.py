"""Which method when, with sizes of which it was measured that they are within reach."""

from __future__ import annotations

from documents.closing import options
from documents.distilled import largest
from documents.gated import fastest
from documents.native import SIZES, seconds
from documents.sweeps import cones
from documents.verdicts import rounded_up
from documents.wedge import digits
from documents.writing import gap, markdown, published, scientific, significant, table


def _exact() -> str:
    iris = options(published("global_iris")).query("oracle == 'branch_and_bound' and gamma == 0.1").iloc[0]
    notes = published("global_bank_notes").query("gamma == 0.1").iloc[0]
    return (
        f"Iris 75×4→3 to {gap(iris['gap'])} in {iris['seconds']:.0f} s, Bank Notes 685×4→2 to {gap(notes['gap'])} in "
        f"{notes['seconds']:.0f} s"
    )


def _relaxation(data: str) -> str:
    runs = published("native_solvers").query("form == 'reduced' and data == @data")
    run = runs.set_index("solver").loc["native"]
    open_part = significant(100.0 * (1.0 - run["lower"] / runs["upper"].min()), 1)
    return f"{SIZES[data]} to {open_part} % in {seconds(run)} s"


def _certify() -> str:
    run = published("certify").set_index("network").loc["torch, wine"]
    size = f"{run['n']:.0f}×{run['rank']:.0f}→{run['outputs']:.0f}"
    above = significant(rounded_up(run["above"]))
    return f"a network on Wine {size}: at most {above} % above, {run['verdict_seconds']:.0f} s"


def _gated() -> str:
    run = fastest("random 10000×100", "irls", "fista")
    assert run is not None
    return f"10,000×100, {run['gates']:,} gates, to {scientific(run['gap'])} in {run['seconds']:.0f} s"


def _linear() -> str:
    """Return how often networks of two layers are certified, and on white inputs those of all depths."""
    found = published("deep_linear")
    two, white = found.query("depth == 2"), found.query("condition == 'white'")
    shares = [f"{mine['solved'].sum():.0f} of {mine['trials'].sum():.0f}" for mine in (two, white)]
    deepest = white["depth"].max()
    return f"random 60×8→6, certified: {shares[0]} of two layers, on white inputs {shares[1]} of up to {deepest} layers"


@table("reach")
def reach() -> str:
    """One line for each thing that somebody may want."""
    rows = [
        ["the optimum itself, of few inputs (rank ≤ 5)", "`exact`", "both bounds, which meet", _exact()],
        ["a bound, of any number of inputs", "`sdp`", "lower bound",
         f"the relaxation of {_relaxation('ionosphere')}, of {_relaxation('mnist')}"],
        ["a tighter one", "`sdp: {cones: 12}`", "lower bound", f"random 25×2→5: {cones()}"],
        ["a verdict on a network that you have", "`sdprelax certify`", "lower bound", _certify()],
        ["a good network, of any size", "`lbfgs`, `adam`, `sgd`", "nothing", "L-BFGS, Adam, gradient descent"],
        ["a convex network for many samples", "`gated_relu`", "its own program's optimum", _gated()],
        ["a learned kernel, or a closed-form one", "`mkl`, `ntk`, `nngp`", "`mkl`: its own program's optimum",
         "thousands of samples"],
        ["neurons in closed form", "`wedge`", "the Lasso's optimum; in small ranks both bounds",
         f"2,000 wedges: {digits()}"],
        ["a linear network of any depth", "`deep_linear`", "its own program's optimum", _linear()],
        ["a block of a deep network made smaller", "`sdprelax distill`", "the student's program gap",
         f"200,000 × 512 activations: {largest()}"],
    ]  # fmt: skip
    return markdown(["you want", "method", "proved", "within reach, measured"], rows, left=4)
