"""The trials of a sweep."""

from __future__ import annotations

import dataclasses

from sdprelax.datasets import datasets
from sdprelax.experiment.config import Sweep
from sdprelax.methods import methods
from sdprelax.trials.job import Trial

__all__ = ["plan"]


def plan(sweep: Sweep) -> list[Trial]:
    """Return the distinct trials of a sweep in the order of its file."""
    trials: dict[str, Trial] = {}
    sources = []
    for entry in sweep.datasets:
        source = datasets.create(entry.name, entry.options)
        digest = source.digest() if hasattr(source, "digest") else ""
        sources.append((entry.name, dataclasses.asdict(source), digest))  # type: ignore[call-overload]
    chosen = [(e.name, dataclasses.asdict(methods.create(e.name, e.options))) for e in sweep.methods]  # type: ignore[call-overload]
    for dataset, dataset_options, digest in sources:
        for bias in sweep.bias:
            for gamma in sweep.gamma:
                for method, method_options in chosen:
                    for repeat in range(sweep.repeat):
                        trial = Trial(
                            dataset, dataset_options, digest, gamma, bias, method, method_options, repeat, sweep.seed,
                            sweep.limits, sweep.protocol,
                        )  # fmt: skip
                        trials.setdefault(trial.hash, trial)
    return list(trials.values())
