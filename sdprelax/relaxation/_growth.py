"""Branch and bound on the relaxation: a partition that grows where it buys most (relaxation.md, "Growth").

Every round splits the blocks that carry most of the solution, at rows or at edges of their sectors, and solves over the
finer partition, so that the bound of any round is one of the training problem, and refining never loosens. Rows are
split first; once a round of them buys little, sectors are tried, and then that kind is next whose last round took away
most of ln(gap) per ln(work), with the multiplications of a step for its work, so that the same run grows the same tree
on every machine.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from sdprelax.base import Floats, InputError, SolverFailed, positive_part
from sdprelax.cells import Cone, checked_cone, covers_space, orthants
from sdprelax.certificate import Certificate, RelaxationProof
from sdprelax.problem import Reduction
from sdprelax.relaxation._certified import CertifiedRelaxation
from sdprelax.relaxation._program import RelaxationSolution
from sdprelax.relaxation._splitting import most_mixed_row
from sdprelax.solvers import Coarser

__all__ = ["MOST_PARTS", "Growth", "partition_of"]

# Blocks that a partition grows to where nobody says how many.
MOST_PARTS = 256
# Blocks that carry less than this share of the mass of the heaviest are not split.
LIGHT = 1e-3
# Outputs up to which sectors are tried: there are 2^c orthants.
MOST_OUTPUTS = 3
# Share of the blocks that a round splits.
SHARE = 0.5
# Gaps below this are none, and growth of a solve's work below this is too little to divide by.
SMALLEST, LEAST_WORK = 1e-12, 0.1
# What sectors are taken to buy before they are tried: rounds of rows that buy more go on. Blocks of sectors need more
# steps and dearer certificates than those of cones, which the multiplications of one step do not show.
UNTRIED = 0.1
# Tolerances of rounds that are only to say where to split: of one block to start with, and as a share of the gap later.
FIRST, CLOSER = 1e-2, 0.1
# Largest difference of unit rows that are the same.
SAME_ROWS = 1e-9


def partition_of(certificate: Certificate, reduction: Reduction, outputs: int) -> list[Cone]:
    """Return the partition that a certificate of a relaxation over the same generator rows is of.

    Raises
    ------
    InputError: it is of other rows or outputs, or of a cover.
    """
    proof, said = certificate.proof, certificate.reduction.rows
    if not isinstance(proof, RelaxationProof) or not covers_space([block.cone for block in proof.blocks]):
        raise InputError("the certificate to start from is not one of a relaxation, whose blocks are a partition.")
    same = said.shape == reduction.rows.shape and np.allclose(said, reduction.rows, rtol=0.0, atol=SAME_ROWS)
    if not same:
        raise InputError("the certificate to start from is of other data: its generator rows are not this problem's.")
    try:
        return [checked_cone(block.cone, said, outputs) for block in proof.blocks]
    except InputError as error:
        raise InputError(f"the certificate to start from is no partition of this problem's: {error}") from None


@dataclass(eq=False)
class Growth:
    """A partition and what its rounds bought.

    Parameters
    ----------
    relaxed: the relaxation; whatever it proves is offered to its ``best``.
    cones: the partition to start from.
    most: blocks beyond which it does not grow.
    tolerance: relative gap at which it ends.
    improve: called with every round's solution, to offer a network of it: the gap is one between bound and network.

    Attributes
    ----------
    rounds: of every round its kind ("start", "rows", "sectors" or "end"), number of blocks and relative gap.
    """

    relaxed: CertifiedRelaxation
    cones: list[Cone]
    most: int
    tolerance: float
    improve: Callable[[RelaxationSolution], None] = lambda solution: None
    rounds: list[tuple[str, int, float]] = field(default_factory=list)

    def run(self) -> RelaxationSolution:
        """Grow until the gap is closed, the time is up or nothing is left to split; return the last solution.

        Raises
        ------
        SolverUnavailable, SolverFailed: the first round's solver cannot run here, or has no point.
        """
        best = self.relaxed.best
        worth = {"rows": math.inf, "sectors": UNTRIED}
        kind = "start"
        solution, _ = self.relaxed.solve(self.cones, enough=FIRST if len(self.cones) == 1 else 0.0)
        while True:
            self.improve(solution)
            self.rounds.append((kind, len(self.cones), best.gap))
            if best.gap <= self.tolerance or self.relaxed.late:
                return solution
            gap, work = best.gap, self._work(self.cones)
            grown, enough = self.cones, CLOSER * gap
            for kind in sorted(worth, key=lambda name: -worth[name]):
                grown = self._split(solution, kind)
                if len(grown) > len(self.cones):
                    break
            else:
                if not self.relaxed.loosened:
                    return solution
                # Nothing is left to split, so this round is brought to its end.
                kind, enough = "end", 0.0
            try:
                finer = self._finer(solution, grown, enough)
            except SolverFailed:
                return solution
            self.cones, solution = grown, finer
            bought = math.log(max(gap, SMALLEST) / max(best.gap, SMALLEST))
            if kind in worth:
                worth[kind] = bought / max(math.log(self._work(grown) / work), LEAST_WORK)

    def _finer(self, solution: RelaxationSolution, grown: Sequence[Cone], enough: float) -> RelaxationSolution:
        """Return the solution over a refinement or the same cones, started from the one over these."""
        start = Coarser(solution.blocks, solution.matrices, solution.multiplier, solution.multipliers)
        return self.relaxed.solve(grown, start=start, enough=enough)[0]

    def _work(self, cones: Sequence[Cone]) -> float:
        """Return about the multiplications of a solver's step."""
        rank, outputs = self.relaxed.lifting.reduction.rank, self.relaxed.lifting.problem.shape[2]
        return float(sum((len(cone.undetermined) + rank + outputs) ** 3 for cone in cones))

    def _split(self, solution: RelaxationSolution, kind: str) -> list[Cone]:
        """Return the partition with the heaviest blocks split, as many as fit, or as it is where none can be."""
        lifting, cones = self.relaxed.lifting, self.cones
        u, v = (lifting.blocks[name] for name in ("u", "v"))
        mass = np.array([float(np.trace(part[u, u]) + np.trace(part[v, v])) for part in solution.parts])
        dual = lifting.reduction.pull_back(solution.multiplier)
        wanted = [i for i in np.argsort(-mass) if mass[i] > LIGHT * np.max(mass)]
        parts: dict[int, Sequence[Cone]] = {}
        for i in wanted[: max(1, math.ceil(SHARE * len(cones)))]:
            split = self._by_rows if kind == "rows" else self._by_sectors
            found = split(cones[i], solution.parts[i], dual)
            if len(cones) + sum(len(part) - 1 for part in parts.values()) + len(found) - 1 <= self.most and found:
                parts[int(i)] = found
        return [part for i, cone in enumerate(cones) for part in parts.get(i, (cone,))]

    def _by_rows(self, cone: Cone, part: Floats, dual: Floats) -> Sequence[Cone]:
        """Return a cone's parts by the row whose two sides its block mixes most; none where it mixes no row."""
        row, score = most_mixed_row(cone, part, dual)
        return cone.split(self.relaxed.lifting.reduction.rows, row) if score > 0.0 else ()

    def _by_sectors(self, cone: Cone, part: Floats, dual: Floats) -> Sequence[Cone]:
        """Return a cone's parts by orthants of the outputs, or by the edge of its sector that its block mixes most."""
        outputs = self.relaxed.lifting.problem.shape[2]
        if cone.sector is None:
            return [cone.within(sector) for sector in orthants(outputs)] if outputs <= MOST_OUTPUTS else ()
        if outputs == 1:
            return ()
        v = self.relaxed.lifting.blocks["v"]
        # Coordinates of v along the rays: of an edge that is to be split both are large in the block.
        shares = np.linalg.inv(cone.sector.directions)
        weights = positive_part(np.diag(shares @ part[v, v] @ shares.T))
        apart = 1.0 - cone.sector.directions.T @ cone.sector.directions
        a, b = np.unravel_index(int(np.argmax(np.sqrt(np.outer(weights, weights)) * np.triu(apart, 1))), apart.shape)
        return [cone.within(sector) for sector in cone.sector.split(int(a), int(b))] if a < b else ()
