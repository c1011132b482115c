"""The objective in float64, straight from its formula: what every subject is checked against."""

from __future__ import annotations

import numpy as np

from benchmarks.speed.peers.serving import Array, Workload


def direct_fitness(workload: Workload, population: Array, batch: int = 0) -> Array:
    """The formula in float64: the fitness of candidates ``(P, n_params)``, ``(P,)``."""
    inputs = np.stack([workload.scaled[batch], workload.flag[batch]], axis=-1).astype(np.float64)
    order = workload.order[batch].astype(np.float64)
    result = []
    for candidate in population.astype(np.float64):
        w1, b1, w2, b2, w3 = workload.split(candidate)
        hidden = _silu(_silu(inputs @ w1 + b1) @ w2 + b2)
        losses = (hidden @ w3).sum(axis=1)
        agree = sum(
            (np.sign(losses - np.roll(losses, -shift)) * signs).sum() for shift, signs in enumerate(order, 1)
        )
        result.append(0.5 * (1 - agree / np.abs(order).sum()))
    return np.array(result)


def _silu(z: Array) -> Array:
    activated: Array = z * 0.5 * (1 + np.tanh(0.5 * z))
    return activated
