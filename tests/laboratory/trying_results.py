"""A small sweep with everything that tables and pictures show: several sizes, seeds, γ, methods and repeats."""

from __future__ import annotations

from pathlib import Path

import sdprelax

SWEEP = {
    "name": "small",
    "datasets": [{"random": {"n": [5, 7], "c": 2, "seed": [0, 1]}}],
    "gamma": [0.1, 0.01],
    "methods": [{"lbfgs": {"width": [2, 3], "restarts": 1}}, "wedge", "ntk"],
}
LABEL = "us$_a {{script}} $\\foo$ 数据"


def run_small(folder: Path) -> sdprelax.LoadedResults:
    """Run the sweep "small" in a folder, and "other" with a name that others take for markup; return the first."""
    path = folder / "other.csv"
    path.write_text("a,b,y\n1,2,3.5\n2,1,4.5\n3,4,5.5\n4,3,1.5\n")
    data = {"path": str(path), "label": LABEL, "test_size": 0.0}
    other = {"name": "other", "datasets": [{"file": data}], "gamma": 0.1}
    sdprelax.run(
        {**other, "methods": ["wedge", {"lbfgs": {"width": 4, "restarts": 1}}]}, results=folder, engine="serial"
    )
    return sdprelax.run(SWEEP, results=folder, engine="serial")
