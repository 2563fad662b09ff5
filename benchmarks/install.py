"""What an installation takes on the disk, by what is asked for: install_sizes.csv.

Files of this package and of all that it depends on, as they are installed in the environment that runs this, without
compiled bytecode, which adds a fifth. "all" is what every installation brought up to version 0.12.
"""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Iterator
from pathlib import Path

from harness import Benchmark, Needs, Row, Run
from packaging.requirements import Requirement

benchmark = Benchmark(__doc__)

# Extras, or none; those of developers install no more of the product.
ASKED = ("", "plot", "parquet", "images", "cvxpy", "all", "mosek", "skglm", "referee", "dask", "onnx", "torch")


def brought(name: str, extras: frozenset[str] = frozenset()) -> set[str]:
    """Return a distribution and all that it depends on, by their names in lower case.

    Raises
    ------
    Needs: one of them is not installed.
    """
    found: set[str] = set()
    waiting, seen = [(name, extras)], set()
    while waiting:
        name, extras = waiting.pop()
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        found.add(_canonical(name))
        try:
            requirements = importlib.metadata.requires(name) or ()
        except importlib.metadata.PackageNotFoundError:
            raise Needs(f"the package {name}, which is not installed here") from None
        for requirement in map(Requirement, requirements):
            marker = requirement.marker
            if marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *extras)):
                waiting.append((requirement.name, frozenset(requirement.extras)))
    return found


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def megabytes(name: str) -> float:
    """Return the size of a distribution's files, without bytecode; of this one, those of its folder."""
    distribution = importlib.metadata.distribution(name)
    if name == "sdprelax":
        folder = Path(__file__).resolve().parents[1] / "sdprelax"
        files = [path for path in folder.rglob("*") if path.is_file()]
    else:
        files = [Path(str(distribution.locate_file(file))) for file in distribution.files or ()]
    kept = [path for path in files if path.suffix not in (".pyc", ".nbc", ".nbi") and path.is_file()]
    return sum(path.stat().st_size for path in kept) / 1e6


@benchmark.part("install_sizes", columns=("asked", "packages", "megabytes", "ratio", "largest"), by=("asked",))
def install_sizes(run: Run) -> Iterator[Row]:
    everything = sum(map(megabytes, brought("sdprelax", frozenset({"all"}))))
    for asked in run.choose(ASKED, tiny=ASKED[:2]):
        if run.wants(asked):
            sizes = {name: megabytes(name) for name in brought("sdprelax", frozenset({asked} if asked else ()))}
            whole, ordered = sum(sizes.values()), sorted(sizes, key=lambda name: -sizes[name])
            yield {
                "asked": f"sdprelax[{asked}]" if asked else "sdprelax", "packages": len(sizes),
                "megabytes": round(whole), "ratio": round(whole / everything, 3),
                "largest": ", ".join(f"{name} {sizes[name]:.0f}" for name in ordered[:5]),
            }  # fmt: skip


if __name__ == "__main__":
    benchmark.main()
