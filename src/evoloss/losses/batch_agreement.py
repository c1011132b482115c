"""How far a batch has learned each label's class, for losses that see their batch."""

from __future__ import annotations

import torch
from torch import Tensor

from evoloss.losses.pick import pick
from evoloss.losses.table_rows import Labels
from evoloss.networks import agreements_of, dense_agreements_of


def batch_agreements(logits: Tensor, labels: Labels) -> Tensor:
    """The agreement of each position of a batch (:mod:`evoloss.networks.paced`), without gradient.

    Args:
        logits: of any floating dtype, shape ``(N, C)``.
        labels: as they are, without weight and smoothing; positions to ignore take no part.

    Returns:
        The agreement with the label, ``(N,)``; for dense labels with each class, ``(N, C)``.

    Raises:
        IndexError: if an index target is outside ``[0, C)``.
    """
    working = torch.promote_types(logits.dtype, torch.float32)
    log_probs = torch.log_softmax(logits.detach().to(working), dim=1)
    if labels.target.dim() == 2:
        return dense_agreements_of(log_probs.exp(), labels.shares(log_probs))
    counts = labels.target != labels.ignore_index
    p = pick(log_probs, labels.target, labels.ignore_index).exp()  # raises for an index out of range
    if labels.is_dense:
        return dense_agreements_of(log_probs.exp(), labels.shares(log_probs) * counts[:, None])
    return agreements_of(p, labels.label, counts, logits.shape[1])
