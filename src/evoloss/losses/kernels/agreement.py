"""How far a batch has learned each label's class, for losses that see their batch."""

from __future__ import annotations

import torch
from torch import Tensor

from evoloss.losses.call.gather import pick
from evoloss.losses.call.labels import Labels
from evoloss.losses.kernels.cpu_rows import row_chunks
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
    logits = logits.detach()
    if labels.target.dim() == 2:
        log_probs = _log_softmax(logits)
        return dense_agreements_of(log_probs.exp(), labels.shares(log_probs))
    counts = labels.target != labels.ignore_index
    if labels.is_dense:
        log_probs = _log_softmax(logits)
        pick(log_probs, labels.target, labels.ignore_index)  # raises for an index out of range
        return dense_agreements_of(log_probs.exp(), labels.shares(log_probs) * counts[:, None])
    log_p = _label_log_probs(logits, labels)
    return agreements_of(log_p.exp(), labels.label, counts, logits.shape[1])


def _label_log_probs(logits: Tensor, labels: Labels) -> Tensor:
    """``log p_y`` of each position, ``(N,)``; on a CPU a few rows at a time, so that no copy is made."""
    if torch.compiler.is_compiling() or logits.device.type != "cpu":
        return pick(_log_softmax(logits), labels.target, labels.ignore_index)
    return torch.cat(
        [
            pick(_log_softmax(logits[rows]), labels.target[rows], labels.ignore_index)
            for rows in row_chunks(*logits.shape)
        ]
    )


def _log_softmax(logits: Tensor) -> Tensor:
    """In float32 where logits are narrower."""
    working = torch.promote_types(logits.dtype, torch.float32)
    return torch.log_softmax(logits.to(working), dim=1)
