"""Where trials run: one file each, registered by name.

An engine is a frozen dataclass whose fields are its options, with one call ``run``. Every engine leaves the same
results: a trial is idempotent, and what is finished is in the store whatever becomes of the engine.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from sdprelax.base import Registry
from sdprelax.laboratory._job import Job
from sdprelax.laboratory._store import Store

__all__ = ["Engine", "engines"]


class Engine(Protocol):
    """Runs trials and yields their records as they finish.

    ``here: ClassVar[bool] = True`` says that they run on this machine alone, which the runner then makes ready.
    """

    def run(self, jobs: Sequence[Job], store: Store, modules: Sequence[str]) -> Iterator[dict[str, Any]]:
        """Yield one record for each attempt, in whatever order they end; each is then in the store.

        Parameters
        ----------
        modules: Python files that register the user's own methods and data sets.
        """
        ...


engines: Registry[Engine] = Registry("engine", __name__)
