"""Bi-tempered logistic loss."""

from __future__ import annotations

from typing import Any, ClassVar, Unpack

from torch import Tensor

from evoloss.formulas import TENSORS, BatchOperations, Formula
from evoloss.losses.base import ClassificationLoss, Options
from evoloss.losses.known.ranges import Range, Ranges

__all__ = ["BiTemperedLoss", "bi_tempered", "tempered_log_softmax"]

# Newton steps to the normaliser. Each doubles the digits; the tests show float64 precision with these many
# for temperatures up to 4 and 100,000 classes.
_STEPS = 6


def bi_tempered(logits: Any, t1: float, t2: float, on: BatchOperations = TENSORS) -> Any:
    r"""Bi-tempered logistic loss for every class k; at least 0, 0 at p_k = 1.

    .. math::
        L(p, k) = -\log_{t_1} p_k - \frac{1 - \sum_j p_j^{2 - t_1}}{2 - t_1},
        \qquad \log_t u = \frac{u^{1 - t} - 1}{1 - t},

    with p the tempered softmax of the logits, see :func:`tempered_log_softmax`. t1 = t2 = 1 is cross-entropy.

    Args:
        logits: finite, shape ``(N, C)``.
        t1: temperature of the logarithm, in [0, 1]; below 1 the loss is bounded.
        t2: temperature of the softmax, in [1, 4]; above 1 its tail is heavy.
        on: operations.

    Returns:
        The costs, shape ``(N, C)``.

    References:
        Amid et al. 2019, arXiv:1906.03361.
    """
    log_probs = tempered_log_softmax(logits, t2, on)
    surprise = -log_probs if t1 == 1.0 else -on.expm1((1.0 - t1) * log_probs) / (1.0 - t1)
    # In powers of probs, not of probs - 1: the sum over classes is 1 at t1 = 1, whatever C is.
    power = on.beside(on.total(on.exp((2.0 - t1) * log_probs)))
    return surprise - (1.0 - power) / (2.0 - t1)


def tempered_log_softmax(logits: Any, t: float, on: BatchOperations = TENSORS) -> Any:
    r"""Logarithm of the tempered softmax, :math:`p_k = \exp_t(z_k - \lambda)`; lambda makes it sum to 1.

    :math:`\exp_t u = (1 + (1 - t) u)^{1 / (1 - t)}`. Where the paper iterates a fixed point five times, this
    takes Newton steps until nothing changes, and differentiates through the last two of them: from a
    solution, one Newton step has the exact first derivative of the normaliser, and two have the exact second.

    Args:
        logits: finite, shape ``(N, C)``.
        t: temperature, in [1, 4]; 1 gives the log-softmax.
        on: operations.

    Returns:
        The log-probabilities, shape ``(N, C)``.
    """
    if t == 1.0:
        return on.log_softmax(logits)
    s = t - 1.0
    # p_k = (1 + v + d_k)^(-1/s), with d_k the distance below the largest logit and v >= 0 the unknown. Any
    # constant may stand for the largest logit, v makes up for it; so it is one, and needs no derivative.
    distance = s * (on.beside(on.largest(on.constant(logits))) - logits)
    settled = on.constant(distance)
    v = on.ones(settled[:, :1]) * 0.0
    for _ in range(_STEPS):
        v = _newton_step(v, settled, s, on)
    for _ in range(2):
        v = _newton_step(v, distance, s, on)
    return -on.log1p(v + distance) / s


def _newton_step(v: Any, distance: Any, s: float, on: BatchOperations) -> Any:
    """One Newton step towards ``sum_k (1 + v + d_k)^(-1/s) = 1``, on that sum to the power -s.

    The power makes the equation nearly linear in v, exactly so for equal logits. It is concave and
    increasing, so the steps come from v = 0 without overshooting.
    """
    log_terms = -on.log1p(v + distance) / s
    log_sum = on.beside(on.logsumexp(log_terms))
    shares = on.exp(log_terms - log_sum)
    return v + on.expm1(s * log_sum) / on.beside(on.total(shares / (1.0 + v + distance)))


class BiTemperedLoss(ClassificationLoss):
    """Bi-tempered logistic loss; see :func:`bi_tempered`.

    For a label distribution q the rule of the package and the divergence of the paper differ by a constant.

    Args:
        t1: temperature of the logarithm, in [0, 1]. The default is a setting for noisy CIFAR-100.
        t2: temperature of the softmax, in [1, 4]. The default is a setting for noisy CIFAR-100.
        weight: one factor a class; see :class:`ClassificationLoss`.
        **options: ``ignore_index``, ``reduction``, ``label_smoothing``; see there.

    Raises:
        ConfigError: if a parameter is out of range.

    Example:
        >>> criterion = BiTemperedLoss(t1=0.8, t2=1.2)
        >>> print(criterion(torch.tensor([[2.0, 0.0, 0.0]]), torch.tensor([1])))
        tensor(1.4843)
    """

    name: ClassVar[str] = "bi_tempered"
    reference: ClassVar[str] = "Amid et al. 2019, arXiv:1906.03361"
    formula: ClassVar[Formula | None] = Formula(bi_tempered, "logits")
    ranges: ClassVar[Ranges] = {
        "t1": Range(0.0, 1.0),
        "t2": Range(1.0, 4.0),
    }

    def __init__(
        self, weight: Tensor | None = None, *, t1: float = 0.8, t2: float = 1.2, **options: Unpack[Options]
    ) -> None:
        super().__init__(weight, **options)
        self.t1 = self._in_range("t1", t1)
        self.t2 = self._in_range("t2", t2)

    def class_costs(self, logits: Tensor) -> Tensor:
        """See :func:`bi_tempered`."""
        return bi_tempered(logits, self.t1, self.t2)
