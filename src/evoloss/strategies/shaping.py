"""From fitness values to utilities: only the order of the candidates counts, and rejected ones come last."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def rejected(fitness: Tensor) -> Tensor:
    """Tell which candidates are rejected (fitness infinite or NaN); boolean, shape ``(popsize,)``."""
    return ~fitness.isfinite()


def utilities_by_rank(fitness: Tensor, utilities: Tensor) -> Tensor:
    """Give each candidate the utility of its rank; equal candidates share the average of their ranks.

    The result depends on the order of the fitness values alone, so it is unmoved by an increasing map of the
    fitness, and its sum is that of ``utilities``. Rejected candidates are equal to each other and worst.

    Args:
        fitness: smaller is better, shape ``(popsize,)``; infinite or NaN means rejected.
        utilities: the utility of rank 1 (best), 2, ..., popsize, not increasing, shape ``(popsize,)``.

    Returns:
        float64, shape ``(popsize,)``.
    """
    values = fitness.detach().to(device="cpu", dtype=torch.float64)
    values = torch.where(rejected(values), math.inf, values)
    ordered, order = values.sort(stable=True)
    _, group, count = torch.unique_consecutive(ordered, return_inverse=True, return_counts=True)
    total = torch.zeros(len(count), dtype=torch.float64).index_add_(0, group, utilities.to(torch.float64))
    # Averages of equal utilities may differ in the last digit; the running minimum keeps them in order.
    shared = (total / count).cummin(0).values
    shaped = torch.empty_like(values)
    shaped[order] = shared[group]
    return shaped


def centred_ranks(fitness: Tensor) -> Tensor:
    """Map fitness to ranks spread evenly over ``[-1/2, 1/2]``, best at ``+1/2``; they sum to zero.

    This is the fitness shaping of "Evolution Strategies as a Scalable Alternative to Reinforcement Learning",
    Salimans et al. 2017, arXiv 1703.03864.

    Args:
        fitness: shape ``(popsize,)`` with at least two entries; smaller is better.
    """
    return utilities_by_rank(fitness, torch.linspace(0.5, -0.5, len(fitness), dtype=torch.float64))


def best_places(fitness: Tensor, count: int) -> list[int]:
    """Places of the best candidates, best first; of equal ones the first, and no rejected one.

    Args:
        fitness: smaller is better, shape ``(popsize,)``; infinite or NaN means rejected.
        count: so many at most.

    Example:
        >>> best_places(torch.tensor([0.3, 0.1, float("inf"), 0.2]), 2)
        [1, 3]
    """
    values = fitness.tolist()
    accepted = [place for place, value in enumerate(values) if math.isfinite(value)]
    return sorted(accepted, key=values.__getitem__)[:count]


def log_rank_weights(popsize: int, parents: int) -> Tensor:
    r"""Weights of the ranks, :math:`w_i \propto \log(\mu + 1/2) - \log i` up to ``i = parents``, zero beyond.

    These are the positive weights of CMA-ES (Hansen, "The CMA Evolution Strategy: A Tutorial",
    arXiv 1604.00772). Shape ``(popsize,)``, float64, sum 1.
    """
    ranks = torch.arange(1, popsize + 1, dtype=torch.float64)
    weights = (math.log(parents + 0.5) - ranks.log()).clamp_min(0.0)
    weights[parents:] = 0.0
    return weights / weights.sum()


def recombination_weights(fitness: Tensor, parents: int) -> Tensor:
    """Weights of the candidates in the next mean: log-rank weights, zero for rejected ones.

    With fewer accepted candidates than parents, the weights of those left are scaled up to sum 1. Where every
    candidate is rejected all weights are zero.

    Returns:
        float64, shape ``(popsize,)``.
    """
    weights = utilities_by_rank(fitness, log_rank_weights(len(fitness), parents))
    weights = weights.masked_fill(rejected(fitness).cpu(), 0.0)
    total = weights.sum()
    return weights / total if total > 0 else weights
