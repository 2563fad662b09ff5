"""Runs a finished trial once more, apart from the store, and says whether it gives the same."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sdprelax.base import InputError, single_threaded
from sdprelax.laboratory._attempt import run_trial
from sdprelax.laboratory._job import Job
from sdprelax.laboratory._kinds import TrialKind, kinds
from sdprelax.laboratory._modules import UNTRUSTED, load_modules
from sdprelax.laboratory._store import Store

__all__ = ["Reproduction", "find_trial", "rerun"]


@dataclass(frozen=True)
class Reproduction:
    """The record of a trial, and of the same trial run again."""

    kind: TrialKind
    before: dict[str, Any]
    after: dict[str, Any]

    @property
    def differences(self) -> dict[str, tuple[Any, Any]]:
        """What came out differently, bounds bit for bit: (before, after) by name."""
        return {
            name: (self.before[name], self.after[name])
            for name in self.kind.compared
            if self.before[name] != self.after[name]
        }

    @property
    def changed_versions(self) -> dict[str, tuple[str | None, str | None]]:
        """Packages, and parts of this one, whose version is another one now."""
        old, new = (
            record["provenance"]["versions"] | record["trial"].get("versions", {})
            for record in (self.before, self.after)
        )
        names = sorted({*old, *new})
        return {name: (old.get(name), new.get(name)) for name in names if old.get(name) != new.get(name)}


def find_trial(written: str, results: Path) -> Path:
    """Return the folder of an attempt, given it or the first digits of a trial's hash.

    Raises
    ------
    InputError: there is no such trial, or several.
    """
    folder = Path(written)
    if (folder / "record.json").is_file():
        return folder
    found = sorted(
        {path.name.partition(".")[0]: path for path in sorted(results.glob(f"*/trials/{written}*"))}.values()
        if len(written) >= 4 and written.isalnum()
        else []
    )
    if len(found) > 1 and len({path.name[:16] for path in found}) > 1:
        raise InputError(f"'{written}' begins several trials: {', '.join(str(path) for path in found[:4])}, ...")
    if not found:
        raise InputError(f"there is no trial '{written}': give its folder, or its hash and --results.")
    name = found[-1].name[:16]
    return Store(found[-1].parent.parent).folder_of(name)


def rerun(folder: Path, *, trust_modules: bool = False) -> Reproduction:
    """Run the trial of a folder again in this process; the folder is left as it is.

    Parameters
    ----------
    trust_modules: execute the Python files that the sweep named.

    Raises
    ------
    InputError: the folder's record is damaged, the trial's data are not what they were, or its method or data set are
        defined in a file that is not trusted.
    """
    store = Store(folder.resolve().parent.parent)
    before = store.record(folder.resolve().name)
    if before is None:
        raise InputError(f"{folder / 'record.json'} is damaged: it cannot be run again.")
    load_modules(store.plan()["modules"] if trust_modules else ())
    kind = kinds(before.get("kind", "training"))
    trial = kind.trial(before["trial"])
    if trial.hash != before["hash"]:
        raise InputError(f"{folder / 'record.json'} was changed: its options are not those that its name stands for.")
    if trial.unknown:
        raise InputError(f"{' and '.join(trial.unknown)}: {UNTRUSTED}.")
    # By the code of today: whether that gives the same is the question.
    trial = kind.trial(before["trial"] | {"versions": trial.versions_here()})
    with tempfile.TemporaryDirectory() as temporary, single_threaded():
        apart = Store(Path(temporary), shared=store.shared)
        apart.prepare()
        after = run_trial(Job(trial), apart, capture=False)
    assert after is not None
    return Reproduction(kind, before, after)
