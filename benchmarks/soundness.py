"""Bounds of random degenerate problems over all losses, activations, offsets and weights: soundness.csv.

    python benchmarks/soundness.py [--problems 300] [--seed 0]

Rows are duplicated, opposite, zero or of rank one, targets constant or of one class, scales and γ tiny or huge. Three
networks (none, a trained one, a random one) give upper bounds, and their residuals lower ones: certificates of the
relaxation with no multipliers and with rough ones, and covers by cones; one problem in three has the bounds of the
method ``exact`` too, and one those of ``sdp``. What must not happen has columns:

false_bounds      a lower bound above an upper bound of the same problem, with no tolerance
disagreements     certificates that sdprelax.verify or tools/check_certificate.py does not prove as claimed
forged_accepted   forgeries that one of them believes: claims above an upper bound, of the honest dual point and of
                  points turned, outside of the domain, and off the equations of rows or columns
"""

from __future__ import annotations

import dataclasses
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from fuzz import described, loaded_checker
from harness import Benchmark, Row, Run

import sdprelax
from sdprelax import Certificate, CertificateError, Deadline, Network, Outcome, Problem
from sdprelax.certificate import cone_certificate, relaxation_certificate
from sdprelax.problem import losses, reduce

benchmark = Benchmark(__doc__, problems=(300, "problems in all"), seed=(0, "of the first problem"))
checker: Any = loaded_checker()
# Those that both verifiers know: pages of docs/how_to add others to the registry.
LOSSES = tuple(sorted(checker.LOSSES))
# Whose bounds are looked at too, by turns.
METHODS = (None, "exact", "sdp")
# Seconds that a proof may take; the honest ones take hundredths.
PATIENCE = 60.0


def random_problem(seed: int) -> Problem:
    """Return a small random problem of the seed-th loss, most of them with something degenerate about them."""
    rng = np.random.default_rng(seed)
    name = LOSSES[seed % len(LOSSES)]
    options = {"huber": {"delta": 10.0 ** rng.uniform(-2, 2)}, "quantile": {"level": rng.uniform(0.02, 0.98)}}
    loss = losses.create(name, options.get(name))
    n, d, c = int(rng.integers(1, 9)), int(rng.integers(1, 4)), int(rng.integers(1, 4))
    scaled = rng.random() < 0.3
    X = degenerate_rows(rng, n, d) * 10.0 ** (rng.uniform(-8, 8) * scaled)
    Y = degenerate_targets(rng, loss.targets, n, c)
    if loss.targets == "numbers":
        Y = Y * 10.0 ** (rng.uniform(-8, 8) * (rng.random() < 0.3))
    bias = bool(rng.random() < 0.3)
    problem = Problem(
        X, Y, 1.0, bias, loss=loss, penalise_bias=not (bias and rng.random() < 0.5),
        activation=("relu", {"leaky": {"slope": float(rng.uniform(-0.5, 0.5))}}, "absolute")[int(rng.integers(3))],
        offset=(False, False, True, "penalised", 10.0 ** rng.uniform(-3, 3))[int(rng.integers(5))],
        sample_weight=10.0 ** rng.uniform(-3, 3, n) if rng.random() < 0.5 else None,
    )  # fmt: skip
    # The γ at which no neuron pays is at most this one, about.
    natural = np.linalg.norm(problem.inputs, 2) * np.linalg.norm(problem.residual(problem.empty_network().predict(X)))
    gamma = 10.0 ** rng.uniform(-4, 1) * (float(natural) or 1.0)
    return dataclasses.replace(problem, gamma=float(gamma))


def degenerate_rows(rng: np.random.Generator, n: int, d: int) -> np.ndarray:
    """Return inputs, shape (n, d): duplicated, opposite, zero, collinear, of rank one, whole, or neither."""
    X = rng.standard_normal((n, d))
    some = rng.random(n) < 0.5
    match int(rng.integers(8)):
        case 0:
            X[some] = X[0]
        case 1:
            X[some] = -2.0 * X[0]
        case 2:
            X[some] = 0.0
        case 3:
            X = rng.choice([-2.0, -1.0, 0.5, 3.0], (n, 1)) * X[rng.integers(0, min(n, 3), n)]
        case 4:
            X = np.outer(rng.standard_normal(n), rng.standard_normal(d))
        case 5:
            X = np.round(X)
    return X


def degenerate_targets(rng: np.random.Generator, kind: str, n: int, c: int) -> np.ndarray:
    """Return targets of a loss's kind: constant or of one class in a quarter of all cases."""
    same = slice(1) if rng.random() < 0.25 else slice(n)
    c = max(c, 2) if kind == "simplex" else c
    labels = np.eye(c)[rng.integers(0, c, n)]
    soft = rng.dirichlet(np.ones(c), n)
    Y = {
        "numbers": rng.standard_normal((n, c)) * (rng.random() < 0.9),
        "signs": rng.choice([-1.0, 1.0], (n, c)),
        "counts": rng.poisson(10.0 ** rng.uniform(-1, 4), (n, c)).astype(float),
        "simplex": labels if rng.random() < 0.6 else soft,
    }[kind]
    return np.broadcast_to(Y[same], Y.shape).copy() if same.stop == 1 else Y


def bounds(problem: Problem, seed: int, method: str | None = None) -> tuple[list[float], list[Certificate]]:
    """Return upper bounds of p* by networks, and certificates made of these networks' residuals or by a method."""
    rng = np.random.default_rng(seed)
    _, d, c = problem.shape
    trained = sdprelax.solve(problem, "lbfgs", width=6, restarts=1)
    assert isinstance(trained, Outcome) and isinstance(trained.network, Network)
    hidden, output = rng.standard_normal((d, 3)), rng.standard_normal((3, c))
    networks = [problem.empty_network(), trained.network, problem.network(0.1 * hidden, 0.1 * output)]
    reduction = reduce(problem)
    g, found = reduction.generators, list[Certificate]()
    for network in networks:
        A = problem.residual(network.predict(problem.X))
        if not np.max(np.abs(A)) < 1e100:
            continue
        found.append(cone_certificate(problem, reduction, A, deadline=Deadline(1.0)))
        rough = np.abs(rng.standard_normal((2 * g, 2 * g))) * float(np.max(np.abs(A), initial=0.0)) ** 2
        found += [relaxation_certificate(problem, reduction, A, [N]) for N in (0.0 * rough, rough)]
    if method is not None:
        options = {"rounding": None} if method == "sdp" else {}
        outcome = sdprelax.solve(problem, method, time_limit=PATIENCE, **options)
        assert isinstance(outcome, Outcome)
        networks += [outcome.network] if isinstance(outcome.network, Network) else []
        found += [outcome.certificate] if outcome.certificate is not None else []
    return [problem.upper_bound(network) for network in networks], found


def proofs(problem: Problem, certificate: Certificate, path: Path) -> list[float | None]:
    """Return what each verifier proves of a certificate, the second one from a file; None where it refuses."""
    found: list[float | None] = []
    try:
        found.append(sdprelax.verify(problem, certificate, Deadline(PATIENCE)))
    except CertificateError:
        found.append(None)
    certificate.save(path)
    until = time.monotonic() + PATIENCE
    try:
        arrays = checker.read(path)
        with np.errstate(all="ignore"):
            found.append(float(checker.check(arrays, described(problem), problem.gamma, problem.bias, until)))
    except Exception:  # the program's own last line: whatever it is, it is a refusal
        found.append(None)
    return found


def forgeries(problem: Problem, certificate: Certificate, most: float) -> Iterator[Certificate]:
    """Yield certificates that claim more than an upper bound, of dual points of all kinds."""
    A = certificate.multiplier
    claim = float(np.nextafter(most + 1e-9 * abs(most), np.inf))
    away = np.where(problem.Y < 0.0, -1.0, 1.0) * (1.0 + np.max(np.abs(A)))
    for forged in (A, 1e3 * A, -A, A + away, A - 10.0 * away, A + np.max(np.abs(A))):
        yield dataclasses.replace(certificate, lower=claim, multiplier=forged)


def judged(problem: Problem, seed: int, folder: Path, method: str | None = None) -> Counter[str]:
    """Return how many certificates, forgeries and faults there are of one problem, and its relative gap."""
    uppers, certificates = bounds(problem, seed, method)
    counts: Counter[str] = Counter(certificates=len(certificates), problems=1)
    lowers = []
    for certificate in certificates:
        proved = proofs(problem, certificate, folder / "it.npz")
        counts["disagreements"] += any(lower is None or lower < certificate.lower for lower in proved)
        lowers += [certificate.lower, *(lower for lower in proved if lower is not None)]
    counts["false_bounds"] = sum(not lower <= upper for lower in lowers for upper in uppers)
    best = max(certificates, key=lambda certificate: certificate.lower)
    for forged in forgeries(problem, best, min(uppers)):
        counts["forgeries"] += 1
        counts["forged_accepted"] += any(lower is not None for lower in proofs(problem, forged, folder / "it.npz"))
    counts["met"] = min(uppers) - best.lower <= 1e-3 * abs(min(uppers))
    return counts


COUNTS = ("problems", "certificates", "forgeries", "met", "false_bounds", "disagreements", "forged_accepted")


@benchmark.part("soundness", columns=("loss", *COUNTS), by=("loss",))
def soundness(run: Run) -> Iterator[Row]:
    totals = {name: Counter[str]() for name in LOSSES}
    first = run.options["seed"]
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(first, first + run.choose(run.options["problems"], tiny=len(LOSSES))):
            name = LOSSES[seed % len(LOSSES)]
            if run.wants(name):
                method = METHODS[seed // len(LOSSES) % len(METHODS)]
                counts = judged(random_problem(seed), seed, Path(folder), method)
                if counts["false_bounds"] or counts["disagreements"] or counts["forged_accepted"]:
                    run.fault(f"problem {seed}, {name}: {dict(counts)}")
                totals[name] += counts
    for name, counts in totals.items():
        if counts:
            yield {"loss": name} | {what: counts[what] for what in COUNTS}


if __name__ == "__main__":
    benchmark.main()
