"""The trials of a sweep."""

from __future__ import annotations

import dataclasses

from sdprelax.datasets import datasets
from sdprelax.laboratory._config import Sweep
from sdprelax.laboratory._job import Trial, versions
from sdprelax.methods import methods

__all__ = ["plan"]


def plan(sweep: Sweep) -> list[Trial]:
    """Return the distinct trials of a sweep in the order of its file."""
    trials: dict[str, Trial] = {}
    sources = []
    for entry in sweep.datasets:
        source = datasets.create(entry.name, entry.options)
        digest = source.digest() if hasattr(source, "digest") else ""
        sources.append((entry.name, dataclasses.asdict(source), digest))  # type: ignore[call-overload]
    chosen = [(entry.name, methods.create(entry.name, entry.options)) for entry in sweep.methods]
    for dataset, dataset_options, digest in sources:
        for bias in sweep.bias:
            for gamma in sweep.gamma:
                for name, method in chosen:
                    for repeat in range(sweep.repeat):
                        trial = Trial(
                            dataset, dataset_options, digest, gamma, bias, name, dataclasses.asdict(method), repeat,  # type: ignore[call-overload]
                            sweep.seed, sweep.limits, sweep.protocol, versions(dataset, name, method),
                        )  # fmt: skip
                        trials.setdefault(trial.hash, trial)
    return list(trials.values())
