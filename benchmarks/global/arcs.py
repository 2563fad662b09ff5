"""How many cones of the plane certify the optimal dual point within a thousandth, chosen as well as can be.

    python benchmarks/global/arcs.py [--data ../shared/data/p25]

On P25's random sets 0-9 and the spiral, with the residual A of the certified optimum. ω of an arc grows with the arc,
so from a given start extending each arc as far as ω ≤ (1 + slack)γ is best; every third ray is tried as a start.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from gaps import problem

import sdprelax
from sdprelax.deadline import Deadline
from sdprelax.partition import Cone
from sdprelax.reduction import reduce
from sdprelax.splitting import local_certificate
from sdprelax.units import Units

SLACK = 1e-3


def fewest_arcs(rows: np.ndarray, dual: np.ndarray, gamma: float) -> int:
    angles = np.arctan2(rows[:, 1], rows[:, 0])
    rays = np.sort(np.mod(np.concatenate([angles + np.pi / 2, angles - np.pi / 2]), 2 * np.pi))
    count = len(rays)
    known: dict[tuple[int, int], bool] = {}

    def angle(index: int) -> float:
        return float(rays[index % count] + 2 * np.pi * (index // count))

    def holds(start: int, end: int) -> bool:
        key = (start % count, end - start)
        if key not in known:
            middles = [0.5 * (angle(i) + angle(i + 1)) for i in range(key[0], key[0] + key[1])]
            seen = np.sign(rows @ np.array([np.cos(middles), np.sin(middles)]))
            signs = np.where(np.all(seen > 0, axis=1), 1, np.where(np.all(seen < 0, axis=1), -1, 0)).astype(np.int8)
            ends = [angle(key[0]), angle(key[0] + key[1])]
            on = np.argmin(np.abs(rows @ np.array([np.cos(ends), np.sin(ends)])), axis=0)
            walls = tuple((int(row), int(signs[row])) for row in on)
            omega, _ = local_certificate(rows, dual, Cone(walls, signs, walls), Deadline())
            known[key] = omega <= (1.0 + SLACK) * gamma
        return known[key]

    best = count
    for first in range(0, count, 3):
        start, arcs = first, 0
        while start < first + count:
            end = start + 1
            # An arc of less than half the circle is a cone with two walls.
            while end < min(first + count, start + count // 2 - 1) and holds(start, end + 1):
                end += 1
            start, arcs = end, arcs + 1
        best = min(best, arcs)
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[3] / "shared" / "data" / "p25")
    folder = parser.parse_args().data
    for gamma in (0.01, 0.1):
        for name, row in [("random", row) for row in range(10)] + [("spiral", 0)]:
            task = problem(folder, name, gamma, row)
            network = sdprelax.solve(task, "exact").network
            units = Units.of(task)
            reduction = reduce(units.problem)
            dual = reduction.pull_back((task.Y - network.predict(task.X)) / units.targets)
            print(
                f"{name} {row}, γ={gamma:g}: {fewest_arcs(reduction.rows, dual, units.problem.gamma)} cones", flush=True
            )


if __name__ == "__main__":
    main()
