"""The agreement of a batch: how far its labels are learned, which is what paced losses go by."""

from __future__ import annotations

import torch
from torch import Tensor

from evoloss.losses.call.labels import Labels
from evoloss.networks import agreements_of, dense_agreements_of


def agreement(logits: Tensor, target: Tensor, *, ignore_index: int = -100) -> Tensor:
    r"""The mean agreement of a batch: how far labels are learned, from 0 at chance to 1; a scalar, float32.

    That of a class is :math:`(m - 1/C) / (1 - 1/C)`, at least 0, with m the mean probability that its samples
    give to it; the one of a sample leaves the sample itself out, as a paced loss does.

    Args:
        logits: ``(C)``, ``(N, C)`` or ``(N, C, d1, ...)``.
        target: class indices or probabilities, as the loss takes them.
        ignore_index: index target that does not count.

    Example:
        >>> print(agreement(torch.tensor([[9.0, 0], [9, 0], [9, 0]]), torch.tensor([0, 0, 0])))
        tensor(0.9998)
    """
    axis = 0 if logits.dim() == 1 else 1
    n_classes = logits.shape[axis]
    with torch.no_grad():
        rows = logits.detach().movedim(axis, -1).reshape(-1, n_classes).float()
        probs = rows.softmax(1)
        if logits.shape == target.shape:
            shares = target.movedim(axis, -1).reshape(rows.shape).float()
            of_classes: Tensor = dense_agreements_of(probs, shares)
            return (of_classes * shares).sum() / shares.sum()
        labels = Labels(target.reshape(-1).long(), None, 0.0, ignore_index, False)
        given = probs.gather(1, labels.label[:, None])[:, 0]
        agreements: Tensor = agreements_of(given, labels.label, labels.counted, n_classes)
        return agreements[labels.counted].mean()
