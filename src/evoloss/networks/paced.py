r"""Paced networks: how much a loss trusts labels depends on how far the batch has learned its labels.

A loss that resists wrong labels pulls less on a label of small probability. That is right for a student that
has learned the classes, whose few contradictions are the wrong labels; for one that has not, every label has
a small probability, and the loss keeps it from learning. A function of one prediction cannot tell the two
apart; the batch can. With the agreement of a batch with its labels, 0 for uniform predictions and 1 where
every label has everything,

.. math:: A = \frac{C\, \overline{p_y} - 1}{C - 1} \in [0, 1], \qquad t = a + (1 - a)\, A^\gamma,

the loss is the mixture of :mod:`evoloss.networks.tempered` in the tempered probability :math:`p_k^t`: near
cross-entropy at the start of training, and the more robust the better labels are learned. Self-paced learning
(Kumar, Packer and Koller 2010) sets the order of samples by a schedule; here nothing is scheduled, and no
step or epoch is counted. No gradient flows through t. At one agreement a cost is a function of p_y alone, so
that within a batch a larger p_y never costs more.

What a batch is, is what one call of the loss sees: positions to ignore take no part; with several processes
each has its own. At a batch of one A is that prediction's own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from evoloss.networks.tempered import TemperedNetwork, certainty_of


@dataclass(frozen=True, kw_only=True)
class PacedNetwork(TemperedNetwork):
    r"""See the module's docstring; parameters and methods are those of the tempered network.

    Where no agreement is given it is taken for 1, that of labels which are learned: the loss is then at its
    most robust.
    """

    paced: ClassVar[bool] = True
    _start: ClassVar[tuple[float, ...]] = (-3.0, -1.0, -1.0, 0.0, -1.0, -4.0, 0.0)

    def _measure(self, log_probs: Tensor, agreement: Tensor | None) -> Tensor:
        known = log_probs.new_ones(()) if agreement is None else agreement.detach()
        return known.to(log_probs.dtype).expand(len(log_probs))


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
