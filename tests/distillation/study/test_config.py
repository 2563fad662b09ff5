"""Studies of distillation as written: what they mean, and what is refused, with file and line."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
import yaml

from sdprelax import InputError
from sdprelax.distillation.distillers import distillers
from sdprelax.distillation.images import images
from sdprelax.distillation.study._trial import LEAST, identified, sampled
from sdprelax.distillation.teachers import teachers
from sdprelax.laboratory import Entry, kinds, load_modules, load_sweep
from tests.distillation import MODULES

GOOD = f"""\
name: small
teacher: {{digits_cnn: {{width: 4, epochs: 2}}}}
images: digits
block: [head, body]
distillers:
  - gated_relu: {{gates: [2, 4], budget: 0.25}}
  - pruning
fraction: [1, 0.1]
repeat: 2
limits: {{time: 2min}}
modules: [{MODULES["digits_cnn"]}]
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "study.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_every_combination_is_a_run_and_what_uses_no_data_runs_once_per_block(tmp_path: Path) -> None:
    study: Any = load_sweep(written(tmp_path, GOOD))
    runs = study.plan()
    assert study.fractions == (0.1, 1.0) and study.limits.time == 120.0
    by_name = [run.distiller for run in runs]
    assert by_name.count("gated_relu") == 2 * 2 * 2 * 2 and by_name.count("pruning") == 2
    assert len({run.hash for run in runs}) == len(runs)
    assert all(run.timed == (run.repeat == 0 and run.fraction == 1.0) for run in runs)
    assert runs[0].method_label == "gated_relu(gates=2, budget=0.25)"


def test_a_run_is_named_by_what_determines_its_result(tmp_path: Path) -> None:
    def hashes(text: str) -> set[str]:
        return {run.hash for run in load_sweep(written(tmp_path, text)).plan()}

    first = hashes(GOOD)
    other = GOOD.replace("small", "other").replace("[head, body]", "[body, head]").replace("repeat: 2", "repeat: 3")
    assert first < hashes(other)
    defaults = GOOD.replace("{gates: [2, 4], budget: 0.25}", "{gates: [2, 4], budget: 0.25, kernel: 3}")
    assert first == hashes(defaults) == hashes(GOOD.replace("2min", "1h"))
    assert not first & hashes(GOOD.replace("epochs: 2", "epochs: 3"))
    assert not first & hashes(GOOD.replace("images: digits", "images: {digits: {test_share: 0.5}}"))


def test_a_version_runs_what_it_is_of_once_more_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study: Any = load_sweep(written(tmp_path, GOOD))

    def names(*change: Any) -> set[str]:
        before = {run.hash for run in study.plan()}
        monkeypatch.setattr(*change, raising=False)
        return {run.distiller for run in study.plan() if run.hash not in before}

    assert names(distillers["pruning"], "version", 2) == {"pruning"}
    assert names("sdprelax.distillation.study._trial.GROUP_PROOF_VERSION", 99) == {"gated_relu"}
    these = identified(images, Entry("digits", {}))
    monkeypatch.setattr(images["digits"], "version", 2, raising=False)
    assert identified(images, Entry("digits", {})) == f"{these}, version 2"
    assert names(teachers["digits_cnn"], "version", 2) == {"gated_relu", "pruning"}


def test_samples_of_a_repeat_are_nested_and_of_two_repeats_are_not() -> None:
    shares = [sampled(1000, fraction, 7) for fraction in (1e-4, 0.01, 0.1, 0.5, 1.0)]
    assert [len(samples) for samples in shares] == [LEAST, 10, 100, 500, 1000]
    for small, large in itertools.pairwise(shares):
        assert set(small) <= set(large) and (small[:-1] < small[1:]).all()
    assert set(sampled(1000, 0.1, 8)) != set(shares[2])


def test_the_teacher_says_which_block_is_meant_where_none_is_named(tmp_path: Path) -> None:
    study: Any = load_sweep(written(tmp_path, GOOD.replace("block: [head, body]\n", "")))
    assert study.blocks == ("body",)


@pytest.mark.parametrize(("override", "check"), [
    ("fraction=0.5", lambda study: study.fractions == (0.5,)),
    ("block=head", lambda study: study.blocks == ("head",)),
    ("teacher.digits_cnn.epochs=3", lambda study: study.teacher.options == {"width": 4, "epochs": 3}),
    ("images.digits.test_share=0.5", lambda study: study.pictures.options == {"test_share": 0.5}),
    ("distillers.gated_relu.gates=8", lambda study: study.distillers[0].options == {"gates": 8, "budget": 0.25}),
    ("limits.time=5", lambda study: study.limits.time == 5.0),
])  # fmt: skip
def test_set_replaces_a_setting(override: str, check: object, tmp_path: Path) -> None:
    assert check(load_sweep(written(tmp_path, GOOD), [override]))  # type: ignore[operator]


@pytest.mark.parametrize(("old", "new", "message"), [
    ("width: 4", "widht: 4", "line 2: teacher 'digits_cnn' has no option 'widht': did you mean 'width'?"),
    ("width: 4", "width: [4, 5]", "line 2: one teacher is imitated"),
    ("images: digits", "images: digit", "line 3: unknown images 'digit': did you mean 'digits'?"),
    ("- pruning", "- prunning", "line 7: unknown distiller 'prunning': did you mean 'pruning'?"),
    ("budget: 0.25", "budget: -1", "line 6: distiller 'gated_relu': option 'budget' is -1"),
    ("[head, body]", "[head, head]", "line 4: the block 'head' is here a second time"),
    ("[head, body]", "[]", "line 4: 'block' is empty"),
    ("[1, 0.1]", "[true, 0.1]", "line 8: 'fraction' is True, but should be a number"),
    ("[1, 0.1]", "yes", "line 8: 'fraction' is 'yes', but should be a"),
    ("[1, 0.1]", "[1, 0]", "line 8: fraction is 0.0; it must be above 0 and at most 1"),
    ("[1, 0.1]", "2", "line 8: fraction is 2.0; it must be above 0 and at most 1"),
    ("[1, 0.1]", "[]", "line 8: 'fraction' is empty"),
    ("repeat: 2", "repeats: 2", "line 9: unknown key 'repeats': did you mean 'repeat'?"),
    ("modules: [", "modules: [mine.py, ", "line 11: module"),
    ("time: 2min", "memory: 4", "line 10: the memory limit is 4.0; write a number with its unit"),
    ("time: 2min", "tiem: 2min", "line 10: unknown key 'tiem': did you mean 'time'?"),
    ("name: small", "name: a/b", "line 1: the name 'a/b' becomes a folder"),
    ("images: digits\n", "", "the key 'images' is missing"),
])  # fmt: skip
def test_what_is_wrong_is_one_sentence_with_file_and_line(old: str, new: str, message: str, tmp_path: Path) -> None:
    assert GOOD.count(old) == 1
    path = written(tmp_path, GOOD.replace(old, new))
    with pytest.raises(InputError) as caught:
        load_sweep(path)
    said = str(caught.value)
    assert said.startswith(str(path)) and message in said and "\n" not in said


def test_a_file_includes_others(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(GOOD)
    study: Any = load_sweep(written(tmp_path, "include: base.yaml\nname: mine\nfraction: 0.5\n"))
    assert (study.name, study.fractions, study.repeat) == ("mine", (0.5,), 2)


def test_the_schema_admits_every_study_here_and_no_misspelling() -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed (extra: dev)")
    load_modules(MODULES.values())
    validator = jsonschema.Draft202012Validator(kinds("distillation").schema())
    validator.check_schema(validator.schema)
    files = sorted((Path(__file__).resolve().parents[3] / "experiments" / "distill").glob("*.yaml"))
    assert files
    for path in files:
        content = yaml.safe_load(path.read_text())
        validator.validate(content)
        assert list(validator.iter_errors({**content, "blok": "head"}))
        assert list(validator.iter_errors({**content, "distillers": ["gated_rleu"]}))
        assert list(validator.iter_errors({**content, "distillers": [{"gated_relu": {"gate": 3}}]}))
        assert list(validator.iter_errors({**content, "teacher": "digit_cnn"}))
