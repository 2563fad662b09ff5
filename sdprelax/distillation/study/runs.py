"""The runs of a study, and the samples that each of them looks at."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sdprelax.base import Registry
from sdprelax.distillation.distillers import distillers
from sdprelax.distillation.study.config import Study
from sdprelax.laboratory import Entry, described, flat_options
from sdprelax.lasso import GROUP_PROOF_VERSION

__all__ = ["LEAST", "Run", "identified", "plan", "run_hash", "sampled", "store_identity"]

# Samples that a student is fitted to, at least.
LEAST = 2


@dataclass(frozen=True, eq=False)
class Run:
    """One student that is fitted and measured.

    Attributes
    ----------
    hash: of all that determines the result.
    block: name of the block; None for a teacher that names it itself.
    distiller: with the options that were given.
    fraction: share of the transfer pictures.
    repeat: number of the repeat; ``seed`` of its samples and of everything else random in it.
    timed: whether latencies are measured.
    origin: what else the hash is of: versions, the teacher's network, the pictures.
    """

    hash: str
    block: str | None
    distiller: Entry
    fraction: float
    repeat: int
    seed: int
    timed: bool
    origin: dict[str, Any]

    @property
    def label(self) -> str:
        """The distiller with the options that were given."""
        return described(self.distiller.name, flat_options(self.distiller.options))

    @property
    def sentence(self) -> str:
        """Everything that tells the run from others of its study."""
        where = "" if self.block is None else f"{self.block}, "
        return f"{where}{self.label}, fraction {self.fraction:g}, repeat {self.repeat}"


def identified(registry: Registry[Any], name: str, identity: str) -> str:
    """Return what determines a teacher's network or pictures: their ``identity()``, and their version from 2 on."""
    version = registry.version(name)
    return identity if version == "1" else f"{identity}, version {version}"


def plan(study: Study, teacher: str, images: str) -> list[Run]:
    """Return the runs of a study, each once.

    Parameters
    ----------
    teacher, images: what determines network and pictures, as :func:`identified` says.
    """
    runs: dict[str, Run] = {}
    for block in study.blocks:
        for entry in study.distillers:
            everything = getattr(distillers[entry.name], "uses_data", True)
            fractions, repeats = (study.fractions, study.repeat) if everything else ((1.0,), 1)
            chosen = distillers.create(entry.name, entry.options)
            options = dataclasses.asdict(chosen)  # type: ignore[call-overload]
            proof = {"proof": str(GROUP_PROOF_VERSION)} if getattr(chosen, "proves", True) else {}
            versions = distillers.versions(entry.name, chosen) | proof
            origin = {"versions": versions, "teacher": teacher, "images": images}
            for fraction in fractions:
                for repeat in range(repeats):
                    seed = int(np.random.SeedSequence([study.seed, repeat]).generate_state(1)[0])
                    digest = run_hash(origin, block, entry.name, options, fraction, seed)
                    timed = repeat == 0 and fraction == fractions[-1]
                    runs.setdefault(digest, Run(digest, block, entry, fraction, repeat, seed, timed, origin))
    return list(runs.values())


def run_hash(
    origin: dict[str, Any], block: str | None, name: str, options: dict[str, Any], fraction: float, seed: int
) -> str:
    """Return the name of a run: the hash of all that determines its result, all options of its distiller included."""
    return _digest([*(origin[key] for key in ("versions", "teacher", "images")), block, name, options, fraction, seed])


def sampled(count: int, fraction: float, seed: int) -> NDArray[np.int64]:
    """Return the ascending numbers of a share of so many samples; with one seed, smaller shares lie in larger ones."""
    chosen = min(count, max(LEAST, round(fraction * count)))
    return np.sort(np.random.default_rng(seed).permutation(count)[:chosen])


def store_identity(study: Study, teacher: str, images: str, block: str | None) -> str:
    """Return a name of a block's activations, which no others have; for ``teacher`` and ``images`` see :func:`plan`."""
    whose = f"{study.teacher.name} {block}" if block else study.teacher.name
    digest = _digest([teacher, images, block, study.batch])
    return f"{whose} on {study.images.name}, {study.batch} at a time ({digest})"


def _digest(facts: list[Any]) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()[:16]
