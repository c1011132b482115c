"""Next Generation Loss, found by genetic programming."""

from __future__ import annotations

from typing import Any, ClassVar, Unpack

import torch.nn.functional as F
from torch import Tensor

from evoloss.formulas import TENSORS, BatchOperations, Formula
from evoloss.losses.base import ClassificationLoss, Options
from evoloss.losses.known.ranges import Range, Ranges

__all__ = ["NglLoss", "ngl"]


def ngl(log_probs: Any, alpha: float, on: BatchOperations = TENSORS) -> Any:
    r"""NGL, :math:`\frac{1}{C} \sum_j e^{\alpha - p_j (1 + [j = k])} - \cos\cos\sin p_j` for every class k.

    Args:
        log_probs: log-probabilities, shape ``(N, C)``.
        alpha: finite.
        on: operations.

    References:
        Akhmedova and Körber 2024, arXiv:2404.12948.
    """
    probs = on.exp(log_probs)
    others = on.exp(alpha - probs)
    common = on.beside(on.mean(others - on.cos(on.cos(on.sin(probs)))))
    return common + (on.exp(alpha - 2.0 * probs) - others) / log_probs.shape[1]


class NglLoss(ClassificationLoss):
    """Next Generation Loss; see :func:`ngl`.

    The published formula is ``(1/N) sum_i (exp(alpha - p_i (1 + t_i)) - cos(cos(sin p_i)))``, which does not
    say what i runs over. Settled here: over the classes, p after softmax (the mean over samples is
    ``reduction``).

    It punishes certainty: with equal probabilities for the other classes it is cheapest at p_y = 0.57 for two
    classes, 0.39 for ten and 0.36 for a hundred.

    Args:
        alpha: at most 10, where the exponential still fits float16. 2.4092 is the value of the paper.
        weight: one factor a class; see :class:`ClassificationLoss`.
        **options: ``ignore_index``, ``reduction``, ``label_smoothing``; see there.

    Raises:
        ConfigError: if ``alpha`` is out of range.

    Example:
        >>> criterion = NglLoss(alpha=2.4092)
        >>> print(criterion(torch.tensor([[2.0, 0.0, 0.0]]), torch.tensor([1])))
        tensor(7.4136)
    """

    name: ClassVar[str] = "ngl"
    reference: ClassVar[str] = "Akhmedova and Körber 2024, arXiv:2404.12948"
    formula: ClassVar[Formula | None] = Formula(ngl, "classes")
    ranges: ClassVar[Ranges] = {"alpha": Range(-10.0, 10.0, search=(0.0, 5.0))}

    def __init__(
        self, weight: Tensor | None = None, *, alpha: float = 2.4092, **options: Unpack[Options]
    ) -> None:
        super().__init__(weight, **options)
        self.alpha = self._in_range("alpha", alpha)

    def class_costs(self, logits: Tensor) -> Tensor:
        """See :func:`ngl`."""
        return ngl(F.log_softmax(logits, dim=1), self.alpha)
