"""Distillation: teachers, images, students, distillers, and studies of them."""

from __future__ import annotations

from pathlib import Path

# Teachers and pictures of the studies in experiments/distill, which name these files under ``modules:``.
FOLDER = Path(__file__).resolve().parents[2] / "experiments" / "distill"
MODULES = {path.stem: str(path) for path in FOLDER.glob("*.py")}
