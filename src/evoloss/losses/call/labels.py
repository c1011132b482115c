"""Labels as a loss takes them: class indices or distributions, weighted, smoothed, partly ignored."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from evoloss.losses.call.gather import label_of


class Labels(NamedTuple):
    """The label distributions of rows, and what multiplies a class.

    Attributes:
        target: class indices ``(N,)``, int64; or probabilities ``(N, C)``.
        weight: a factor a class, float32, ``(C,)``; None for all ones.
        smoothing: share of the uniform distribution in each label's.
        ignore_index: index target of rows that cost 0, whatever they hold.
    """

    target: Tensor
    weight: Tensor | None
    smoothing: float
    ignore_index: int

    @property
    def label(self) -> Tensor:
        """Index targets, and class 0, which always exists, for rows to ignore; ``(N,)``."""
        return label_of(self.target, self.ignore_index)

    @property
    def is_dense(self) -> bool:
        """Whether more than the label's own class has a share."""
        return self.target.dim() == 2 or self.smoothing > 0.0

    def shares(self, logits: Tensor) -> Tensor:
        """Each class's share of the labels before smoothing, ``(N, C)``, in the dtype of the logits."""
        if self.target.dim() == 2:
            return self.target.to(logits.dtype)
        # What one_hot does, also within a transform of torch.func.
        classes = torch.arange(logits.shape[1], device=logits.device)
        return (self.label[:, None] == classes).to(logits.dtype)

    def masses(self, rows: slice, n_classes: int) -> Tensor:
        """Weight times share of each class, for some rows of dense labels: float32, ``(n, C)``."""
        target = self.target[rows] if self.target.dim() == 2 else self.label[rows]
        spread = self.smoothing / n_classes
        if target.dim() == 2:
            masses = target.to(torch.float32, copy=True)
            if self.smoothing > 0.0:
                masses.mul_(1.0 - self.smoothing).add_(spread)
        else:
            masses = torch.full((len(target), n_classes), spread, device=target.device)
            kept = torch.full_like(masses[:, :1], 1.0 - self.smoothing)
            masses.scatter_add_(1, target[:, None], kept)
        return masses if self.weight is None else masses.mul_(self.weight)

    def traced_masses(self, logits: Tensor) -> Tensor:
        """:meth:`masses` of all rows by differentiable operations, in the dtype of the logits."""
        share = (1.0 - self.smoothing) * self.shares(logits) + self.smoothing / logits.shape[1]
        return share if self.weight is None else share * self.weight
