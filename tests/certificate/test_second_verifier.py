"""tools/check_certificate.py, which shares no line with the package, proves what ``sdprelax.verify`` proves."""

from __future__ import annotations

import ast
import dataclasses
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flint import arb, arb_mat
from fuzz import CHECKER
from hypothesis import given, settings
from hypothesis import strategies as st

import sdprelax
from sdprelax import Problem
from tests.certificate.verifiers import checker, proved_by_both, refused_by_both, second_verifier
from tests.conftest import degenerate_problem

SDP = {"rounding": None}


def gaussian(seed: int, n: int, d: int, c: int, gamma: float = 0.1, bias: bool = False) -> Problem:
    rng = np.random.default_rng(seed)
    return Problem(rng.standard_normal((n, d)), rng.standard_normal((n, c)), gamma, bias)


def test_it_is_small_and_imports_nothing_of_the_package() -> None:
    source = CHECKER.read_text(encoding="utf-8")
    imported = {
        name.split(".")[0]
        for node in ast.walk(ast.parse(source))
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for name in ([alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""])
    }
    assert len(source.splitlines()) < 650
    assert imported - set(sys.stdlib_module_names) == {"numpy", "flint"}


@pytest.mark.parametrize(("method", "options"), [("sdp", SDP), ("sdp", SDP | {"cones": 4}), ("exact", {})])
@pytest.mark.parametrize("seed", [0, 1, 2, 3, 5])
def test_both_prove_the_same_of_degenerate_problems(
    seed: int, method: str, options: dict[str, Any], tmp_path: Path
) -> None:
    problem = degenerate_problem(seed)
    outcome = sdprelax.solve(problem, method, **options)
    assert proved_by_both(problem, outcome.certificate, tmp_path / "c.npz") == pytest.approx(outcome.lower, rel=1e-11)


@pytest.mark.parametrize(
    ("problem", "method"),
    [
        (gaussian(0, 25, 2, 5), "exact"),
        (gaussian(1, 9, 3, 2), "exact"),
        (gaussian(2, 8, 4, 1), "exact"),
        (gaussian(3, 8, 2, 1, bias=True), "exact"),
        (gaussian(4, 12, 2, 2, gamma=1e4), "sdp"),
        (Problem(np.zeros((3, 2)), np.ones((3, 1)), 1.0), "exact"),
    ],
)
def test_both_prove_the_same_of_optima_and_of_empty_networks(problem: Problem, method: str, tmp_path: Path) -> None:
    outcome = sdprelax.solve(problem, method)
    assert outcome.upper is not None
    proved = proved_by_both(problem, outcome.certificate, tmp_path / "c.npz")
    assert proved <= outcome.upper and (method == "sdp" or proved >= (1.0 - 1e-6) * outcome.upper)


@pytest.mark.parametrize("scale", [(1e-150, 1e-150), (1e150, 1e150), (1e-200, 1e120), (1e60, 1e-60)])
@pytest.mark.parametrize("method", ["sdp", "exact"])
def test_both_prove_the_same_at_every_scale(scale: tuple[float, float], method: str, tmp_path: Path) -> None:
    s, t = scale
    plain = gaussian(5, 6, 2, 1)
    problem = Problem(plain.X * s, plain.Y * t, plain.gamma * s * t)
    assert 0.0 < problem.gamma < np.inf
    outcome = sdprelax.solve(problem, method)
    if 1e-150 < t < 1e150:
        assert proved_by_both(problem, outcome.certificate, tmp_path / "c.npz") == pytest.approx(outcome.lower)
    else:  # t² is no number worth printing, and neither verifier may then say more than is true
        assert outcome.lower is not None and outcome.upper is not None
        assert proved_by_both(problem, outcome.certificate, tmp_path / "c.npz") <= outcome.upper


def test_both_prove_a_claim_far_smaller_than_the_terms_that_it_is_the_sum_of(tmp_path: Path) -> None:
    """Rounding of the oracle's bound then costs more than a share of the claim."""
    X = [[-1.088014071216133, -0.25852865528818897, -0.44619694865613724],
         [-0.8587517896284745, -0.20405245784259055, -0.3521759858830958],
         [-0.9893158497805229, -0.2350764600067776, -0.40572059232268254]]  # fmt: skip
    problem = Problem(X, [[2.0, 4.0, 5.0], [1.0, 4.0, 1.0], [5.0, 3.0, 2.0]], 2.088421608434086, loss="poisson")
    certificate = sdprelax.solve(problem, "exact").certificate
    assert certificate is not None and 0.0 < certificate.lower < 0.1
    proved_by_both(problem, certificate, tmp_path / "c.npz")


def test_neither_believes_a_claim_above_the_optimum(tmp_path: Path) -> None:
    problem = gaussian(6, 8, 2, 2)
    exact = sdprelax.solve(problem, "exact")
    assert exact.upper is not None
    for outcome in (exact, sdprelax.solve(problem, "sdp", **SDP)):
        assert outcome.certificate is not None
        refused_by_both(problem, dataclasses.replace(outcome.certificate, lower=exact.upper), tmp_path / "c.npz")
        turned = dataclasses.replace(outcome.certificate, multiplier=-outcome.certificate.multiplier)
        refused_by_both(problem, turned, tmp_path / "c.npz")


@given(st.integers(0, 10_000), st.integers(1, 4), st.integers(1, 3))
@settings(max_examples=25)
def test_a_cover_proves_what_is_above_the_maximum_and_nothing_below_what_is_met(seed: int, r: int, c: int) -> None:
    rng = np.random.default_rng(seed)
    g = int(rng.integers(1, 9))
    rows, dual = rng.standard_normal((g, r)), rng.standard_normal((2 * g, c))
    W = rng.standard_normal((r, 20_000)) if r > 1 else np.array([[1.0, -1.0]])
    inner = rows @ W
    outputs = dual[:g].T @ np.maximum(inner, 0.0) + dual[g:].T @ np.maximum(-inner, 0.0)
    met = float(np.max(np.linalg.norm(outputs, axis=0) / np.linalg.norm(W, axis=0)))
    B, deadline = checker.exact(dual), checker.time.monotonic() + 60.0
    checker.cover(rows, B, met * 1.2, deadline)
    with pytest.raises(ValueError, match=r"oracle is larger|does not end"):
        checker.cover(rows, B, met * (1.0 - 1e-6), deadline)


def test_positive_definiteness_is_proved_to_the_last_digits_and_never_where_it_is_not() -> None:
    rng = np.random.default_rng(0)
    for n, least in ((1, 1e-10), (5, 1e-12), (40, 1e-13), (40, 1e-20)):
        Q = checker.exact(np.linalg.qr(rng.standard_normal((n, n)))[0])
        spectrum = np.concatenate([[least], rng.uniform(0.5, 2.0, n - 1)])
        H = Q * checker.exact(np.diag(spectrum)) * Q.transpose()
        assert checker.positive_definite(H)
        assert not checker.positive_definite(H - checker.exact(3.0 * least * np.eye(n)))
    for singular in (arb_mat(2, 2), arb_mat(1, 1, [arb(-1)]), arb_mat(1, 1, [arb.nan()]), arb_mat(1, 1, [arb(1, 2)])):
        assert not checker.positive_definite(singular)


@given(st.integers(0, 10_000))
@settings(max_examples=30)
def test_farkas_multipliers_are_nonnegative_and_find_what_is_there(seed: int) -> None:
    rng = np.random.default_rng(seed)
    normals = rng.standard_normal((int(rng.integers(1, 9)), int(rng.integers(1, 5))))
    inside = rng.exponential(size=len(normals)) @ normals
    weights = checker.combination(normals, inside)
    assert np.all(weights >= 0.0) and np.linalg.norm(weights @ normals - inside) <= 1e-12 * np.linalg.norm(inside)


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(CHECKER), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_command_prints_a_bound_or_one_sentence(tmp_path: Path) -> None:
    problem = gaussian(7, 6, 1, 1, bias=True)
    certificate = sdprelax.solve(problem, "sdp", **SDP).certificate
    assert certificate is not None
    honest, data = tmp_path / "certificate.npz", tmp_path / "data.npz"
    certificate.save(honest)
    np.savez(data, X=problem.X, Y=problem.Y, gamma=problem.gamma, bias=problem.bias)
    done = run(honest, data)
    assert done.returncode == 0 and float(done.stdout) == second_verifier(problem, honest)
    np.savez(data, X=problem.X, Y=problem.Y[:, 0])
    assert run(honest, data, "--gamma", problem.gamma, "--bias").stdout == done.stdout
    forged = tmp_path / "forged.npz"
    dataclasses.replace(certificate, lower=2.0 * certificate.lower).save(forged)
    refused = run(forged, data, "--gamma", problem.gamma, "--bias")
    assert refused.returncode == 1 and refused.stdout == "" and refused.stderr.count("\n") == 1
    assert "not proved: it claims the lower bound" in refused.stderr
    forged.write_bytes(honest.read_bytes()[:-50])
    assert run(forged, data, "--gamma", problem.gamma).returncode == 1
    for wrong in ((honest, data), (honest, tmp_path / "none.npz", "--gamma", 1), (honest,)):
        assert run(*wrong).returncode == 2
