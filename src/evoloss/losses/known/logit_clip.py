"""Cross-entropy on clipped logits."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Unpack

import torch
from torch import Tensor

from evoloss.formulas import TENSORS, BatchOperations, Formula
from evoloss.losses.base import ClassificationLoss, Options
from evoloss.losses.known.ranges import Range, Ranges

__all__ = ["LogitClipLoss", "clipped_logits"]


_LEAST_UNIT = torch.finfo(torch.float32).tiny


def clipped_logits(logits: Any, delta: float, on: BatchOperations = TENSORS) -> Any:
    r"""Logits whose norm is at most :math:`\delta`: :math:`z \min(1, \delta / \|z\|_2)` for each row.

    Cross-entropy of them is at most :math:`\log(1 + (C - 1) e^{\sqrt 2 \delta})`. Classes that are masked by
    a logit of ``-inf`` stay so and do not count in the norm.

    Args:
        logits: shape ``(N, C)``.
        delta: above 0.
        on: operations.

    References:
        Wei et al. 2023, ICML, arXiv:2212.04055.
    """
    masked = logits == -math.inf
    finite = on.where(masked, 0.0, logits)
    # In units of the largest logit, so that no square overflows. A row of zeros has no norm.
    unit = on.at_least(on.beside(on.largest(abs(on.constant(finite)))), _LEAST_UNIT)
    scaled = finite / unit
    square = on.beside(on.total(scaled**2))
    bound = delta / unit
    long = square > bound**2
    clipped = scaled * on.rsqrt(on.where(long, square, 1.0)) * delta
    return on.where(masked, logits, on.where(long, clipped, finite))


def clipped_cross_entropy(logits: Any, delta: float, on: BatchOperations = TENSORS) -> Any:
    """Cross-entropy of :func:`clipped_logits` with every class as the label, ``(N, C)``."""
    return -on.log_softmax(clipped_logits(logits, delta, on))


class LogitClipLoss(ClassificationLoss):
    """Cross-entropy on clipped logits, LogitClip; see :func:`clipped_logits`.

    Unlike other losses it changes if a constant is added to all logits of a row.

    Args:
        delta: largest norm of a row of logits, above 0, at most 1e4. The paper chooses it for each kind and
            rate of noise; later comparisons have 0.5 to 2.5 (cswjl/eps-softmax). The authors' code
            (hongxin001/LogitClip) gives ``1 / temp`` as the norm of rows longer than ``temp``, which is the
            formula of the paper for 1, the default of both.
        weight: one factor a class; see :class:`ClassificationLoss`.
        **options: ``ignore_index``, ``reduction``, ``label_smoothing``; see there.

    Raises:
        ConfigError: if ``delta`` is out of range.

    Example:
        >>> criterion = LogitClipLoss(delta=1.0, reduction="none")
        >>> print(criterion(torch.tensor([[3.0, 4.0], [0.3, 0.4]]), torch.tensor([0, 0])))
        tensor([0.7981, 0.7444])
    """

    name: ClassVar[str] = "logit_clip"
    reference: ClassVar[str] = "Wei et al. 2023, arXiv:2212.04055"
    formula: ClassVar[Formula | None] = Formula(clipped_cross_entropy, "logits")
    ranges: ClassVar[Ranges] = {"delta": Range(0.0, 1e4, above=True, scale="log", search=(0.1, 10.0))}

    def __init__(
        self, weight: Tensor | None = None, *, delta: float = 1.0, **options: Unpack[Options]
    ) -> None:
        super().__init__(weight, **options)
        self.delta = self._in_range("delta", delta)

    def class_costs(self, logits: Tensor) -> Tensor:
        """Cross-entropy of :func:`clipped_logits`."""
        costs: Tensor = clipped_cross_entropy(logits, self.delta)
        return costs
