r"""The two slopes of a classwise loss, all that the training of a classifier sees of it.

For :math:`L(p, k) = \sum_{j \neq k} \phi_0(\log p_j) + \phi_1(\log p_k)` let :math:`h = d\phi / d\log p`.
With :math:`h_j` the slope of class j the gradient by the logits is :math:`h_j - p_j \sum_i h_i`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from evoloss.networks import LOG_P_FLOOR, ClasswiseNetwork, TemperedNetwork

# Log-probabilities (M,) to (popsize, 2, M): the slopes of the other classes, then of the label.
Slopes = Callable[[Tensor], Tensor]
SlopeFunctions = tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]  # phi_0' and phi_1' of log p


def cross_entropy_slopes() -> SlopeFunctions:
    """The slopes of cross-entropy: 0 for other classes, -1 for the label."""
    return torch.zeros_like, lambda log_p: torch.full_like(log_p, -1.0)


def label_smoothing_slopes(n_classes: int, smoothing: float = 0.1) -> SlopeFunctions:
    """The slopes of label smoothing with share e: ``-e / C``, and ``-(1 - e + e / C)``."""
    share = smoothing / n_classes
    return lambda log_p: torch.full_like(log_p, -share), lambda log_p: torch.full_like(
        log_p, -(1 - smoothing + share)
    )


def gce_slopes(q: float = 0.7) -> SlopeFunctions:
    """The slopes of generalised cross-entropy, ``(1 - p_y^q) / q`` (arXiv:1805.07836): 0, and ``-p_y^q``."""
    return torch.zeros_like, lambda log_p: -(q * log_p).exp()


def sce_slopes(alpha: float = 0.1, beta: float = 1.0, log_zero: float = -4.0) -> SlopeFunctions:
    """The slopes of symmetric cross-entropy (arXiv:1908.06112): 0, and ``-alpha + beta * log_zero * p_y``."""
    return torch.zeros_like, lambda log_p: -alpha + beta * log_zero * log_p.exp()


def smoothed_log_slopes(n_classes: int, share: float = 1.0) -> SlopeFunctions:
    """The slopes of ``-log(p_y + e)`` with ``e = 1 / (share C)``: 0, and ``-p_y / (p_y + e)``.

    Cross-entropy that gives up on a label where its probability falls below e, the ``share``-th part of the
    uniform one.
    """
    return torch.zeros_like, lambda log_p: -torch.sigmoid(log_p + math.log(share * n_classes))


KNOWN_SLOPES: dict[str, Callable[[int], SlopeFunctions]] = {
    "cross_entropy": lambda n_classes: cross_entropy_slopes(),
    "label_smoothing": label_smoothing_slopes,
    "gce": lambda n_classes: gce_slopes(),
    "sce": lambda n_classes: sce_slopes(),
}
"""Slopes of known losses at a class count, by name; with the papers' defaults."""

START_SLOPES = {**KNOWN_SLOPES, "smoothed_log": smoothed_log_slopes}
"""What a search may start at."""


def network_slopes(
    network: ClasswiseNetwork, params: Tensor, n_classes: int, *, canonical: bool = True
) -> Slopes:
    r"""The exact slopes of candidates ``(popsize, n_params)`` in canonical form at ``n_classes``.

    Below the floor :math:`\phi_0` is constant and :math:`\phi_1` linear, as everywhere in this package.
    Candidates without a canonical form have zeros. With ``canonical=False`` the slopes are those of the
    network as it is.
    """
    form = network.form(params, n_classes)
    layers = network.mlp.layers(network.constrain(params))
    scale, exists = torch.as_tensor(form.scale), form.exists[:, None, None]
    if not canonical:
        scale, exists = torch.ones_like(scale), torch.ones_like(exists)

    def slopes(log_p: Tensor) -> Tensor:
        inside = log_p.clamp(min=LOG_P_FLOOR).repeat(2)
        flag = torch.arange(2, device=log_p.device).repeat_interleave(len(log_p)).to(log_p.dtype)
        _, raw = network.raw_and_slope(layers, inside, flag, (n_classes,))
        both = (scale * raw).view(len(params), 2, -1)
        gone = torch.stack([log_p < LOG_P_FLOOR, torch.zeros_like(log_p, dtype=torch.bool)])
        return torch.where(exists & ~gone, both, 0.0)

    return slopes


def tempered_slopes(network: TemperedNetwork, params: Tensor, n_classes: int) -> Slopes:
    """The exact slopes of tempered candidates in canonical form, as functions of ``t log p``.

    Those of the other classes are 0.
    """
    scale = network.form(params, n_classes).scale

    def slopes(tempered: Tensor) -> Tensor:
        label = scale * network.slopes(params, tempered)
        return torch.stack([torch.zeros_like(label), label], dim=1)

    return slopes


def function_slopes(losses: Sequence[SlopeFunctions]) -> Slopes:
    """The slopes of losses that are given as two functions of log p each."""

    def slopes(log_p: Tensor) -> Tensor:
        return torch.stack([torch.stack([other(log_p), label(log_p)]) for other, label in losses])

    return slopes
