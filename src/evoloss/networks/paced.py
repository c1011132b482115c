r"""Paced networks: how much a loss trusts labels depends on how far the batch has learned its labels.

A loss that resists wrong labels pulls less on a label of small probability. That is right for a student that
has learned the classes, whose few contradictions are the wrong labels; for one that has not, every label has
a small probability, and the loss keeps it from learning. A function of one prediction cannot tell the two
apart; the batch can. With the agreement of a batch with its labels, 0 for uniform predictions and 1 where
every label has everything,

.. math:: A = \frac{C\, \overline{p_y} - 1}{C - 1} \in [0, 1], \qquad t = a + (1 - a)\, c^\gamma A^\delta,

the loss is the mixture of :mod:`evoloss.networks.tempered` in the tempered probability :math:`p_k^t`, where c
is the certainty of the prediction as there: near cross-entropy at the start of training, and the more robust
the better labels are learned. Self-paced learning (Kumar, Packer and Koller 2010) sets the order of samples
by a schedule; here nothing is scheduled, and no step or epoch is counted. No gradient flows through t. At one
agreement the loss is a tempered one.

What a batch is, is what one call of the loss sees: positions to ignore take no part; with several processes
each has its own. At a batch of one A is that prediction's own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from evoloss.networks.tempered import TemperedNetwork, Tempering, certainty_of

_POWERS = 1 / 16, 4.0


@dataclass(frozen=True, kw_only=True)
class PacedNetwork(TemperedNetwork):
    r"""See the module's docstring; methods are those of the tempered network.

    Parameters, ``(popsize, 8)``: the logarithms of the five weights, the logit of a, the logarithms of
    :math:`\gamma` and :math:`\delta`, which are cut at 1/16 and 4. Where no agreement is given it is taken
    for 1, that of labels which are learned: the loss is then at its most robust.
    """

    _start: ClassVar[tuple[float, ...]] = (-4.0, -1.0, -1.0, 0.0, -1.0, -4.0, 0.0, 0.0)

    def tempering(self, params: Tensor) -> Tempering:
        """How each candidate's temper depends on certainty and agreement, ``(popsize, 1)`` each."""
        low, high = (math.log(each) for each in _POWERS)
        powers = params[:, -2:].clamp(low, high).exp()
        return Tempering(super().tempering(params).least, powers[:, :1], powers[:, 1:])


def agreement_of(p: Tensor, counts: Tensor | None, n_classes: int) -> Tensor:
    """The agreement A of a batch with its labels, a scalar; of a batch without positions that count, 0.

    Args:
        p: probabilities of the labels, ``(N,)``; those that are NaN do not count.
        counts: which positions count, ``(N,)``; None for all.
        n_classes: the class count C.
    """
    p = p.detach()
    kept = p.isfinite() if counts is None else p.isfinite() & counts
    mean = torch.where(kept, p, 0.0).sum() / kept.sum().clamp(min=1)
    return certainty_of(mean, n_classes)
