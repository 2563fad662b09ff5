"""Partitions that grow by what they buy."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sdprelax
from sdprelax import InputError, Problem
from sdprelax.base import Deadline
from sdprelax.cells import whole_space
from sdprelax.certificate import RelaxationProof, joined_certificate, relaxation_certificate
from sdprelax.lifting import LiftedProgram
from sdprelax.lifting.inequalities import inequalities
from sdprelax.methods import methods
from sdprelax.problem import Presolved
from sdprelax.relaxation import CertifiedRelaxation, LocalGrowth, relaxation
from sdprelax.relaxation._splitting import local_solution
from sdprelax.solvers import solvers
from sdprelax.training import Incumbent
from tests.certificate.verifiers import proved_by_both


def problem(outputs: int, seed: int = 1) -> Problem:
    rng = np.random.default_rng(seed)
    return Problem(rng.standard_normal((9, 3)), rng.standard_normal((9, outputs)), 0.3)


@pytest.mark.parametrize("outputs", [1, 2])
def test_rounds_close_the_gap_to_the_tolerance(outputs: int) -> None:
    asked = problem(outputs)
    optimum = sdprelax.solve(asked, "exact").upper
    found = sdprelax.solve(asked, "sdp", splitting="gap", cones=40, tolerance=1e-3, solver="clarabel")
    kinds, blocks, gaps = zip(*found.details["growth"], strict=True)
    assert kinds[0] == "start" and set(kinds[1:]) <= {"rows", "sectors"} and len(kinds) > 1
    assert list(blocks) == sorted(set(blocks)) and list(gaps) == sorted(gaps, reverse=True)
    assert found.status == "solved" and found.lower is not None and found.gap is not None and found.gap <= 1e-3
    assert found.lower <= optimum * (1.0 + 1e-9) and found.upper >= optimum * (1.0 - 1e-9)
    assert sdprelax.verify(asked, found.certificate) >= found.lower
    assert isinstance(found.certificate.proof, RelaxationProof)
    assert gaps[0] > 1e-2, "the single block leaves a gap"


def test_native_starts_rounds_from_the_ones_before_and_brings_the_last_to_its_end() -> None:
    asked, options = problem(2), {"splitting": "gap", "cones": 5, "tolerance": 1e-9, "rounding": None}
    options |= {"solver": "native", "solver_options": {"tolerance": 3e-3}}
    found = sdprelax.solve(asked, "sdp", **options)
    kinds, blocks, gaps = zip(*found.details["growth"], strict=True)
    assert kinds[0] == "start" and kinds[-1] == "end" and blocks[-1] == blocks[-2] > 1
    assert list(gaps) == sorted(gaps, reverse=True) and gaps[-1] < gaps[0]
    proof = found.certificate.proof
    assert isinstance(proof, RelaxationProof) and found.lower is not None
    assert sdprelax.verify(asked, found.certificate) >= found.lower
    presolved = Presolved.of(asked)
    lifting = LiftedProgram(presolved.problem, presolved.reduction, {"sectors": inequalities.create("sectors")})
    cones = [block.cone for block in proof.blocks]
    exactly = relaxation(lifting, "reduced", cones).solve(solvers.create("clarabel", {}), Deadline()).solved.value
    assert exactly is not None
    assert presolved.units.value(exactly) * (1.0 - 1e-2) <= found.lower <= presolved.units.value(exactly) * (1.0 + 1e-5)


def test_a_partition_is_gone_on_from(tmp_path: Path) -> None:
    asked, path = problem(2), str(tmp_path / "certificate.npz")
    first = sdprelax.solve(asked, "sdp", splitting="gap", cones=6, tolerance=1e-9, solver="clarabel", rounding=None)
    assert first.status == "not converged"
    first.certificate.save(path)
    second = sdprelax.solve(
        asked, "sdp", splitting="gap", cones=9, tolerance=1e-9, solver="clarabel", rounding=None, start=path
    )
    assert second.details["growth"][0][1] == len(first.certificate.proof.blocks)
    assert second.details["growth"][-1][1] > len(first.certificate.proof.blocks)
    assert second.lower is not None and first.lower is not None and second.lower >= first.lower
    at_once = sdprelax.solve(asked, "sdp", splitting="gap", solver="clarabel", start=path, time_limit=1e-3)
    assert at_once.lower is not None and at_once.lower >= first.lower, (
        "its bound is taken over before anything is solved"
    )
    sdprelax.solve(asked, "sdp", sectors=4, rounding=None).certificate.save(path)
    with pytest.raises(InputError, match="another number of outputs"):
        sdprelax.solve(Problem(asked.X, asked.Y[:, :1], 0.3), "sdp", splitting="gap", solver="clarabel", start=path)
    with pytest.raises(InputError, match="not this problem's"):
        sdprelax.solve(problem(2, seed=3), "sdp", splitting="gap", cones=9, solver="clarabel", start=path)
    sdprelax.solve(asked, "exact").certificate.save(path)
    with pytest.raises(InputError, match="not one of a relaxation"):
        sdprelax.solve(asked, "sdp", splitting="gap", cones=9, solver="clarabel", start=path)
    with pytest.raises(InputError, match="splitting: gap"):
        sdprelax.solve(asked, "sdp", cones=9, solver="clarabel", start=path)


@pytest.mark.parametrize(("outputs", "sectors", "loss"), [(2, 1, "squared"), (1, 2, "absolute")])
def test_cones_by_themselves_close_the_gap_of_a_good_network(
    outputs: int, sectors: int, loss: str, tmp_path: Path
) -> None:
    asked = problem(outputs)
    asked = Problem(asked.X, asked.Y, asked.gamma, loss=loss)
    exact = sdprelax.solve(asked, "exact")
    options = {"splitting": "local", "sectors": sectors, "rounding": None}
    coarse = sdprelax.solve(asked, "sdp", cones=2, **options)
    found = sdprelax.solve(asked, "sdp", cones=80, tolerance=1e-3, **options)
    assert coarse.lower is not None and found.lower is not None and found.upper is not None
    assert coarse.status == "not converged" and coarse.lower < found.lower * (1.0 - 1e-2)
    assert found.status == "solved" and found.gap is not None and found.gap <= 1e-3
    assert exact.lower * (1.0 - 1e-3) <= found.lower <= exact.upper and found.upper >= exact.lower
    proved_by_both(asked, found.certificate, tmp_path / "certificate.npz")
    assert found.details["growth"][-1][0] == len(found.certificate.proof.blocks)
    with pytest.raises(InputError, match="leave out form, solver and solver_options"):
        sdprelax.solve(asked, "sdp", splitting="local", solver_options={"max_iterations": 5})


@pytest.mark.parametrize("splitting", ["local", "strong"])
def test_a_good_network_is_found_whatever_the_lengths_of_the_rows_that_are_lifted(splitting: Any) -> None:
    """Without presolve rows have any length, are parallel or zero: what is certified is the same."""
    asked = Problem([[3.0, 1.0], [0.0, 0.0], [6.0, 2.0], [-1.0, 4.0]], [[1.0], [0.5], [2.0], [-1.0]], 0.1)
    exact = sdprelax.solve(asked, "exact")
    found = sdprelax.solve(asked, "sdp", splitting=splitting, cones=4, presolve=False, rounding=None)
    assert exact.lower * (1.0 - 1e-5) <= found.lower <= exact.upper <= found.upper * (1.0 + 1e-9)
    if splitting == "local":
        assert found.upper <= exact.upper * (1.0 + 1e-5)


def test_out_of_time_before_the_first_cones_are_solved_the_networks_own_bound_is_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def late(rows: Any, dual: Any, cone: Any, deadline: Any, more: Any) -> Any:
        return local_solution(rows, dual, cone, Deadline(0.0), more)

    asked, options = problem(1), {"splitting": "local", "cones": 4, "rounding": None}
    exact, whole = sdprelax.solve(asked, "exact"), sdprelax.solve(asked, "sdp", **options)
    assert whole.details["guide_converged"] and "bound_of_guide" not in whole.details
    monkeypatch.setattr("sdprelax.relaxation._local_growth.local_solution", late)
    found = sdprelax.solve(asked, "sdp", **options)
    assert found.details["bound_of_guide"] and found.details["growth"][-1][1] == np.inf
    assert exact.lower * (1.0 - 1e-6) <= found.lower <= exact.upper
    proved_by_both(asked, found.certificate, tmp_path / "certificate.npz")
    monkeypatch.setattr("sdprelax.methods._partitions.GUIDE_SECONDS", 0.0)
    rough = sdprelax.solve(asked, "sdp", **options)
    assert not rough.details["guide_converged"] and rough.lower <= exact.upper


@pytest.mark.parametrize("loss", ["squared", "logistic"])
def test_cones_of_many_rows_are_closed_by_steps_whatever_the_number_of_threads(
    loss: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sdprelax.relaxation._local_growth.CONIC", 0)
    asked = problem(1)
    asked = Problem(asked.X, np.sign(asked.Y), asked.gamma, loss=loss)
    exact = sdprelax.solve(asked, "exact")
    presolved = Presolved.of(asked)
    inside, lifting = presolved.problem, LiftedProgram(presolved.problem, presolved.reduction)
    network, found = presolved.units.scaled_network(exact.network), []
    A, space = inside.residual(network.predict(inside.X)), whole_space(lifting.generators)
    for threads in ("1", "3"):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        best = Incumbent(presolved, Deadline(), lambda outcome: None)
        best.offer(network)
        relaxed = CertifiedRelaxation(lifting, "reduced", ["native"], {}, best, Deadline())
        growth = LocalGrowth(relaxed, network, A, [space], 60, 5e-3)
        growth.run()
        found.append((best.outcome(True), growth.rounds))
    (one, rounds), (other, same) = found
    cones, gaps = zip(*rounds, strict=True)
    assert list(cones) == sorted(set(cones)) and cones[0] == 1 and gaps[0] > gaps[-1] and gaps[-1] <= 5e-3
    assert exact.lower * (1.0 - 6e-3) <= one.lower <= exact.upper
    proved_by_both(asked, one.certificate, tmp_path / "certificate.npz")
    assert one.lower == other.lower and rounds == same
    bounds = [point.lower for point in one.trace]
    assert len(set(bounds)) > 1, "what is reached is proved on the way"


def test_certificates_of_parts_add_up_to_one_of_the_least_bound(tmp_path: Path) -> None:
    presolved = Presolved.of(problem(2))
    asked, reduction = presolved.problem, presolved.reduction
    A = asked.residual(np.zeros_like(asked.Y))
    cones = whole_space(reduction.generators).split(reduction.rows, 0)
    multipliers = [local_solution(reduction.rows, reduction.pull_back(A), cone, Deadline())[1] for cone in cones]
    parts = [
        relaxation_certificate(asked, reduction, A, [N], [cone]) for N, cone in zip(multipliers, cones, strict=True)
    ]
    whole = relaxation_certificate(asked, reduction, A, multipliers, cones)
    joined = joined_certificate(parts)
    assert joined.lower == min(part.lower for part in parts) == pytest.approx(whole.lower, rel=1e-12)
    proved_by_both(asked, joined, tmp_path / "certificate.npz")
    other = relaxation_certificate(asked, reduction, A + 1.0, multipliers, cones)
    with pytest.raises(ValueError, match="different dual points"):
        joined_certificate([parts[0], other])
    with pytest.raises(ValueError, match="no certificates"):
        joined_certificate([])


def test_cones_of_a_line_are_halves_of_it() -> None:
    x = np.arange(30.0)[:, None]
    asked = Problem(x - 14.5, np.sin(x), 0.1)
    found = sdprelax.solve(asked, "sdp", splitting="local", cones=12, presolve=False, rounding=None)
    assert found.status == "solved" and found.lower <= sdprelax.solve(asked, "exact").upper


def test_sectors_alone_close_much_of_the_gap() -> None:
    asked = problem(1)
    plain, halves = (sdprelax.solve(asked, "sdp", solver="clarabel", sectors=count) for count in (1, 2))
    assert plain.gap is not None and halves.gap is not None and halves.gap < 0.5 * plain.gap
    assert sdprelax.verify(asked, halves.certificate) >= (halves.lower or 0.0)
    with pytest.raises(InputError, match="fewer than the 4 orthants of 2 outputs"):
        sdprelax.solve(problem(2), "sdp", sectors=3, solver="clarabel")
    with pytest.raises(InputError, match="speak of output sectors alone"):
        sdprelax.solve(asked, "sdp", inequalities=["nonnegative", "complementary", "norm"])
    with pytest.raises(InputError, match="sectors need form: reduced"):
        sdprelax.solve(asked, "sdp", form="lifted", sectors=2, solver="clarabel")


def test_exact_grows_a_partition_in_high_rank() -> None:
    rng = np.random.default_rng(0)
    asked = Problem(rng.standard_normal((8, 6)), rng.standard_normal((8, 1)), 1.0)
    plain = sdprelax.solve(asked, "sdp")
    found = sdprelax.solve(asked, "exact", time_limit=60.0)
    assert plain.lower is not None and found.lower is not None
    assert found.details["program"] != "relaxation" and found.upper <= plain.upper * (1.0 + 1e-6)
    assert found.lower >= plain.lower * (1.0 - 1e-6) and sdprelax.verify(asked, found.certificate) >= found.lower


def test_exact_refines_cones_by_themselves_where_they_leave_little_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sdprelax.methods.exact.FEW_ROWS", 4)
    monkeypatch.setattr("sdprelax.relaxation._local_growth.CONIC", 0)
    rng = np.random.default_rng(0)
    asked = Problem(rng.standard_normal((8, 6)), rng.standard_normal((8, 1)), 1.0)
    plain = sdprelax.solve(asked, "sdp")
    for hopeful, local in ((math.inf, True), (0.0, False)):
        monkeypatch.setattr("sdprelax.methods.exact.HOPEFUL", hopeful)
        # Its programs are not to close the gap before.
        monkeypatch.setattr(methods["exact"], "_solve_programs", lambda self, best, rng, deadline: None)
        found = sdprelax.solve(asked, "exact", time_limit=20.0)
        assert found.details["growth"] and (len(found.details["growth"][0]) == 2) == local
        assert plain.lower is not None and found.lower is not None and found.lower >= plain.lower * (1.0 - 1e-6)
        assert found.upper <= plain.upper * (1.0 + 1e-3)
        assert sdprelax.verify(asked, found.certificate) >= found.lower


def test_what_will_be_solved_is_said_beforehand() -> None:
    asked = problem(2)
    rows, columns = asked.shape[0], asked.shape[1] + asked.shape[2]
    order = rows + columns
    said: list[tuple[dict[str, Any], str]] = [
        ({}, f"matrix of order {order}"),
        ({"form": "lifted"}, f"matrix of order {2 * rows + columns}"),
        ({"cones": 3}, f"at most 3 blocks of order at most {order}"),
        # t, the norm that both of a neuron's vectors have, is one more entry.
        ({"cones": 3, "sectors": 5}, f"at most 15 blocks of order at most {order + 1}"),
        ({"splitting": "gap"}, f"one block of order {order}, growing to at most 256 blocks"),
        ({"splitting": "gap", "start": "x.npz", "cones": 9}, "the blocks of x.npz, growing to at most 9 blocks"),
        ({"splitting": "local"}, f"programs of order at most {order - 2}, one for each of at most 256 cones"),
    ]
    for options, words in said:
        assert methods.create("sdp", options).size(asked) == words
    found = sdprelax.solve(asked, "sdp", cones=3, sectors=5, splitting="coverage", rounding=None, time_limit=5)
    assert found.details["cones"] == 15


def test_a_trial_is_known_by_what_it_goes_on_from(tmp_path: Path) -> None:
    path = tmp_path / "certificate.npz"
    chosen_options = {"splitting": "gap", "start": str(path)}
    chosen = methods.create("sdp", chosen_options)
    versions = []
    for content in (b"one", b"other", b"one"):
        path.write_bytes(content)
        versions.append(methods.versions("sdp", chosen))
        within = methods.create("cross_validated", {"of": "sdp", "gammas": [1.0], "options": chosen_options})
        assert versions[-1].items() <= methods.versions("cross_validated", within).items()
    assert versions[0] == versions[2] != versions[1]
    assert methods.versions("sdp", methods.create("sdp"))["method sdp"] == str(methods["sdp"].version)
    path.unlink()
    with pytest.raises(InputError, match=r"certificate.npz cannot be read: No such file"):
        methods.versions("sdp", chosen)


def test_no_round_begins_that_could_not_be_proved_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]

    def proved(*arguments: Any) -> Any:
        clock[0] += 1.0
        return relaxation_certificate(*arguments)

    monkeypatch.setattr("sdprelax.base._deadline._now", lambda: clock[0])
    monkeypatch.setattr("sdprelax.relaxation._certified.relaxation_certificate", proved)
    found = sdprelax.solve(problem(2), "sdp", splitting="gap", tolerance=1e-9, rounding=None, time_limit=4)
    assert found.status == "time limit" and 2.0 <= found.seconds <= 4.0
    assert found.lower is not None and found.lower > 0.0


def test_a_network_is_kept_before_the_next_round_of_separation_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    reported, widths, over = list[sdprelax.Outcome](), list[int](), CertifiedRelaxation._over

    def watched(self: Any, *arguments: Any, **more: Any) -> Any:
        widths.append(max((each.network.width for each in reported if each.network is not None), default=0))
        return over(self, *arguments, **more)

    monkeypatch.setattr(CertifiedRelaxation, "_over", watched)
    chosen = methods.create("sdp", {"inequalities": ["nonnegative", "complementary", "walls", "sublinear"]})
    rng = np.random.default_rng(0)
    chosen.run(problem(2), rng=rng, deadline=Deadline(), report=reported.append)
    assert len(widths) > 1 and widths[0] == 0 and min(widths[1:]) > 0
