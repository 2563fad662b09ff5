"""How well a predictor does on data: what a user reports, and what Prakhya, Birdal and Yurtsever 2025 ("P25")
reported.

No figure chooses anything by the targets that it is computed from, except :func:`paper_accuracy`, which repeats P25's
protocol: its threshold is the one that is best on these very targets.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sdprelax.base import Floats

__all__ = ["METRICS", "decided", "metrics", "paper_accuracy"]

METRICS = ("accuracy", "balanced_accuracy", "f1", "rmse")
# P25's thresholds.
THRESHOLDS = np.arange(0.0, 1.0, 0.01)


def decided(outputs: Floats) -> NDArray[np.intp]:
    """Return the number of the class that outputs, shape (n, c), stand for, shape (n,).

    That is the one of the largest output; of two classes told by a single output's sign, 1 where it is positive.
    """
    return (outputs[:, 0] > 0.0).astype(np.intp) if outputs.shape[1] == 1 else np.argmax(outputs, axis=1)


def metrics(predicted: Floats, targets: Floats, *, classification: bool) -> dict[str, float | None]:
    """Return accuracy, balanced accuracy, F1 and RMSE of predictions, shape (n, c), for targets, shape (n, c).

    The class predicted is the one of :func:`decided`. Balanced accuracy is the mean over the classes of the share found
    of each, F1 the mean over them of the harmonic mean of precision and recall (0 where a class is neither there nor
    predicted). The first three are None for regression. RMSE is per entry, in the units of the targets.
    """
    found: dict[str, float | None] = dict.fromkeys(METRICS)
    found["rmse"] = float(np.sqrt(np.mean((predicted - targets) ** 2)))
    if classification:
        from sklearn.metrics import f1_score, recall_score  # a second, which most commands need not wait for

        labels, chosen = decided(targets), decided(predicted)
        found["accuracy"] = float(np.mean(chosen == labels))
        there = np.unique(labels)
        found["balanced_accuracy"] = float(recall_score(labels, chosen, labels=there, average="macro"))
        every = np.arange(max(2, targets.shape[1]))
        found["f1"] = float(f1_score(labels, chosen, labels=every, average="macro", zero_division=0.0))
    return found


def paper_accuracy(predicted: Floats, targets: Floats) -> tuple[float, float]:
    """Return P25's accuracy of predictions, shape (n, c), for one-hot targets, and the threshold that it takes.

    Output k says yes where it exceeds the threshold, a sample counts where every output is right, and of the thresholds
    0, 0.01, ..., 0.99 the first that is best *on these targets* is taken: on the test set, in P25. A sample that counts
    has its largest output in the right place, so this is at most the accuracy of the largest output.
    """
    truth = targets > 0.5
    right = [float(np.mean(np.all((predicted > threshold) == truth, axis=1))) for threshold in THRESHOLDS]
    best = int(np.argmax(right))
    return right[best], float(THRESHOLDS[best])
