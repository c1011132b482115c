"""Focal loss."""

from __future__ import annotations

from typing import ClassVar, Unpack

import torch
from torch import Tensor

from evoloss.losses.base import SharedArguments
from evoloss.losses.known.label_probability import LabelProbabilityLoss
from evoloss.losses.known.ranges import in_range

__all__ = ["FocalLoss", "focal"]


def focal(log_p: Tensor, gamma: float) -> Tensor:
    r"""Focal loss, :math:`-(1 - p_y)^\gamma \log p_y`; at least 0, 0 at p_y = 1.

    Args:
        log_p: log-probability of the label, at most 0, any shape.
        gamma: focus, at least 0; 0 gives cross-entropy.

    References:
        Lin et al. 2017, arXiv:1708.02002.
    """
    # At p = 1 a power below 1 has an infinite slope, and infinity times log p = 0 is NaN. The floor is far
    # below the resolution of p, and its square is still a number in float32, as second derivatives need.
    missing = (-torch.expm1(log_p)).clamp(min=1e-12)
    return -(missing**gamma) * log_p


class FocalLoss(LabelProbabilityLoss):
    """Focal loss; see :func:`focal`.

    The paper's balance factor alpha is what ``weight`` does here.

    Args:
        gamma: focus, at least 0. 2 is the value of the paper; benchmarks with label noise often use 0.5.
        **semantics: see :class:`ClassificationLoss`.

    Raises:
        ConfigError: if ``gamma`` is out of range.
    """

    name: ClassVar[str] = "focal"
    _HYPERPARAMETERS: ClassVar[tuple[str, ...]] = ("gamma",)

    def __init__(self, *, gamma: float = 2.0, **semantics: Unpack[SharedArguments]) -> None:
        super().__init__(**semantics)
        self.gamma = in_range("focal", "gamma", gamma, 0.0)

    def cost(self, log_p: Tensor) -> Tensor:
        """See :func:`focal`."""
        return focal(log_p, self.gamma)
