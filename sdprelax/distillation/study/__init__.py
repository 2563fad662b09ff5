"""The laboratory's trials of distillation: students of blocks of a teacher, their tables, pictures and proofs."""

from __future__ import annotations

from sdprelax.distillation.study._config import Study
from sdprelax.distillation.study._kind import DISTILLATION
from sdprelax.distillation.study._pictures import fractions_picture
from sdprelax.distillation.study._tables import students_summary
from sdprelax.distillation.study._trial import DistillationTrial

__all__ = ["DISTILLATION", "DistillationTrial", "Study", "fractions_picture", "students_summary"]
