"""The laboratory's trials of training: sweeps of methods over data sets, their tables, pictures and proofs."""

from __future__ import annotations

from sdprelax.laboratory.training._kind import TRAINING
from sdprelax.laboratory.training._planes import geometry_picture, neurons_picture
from sdprelax.laboratory.training._plots import gap_by_method, tightness_picture
from sdprelax.laboratory.training._sweep import TrainingSweep
from sdprelax.laboratory.training._tables import predictions_summary, tightness_table, unsound
from sdprelax.laboratory.training._trial import TrainingTrial, load_problem

__all__ = [
    "TRAINING",
    "TrainingSweep",
    "TrainingTrial",
    "gap_by_method",
    "geometry_picture",
    "load_problem",
    "neurons_picture",
    "predictions_summary",
    "tightness_picture",
    "tightness_table",
    "unsound",
]
