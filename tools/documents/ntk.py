"""The repaired NTK on small data sets."""

from __future__ import annotations

from documents.writing import figure, markdown, published, table

RIVALS = {
    "ntk gated": "gated NTK", "ntk relu": "NTK", "nngp": "NNGP", "ntk sampled": "NTK of the same gates",
    "gated_relu gated": "`gated_relu`, column norms",
}  # fmt: skip


@table("ntk tests")
def tests() -> str:
    """Wins, ties and losses of the learned kernel against every rival."""
    found = published("ntk_uci_tests").set_index(["rival", "task"])
    rows = []
    for rival, shown in RIVALS.items():
        for task in ("classification", "regression", "all"):
            row = found.loc[rival, task]
            rows.append([
                shown, task, f"{row['sets']:.0f}", f"{row['wins']:.0f}–{row['ties']:.0f}–{row['losses']:.0f}",
                f"{row['clear_wins']:.0f}, {row['clear_losses']:.0f}", f"{row['median_difference']:+.4f}",
                f"{row['wilcoxon_p']:.2g}",
            ])  # fmt: skip
    columns = ["MKL against", "task", "sets", "wins–ties–losses", "clear wins, losses", "median difference"]
    return markdown([*columns, "Wilcoxon p"], rows, left=2)


@figure("ntk score")
def score() -> str:
    """The learned kernel against the gated NTK, all sets."""
    row = published("ntk_uci_tests").set_index(["rival", "task"]).loc["ntk gated", "all"]
    return f"wins {row['wins']:.0f}, ties {row['ties']:.0f} and loses {row['losses']:.0f}"


@figure("ntk score by task")
def score_by_task() -> str:
    """The same per task, with Wilcoxon's p."""
    found = published("ntk_uci_tests").set_index(["rival", "task"])
    said = []
    for task in ("classification", "regression"):
        row = found.loc["ntk gated", task]
        p = f"{row['wilcoxon_p']:.2g}" if row["wilcoxon_p"] > 1e-3 else f"{row['wilcoxon_p']:.1g}"
        wilcoxon = "Wilcoxon p" if task == "classification" else "p"
        said.append(f"{task} {row['wins']:.0f}–{row['ties']:.0f}–{row['losses']:.0f}, {wilcoxon} = {p}")
    return "; ".join(said)


@figure("ntk matched or beaten")
def matched() -> str:
    """Sets on which the learned kernel is no worse than the gated NTK."""
    row = published("ntk_uci_tests").set_index(["rival", "task"]).loc["ntk gated", "all"]
    return f"{row['wins'] + row['ties']:.0f} of {row['sets']:.0f} sets"


@table("ntk small")
def small() -> str:
    """Kernels beside networks trained to certified optimality: share of wrong classes."""
    found = published("ntk_uci_small")
    errors = found.pivot_table(index="set", columns="predictor", values="error")
    sizes = found.drop_duplicates("set").set_index("set")
    rows = []
    for name, row in errors.iterrows():
        n, d, c = sizes.loc[name, ["n", "d", "c"]]
        rows.append([
            f"{name} {n}×{d}→{c}", *(f"{row[kernel]:.3f}" for kernel in ("mkl", "ntk gated", "ntk relu")),
            f"{row['gated_relu gated']:.3f} / {row['gated_relu']:.3f}", f"{row['convex_relu']:.3f}",
            f"{row['exact']:.3f}",
        ])  # fmt: skip
    columns = ["set", "MKL", "gated NTK", "NTK", "`gated_relu`: gated / ReLU network", "`convex_relu`, 50 patterns"]
    return markdown([*columns, "`exact` (gap ≤ 1e-2)"], rows)
