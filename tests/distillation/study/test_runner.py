"""Studies as they run: what is kept, what goes on, what fails, and what is proved again."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sdprelax import GroupCertificate, InputError
from sdprelax.base import Deadline, StorageError
from sdprelax.distillation.study._proofs import _root
from sdprelax.laboratory import Store, load_sweep, run_sweep
from sdprelax.laboratory.results import Results, audit
from tests.distillation import MODULES

torch = pytest.importorskip("torch", reason="teachers and students are PyTorch's")

STUDY = f"""\
name: small
teacher: {{digits_cnn: {{width: 4, epochs: 2}}}}
images: digits
block: [head, body]
distillers:
  - gated_relu: {{gates: 2, budget: 0.5, shrinkage: 1e-3, jacobian: [0, 0.9]}}
  - adam: {{epochs: 2}}
  - pruning
fraction: [0.1, 0.3]
repeat: 2
modules: [{MODULES["digits_cnn"]}]
"""
RUNS = 2 * (3 * 2 * 2 + 1)


class Interrupting:
    """Ends everything after so many trials."""

    def __init__(self, after: int) -> None:
        self.after, self.seen = after, list[dict[str, Any]]()

    def __call__(self, record: dict[str, Any]) -> None:
        self.seen.append(record)
        if len(self.seen) == self.after:
            raise KeyboardInterrupt


def run(folder: Path, text: str = STUDY, *overrides: str, watch: Any = None, **options: Any) -> Results:
    path = folder / "study.yaml"
    path.write_text(text, encoding="utf-8")
    options = {"engine": "serial", "progress": watch or Interrupting(RUNS + 1), **options}
    return run_sweep(load_sweep(path, overrides), folder / "results", **options)


def records_of(found: Results) -> list[dict[str, Any]]:
    return list(Store(found.folder).records())


def test_students_of_logits_learn_them_by_either_loss(tmp_path: Path) -> None:
    """The option came later: students of the squared loss are named as before it."""
    text = STUDY.replace("block: [head, body]", "block: head").replace("repeat: 2", "repeat: 1")
    lines = [line for line in text.splitlines() if "gated_relu" not in line and "pruning" not in line]
    text = "\n".join(lines).replace("{epochs: 2}", "{epochs: 3, loss: [squared, cross_entropy]}")
    squared, entropy = sorted(
        records_of(run(tmp_path, text, "fraction=0.3")), key=lambda record: len(record["distiller"])
    )
    assert entropy["distiller"] == "adam(epochs=3, loss=cross_entropy)"
    assert squared["distiller"] == "adam(epochs=3)" and "loss" not in squared["trial"]["options"]
    assert squared["status"] == entropy["status"] == "finished"
    assert squared["agreement"] != entropy["agreement"] or squared["activation_error"] != entropy["activation_error"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Results]:
    folder = tmp_path_factory.mktemp("study")
    return folder, run(folder)


@pytest.fixture
def copied(finished: tuple[Path, Results], tmp_path: Path) -> Path:
    shutil.copytree(finished[0], tmp_path, dirs_exist_ok=True)
    return tmp_path


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_every_run_ends_and_nothing_else_is_left(finished: tuple[Path, Results]) -> None:
    _, found = finished
    assert len(found.table) == RUNS and set(found.table["status"]) == {"finished"}
    assert {path.name for path in (found.folder / "activations").iterdir()} == {"head", "body"}
    assert len(list((found.folder / "trials").iterdir())) == RUNS and not list((found.folder / "checkpoints").iterdir())
    fitted = found.table[found.table["program_gap"].notna()]
    assert len(fitted) == RUNS - 2 * 5 and (fitted["lower"] <= fitted["upper"]).all()
    assert (fitted["program_gap"] <= 1e-2).all() and (fitted["parameters"] <= 0.5 * fitted["block_parameters"]).all()
    timed = found.table[found.table["student_ms"].notna()]
    assert set(timed["repeat"]) == {0} and len(timed) == 2 * 4


def test_the_student_that_is_kept_is_the_one_that_was_measured(finished: tuple[Path, Results]) -> None:
    from sdprelax.distillation._students import load_student
    from sdprelax.distillation._torch_teacher import TorchTeacher
    from sdprelax.distillation.images.digits import DigitImages
    from sdprelax.distillation.teachers import teachers

    _, found = finished
    model, data = (
        teachers.create("digits_cnn", {"width": 4, "epochs": 2}).load(found.folder / "teacher"),
        DigitImages().load(),
    )
    for record in records_of(found):
        if record["trial"]["distiller"] == "pruning":
            continue
        student = load_student(found.folder / "trials" / record["hash"] / "student.npz")
        network = TorchTeacher(model, record["block"]).with_student(student)
        with torch.inference_mode():
            right = network(torch.from_numpy(data.test[:])).argmax(1).numpy() == data.test_labels
        assert record["accuracy"] == pytest.approx(right.mean(), abs=1e-12)


def test_a_second_call_runs_nothing_and_changes_no_run(copied: Path) -> None:
    before = contents(copied / "results" / "small" / "trials")
    watch = Interrupting(1)
    run(copied, watch=watch)
    assert not watch.seen and contents(copied / "results" / "small" / "trials") == before


def test_an_interrupted_study_goes_on_and_ends_the_same(finished: tuple[Path, Results], tmp_path: Path) -> None:
    _, whole = finished
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, watch=Interrupting(3))
    rest = Interrupting(RUNS)
    found = run(tmp_path, watch=rest)
    assert len(rest.seen) == RUNS - 3
    assert timeless(found).equals(timeless(whole))


def test_a_run_that_fails_is_a_row_and_can_be_retried(tmp_path: Path) -> None:
    text = STUDY.replace("adam: {epochs: 2}", "adam: {budget: 1e-9}").replace("block: [head, body]", "block: head")
    found = run(tmp_path, text)
    failed = found.table[found.table["status"] == "error"]
    assert len(failed) == 4 and failed["message"].str.contains("too small").all()
    assert len(found.table) == RUNS // 2
    again = Interrupting(RUNS)
    run(tmp_path, text, watch=again)
    assert not again.seen
    run(tmp_path, text, watch=again, retry=["failed"])
    assert [record["status"] for record in again.seen] == ["error"] * 4
    with pytest.raises(InputError, match="no trial ends like that"):
        run(tmp_path, text, retry=["fialed"])


def test_a_run_at_its_time_limit_says_so_and_runs_again_under_a_wider_one(tmp_path: Path) -> None:
    small = ("block=head", "repeat=1", "fraction=0.1", "distillers=[{gated_relu: {gates: 2, shrinkage: 0.001}}]")
    found = run(tmp_path, STUDY, *small, "limits.time=1e-9s".replace("1e-9", "0.000000001"))
    assert list(found.table["status"]) == ["time limit"]
    assert found.table["lower"].iloc[0] <= found.table["upper"].iloc[0]
    assert list(run(tmp_path, STUDY, *small, "limits.time=1h").table["status"]) == ["finished"]


@pytest.mark.parametrize(("old", "new", "message"), [
    ("[head, body]", "[head, boddy]", "line 4: the network has no module 'boddy': did you mean 'body'?"),
    ("teacher: {digits_cnn: {width: 4, epochs: 2}}", "teacher: {python: {path: mine.py, function: net}}", "line 2:"),
    ("images: digits", "images: {arrays: {path: three.npz}}", "line 3: the teacher does not take pictures of shape"),
])  # fmt: skip
def test_what_cannot_be_run_is_said_before_anything_is_written(
    old: str, new: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    np.savez("three.npz", transfer=np.zeros((4, 3, 8, 8)), test=np.zeros((4, 3, 8, 8)))
    with pytest.raises(InputError) as caught:
        run(tmp_path, STUDY.replace(old, new))
    assert message in str(caught.value) and "\n" not in str(caught.value)
    assert not (tmp_path / "results").exists()


def test_activations_of_another_teacher_are_not_taken_for_this_ones(copied: Path) -> None:
    with pytest.raises(InputError, match="name another folder"):
        run(copied, STUDY, "teacher.digits_cnn.seed=1")


def test_a_folder_that_cannot_be_written_to_stops_the_study(tmp_path: Path) -> None:
    (tmp_path / "results" / "small").mkdir(parents=True)
    (tmp_path / "results" / "small" / "trials").write_text("in the way")
    with pytest.raises(StorageError, match="results cannot be written to"):
        run(tmp_path, STUDY, "block=head")


def proved(folder: Path) -> dict[str, tuple[str, ...]]:
    """Return what is wrong with each trial that has a certificate, or anything wrong."""
    folder = folder / "results" / "small"
    findings = [found for found in audit(folder) if found.name != "table"]
    return {
        found.name: found.faults
        for found in findings
        if found.faults or (folder / "trials" / found.name / "certificate.npz").is_file()
    }


def test_every_bound_can_be_proved_again(finished: tuple[Path, Results]) -> None:
    folder, found = finished
    holds = proved(folder)
    assert set(holds) == {
        record["hash"] for record in records_of(found) if record["trial"]["distiller"] == "gated_relu"
    }
    assert not any(holds.values())


def scaled(name: str, factor: float) -> Callable[[dict[str, Any]], None]:
    def change(record: dict[str, Any]) -> None:
        record[name] *= factor

    return change


@pytest.mark.parametrize(("change", "message"), [
    (scaled("lower", 1.001), "it says lower"), (scaled("lower", 0.999), "it says lower"),
    (scaled("upper", 0.999), "it says upper"), (scaled("upper", 1.001), "it says upper"),
    (scaled("gap", 0.5), "it says gap"), (scaled("program_gap", 0.5), "it says program_gap"),
    (scaled("parameters", 2), "it says parameters"), (scaled("samples", 2), "it says samples"),
    (lambda record: record["details"].update(program_upper=1.0), "it says program_upper"),
    (lambda record: record["details"].update(gamma=1.0), "it says gamma"),
    (lambda record: record.update(distiller="adam"), "it says distiller 'adam'"),
    (lambda record: record["trial"].update(distiller="adam", options={}), "are not those that its name stands for"),
    (lambda record: record["trial"]["options"].update(gates=3), "are not those that its name stands for"),
    (lambda record: record["trial"]["teacher"].update(identity="another"), "are not those that its name stands for"),
])  # fmt: skip
def test_a_claim_that_is_not_what_is_proved_is_found(
    copied: Path, change: Callable[[dict[str, Any]], None], message: str
) -> None:
    path = next((copied / "results" / "small" / "trials").glob("*/certificate.npz")).with_name("record.json")
    for other in path.parent.parent.iterdir():
        if other != path.parent:
            shutil.rmtree(other)
    record = json.loads(path.read_text())
    change(record)
    path.write_text(json.dumps(record))
    (found,) = proved(copied).values()
    assert message in " ".join(found)


def test_a_forged_certificate_is_found(copied: Path) -> None:
    path = next((copied / "results" / "small" / "trials").glob("*/certificate.npz"))
    program = GroupCertificate.load(path)
    for forged, message in (
        (dataclasses.replace(program, dual_value=program.value), "it claims dual_value"),
        (dataclasses.replace(program, gamma=2.0 * program.gamma), "it claims value"),
        (dataclasses.replace(program, dual_value=0.5 * program.dual_value), "not as said"),
        (dataclasses.replace(program, multiplier=np.zeros((3, 3))), "its multiplier has shape"),
    ):  # fmt: skip
        forged.save(path)
        faults = {run: sentences for run, sentences in proved(copied).items() if sentences}
        assert set(faults) == {path.parent.name} and message in " ".join(faults[path.parent.name])


def test_two_rivals_whose_names_were_swapped_are_found(copied: Path) -> None:
    paths = [path / "record.json" for path in (copied / "results" / "small" / "trials").iterdir()]
    records = {path: json.loads(path.read_text()) for path in paths}
    adam, pruning = (
        next(p for p, r in records.items() if r["trial"]["distiller"] == name) for name in ("adam", "pruning")
    )
    for path, other in ((adam, pruning), (pruning, adam)):
        swapped = {key: records[other]["trial"][key] for key in ("distiller", "options")}
        record = records[path] | {"distiller": records[other]["distiller"], "trial": records[path]["trial"] | swapped}
        path.write_text(json.dumps(record))
    assert {run for run, sentences in proved(copied).items() if sentences} == {adam.parent.name, pruning.parent.name}


def test_verification_keeps_a_time_limit(copied: Path) -> None:
    *_, late = audit(copied / "results" / "small", deadline=Deadline(0.0))
    assert late.name == "the rest" and late.late and late.faults == (
        "they were not verified within 0 seconds; allow more with --time-limit.",
    )  # fmt: skip


def test_another_student_or_other_activations_are_found(copied: Path) -> None:
    from sdprelax.distillation._students import load_student

    folder = copied / "results" / "small"
    path = next((folder / "trials").glob("*/certificate.npz")).with_name("student.npz")
    student = load_student(path)
    with torch.no_grad():
        for weights in student.parameters():
            weights.mul_(1.5)
    student.save(path)
    (changed,) = [sentences for sentences in proved(copied).values() if sentences]
    assert "not the one whose bound is proved" in " ".join(changed)
    for block in ("head", "body"):
        held = folder / "activations" / block / "leaving.float32"
        (np.fromfile(held, np.float32) * np.float32(2.0)).tofile(held)
    assert all(proved(copied).values())


def test_another_metric_of_the_outputs_is_found(copied: Path) -> None:
    folder = copied / "results" / "small"
    path = next((folder / "trials").glob("*/metric.npz"))
    (2.0 * np.load(path)["root"]).tofile(path)
    assert "metric" in " ".join(proved(copied)[path.parent.name])
    np.savez(
        path, root=2.0 * np.eye(10 if "head" in json.loads(path.with_name("record.json").read_text())["block"] else 8)
    )
    assert {name for name, sentences in proved(copied).items() if sentences} == {path.parent.name}
    path.unlink()
    assert {name for name, sentences in proved(copied).items() if sentences} == {path.parent.name}
    assert "is not there: its option jacobian is 0.9" in " ".join(proved(copied)[path.parent.name])


@pytest.mark.parametrize(("root", "share", "message"), [
    (np.eye(3), 0.0, "its outputs are to be taken as they are"), (0.1 * np.eye(3), 0.9, "is no metric of the option"),
    (np.diag([1.2, 1.2, np.sqrt(0.12)]), 0.5, "no eigenvalue below 0.5"), (np.diag([1.0, 1.0, -1.0]), 0.5, None),
    (np.eye(3)[[1, 0, 2]] @ np.diag([1.0, -1.0, 1.0]), 0.5, "must be symmetric"),
    (np.diag(np.sqrt([1.4, 1.4, 0.2])), 0.8, None),
])  # fmt: skip
def test_a_metric_is_one_that_the_share_of_the_jacobian_allows(
    root: np.ndarray, share: float, message: str | None, tmp_path: Path
) -> None:
    """M_s = (1 − s)I + sM, M ⪰ 0 of trace c, has trace c and no eigenvalue below 1 − s."""
    np.savez(tmp_path / "metric.npz", root=root)
    if message is None:
        held = _root(tmp_path / "metric.npz", 3, share)
        assert held is not None
        np.testing.assert_array_equal(held, root)
        return
    with pytest.raises(InputError, match=message):
        _root(tmp_path / "metric.npz", 3, share)


def test_a_bound_over_all_candidates_is_proved_again(tmp_path: Path) -> None:
    text = STUDY.replace("jacobian: [0, 0.9]", "candidates: 5").replace("repeat: 2", "repeat: 1")
    text = "\n".join(line for line in text.splitlines() if "adam" not in line and "pruning" not in line)
    (record,) = records_of(run(tmp_path, text, "fraction=0.3", "block=head"))
    details, path = record["details"], tmp_path / "results" / "small" / "trials" / record["hash"]
    assert details["candidates"] == 10 and details["candidates_lower"] <= record["lower"]
    assert not proved(tmp_path)[record["hash"]]
    whole = GroupCertificate.load(path / "certificate-candidates.npz")
    for forged, message in (
        (dataclasses.replace(whole, dual_value=details["program_upper"]), "it claims dual_value"),
        (dataclasses.replace(whole, dual_value=0.9 * whole.dual_value), "it says candidates_lower"),
        (GroupCertificate.load(path / "certificate.npz"), "it says candidates 10"),
    ):  # fmt: skip
        forged.save(path / "certificate-candidates.npz")
        assert message in " ".join(proved(tmp_path)[record["hash"]])
    (path / "certificate-candidates.npz").unlink()
    assert "over all candidates is not there" in " ".join(proved(tmp_path)[record["hash"]])


def test_a_missing_certificate_or_store_is_found(copied: Path) -> None:
    folder = copied / "results" / "small"
    gone = next((folder / "trials").glob("*/certificate.npz"))
    gone.unlink()
    assert "its certificate is not there." in proved(copied)[gone.parent.name]
    shutil.rmtree(folder / "activations" / "body")
    assert any("there are no activations" in sentence for one in proved(copied).values() for sentence in one)


def timeless(found: Results) -> Any:
    """Return the table without what depends on the clock, the memory or the process."""
    clocks = ("seconds", "student_ms", "block_ms", "network_ms", "teacher_ms", "peak_memory_mb")
    return found.table[[name for name in found.table if not name.startswith(clocks)]]


def test_workers_give_the_table_of_one_process_and_the_memory_limit_holds(
    finished: tuple[Path, Results], tmp_path: Path
) -> None:
    found = run(tmp_path, STUDY, engine="processes", workers=2)
    assert timeless(found).equals(timeless(finished[1]))
    limited = run(tmp_path, STUDY, "limits.memory=1MB", "block=head", "repeat=1", engine="processes", force=True)
    assert set(limited.table["status"]) == {"out of memory"} and limited.table["lower"].isna().all()
