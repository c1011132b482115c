r"""Response of a loss to its readings: what labels cost while they are learned, and once they are memorised.

With k the label and j the predicted class of a sample, the pull on the label is that of cross-entropy times

.. math:: w = a \frac{1 + b p_k}{1 + b / C} + (1 - a - m) + m \Bigl(\frac{p_k}{p_j}\Bigr)^{t_j}.

Three losses take turns. While nothing is memorised a is 1: Poly-1 (Leng et al. 2022, arXiv:2204.12511), which
pulls more where labels are on their way to be learned and less on those that contradict, with a share s of
label smoothing, which keeps predictions from certainty. As labels come to be
memorised a falls to 0, and the loss is cross-entropy. Where wrong labels are among them m rises to 1: of
labels that are memorised p tells nothing, so they are doubted against their strongest rival, the predicted
class. Its exponent is by predicted class, since noise is: where a class is contradicted much less than others
are, its contradictions are hard samples. And m is by label: a class that is given up is doubted less, and
all are where doubt holds back what is to be learned (:mod:`evoloss.networks.sensing.balance`). The cost is

.. math:: L(p, k) = a \frac{b (1 - p_k) - \log p_k}{1 + b / C} - (1 - a - m) \log p_k
    + m \Bigl(\frac{1 - (p_k / p_j)^{t_j}}{t_j} - \log \frac{p_k + p_j}{2}\Bigr)
    - a \frac{s}{C} \sum_i \log p_i.

No gradient flows through the last logarithm, nor through :math:`p_j`, a, m and t: that logarithm is there so
that the cost never falls when probability goes from the label to other classes. With a and m 0 it is
cross-entropy.
"""

from __future__ import annotations

import math
from typing import Any, Generic, NamedTuple, TypeVar

import torch

from evoloss.formulas import TENSORS, BatchOperations, Operations, limited
from evoloss.networks.sensing.balance import moderation, trust
from evoloss.networks.sensing.numbers import SensorNumbers
from evoloss.networks.sensing.sensor import Values, contradiction, is_known
from evoloss.networks.tempering import MIN_EXPONENT
from evoloss.networks.terms import LOG_P_FLOOR

T = TypeVar("T")
_ROUNDING = 8 * torch.finfo(torch.float32).eps
_TINY = torch.finfo(torch.float32).tiny
_AT_FLOOR = torch.tensor(LOG_P_FLOOR, dtype=torch.float64).exp().item()


class Response(NamedTuple, Generic[T]):
    """Response of a loss to its readings; tensors, arrays or plain numbers.

    Attributes:
        learning: a, from 0 to 1: 1 as long as nothing is memorised.
        doubt: m, from 0 to 1 - a, of each class of labels or each sample: how far wrong ones are being
            memorised.
        exponent: t, above 0, of each predicted class or each sample.
    """

    learning: T
    doubt: T
    exponent: T


CROSS_ENTROPY = Response(0.0, 0.0, 1.0)
"""The response where nothing can be told."""


def response(
    numbers: SensorNumbers[Any],
    state: Values,
    n_classes: int,
    of_training: Operations = TENSORS,
    of_classes: Operations = TENSORS,
) -> Response[Any]:
    """The response to statistics: cross-entropy as long as the size of the training set is not known.

    Args:
        numbers: of the sensor.
        state: the statistics.
        n_classes: the class count.
        of_training: operations on statistics of the whole training.
        of_classes: operations on those of each class.

    Returns:
        A share of learning, ``n_classes`` doubts of labels, and as many exponents.
    """
    at, by_class, others = of_training, of_classes, max(1, n_classes - 1)
    state = at.alike(state, numbers.strength)
    above = n_classes * state["agreement"] - 1
    # What rounding leaves of predictions at chance is nothing.
    agreed = at.at_most(at.where(above > _ROUNDING, above, 0.0) / others, 1.0)
    shares = state["shares"]
    mean = by_class.total(shares) / at.at_least(by_class.count(shares > 0), 1)
    relative = shares / by_class.beside(at.at_least(mean, _TINY))
    focus = limited(
        by_class, (relative - by_class.beside(numbers.spared)) / by_class.beside(numbers.spared_span)
    )
    known = is_known(state)
    trusted = trust(state["predicted"], state["labelled"], state["n_samples"], at, by_class)
    moderated = moderation(state["plateau"], contradiction(state, at, by_class), at)
    doubt = by_class.beside(at.where(known, state["memorised"] * moderated, 0.0)) * (1 - trusted)
    exponent = numbers.strength * agreed**numbers.agreement_power
    return Response(
        at.where(known, 1 - state["by_heart"], 0.0),
        doubt,
        by_class.at_least(by_class.beside(exponent) * focus, MIN_EXPONENT),
    )


def poly_scale(poly: Any, n_classes: int) -> Any:
    """The factor that makes the pull of Poly-1 cross-entropy's where predictions are uniform."""
    return 1 / (1 + poly / n_classes)


def largest_pull(poly: Any, n_classes: int) -> Any:
    """The largest factor w that there is."""
    return (1 + poly) * poly_scale(poly, n_classes)


def label_cost(
    log_p: Any,
    top: Any,
    made: Response[Any],
    poly: Any,
    n_classes: int,
    on: BatchOperations = TENSORS,
) -> Any:
    """L(p, k) by differentiable operations; below ``LOG_P_FLOOR`` doubt goes on as it is there.

    Args:
        log_p: log-probabilities of labels, of any shape.
        top: those of the predicted classes, which broadcast with it; no gradient flows through them.
        made: attributes that broadcast with them.
        poly: the number b.
        n_classes: C.
        on: operations on samples.
    """
    learning, doubt, exponent = made
    learned = learning * poly_scale(poly, n_classes)
    argument = exponent * (log_p - top)
    inside = on.where(argument < LOG_P_FLOOR, LOG_P_FLOOR, argument)
    below = on.where(argument < LOG_P_FLOOR, LOG_P_FLOOR - argument, 0.0)
    half = on.logaddexp(on.constant(log_p), top) - math.log(2)
    against_rival = (-on.expm1(inside) + below * _AT_FLOOR) / exponent - half
    # Infinite costs of impossible labels count in neither way where their part has no weight.
    share = learned + on.at_least(1 - learning - doubt, 0.0)
    cost = learned * poly * -on.expm1(log_p) + on.where(share > 0, share * -log_p, 0.0)
    return cost + on.where(doubt > 0, doubt * against_rival, 0.0)


def common_cost(log_probs: Any, learning: Any, smoothing: Any, on: BatchOperations = TENSORS) -> Any:
    """The last part of L(p, k), which all labels have in common, ``(N, 1)`` for predictions ``(N, C)``.

    Classes below ``LOG_P_FLOOR``, such as masked ones, cost what they cost there, without gradient.
    """
    mean = -on.mean(on.at_least(log_probs, LOG_P_FLOOR))
    return learning * smoothing * on.beside(mean)


def pull(
    log_p: Any, top: Any, made: Response[Any], poly: Any, n_classes: int, on: Operations = TENSORS
) -> Any:
    """The factor w by which the pull on labels is cross-entropy's, from 0 to :func:`largest_pull`.

    Args:
        log_p: log-probabilities of the labels, of any shape.
        top: those of the predicted classes.
        made: attributes that broadcast with them.
        poly: the number b, which broadcasts with them.
        n_classes: C.
        on: operations on samples.
    """
    learning, doubt, exponent = made
    scale = poly_scale(poly, n_classes)
    learned = scale * (1 + poly * on.exp(log_p)) - 1
    return 1 + learning * learned + doubt * (on.exp(exponent * (log_p - top)) - 1)
