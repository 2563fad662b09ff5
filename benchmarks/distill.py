"""Distillation out of core: time and memory of the gated fit, beside pyscnn (Mishkin) and our solvers in memory.

    python benchmarks/distill.py large  [--threads 1] [--samples 200000]              # distill_large.csv
    python benchmarks/distill.py rows   [--threads 1] [--samples 200000]              # distill_rows.csv
    python benchmarks/distill.py peer   --python /tmp/scnn/bin/python [--threads 1]   # distill_peer.csv
    python benchmarks/distill.py order  [--threads 1]                                 # distill_order.csv
    python benchmarks/distill.py solver [--threads 1]                                 # distill_solver.csv

Activations are made: Z = the second ReLU layer of a random network of Gaussian inputs (nonnegative, correlated, not
centred), F = a hidden ReLU teacher of Z plus noise, in single precision and on disk. Every fit has a process of its
own. γ is a share of the least γ at which all weights are zero.

large: 512 inputs (and the constant 1), 64 outputs, 8 gates and a skip, two penalties, γ fixed and cross-validated.
``error`` is ‖F − ΦW‖² over the targets' spread about their mean, ``gap`` is proved, rounding included; ``resident_gb``
is the kernel's peak, which counts pages of mapped files, ``anonymous_gb`` the peak of memory that nothing else can
reclaim, looked at every 10 ms. More than 8 GiB of that fail the benchmark.

rows: the first of these fits over an eighth, a quarter and half of the samples.

``seconds`` are by the clock on the wall, ``processor`` those of all threads, which other programs disturb less; parts
of a fit and ratios are of the latter.

peer: the same program by pyscnn's R-FISTA (package pyscnn, which needs torch:
``python3 -m venv /tmp/scnn && /tmp/scnn/bin/pip install torch pyscnn``), with the penalty it has, a norm per gate and
output. Seconds to a relative gap of 1e-3; pyscnn looks at subgradients, so its gap is computed every 20 steps, off the
clock, and it stops as soon as that will do. ``gap`` is then proved the same way for both. The skip is a gate along the
constant 1. Arrays are in pyscnn's memory before its clock starts; ours reads the disk on the clock.

order: the same fit, moments and gates included, over three permutations of the rows.

solver: statistics and alternating directions beside sdprelax.gated_training.train to a gap of 1e-6, or to 10 processor
seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

Row = dict[str, Any]

INPUTS, OUTPUTS, GATES, SHARE = 512, 64, 8, 1e-3
BATCH, LATENT, HIDDEN, WIDTH, NOISE = 4096, 64, 256, 32, 0.1
GIB = 2**30
MOST = 8 * GIB
# Runs of fewer processor seconds are repeated.
REPEATED, REPEATS = 30.0, 3


class Made:
    """Batches of activations, the same whenever they are gone through."""

    def __init__(self, samples: int, inputs: int, outputs: int) -> None:
        self.samples = samples
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


def store_at(folder: Path, samples: int, inputs: int, outputs: int) -> Any:
    """Return activations on disk, made unless they are there."""
    from sdprelax.distillation.activations import collect

    made = Made(samples, inputs, outputs)
    waiting = iter(made)
    identity = f"{samples} made samples, {inputs} to {outputs}"
    return collect(lambda _: next(waiting), range(len(made)), folder, identity=identity)


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
    from sdprelax.out_of_core.gates import moments_of, sampled_gates
    from sdprelax.out_of_core.training import train_out_of_core

    stages = Stages()
    moments = moments_of(rows)
    gates = Gates(sampled_gates(moments, count, np.random.default_rng(0), bias=True), skip=True)
    stages.enter("gates")
    trained = train_out_of_core(rows, gates, penalty, share=share, tolerance=tolerance, stage=stages.stage)
    stages.enter("done")
    return moments, gates, stages, trained


def measure_fit(folder: str, samples: int, of: int, penalty: str, share: float | str) -> Row:
    store = store_at(Path(folder), of, INPUTS, OUTPUTS)
    rows = store.rows(subset=np.arange(samples))
    started = time.perf_counter()
    with Memory() as memory:
        moments, _, stages, trained = fitted(rows, penalty, share, 1e-4, GATES)
    elapsed = time.perf_counter() - started
    seconds = stages.seconds
    proof = trained.proof
    return {
        "n": samples, "d": rows.shape[1], "outputs": rows.shape[2], "gates": GATES, "penalty": penalty,
        "share": trained.share, "chosen": share == "auto", "seconds": elapsed, "processor": sum(seconds.values()),
        **{name: seconds[name] for name in ("moments", "statistics", "solver", "proof")},
        "steps": trained.steps, "gap": proof.gap, "lower": proof.lower, "upper": proof.upper,
        "error": 2.0 * proof.loss / moments.spread, "anonymous_gb": memory.peak / GIB, "resident_gb": resident(),
    }  # fmt: skip


def resident() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / GIB


def run_large(given: argparse.Namespace) -> None:
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        store_at(Path(folder), given.samples, INPUTS, OUTPUTS)
        for penalty, share in (("frobenius", SHARE), ("nuclear", SHARE), ("frobenius", "auto")):
            arguments = {"folder": folder, "samples": given.samples, "of": given.samples}
            found = apart(given.threads, sys.executable, "fit", **arguments, penalty=penalty, share=share)
            keep(rows, {"threads": given.threads, **found}, given.out, "distill_large")
    if any(row["anonymous_gb"] * GIB > MOST for row in rows):
        sys.exit(f"a fit took more than {MOST / GIB:g} GiB of memory.")


def run_rows(given: argparse.Namespace) -> None:
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        store_at(Path(folder), given.samples, INPUTS, OUTPUTS)
        for part in (8, 4, 2):
            samples = given.samples // part
            found = apart(
                given.threads, sys.executable, "fit", folder=folder, samples=samples, of=given.samples,
                penalty="frobenius", share=SHARE,
            )  # fmt: skip
            passes = found["processor"] - found["solver"]
            found["passes_per_thousand"] = 1e3 * passes / samples
            keep(rows, {"threads": given.threads, **found}, given.out, "distill_rows")


# Samples are doubled, with one output and GATES gates, until pyscnn comes to a limit; then samples, outputs and gates.
DOUBLED = (2_500, 5_000, 10_000, 20_000, 40_000, 80_000, 160_000, 320_000)
PEERS = ((2_500, 1, 32), (2_500, 8, 8))
PEER_GAP = 1e-3


def measure_ours(folder: str, samples: int, outputs: int, answer: str) -> Row:
    from sdprelax.certificate import Gates
    from sdprelax.out_of_core.training import train_out_of_core

    rows = store_at(Path(folder), samples, INPUTS, outputs).rows()
    problem = np.load(Path(folder) / "problem.npz")
    gates = Gates(problem["directions"][:, :-1], skip=True)
    with Memory() as memory:
        started, begun = time.perf_counter(), time.process_time()
        found = train_out_of_core(rows, gates, "columns", share=SHARE, tolerance=PEER_GAP)
        seconds, processor = time.perf_counter() - started, time.process_time() - begun
    assert abs(found.gamma / float(problem["gamma"]) - 1.0) < 1e-9
    np.savez(answer, weights=found.weights)
    return {
        "seconds": seconds,
        "processor": processor,
        "steps": found.steps,
        "stopped": False,
        "anonymous_gb": memory.peak / GIB,
    }


def judged(X: np.ndarray, masks: np.ndarray, Y: np.ndarray, weights: np.ndarray, gamma: float) -> float:
    """Return the relative gap of weights of shape (c, m, d) that their residual's multiples leave."""
    value, dual = 0.0, 0.0
    for y, part in zip(Y.T, weights, strict=True):
        residual = y - np.einsum("ij,ij->i", masks, X @ part.T)
        along, energy = residual @ y, residual @ residual
        steepest = np.max(np.linalg.norm(X.T @ (masks * residual[:, None]), axis=0))
        scale = max(0.0, min(along / energy, gamma / steepest))
        value += 0.5 * energy + gamma * np.sum(np.linalg.norm(part, axis=1))
        dual += scale * along - 0.5 * scale**2 * energy
    return float((value - dual) / value)


def measure_pyscnn(folder: str, samples: int, outputs: int, answer: str, dtype: str, limit: float) -> Row:
    from scnn.metrics import Metrics
    from scnn.models import ConvexGatedReLU
    from scnn.optimize import optimize_model
    from scnn.private.methods.termination_criteria import GradientNorm
    from scnn.regularizers import NeuronGL1
    from scnn.solvers import RFISTA

    where = Path(folder)
    Z = np.fromfile(where / "entering.float32", np.float32).reshape(samples, INPUTS)
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
        clock["stopped"] = bool((now() - started - clock["aside"])[1] > limit)
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
    weights = np.zeros((outputs, len(directions), directions.shape[1]))
    for k, direction in enumerate(found["directions"].T):
        # Gates of one pattern count once there, and in an order of their own.
        weights[:, :, np.argmin(np.linalg.norm(directions - direction[:, None], axis=0))] = found["weights"][:, k]
    np.savez(answer, weights=weights)
    return {
        **{key: clock[key] for key in ("seconds", "processor", "steps", "stopped")},
        "anonymous_gb": memory.peak / GIB,
    }  # fmt: skip


def median(runs: list[Row], key: str) -> float:
    return float(np.median([run[key] for run in runs]))


def run_peer(given: argparse.Namespace) -> None:
    import pandas as pd

    from sdprelax.certificate import Gates
    from sdprelax.out_of_core.gates import moments_of, sampled_gates
    from sdprelax.out_of_core.program import largest_gamma
    from sdprelax.out_of_core.proof import prove
    from sdprelax.out_of_core.statistics import Statistics

    if given.python is None:
        sys.exit("peer needs an interpreter that has pyscnn: name it with --python.")
    rows: list[Row] = []
    stopped = False
    cases = [(samples, 1, GATES) for samples in DOUBLED] + list(PEERS)
    written = given.out / "distill_peer.csv"
    if given.case and written.exists():
        # Cases that are not asked for keep their rows.
        earlier = pd.read_csv(written)
        asked = [f"{row.n},{row.outputs},{row.gates - 1}" in given.case for row in earlier.itertuples()]
        rows = earlier[~np.array(asked)].to_dict("records")
    for case in cases:
        samples, outputs, count = case
        if (stopped and case not in PEERS) or (given.case and f"{samples},{outputs},{count}" not in given.case):
            continue
        solvers = ("ours", "float64", "float32") if case == cases[0] else ("ours", "float64")
        with tempfile.TemporaryDirectory() as folder:
            data = store_at(Path(folder), samples, INPUTS, outputs).rows()
            gates = Gates(sampled_gates(moments_of(data), count, np.random.default_rng(0), bias=True), skip=True)
            moment = sum(gates.features(block.inputs).T @ block.targets for block in data.blocks())
            empty = Statistics(data.shape[1], np.zeros((0, 0)), moment, np.zeros(outputs), samples)
            gamma = SHARE * largest_gamma(empty, "columns")
            always = np.eye(data.shape[1])[:, [-1]]
            np.savez(
                Path(folder) / "problem.npz", directions=np.hstack([gates.directions, always]), gamma=gamma
            )  # fmt: skip
            runs: dict[str, list[Row]] = {solver: [] for solver in solvers}
            for _ in range(REPEATS):
                for solver, found in runs.items():
                    if found and found[0]["processor"] > REPEATED:
                        continue
                    where = {"folder": folder, "samples": samples, "outputs": outputs}
                    where["answer"] = str(Path(folder) / f"{solver}.npz")
                    if solver == "ours":
                        found.append(apart(given.threads, sys.executable, "ours", **where))
                    else:
                        found.append(
                            apart(given.threads, given.python, "pyscnn", **where, dtype=solver, limit=given.limit)
                        )
            unit = median(runs["ours"], "processor")
            for solver, found in runs.items():
                weights = np.load(Path(folder) / f"{solver}.npz")["weights"]
                proof = prove(data, gates, weights, gamma, "columns")
                row = {"n": samples, "d": data.shape[1], "outputs": outputs, "gates": count + 1}
                row |= {"solver": solver if solver == "ours" else f"pyscnn, {solver}", "threads": given.threads}
                row |= {key: median(found, key) for key in ("seconds", "processor")}
                row |= {"ratio": row["processor"] / unit, "runs": len(found), "steps": found[0]["steps"]}
                row |= {"gap": proof.gap, "upper": proof.upper, "stopped": any(run["stopped"] for run in found)}
                row["anonymous_gb"] = max(run["anonymous_gb"] for run in found)
                keep(rows, row, given.out, "distill_peer")
                stopped |= row["stopped"] or row["anonymous_gb"] * GIB > MOST


ORDERED, ORDER_INPUTS, ORDER_OUTPUTS, PERMUTATIONS = 20_000, 128, 16, 3


def measure_order(penalty: str, share: float | str) -> Row:
    from sdprelax.out_of_core.rows import ArrayRows

    sides = [np.concatenate(parts) for parts in zip(*Made(ORDERED, ORDER_INPUTS, ORDER_OUTPUTS), strict=True)]
    inputs = np.hstack([sides[0], np.ones((ORDERED, 1), np.float32)])
    found = []
    for number in range(PERMUTATIONS):
        order = np.random.default_rng(number).permutation(ORDERED)
        _, gates, stages, trained = fitted(ArrayRows(inputs[order], sides[1][order]), penalty, share, 1e-4, GATES)
        masks = gates.masks(inputs.astype(np.float64))
        found.append((masks, trained.proof, trained, sum(stages.seconds.values())))
    masks, proof, trained, _ = found[0]

    def farthest(of: Callable[[tuple[Any, ...]], np.ndarray]) -> float:
        values = [np.asarray(of(one)) for one in found]
        return max(float(np.linalg.norm(a - b) / np.linalg.norm(a)) for i, a in enumerate(values) for b in values[:i])

    return {
        "n": ORDERED, "d": inputs.shape[1], "outputs": ORDER_OUTPUTS, "gates": GATES, "penalty": penalty,
        "share": trained.share, "chosen": share == "auto", "gap": proof.gap,
        "masks_differ": int(max(np.sum(masks != one[0]) for one in found)),
        "same_share": len({one[2].share for one in found}) == 1, "lower": farthest(lambda one: one[1].lower),
        "upper": farthest(lambda one: one[1].upper), "weights": farthest(lambda one: one[2].weights),
        "processor": float(np.median([one[3] for one in found])),
    }  # fmt: skip


def run_order(given: argparse.Namespace) -> None:
    rows: list[Row] = []
    for penalty in ("frobenius", "nuclear"):
        for share in (SHARE, "auto"):
            found = apart(given.threads, sys.executable, "order", penalty=penalty, share=share)
            keep(rows, {"threads": given.threads, **found}, given.out, "distill_order")


SOLVED, SOLVED_INPUTS, SOLVED_OUTPUTS, SOLVED_GATES, SOLVED_GAP, SOLVED_LIMIT = 2_000, 60, 10, 20, 1e-6, 10.0


def measure_solver(solver: str, penalty: str, share: float) -> Row:
    from sdprelax.certificate import Gates
    from sdprelax.deadline import Deadline
    from sdprelax.gated_training import GatedProgram, train
    from sdprelax.out_of_core.gates import moments_of, sampled_gates
    from sdprelax.out_of_core.program import largest_gamma, solve
    from sdprelax.out_of_core.rows import ArrayRows
    from sdprelax.out_of_core.statistics import collect

    @dataclass(frozen=True)
    class ProcessorDeadline(Deadline):
        """A deadline that other programs do not bring nearer."""

        started: float = field(default_factory=time.process_time)

        @property
        def elapsed(self) -> float:
            return time.process_time() - self.started

        def fraction(self, share: float) -> Deadline:
            return ProcessorDeadline(self.remaining * share)

    z, targets = next(iter(Made(SOLVED, SOLVED_INPUTS, SOLVED_OUTPUTS)))
    rows = ArrayRows(np.hstack([z, np.ones((SOLVED, 1), np.float32)]), targets)
    drawn = sampled_gates(moments_of(rows), SOLVED_GATES, np.random.default_rng(0), bias=True)
    gates = Gates(drawn, skip=True)
    started, begun = time.perf_counter(), time.process_time()
    (data,) = collect(rows, gates)
    gamma = share * largest_gamma(data, penalty)
    if solver == "statistics":
        solved = solve(
            data, gamma, penalty, tolerance=SOLVED_GAP, max_steps=10**9, deadline=ProcessorDeadline(SOLVED_LIMIT)
        )  # fmt: skip
        steps = solved.steps
    else:
        (block,) = rows.blocks()
        program = GatedProgram(block.inputs, gates.masks(block.inputs), block.targets, gamma, penalty)
        started, begun = time.perf_counter(), time.process_time()
        solved = train(
            program, solver, tolerance=SOLVED_GAP, max_iterations=10**9, deadline=ProcessorDeadline(SOLVED_LIMIT)
        )  # fmt: skip
        steps = solved.iterations
    seconds, processor = time.perf_counter() - started, time.process_time() - begun
    return {"seconds": seconds, "processor": processor, "steps": steps, "value": solved.value, "gap": solved.gap}


def run_solver(given: argparse.Namespace) -> None:
    rows: list[Row] = []
    for share in (1e-2, SHARE):
        for penalty in ("columns", "frobenius", "nuclear"):
            runs: dict[str, list[Row]] = {"statistics": [], "fista": []}
            if penalty != "nuclear":
                runs["irls"] = []
            for _ in range(REPEATS):
                for solver, found in runs.items():
                    if not found or found[0]["processor"] < 0.5 * SOLVED_LIMIT:
                        found.append(
                            apart(given.threads, sys.executable, "solver", solver=solver, penalty=penalty, share=share)
                        )
            unit = median(runs["statistics"], "processor")
            for solver, found in runs.items():
                row = {"n": SOLVED, "d": SOLVED_INPUTS + 1, "outputs": SOLVED_OUTPUTS, "gates": SOLVED_GATES + 1}
                row |= {"share": share, "penalty": penalty, "solver": solver, "threads": given.threads}
                row |= {**found[0], **{key: median(found, key) for key in ("seconds", "processor")}}
                row |= {"ratio": row["processor"] / unit, "runs": len(found)}
                keep(rows, row, given.out, "distill_solver")


MEASURES: dict[str, Callable[..., Row]] = {
    "fit": measure_fit, "ours": measure_ours, "pyscnn": measure_pyscnn, "order": measure_order,
    "solver": measure_solver,
}  # fmt: skip


def apart(threads: int, python: str, measure: str, **arguments: Any) -> Row:
    """Measure in a process of its own, in some interpreter."""
    names = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
    environment = {**os.environ, **{name: str(threads) for name in names}}
    command = [python, __file__, "measure", measure, json.dumps(arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{measure} did not run in {python}:\n{done.stderr[-1000:]}")
    found: Row = json.loads(done.stdout.splitlines()[-1])
    return found


def keep(rows: list[Row], row: Row, folder: Path, name: str) -> None:
    """Show a row, and write it with those before it."""
    import pandas as pd

    print({key: f"{v:.4g}" if isinstance(v, float) else v for key, v in row.items()}, flush=True)
    rows.append(row)
    folder.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows).to_csv(folder / f"{name}.csv", index=False, float_format="%.8g")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    root = Path(__file__).resolve().parents[1]
    parts = parser.add_subparsers(dest="part", required=True)
    runs = {"large": run_large, "rows": run_rows, "peer": run_peer, "order": run_order, "solver": run_solver}
    for name, run in runs.items():
        part = parts.add_parser(name)
        part.set_defaults(run=run)
        part.add_argument("--out", type=Path, default=root / "results" / "published")
        part.add_argument("--threads", type=int, default=1)
        if name in ("large", "rows"):
            part.add_argument("--samples", type=int, default=200_000)
        if name == "peer":
            part.add_argument("--python", help="interpreter that has pyscnn")
            part.add_argument("--case", action="append", metavar="SAMPLES,OUTPUTS,GATES", help="(repeat for several)")
            part.add_argument("--limit", type=float, default=600.0, help="processor seconds until pyscnn is stopped")
    measuring = parts.add_parser("measure", help="(what the others run in processes of their own)")
    measuring.add_argument("measure", choices=MEASURES)
    measuring.add_argument("arguments")
    given = parser.parse_args()
    if given.part == "measure":
        print(json.dumps(MEASURES[given.measure](**json.loads(given.arguments))))
    else:
        given.run(given)


if __name__ == "__main__":
    main()
