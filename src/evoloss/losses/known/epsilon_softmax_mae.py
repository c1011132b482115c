"""Cross-entropy on an epsilon-softmax, with mean absolute error."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Unpack

import torch.nn.functional as F
from torch import Tensor

from evoloss.formulas import TENSORS, BatchOperations, Formula
from evoloss.losses.base import ClassificationLoss, Options
from evoloss.losses.known.mae import mae
from evoloss.losses.known.ranges import Range, Ranges

__all__ = ["EpsilonSoftmaxMaeLoss", "epsilon_softmax"]


def epsilon_softmax(log_probs: Any, m: float, on: BatchOperations = TENSORS) -> Any:
    r"""Log-probabilities after m is added to the largest probability: :math:`\log \frac{p + m e_t}{m + 1}`.

    t is the most probable class, the first of several. No gradient flows through the choice of it.

    Args:
        log_probs: log-probabilities, shape ``(N, C)``.
        m: at least 0; 0 changes nothing, a large one gives nearly one-hot vectors.
        on: operations.

    References:
        Wang et al. 2024, NeurIPS, "epsilon-Softmax: Approximating One-Hot Vectors for Mitigating Label
        Noise".
    """
    _, predicted = on.most_likely(on.constant(log_probs))
    top = on.places(log_probs.shape[1], log_probs) == predicted[:, None]
    raised = on.log(on.where(top, on.exp(log_probs) + m, 1.0))
    return on.where(top, raised, log_probs) - math.log1p(m)


def epsilon_softmax_mae(
    log_probs: Any, alpha: float, beta: float, m: float, min_prob: float, on: BatchOperations = TENSORS
) -> Any:
    """Mean absolute error with the cross-entropy of :func:`epsilon_softmax` beside, ``(N, C)``."""
    sharpened = on.at_least(epsilon_softmax(log_probs, m, on), math.log(min_prob))
    return beta * mae(log_probs, on) - alpha * sharpened


class EpsilonSoftmaxMaeLoss(ClassificationLoss):
    r"""Cross-entropy on an epsilon-softmax with mean absolute error, tuned to a known noise rate (an oracle).

    .. math:: -\alpha \log \max\left(\tilde p_y, \mathit{min\_prob}\right) + 2 \beta (1 - p_y)

    with :math:`\tilde p` of :func:`epsilon_softmax`. The authors choose alpha for the kind and the rate of
    the noise, which nobody knows of his own data: a row with their values is that of an oracle. Their code
    (cswjl/eps-softmax) keeps probabilities above 1e-8, which matters: a label that is not the most probable
    class is pulled by the first term only above 1e-8 (m + 1), and above 1/1000 with the default m.

    Args:
        alpha: factor of the cross-entropy, at least 0. The default is for symmetric noise on CIFAR-10;
            asymmetric 0.02 with ``m=1e3``, instance-dependent 0.045 with ``beta=10``; CIFAR-100 with
            ``beta=1, m=1e4``: 0.1 without noise, 0.05, 0.03, 0.00125 and 0.0075 for 20, 40, 60 and 80 %
            symmetric; with ``beta=1, m=100``: 0.015, 0.007, 0.005 and 0.004 for 10 to 40 % asymmetric.
        beta: factor of the absolute error, at least 0.
        m: mass that is added to the most probable class, at least 0.
        min_prob: least probability in the cross-entropy, in (0, 0.1].
        weight: one factor a class; see :class:`ClassificationLoss`.
        **options: ``ignore_index``, ``reduction``, ``label_smoothing``; see there.

    Raises:
        ConfigError: if a parameter is out of range.

    References:
        Wang et al. 2024, NeurIPS, "epsilon-Softmax: Approximating One-Hot Vectors for Mitigating Label
        Noise".

    Example:
        >>> criterion = EpsilonSoftmaxMaeLoss(alpha=0.01, beta=5.0, m=1e5, reduction="none")
        >>> print(criterion(torch.tensor([[2.0, 0.0, 0.0], [2.0, 0.0, 0.0]]), torch.tensor([0, 1])))
        tensor([2.1301, 9.0725])
    """

    name: ClassVar[str] = "epsilon_softmax_mae"
    reference: ClassVar[str] = "Wang et al. 2024, NeurIPS"
    formula: ClassVar[Formula | None] = Formula(epsilon_softmax_mae, "classes")
    ranges: ClassVar[Ranges] = {
        "alpha": Range(0.0, scale="log", search=(0.001, 1.0)),
        "beta": Range(0.0, scale="log", search=(0.1, 100.0)),
        "m": Range(0.0, scale="log", search=(1.0, 1000000.0)),
        "min_prob": Range(0.0, 0.1, above=True, scale="log", search=(1e-10, 0.01)),
    }

    def __init__(
        self,
        weight: Tensor | None = None,
        *,
        alpha: float = 0.01,
        beta: float = 5.0,
        m: float = 1e5,
        min_prob: float = 1e-8,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(weight, **options)
        self.alpha = self._in_range("alpha", alpha)
        self.beta = self._in_range("beta", beta)
        self.m = self._in_range("m", m)
        self.min_prob = self._in_range("min_prob", min_prob)

    def class_costs(self, logits: Tensor) -> Tensor:
        """See the class."""
        numbers = self.alpha, self.beta, self.m, self.min_prob
        return epsilon_softmax_mae(F.log_softmax(logits, dim=1), *numbers)
