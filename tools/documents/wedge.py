"""Wedge products: solvers of the Lasso, fewer features, and accuracy."""

from __future__ import annotations

from documents.writing import figure, markdown, percent, published, scientific, significant, table

INPUTS = [(2, 160), (3, 40), (3, 80), (3, 160), (4, 20), (4, 40), (4, 80)]


@table("wedge lasso")
def lasso() -> str:
    """The interior point beside coordinate descent."""
    rows = []
    for (name, n, c, features), mine in published("wedge_lasso").groupby(["data", "n", "c", "features"], sort=False):
        solver = mine.set_index("solver")
        ours = solver.loc["interior_point"]
        others = [
            f"{solver.loc[rival, 'time_ratio']:.0f}×, {scientific(solver.loc[rival, 'gap'])}"
            for rival in ("skglm", "sklearn")
        ]
        name, _, kind = str(name).partition(", ")
        label = f"{name}, {kind}, {n}→{c}" if kind else f"{name}, {n}→{c}"
        rows.append([label, f"{features:,}", f"{significant(ours['seconds'])}, {scientific(ours['gap'])}", *others])
    columns = ["data", "features", "interior point: seconds, gap", "skglm 0.5: times as long, gap"]
    return markdown([*columns, "scikit-learn 1.9: times as long, gap"], rows)


@table("wedge random")
def fewer() -> str:
    """The value of few features over that of all."""
    found = published("wedge_random").set_index(["d", "n", "choice"])
    rows = []
    for d, n in INPUTS:
        choice = found.loc[d, n]
        whole, oracle = choice.loc["all"], choice.loc["oracle"]
        few = [f"{choice.loc[name, 'ratio']:.3f}" for name in (
            "random 50", "random 200", "random 1000", "random 5000", "sketch 1000"
        )]  # fmt: skip
        rows.append([
            f"{d}, {n}", f"{whole['all']:,.0f}, {significant(whole['seconds'])}", *few,
            f"{oracle['ratio']:.5f}, {significant(oracle['seconds'])}",
        ])  # fmt: skip
    columns = ["inputs, samples", "all: features, seconds", "50 random", "200", "1,000", "5,000"]
    return markdown([*columns, "1,000 through projections to the plane", "oracle: ratio, seconds"], rows)


@table("wedge embeddings")
def accuracy() -> str:
    """Test accuracy of wedges beside other learners."""
    found = published("wedge_embeddings")
    sets = found.drop_duplicates("data").set_index("data")
    rows = []
    for learner, mine in found.groupby("learner", sort=False):
        by = mine.set_index("data")
        cells = [f"{percent(by.loc[name, 'accuracy']).removesuffix(' %')} ± {percent(by.loc[name, 'deviation'])}, "
                 f"{significant(by.loc[name, 'seconds'])}" for name in sets.index]  # fmt: skip
        rows.append([learner, *cells])
    columns = [f"{name} ({row['n_train']}×{row['d']}): accuracy, seconds" for name, row in sets.iterrows()]
    return markdown(["learner", *columns], rows)


@figure("wedge digits")
def digits() -> str:
    """2,000 wedges on digits beside the rest."""
    share = published("wedge_embeddings").query("data == 'digits'").set_index("learner")["accuracy"]
    return (
        f"{percent(share['wedge, 2000 random, sketch 10'])} of digits (SGD {100 * share['sgd, width 100']:.1f}, "
        f"gated ReLU {100 * share['gated_relu, 100 patterns']:.1f}, "
        f"logistic regression {100 * share['logistic regression']:.1f})"
    )
