"""Distillation out of core: time and memory of the gated fit, beside pyscnn (Mishkin) and our solvers in memory.

    python benchmarks/distill.py large                                                  # distill_large.csv
    python benchmarks/distill.py rows                                                   # distill_rows.csv
    python benchmarks/distill.py peer --python /tmp/scnn/bin/python [--limit 600]       # distill_peer.csv
    python benchmarks/distill.py order                                                  # distill_order.csv
    python benchmarks/distill.py solver                                                 # distill_solver.csv

Activations are made: Z = the second ReLU layer of a random network of Gaussian inputs (nonnegative, correlated, not
centred), F = a hidden ReLU teacher of Z plus noise, in single precision and on disk. γ is a share of the least γ at
which all weights are zero.

large: 512 inputs (and the constant 1), 64 outputs, 8 gates and a skip, two penalties, γ fixed and cross-validated.
``error`` is ‖F − ΦW‖² over the targets' spread about their mean, ``gap`` is proved, rounding included; ``resident_gb``
is the kernel's peak, which counts pages of mapped files, ``anonymous_gb`` the peak of memory that nothing else can
reclaim, looked at every 10 ms. More than 8 GiB of that is a fault.

rows: the first of these fits over an eighth, a quarter and half of the samples.

``seconds`` are by the clock on the wall, ``processor`` those of all threads, which other programs disturb less; parts
of a fit and ratios are of the latter.

peer: the same program by pyscnn's R-FISTA (package pyscnn, which needs torch:
``python3 -m venv /tmp/scnn && /tmp/scnn/bin/pip install torch pyscnn``), with the penalty it has, a norm per gate and
output. Seconds to a relative gap of 1e-3; pyscnn looks at subgradients, so its gap is computed every 20 steps, off the
clock, and it stops as soon as that will do. ``gap`` is then proved the same way for both. The skip is a gate along the
constant 1. Arrays are in pyscnn's memory before its clock starts; ours reads the disk on the clock. A case is
SAMPLES,OUTPUTS,GATES of the table.

order: the same fit, moments and gates included, over three permutations of the rows.

solver: statistics and alternating directions beside sdprelax.lasso.solve_program to a gap of 1e-6, or to 10 processor
seconds.
"""

from __future__ import annotations

import functools
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from harness import Benchmark, Needs, Row, Run, alternated, peak_memory, ratio, summary
from problems import dual_value

benchmark = Benchmark(
    __doc__,
    python=(None, "interpreter that has pyscnn"),
    limit=(600.0, "processor seconds until pyscnn is stopped"),
)

SHARE = 1e-3
BATCH, LATENT, HIDDEN, WIDTH, NOISE = 4096, 64, 256, 32, 0.1
GIB = 2**30
MOST = 8 * GIB
# Runs of fewer processor seconds are repeated.
REPEATED, REPEATS = 30.0, 3


@dataclass(frozen=True)
class Size:
    """How much is made and fitted."""

    samples: int
    inputs: int
    outputs: int
    gates: int


LARGE, TINY = Size(200_000, 512, 64, 8), Size(400, 6, 2, 2)


class Made:
    """Batches of activations, the same whenever they are gone through."""

    def __init__(self, size: Size) -> None:
        self.samples, inputs, outputs = size.samples, size.inputs, size.outputs
        rng = np.random.default_rng(0)
        self.layers = [
            (rng.standard_normal((LATENT, HIDDEN)) / LATENT**0.5, 0.5 * rng.standard_normal(HIDDEN)),
            (rng.standard_normal((HIDDEN, inputs)) * (2.0 / HIDDEN) ** 0.5, 0.5 * rng.standard_normal(inputs)),
        ]
        self.inner = rng.standard_normal((inputs, WIDTH)) / inputs**0.5
        self.outer = rng.standard_normal((WIDTH, outputs)) / WIDTH**0.5
        entering = self._entering(np.random.default_rng(1))
        # Every hidden neuron of the teacher is open for about half of the samples.
        self.threshold = np.median(entering @ self.inner, axis=0)
        self.scale = float(np.std(self._teacher(entering), axis=0).mean())

    def __len__(self) -> int:
        return -(-self.samples // BATCH)

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for number in range(len(self)):
            rng = np.random.default_rng([2, number])
            z = self._entering(rng)
            f = self._teacher(z) / self.scale
            f += NOISE * rng.standard_normal(f.shape)
            count = min(BATCH, self.samples - number * BATCH)
            yield z[:count].astype(np.float32), f[:count].astype(np.float32)

    def _entering(self, rng: np.random.Generator) -> np.ndarray:
        z = rng.standard_normal((BATCH, LATENT))
        for weights, offsets in self.layers:
            z = np.maximum(z @ weights + offsets, 0.0)
        return z

    def _teacher(self, entering: np.ndarray) -> np.ndarray:
        return np.maximum(entering @ self.inner - self.threshold, 0.0) @ self.outer


def store_at(folder: Path, size: Size) -> Any:
    """Return activations on disk, made unless they are there."""
    from sdprelax.distillation import collect_activations

    made = Made(size)
    waiting = iter(made)
    identity = f"{size.samples} made samples, {size.inputs} to {size.outputs}"
    return collect_activations(lambda _: next(waiting), range(len(made)), folder, identity=identity)


class Memory:
    """The peak of this process's anonymous memory, in bytes, while it is entered."""

    def __enter__(self) -> Memory:
        self.peak, self._ended = 0, threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._watcher.join()

    def _watch(self) -> None:
        while not self._ended.wait(0.01):
            lines = Path("/proc/self/status").read_text().splitlines()
            now = next(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))
            self.peak = max(self.peak, 1024 * now)


class Stages:
    """Processor seconds of what a fit goes through, beginning with the moments."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._name, self._since = "moments", time.process_time()

    def enter(self, name: str) -> None:
        now = time.process_time()
        self.seconds[self._name] = self.seconds.get(self._name, 0.0) + now - self._since
        self._name, self._since = name, now

    def stage(self, what: str, rows: int) -> Callable[[int], None]:
        self.enter(what)
        left = rows

        def advance(read: int) -> None:
            nonlocal left
            left -= read
            # A proof is not done with its last row.
            if left <= 0 and what != "proof":
                self.enter("solver")

        return advance


def fitted(rows: Any, penalty: str, share: float | str, tolerance: float, count: int) -> tuple[Any, Any, Stages, Any]:
    """Return moments, gates, stages and what training came to."""
    from sdprelax.certificate import Gates
    from sdprelax.lasso import moments_of, sampled_gates, train_out_of_core

    stages = Stages()
    moments = moments_of(rows)
    gates = Gates(sampled_gates(moments, count, np.random.default_rng(0), bias=True), skip=True)
    stages.enter("gates")
    trained = train_out_of_core(rows, gates, penalty, share=share, tolerance=tolerance, stage=stages.stage)
    stages.enter("done")
    return moments, gates, stages, trained


FITTED = (
    "threads", "n", "d", "outputs", "gates", "penalty", "share", "chosen", "seconds", "processor", "moments",
    "statistics", "solver", "proof", "steps", "gap", "lower", "upper", "error", "anonymous_gb", "resident_gb",
)  # fmt: skip


def fit(folder: str, size: Row, samples: int, penalty: str, share: float | str) -> Row:
    given = Size(**size)
    rows = store_at(Path(folder), given).rows(subset=np.arange(samples))
    started = time.perf_counter()
    with Memory() as memory:
        moments, _, stages, trained = fitted(rows, penalty, share, 1e-4, given.gates)
    elapsed = time.perf_counter() - started
    seconds = stages.seconds
    proof = trained.proof
    return {
        "n": samples, "d": rows.shape[1], "outputs": rows.shape[2], "gates": given.gates, "penalty": penalty,
        "share": trained.share, "chosen": share == "auto", "seconds": elapsed, "processor": sum(seconds.values()),
        **{name: seconds[name] for name in ("moments", "statistics", "solver", "proof")},
        "steps": trained.iterations, "gap": proof.gap, "lower": proof.lower, "upper": proof.upper,
        "error": 2.0 * proof.loss / moments.spread, "anonymous_gb": memory.peak / GIB,
        "resident_gb": peak_memory() / 1024,
    }  # fmt: skip


@benchmark.part("distill_large", columns=FITTED, by=("penalty", "chosen"))
def large(run: Run) -> Iterator[Row]:
    size = run.choose(LARGE, tiny=TINY)
    with tempfile.TemporaryDirectory() as folder:
        store_at(Path(folder), size)
        for penalty, share in (("frobenius", SHARE), ("nuclear", SHARE), ("frobenius", "auto")):
            if not run.wants(penalty, share == "auto"):
                continue
            found = run.apart(fit, folder=folder, size=vars(size), samples=size.samples, penalty=penalty, share=share)
            if found["anonymous_gb"] * GIB > MOST:
                run.fault(f"a fit took {found['anonymous_gb']:.1f} GiB of memory, more than {MOST / GIB:g}.")
            yield {"threads": run.threads, **found}


@benchmark.part("distill_rows", columns=(*FITTED, "passes_per_thousand"), by=("n",))
def rows(run: Run) -> Iterator[Row]:
    size = run.choose(LARGE, tiny=TINY)
    with tempfile.TemporaryDirectory() as folder:
        store_at(Path(folder), size)
        for part in (8, 4, 2):
            samples = size.samples // part
            if run.wants(samples):
                found = run.apart(
                    fit, folder=folder, size=vars(size), samples=samples, penalty="frobenius", share=SHARE
                )
                passes = found["processor"] - found["solver"]
                yield {"threads": run.threads, **found, "passes_per_thousand": 1e3 * passes / samples}


# Samples are doubled, with one output and eight gates, until pyscnn comes to a limit; then samples, outputs and gates.
DOUBLED = (2_500, 5_000, 10_000, 20_000, 40_000, 80_000, 160_000, 320_000)
PEERS = (Size(2_500, 512, 1, 32), Size(2_500, 512, 8, 8))
PEER_GAP = 1e-3


def ours(folder: str, size: Row, answer: str) -> Row:
    from sdprelax.certificate import Gates
    from sdprelax.lasso import train_out_of_core

    data = store_at(Path(folder), Size(**size)).rows()
    problem = np.load(Path(folder) / "problem.npz")
    gates = Gates(problem["directions"][:, :-1], skip=True)
    with Memory() as memory:
        started, begun = time.perf_counter(), time.process_time()
        found = train_out_of_core(data, gates, "columns", share=SHARE, tolerance=PEER_GAP)
        seconds, processor = time.perf_counter() - started, time.process_time() - begun
    assert abs(found.gamma / float(problem["gamma"]) - 1.0) < 1e-9
    np.savez(answer, weights=found.weights)
    return {
        "seconds": seconds,
        "processor": processor,
        "steps": found.iterations,
        "stopped": False,
        "anonymous_gb": memory.peak / GIB,
    }


def judged(X: np.ndarray, masks: np.ndarray, Y: np.ndarray, weights: np.ndarray, gamma: float) -> float:
    """Return the relative gap of weights of shape (c, m, d) that their residual's multiples leave."""
    value, dual = 0.0, 0.0
    for y, part in zip(Y.T, weights, strict=True):
        residual = y - np.einsum("ij,ij->i", masks, X @ part.T)
        value += 0.5 * residual @ residual + gamma * np.sum(np.linalg.norm(part, axis=1))
        dual += dual_value(X, masks, y, residual, gamma)
    return float((value - dual) / value)


def pyscnn(folder: str, size: Row, answer: str, dtype: str, budget: float) -> Row:
    from scnn.metrics import Metrics
    from scnn.models import ConvexGatedReLU
    from scnn.optimize import optimize_model
    from scnn.private.methods.termination_criteria import GradientNorm
    from scnn.regularizers import NeuronGL1
    from scnn.solvers import RFISTA

    where, samples, outputs = Path(folder), size["samples"], size["outputs"]
    Z = np.fromfile(where / "entering.float32", np.float32).reshape(samples, size["inputs"])
    X = np.hstack([Z, np.ones((samples, 1), np.float32)]).astype(dtype)
    Y = np.fromfile(where / "leaving.float32", np.float32).reshape(samples, outputs).astype(dtype)
    del Z
    problem = np.load(where / "problem.npz")
    directions, gamma = problem["directions"], float(problem["gamma"])
    clock = {"aside": np.zeros(2), "steps": 0, "stopped": False}
    found: dict[str, np.ndarray] = {}

    def now() -> np.ndarray:
        return np.array([time.perf_counter(), time.process_time()])

    def criterion(_: Any, model: Any, X: Any, y: Any, objective: Any = None, grad: Any = None) -> bool:
        """End at the gap that both are asked for, or at the limit."""
        clock["steps"] += 1
        clock["stopped"] = bool((now() - started - clock["aside"])[1] > budget)
        if clock["steps"] % 20 and not clock["stopped"]:
            return False
        asked = now()
        sides = [np.asarray(array, dtype=np.float64) for array in (X, model.D, y, model.weights)]
        done = clock["stopped"] or judged(*sides, gamma) <= PEER_GAP
        clock["aside"] += now() - asked
        if done:
            found["weights"], found["directions"] = sides[3], np.asarray(model.U, dtype=np.float64)
            clock["seconds"], clock["processor"] = (now() - started - clock["aside"]).tolist()
        return done

    GradientNorm.__call__ = criterion
    model = ConvexGatedReLU(directions.astype(dtype), c=outputs)
    with Memory() as memory:
        started = now()
        # Their loss is ½‖·‖²/(n·c); columns of unit length would change the penalty.
        optimize_model(
            model, RFISTA(model, max_iters=10**9), Metrics(metric_freq=10**9), X, Y,
            regularizer=NeuronGL1(gamma / Y.size), unitize_data=False, dtype=dtype,
        )  # fmt: skip
    weights = np.zeros((directions.shape[1], len(directions), outputs))
    for k, direction in enumerate(found["directions"].T):
        # Gates of one pattern count once there, and in an order of their own.
        nearest = np.argmin(np.linalg.norm(directions - direction[:, None], axis=0))
        weights[nearest] = found["weights"][:, k].T
    np.savez(answer, weights=weights)
    return {
        **{key: clock[key] for key in ("seconds", "processor", "steps", "stopped")},
        "anonymous_gb": memory.peak / GIB,
    }  # fmt: skip


@benchmark.part(
    "distill_peer", by=("n", "outputs", "gates"),
    columns=("n", "d", "outputs", "gates", "solver", "threads", "seconds", "processor", "ratio", "runs", "steps", "gap",
             "upper", "stopped", "anonymous_gb"),
)  # fmt: skip
def peer(run: Run) -> Iterator[Row]:
    from sdprelax.certificate import Gates
    from sdprelax.lasso import moments_of, prove, sampled_gates

    python, stopped = run.options["python"], False
    if python is None and not run.tiny:
        raise Needs("an interpreter that has pyscnn: name it with --python")
    cases = [Size(samples, 512, 1, 8) for samples in DOUBLED] + list(PEERS)
    for size in run.choose(cases, tiny=[TINY]):
        if not run.wants(size.samples, size.outputs, size.gates + 1) or (stopped and size not in PEERS):
            continue
        with tempfile.TemporaryDirectory() as folder:
            data = store_at(Path(folder), size).rows()
            gates = Gates(sampled_gates(moments_of(data), size.gates, np.random.default_rng(0), bias=True), skip=True)
            moment = sum(gates.features(block.inputs).T @ block.targets for block in data.blocks())
            slopes = moment.reshape(-1, data.shape[1], size.outputs)
            gamma = SHARE * float(np.max(np.linalg.norm(slopes, axis=1)))
            always = np.eye(data.shape[1])[:, [-1]]
            directions = np.hstack([gates.directions, always])
            np.savez(Path(folder) / "problem.npz", directions=directions, gamma=gamma)

            where, answer = {"folder": folder, "size": vars(size)}, f"{folder}/{{}}.npz"
            contestants = {"ours": functools.partial(run.apart, ours, answer=answer.format("ours"), **where)}
            if python is not None:
                theirs = functools.partial(run.apart, pyscnn, python=python, budget=run.options["limit"], **where)
                for dtype in ("float64", "float32") if size == cases[0] else ("float64",):
                    contestants[dtype] = functools.partial(theirs, dtype=dtype, answer=answer.format(dtype))
            found = alternated(contestants, REPEATS, REPEATED)
            for solver, runs in found.items():
                weights = np.load(Path(folder) / f"{solver}.npz")["weights"]
                proof, once = prove(data, gates, weights, gamma, "columns"), summary(runs)
                once |= {"n": size.samples, "d": data.shape[1], "outputs": size.outputs, "gates": size.gates + 1}
                once |= {"solver": solver if solver == "ours" else f"pyscnn, {solver}", "threads": run.threads}
                once |= {"ratio": ratio(once, summary(found["ours"]), "processor"), "gap": proof.gap}
                once |= {"upper": proof.upper, "stopped": any(one["stopped"] for one in runs)}
                once["anonymous_gb"] = max(one["anonymous_gb"] for one in runs)
                stopped |= once["stopped"] or once["anonymous_gb"] * GIB > MOST
                yield once


ORDERED, PERMUTATIONS = Size(20_000, 128, 16, 8), 3


def permuted(size: Row, penalty: str, share: float | str) -> Row:
    from sdprelax.lasso import ArrayRows

    given = Size(**size)
    sides = [np.concatenate(parts) for parts in zip(*Made(given), strict=True)]
    inputs = np.hstack([sides[0], np.ones((given.samples, 1), np.float32)])
    found = []
    for number in range(PERMUTATIONS):
        order = np.random.default_rng(number).permutation(given.samples)
        _, gates, stages, trained = fitted(ArrayRows(inputs[order], sides[1][order]), penalty, share, 1e-4, given.gates)
        masks = gates.masks(inputs.astype(np.float64))
        found.append((masks, trained.proof, trained, sum(stages.seconds.values())))
    masks, proof, trained, _ = found[0]

    def farthest(of: Callable[[tuple[Any, ...]], np.ndarray]) -> float:
        values = [np.asarray(of(one)) for one in found]
        return max(float(np.linalg.norm(a - b) / np.linalg.norm(a)) for i, a in enumerate(values) for b in values[:i])

    return {
        "n": given.samples, "d": inputs.shape[1], "outputs": given.outputs, "gates": given.gates, "penalty": penalty,
        "share": trained.share, "chosen": share == "auto", "gap": proof.gap,
        "masks_differ": int(max(np.sum(masks != one[0]) for one in found)),
        "same_share": len({one[2].share for one in found}) == 1, "lower": farthest(lambda one: one[1].lower),
        "upper": farthest(lambda one: one[1].upper), "weights": farthest(lambda one: one[2].weights),
        "processor": float(np.median([one[3] for one in found])),
    }  # fmt: skip


@benchmark.part(
    "distill_order", by=("penalty", "chosen"),
    columns=("threads", "n", "d", "outputs", "gates", "penalty", "share", "chosen", "gap", "masks_differ", "same_share",
             "lower", "upper", "weights", "processor"),
)  # fmt: skip
def order(run: Run) -> Iterator[Row]:
    for penalty in ("frobenius", "nuclear"):
        for share in (SHARE, "auto"):
            if run.wants(penalty, share == "auto"):
                size = vars(run.choose(ORDERED, tiny=TINY))
                yield {"threads": run.threads, **run.apart(permuted, size=size, penalty=penalty, share=share)}


SOLVED, SOLVED_GAP = Size(2_000, 60, 10, 20), 1e-6


def solved(size: Row, solver: str, penalty: str, share: float, budget: float) -> Row:
    from sdprelax.base import Deadline
    from sdprelax.certificate import Gates
    from sdprelax.lasso import (
        ArrayRows,
        Masked,
        Program,
        Stop,
        largest_gamma,
        moments_of,
        sampled_gates,
        solve_program,
        statistics_of,
    )  # fmt: skip
    from sdprelax.lasso._alternating import StatisticsProgram, alternating

    @dataclass(frozen=True)
    class ProcessorDeadline(Deadline):
        """A deadline that other programs do not bring nearer."""

        started: float = field(default_factory=time.process_time)

        @property
        def elapsed(self) -> float:
            return time.process_time() - self.started

        def fraction(self, share: float) -> Deadline:
            return ProcessorDeadline(self.remaining * share)

    given = Size(**size)
    z, targets = next(iter(Made(given)))
    rows = ArrayRows(np.hstack([z, np.ones((given.samples, 1), np.float32)]), targets)
    drawn = sampled_gates(moments_of(rows), given.gates, np.random.default_rng(0), bias=True)
    gates = Gates(drawn, skip=True)
    started, begun = time.perf_counter(), time.process_time()
    (data,) = statistics_of(rows, gates)
    gamma = share * largest_gamma(data, penalty)
    stop = Stop(SOLVED_GAP, steps=10**9, deadline=ProcessorDeadline(budget))
    if solver == "statistics":
        found = alternating(StatisticsProgram(gamma, penalty, data), None, stop)
    else:
        (block,) = rows.blocks()
        program = Program(gamma, penalty, Masked(block.inputs, gates.masks(block.inputs)), block.targets)
        started, begun = time.perf_counter(), time.process_time()
        found = solve_program(program, solver, stop)
    seconds, processor = time.perf_counter() - started, time.process_time() - begun
    return {
        "seconds": seconds,
        "processor": processor,
        "steps": found.iterations,
        "value": found.value,
        "gap": found.gap,
    }


@benchmark.part(
    "distill_solver", by=("share", "penalty"),
    columns=("n", "d", "outputs", "gates", "share", "penalty", "solver", "threads", "seconds", "processor", "steps",
             "value", "gap", "ratio", "runs"),
)  # fmt: skip
def solver(run: Run) -> Iterator[Row]:
    size, budget = run.choose(SOLVED, tiny=TINY), 10.0
    for share in run.choose((1e-2, SHARE), tiny=(1e-2,)):
        for penalty in ("columns", "frobenius", "nuclear"):
            if not run.wants(share, penalty):
                continue
            key = {"size": vars(size), "penalty": penalty, "share": share, "budget": budget}
            names = ("statistics", "fista") + (("irls",) if penalty != "nuclear" else ())
            contestants = {name: functools.partial(run.apart, solved, solver=name, **key) for name in names}
            found = alternated(contestants, run.choose(REPEATS, tiny=1), 0.5 * budget)
            for name, runs in found.items():
                row = summary(runs) | {"n": size.samples, "d": size.inputs + 1, "outputs": size.outputs}
                row |= {"gates": size.gates + 1, "share": share, "penalty": penalty, "solver": name}
                row |= {"threads": run.threads, "ratio": ratio(row, summary(found["statistics"]), "processor")}
                yield row


if __name__ == "__main__":
    benchmark.main()
