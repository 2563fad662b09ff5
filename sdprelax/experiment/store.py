"""Results on disk: one folder per trial, written whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from sdprelax.certificate import Certificate
from sdprelax.errors import InputError
from sdprelax.network import Network

__all__ = ["FINISHED", "Store"]

# A trial with one of these is not run again; one that failed is.
FINISHED = ("solved", "time limit", "too large")


class Store:
    """The results of one sweep: ``trials/<hash>/{record.json, network.npz, certificate.npz, log.txt}``.

    Parameters
    ----------
    folder: the sweep's folder; it need not exist before :meth:`prepare`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.trials = folder / "trials"

    def prepare(self) -> None:
        """Create the folders, and make sure that they can be written to.

        Raises
        ------
        InputError: they cannot.
        """
        try:
            self.trials.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=self.trials):
                pass
        except OSError as error:
            raise InputError(f"results cannot be written to {self.folder}: {error.strerror}.") from None

    def write(self, record: dict[str, Any], network: Network | None, certificate: Certificate | None, log: str) -> None:
        """Write a trial's folder under its hash, replacing one that had failed."""
        temporary = Path(tempfile.mkdtemp(prefix=".", dir=self.trials))
        try:
            if network is not None:
                network.save(temporary / "network.npz")
            if certificate is not None:
                certificate.save(temporary / "certificate.npz")
            (temporary / "log.txt").write_text(log, encoding="utf-8")
            with (temporary / "record.json").open("w", encoding="utf-8") as file:
                json.dump(record, file, indent=1, allow_nan=False)
                file.flush()
                os.fsync(file.fileno())
            final = self.trials / record["hash"]
            if final.exists():
                shutil.rmtree(final)
            temporary.rename(final)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise

    def records(self) -> list[dict[str, Any]]:
        """Return the records of all trials, in no particular order; a damaged one counts as none and is run again."""
        found = []
        for path in sorted(self.trials.glob("[0-9a-f]*/record.json")):
            try:
                record = json.loads(path.read_text(encoding="utf-8"))
            except (OSError, ValueError):
                continue
            if isinstance(record, dict) and record.get("hash") == path.parent.name and "status" in record:
                found.append(record)
        return found

    def finished(self) -> set[str]:
        """Return the hashes of the trials that need not run again."""
        return {record["hash"] for record in self.records() if record["status"] in FINISHED}
