"""A gate's weight matrix as few neurons: exactly where its rank is low, or the best few within a budget.

A neuron behind gate i adds 1{z·g_i ≥ 0}(z·u)v to the outputs, so a matrix of rank r is r neurons of d + c parameters
in place of d·c. Within a budget the matrices are cut to the rank that matters *on the samples*: with L = H_ii^½ the
best approximation of D_iZW_i of rank r in ‖·‖_F comes from the singular vectors of LW_i. From there inner and output
weights descend together on

    ½‖ΦW − F‖² + ½γΣ(‖u_j‖² + ‖v_j‖²),        W_i = Σ_j u_jv_jᵀ over the neurons behind gate i,

the factorised form of the program with nuclear norms (Burer and Monteiro), whose optimum over any number of neurons is
the convex program's: what few neurons lose against it is known. On statistics a step costs nothing in samples.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import scipy.optimize
import threadpoolctl
from numpy.typing import NDArray

from sdprelax.base import Floats, InputError
from sdprelax.lasso._alternating import SMALL
from sdprelax.lasso._statistics import Statistics
from sdprelax.problem import Squared

__all__ = ["GatedNeurons", "exact_neurons", "few_neurons", "require_budget"]

# Singular values below this share of a gate's largest are lost in single precision anyway.
RANK = 1e-6
# Most steps of the descent, and what it remembers.
STEPS, MEMORY = 500, 20


@dataclass(frozen=True, eq=False)
class GatedNeurons:
    """Weights behind gates, in as few parameters as they allow.

    Parameters
    ----------
    gate_of: the gate of every neuron, shape (h,).
    inner: u, shape (d, h).
    outer: v, shape (h, c).
    full_gate_of: gates with a whole matrix, shape (k,).
    full: their matrices, shape (k, d, c).
    """

    gate_of: NDArray[np.intp]
    inner: Floats
    outer: Floats
    full_gate_of: NDArray[np.intp]
    full: Floats

    def used(self) -> NDArray[np.intp]:
        """Return the gates that carry weights, in increasing order."""
        return np.unique(np.concatenate([self.gate_of, self.full_gate_of]))

    def among(self, gates: NDArray[np.intp]) -> GatedNeurons:
        """Return these neurons with the numbers that their gates have among more; ``gates`` are those numbers."""
        return replace(self, gate_of=gates[self.gate_of], full_gate_of=gates[self.full_gate_of])

    def mapped(self, matrix: Floats) -> GatedNeurons:
        """Return these neurons with their outputs times a matrix, shape (c, r)."""
        return replace(self, outer=self.outer @ matrix, full=self.full @ matrix)

    def rounded(self) -> GatedNeurons:
        """Return these neurons with weights that single precision holds."""
        inner, outer, full = (
            part.astype(np.float32).astype(np.float64) for part in (self.inner, self.outer, self.full)
        )
        return replace(self, inner=inner, outer=outer, full=full)

    def weights(self, gates: int) -> Floats:
        """Return W, shape (gates, d, c)."""
        found = np.zeros((gates, self.inner.shape[0], self.outer.shape[1]))
        for k, gate in enumerate(self.gate_of):
            found[gate] += np.outer(self.inner[:, k], self.outer[k])
        for k, gate in enumerate(self.full_gate_of):
            found[gate] += self.full[k]
        return found


def exact_neurons(weights: Floats) -> GatedNeurons:
    """Return weights of shape (m, d, c) as neurons where that takes fewer parameters, as matrices elsewhere."""
    gates, width, outputs = weights.shape
    gate_of, inner, outer, full_gate_of, full = [], [], [], [], []
    for i in range(gates):
        left, singular, right = np.linalg.svd(weights[i], full_matrices=False)
        rank = int(np.sum(singular > RANK * singular[0])) if singular[0] > 0.0 else 0
        if rank * (width + outputs) < width * outputs:
            root = np.sqrt(singular[:rank])
            gate_of += [i] * rank
            inner += list((left[:, :rank] * root).T)
            outer += list(right[:rank] * root[:, None])
        else:
            full_gate_of.append(i)
            full.append(weights[i])
    return GatedNeurons(
        np.array(gate_of, dtype=np.intp), np.array(inner).reshape(-1, width).T, np.array(outer).reshape(-1, outputs),
        np.array(full_gate_of, dtype=np.intp), np.array(full).reshape(-1, width, outputs),
    )  # fmt: skip


def require_budget(width: int, outputs: int, budget: int) -> None:
    """Refuse a budget below one neuron behind its gate.

    Raises
    ------
    InputError: it is.
    """
    least = 2 * width + outputs
    if budget < least:
        raise InputError(
            f"a budget of {budget:,} parameters holds no neuron: one behind its gate, of {width} inputs and {outputs} "
            f"outputs, has {least:,}."
        )


def few_neurons(data: Statistics, weights: Floats, budget: int, gamma: float, *, skip: bool) -> GatedNeurons:
    """Return the neurons within so many parameters that a descent from the best cut of some weights ends at.

    Parameters
    ----------
    data: statistics of the samples.
    weights: W, shape (m, d, c), over the gates of the statistics.
    budget: most parameters: d for each gate that is used, d + c for each neuron.
    gamma: weight decay of the neurons, as in the program.
    skip: whether the last gate is always open, and so has no parameters of its own.

    Raises
    ------
    InputError: a budget below one neuron.
    """
    gates, width, outputs = weights.shape
    require_budget(width, outputs, budget)
    gate_of, inner, outer = _ranked(data, weights)
    chosen, opened, spent = [], set[int](), 0
    for k, gate in enumerate(gate_of):
        free = gate in opened or (skip and gate == gates - 1)
        cost = width + outputs + (0 if free else width)
        if spent + cost <= budget:
            chosen.append(k)
            opened.add(int(gate))
            spent += cost
    kept = np.array(chosen, dtype=np.intp)
    inner, outer = _descended(data, gate_of[kept], inner[:, kept], outer[kept], gamma)
    return GatedNeurons(gate_of[kept], inner, outer, np.zeros(0, dtype=np.intp), np.zeros((0, width, outputs)))


def _ranked(data: Statistics, weights: Floats) -> tuple[NDArray[np.intp], Floats, Floats]:
    """Return gate, inner and output weights of all singular directions of D_iZW_i, the largest first."""
    gates, width, outputs = weights.shape
    gate_of, sizes = [np.zeros(0, dtype=np.intp)], [np.zeros(0)]
    inner, outer = [np.zeros((width, 0))], [np.zeros((0, outputs))]
    for i in range(gates):
        if not np.any(weights[i]):
            continue
        block = slice(i * width, (i + 1) * width)
        values, vectors = np.linalg.eigh(data.gram[block, block])
        kept = values > RANK**2 * values[-1]
        roots, vectors = np.sqrt(values[kept]), vectors[:, kept]
        left, singular, right = np.linalg.svd(roots[:, None] * (vectors.T @ weights[i]), full_matrices=False)
        real = singular > RANK * singular[0]
        directions, images = vectors @ (left[:, real] / roots[:, None]), singular[real, None] * right[real]
        # Balanced: as long inside as outside.
        balance = np.sqrt(np.linalg.norm(images, axis=1) / np.linalg.norm(directions, axis=0))
        gate_of.append(np.full(int(np.sum(real)), i))
        inner.append(directions * balance)
        outer.append(images / balance[:, None])
        sizes.append(singular[real])
    order = np.argsort(-np.concatenate(sizes), kind="stable")
    return np.concatenate(gate_of)[order], np.hstack(inner)[:, order], np.vstack(outer)[order]


def _descended(
    data: Statistics, gate_of: NDArray[np.intp], inner: Floats, outer: Floats, gamma: float
) -> tuple[Floats, Floats]:
    """Return inner and output weights where L-BFGS ends on the factorised program."""
    width, behind = data.width, [np.flatnonzero(gate_of == gate) for gate in range(data.gates)]

    def objective(point: Floats) -> tuple[float, Floats]:
        U, V = point[: inner.size].reshape(inner.shape), point[inner.size :].reshape(outer.shape)
        W = np.concatenate([U[:, neurons] @ V[neurons] for neurons in behind])
        slope = data.gram @ W - data.moment
        loss = Squared.of_sums(data.squares, float(np.sum(W * (slope - data.moment))))
        value = loss + 0.5 * gamma * float(point @ point)
        by_inner, by_outer = gamma * U, gamma * V
        for gate, neurons in enumerate(behind):
            part = slope[gate * width : (gate + 1) * width]
            by_inner[:, neurons] += part @ V[neurons].T
            by_outer[neurons] += U[:, neurons].T @ part
        return value, np.concatenate([by_inner.ravel(), by_outer.ravel()])

    with threadpoolctl.threadpool_limits(limits=1 if len(data.gram) <= SMALL else None, user_api="blas"):
        found = scipy.optimize.minimize(
            objective, np.concatenate([inner.ravel(), outer.ravel()]), jac=True, method="L-BFGS-B",
            options={"maxiter": STEPS, "maxfun": 2 * STEPS, "maxcor": MEMORY},
        )  # fmt: skip
    return found.x[: inner.size].reshape(inner.shape), found.x[inner.size :].reshape(outer.shape)
