"""What is stored is verified again; whatever was tampered with is named."""

from __future__ import annotations

import dataclasses
import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from sdprelax import Certificate, GroupCertificate, InputError, Network
from sdprelax.base import Deadline
from sdprelax.certificate import group_certificate
from sdprelax.cli import app
from sdprelax.laboratory import load_sweep, run_sweep
from sdprelax.laboratory._store import seal
from sdprelax.laboratory.results import audit, collect, find_trial, rerun
from sdprelax.laboratory.training import TrainingTrial, load_problem
from sdprelax.problem import Units


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("audit")
    rng = np.random.default_rng(0)
    X = rng.standard_normal((8, 2))
    pd.DataFrame({"a": X[:, 0], "b": X[:, 1], "class": np.where(X[:, 0] > 0, "x", "y")}).to_csv(
        folder / "mine.csv", index=False
    )
    (folder / "sweep.yaml").write_text(
        f"name: audited\ndatasets: [{{random: {{n: 6, c: 2}}}}, {{file: {{path: {folder / 'mine.csv'}}}}}]\n"
        f"gamma: 0.1\nmethods: [sdp, exact, lbfgs: {{width: 5, restarts: 1}},"
        f" exact: {{tolerance: 1.0e-3}}, gated_relu: {{gates: all, penalty: nuclear}}, mkl, wedge]\n"
    )
    run_sweep(load_sweep(folder / "sweep.yaml"), folder, engine="serial")
    return folder


@pytest.fixture
def copy(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished / "audited", tmp_path / "audited"))


def trial(folder: Path, method: str, dataset: str = "random") -> Path:
    """Return the folder of a trial of a method, named with those of its options that are no defaults."""
    for path in sorted((folder / "trials").iterdir()):
        record = json.loads((path / "record.json").read_text())
        if record["method"].startswith(method) and record["trial"]["dataset"] == dataset:
            return path
    raise AssertionError(method)


def faults(folder: Path) -> dict[str, tuple[str, ...]]:
    return {finding.name: finding.faults for finding in audit(folder) if finding.faults}


def test_untouched_results_hold(finished: Path) -> None:
    findings = list(audit(finished / "audited"))
    assert [finding.faults for finding in findings] == [()] * 14
    # Both bounds of sdp, exact twice, gated_relu and wedge, the network of lbfgs, and three programs.
    assert sum(finding.bounds for finding in findings) == 2 * (5 * 2 + 1 + 3 * 2)
    done = CliRunner().invoke(app, ["verify", str(finished / "audited")])
    assert done.exit_code == 0 and "all 14 rows hold: 34 bounds proved again" in done.output


def rewrite(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change a record and seal it anew, as a forger would who knows how."""
    record = json.loads((path / "record.json").read_text())
    change(record)
    record["seal"] = seal(record, path)
    (path / "record.json").write_text(json.dumps(record))


def lift(key: str, factor: float) -> Callable[[dict[str, Any]], None]:
    def change(record: dict[str, Any]) -> None:
        record[key] *= factor

    return change


def put(key: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(record: dict[str, Any]) -> None:
        record[key] = value

    return change


def option(key: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(record: dict[str, Any]) -> None:
        record["trial"][key] = value

    return change


@pytest.mark.parametrize(("change", "words"), [
    (lift("lower", 1 + 1e-9), "and its certificate claims"),
    (lift("lower", 0.5), "and its certificate claims"),
    (lift("upper", 1 - 1e-9), "and its network attains"),
    (lift("upper", 10.0), "and its network attains"),
    (put("lower", None), "it says no lower bound, and a certificate lies beside it"),
    (put("upper", float("inf")), "and its network attains"),
    (put("status", "proved"), "it says status 'proved', which is none"),
    (put("details", {"value": 1.0}), "it says value 1.0, and no certificate of a program lies beside it"),
    (put("data_digest", None), "it ended before its data were loaded, and says lower"),
    (put("gap", 0.0), "it says gap 0.0"),
    (put("gamma", 0.2), "it says gamma 0.2"),
    (put("method", "exact"), "it says method 'exact'"),
    (put("dataset", "iris"), "it says dataset 'iris'"),
    (put("n", 60), "it says n, d, c = 60"),
    (put("width", 1), "it says width 1"),
    (put("train_accuracy", 1.0), "it says train_accuracy 1.0"),
    (put("data_digest", "0" * 64), "are not those that it was run on"),
    (option("gamma", 0.2), "its options are not those that its name stands for"),
    (option("seed", 7), "its options are not those that its name stands for"),
    (put("trial", {}), "its record is not one of a trial"),
])  # fmt: skip
def test_a_forged_and_sealed_record_is_caught(change: Any, words: str, copy: Path) -> None:
    path = trial(copy, "sdp")
    rewrite(path, change)
    found = faults(copy)
    assert path.name in found and any(words in fault for fault in found[path.name]), found
    assert set(found) <= {path.name, "table"}


def detail(key: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(record: dict[str, Any]) -> None:
        record["details"][key] = value

    return change


def swap_names(record: dict[str, Any]) -> None:
    first, second = record["predictors"][:2]
    first["name"], second["name"] = second["name"], first["name"]


def an_objective_below(record: dict[str, Any]) -> None:
    record["predictors"][0]["objective"] *= 1 - 1e-12


@pytest.mark.parametrize(("method", "change", "words"), [
    ("gated_relu", detail("value", 123.0), "it says value 123.0, and the certificate of its program claims"),
    ("gated_relu", detail("dual_value", 123.0), "it says dual_value 123.0"),
    ("mkl", detail("program_gap", 0.0), "it says program_gap 0.0"),
    ("wedge", detail("value", 123.0), "it says value 123.0"),
    ("wedge", lambda record: record["details"].pop("value"), "it says value None"),
    ("mkl", swap_names, "is 'ntk', and that is 'mkl'"),
    ("lbfgs", an_objective_below, "it says objective"),
])  # fmt: skip
def test_forged_values_of_programs_and_names_are_caught(method: str, change: Any, words: str, copy: Path) -> None:
    path = trial(copy, method)
    rewrite(path, change)
    found = faults(copy)
    assert any(words in fault for fault in found[path.name]), found


def test_a_certificate_that_claims_less_than_it_proves_is_caught(copy: Path) -> None:
    path = trial(copy, "sdp")
    certificate = Certificate.load(path / "certificate.npz")
    weak = dataclasses.replace(certificate, lower=0.5 * certificate.lower)
    weak.save(path / "certificate.npz")
    rewrite(path, put("lower", weak.lower))
    assert "and its certificate proves" in " ".join(faults(copy)[path.name])
    path = trial(copy, "wedge")
    program = GroupCertificate.load(path / "certificate-program.npz")
    loose = dataclasses.replace(program, value=2.0 * program.value)
    loose.save(path / "certificate-program.npz")
    rewrite(path, detail("value", loose.value))
    assert "and proves" in " ".join(faults(copy)[path.name])


def test_solved_is_held_against_the_gap_that_the_method_closes(copy: Path) -> None:
    # Less training than the tolerance asks for: the certificate holds, and the status does not.
    path = trial(copy, "mkl")
    program = GroupCertificate.load(path / "certificate-program.npz")
    record = json.loads((path / "record.json").read_text())
    _, problem = load_problem(TrainingTrial.from_dict(record["trial"]))
    weights = 0.9 * program.weights
    units = Units(problem, *program.units)
    whole = np.zeros((program.design.count, *weights.shape[1:]))
    whole[program.used] = weights
    worse = group_certificate(units, program.design, program.penalty, whole, program.multiplier)
    worse.save(path / "certificate-program.npz")
    rewrite(path, lambda record: record["details"].update(worse.details(problem)))
    (fault,) = faults(copy)[path.name]
    assert "it says that it is solved, and its program gap" in fault


def test_a_program_certificate_that_is_gone_or_of_another_trial_is_caught(copy: Path) -> None:
    path, other = trial(copy, "wedge"), trial(copy, "wedge", "file")
    name = "certificate-program.npz"
    shutil.copy(other / name, path / name)
    rewrite(path, lambda record: None)
    assert "the value of its program is not proved" in " ".join(faults(copy)[path.name])
    (path / name).unlink()
    rewrite(path, lambda record: None)
    assert "no certificate of a program lies beside it" in " ".join(faults(copy)[path.name])


def test_a_time_limit_says_how_many_rows_were_left(copy: Path) -> None:
    (late, *table) = audit(copy, deadline=Deadline(0.0))
    assert table == [] and late.row == "14 rows" and late.faults == (
        "they were not verified within 0 seconds; allow more with --time-limit.",
    )  # fmt: skip
    wrong = CliRunner().invoke(app, ["verify", str(copy), "--time-limit", "1 week"]).exception
    assert isinstance(wrong, InputError) and str(wrong).startswith("--time-limit 1 week: write seconds")
    none = CliRunner().invoke(app, ["verify", str(copy), "--time-limit", "0.000001s"])
    assert none.exit_code == 1 and "0 of 0 rows do not hold; 14 rows were not looked at; 0 bounds" in none.output
    done = CliRunner().invoke(app, ["verify", str(copy), "--time-limit", "10min"])
    assert done.exit_code == 0


def test_a_forged_network_and_certificate_are_caught_even_when_sealed(copy: Path) -> None:
    path = trial(copy, "sdp")
    network = Network.load(path / "network.npz")
    Network(network.hidden * 1.001, network.output, network.bias).save(path / "network.npz")
    rewrite(path, lambda record: None)
    assert "and its network attains" in faults(copy)[path.name][0]
    other = trial(copy, "exact")
    certificate = Certificate.load(other / "certificate.npz")
    Certificate(
        certificate.lower * 1.001, certificate.multiplier * 1.001, certificate.reduction, certificate.proof
    ).save(other / "certificate.npz")
    rewrite(other, lift("lower", 1.001))
    assert "its lower bound is not proved" in " ".join(faults(copy)[other.name])


@pytest.mark.parametrize("name", ["network.npz", "certificate.npz", "record.json", "log.txt"])
def test_any_changed_byte_of_any_file_is_caught(name: str, copy: Path) -> None:
    path = trial(copy, "sdp") / name
    for other in (copy / "trials").iterdir():
        if other != path.parent:
            shutil.rmtree(other)
    collect(copy)
    original = path.read_bytes()
    rng = random.Random(0)
    for _ in range(25):
        at = rng.randrange(len(original))
        changed = bytearray(original)
        changed[at] ^= 1 << rng.randrange(8)
        if name == "record.json" and _same_json(original, bytes(changed)):
            continue  # a space for another: the same record
        path.write_bytes(changed)
        assert path.parent.name in faults(copy), f"byte {at} of {name}"
    path.write_bytes(original)
    assert faults(copy) == {}


def _same_json(a: bytes, b: bytes) -> bool:
    try:
        return bool(json.loads(a) == json.loads(b))
    except ValueError:
        return False


@pytest.mark.parametrize("name", ["network.npz", "certificate.npz", "record.json", "log.txt"])
def test_a_missing_file_is_caught(name: str, copy: Path) -> None:
    path = trial(copy, "sdp")
    (path / name).unlink()
    assert path.name in faults(copy)


def test_what_was_computed_on_one_processor_holds_on_another(copy: Path) -> None:
    # OpenBLAS adds in another order where it takes this one for a processor of 2004.
    for path in (copy / "trials").iterdir():
        if json.loads((path / "record.json").read_text())["trial"]["dataset"] == "random":
            shutil.rmtree(path)
    collect(copy)
    command = [sys.executable, "-m", "sdprelax", "verify", str(copy)]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"OPENBLAS_CORETYPE": "Prescott"})
    assert done.returncode == 0 and "all 7 rows hold" in done.stdout, done.stdout + done.stderr


def test_files_of_another_trial_are_caught(copy: Path) -> None:
    a, b = trial(copy, "exact"), trial(copy, "exact", "file")
    for name in ("network.npz", "certificate.npz"):
        shutil.copy(b / name, a / name)
    assert a.name in faults(copy)
    rewrite(a, lambda record: None)
    assert len(faults(copy)[a.name]) >= 2, "even when sealed"


def test_changed_data_and_a_changed_table_are_caught(finished: Path, copy: Path) -> None:
    table = pd.read_parquet(copy / "table.parquet")
    table["lower"] *= 1.01
    table.to_parquet(copy / "table.parquet")
    assert list(faults(copy)) == ["table"]
    done = CliRunner().invoke(app, ["verify", str(copy)])
    assert done.exit_code == 1 and "it does not say what the records say" in done.output
    (copy / "table.parquet").unlink()
    assert faults(copy) == {}
    (copy / "table.csv").write_text((copy / "table.csv").read_text().replace("solved", "timeout", 1))
    assert list(faults(copy)) == ["table"]
    collect(copy)
    assert faults(copy) == {}
    path = finished / "mine.csv"
    original = path.read_text()
    try:
        from sdprelax.laboratory.training._trial import _load

        _load.cache_clear()
        path.write_text(original.replace("x", "z", 1))
        found = faults(copy)
        assert len(found) == 7 and all("the data file has changed" in said[0] for said in found.values())
    finally:
        path.write_text(original)
        _load.cache_clear()


def test_bounds_of_two_methods_that_cross_are_named(copy: Path) -> None:
    path = trial(copy, "exact")
    upper = json.loads((path / "record.json").read_text())["upper"]
    rewrite(trial(copy, "sdp"), put("lower", upper * 1.01))
    assert any("UNSOUND on random" in fault for fault in faults(copy)["table"])


def test_rerun_reproduces_a_trial_bit_for_bit(finished: Path, copy: Path) -> None:
    path = trial(finished / "audited", "sdp")
    assert find_trial(path.name[:8], finished) == path
    found = rerun(path)
    assert found.differences == {} and found.changed_versions == {}
    assert found.after["provenance"]["cpu"] and found.after["provenance"]["versions"]["sdprelax"]
    rewrite(trial(copy, "sdp"), put("lower", 0.5))
    done = CliRunner().invoke(app, ["rerun", str(trial(copy, "sdp"))])
    assert done.exit_code == 1 and "not reproduced: lower was 0.5" in done.output
    with pytest.raises(InputError, match="there is no trial 'abcdef'"):
        find_trial("abcdef", finished)


def test_a_record_holds_everything_that_it_takes_to_run_it_again(finished: Path) -> None:
    record = json.loads((trial(finished / "audited", "sdp") / "record.json").read_text())
    assert TrainingTrial.from_dict(record["trial"]).hash == record["hash"]
    origin = record["provenance"]
    assert {"python", "sdprelax", "numpy", "clarabel", "scs"} <= set(origin["versions"])
    assert any(library["user_api"] == "blas" and library["num_threads"] for library in origin["blas"])
    assert origin["cpu"] and origin["cores"] >= 1
    if (Path(__file__).resolve().parents[2] / ".git").exists():
        assert len(origin["git"]["commit"]) == 40 and isinstance(origin["git"]["dirty"], bool)
