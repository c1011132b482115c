"""Random predictions, from nearly uniform to nearly certain, and the labels that go with them."""

from __future__ import annotations

import torch
from torch import Tensor

LOGIT_SCALES: tuple[float, ...] = (0.3, 1.0, 3.0, 8.0)
"""Spreads of the Gaussian logits; at 10 classes the largest probability is 0.16 to 0.86 on average."""


def random_logits(n: int, n_classes: int, scale: float, generator: torch.Generator) -> Tensor:
    """Draw log-probabilities, the log-softmax of Gaussian logits: float64, shape ``(n, n_classes)``.

    Args:
        n: how many predictions.
        n_classes: at least 2.
        scale: standard deviation of the logits; the larger, the more certain the predictions.
        generator: the only source of randomness.
    """
    logits = scale * torch.randn(n, n_classes, generator=generator, dtype=torch.float64)
    return torch.log_softmax(logits, dim=1)


def random_targets(n: int, n_classes: int, generator: torch.Generator) -> Tensor:
    """Draw class indices, uniform in ``[0, n_classes)``, shape ``(n,)``."""
    return torch.randint(n_classes, (n,), generator=generator)
