"""A gate's weight matrix as few neurons: exactly where its rank is low, or the best few within a budget.

A neuron behind gate i adds 1{z·g_i ≥ 0}(z·u)v to the outputs, so a matrix of rank r is r neurons of d + c parameters
in place of d·c. Within a budget the matrices are cut to the rank that matters *on the samples*: with L = H_ii^½ the
best approximation of D_iZW_i of rank r in ‖·‖_F comes from the singular vectors of LW_i. Then the neurons' output
weights v are fitted anew, all at once, by least squares with a ridge that cross-validation chooses: the inner weights
stay, which is the polishing of Varshney and Pilanci (2024) with a ridge for the norm.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from sdprelax.errors import InputError
from sdprelax.out_of_core.statistics import Statistics, total
from sdprelax.verified import Floats

__all__ = ["Neurons", "exact_neurons", "few_neurons", "least_budget"]

# Singular values below this share of a gate's largest are lost in single precision anyway.
RANK = 1e-6
# Ridges tried, relative to the mean square of the neurons.
RIDGES = tuple(10.0**-k for k in range(9))


@dataclass(frozen=True, eq=False)
class Neurons:
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

    def weights(self, gates: int) -> Floats:
        """Return W, shape (c, d, gates)."""
        found = np.zeros((self.outer.shape[1], self.inner.shape[0], gates))
        for k, gate in enumerate(self.gate_of):
            found[:, :, gate] += np.outer(self.outer[k], self.inner[:, k])
        for k, gate in enumerate(self.full_gate_of):
            found[:, :, gate] += self.full[k].T
        return found


def exact_neurons(weights: Floats) -> Neurons:
    """Return weights of shape (c, d, m) as neurons where that takes fewer parameters, as matrices elsewhere."""
    outputs, width, gates = weights.shape
    gate_of, inner, outer, full_gate_of, full = [], [], [], [], []
    for i in range(gates):
        left, singular, right = np.linalg.svd(weights[:, :, i].T, full_matrices=False)
        rank = int(np.sum(singular > RANK * singular[0])) if singular[0] > 0.0 else 0
        if rank * (width + outputs) < width * outputs:
            root = np.sqrt(singular[:rank])
            gate_of += [i] * rank
            inner += list((left[:, :rank] * root).T)
            outer += list(right[:rank] * root[:, None])
        else:
            full_gate_of.append(i)
            full.append(weights[:, :, i].T)
    return Neurons(
        np.array(gate_of, dtype=np.intp), np.array(inner).reshape(-1, width).T, np.array(outer).reshape(-1, outputs),
        np.array(full_gate_of, dtype=np.intp), np.array(full).reshape(-1, width, outputs),
    )  # fmt: skip


def least_budget(width: int, outputs: int) -> int:
    """Return the parameters of one neuron behind one gate."""
    return 2 * width + outputs


def few_neurons(parts: list[Statistics], weights: Floats, budget: int, *, skip: bool) -> Neurons:
    """Return the neurons that approximate weights best within so many parameters, their output weights fitted anew.

    Parameters
    ----------
    parts: statistics of the folds.
    weights: W, shape (c, d, m), over the gates of the statistics.
    budget: most parameters: d for each gate that is used, d + c for each neuron.
    skip: whether the last gate is always open, and so has no parameters of its own.

    Raises
    ------
    InputError: a budget below one neuron.
    """
    data, (outputs, width, gates) = total(parts), weights.shape
    if budget < least_budget(width, outputs):
        raise InputError(
            f"a budget of {budget:,} parameters holds no neuron: one behind its gate, of {width} inputs and {outputs} "
            f"outputs, has {least_budget(width, outputs):,}."
        )
    gate_of, inner = _ranked(data, weights)
    chosen, opened, spent = [], set[int](), 0
    for k, gate in enumerate(gate_of):
        free = gate in opened or (skip and gate == gates - 1)
        cost = width + outputs + (0 if free else width)
        if spent + cost <= budget:
            chosen.append(k)
            opened.add(int(gate))
            spent += cost
    kept = np.array(chosen, dtype=np.intp)
    gate_of, inner = gate_of[kept], inner[:, kept]
    none = np.zeros(0, dtype=np.intp)
    outer = _refitted(parts, gate_of, inner, width)
    return Neurons(gate_of, inner, outer, none, np.zeros((0, width, outputs)))


def _ranked(data: Statistics, weights: Floats) -> tuple[NDArray[np.intp], Floats]:
    """Return gate and inner weights of all singular directions of D_iZW_i, the largest first."""
    _, width, gates = weights.shape
    gate_of, inner, sizes = [np.zeros(0, dtype=np.intp)], [np.zeros((width, 0))], [np.zeros(0)]
    for i in range(gates):
        if not np.any(weights[:, :, i]):
            continue
        block = slice(i * width, (i + 1) * width)
        values, vectors = np.linalg.eigh(data.gram[block, block])
        kept = values > RANK**2 * values[-1]
        roots, vectors = np.sqrt(values[kept]), vectors[:, kept]
        left, singular, _ = np.linalg.svd(roots[:, None] * (vectors.T @ weights[:, :, i].T), full_matrices=False)
        real = singular > RANK * singular[0]
        directions = vectors @ (left[:, real] / roots[:, None])
        gate_of.append(np.full(int(np.sum(real)), i))
        inner.append(directions / np.linalg.norm(directions, axis=0))
        sizes.append(singular[real])
    order = np.argsort(-np.concatenate(sizes), kind="stable")
    return np.concatenate(gate_of)[order], np.hstack(inner)[:, order]


def _refitted(parts: list[Statistics], gate_of: NDArray[np.intp], inner: Floats, width: int) -> Floats:
    """Return output weights of neurons, shape (h, c), by ridge regression, its ridge by cross-validation."""
    order = len(parts[0].gram)
    spread = np.zeros((order, len(gate_of)))
    for k, gate in enumerate(gate_of):
        spread[gate * width : (gate + 1) * width, k] = inner[:, k]
    small = [(spread.T @ (part.gram @ spread), spread.T @ part.moment) for part in parts if part.count]
    gram = np.sum([held for held, _ in small], axis=0)
    moment = np.sum([along for _, along in small], axis=0)
    unit = float(np.trace(gram)) / max(len(gram), 1)
    ridge = RIDGES[-1]
    if len(small) > 1:

        def error(ridge: float) -> float:
            # Up to the held-out targets' squares, which do not depend on it.
            lost = 0.0
            for held, along in small:
                outer = _ridge(gram - held, moment - along, ridge * unit)
                lost += float(np.sum(outer * (held @ outer - 2.0 * along)))
            return lost

        ridge = min(RIDGES, key=error)
    return _ridge(gram, moment, ridge * unit)


def _ridge(gram: Floats, moment: Floats, ridge: float) -> Floats:
    shifted = gram + max(ridge, np.finfo(float).tiny) * np.eye(len(gram))
    return np.asarray(scipy.linalg.solve(shifted, moment, assume_a="sym"))
