"""Labels as a loss takes them: indices or distributions, weighted, smoothed, partly ignored, and the mean.

The one place of the rule that a label distribution q costs ``sum_k w_k q_k L(p, k)``: an index target is the
one-hot q, smoothing replaces q by ``(1 - eps) q + eps / C``, and a row to ignore costs 0 and does not count.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from evoloss.losses.call.gather import gather, label_of
from evoloss.losses.call.validation import Reduction


class Labels(NamedTuple):
    """The label distributions of rows, and what multiplies a class.

    Attributes:
        target: class indices ``(N,)``, int64; or probabilities ``(N, C)``.
        weight: a factor a class, float32 or float64, ``(C,)``; None for all ones.
        smoothing: share of the uniform distribution in each label's, from 0 to 1.
        ignore_index: index target of rows that cost 0, whatever they hold.
        is_dense: whether more than the label's own class has a share.
    """

    target: Tensor
    weight: Tensor | None
    smoothing: float
    ignore_index: int
    is_dense: bool

    @property
    def has_indices(self) -> bool:
        """True if the target holds class indices."""
        return self.target.dim() == 1

    @property
    def label(self) -> Tensor:
        """Index targets, and class 0, which always exists, for rows to ignore; ``(N,)``."""
        return label_of(self.target, self.ignore_index)

    @property
    def counted(self) -> Tensor:
        """Mask of the index targets that are not to be ignored, ``(N,)``."""
        return self.target != self.ignore_index

    def shares(self, log_probs: Tensor) -> Tensor:
        """Each class's share of the labels before smoothing, 0 for rows to ignore, ``(N, C)``."""
        if not self.has_indices:
            return self.target.to(log_probs.dtype)
        # What one_hot does, also within a transform of torch.func.
        classes = torch.arange(log_probs.shape[1], device=log_probs.device)
        return (self.target[:, None] == classes).to(log_probs.dtype) * self.counted[:, None]

    def weighted_shares(self, rows: slice, n_classes: int) -> Tensor:
        """Weight times share of each class, for some rows of dense labels: float32, ``(n, C)``."""
        spread = self.smoothing / n_classes
        if self.has_indices:
            target = self.label[rows]
            shape, device = (len(target), n_classes), target.device
            shares = torch.full(shape, spread, dtype=torch.float32, device=device)
            confidence = torch.full_like(shares[:, :1], 1.0 - self.smoothing)
            shares.scatter_add_(1, target[:, None], confidence)
        else:
            shares = self.target[rows].to(torch.float32, copy=True)
            if self.smoothing > 0.0:
                shares.mul_(1.0 - self.smoothing).add_(spread)
        return shares if self.weight is None else shares.mul_(self.weight)

    def differentiable_weighted_shares(self, logits: Tensor) -> Tensor:
        """:meth:`weighted_shares` of all rows by differentiable operations, in the dtype of the logits."""
        share = self.target.to(logits.dtype)
        if self.has_indices:
            classes = torch.arange(logits.shape[1], device=logits.device)
            share = (self.label[:, None] == classes).to(logits.dtype)
        if self.smoothing > 0.0:
            share = (1.0 - self.smoothing) * share + self.smoothing / logits.shape[1]
        return share if self.weight is None else share * self.weight

    def mix(self, class_costs: Tensor) -> Tensor:
        """Costs of rows with dense labels from those of each class as the label, ``(N, C)`` to ``(N,)``.

        Raises:
            IndexError: if an index target is outside ``[0, C)``.
        """
        if self.has_indices:
            gather(class_costs.detach(), self.label)  # raises for an index out of range
        weighted_shares = self.differentiable_weighted_shares(class_costs)
        # A class of probability 0 may cost infinitely much; where it has no share, that is nothing, not NaN.
        nothing = (weighted_shares == 0) & ~class_costs.isfinite()
        return self.without_ignored((torch.where(nothing, 0.0, class_costs) * weighted_shares).sum(1))

    def weigh(self, costs: Tensor) -> Tensor:
        """Costs of rows with index targets and no smoothing, ``(N,)``, times the weight of their label."""
        return self.without_ignored(costs if self.weight is None else costs * self.weight[self.label])

    def without_ignored(self, costs: Tensor) -> Tensor:
        """Costs ``(N,)`` with 0 for rows to ignore, which may cost NaN."""
        return torch.where(self.counted, costs, 0.0) if self.has_indices else costs

    def total(self) -> Tensor | int:
        """The divisor of the mean: the weights of all labels that count, or the number of distributions."""
        if not self.has_indices:
            return self.target.shape[0]
        if self.weight is None:
            return self.counted.sum()
        return torch.where(self.counted, self.weight[self.label], 0.0).sum()

    def reduce(self, costs: Tensor, reduction: Reduction) -> Tensor:
        """The result of a loss from the costs of its rows; NaN for a mean over nothing, as in PyTorch."""
        if reduction == "none":
            return costs
        return costs.sum() if reduction == "sum" else costs.sum() / self.total()
