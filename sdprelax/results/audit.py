"""Verifies results again: every certificate proved, every network evaluated, on data loaded anew."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from sdprelax.certificate import Certificate, verify
from sdprelax.datasets import Dataset, datasets
from sdprelax.errors import SdprelaxError
from sdprelax.methods import methods
from sdprelax.network import Network
from sdprelax.outcome import relative_gap
from sdprelax.predictor import load_predictor
from sdprelax.problem import Problem
from sdprelax.results.tables import kept, load_table, predictions_table, results_table, unsound
from sdprelax.trials.job import Trial
from sdprelax.trials.modules import UNTRUSTED, load_modules
from sdprelax.trials.store import Store, seal
from sdprelax.trials.trial import EVALUATED, data_digest, evaluate, load_problem

__all__ = ["Finding", "audit"]


@dataclass(frozen=True)
class Finding:
    """What became of one row: ``faults`` is empty where it holds.

    Attributes
    ----------
    name: folder of the attempt.
    row: data set, γ and method, in words.
    bounds: how many of its bounds were proved anew.
    faults: one sentence each.
    notes: what could not be looked at, one sentence each.
    """

    name: str
    row: str
    bounds: int
    faults: tuple[str, ...]
    notes: tuple[str, ...] = ()


def audit(folder: Path, *, trust_modules: bool = False) -> Iterator[Finding]:
    """Verify every trial of a sweep, in the order of its file, nothing in its records believed.

    Parameters
    ----------
    trust_modules: execute the Python files that the sweep named. Without them a trial of a method that one of them
        defines is proved all the same, and only its options are not looked at; data that one defines cannot be loaded.

    Raises
    ------
    InputError: this is not a sweep's folder.
    """
    store = Store(folder)
    plan = store.plan()
    load_modules(plan["modules"] if trust_modules else ())
    attempts = store.attempts()
    # Trials that an earlier version of the sweep had come last.
    for trial in dict.fromkeys([*(planned["hash"] for planned in plan["trials"]), *attempts]):
        for number in attempts.get(trial, []):
            name = trial if number == 1 else f"{trial}.{number}"
            record = store.record(name)
            if record is None:
                yield Finding(name, "no record", 0, ("its record cannot be read.",))
                continue
            row = f"{record.get('dataset')}, gamma {record.get('gamma')}, {record.get('method')}"
            bounds, faults, notes = _examine(store.trials / name, record)
            yield Finding(name, row, bounds, tuple(faults), tuple(notes))
    yield from _examine_table(store, plan, attempts)


def _examine_table(store: Store, plan: dict[str, Any], attempts: dict[str, list[int]]) -> Iterator[Finding]:
    """Hold the table against the records, and the bounds of every problem against each other."""
    planned = [trial["hash"] for trial in plan["trials"] if trial["hash"] in attempts]
    try:
        records = [kept(record) for record in store.records({t: attempts[t] for t in planned})]
        table, predictions = results_table(records), predictions_table(records)
    except (KeyError, TypeError, ValueError):
        return  # a record that is none has been named already
    faults = tuple(unsound(table))
    if not (_same(table, store.folder, "table") and _same(predictions, store.folder, "predictions")):
        faults += (f"it does not say what the records say; sdprelax collect {store.folder} rebuilds it.",)
    if faults:
        yield Finding("table", f"{len(table)} rows", 0, faults)


def _same(table: pd.DataFrame, folder: Path, name: str) -> bool:
    """Say whether the tables of a name that lie in a folder, if any do, are this one."""
    try:
        same = not (folder / f"{name}.parquet").exists() or table.equals(load_table(folder, name))
        return bool(same and table.to_csv(index=False).encode() == (folder / f"{name}.csv").read_bytes())
    except FileNotFoundError:
        return bool(same)
    except (SdprelaxError, OSError):
        return False


def _examine(folder: Path, record: dict[str, Any]) -> tuple[int, list[str], list[str]]:
    """Return how many bounds of a record were proved, what is wrong with it, and what could not be looked at."""
    faults, notes = [], list[str]()
    try:
        if record["seal"] != seal(record, folder):
            faults.append("its record or a file beside it is not what was written.")
        trial = Trial.from_dict(record["trial"])
        if trial.hash != folder.name[:16]:
            faults.append("its options are not those that its name stands for.")
        said = {"gamma": trial.gamma, "bias": trial.bias, "repeat": trial.repeat, "dataset": trial.dataset_label,
                "method": trial.method_label, "gap": relative_gap(record["lower"], record["upper"])}  # fmt: skip
        if trial.method not in methods and str(record["method"]).partition("(")[0] == trial.method:
            del said["method"]
            notes.append(f"its method '{trial.method}' is {UNTRUSTED}.")
        if trial.dataset not in datasets:
            return 0, [*faults, f"its data set '{trial.dataset}' is {UNTRUSTED}."], notes
        faults += [f"it says {key} {record[key]!r}, and that is {value!r}." for key, value in said.items()
                   if record[key] != value]  # fmt: skip
        bounds, wrong = _prove(folder, record, trial)
    except SdprelaxError as error:
        return 0, [*faults, str(error)], notes
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        return 0, [*faults, f"its record is not one of a trial ({type(error).__name__}: {error})."], notes
    return bounds, faults + wrong, notes


def _prove(folder: Path, record: dict[str, Any], trial: Trial) -> tuple[int, list[str]]:
    """Prove the bounds of a record anew, from the data and what lies beside it."""
    lower, upper = record["lower"], record["upper"]
    if lower is None and upper is None and record["data_digest"] is None:
        return 0, []  # it ended before its data were loaded
    data, problem = load_problem(trial)
    faults, bounds = [], 0
    if data_digest(data) != record["data_digest"]:
        faults.append("its data, loaded anew, are not those that it was run on.")
    if (record["n"], record["d"], record["c"]) != problem.shape:
        faults.append(f"it says n, d, c = {record['n']}, {record['d']}, {record['c']}; the data have {problem.shape}.")
    if lower is not None:
        try:
            proved = verify(problem, Certificate.load(folder / "certificate.npz"))
            if proved >= lower:
                bounds += 1
            else:
                faults.append(f"it says lower bound {lower!r}, and its certificate proves {proved!r}.")
        except SdprelaxError as error:
            faults.append(f"its lower bound is not proved: {error}")
    if upper is not None:
        try:
            network = Network.load(folder / "network.npz")
            attained = problem.upper_bound(network)
            if attained <= upper:
                bounds += 1
            else:
                faults.append(f"it says upper bound {upper!r}, and its network attains {attained!r}.")
            if record["width"] != network.width:
                faults.append(f"it says width {record['width']!r}, and its network has {network.width!r}.")
        except SdprelaxError as error:
            faults.append(f"its upper bound is not attained: {error}")
    faults += _examine_predictors(folder, record, trial, data, problem)
    if lower is not None and upper is not None and lower > upper:
        faults.append(f"its lower bound {lower!r} exceeds its upper bound {upper!r}: that is a bug.")
    return bounds, faults


def _differs(said: float | None, found: float | None) -> bool:
    """Say whether a figure is another than found now; sums of another machine may differ in their last digits."""
    return said != found if said is None or found is None else not math.isclose(said, found, rel_tol=1e-9)


def _examine_predictors(
    folder: Path, record: dict[str, Any], trial: Trial, data: Dataset, problem: Problem
) -> list[str]:
    """Evaluate everything that a trial predicts with again, and say what came out differently."""
    said = record["predictors"]
    faults = _misfiled(folder, [entry["file"] for entry in said])
    for index, entry in enumerate(said):
        try:
            predictor = load_predictor(folder / Path(entry["file"]).name)
            figures = evaluate(predictor, problem, data, trial.protocol)
        except SdprelaxError as error:
            faults.append(f"its predictor '{entry['name']}' is lost: {error}")
            continue
        faults += [f"it says {key} {entry[key]!r} of '{entry['name']}', which has {value!r}."
                   for key, value in figures.items() if _differs(entry[key], value)]  # fmt: skip
        if index == 0:
            faults += [f"it says {key} {record[key]!r}, and its predictor has {figures[key]!r}."
                       for key in EVALUATED if key != "objective" and _differs(record[key], figures[key])]  # fmt: skip
    return faults


def _misfiled(folder: Path, listed: list[str]) -> list[str]:
    """Say whether a record lists the predictors that lie beside it, what its row speaks of first."""
    there = [path.name for path in (folder / "network.npz", *folder.glob("predictor-*.npz")) if path.is_file()]
    if sorted(listed) != sorted(there):
        return [
            f"it lists the predictors {', '.join(listed) or 'none'}, and {', '.join(there) or 'none'} lie beside it."
        ]
    if "network.npz" in listed:
        speaks = Network.load(folder / "network.npz").width > 0 or len(listed) == 1
        if speaks != (listed[0] == "network.npz"):
            return ["its row speaks of another predictor than it should."]
    return []
