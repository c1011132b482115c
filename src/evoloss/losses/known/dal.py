"""Dynamics-aware loss."""

from __future__ import annotations

import math
from typing import ClassVar, Unpack

import torch
from torch import Tensor

from evoloss.losses.base import Options
from evoloss.losses.known.ranges import Range, Ranges
from evoloss.losses.stateful import EpochLoss
from evoloss.networks import RunningState

__all__ = ["DalLoss", "dal", "dal_schedule"]


def dal_schedule(epoch: Tensor, epochs: int, q_start: float, q_end: float) -> tuple[Tensor, Tensor]:
    r"""Exponent and factor of the bootstrapping at an epoch.

    .. math:: q = q_s + (q_e - q_s) \frac{t}{T}, \qquad
        \lambda = \max\left(0, \frac{t - t_0}{T - t_0}\right), \qquad t_0 = \frac{1 - q_s}{q_e - q_s} T

    so that the bootstrapping begins where q passes 1, beyond which nothing is learned of hopeless labels.

    Args:
        epoch: t, from 0, floating; later than T counts as T.
        epochs: T.
        q_start: :math:`q_s`, in (0, 1].
        q_end: :math:`q_e`, above 1.
    """
    share = (epoch / epochs).clamp(max=1.0)
    turn = (1.0 - q_start) / (q_end - q_start)
    return q_start + (q_end - q_start) * share, ((share - turn) / (1.0 - turn)).clamp(min=0.0)


def dal(log_probs: Tensor, q: Tensor, factor: Tensor) -> Tensor:
    r"""Generalised cross-entropy and soft bootstrapping, for every class k as the label; at least 0.

    .. math:: \frac{1 - p_k^q}{q} - \frac{\lambda}{q \log C} \sum_j p_j \log p_j

    Args:
        log_probs: log-probabilities, shape ``(N, C)``.
        q: exponent, above 0; a scalar.
        factor: :math:`\lambda`, at least 0; a scalar.

    Returns:
        The costs, shape ``(N, C)``.

    References:
        Li et al. 2023, arXiv:2303.11562.
    """
    finite = torch.where(log_probs.isneginf(), 0.0, log_probs)
    entropy = -(log_probs.exp() * finite).sum(dim=1, keepdim=True)
    n_classes = max(2, log_probs.shape[1])  # one class has no entropy
    return (factor * entropy / math.log(n_classes) - torch.expm1(q * log_probs)) / q


class DalLoss(EpochLoss):
    """Dynamics-aware loss; see :func:`dal` and :func:`dal_schedule`.

    From fitting to robustness over the epochs: :meth:`plan_training` has to say how many there are. Before
    the first sample, and so in evaluation mode, it is generalised cross-entropy with exponent ``q_start``.
    The epoch is counted in samples.

    Args:
        q_start: exponent at the start, in (0, 1]. 0.6 is the default of the authors' code (XiuchuanLi/DAL).
        q_end: exponent at the end, above 1, at most 10. 1.5 comes from the same place.
        weight: one factor a class; see :class:`ClassificationLoss`.
        **options: ``ignore_index``, ``reduction``, ``label_smoothing``; see there.

    Raises:
        ConfigError: if a parameter is out of range.

    Example:
        >>> criterion = DalLoss()
        >>> criterion.plan_training(n_samples=2, epochs=4)
        >>> logits = torch.tensor([[2.0, 0.0], [0.0, 2.0]], requires_grad=True)
        >>> print([round(criterion(logits, torch.tensor([0, 0])).item(), 3) for _ in range(4)])
        [0.662, 0.561, 0.535, 0.652]
    """

    name: ClassVar[str] = "dal"
    reference: ClassVar[str] = "Li et al. 2023, arXiv:2303.11562"
    ranges: ClassVar[Ranges] = {
        "q_start": Range(0.0, 1.0, above=True, search=(0.1, 1.0)),
        "q_end": Range(1.0, 10.0, above=True, search=(1.1, 3.0)),
    }

    def __init__(
        self,
        weight: Tensor | None = None,
        *,
        q_start: float = 0.6,
        q_end: float = 1.5,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(weight, **options)
        self.q_start = self._in_range("q_start", q_start)
        self.q_end = self._in_range("q_end", q_end)

    def costs_at(self, log_probs: Tensor, state: RunningState) -> Tensor:
        """See :func:`dal`, at the epoch of the training."""
        epoch = self.epoch(state).to(log_probs.dtype)
        return dal(log_probs, *dal_schedule(epoch, self.epochs or 1, self.q_start, self.q_end))
