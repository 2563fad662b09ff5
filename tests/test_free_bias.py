"""Hidden biases that cost nothing: what is solved, and proved, in their place (docs/mathematics/problem.md)."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import sdprelax
from sdprelax import InputError, Problem
from sdprelax.certificate import relaxation_certificate
from sdprelax.problem import Presolved, reduce
from sdprelax.training import polish, random_network


def free(seed: int = 0, n: int = 12, d: int = 2, gamma: float = 0.3, offset: bool | str = True) -> Problem:
    rng = np.random.default_rng(seed)
    return Problem(rng.standard_normal((n, d)), rng.standard_normal((n, 2)), gamma, True,
                   offset=offset, penalise_bias=False)  # fmt: skip


@pytest.mark.parametrize("seed", range(5))
def test_no_bias_beyond_the_longest_row_is_steeper(seed: int) -> None:
    """The maximum over all biases is at a kink, b = −x_iᵀu, and that of the column of B is at least as large."""
    problem = free(seed)
    rng = np.random.default_rng(seed)
    A = rng.standard_normal(problem.Y.shape)
    A -= np.mean(A, axis=0)
    directions = rng.standard_normal((2, 2000))
    directions /= np.linalg.norm(directions, axis=0)
    inner = problem.X @ directions
    at_kinks = [np.linalg.norm(A.T @ np.maximum(inner - inner[i], 0.0), axis=0) for i in range(len(inner))]
    far = np.linalg.norm(A.T @ np.maximum(inner + 1e3, 0.0), axis=0)
    assert np.max(at_kinks) >= np.max(far) - 1e-9
    measured = Presolved.of(problem).units
    columns, factor = measured.measured, sdprelax.problem.freedom(sdprelax.base.Ball.exact(problem.X), measured.column)
    best = 0.0
    for i in range(len(inner)):
        hidden = np.vstack([directions, -inner[i] / measured.column])
        values = np.linalg.norm(A.T @ np.maximum(columns @ hidden, 0.0), axis=0) / np.linalg.norm(hidden, axis=0)
        best = max(best, float(np.max(values)))
    assert best <= np.max(at_kinks) <= factor * best


@pytest.mark.parametrize("offset", [True, False, "penalised"])
def test_networks_of_the_column_are_no_dearer_for_the_user(offset: bool | str) -> None:
    problem = free(offset=offset)
    presolved = Presolved.of(problem)
    scaled = polish(presolved.problem, random_network(presolved.problem, 20, np.random.default_rng(0)))
    network = presolved.network(scaled)
    value = presolved.units.value(presolved.problem.objective(scaled))
    assert value * (1.0 - 1e-3) <= problem.objective(network) <= value * (1.0 + 1e-9)
    expected = scaled.predict(presolved.problem.X) * presolved.units.targets
    assert np.allclose(network.predict(problem.X), expected, atol=1e-8)


@pytest.mark.parametrize("gamma", [0.3, 5.0, 1e3])
def test_bounds_hold_and_are_verified(gamma: float) -> None:
    problem = free(gamma=gamma)
    presolved = Presolved.of(problem)
    scaled = polish(presolved.problem, random_network(presolved.problem, 20, np.random.default_rng(0)))
    A, g = presolved.problem.residual(scaled.predict(presolved.problem.X)), presolved.reduction.generators
    proved = relaxation_certificate(presolved.problem, presolved.reduction, A, [np.zeros((2 * g, 2 * g))])
    certificate = presolved.certificate(proved)
    assert 0.0 < certificate.lower <= problem.upper_bound(presolved.network(scaled))
    assert sdprelax.verify(problem, certificate) >= certificate.lower
    # Of a penalised bias it proves nothing, and without its column it proves less.
    with pytest.raises(sdprelax.CertificateError):
        sdprelax.verify(dataclasses.replace(problem, penalise_bias=True), certificate)
    with pytest.raises(sdprelax.CertificateError):
        sdprelax.verify(problem, dataclasses.replace(certificate, column=certificate.column / 1024.0))


def test_a_certificate_keeps_its_column_in_a_file(tmp_path: pytest.TempPathFactory) -> None:
    problem = free()
    certificate = relaxation_certificate(problem, reduce(problem), np.zeros_like(problem.Y), [np.zeros((24, 24))])
    certificate = dataclasses.replace(certificate, column=64.0)
    certificate.save(f"{tmp_path}/c.npz")
    assert sdprelax.Certificate.load(f"{tmp_path}/c.npz").column == 64.0


def test_there_must_be_a_bias_to_be_free() -> None:
    with pytest.raises(InputError, match="only with bias=True"):
        Problem(np.ones((3, 1)), np.ones((3, 1)), 1.0, penalise_bias=False)
