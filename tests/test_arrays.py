"""What a problem and a predictor take for numbers, what they take for labels, and what they refuse."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse

from sdprelax import InputError, Network, Problem, one_hot
from sdprelax.base import finite_array

X = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 7.0]])
DAYS = np.array(["2020-01-01", "2020-01-02", "2020-01-05"], dtype="datetime64[ns]")


def masked(values: Any) -> Any:
    return np.ma.masked_array(values, mask=np.arange(np.size(values)).reshape(np.shape(values)) == 1)


@pytest.mark.parametrize(("values", "words"), [
    (masked(X), "X has 1 masked entries: leave their rows out, or write X.filled(value)"),
    (list(masked(X)), "X has 1 masked entries"),
    (DAYS[:, None], "X holds dates or times at row 0, column 0; write them as numbers in a unit of your choice"),
    ((DAYS - DAYS[0])[:, None], "X holds dates or times"),
    (pd.DataFrame({"a": [1.0, 2.0, 3.0], "day": DAYS}), "X holds dates or times at row 0, column 1"),
    (pd.DataFrame({"a": [1.0, 2.0, 3.0], "k": pd.Categorical([1, 2, 1])}), "X is categorical: write it as numbers"),
    (pd.DataFrame({"a": pd.array([1, None, 3], dtype="Int64")}), "X holds nan at row 1, column 0"),
    (X + 1j, "X holds complex numbers at row 0, column 0"),
    (np.array([[1.0], [2j]], dtype=object), "X holds complex numbers at row 1, column 0"),
    ([["1.5"], ["2.5"], ["3.5"]], "must be an array of real numbers, but it holds '1.5' at row 0, column 0"),
    ([[1.0, None]] * 3, "must be an array of real numbers, but it holds None at row 0, column 1"),
    ([[1.0, 2.0], [3.0], [5.0]], "must be an array of real numbers, but"),
    ([[10**400]] * 3, "must be an array of real numbers, but"),
    (np.full((3, 1), np.longdouble("1e4000")), "X holds inf at row 0, column 0"),
    (scipy.sparse.csr_matrix(X), "X is a sparse matrix: write X.toarray()"),
    (np.zeros((3, 2, 2)), "X has shape (3, 2, 2); it must be a non-empty array of shape (n, d)"),
    (np.zeros((0, 2)), "X has shape (0, 2)"),
    ("a", "it holds 'a'."),
    (np.zeros(3, dtype=[("a", float)]), "must be an array of real numbers"),
])  # fmt: skip
def test_inputs_that_are_no_finite_numbers_are_refused_in_one_sentence(values: Any, words: str) -> None:
    network = Network(np.ones((2, 1)), np.ones((1, 1)))
    attempts = [lambda: Problem(values, [1.0, 2.0, 3.0], 0.1), lambda: Problem(X, X, 0.1, queries=values)]
    for attempt in attempts if "has shape" in words else [*attempts, lambda: network.predict(values)]:
        with pytest.raises(InputError) as caught:
            attempt()
        said = str(caught.value).replace("queries", "X")
        assert words in said and "\n" not in said and said.endswith(".")


@pytest.mark.parametrize("values", [
    np.ma.masked_array(X, mask=False), pd.DataFrame(X), pd.DataFrame(X).astype("Float64"), X.astype(object),
    [[Decimal(1), Fraction(2)], [3, 4.0], [np.int8(5), np.float32(7)]], X.astype(">f8"), X.astype(np.int16), X.tolist(),
])  # fmt: skip
def test_numbers_of_every_kind_are_the_numbers_that_they_are(values: Any) -> None:
    np.testing.assert_array_equal(Problem(values, X, 0.1).X, X)
    np.testing.assert_array_equal(Problem(X, values, 0.1).Y, X)


@pytest.mark.parametrize("labels", [
    [0, 1, 2], np.array([0, 1, 2], dtype=np.uint8), np.array([[0], [1], [2]]), [True, False, True], ["u", "v", "u"],
    np.array(["u", "v", "u"], dtype=object), pd.Series(["u", "v", "u"]), pd.Series([3, 4, 3], dtype="category"),
    pd.Series([1, 2, 1], dtype="Int64"), pd.DataFrame({"y": [3, 4, 5]}),
])  # fmt: skip
def test_class_labels_are_refused_as_targets_with_what_to_write_instead(labels: Any) -> None:
    with pytest.raises(InputError, match=r"to classify, write Y, classes = sdprelax\.one_hot\(Y\)"):
        Problem(X, labels, 0.1)
    Y, classes = one_hot(labels)
    problem = Problem(X, Y, 0.1)
    assert problem.Y.shape == (3, len(classes)) and np.array_equal(problem.Y.sum(axis=1), np.ones(3))
    assert [classes[k] for k in problem.Y.argmax(axis=1)] == [str(label) for label in np.ravel(labels)]


def test_targets_that_are_numbers_are_fitted_as_they_are() -> None:
    counts = np.array([3, 0, 7])
    assert Problem(X, counts.astype(float), 0.1).Y.tolist() == [[3.0], [0.0], [7.0]]
    assert Problem(X, np.column_stack([counts, counts]), 0.1).shape[2] == 2, "two columns of integers are no labels"
    indicators = pd.get_dummies(["u", "v", "u"]).to_numpy()
    assert indicators.dtype == bool
    np.testing.assert_array_equal(Problem(X, indicators, 0.1).Y, [[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])


def test_one_hot_targets_have_the_classes_in_order_and_refuse_what_is_no_label() -> None:
    assert one_hot([10, 9, 10])[1] == ("9", "10") and one_hot(["b", "a"])[1] == ("a", "b")
    assert one_hot([1.0, 0.0])[1] == ("0", "1") and one_hot([True, False])[1] == ("False", "True")
    Y, classes = one_hot(["v", "v"], ("u", "v"))
    assert Y.tolist() == [[0.0, 1.0], [0.0, 1.0]] and classes == ("u", "v")
    for labels, words in (
        (["u", "u"], "all 2 labels are 'u'; classification takes two classes or more"),
        (["u", None], "labels hold None in row 1"), ([0.5, 1.0], "labels hold 0.5 in row 0"),
        ([1.0, np.nan], "labels hold nan in row 1"), (DAYS, "are none: they are text, integers or truth values"),
        (np.eye(2), "labels of shape (2, 2)"), ([], "labels of shape (0,)"), (pd.Series(["u", pd.NA]), "row 1"),
        (masked(np.arange(3)), "labels has 1 masked"),
    ):  # fmt: skip
        with pytest.raises(InputError) as caught:
            one_hot(labels)
        assert words in str(caught.value) and "\n" not in str(caught.value)
    with pytest.raises(InputError, match="the label 'w' in row 1 is none of the classes u, v"):
        one_hot(["u", "w"], ("u", "v"))


@pytest.mark.parametrize("gamma", [True, "0.1", None, 1j, np.complex128(1), [0.1], np.nan, np.timedelta64(1, "s")])
def test_weight_decay_is_a_number(gamma: Any) -> None:
    with pytest.raises(InputError, match="it must be a positive finite number"):
        Problem(X, X, gamma)


def test_weight_decay_may_be_a_number_of_any_type() -> None:
    for gamma in (Decimal("0.5"), Fraction(1, 2), np.float32(0.5), np.array(0.5)):
        assert Problem(X, X, gamma).gamma == 0.5  # type: ignore[arg-type]


@pytest.mark.parametrize("bias", ["no", 0, 1, None])
def test_a_bias_is_true_or_false(bias: Any) -> None:
    with pytest.raises(InputError, match=r"bias is .*; it must be True or False"):
        Problem(X, X, 0.1, bias=bias)
    assert Problem(X, X, 0.1, bias=np.bool_(True)).bias is True  # type: ignore[arg-type]


def test_tensors_are_taken_as_arrays_whether_they_have_gradients_or_not() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed (extra: torch)")
    values = torch.tensor([[1.5, -2.0], [0.25, 3.0]])
    for tensor in (values, values.requires_grad_(), values.detach().to(torch.bfloat16)):
        assert finite_array("X", tensor).tolist() == values.tolist()
    assert one_hot(torch.tensor([2, 0, 2]))[1] == ("0", "2")
