"""Local training gives upper bounds only: real networks, never worse than their start."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cvxpy as cp
import numpy as np
import pytest
import scipy.optimize
from hypothesis import given
from hypothesis import strategies as st

import sdprelax
from sdprelax import InputError, Network, Problem
from sdprelax.base import Checkpoint, Deadline
from sdprelax.methods import methods
from sdprelax.methods.gradient_descent import _Run
from sdprelax.problem.losses import losses
from sdprelax.training import polish, random_network
from sdprelax.training._local_training import objective_and_gradient
from tests.conftest import LOSSES, degenerate_problem
from tests.interrupted import Evaluations


def gaussian(seed: int, n: int = 10, d: int = 2, c: int = 2, gamma: float = 0.1) -> Problem:
    rng = np.random.default_rng(seed)
    return Problem(rng.standard_normal((n, d)), rng.standard_normal((n, c)), gamma)


def targets(loss: str, rng: np.random.Generator, n: int, c: int) -> np.ndarray:
    """Random targets of the kind that a loss takes."""
    makers: dict[str, Callable[[], np.ndarray]] = {
        "numbers": lambda: rng.standard_normal((n, c)),
        "simplex": lambda: rng.dirichlet(np.ones(c), n),
        "signs": lambda: rng.choice([-1.0, 1.0], (n, c)),
        "counts": lambda: rng.poisson(2.0, (n, c)).astype(float),
    }
    return makers[losses[loss].targets]()


def trained(loss: str, seed: int, offset: Any = False, weighted: bool = False, activation: Any = "relu") -> Problem:
    """A random problem with a loss; of one output where its targets are signs."""
    rng, c = np.random.default_rng(seed), 1 if losses[loss].targets == "signs" else 3
    X, Y = rng.standard_normal((14, 3)), targets(loss, rng, 14, c)
    weights = rng.uniform(0.3, 3.0, 14) if weighted else None
    return Problem(X, Y, 0.7, loss=loss, activation=activation, offset=offset, sample_weight=weights)


OFFSETS = [(False, False), (True, True), ("penalised", False)]


@pytest.mark.parametrize("activation", ["relu", {"leaky": {"slope": 0.3}}, "absolute"])
@pytest.mark.parametrize(("offset", "weighted"), OFFSETS)
@pytest.mark.parametrize("loss", LOSSES)
def test_the_gradient_is_the_derivative(loss: str, offset: Any, weighted: bool, activation: Any) -> None:
    """Off the kinks, where a random point is; and everywhere of a Moreau envelope of the loss."""
    problem, rng = trained(loss, 0, offset, weighted, activation), np.random.default_rng(1)
    c = problem.Y.shape[1]
    sizes = np.cumsum([3 * 4, 4 * c])

    def split(weights: np.ndarray) -> list[Any]:
        U, V, t = np.split(weights, sizes)
        return [U.reshape(3, 4), V.reshape(4, c), t if offset else None]

    start = rng.standard_normal(sizes[-1] + (c if offset else 0))
    for smoothing in (0.0, 0.3):

        def objective(weights: np.ndarray, smoothing: float = smoothing) -> float:
            return objective_and_gradient(problem, *split(weights), smoothing)[0]

        _, *parts = objective_and_gradient(problem, *split(start), smoothing)
        gradient = np.concatenate([part.ravel() for part in parts if part is not None])
        differences = scipy.optimize.approx_fprime(start, objective, 1e-7)
        assert gradient == pytest.approx(differences, rel=1e-5, abs=1e-4)
        if not smoothing:
            U, V, t = split(start)
            assert objective(start) == pytest.approx(problem.objective(problem.network(U, V, t)), rel=1e-12)
        else:
            assert objective(start) <= objective_and_gradient(problem, *split(start))[0]


@pytest.mark.parametrize(("offset", "weighted"), OFFSETS)
@pytest.mark.parametrize("loss", LOSSES)
def test_linear_networks_are_trained_to_the_optimum_of_the_nuclear_norm(loss: str, offset: Any, weighted: bool) -> None:
    """With the slope 1 the network is XUV + t, and ½(‖U‖² + ‖V‖²) at its least is the nuclear norm of UV: convex."""
    problem = trained(loss, 2, offset, weighted, {"leaky": {"slope": 1.0}})
    c = problem.Y.shape[1]
    M, t = cp.Variable((3, c)), cp.Variable((1, c))
    P = problem.X @ M + (np.ones((14, 1)) @ t if offset else 0.0)
    cost = problem.gamma * cp.normNuc(M) + 0.5 * problem.offset_decay * cp.sum_squares(t)
    optimum = cp.Problem(cp.Minimize(problem.loss.expression(P, problem.Y) + cost)).solve(solver="CLARABEL")
    outcome = sdprelax.solve(problem, "lbfgs", width=6, restarts=2)
    assert outcome.network is not None and (outcome.network.offset is not None) == bool(offset)
    assert outcome.upper == pytest.approx(optimum, rel=1e-7 if problem.loss.smooth else 1e-4)


@given(st.integers(0, 200), st.integers(0, 20))
def test_polish_never_makes_a_network_worse(seed: int, width: int) -> None:
    problem = degenerate_problem(seed)
    start = random_network(problem, width, np.random.default_rng(seed)) if width else Network.empty(
        problem.X.shape[1], problem.Y.shape[1], problem.bias
    )  # fmt: skip
    polished = polish(problem, start, max_iterations=50)
    assert problem.upper_bound(polished) <= problem.upper_bound(start)
    assert polished.width <= max(start.width, 0)


def test_lbfgs_reaches_the_optimum_of_an_easy_problem() -> None:
    problem = gaussian(0)
    optimum = sdprelax.solve(problem, "exact").upper
    outcome = sdprelax.solve(problem, "lbfgs", width=200, restarts=4)
    assert outcome.lower is None and outcome.certificate is None and outcome.gap is None
    assert optimum is not None and outcome.upper == pytest.approx(optimum, rel=1e-3)
    assert len(outcome.details["objectives"]) == 4


@pytest.mark.parametrize("method", ["lbfgs", "adam"])
def test_local_training_knows_no_scale(method: str) -> None:
    problem = gaussian(5, n=12, d=3)
    options = {"width": 8, "restarts": 2} | ({"epochs": 30} if method == "adam" else {"max_iterations": 300})
    found = sdprelax.solve(problem, method, **options)
    for s, t in ((2.0**10, 2.0**10), (2.0**-8, 2.0**4), (1.0, 2.0**40)):
        scaled = sdprelax.solve(Problem(problem.X * s, problem.Y * t, problem.gamma * s * t), method, **options)
        objectives = np.array(scaled.details["objectives"]) / t**2
        np.testing.assert_allclose(objectives, found.details["objectives"], rtol=1e-13)


def test_columns_of_different_scale_cost_lbfgs_nothing() -> None:
    """Columns of scales 1 to 1000 leave more room to fit, since small weights do; L-BFGS alone ends far above."""
    problem = gaussian(5, n=12, d=3)
    wide = Problem(problem.X * [1.0, 30.0, 1000.0], problem.Y, problem.gamma)
    upper, plain = (
        sdprelax.solve(p, "lbfgs", width=20, restarts=2, max_iterations=1000).upper for p in (wide, problem)
    )
    assert upper is not None and plain is not None and upper < 0.5 * plain


def test_lbfgs_is_solved_where_every_start_has_converged() -> None:
    problem = gaussian(5, n=5)
    assert sdprelax.solve(problem, "lbfgs", width=4, restarts=2, tolerance=1e-4).status == "solved"
    assert sdprelax.solve(problem, "lbfgs", width=4, restarts=2, max_iterations=2).status == "not converged"
    assert sdprelax.solve(problem, "lbfgs", width=4, restarts=2, time_limit=0.0).status == "time limit"


def test_gradient_descent_is_solved_where_all_epochs_were_run_and_none_diverged() -> None:
    problem = gaussian(5, n=5)
    assert sdprelax.solve(problem, "sgd", width=4, restarts=2, epochs=30).status == "solved"
    assert sdprelax.solve(problem, "sgd", width=4, restarts=2, epochs=30, learning_rate=1e9).status == "not converged"
    assert sdprelax.solve(problem, "adam", width=4, restarts=2, epochs=30, time_limit=0.0).status == "time limit"


def test_the_same_seed_gives_the_same_network() -> None:
    first, again, other = (sdprelax.solve(gaussian(1), "lbfgs", width=10, restarts=1, seed=s) for s in (3, 3, 4))
    assert first.upper == again.upper != other.upper


def test_a_deadline_in_the_past_still_returns_a_network() -> None:
    problem = gaussian(2)
    outcome = sdprelax.solve(problem, "lbfgs", time_limit=1e-9)
    assert outcome.status == "time limit"
    assert outcome.upper == pytest.approx(0.5 * np.sum(problem.Y**2), rel=1e-12)
    start = random_network(problem, 5, np.random.default_rng(0))
    assert polish(problem, start, deadline=Deadline(0.0)).width == 5


@pytest.mark.parametrize(("method", "options"), [
    ("adam", {"epochs": 3000}), ("sgd", {"epochs": 6000, "learning_rate": 1e-2, "momentum": 0.9}),
])  # fmt: skip
def test_gradient_descent_comes_near_the_optimum(method: str, options: dict[str, object]) -> None:
    problem = gaussian(3)
    optimum = sdprelax.solve(problem, "exact").upper
    outcome = sdprelax.solve(problem, method, width=60, restarts=2, **options)
    assert outcome.network is not None and outcome.upper is not None and optimum is not None
    assert outcome.upper == problem.upper_bound(outcome.network)
    assert optimum * (1 - 1e-9) <= outcome.upper <= 1.03 * optimum


@pytest.mark.parametrize(("name", "parts", "epochs"), [
    ("SGD", {}, 700),
    ("Adam", {}, 700),
    ("Adam", {"offset": True, "activation": "absolute", "sample_weight": np.linspace(0.5, 2.0, 10)}, 150),
    ("SGD", {"offset": "penalised", "activation": {"leaky": {"slope": 0.3}}}, 150),
    ("Adam", {"offset": True, "bias": True, "penalise_bias": False}, 150),
])  # fmt: skip
def test_runs_side_by_side_are_the_runs_of_pytorch_s_own_optimiser_and_schedule(
    name: str, parts: dict[str, Any], epochs: int
) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed (extra: torch)")
    plain, rng, rate = gaussian(4, c=3), np.random.default_rng(0), 3e-3
    problem = Problem(plain.X, plain.Y, plain.gamma, **parts)
    starts = [random_network(problem, 7, rng) for _ in range(3)]
    options = {"momentum": 0.95} if name == "SGD" else {}
    make = getattr(torch.optim, name)

    runs, room = (
        [_Run(problem, start, methods[name.lower()](learning_rate=rate)) for start in starts],
        np.empty((3, 10, 7)),
    )
    assert all([run.go(epochs, room, Deadline()) for run in runs])
    found = [run.network for run in runs]
    activations = {"relu": torch.relu, "absolute": torch.abs}
    phi = activations.get(str(parts.get("activation", "relu")), lambda z: torch.nn.functional.leaky_relu(z, 0.3))
    w = torch.tensor(parts.get("sample_weight", np.ones(10)))[:, None]
    X, Y, gamma = torch.tensor(problem.inputs), torch.tensor(problem.Y), problem.gamma
    for start, network in zip(starts, found, strict=True):
        t0 = np.zeros(3) if start.offset is None else start.offset
        U, V, t = (torch.tensor(part, requires_grad=True) for part in (start.hidden, start.output, t0))
        steps = make([U, V, t] if problem.offset else [U, V], lr=rate, **options)
        schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(steps, factor=0.5, patience=100)
        best = np.inf
        for _ in range(epochs):
            steps.zero_grad()
            costs = (problem.penalised(U) ** 2).sum() + (V**2).sum()
            value = 0.5 * (w * (phi(X @ U) @ V + t - Y) ** 2).sum() + 0.5 * gamma * costs
            value = value + 0.5 * problem.offset_decay * (t**2).sum()
            if value.item() < best:
                best, kept = value.item(), problem.network(*(part.detach().numpy().copy() for part in (U, V, t)))
            value.backward()
            steps.step()
            schedule.step(value.item())
        expected = kept.predict(problem.X) - (0.0 if problem.offset else kept.offset)
        np.testing.assert_allclose(network.predict(problem.X), expected, atol=1e-8)


@pytest.mark.parametrize("offset", [False, True])
@pytest.mark.parametrize("loss", LOSSES)
def test_adam_trains_every_loss_below_the_empty_network(loss: str, offset: bool) -> None:
    problem = trained(loss, 3, offset, True)
    outcome = sdprelax.solve(problem, "adam", width=6, restarts=2, epochs=200)
    empty = problem.objective(problem.empty_network())
    assert outcome.upper is not None and outcome.network is not None and outcome.upper < empty


def test_a_learning_rate_that_is_too_large_leaves_the_best_network_before_it_diverged() -> None:
    outcome = sdprelax.solve(gaussian(3), "sgd", learning_rate=1e3, epochs=200)
    assert outcome.upper is not None and outcome.upper <= 0.5 * np.sum(gaussian(3).Y ** 2) * (1 + 1e-12)


class Killed(Exception):
    pass


@pytest.mark.parametrize(("method", "parts"), [
    ("sgd", {"bias": True, "penalise_bias": False, "offset": True}), ("adam", {"loss": "absolute"}),
])  # fmt: skip
def test_a_training_whose_process_was_lost_goes_on_from_its_checkpoint_to_the_same_network(
    method: str, parts: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sdprelax.base._checkpoint.INTERVAL", -1.0)
    plain, path = gaussian(6, c=2), tmp_path / "new" / "method.npz"
    problem = Problem(plain.X, plain.Y, plain.gamma, **parts)
    options: dict[str, Any] = {"width": 5, "restarts": 2, "epochs": 700, "learning_rate": 3e-3}
    whole = sdprelax.solve(problem, method, **options)
    assert whole.network is not None

    evaluations = Evaluations(monkeypatch, Killed)

    def until(most: int, **changed: Any) -> sdprelax.Outcome:
        evaluations.allow(most)
        return sdprelax.solve(problem, method, checkpoint=path, **(options | changed))

    with pytest.raises(Killed):
        until(500)
    assert path.is_file()
    with pytest.raises(Killed):
        until(300)
    rest = until(1400)
    assert 600 <= evaluations.count <= 1000 and not path.exists()
    assert rest.upper == whole.upper and rest.network is not None
    np.testing.assert_array_equal(rest.network.hidden, whole.network.hidden)
    assert rest.details["objectives"] == whole.details["objectives"] and rest.details["epochs_run"] == 700
    # Another training does not go on from this one's, and a damaged file is none.
    with pytest.raises(Killed):
        until(500)
    until(1400, learning_rate=1e-3)
    assert evaluations.count == 1400
    path.write_bytes(b"PK\x03\x04 damaged")
    until(1400)
    assert evaluations.count == 1400


def test_whatever_has_become_of_a_checkpoint_it_is_read_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a bit says so an archive is encrypted, patched, or of a later version of the format."""
    monkeypatch.setattr("sdprelax.base._checkpoint.INTERVAL", -1.0)
    path, wanted = tmp_path / "kept.npz", {"weights": np.arange(3.0), "spent": np.array(2.0)}
    Checkpoint(path, "this").save(lambda: wanted)
    content = path.read_bytes()
    damaged = [content[:half] for half in range(0, len(content), 50)]
    for name in (b"PK\x03\x04", b"PK\x01\x02"):
        header = content.index(name)
        damaged += [
            content[:at] + bytes([content[at] ^ 1 << bit]) + content[at + 1 :]
            for at in range(header, header + 30)
            for bit in range(8)
        ]
    array = io.BytesIO()
    np.save(array, np.zeros(3))
    for one in [content, *damaged, array.getvalue()]:
        path.write_bytes(one)
        kept = Checkpoint(path, "this").arrays()
        assert kept is not None or one != content
        if kept is not None:
            assert kept.keys() == wanted.keys() and all(np.array_equal(kept[key], wanted[key]) for key in wanted)
    path.write_bytes(content)
    assert Checkpoint(path, "that").arrays() is None


def test_a_method_without_checkpoints_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="method 'lbfgs' writes no checkpoint: leave checkpoint out"):
        sdprelax.solve(gaussian(0), "lbfgs", checkpoint=tmp_path / "kept.npz")


def test_a_file_that_is_no_checkpoint_is_refused_and_kept(tmp_path: Path) -> None:
    network, table = tmp_path / "network.npz", tmp_path / "table.csv"
    np.savez(network, U=np.eye(2))
    table.write_text("a,b\n1,2\n")
    for path in (network, table, tmp_path):
        with pytest.raises(InputError, match="is no checkpoint, and one would take its place: name another file"):
            sdprelax.solve(gaussian(0), "sgd", checkpoint=path, epochs=2)
    assert table.read_text() == "a,b\n1,2\n" and np.array_equal(np.load(network)["U"], np.eye(2))


def test_the_gradient_is_the_same_in_room_that_is_given() -> None:
    problem, rng = trained("squared", 4, True, True, {"leaky": {"slope": 0.3}}), np.random.default_rng(2)
    U, V, t = rng.standard_normal((3, 4)), rng.standard_normal((4, 3)), rng.standard_normal(3)
    room = np.full((3, 14, 4), np.nan)
    for found, again in zip(
        objective_and_gradient(problem, U, V, t), objective_and_gradient(problem, U, V, t, room=room), strict=True
    ):
        np.testing.assert_array_equal(found, again)


@pytest.mark.parametrize(("options", "message"), [
    ({"width": 0}, "option 'width' is 0, but should be greater than 0"),
    ({"restart": 3}, "method 'lbfgs' has no option 'restart': did you mean 'restarts'"),
    ({"init_scale": "big"}, "option 'init_scale' is 'big'"),
])  # fmt: skip
def test_wrong_options_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        sdprelax.solve(gaussian(0), "lbfgs", **options)


def test_an_unknown_method_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(InputError, match=r"unknown method 'lbgfs': did you mean 'lbfgs'\?"):
        sdprelax.solve(gaussian(0), "lbgfs")
