"""How far a batch has learned its labels, for losses that see their batch."""

from __future__ import annotations

import torch
from torch import Tensor

from evoloss.losses.pick import pick
from evoloss.losses.table_rows import Labels
from evoloss.networks import agreement_of


def batch_agreement(logits: Tensor, labels: Labels) -> Tensor:
    """The agreement of a batch with its labels (:mod:`evoloss.networks.paced`), a scalar without gradient.

    Args:
        logits: of any floating dtype, shape ``(N, C)``.
        labels: as they are, without weight and smoothing; positions to ignore take no part.

    Raises:
        IndexError: if an index target is outside ``[0, C)``.
    """
    working = torch.promote_types(logits.dtype, torch.float32)
    log_probs = torch.log_softmax(logits.detach().to(working), dim=1)
    n_classes = logits.shape[1]
    if labels.target.dim() == 2:
        shares = labels.target.detach()
        learned = torch.where(shares == 0, 0.0, log_probs.exp() * shares).sum(1)
        return agreement_of(learned, None, n_classes)
    learned = pick(log_probs, labels.target, labels.ignore_index).exp()
    return agreement_of(learned, labels.target != labels.ignore_index, n_classes)
