r"""The two slopes of a classwise loss, all that the training of a classifier sees of it.

For :math:`L(p, k) = \sum_{j \neq k} \phi_0(\log p_j) + \phi_1(\log p_k)` let :math:`h = d\phi / d\log p`.
With :math:`h_j` the slope of class j the gradient by the logits is :math:`h_j - p_j \sum_i h_i`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from evoloss.networks import LOG_P_FLOOR, ClasswiseNetwork

# Log-probabilities (M,) to (popsize, 2, M): the slopes of the other classes, then of the label.
Slopes = Callable[[Tensor], Tensor]
SlopeFunctions = tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]  # phi_0' and phi_1' of log p


def cross_entropy_slopes() -> SlopeFunctions:
    """The slopes of cross-entropy: 0 for other classes, -1 for the label."""
    return torch.zeros_like, lambda log_p: torch.full_like(log_p, -1.0)


def network_slopes(network: ClasswiseNetwork, params: Tensor, n_classes: int) -> Slopes:
    r"""The exact slopes of candidates ``(popsize, n_params)`` in canonical form at ``n_classes``.

    Below the floor :math:`\phi_0` is constant and :math:`\phi_1` linear, as everywhere in this package.
    Candidates without a canonical form have zeros.
    """
    form = network.form(params, n_classes)
    layers = network.mlp.layers(network.constrain(params))
    scale, exists = torch.as_tensor(form.scale), form.exists[:, None, None]

    def slopes(log_p: Tensor) -> Tensor:
        inside = log_p.clamp(min=LOG_P_FLOOR).repeat(2)
        flag = torch.arange(2, device=log_p.device).repeat_interleave(len(log_p)).to(log_p.dtype)
        _, raw = network.mlp.value_and_derivative(
            layers, network.inputs(inside, flag, n_classes), network.tangents(inside, flag, n_classes)
        )
        both = (scale * raw).view(len(params), 2, -1)
        gone = torch.stack([log_p < LOG_P_FLOOR, torch.zeros_like(log_p, dtype=torch.bool)])
        return torch.where(exists & ~gone, both, 0.0)

    return slopes


def function_slopes(losses: Sequence[SlopeFunctions]) -> Slopes:
    """The slopes of losses that are given as two functions of log p each."""

    def slopes(log_p: Tensor) -> Tensor:
        return torch.stack([torch.stack([other(log_p), label(log_p)]) for other, label in losses])

    return slopes
