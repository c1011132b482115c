"""Costs of rows by tables and differentiable operations, which a compiler makes one loop of."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from evoloss.losses.call.gather import gather
from evoloss.losses.call.labels import Labels
from evoloss.networks import LookupTables

__all__ = ["traced_rows"]


def traced_rows(logits: Tensor, labels: Labels, tables: LookupTables) -> Tensor:
    """The costs of rows, weighted and smoothed, 0 for rows to ignore; differentiable once.

    The place in the table is a constant to differentiation, so what autograd finds is the slope in the table.

    Args:
        logits: float32, shape ``(N, C)``.
        labels: their labels.
        tables: for C classes, on the same device.
    """
    log_probs = F.log_softmax(logits, dim=1)
    if not labels.is_dense:
        costs = tables.label(gather(log_probs, labels.target, labels.ignore_index))
        return labels.weigh(costs + tables.other(log_probs).sum(1) if tables.has_other else costs)
    class_costs = tables.label(log_probs)
    if tables.has_other:
        class_costs = class_costs + tables.other(log_probs).sum(1, keepdim=True)
    return labels.mix(class_costs)
