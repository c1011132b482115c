r"""The slopes of a loss by log p, all that the training of a classifier sees of it.

For :math:`L(p, k) = \sum_{j \neq k} \phi_0(\log p_j) + \phi_1(\log p_k)` let :math:`h = d\phi / d\log p`.
With :math:`h_j` the slope of class j the gradient by the logits is :math:`h_j - p_j \sum_i h_i`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

# Of a population: log-probabilities (M,) to (popsize, 2, M), other classes first, then the label.
Slopes = Callable[[Tensor], Tensor]
# Of one loss: phi_0' and phi_1' as functions of log p, of any shape.
SlopeFunctions = tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]
# Of one loss at any class count.
SlopesByCount = Callable[[int], SlopeFunctions]


def function_slopes(losses: Sequence[SlopeFunctions]) -> Slopes:
    """The slopes of losses that are given as two functions of log p each, as those of a population.

    Example:
        >>> from evoloss.losses import LOSSES
        >>> slopes = function_slopes([LOSSES[name]().slopes(10) for name in ("cross_entropy", "mae")])
        >>> slopes(torch.tensor([0.5, 1.0]).log())[:, 1]  # of the label, for each loss
        tensor([[-1., -1.],
                [-1., -2.]])
    """

    def slopes(log_p: Tensor) -> Tensor:
        return torch.stack([torch.stack([other(log_p), label(log_p)]) for other, label in losses])

    return slopes
