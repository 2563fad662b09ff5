"""The notebooks run from top to bottom on a copy of the folders that they need."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat", reason="the notebook tools are not installed (extra: notebooks)")
ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "notebooks"))


def shorten(path: Path, long: str, short: str) -> None:
    """Let a notebook, or a sweep that it runs, have fewer problems."""
    text = path.read_text(encoding="utf-8")
    assert long in text
    path.write_text(text.replace(long, short), encoding="utf-8")


@pytest.mark.parametrize("name", sorted(path.name for path in (ROOT / "notebooks").glob("*.ipynb")))
def test_a_notebook_runs_from_top_to_bottom(name: str, tmp_path: Path) -> None:
    from execute import execute

    if name in ("distillation.ipynb", "losses.ipynb"):
        pytest.importorskip("torch", reason="PyTorch is not installed (extra: torch)")
    for folder in ("notebooks", "experiments", "results/published"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    shorten(tmp_path / "experiments" / "solvers.yaml", "n: [6, 12, 24, 36]", "n: [4, 6]")
    shorten(tmp_path / "notebooks" / "geometry.ipynb", "for k in range(5):", "for k in range(1):")
    shorten(tmp_path / "notebooks" / "geometry.ipynb", "for k in range(60):", "for k in range(12):")
    shorten(tmp_path / "notebooks" / "geometry.ipynb", "(4, 5, 6, 8, 10, 14, 20, 28, 40, 60)", "(4, 6, 10)")
    path = tmp_path / "notebooks" / name
    execute(path)
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in cells)
    pictures = [output for cell in cells for output in cell.outputs if "image/png" in output.get("data", {})]
    assert len(pictures) >= 4
