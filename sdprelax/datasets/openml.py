"""Any set of OpenML; and those of Prakhya, Birdal and Yurtsever 2025 ("P25"), from OpenML or from a local file.

scikit-learn fetches them, caches them and compares what it reads with the md5 that OpenML states. Of the
arrays that come out the SHA-256 is kept beside the cache the first time, and other arrays are refused later.
"""

from __future__ import annotations

import dataclasses
import hashlib
import http.client
import json
import urllib.error
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import NonNegativeInt, PositiveInt

from sdprelax.base import InputError, first_line, write_whole
from sdprelax.datasets import (
    Dataset,
    Share,
    datasets,
    file_arrays,
    file_numbers,
    first_cells,
    indicators,
    principal_components,
    read_table,
    scaled,
    sha256,
    split,
    standardised,
    table_numbers,
)
from sdprelax.datasets._tables import Encode, Missing, Names, TargetKind, table_dataset
from sdprelax.networks import Preprocessing, Scaling

__all__ = ["BankNotes", "Ionosphere", "Mnist", "OpenML", "Pima"]

SUFFIXES = (".npz", ".csv", ".data", ".txt")
MNIST_TRAINING = 60_000


class KnownSet(NamedTuple):
    """What is known of a set, be it from OpenML or from a file.

    Parameters
    ----------
    n, d: samples and features.
    classes: names in the order of the one-hot columns, which is the sorted one.
    openml: OpenML's data id, which stands for one version, and its name there.
    spellings: how else the labels are written, each in the order of ``classes``.
    whole: whether a file that is split already must hold all samples (or all but the first) and features.
    """

    name: str
    n: int
    d: int
    classes: tuple[str, ...]
    openml: tuple[int, str]
    spellings: tuple[tuple[str, ...], ...] = ()
    whole: bool = True


class Samples(NamedTuple):
    """Inputs (n, d) as they were stored, the number of each sample's class (n,), and the inputs' names, if any."""

    X: NDArray[Any]
    codes: NDArray[np.int64]
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Set:
    """A known set, from OpenML or from a local file, which may be split already."""

    scaling: Scaling = "none"
    path: str | None = None
    cache: str | None = None

    known: ClassVar[KnownSet]
    splitting: ClassVar[tuple[str, ...]]
    """Options that do not apply to a file that is split already."""

    def __post_init__(self) -> None:
        if self.path is None:
            return
        if not Path(self.path).is_file():
            raise InputError(
                f"data set '{self.known.name}': option 'path' is '{self.path}', and there is no such file."
            )
        if Path(self.path).suffix not in SUFFIXES:
            raise InputError(f"{self.path}: files end in {', '.join(SUFFIXES)}, not in '{Path(self.path).suffix}'.")

    def digest(self) -> str:
        """Return the SHA-256 of the local file, or "" without one."""
        return sha256(self.path) if self.path else ""

    def load(self) -> Dataset:
        """Return the split data, scaled.

        Raises
        ------
        InputError: OpenML cannot be reached, what it or the file holds is not this set, or there are too few samples.
        """
        known = self.known
        if self.path is None:
            train, test = _from_openml(known, self.cache), None
        elif Path(self.path).suffix == ".npz":
            train, test = _from_arrays(known, Path(self.path))
        else:
            train, test = _from_table(known, Path(self.path)), None
        if test is None:
            return self._split(train)
        for field in dataclasses.fields(self):
            if field.name in self.splitting and getattr(self, field.name) != field.default:
                raise InputError(
                    f"data set '{known.name}': option '{field.name}' cannot act on {self.path}, which is split "
                    "already; leave it out."
                )
        count = len(train.X) + len(test.X)
        if known.whole and count not in (known.n, known.n - 1):
            raise InputError(
                f"{self.path} holds {count} samples, but {known.name} has {known.n} (the paper's {known.n - 1})."
            )
        return scaled(_dataset(known, train, test), self.scaling)

    def _split(self, samples: Samples) -> Dataset:
        """Return the data set of all samples, split and scaled as the options say."""
        raise NotImplementedError


@dataclass(frozen=True)
class _Table(_Set):
    """A known set of one table.

    Parameters
    ----------
    test_size: share held out.
    split_seed: seed of that split.
    scaling: "none", "standard" or "minmax", fitted on the training part.
    drop_first: leave out the first sample, as P25's reader did, which took it for the header: in UCI's order
        of the rows, and with the options of splitting at their defaults, the result is P25's arrays.
    path: local file instead of OpenML, relative to the current directory: a table .csv, .data or .txt
        separated by commas as UCI distributes it (the label is the last column; a header is recognised), or
        .npz with X and Y, or already split with X_train, Y_train, X_test and Y_test (as P25's arrays), where
        Y is one-hot or labels. A file that is split keeps its split: the options of splitting do not apply.
    cache: folder of scikit-learn's cache, by default its own (~/scikit_learn_data).
    """

    test_size: Share = 0.5
    split_seed: NonNegativeInt = 42
    drop_first: bool = False

    splitting = ("test_size", "split_seed", "drop_first")

    def _split(self, samples: Samples) -> Dataset:
        if len(samples.X) != self.known.n:
            raise InputError(f"{self.path} holds {len(samples.X)} samples, but {self.known.name} has {self.known.n}.")
        first = int(self.drop_first)
        whole = _dataset(self.known, Samples(samples.X[first:], samples.codes[first:], samples.columns))
        return split(whole, test_size=self.test_size, seed=self.split_seed, scaling=self.scaling)


@datasets.register("ionosphere")
@dataclass(frozen=True)
class Ionosphere(_Table):
    """Ionosphere: 351 radar returns, 34 features, good or bad; split in halves and unscaled, as in P25."""

    known = KnownSet("ionosphere", 351, 34, ("b", "g"), (59, "ionosphere"))


@datasets.register("pima")
@dataclass(frozen=True)
class Pima(_Table):
    """Pima Indians diabetes: 768 patients, 8 measurements, diabetes or not."""

    known = KnownSet("pima", 768, 8, ("0", "1"), (37, "diabetes"), (("tested_negative", "tested_positive"),))


@datasets.register("bank_notes")
@dataclass(frozen=True)
class BankNotes(_Table):
    """Bank note authentication: 1372 images of notes, 4 features, 2 classes."""

    known = KnownSet("bank_notes", 1372, 4, ("0", "1"), (1462, "banknote-authentication"), (("1", "2"),))


@datasets.register("mnist")
@dataclass(frozen=True)
class Mnist(_Set):
    """MNIST: equally many images of each digit, reduced to principal components; defaults of P25's size.

    Of every digit ``per_digit`` training images are drawn from MNIST's 60,000, and as many for testing from
    its other 10,000; of 70,000 images the first 60,000 are MNIST's training part, as at OpenML. A local file of
    another length has no such parts: there one half of each digit's images, drawn at random, is for training.
    Pixels of 0 … 255 are brought to 0 … 1. The components are those of the training part, whose mean is taken
    off and whose variances stay as they are, as in P25. Which images P25 drew and how it scaled pixels could
    not be recovered: its own arrays come only by ``path``.

    Parameters
    ----------
    per_digit: training images of each digit, and again as many for testing.
    components: principal components kept, fitted on the training part; None keeps the 784 pixels.
    seed: seed of the draw, for NumPy's default generator.
    scaling: "none", "standard" or "minmax" of the features, fitted on the training part.
    path: local file instead of OpenML, as for ionosphere; one that is split already (as P25's arrays) may have
        any number of features and is taken as it is, so ``per_digit``, ``components`` and ``seed`` do not apply.
    cache: folder of scikit-learn's cache, by default its own (~/scikit_learn_data).
    """

    per_digit: PositiveInt = 100
    components: PositiveInt | None = 20
    seed: NonNegativeInt = 42

    known = KnownSet("mnist", 70_000, 784, tuple("0123456789"), (554, "mnist_784"), whole=False)
    splitting = ("per_digit", "components", "seed")

    def __post_init__(self) -> None:
        super().__post_init__()
        most = min(10 * self.per_digit, self.known.d)
        if self.components is not None and self.components > most:
            raise InputError(
                f"data set 'mnist': {10 * self.per_digit} training images have no {self.components} principal "
                f"components: option 'components' is at most {most}."
            )

    def _split(self, samples: Samples) -> Dataset:
        lowest, highest = samples.X.min(), samples.X.max()
        if lowest < 0.0 or highest > 255.0:
            raise InputError(f"{self.path} holds pixels of {lowest:g} … {highest:g}; right are 0 … 255, or 0 … 1.")
        data = _dataset(self.known, *self._drawn(samples))
        if highest > 1.0:
            data = data.prepared((("divide", np.array(255.0)),))
        if self.components is not None:
            data = principal_components(data, self.components)
        return scaled(data, self.scaling)

    def _drawn(self, images: Samples) -> tuple[Samples, Samples]:
        rng = np.random.default_rng(self.seed)
        parts: tuple[list[NDArray[np.int64]], list[NDArray[np.int64]]] = ([], [])
        for digit in range(10):
            rows = rng.permutation(np.flatnonzero(images.codes == digit))
            standard = len(images.codes) == self.known.n
            first = rows < MNIST_TRAINING if standard else np.arange(len(rows)) < (len(rows) + 1) // 2
            for part, pool in zip(parts, (rows[first], rows[~first]), strict=True):
                if len(pool) < self.per_digit:
                    raise InputError(
                        f"data set 'mnist': option 'per_digit' is {self.per_digit}, but of digit {digit} there are "
                        f"{int(first.sum())} images for training and {int((~first).sum())} for testing."
                    )
                part.append(pool[: self.per_digit])
        train, test = (np.concatenate(part) for part in parts)
        return Samples(images.X[train], images.codes[train]), Samples(images.X[test], images.codes[test])


def _dataset(known: KnownSet, train: Samples, test: Samples | None = None) -> Dataset:
    names = Preprocessing(train.columns)
    Y = indicators(train.codes, known.classes)
    if test is None:
        return Dataset(train.X, Y, classes=known.classes, preprocessing=names)
    return Dataset(train.X, Y, test.X, indicators(test.codes, known.classes), known.classes, names)


def _codes(known: KnownSet, origin: object, labels: NDArray[Any]) -> NDArray[np.int64]:
    """Return the number of each label's class; all classes must occur, in one of the known spellings."""
    values, positions = np.unique(np.array([_written(label) for label in labels]), return_inverse=True)
    for spelling in (known.classes, *known.spellings):
        if set(values) == set(spelling):
            return np.array([spelling.index(str(value)) for value in values], dtype=np.int64)[positions]
    shown = ", ".join(map(str, values[:10])) + (", …" if len(values) > 10 else "")
    right = " or ".join(", ".join(spelling) for spelling in (known.classes, *known.spellings))
    raise InputError(f"{origin} has the labels {shown}, but those of {known.name} are {right}.")


def _written(label: Any) -> str:
    """Return a label as text, whole numbers without a decimal point."""
    text = str(label).strip()
    try:
        number = float(text)
    except ValueError:
        return text
    return str(int(number)) if number.is_integer() else text


def _from_table(known: KnownSet, path: Path) -> Samples:
    cells = first_cells(path, skipinitialspace=True)
    if len(cells) != known.d + 1:
        raise InputError(
            f"{path} has {len(cells)} columns, but {known.name} has {known.d} features and the label in the last "
            "column, separated by commas."
        )
    # A header is a first row without any number; a row of data with one bad cell is still data.
    header = bool(pd.to_numeric(pd.Series(cells[:-1]), errors="coerce").isna().all())
    named = header and len(set(cells)) == len(cells)
    names = cells if named else [str(k + 1) for k in range(len(cells))]
    options: dict[str, Any] = {"dtype": {names[-1]: str}, "skipinitialspace": True, "index_col": False}
    table = read_table(path, pd.read_csv, header=0 if header else None, names=names, low_memory=False, **options)
    if len(table) == 0:
        raise InputError(f"{path} has a header and no samples.")
    X, codes = table_numbers(path, table[names[:-1]]), _codes(known, path, table[names[-1]].to_numpy())
    return Samples(X, codes, tuple(names[:-1]) if named else ())


def _from_arrays(known: KnownSet, path: Path) -> tuple[Samples, Samples | None]:
    arrays = file_arrays(path)
    whole = not any(name.endswith(("_train", "_test")) for name in arrays)
    suffixes = ("",) if whole else ("_train" if "X_train" in arrays else "", "_test")
    inputs, labels = [], []
    for suffix in suffixes:
        target = next((name for name in (f"Y{suffix}", f"y{suffix}") if name in arrays), None)
        if f"X{suffix}" not in arrays or target is None:
            raise InputError(
                f"{path} holds {', '.join(arrays) or 'nothing'}, but must hold X_train, Y_train, X_test and Y_test, or "
                "X and Y."
            )
        X = file_numbers(path, f"X{suffix}", arrays[f"X{suffix}"])
        Y = _labels(known, path, target, arrays[target])
        if X.ndim != 2 or len(X) != len(Y):
            raise InputError(f"{path}: X{suffix} of shape {X.shape} must have one row for each of {len(Y)} targets.")
        if (whole or known.whole) and X.shape[1] != known.d:
            raise InputError(f"{path}: X{suffix} has {X.shape[1]} features, but {known.name} has {known.d}.")
        inputs.append(X)
        labels.append(Y)
    if inputs[-1].shape[1] != inputs[0].shape[1]:
        raise InputError(f"{path}: its test part has {inputs[-1].shape[1]} features, and not {inputs[0].shape[1]}.")
    codes = np.split(_codes(known, path, np.concatenate(labels)), [len(labels[0])])
    parts = [Samples(X, part) for X, part in zip(inputs, codes, strict=False)]
    return parts[0], None if whole else parts[1]


def _labels(known: KnownSet, path: Path, name: str, targets: NDArray[Any]) -> NDArray[Any]:
    """Return the label of each target: the class's name where targets are one-hot."""
    if targets.ndim == 1:
        return np.array(targets.astype(str))
    numeric = targets.dtype.kind in "biuf" and targets.shape[1:] == (len(known.classes),)
    if not numeric or not np.all((targets == 0) | (targets == 1)) or not np.all(targets.sum(axis=1) == 1):
        raise InputError(
            f"{path}: array '{name}' must hold one label, or a one-hot row of {len(known.classes)}, for each sample."
        )
    return np.array([known.classes[column] for column in np.argmax(targets, axis=1)])


@datasets.register("openml")
@dataclass(frozen=True)
class OpenML:
    """Any data set of OpenML, by its number or its name.

    Parameters
    ----------
    id: number of the data set, which stands for one version of it.
    name: its name there, in place of the number.
    revision: version of the name; by default the oldest that is active there.
    target: column(s) to predict; by default those that OpenML states.
    task, test_size, split_seed, scaling, features, drop, index, missing, label: as for data set file.
    encode: as for data set file; by default "text", since OpenML says which columns are of categories.
    standardise_target: whether targets of numbers are brought to mean 0 and variance 1 on the training part.
    cache: folder of scikit-learn's cache, by default its own (~/scikit_learn_data).
    """

    id: PositiveInt | None = None
    name: str | None = None
    revision: PositiveInt | None = None
    target: Names | None = None
    task: TargetKind = "auto"
    test_size: Share = 0.25
    split_seed: NonNegativeInt = 42
    scaling: Scaling = "none"
    features: Names | None = None
    drop: Names | None = None
    index: str | int | None = None
    missing: Missing = "error"
    encode: Encode | None = "text"
    standardise_target: bool = True
    label: str | None = None
    cache: str | None = None

    def __post_init__(self) -> None:
        if (self.id is None) == (self.name is None):
            raise InputError("data set 'openml' needs its 'id' or its 'name' at OpenML, and not both.")
        if self.revision is not None and self.name is None:
            raise InputError("data set 'openml': option 'revision' is of a name, and an 'id' stands for one.")

    def load(self) -> Dataset:
        """Return the split data.

        Raises
        ------
        InputError: OpenML cannot be reached or has no such set, its data are not what they were, or see data set file.
        """
        said = self.name if self.id is None else str(self.id)
        origin = f"OpenML's data set {said}"
        which: dict[str, Any] = {"data_id": self.id}
        if self.id is None:
            which = {"name": self.name, "version": self.revision or "active"}
        bunch, folder = _fetched(
            f"openml {said}", origin, "save it as CSV for data set 'file'", self.cache, as_frame=True, **which
        )
        table = bunch.frame
        stated = [str(name) for name in bunch.target_names] if bunch.get("target_names") else None
        if self.target is None and not stated:
            raise InputError(f"{origin} does not say what its target is: name it with option 'target'.")
        digest = hashlib.sha256(
            pd.util.hash_pandas_object(table.astype(str), index=False).to_numpy().astype("<u8").data
        )
        number = bunch.details.get("id", said)
        _keep_or_compare(folder / "sdprelax" / f"openml-{number}.json", origin, digest.hexdigest())
        chosen = self if self.target is not None else dataclasses.replace(self, target=list(stated or []))
        data = table_dataset(origin, table, chosen)
        return standardised(data) if data.classes is None and self.standardise_target else data


def _fetched(called: str, origin: str, instead: str, cache: str | None, **which: Any) -> tuple[Any, Path]:
    """Return what OpenML holds, and the folder of the cache.

    Parameters
    ----------
    called: the data set in messages, as origin is OpenML's.
    instead: what can be done in place of it.
    which: what ``fetch_openml`` takes.

    Raises
    ------
    InputError: it cannot be reached, or holds no such set.
    """
    from sklearn.datasets import fetch_openml, get_data_home

    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="A network error occurred")
            warnings.filterwarnings("ignore", message="Multiple active versions|Version . of dataset")
            return fetch_openml(data_home=cache, parser="auto", **which), Path(get_data_home(cache))
    except (urllib.error.URLError, TimeoutError, ConnectionError, http.client.HTTPException) as error:
        reason = first_line(getattr(error, "reason", None) or error)
        raise InputError(f"data set '{called}': OpenML cannot be reached ({reason}); {instead}.") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{origin} cannot be fetched ({first_line(error)}); {instead}.") from None


def _from_openml(known: KnownSet, cache: str | None) -> Samples:
    number, name = known.openml
    origin = f"OpenML's data set {number} ({name})"
    instead = "option 'path' takes a local file instead"
    bunch, folder = _fetched(known.name, origin, instead, cache, data_id=number, as_frame=False)
    stated = (bunch.details["name"].lower(), str(bunch.details["version"]))
    if stated != (name, "1"):
        raise InputError(f"{origin} is now {stated[0]} in version {stated[1]}, not version 1; {instead}.")
    if bunch.data.shape != (known.n, known.d):
        found, right = (" × ".join(map(str, shape)) for shape in (bunch.data.shape, (known.n, known.d)))
        raise InputError(f"{origin} has the shape {found}, but {known.name} has {right}; {instead}.")
    try:
        X = np.asarray(bunch.data, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{origin} holds what is not a number ({first_line(error)}); {instead}.") from None
    if not np.all(np.isfinite(X)):
        raise InputError(f"{origin} holds what is not a finite number; {instead}.")
    columns = tuple(str(column) for column in bunch.get("feature_names") or ())
    samples = Samples(X, _codes(known, origin, bunch.target), columns if len(set(columns)) == known.d else ())
    _keep_or_compare(folder / "sdprelax" / f"{known.name}.json", origin, _digest(samples))
    return samples


def _digest(samples: Samples) -> str:
    """Return the SHA-256 of the arrays."""
    digest = hashlib.sha256(np.ascontiguousarray(samples.X, dtype="<f8").data)
    digest.update(np.ascontiguousarray(samples.codes, dtype="<i8").data)
    return digest.hexdigest()


def _keep_or_compare(record: Path, origin: str, found: str) -> None:
    """Keep a SHA-256 in ``record`` the first time, and refuse another from then on."""
    try:
        if record.exists():
            kept = json.loads(record.read_text())["sha256"]
            if kept != found:
                raise InputError(
                    f"{origin} has changed: its SHA-256 is {found}, and {record} says {kept}; delete that file to "
                    "accept the change."
                )
            return
        record.parent.mkdir(exist_ok=True)
        write_whole(record, json.dumps({"source": origin, "sha256": found}).encode())
    except OSError as error:
        raise InputError(f"the checksum {record} cannot be read or written: {error.strerror}.") from None
    except (KeyError, TypeError, json.JSONDecodeError):
        raise InputError(f"{record} does not hold a checksum: delete it, and it is written anew.") from None
