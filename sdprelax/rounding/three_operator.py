"""The rounding of Prakhya, Birdal and Yurtsever 2025 ("P25"): three-operator splitting.

It goes towards a factor of Λ whose columns are neurons.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from pydantic import PositiveFloat, PositiveInt

from sdprelax.base import Floats, positive_part
from sdprelax.lifting import LiftedProgram
from sdprelax.networks import Network
from sdprelax.rounding import roundings

__all__ = ["ThreeOperator", "project_complementary"]

# About as many iterates are evaluated.
ITERATES = 200


def project_complementary(alpha: Floats, beta: Floats) -> tuple[Floats, Floats]:
    """Return the nearest pair of this shape with α, β ≥ 0 and α∘β = 0: the larger entry of each two, if positive."""
    first = alpha >= beta
    return np.where(first, positive_part(alpha), 0.0), np.where(first, 0.0, positive_part(beta))


@roundings.register("three_operator")
@dataclass(frozen=True)
class ThreeOperator:
    """The paper's rounding: min φ = ½‖ZZᵀ − Λ‖² over MZ = 0 and complementary α, β ≥ 0, by three-operator splitting.

    Per iteration W = proj_{MZ=0}(Z), Ŵ = proj_relu(2W − Z − η∇φ(W)), Z ← Z − W + Ŵ with ∇φ(W) = 2(WWᵀ − Λ)W and step
    η = step/‖Λ‖_F, from the top eigenvectors of Λ; the networks are W's (u, v) (docs/mathematics/rounding.md). The one
    of least training objective is returned; P25 chose the one best on the test set (sweeps: ``protocol: paper``).

    Parameters
    ----------
    columns: columns R of Z, the width of the network.
    iterations: splitting steps.
    step: η in units of 1/‖Λ‖_F. P25's is 0.75 (0.1 on MNIST), at which the splitting need not converge; at half of
        that it did on every problem measured (docs/paper.md, "Roundings").
    """

    activations: ClassVar[None] = None
    losses: ClassVar[None] = None
    offset: ClassVar[bool] = True
    sample_weight: ClassVar[bool] = True

    columns: PositiveInt = 300
    iterations: PositiveInt = 1_000
    step: PositiveFloat = 0.375

    def round(self, lifting: LiftedProgram, lifted: Floats, *, rng: np.random.Generator) -> Network:
        """Return the network of the best iterate's (u, v) columns."""
        return min(self.walk(lifting, lifted), key=lifting.problem.objective)

    def walk(self, lifting: LiftedProgram, lifted: Floats) -> Iterator[Network]:
        """Yield the networks of up to two hundred iterates, in order."""
        problem, g = lifting.problem, lifting.generators
        eigenvalues, vectors = np.linalg.eigh(lifted)
        kept = min(self.columns, lifting.order)
        Z = np.zeros((lifting.order, self.columns))
        Z[:, :kept] = vectors[:, ::-1][:, :kept] * np.sqrt(positive_part(eigenvalues[::-1][:kept]))
        norm = float(np.linalg.norm(lifted))
        if norm == 0.0:
            yield problem.empty_network()
            return
        eta = self.step / norm
        basis = np.linalg.qr(lifting.face)[0]
        u, v = lifting.blocks["u"], lifting.blocks["v"]
        every = max(1, self.iterations // ITERATES)
        for iteration in range(1, self.iterations + 1):
            W = basis @ (basis.T @ Z)
            gradient = 2.0 * (W @ (W.T @ W) - lifted @ W)
            target = 2.0 * W - Z - eta * gradient
            target[:g], target[g : 2 * g] = project_complementary(target[:g], target[g : 2 * g])
            Z += target - W
            if iteration % every == 0 or iteration == self.iterations:
                yield lifting.reduction.network(W[u], W[v].T, problem)
