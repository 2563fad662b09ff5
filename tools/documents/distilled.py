"""Convex distillation: out of core, and the studies of three networks."""

from __future__ import annotations

import json

import pandas as pd

from documents.writing import at_most, figure, known, markdown, percent, published, scientific, significant, table

SHARES = {0.01: "1 % (13 pictures)", 0.02: "2 %", 0.05: "5 %", 0.1: "10 %", 0.5: "50 %", 1.0: "100 % (1,347)"}
DIGITS = {
    "gated_relu(gates=4, budget=0.25)": "convex, 4 gates and a skip", "adam(neurons=relu)": "Adam, ReLU",
    "adam(neurons=gated)": "Adam, fixed gates", "labels": "labels and logits", "pruning": "pruning",
}  # fmt: skip
CIFAR10 = {
    "gated_relu(gates=16, budget=0.02, draw=covariance)": "convex, gates by covariance",
    "gated_relu(gates=16, budget=0.02, draw=teacher)": "convex, the teacher's gates",
    "adam(budget=0.02, neurons=gated)": "Adam, fixed gates (the same function)",
    "adam(budget=0.02, neurons=relu)": "Adam, ReLU (gates trained)", "pruning(budget=0.05)": "pruning to 5 %",
}  # fmt: skip
CANDIDATES = {
    "covariance, 1": "drawn by the covariance", "teacher, 1": "the teacher's filters",
    "covariance, 10": "chosen from 40 drawn", "teacher, 10": "chosen from 40 of the teacher's",
}  # fmt: skip
# How the students of the transformer's MLPs are shown, by gates drawn, candidates for each, and the Jacobian's share.
TRANSFORMER = {
    "covariance, 1, 0": "convex, gates drawn", "teacher, 1, 0": "convex, the teacher's gates",
    "covariance, 10, 0": "convex, gates chosen from 40", "covariance, 100, 0": "convex, gates chosen from 400",
    "covariance, 1, 0.9": "convex, gates drawn, in the Jacobian's metric",
    "covariance, 100, 0.9": "convex, chosen from 400, in the Jacobian's metric",
}  # fmt: skip
EFFICIENTNET = {"gated_relu": "convex, 4 gates", "adam": "Adam, ReLU", "pruning": "pruning"}


def seconds(value: float) -> str:
    """Return processor seconds as these tables have them."""
    return f"{value:.0f}" if value >= 9.5 else f"{value:.1f}"


@table("distill large")
def large() -> str:
    """200,000 samples on disk."""
    rows = [
        [run.penalty, f"{run.share:g}" + (" (cross-validated)" if run.chosen else ""), seconds(run.moments),
         seconds(run.statistics), seconds(run.solver), seconds(run.proof), seconds(run.processor),
         scientific(run.gap, 1), f"{run.error:.3f}", f"{run.anonymous_gb:.2f}", f"{run.resident_gb:.2f}"]
        for run in published("distill_large").itertuples()
    ]  # fmt: skip
    columns = ["penalty", "γ / largest", "moments", "statistics", "solver", "proof", "all", "proved gap", "error"]
    return markdown([*columns, "anonymous memory", "resident, mapped pages included"], rows)


@table("distill rows")
def rows_of() -> str:
    """Time against the number of samples."""
    whole = published("distill_large").iloc[[0]]
    passes = 1e3 * (whole["moments"] + whole["statistics"] + whole["proof"]) / whole["n"]
    runs = pd.concat([published("distill_rows"), whole.assign(passes_per_thousand=passes)])
    rows = [
        [f"{run.n:,}", seconds(run.moments), seconds(run.statistics), seconds(run.solver), seconds(run.proof),
         seconds(run.processor), f"{run.passes_per_thousand:.2f}", f"{run.anonymous_gb:.2f}"]
        for run in runs.itertuples()
    ]  # fmt: skip
    columns = ["n", "moments", "statistics", "solver", "proof", "all", "passes, per 1,000 samples"]
    return markdown([*columns, "anonymous memory"], rows, left=0)


@table("distill peer")
def peer() -> str:
    """Ours beside pyscnn."""
    rows = [
        [f"{run.n:,}", run.outputs, run.gates, run.solver, f"{run.processor:.1f}", f"{run.ratio:.1f}×", run.runs,
         f"{run.steps:,}", scientific(run.gap, 1), f"{run.anonymous_gb:.2f}"]
        for run in published("distill_peer").itertuples()
    ]  # fmt: skip
    columns = ["n", "outputs", "gates", "solver", "processor seconds", "ratio", "runs", "steps", "proved gap"]
    return markdown([*columns, "anonymous memory"], rows, left=(3,))


@table("distill order")
def order() -> str:
    """What the order of the samples changes."""
    rows = []
    for run in published("distill_order").itertuples():
        assert run.same_share
        rows.append([
            run.penalty, f"{run.share:.3g}" + (" (cross-validated, all alike)" if run.chosen else ""),
            f"{run.processor:.1f}", *(scientific(value) if value else "0" for value in (
                run.lower, run.upper, run.weights)), run.masks_differ,
        ])  # fmt: skip
    columns = ["penalty", "γ / largest", "processor seconds", "lower bound", "upper bound", "weights"]
    return markdown([*columns, "masks that differ"], rows)


@table("distill solver")
def solver() -> str:
    """Alternating directions on statistics beside the solvers in memory."""
    rows = []
    for run in published("distill_solver").itertuples():
        stopped = run.gap > 1e-6
        rows.append([
            f"{run.share:g}", run.penalty, run.solver, f"{run.processor:.2f}" + (" (limit)" if stopped else ""),
            ("≥ " if stopped else "") + f"{run.ratio:.1f}×", f"{run.steps:,}", scientific(run.gap, 1),
        ])  # fmt: skip
    columns = ["γ / largest", "penalty", "solver", "processor seconds", "ratio", "steps", "gap"]
    return markdown(columns, rows, left=(1, 2))


@figure("distill large")
def largest() -> str:
    """What the largest fit takes, and its gap."""
    run = published("distill_large").iloc[0]
    return f"{run['processor']:.0f} processor seconds and {run['anonymous_gb']:.1f} GB, gap {scientific(run['gap'], 1)}"


@figure("distill peer, 9 gates")
def few_gates() -> str:
    """How much longer pyscnn takes with 9 gates."""
    found = published("distill_peer").query("gates == 9 and solver == 'pyscnn, float64'")["ratio"]
    return f"{found.min():.0f} to {found.max():.0f} times faster"


@figure("distill peer, 33 gates")
def many_gates() -> str:
    """How much longer pyscnn takes with 33 gates and few samples."""
    (ratio,) = published("distill_peer").query("gates == 33 and solver == 'pyscnn, float64'")["ratio"]
    return f"{ratio:.0f} times"


@figure("distill peer, few samples")
def few_samples() -> str:
    """What both take with 33 gates and few samples."""
    runs = published("distill_peer").query("gates == 33").set_index("solver")
    ours, theirs = runs.loc["ours"], runs.loc["pyscnn, float64"]
    return (
        f"ours takes {ours['processor']:.1f} s and {ours['anonymous_gb']:.2f} GiB to a gap of {scientific(ours['gap'])}"
        f", pyscnn {theirs['processor']:.0f} s and {theirs['anonymous_gb']:.2f} GiB to {scientific(theirs['gap'])}"
    )


@figure("distill peer, ratios")
def ratios() -> str:
    """The same per number of samples."""
    found = published("distill_peer").query("gates == 9 and solver == 'pyscnn, float64'")

    def listed(words: list[str]) -> str:
        return f"{', '.join(words[:-1])} and {words[-1]}"

    times_longer, samples = ([f"{value:.1f}" for value in found["ratio"]], [f"{value:,}" for value in found["n"]])
    return f"{listed(times_longer)} times our processor time at {listed(samples)} samples"


def spread(values: pd.Series) -> str:
    """Return mean ± standard deviation in per cent."""
    mean, deviation = 100.0 * values.mean(), 100.0 * values.std()
    if len(values) == 1:
        return f"{mean:.1f}"
    digits = 0 if deviation >= 9.95 else 1
    return f"{mean:.{digits}f} ± {deviation:.{digits}f}"


def accuracies(block: str, distiller: str) -> dict[float, str]:
    """Return the accuracy of a student per share of the pictures."""
    found = published("distill_digits")
    mine = found[(found["block"] == block) & (found["distiller"] == distiller)]
    return {float(share): spread(part["accuracy"]) for share, part in mine.groupby("fraction")}


@table("distill digits")
def digits() -> str:
    """Accuracy of every student of the digits' network."""
    found = published("distill_digits")
    rows = []
    for block in ("head", "body"):
        for key, shown in DIGITS.items():
            mine = found[(found["block"] == block) & (found["distiller"] == key)]
            error = mine.groupby("fraction")["activation_error"].mean()
            said = [f"{error[share]:.3g}" if error[share] > 1 else f"{error[share]:.3f}" for share in (0.05, 1.0)
                    if share in error]  # fmt: skip
            cells = accuracies(block, key)
            rows.append([
                block if key.startswith("gated") else "", shown, *(cells.get(share, "") for share in SHARES),
                " / ".join(said),
            ])  # fmt: skip
    return markdown(["block", "student", *SHARES.values(), "error at 5 % / 100 %"], rows, left=2)


@table("distill digits, short")
def short() -> str:
    """The convex student and Adam's, a few shares."""
    shares = (0.01, 0.02, 0.05, 1.0)
    found = published("distill_digits")
    rows = []
    for block, name in (("head", "last layers"), ("body", "two convolutions")):
        for key, shown in (
            ("gated_relu(gates=4, budget=0.25)", f"{name}: convex student"),
            ("adam(neurons=relu)", "the same size by Adam, on the same activations"),
        ):  # fmt: skip
            largest = found[(found["block"] == block) & (found["distiller"] == key)]["program_gap"].max()
            cells = accuracies(block, key)
            proved = "–" if pd.isna(largest) else f"≤ {at_most(largest)}"
            rows.append([shown, *(f"{cells[share]} %" for share in shares), proved])
    teacher = found["teacher_accuracy"].iloc[0]
    first = f"digits (teacher {percent(teacher)}), a quarter of the block's parameters, five draws"
    return markdown([first, "1 % of the pictures", "2 %", "5 %", "100 %", "program gap, proved"], rows)


def of_block(block: str, distiller: str = "gated_relu(gates=4, budget=0.25)") -> pd.DataFrame:
    """Return the runs of a student of the digits' network."""
    return published("distill_digits").query("block == @block and distiller == @distiller")


@figure("distill digits, program gap")
def program_gap() -> str:
    """The largest program gap of any convex student."""
    return at_most(max(of_block(block)["program_gap"].max() for block in ("head", "body")))


@figure("distill digits, own gaps")
def own_gaps() -> str:
    """The largest gaps of the small students themselves."""
    return " and ".join(f"{significant(of_block(block)['gap'].max())} (`{block}`)" for block in ("head", "body"))


@figure("distill digits, seconds")
def fitting() -> str:
    """How long it takes to fit all pictures."""

    def mean(block: str, distiller: str) -> str:
        return f"{of_block(block, distiller).query('fraction == 1')['seconds'].mean():.0f} s (`{block}`)"

    adam, convex = (" and ".join(mean(block, of) for block in ("head", "body")) for of in list(DIGITS)[1::-1])
    return f"{adam} by Adam, {convex} by the convex student"


def relative(block: str, distiller: str, part: str, whole: str) -> str:
    """Return the mean ratio of two measured times in per cent."""
    measured = of_block(block, distiller).dropna(subset=["student_ms"])
    return percent((measured[part] / measured[whole]).mean(), 0)


@figure("distill digits, latency")
def latency() -> str:
    """Time of the convex and the ReLU student over the block's."""
    convex, relu = list(DIGITS)[:2]
    one, many, other = (
        [relative(block, of, f"student_ms{batch}", f"block_ms{batch}") for block in ("head", "body")]
        for of, batch in ((convex, ""), (convex, "_batch"), (relu, "_batch"))
    )
    return (
        f"{one[0]} of `head` and {one[1]} of `body` (7 small operations in place of 3), of 32 inputs {many[0]} and "
        f"{many[1]}; a ReLU student needs {other[0]} and {other[1]}"
    )


@figure("distill digits, network")
def network() -> str:
    """Size and time of the whole network with a convex student."""
    convex = next(iter(DIGITS))
    fewer = [
        percent((1.0 - of_block(block)["network_parameters"] / of_block(block)["teacher_parameters"]).min(), 0)
        for block in ("head", "body")
    ]
    slower = [relative(block, convex, "network_ms_batch", "teacher_ms_batch") for block in ("head", "body")]
    return (
        f"{fewer[0]} (`head`) and {fewer[1]} (`body`) fewer parameters, {slower[0]} and {slower[1]} of the time for 32 "
        "inputs"
    )


def times(run: pd.DataFrame) -> str:
    """Return a student's time over its block's, for one input and for 32."""
    measured = run[run["student_ms"].notna()]
    one, many = measured["student_ms"] / measured["block_ms"], measured["student_ms_batch"] / measured["block_ms_batch"]
    return f"{percent(one.mean(), 0)} / {percent(many.mean(), 0)}"


@table("distill cifar10")
def cifar10() -> str:
    """Students of the CIFAR-10 network's head."""
    found = published("distill_cifar10").query("fraction == 1")
    rows = []
    for key, shown in CIFAR10.items():
        mine = found[found["distiller"] == key]
        gaps = [mine[name].mean() for name in ("program_gap", "gap")]
        rows.append([
            shown, significant(mine["activation_error"].mean()), percent(mine["agreement"].mean()),
            *("–" if pd.isna(value) else scientific(value) for value in gaps), times(mine),
        ])  # fmt: skip
    columns = ["student", "error", "top-1 agreement", "program gap, proved", "student's gap, proved"]
    return markdown([*columns, "time of head, one input / 32"], rows)


@table("distill efficientnet")
def efficientnet() -> str:
    """Students of two blocks of EfficientNet-Lite0."""
    rows = []
    for block, students in published("distill_efficientnet").groupby("block", sort=False):
        for key, shown in EFFICIENTNET.items():
            mine = students[students["distiller"].str.startswith(key)]
            run = mine.iloc[0]
            rows.append([
                f"`{block}`" if key == "gated_relu" else "", shown, f"{run['activation_error']:.3f}",
                percent(run["agreement"]), "–" if pd.isna(run["program_gap"]) else scientific(run["program_gap"]),
                known(run["gap"], ".3f"), percent(run["multiply_adds"] / run["block_multiply_adds"], 0), times(mine),
            ])  # fmt: skip
    columns = ["block", "student", "error", "top-1 agreement", "program gap, proved", "student's gap, proved"]
    return markdown([*columns, "multiply-adds of block", "time of block, one input / 32"], rows, left=2)


@figure("distill efficientnet")
def agreement() -> str:
    """Top-1 agreement of the students of blocks.12."""
    share = {key: found["agreement"] for key in EFFICIENTNET for _, found in published("distill_efficientnet").query(
        "block == 'blocks.12'").iterrows() if found["distiller"].startswith(key)}  # fmt: skip
    return (
        f"{percent(share['gated_relu'])} of held-out crops (Adam {100 * share['adam']:.1f}, "
        f"pruning {100 * share['pruning']:.1f})"
    )


@table("distill jacobian")
def jacobian() -> str:
    """Students fitted in the squared error of the outputs, and in the metric of what follows them."""
    found = published("distill_jacobian")
    options = [json.loads(said) for said in found["options"]]
    found = found.assign(
        budget=[each["budget"] for each in options], share=[each.get("jacobian", 0) for each in options]
    )
    rows = []
    for (budget, fraction, share), mine in found.groupby(["budget", "fraction", "share"]):
        rows.append([
            f"{percent(budget, 0)} of the block" if not share and fraction < 1 else "",
            percent(fraction, 0) if not share else "", "the following layers' Jacobian" if share else "squared error",
            f"{mine['activation_error'].mean():.3f}", percent(mine["agreement"].mean()),
            percent(mine["accuracy"].mean()), at_most(mine["program_gap"].max()), significant(mine["gap"].max()),
        ])  # fmt: skip
    columns = ["budget", "pictures", "outputs fitted in", "error of activations", "agreement", "accuracy"]
    return markdown([*columns, "program gap, proved", "student's gap, proved"], rows, left=3)


@table("distill candidates")
def candidates() -> str:
    """Gates drawn, taken from the teacher, or chosen from many, at an equal number of them."""
    found, rows = published("distill_candidates"), []
    said = [json.loads(each) for each in found["options"]]
    drawn = pd.Series([f"{each['draw']}, {each.get('candidates', 1)}" for each in said])
    for block in ("head", "body"):
        for options, shown in CANDIDATES.items():
            mine = found[(found["block"] == block) & (drawn == options)]
            whole = mine["candidates_gap"]
            rows.append([
                block if shown.startswith("drawn") else "", shown, significant(mine["lower"].mean(), 4),
                significant(mine["upper"].mean(), 4), f"{mine['activation_error'].mean():.4f}",
                percent(mine["agreement"].mean()), "–" if whole.isna().all() else percent(whole.max(), 0),
                f"{mine['seconds'].mean():.0f}",
            ])  # fmt: skip
    columns = ["block", "4 gates", "optimum", "student", "error of activations", "agreement"]
    return markdown([*columns, "all candidates gain at most, proved", "seconds"], rows, left=2)


@table("distill svhn")
def svhn() -> str:
    """Students of the head of a network for house numbers."""
    rows = []
    for key, shown in {"gated_relu": "convex, 2 gates", "adam": "Adam, ReLU", "pruning": "pruning"}.items():
        found = published("distill_svhn")
        run = found[found["distiller"].str.startswith(key)].iloc[0]
        rows.append([
            shown, f"{run['activation_error']:.2f}", percent(run["agreement"]),
            "–" if pd.isna(run["program_gap"]) else at_most(run["program_gap"]),
            known(run["gap"], ".2f"),
        ])  # fmt: skip
    columns = ["a tenth of `head`", "error", "top-1 agreement", "program gap, proved", "student's gap, proved"]
    return markdown(columns, rows)


@table("distill transformer")
def transformer() -> str:
    """Students of the MLPs of a transformer's layers."""
    found = published("distill_transformer")
    said = [json.loads(each) for each in found["options"]]
    names = [f"{each.get('draw')}, {each.get('candidates', 1)}, {each.get('jacobian', 0)}" for each in said]
    shown = [TRANSFORMER.get(name, {"adam": "Adam, ReLU", "pruning": "pruning"}.get(of.split("(")[0], ""))
             for name, of in zip(names, found["distiller"], strict=True)]  # fmt: skip
    rows = []
    for (block, student), mine in found.assign(student=shown).groupby(["block", "student"], sort=False):
        few, many = mine[mine["fraction"] < 1], mine[mine["fraction"] == 1]
        gap = mine["program_gap"].max()
        rows.append([
            f"`layers.{block.split('.')[2]}`" if student == TRANSFORMER["covariance, 1, 0"] else "", student,
            *("–" if part.empty else f"{part['activation_error'].mean():.3f}" for part in (few, many)),
            *("–" if part.empty else percent(part["agreement"].mean()) for part in (few, many)),
            percent(many["accuracy"].mean()), "–" if pd.isna(gap) else at_most(gap),
        ])  # fmt: skip
    columns = [
        "MLP of",
        "a quarter of it",
        "error, 5 % of the pictures",
        "100 %",
        "agreement, 5 %",
        "100 %",
        "accuracy",
    ]
    return markdown([*columns, "program gap, proved"], rows, left=2)
