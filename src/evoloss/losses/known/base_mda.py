"""Selection of the labels that are predicted, with adjusted class marginals."""

from __future__ import annotations

from typing import ClassVar, Unpack

import torch
from torch import Tensor

from evoloss.losses.base import Options
from evoloss.losses.call.labels import Labels
from evoloss.losses.known.ranges import Range, Ranges
from evoloss.losses.stateful import EpochLoss, counted_rows
from evoloss.networks import BatchSums, RunningState

__all__ = ["BaseMdaLoss", "adjusted_choice"]

_BATCH = 128
"""Samples of the batches that ``momentum`` is for."""


def adjusted_choice(log_probs: Tensor, marginal: Tensor) -> Tensor:
    r"""The class with the largest :math:`p_j / p'_j` of each row, the first of several, ``(N, 1)``.

    Args:
        log_probs: log-probabilities, shape ``(N, C)``.
        marginal: :math:`p'`, the probabilities of the classes, shape ``(C,)``.
    """
    adjusted = log_probs - marginal.to(log_probs.dtype).clamp(min=torch.finfo(log_probs.dtype).tiny).log()
    return adjusted.argmax(dim=1, keepdim=True)


class BaseMdaLoss(EpochLoss):
    r"""Cross-entropy of the samples whose label is predicted (BASE), with adjusted class marginals (MDA).

    .. math:: L(p, k) = -[k = \arg\max_j p_j / p'_j] \log p_k

    after ``warmup`` epochs of cross-entropy, where :math:`p'` is the running mean of the predictions, uniform
    at first; dividing by it keeps easy classes from being chosen too often. The mean over a batch divides
    by all of its samples. :meth:`plan_training` has to say how many samples an epoch has.

    The paper chooses once in an epoch, by the predictions of the epoch before; here a sample is chosen by the
    prediction that is trained, for which no memory of each sample is needed. The running mean moves on with
    samples, as in batches of 128, which the authors' earlier code has (Aliinton/ConfidenceTracking).

    Args:
        warmup: epochs of cross-entropy, at least 0; the paper has "a few".
        momentum: factor of the running mean in 128 samples, in [0, 1). 0.99 is the value of the paper.
        weight: one factor a class; see :class:`ClassificationLoss`.
        **options: ``ignore_index``, ``reduction``, ``label_smoothing``; see there.

    Raises:
        ConfigError: if a parameter is out of range.

    References:
        Pan, Wei and Xie 2026, CVPR, "Debiased Sample Selection for Learning with Noisy Labels"; checked
        against a digest of the paper, since neither it nor its code could be read.

    Example:
        >>> criterion = BaseMdaLoss(warmup=1.0)
        >>> criterion.plan_training(n_samples=2, epochs=4)
        >>> logits = torch.tensor([[2.0, 0.0], [0.0, 2.0]], requires_grad=True)
        >>> print([round(criterion(logits, torch.tensor([0, 0])).item(), 3) for _ in range(2)])
        [1.127, 0.063]
    """

    name: ClassVar[str] = "base_mda"
    reference: ClassVar[str] = "Pan, Wei and Xie 2026, CVPR"
    ranges: ClassVar[Ranges] = {
        "warmup": Range(0.0, search=(0.0, 30.0)),
        "momentum": Range(0.0, 0.999999, search=(0.9, 0.999)),
    }

    def __init__(
        self,
        weight: Tensor | None = None,
        *,
        warmup: float = 5.0,
        momentum: float = 0.99,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(weight, **options)
        self.warmup = self._in_range("warmup", warmup)
        self.momentum = self._in_range("momentum", momentum)

    def initial_state(self, n_classes: int) -> RunningState:
        """The running mean of the predictions, ``(C,)``, and the number of samples so far."""
        marginal = torch.full((n_classes,), 1 / max(1, n_classes), dtype=torch.float32)
        return {"marginal": marginal, **super().initial_state(n_classes)}

    def batch_sums(self, log_probs: Tensor, labels: Labels) -> BatchSums:
        """The sum of the predictions."""
        rows = counted_rows(log_probs, labels)[:, None]
        return {"given": torch.where(rows, log_probs.exp(), 0.0).sum(dim=0)}

    def moved_on(self, state: RunningState, sums: BatchSums) -> RunningState:
        """The running mean moves towards the mean prediction of the batch."""
        number = sums["number"].to(sums["given"].dtype)
        mean = sums["given"] / number.clamp(min=1.0)
        share = self.momentum ** (number / _BATCH)
        marginal = torch.lerp(mean, state["marginal"].to(mean.dtype), share)
        return {"marginal": marginal, **super().moved_on(state, sums)}

    def costs_at(self, log_probs: Tensor, state: RunningState) -> Tensor:
        """Cross-entropy of what is chosen, or of all while warming up."""
        classes = torch.arange(log_probs.shape[1], device=log_probs.device)
        chosen = classes == adjusted_choice(log_probs.detach(), state["marginal"])
        return torch.where(chosen | (self.epoch(state) < self.warmup), -log_probs, 0.0)
