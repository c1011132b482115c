"""Losses that see of a prediction the label's probability only, as cross-entropy and most known ones do."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from evoloss.losses.base import ClassificationLoss
from evoloss.losses.call.gather import pick
from evoloss.losses.call.labels import Labels
from evoloss.losses.kernels.cpu_rows import AffineTerms, looked_up_rows, traced_rows

__all__ = ["LabelProbabilityLoss"]


class LabelProbabilityLoss(ClassificationLoss):
    """Base of the losses that are a function of log p_y alone; a subclass defines :meth:`cost`.

    With index targets only the costs asked for are evaluated, in any number of dimensions without a copy.
    """

    def cost(self, log_p: Tensor) -> Tensor:
        """Cost of giving the label the log-probability ``log_p``.

        Args:
            log_p: at most 0, float32 or float64, any shape.

        Returns:
            The costs, of the same shape; finite with a finite derivative wherever ``log_p`` is finite.
        """
        raise NotImplementedError

    def class_costs(self, logits: Tensor) -> Tensor:
        """L(p, k) for every class k; ``(N, C)`` to ``(N, C)``."""
        return self.cost(F.log_softmax(logits, dim=1))

    def label_costs(self, logits: Tensor, target: Tensor) -> Tensor:
        """L(p, y); ``(N, C)`` and ``(N,)`` to ``(N,)``."""
        return self.cost(pick(F.log_softmax(logits, dim=1), target))

    def row_costs(self, logits: Tensor, labels: Labels) -> Tensor | None:
        """Costs of half-precision logits without a float32 copy of them; others need no other way."""
        is_half = logits.dtype in (torch.float16, torch.bfloat16)
        if not is_half or labels.is_dense or logits.device.type != "cpu" or torch.compiler.is_compiling():
            return None
        terms = AffineTerms(0.0, 1.0)
        log_p = looked_up_rows(logits, labels, terms, lambda rows: traced_rows(rows.float(), labels, terms))
        return torch.where(labels.target == labels.ignore_index, 0.0, self.cost(log_p))

    def _all_costs(self, logits: Tensor) -> Tensor:
        return self.class_costs(logits)

    def _picked_costs(self, logits: Tensor, target: Tensor) -> Tensor:
        return self.cost(pick(F.log_softmax(logits, dim=1), target, self.ignore_index))
