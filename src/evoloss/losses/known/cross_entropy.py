"""Cross-entropy, through the shared semantics."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from evoloss.losses.known.label_probability import LabelProbabilityLoss

__all__ = ["CrossEntropyLoss", "cross_entropy"]


def cross_entropy(log_p: Tensor) -> Tensor:
    r"""Cross-entropy, :math:`-\log p_y`; at least 0, 0 at p_y = 1.

    Args:
        log_p: log-probability of the label, at most 0, any shape.
    """
    return -log_p


class CrossEntropyLoss(LabelProbabilityLoss):
    """Cross-entropy; see :func:`cross_entropy`, and :class:`ClassificationLoss` for the arguments.

    Equals ``nn.CrossEntropyLoss`` in value and gradient; the baseline that goes the way of every other loss.
    """

    name: ClassVar[str] = "cross_entropy"

    def cost(self, log_p: Tensor) -> Tensor:
        """See :func:`cross_entropy`."""
        return cross_entropy(log_p)
