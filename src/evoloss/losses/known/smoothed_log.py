"""Smoothed logarithm: cross-entropy that gives up on labels less likely than a guess."""

from __future__ import annotations

import math
from typing import ClassVar, Unpack

import torch
import torch.nn.functional as F
from torch import Tensor

from evoloss.losses.base import ClassificationLoss, SharedArguments
from evoloss.losses.call.gather import pick
from evoloss.losses.known.ranges import in_range

__all__ = ["SmoothedLogLoss", "smoothed_log"]


def smoothed_log(log_p: Tensor, n_classes: int, share: float) -> Tensor:
    r"""Smoothed logarithm, :math:`(1 + 1/s) \log\frac{1 + e}{p_y + e}` with :math:`e = 1 / (s C)`.

    From 0 at p_y = 1 to :math:`(1 + 1/s) \log(1 + s C)` at p_y = 0. By log p_y its slope is
    :math:`-(1 + 1/s)\, p_y / (p_y + e)`: that of cross-entropy at the uniform prediction, a little more above
    it, and next to nothing where p_y falls below e.

    Args:
        log_p: log-probability of the label, at most 0, any shape.
        n_classes: the class count C.
        share: s, above 0; e is the s-th part of the uniform probability. Towards infinity it is
            cross-entropy, towards 0 mean absolute error.

    References:
        Suggested by synthetic tasks (docs/lab-notebook.md, entry 19). It is the gambler's loss of Liu et al.
        2019, arXiv:1907.00208, with a reserve that is fixed instead of learned.
    """
    log_e = torch.full_like(log_p, -math.log(share * n_classes))
    return (1 + 1 / share) * (math.log1p(1 / (share * n_classes)) - torch.logaddexp(log_p, log_e))


class SmoothedLogLoss(ClassificationLoss):
    """Smoothed logarithm; see :func:`smoothed_log`.

    Args:
        share: above 0, at most 1e6.
        **semantics: see :class:`ClassificationLoss`.

    Raises:
        ConfigError: if ``share`` is out of range.
    """

    name: ClassVar[str] = "smoothed_log"
    _HYPERPARAMETERS: ClassVar[tuple[str, ...]] = ("share",)

    def __init__(self, *, share: float = 1.0, **semantics: Unpack[SharedArguments]) -> None:
        super().__init__(**semantics)
        self.share = in_range("smoothed_log", "share", share, 0.0, 1e6, above=True)

    def class_costs(self, logits: Tensor) -> Tensor:
        """See :func:`smoothed_log`."""
        return smoothed_log(F.log_softmax(logits, dim=1), logits.shape[1], self.share)

    def label_costs(self, logits: Tensor, target: Tensor) -> Tensor:
        """See :func:`smoothed_log`."""
        return smoothed_log(pick(F.log_softmax(logits, dim=1), target), logits.shape[1], self.share)
