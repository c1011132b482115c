r"""Response of a loss to its readings: how far it doubts a label, and what labels cost by that.

With k the label and j the predicted class of a sample,

.. math:: L(p, k) = (1 - m) \log \frac{1 + \rho_j}{p_k + \rho_j}
    + m \Bigl(\frac{1 - (p_k / p_j)^{t_j}}{t_j} - \log p_j\Bigr).

The pull on a label is that of cross-entropy times

.. math:: w = (1 - m) \frac{p_k}{p_k + \rho_j} + m \Bigl(\frac{p_k}{p_j}\Bigr)^{t_j}.

The first part is forward correction for symmetric noise (Patrini et al. 2017, arXiv:1609.03683), less a
constant: with a share :math:`\eta` of wrong labels, :math:`\rho = \eta / (C - 1 - C \eta)` are the odds at
which a prediction makes its label as likely wrong as right. It keeps its shape where nothing is memorised. Of
labels that are being memorised p tells nothing: there the second part doubts them against their strongest
rival, the predicted class. Both are by predicted class, since noise is: where a class is contradicted much
less than others are, its contradictions are hard samples. No gradient flows through :math:`p_j`, m,
:math:`\rho` and t. With m and :math:`\rho` 0 it is cross-entropy.
"""

from __future__ import annotations

from typing import Any, Generic, NamedTuple, TypeVar

import torch
from torch import Tensor

from evoloss.networks.sensing.numbers import SensorNumbers
from evoloss.networks.sensing.operations import TENSORS, Operations
from evoloss.networks.sensing.sensor import Values, evidence, is_known, limited
from evoloss.networks.tempering import MIN_EXPONENT
from evoloss.networks.terms import LOG_P_FLOOR

T = TypeVar("T")
_ROUNDING = 8 * torch.finfo(torch.float32).eps
_LARGEST_SHARE = 0.9  # of what labels at random would be, that is taken to be wrong
_LEAST_ODDS = 1e-12  # below them predictions are not told from cross-entropy's
_TINY = torch.finfo(torch.float32).tiny
_AT_FLOOR = torch.tensor(LOG_P_FLOOR, dtype=torch.float64).exp().item()


class Response(NamedTuple, Generic[T]):
    r"""Doubt of labels; tensors, arrays or plain numbers.

    Attributes:
        doubt: m, from 0 to 1: how far wrong labels are being memorised.
        odds: of a wrong label, :math:`\rho`, at least 0, of each predicted class or each sample.
        exponent: t, above 0, likewise.
    """

    doubt: T
    odds: T
    exponent: T


def response(
    numbers: SensorNumbers[Any],
    state: Values,
    n_classes: int,
    of_training: Operations = TENSORS,
    of_classes: Operations = TENSORS,
) -> Response[Any]:
    """The response to statistics: no doubt as long as the size of the training set is not known.

    Args:
        numbers: of the sensor.
        state: the statistics.
        n_classes: the class count.
        of_training: operations on statistics of the whole training.
        of_classes: operations on those of each class.

    Returns:
        A doubt, and ``n_classes`` odds and exponents.
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
    exponent = at.where(known, numbers.strength * agreed**numbers.agreement_power, MIN_EXPONENT)
    found = at.where(known, numbers.knee * evidence(numbers, state["plateau"], at), 0.0)
    wrong = by_class.beside(found) * shares
    wrong = by_class.at_most(wrong, _LARGEST_SHARE * (n_classes - 1) / n_classes)
    odds = wrong / (others - n_classes * wrong)
    return Response(
        at.where(known, state["memorised"], 0.0),
        by_class.where(odds > _LEAST_ODDS, odds, 0.0),
        by_class.at_least(by_class.beside(exponent) * focus, MIN_EXPONENT),
    )


def label_cost(log_p: Tensor, top: Tensor, doubted: Response[Tensor]) -> Tensor:
    """L(p, k) by differentiable operations; below ``LOG_P_FLOOR`` the second part goes on as it is there.

    Args:
        log_p: log-probabilities of labels, of any shape.
        top: those of the predicted classes, which broadcast with it; no gradient flows through them.
        doubted: attributes that broadcast with them.
    """
    doubt, odds, exponent = doubted
    argument = exponent * (log_p - top)
    inside = torch.where(argument < LOG_P_FLOOR, LOG_P_FLOOR, argument)
    below = torch.where(argument < LOG_P_FLOOR, LOG_P_FLOOR - argument, 0.0)
    against_rival = (-torch.expm1(inside) + below * _AT_FLOOR) / exponent - top
    is_doubted = odds > 0
    sum_or_one = torch.where(is_doubted, log_p.exp() + odds, 1.0)
    corrected = torch.where(is_doubted, odds.log1p() - sum_or_one.log(), -log_p)
    # Infinite costs of impossible labels count in neither way where their part has no weight.
    first = torch.where(doubt < 1, (1 - doubt) * corrected, 0.0)
    return first + torch.where(doubt > 0, doubt * against_rival, 0.0)


def pull(log_p: Any, top: Any, doubted: Response[Any], on: Operations = TENSORS) -> Any:
    """The factor w by which the pull on labels is less than cross-entropy's, from 0 to 1.

    Args:
        log_p: log-probabilities of the labels, of any shape.
        top: those of the predicted classes.
        doubted: attributes that broadcast with them.
        on: operations on samples.
    """
    doubt, odds, exponent = doubted
    p = on.exp(log_p)
    corrected = on.where(odds > 0, p / on.at_least(p + odds, _LEAST_ODDS), 1.0)
    return corrected + doubt * (on.exp(exponent * (log_p - top)) - corrected)
