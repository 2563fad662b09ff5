"""Data sets: those of the paper, scikit-learn's, and the user's files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sdprelax import InputError
from sdprelax.datasets import datasets


@pytest.mark.parametrize(("name", "train", "test", "d", "c"), [
    ("iris", 75, 75, 4, 3), ("wine", 89, 89, 13, 3), ("breast_cancer", 284, 285, 30, 2), ("digits", 898, 899, 64, 10),
])  # fmt: skip
def test_bundled_data_are_split_in_halves_with_one_hot_targets(
    name: str, train: int, test: int, d: int, c: int
) -> None:
    data = datasets.create(name).load()
    assert data.X_test is not None and data.Y_test is not None and data.classes is not None
    assert (data.X.shape, data.X_test.shape) == ((train, d), (test, d))
    assert (data.Y.shape, data.Y_test.shape, len(data.classes)) == ((train, c), (test, c), c)
    assert np.array_equal(np.sort(data.Y, axis=1)[:, -2:], np.tile([0.0, 1.0], (train, 1)))


def test_scaling_is_fitted_on_the_training_part() -> None:
    standard = datasets.create("wine", {"scaling": "standard"}).load()
    assert standard.X_test is not None
    assert np.allclose(standard.X.mean(axis=0), 0.0) and np.allclose(standard.X.std(axis=0), 1.0)
    assert not np.allclose(standard.X_test.mean(axis=0), 0.0, atol=1e-3)
    minmax = datasets.create("wine", {"scaling": "minmax", "test_size": 0.0}).load()
    assert minmax.X_test is None and len(minmax.X) == 178
    assert np.allclose(minmax.X.min(axis=0), 0.0) and np.allclose(minmax.X.max(axis=0), 1.0)


def test_random_is_a_gaussian_teacher_and_reproducible() -> None:
    data, again = (datasets.create("random").load() for _ in range(2))
    assert data.X.shape == (25, 2) and data.Y.shape == (25, 5)
    assert np.array_equal(data.Y, again.Y)
    other = datasets.create("random", {"seed": 1}).load()
    assert not np.array_equal(data.X, other.X)
    wide = datasets.create("random", {"n": 4000, "teacher_width": 200}).load()
    # E[Y²] for the rows x ~ N(0, I_2): 200·E[(x·w)₊²] = 200·E‖x‖²/2 = 200.
    assert np.mean(wide.Y**2) == pytest.approx(200.0, rel=0.15)
    classes = datasets.create("random", {"classes": True}).load()
    assert np.array_equal(classes.X, data.X) and np.all(np.sort(classes.Y, axis=1) == [0, 0, 0, 0, 1])
    assert np.array_equal(np.argmax(classes.Y, axis=1), np.argmax(data.Y, axis=1)) and len(classes.classes or ()) == 5
    with pytest.raises(InputError, match="'classes' needs two outputs or more"):
        datasets.create("random", {"classes": True, "c": 1})


def test_spiral_has_three_arms_of_twenty_points_within_its_radius() -> None:
    data = datasets.create("spiral").load()
    assert data.X.shape == (60, 2) and np.array_equal(data.Y.sum(axis=0), [20.0, 20.0, 20.0])
    radii = np.linalg.norm(data.X, axis=1).reshape(3, 20)
    assert np.allclose(radii, np.linspace(0.0, 0.5, 20))


def test_spiral_is_p25_s_own_array(p25: Path) -> None:
    stored = np.load(p25 / "spiral.npz")
    data = datasets.create("spiral").load()
    assert np.allclose(data.X, stored["X"], atol=1e-12)
    assert np.array_equal(np.argmax(data.Y, axis=1), stored["y"])


def write(folder: Path, kind: str) -> str:
    table = pd.DataFrame({"a": [1.0, 2.0, 3.0, 4.0], "b": [0, 1, 0, 1], "kind": ["x", "y", "x", "z"]})
    path = folder / f"table.{kind}"
    if kind == "csv":
        table.to_csv(path, index=False)
    elif kind == "parquet":
        table.to_parquet(path)
    else:
        np.savez(path, X=table[["a", "b"]].to_numpy(), Y=np.eye(3)[[0, 1, 0, 2]])
    return str(path)


@pytest.mark.parametrize("kind", ["csv", "parquet", "npz"])
def test_files_of_each_kind_give_the_same_data(kind: str, tmp_path: Path) -> None:
    data = datasets.create("file", {"path": write(tmp_path, kind)}).load()
    assert np.array_equal(data.X, [[1, 0], [2, 1], [3, 0], [4, 1]])
    assert np.array_equal(data.Y, np.eye(3)[[0, 1, 0, 2]])
    assert data.classes == (("class 0", "class 1", "class 2") if kind == "npz" else ("x", "y", "z"))


def test_file_options_choose_targets_and_task(tmp_path: Path) -> None:
    path = tmp_path / "numbers.csv"
    pd.DataFrame({"a": [1.0, 2.0], "b": [3, 4], "y": [0.5, 1.5]}).to_csv(path, index=False)
    assert datasets.create("file", {"path": str(path)}).load().Y.tolist() == [[0.5], [1.5]]
    two = datasets.create("file", {"path": str(path), "target": ["y", "a"]}).load()
    assert two.Y.tolist() == [[0.5, 1.0], [1.5, 2.0]] and two.X.tolist() == [[3.0], [4.0]]
    integer = {"path": str(path), "target": "b"}
    assert datasets.create("file", integer).load().Y.shape == (2, 2)
    assert datasets.create("file", {**integer, "task": "regression"}).load().Y.tolist() == [[3.0], [4.0]]


@pytest.mark.parametrize(("name", "text", "options", "message"), [
    ("t.csv", "a,y\n1,nan\n", {"task": "regression"}, "row 1, column 'y' holds 'nan', which is not a finite number"),
    ("t.csv", "a,y\n1,2\nx,3\n", {}, "row 2, column 'a' holds 'x', which is not a finite number"),
    ("t.csv", "a,y\ninf,2.5\n", {}, "row 1, column 'a' holds 'inf'"),
    ("t.csv", "a,y\n1,2\n", {"target": "z"}, "has no column 'z', which option 'target' names: choices: a, y"),
    ("t.csv", "y\n1\n", {}, "needs at least one row and one column besides the target"),
    ("t.csv", "", {}, "cannot be read as csv"),
    ("t.parquet", "junk", {}, "cannot be read as parquet"),
    ("t.npz", "junk", {}, "cannot be read as npz"),
    ("t.xlsx", "junk", {}, "files end in .csv, .csv.gz, .parquet or .npz, not in '.xlsx'"),
    ("t.csv", "a,y\n1,2\n3,4\n", {"test_size": 1.5}, "option 'test_size' is 1.5, but should be less than 1."),
])  # fmt: skip
def test_bad_files_are_refused_in_one_sentence(
    name: str, text: str, options: dict[str, object], message: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        datasets.create("file", {"path": str(path), **options}).load()
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_an_npz_file_needs_finite_arrays_x_and_y(tmp_path: Path) -> None:
    path = tmp_path / "t.npz"
    np.savez(path, X=np.ones((2, 2)))
    with pytest.raises(InputError, match="has no array 'Y'"):
        datasets.create("file", {"path": str(path)}).load()
    np.savez(path, X=np.array([[np.nan]]), Y=np.ones(1))
    with pytest.raises(InputError, match="array 'X' holds nan at row 0, column 0"):
        datasets.create("file", {"path": str(path)}).load()
    np.savez(path, X=np.ones((2, 1)), Y=np.ones(2), X_test=np.ones((1, 1)), Y_test=np.ones(1))
    data = datasets.create("file", {"path": str(path)}).load()
    assert data.X_test is not None and data.X_test.shape == (1, 1)


def test_wrong_names_and_options_are_refused() -> None:
    with pytest.raises(InputError, match=r"unknown data set 'irsi': did you mean 'iris'\?"):
        datasets.create("irsi")
    with pytest.raises(InputError, match="data set 'random': option 'n' is 0, but should be greater than 0"):
        datasets.create("random", {"n": 0})
    with pytest.raises(InputError, match="data set 'file' needs the option 'path'"):
        datasets.create("file")
    with pytest.raises(InputError, match="no such file"):
        datasets.create("file", {"path": "nowhere.csv"})


def test_random_sets_of_a_file_are_numbered_by_seed(tmp_path: Path, p25: Path) -> None:
    stored = np.load(p25 / "random.npz")
    source = datasets.create("random", {"path": str(p25 / "random.npz"), "seed": 7})
    data = source.load()
    np.testing.assert_array_equal(data.X, stored["X"][7])
    np.testing.assert_array_equal(data.Y, stored["Y"][7])


def test_random_sets_of_a_made_file_and_what_is_wrong_with_one(tmp_path: Path) -> None:
    path = tmp_path / "sets.npz"
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((3, 6, 2)), rng.standard_normal((3, 6, 4))
    np.savez(path, X=X, Y=Y)
    options = {"path": str(path), "n": 6, "c": 4}
    source = datasets.create("random", {**options, "seed": 2})
    np.testing.assert_array_equal(source.load().X, X[2])
    assert len(source.digest()) == 64 and datasets.create("random").digest() == ""  # type: ignore[attr-defined]
    for wrong, words in (
        ({"seed": 3}, "has the sets 0 to 2, and seed is 3"), ({"n": 5}, r"must hold X of shape \(sets, 5, 2\)"),
        ({"path": "nowhere.npz"}, "it must be an existing .npz file"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=words):
            datasets.create("random", {**options, **wrong}).load()


def test_arrays_that_are_one_hot_are_classes_and_split_ones_are_scaled_by_their_training_part(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((8, 2)), np.eye(3)[rng.integers(0, 3, 8)]
    path = tmp_path / "split.npz"
    np.savez(path, X=X, Y=Y, X_test=2.0 * X, Y_test=Y)
    data = datasets.create("file", {"path": str(path), "scaling": "standard"}).load()
    assert data.classes == ("class 0", "class 1", "class 2") and data.X_test is not None
    np.testing.assert_allclose(data.X.std(axis=0), 1.0)
    np.testing.assert_allclose(data.X_test.std(axis=0), 2.0)
    assert datasets.create("file", {"path": str(path), "task": "regression"}).load().classes is None
    with pytest.raises(InputError, match="leave test_size out"):
        datasets.create("file", {"path": str(path), "test_size": 0.5}).load()
    np.savez(path, X=X, Y=X, X_test=X)
    with pytest.raises(InputError, match="must hold both X_test and Y_test"):
        datasets.create("file", {"path": str(path)}).load()
    np.savez(path, X=X, Y=X)
    with pytest.raises(InputError, match="takes labels Y of shape"):
        datasets.create("file", {"path": str(path), "task": "classification"}).load()


@pytest.mark.parametrize(("options", "shape", "classes"), [
    ({"loader": "wine"}, (133, 13, 3), ("class_0", "class_1", "class_2")),
    ({"loader": "load_diabetes"}, (331, 10, 1), None),
    ({"loader": "linnerud"}, (15, 3, 3), None),
    ({"loader": "moons", "options": {"n_samples": 40, "noise": 0.1}}, (30, 2, 2), ("0", "1")),
    ({"loader": "friedman1", "options": {"n_samples": 20}}, (15, 10, 1), None),
    ({"loader": "digits", "target": "numbers"}, (1347, 64, 1), None),
])  # fmt: skip
def test_any_loader_of_scikit_learn_is_a_data_set(
    options: dict[str, object], shape: tuple[int, int, int], classes: tuple[str, ...] | None
) -> None:
    source = datasets.create("sklearn", options)
    data, again = source.load(), source.load()
    assert (*data.X.shape, data.Y.shape[1]) == shape and data.classes == classes
    np.testing.assert_array_equal(data.X, again.X)
    assert classes is not None or np.allclose(data.Y.std(axis=0), 1.0), "targets of numbers are standardised"
    assert len(data.preprocessing.columns) in (0, shape[1])


@pytest.mark.parametrize(("options", "message"), [
    ({"loader": "diabetis"}, "option 'loader' is 'diabetis': did you mean 'diabetes'?"),
    ({"loader": "moons", "options": {"n": 4}}, "make_moons gives no data: "),
    ({"loader": "swiss_roll", "options": {"n_samples": 9}, "target": "classes"}, "labels hold "),
    ({"loader": "sample_image", "options": {"image_name": "china.jpg"}}, "gives no inputs with a target"),
])  # fmt: skip
def test_loaders_that_give_no_data_are_refused_in_one_sentence(options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError) as caught:
        datasets.create("sklearn", options).load()
    assert message in str(caught.value) and "\n" not in str(caught.value)
