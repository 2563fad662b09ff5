"""Exact optima: which program is the cheapest, and how many cones of the plane certify an optimal dual point.

    python benchmarks/exact.py programs [--limit 60]            # global_programs.csv
    python benchmarks/exact.py arcs --data FOLDER               # global_arcs.csv
    python benchmarks/exact.py losses --data FOLDER             # global_losses.csv
    python benchmarks/exact.py losses_large                     # global_losses_large.csv
    python benchmarks/exact.py patterns                         # global_losses_patterns.csv
    python benchmarks/exact.py kinds                            # global_losses_kinds.csv
    python benchmarks/exact.py generation --data FOLDER         # global_generation.csv

programs: column generation against the conic programs over all cells or patterns. Gaussian problems of n = 10 to 5,000
samples in ranks 1 to 4 with one and three outputs, γ = 0.1, each program alone with the proof of its bound, in
processor seconds after a first small problem has compiled and loaded what it needs; ``ratio`` is that of column
generation to the conic program on the same problem. The conic program is the cell program in rank ≤ 2 and the convex
program over all patterns beyond it, which is for one output only. A program that met the time limit at some n, or has
more than 20,000 patterns, is not tried at a larger one.

arcs: on random sets 0-9 and the spiral of Prakhya, Birdal and Yurtsever (2025), whose arrays are in FOLDER, with the
residual A of the certified optimum. ω of an arc grows with the arc, so from a given start extending each arc as far as
ω ≤ (1 + slack)γ is best; every third ray is tried as a start, and ``cones`` is the least number of arcs.

losses: classification by cross-entropy, and of one class against the others by the logistic loss, to 1e-6, on the same
authors' arrays; the classes of random data are their largest targets. ``time_ratio`` is processor time to that of
the squared loss on the same targets.

losses_large: the best pair in two minutes, by cross-entropy, on halves of Breast Cancer and Wine, standardised.

patterns: the logistic loss of one output against the convex program over all activation patterns, by CVXPY and
Clarabel; ``difference`` is relative.

kinds: every loss, activation and offset, with and without weights of samples, on a few random samples of rank 1 to 3.

generation: Bank Notes to 1e-3 at fractions q of the γ from which on no neuron pays, with column generation as it is and
"plain": columns as close as they come, twice as many random starts and none next to atoms, the oracle asked at the
master problem's own point, and half of the time for proofs. ``ratio`` is processor time to that of the plain one.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from harness import Benchmark, Row, Run, ratio
from problems import folder_of, over_all_patterns, problem

import sdprelax
from sdprelax import Problem
from sdprelax.base import Deadline, SdprelaxError
from sdprelax.cells import Cone
from sdprelax.datasets import datasets
from sdprelax.exact import _branch_and_bound, _column_generation, count_patterns
from sdprelax.methods.exact import CELLS, COLUMNS, PATTERNS, Exact
from sdprelax.problem import Reduction, Units, reduce
from sdprelax.problem import losses as registered
from sdprelax.relaxation._splitting import local_certificate

SIZES, MOST_PATTERNS = (10, 15, 25, 50, 100, 200, 400, 1000, 2000, 5000), 20_000
SLACK = 1e-3

benchmark = Benchmark(
    __doc__,
    limit=(60.0, "seconds that a program gets"),
    data=(None, "folder of the arrays of Prakhya, Birdal and Yurtsever 2025, random.npz and so on"),
)


@dataclass(frozen=True)
class Only(Exact):
    """``exact`` with one program, whatever it would choose."""

    program: str = COLUMNS

    def _programs(self, problem: Problem, reduction: Reduction) -> list[str]:
        return [self.program]


def gaussian(n: int, rank: int, outputs: int, *seed: int) -> Problem:
    rng = np.random.default_rng(seed)
    return Problem(rng.standard_normal((n, rank)), rng.standard_normal((n, outputs)), 0.1)


def solved(n: int, rank: int, outputs: int, program: str, budget: float) -> Row:
    method = Only(program=program)
    method.run(gaussian(8, min(rank, 3), outputs), rng=np.random.default_rng(0), deadline=Deadline(budget))
    task, started = gaussian(n, rank, outputs, n, rank, outputs), time.process_time()
    try:
        outcome = method.run(task, rng=np.random.default_rng(0), deadline=Deadline(budget))
    except SdprelaxError as error:
        return {"status": str(error), "seconds": None}
    return {"seconds": time.process_time() - started, "gap": outcome.gap, "status": outcome.status}


@benchmark.part(
    "global_programs", by=("n", "rank", "outputs"),
    columns=("n", "rank", "outputs", "patterns", "columns_seconds", "columns_gap", "columns_status", "conic_seconds",
             "conic_gap", "conic_status", "ratio"),
)  # fmt: skip
def programs(run: Run) -> Iterator[Row]:
    given_up: set[tuple[str, int, int]] = set()
    for n in run.choose(SIZES, tiny=(6,)):
        for rank in run.choose((1, 2, 3, 4), tiny=(2, 3)):
            for outputs in (1, 3):
                if not run.wants(n, rank, outputs):
                    continue
                row: Row = {"n": n, "rank": rank, "outputs": outputs, "patterns": count_patterns(n, rank)}
                conic = CELLS if rank <= 2 else PATTERNS if outputs == 1 else None
                found: dict[str, Row] = {}
                for label, program in (("columns", COLUMNS), ("conic", conic)):
                    few = program == COLUMNS or row["patterns"] <= MOST_PATTERNS
                    if program is None or not few or (program, rank, outputs) in given_up:
                        continue
                    one = run.apart(
                        solved, n=n, rank=rank, outputs=outputs, program=program, budget=run.options["limit"]
                    )
                    found[label] = one
                    row |= {f"{label}_{key}": one.get(key) for key in ("seconds", "gap", "status")}
                    if one["status"] != "solved":
                        given_up.add((program, rank, outputs))
                if len(found) == 2:
                    row["ratio"] = ratio(found["columns"], found["conic"])
                yield row


def fewest_arcs(rows: np.ndarray, dual: np.ndarray, gamma: float) -> int:
    angles = np.arctan2(rows[:, 1], rows[:, 0])
    rays = np.sort(np.mod(np.concatenate([angles + np.pi / 2, angles - np.pi / 2]), 2 * np.pi))
    count = len(rays)
    known: dict[tuple[int, int], bool] = {}

    def angle(index: int) -> float:
        return float(rays[index % count] + 2 * np.pi * (index // count))

    def holds(start: int, end: int) -> bool:
        key = (start % count, end - start)
        if key not in known:
            middles = [0.5 * (angle(i) + angle(i + 1)) for i in range(key[0], key[0] + key[1])]
            seen = np.sign(rows @ np.array([np.cos(middles), np.sin(middles)]))
            signs = np.where(np.all(seen > 0, axis=1), 1, np.where(np.all(seen < 0, axis=1), -1, 0)).astype(np.int8)
            ends = [angle(key[0]), angle(key[0] + key[1])]
            on = np.argmin(np.abs(rows @ np.array([np.cos(ends), np.sin(ends)])), axis=0)
            walls = tuple((int(row), int(signs[row])) for row in on)
            omega, _ = local_certificate(rows, dual, Cone(walls, signs, walls), Deadline())
            known[key] = omega <= (1.0 + SLACK) * gamma
        return known[key]

    best = count
    for first in range(0, count, 3):
        start, arcs = first, 0
        while start < first + count:
            end = start + 1
            # An arc of less than half the circle is a cone with two walls.
            while end < min(first + count, start + count // 2 - 1) and holds(start, end + 1):
                end += 1
            start, arcs = end, arcs + 1
        best = min(best, arcs)
    return best


def covered(folder: str | None, name: str, number: int, gamma: float, rows: int | None) -> Row:
    task = problem(folder, name, gamma, number=number, rows=rows)
    network = sdprelax.solve(task, "exact").network
    units = Units.of(task)
    reduction = reduce(units.problem)
    dual = reduction.pull_back((task.Y - network.predict(task.X)) / units.targets)
    return {"cones": fewest_arcs(reduction.rows, dual, units.problem.gamma)}


@benchmark.part(
    "global_arcs", columns=("data", "number", "gamma", "cones", "processor"), by=("data", "number", "gamma")
)  # fmt: skip
def arcs(run: Run) -> Iterator[Row]:
    sets = [("random", number) for number in range(10)] + [("spiral", 0)]
    for gamma in run.choose((0.01, 0.1), tiny=(0.1,)):
        for name, number in run.choose(sets, tiny=sets[:1]):
            if run.wants(name, number, gamma):
                key = {"name": name, "number": number, "gamma": gamma}
                found = run.apart(covered, folder=folder_of(run), rows=run.choose(None, tiny=8), **key)
                yield {"data": name, **key, **found}


def closed(task: Problem, budget: float | None = None, tolerance: float = 1e-6) -> Row:
    """Return what ``exact`` makes of a problem, in processor seconds after a small one has loaded what it needs."""
    sdprelax.solve(gaussian(8, 3, 2), "exact")
    started = time.process_time()
    outcome = sdprelax.solve(task, "exact", time_limit=budget, tolerance=tolerance)
    seconds, proved = time.process_time() - started, sdprelax.verify(task, outcome.certificate)
    return {
        "lower": min(outcome.lower, proved), "upper": outcome.upper, "gap": outcome.gap, "status": outcome.status,
        "iterations": outcome.details.get("iterations"), "cones": outcome.details.get("cones"),
        "atoms": outcome.details.get("atoms"), "width": outcome.details["width"], "seconds": seconds,
    }  # fmt: skip


CLOSED = ("lower", "upper", "gap", "status", "iterations", "cones", "width", "seconds")
# Losses, and whether of signs or of indicators of classes; the first of either is the unit of times.
CLASSIFYING = (("squared", False), ("cross_entropy", False), ("squared", True), ("logistic", True))


def of_classes(task: Problem, loss: str, signs: bool) -> Problem:
    """Return the problem with a loss on indicators of its classes, or on signs that tell the second class."""
    classes = np.argmax(task.Y, axis=1)
    Y = np.where(classes == 1, 1.0, -1.0)[:, None] if signs else np.eye(task.Y.shape[1])[classes]
    return Problem(task.X, Y, task.gamma, loss=loss)


def classified(folder: str | None, name: str, gamma: float, loss: str, signs: bool, rows: int | None) -> Row:
    return closed(of_classes(problem(folder, name, gamma, rows=rows), loss, signs))


@benchmark.part(
    "global_losses", columns=("data", "gamma", "targets", "loss", *CLOSED, "time_ratio"), by=("data", "gamma")
)  # fmt: skip
def losses(run: Run) -> Iterator[Row]:
    for name in run.choose(("random", "spiral", "iris"), tiny=("random",)):
        for gamma in run.choose((1.0, 0.1, 0.01), tiny=(0.1,)):
            if not run.wants(name, gamma):
                continue
            unit: Row = {}
            for loss, signs in CLASSIFYING:
                found = run.apart(classified, folder=folder_of(run), name=name, gamma=gamma, loss=loss, signs=signs,
                                  rows=run.choose(None, tiny=8))  # fmt: skip
                unit = found if loss == "squared" else unit
                kind = "signs" if signs else "classes"
                row = {"data": name, "gamma": gamma, "targets": kind, "loss": loss}
                yield row | found | {"time_ratio": ratio(found, unit)}


def standardised(name: str, gamma: float, budget: float, rows: int | None) -> Row:
    data = datasets.create(name).load()
    X = (data.X - data.X.mean(axis=0)) / data.X.std(axis=0)
    return closed(Problem(X[:rows], data.Y[:rows], gamma, loss="cross_entropy"), budget)


@benchmark.part("global_losses_large", columns=("data", "gamma", *CLOSED), by=("data", "gamma"))
def losses_large(run: Run) -> Iterator[Row]:
    for name in run.choose(("wine", "breast_cancer"), tiny=("wine",)):
        for gamma in run.choose((1.0,), tiny=(10.0,)):
            if run.wants(name, gamma):
                options = {"budget": run.choose(120.0, tiny=2.0), "rows": run.choose(None, tiny=8)}
                yield {"data": name, "gamma": gamma} | run.apart(standardised, name=name, gamma=gamma, **options)


def against_patterns(seed: int) -> Row:
    rng = np.random.default_rng(seed)
    d = 2 + seed % 2
    n, gamma = int(rng.integers(d + 2, 13 if d == 2 else 9)), float(rng.choice([0.3, 0.1, 0.03]))
    task = Problem(rng.standard_normal((n, d)), rng.choice([-1.0, 1.0], (n, 1)), gamma, loss="logistic")
    outcome, value = sdprelax.solve(task, "exact", tolerance=1e-8), over_all_patterns(task)
    row = {"n": n, "rank": d, "gamma": gamma, "lower": outcome.lower, "upper": outcome.upper, "program": value}
    return row | {"difference": abs(outcome.upper - value) / value}


@benchmark.part(
    "global_losses_patterns", by=("seed",),
    columns=("seed", "n", "rank", "gamma", "lower", "upper", "program", "difference"),
)  # fmt: skip
def patterns(run: Run) -> Iterator[Row]:
    for seed in run.choose(range(40), tiny=range(1)):
        if run.wants(seed):
            row = run.apart(against_patterns, seed=seed)
            if not row["difference"] <= 1e-7:
                run.fault(f"seed {seed}: {row['upper']} and {row['program']} differ by {row['difference']:.1e}")
            yield {"seed": seed} | row


ACTIVATIONS: dict[str, Any] = {"relu": "relu", "leaky": {"leaky": {"slope": 0.1}}, "absolute": "absolute"}
OFFSETS = {"none": False, "free": True, "penalised": "penalised"}


def every_kind(loss: str, rank: int) -> Row:
    """Return the widest gap over all activations, offsets and weights, and how many are closed to the tolerance."""
    gaps, solved, unsound = [], 0, 0
    for number, (activation, offset, weighted) in enumerate(itertools.product(ACTIVATIONS, OFFSETS, (False, True))):
        rng = np.random.default_rng([rank, number])
        X, draws = rng.standard_normal((7, rank)), rng.standard_normal((7, 2))
        Y = {
            "numbers": draws, "signs": np.sign(draws[:, :1]), "simplex": np.eye(3)[rng.integers(0, 3, 7)],
            "counts": np.floor(np.exp(draws[:, :1] + 1.0)),
        }[registered[loss].targets]  # fmt: skip
        weights = {"sample_weight": rng.uniform(0.5, 2.0, 7)} if weighted else {}
        task = Problem(X, Y, 0.1, loss=loss, activation=ACTIVATIONS[activation], offset=OFFSETS[offset], **weights)
        outcome = sdprelax.solve(task, "exact")
        gaps.append(outcome.gap)
        solved += outcome.status == "solved"
        unsound += not outcome.lower <= min(sdprelax.verify(task, outcome.certificate), outcome.upper)
    return {"problems": len(gaps), "solved": solved, "unsound": unsound, "widest_gap": max(gaps)}


@benchmark.part(
    "global_losses_kinds", columns=("loss", "rank", "problems", "solved", "unsound", "widest_gap", "processor"),
    by=("loss", "rank"),
)  # fmt: skip
def kinds(run: Run) -> Iterator[Row]:
    for loss in run.choose(tuple(registered), tiny=("logistic",)):
        for rank in run.choose((1, 2, 3), tiny=(1,)):
            if run.wants(loss, rank):
                row = run.apart(every_kind, loss=loss, rank=rank)
                if row["unsound"]:
                    run.fault(f"{loss}, rank {rank}: {row['unsound']} bounds are not what they say")
                yield {"loss": loss, "rank": rank} | row


# γ from which on no neuron pays on the training half of Bank Notes, unscaled.
LARGEST_GAMMA = 0.1 / 4.8e-5
PLAIN = {
    (_column_generation, "SPACING"): 0.0, (_column_generation, "WIDE"): math.inf, (_column_generation, "PROVING"): 0.5,
    (_branch_and_bound, "COPIES"): 0, (_branch_and_bound, "STARTS"): 300,
}  # fmt: skip


def generated(folder: str | None, name: str, q: float, plain: bool, budget: float, rows: int | None) -> Row:
    for (module, constant), value in PLAIN.items() if plain else ():
        setattr(module, constant, value)
    return closed(problem(folder, name, q * LARGEST_GAMMA, rows=rows), budget, tolerance=1e-3)


@benchmark.part(
    "global_generation", by=("q",),
    columns=("q", "gamma", "kind", *(name for name in CLOSED if name != "width"), "atoms", "ratio"),
)  # fmt: skip
def generation(run: Run) -> Iterator[Row]:
    for q in run.choose((0.05, 0.01, 0.002, 0.0005), tiny=(1e-5,)):
        if run.wants(q):
            unit = None
            for kind in ("plain", "as it is"):
                found = run.apart(
                    generated, folder=folder_of(run), q=q, plain=kind == "plain", budget=10 * run.options["limit"],
                    rows=run.choose(None, tiny=8), name=run.choose("bank_notes", tiny="iris"),
                )  # fmt: skip
                unit = unit or found
                yield {"q": q, "gamma": q * LARGEST_GAMMA, "kind": kind} | found | {"ratio": ratio(found, unit)}


if __name__ == "__main__":
    benchmark.main()
