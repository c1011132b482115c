r"""Paced networks: how much a loss trusts a label depends on how far the batch has learned its class.

A loss that resists wrong labels pulls less on a label of small probability. That is right for a student that
has learned the classes, whose few contradictions are the wrong labels; for one that has not, every label has
a small probability, and the loss keeps it from learning. A function of one prediction cannot tell the two
apart; the batch can. With

.. math::

    \bar p_i = \frac{\sum_{j \ne i,\, y_j = y_i} p_j + m\, \bar p}{\#\{j \ne i : y_j = y_i\} + m},
    \qquad A_i = \frac{C\, \bar p_i - 1}{C - 1} \in [0, 1], \qquad t_i = a + (1 - a)\, A_i^\gamma,

where :math:`p_j` is what sample j gives to its label, :math:`\bar p` the mean over the batch and m = 1, the
loss of sample i is the mixture of :mod:`evoloss.networks.kinds.tempered` in the tempered probability
:math:`p_k^{t_i}`. The *agreement* A is how far the other samples of its class are learned, 0 at chance and 1
where their labels have everything: the loss is near cross-entropy at the start of training, for every class
that is learned late, and the more robust the better a class is learned. A sample takes no part in its own
agreement, so that a wrong label cannot vouch for itself; where no other sample of its class is in the batch,
the whole batch speaks instead. m is small, so that a class of which nothing is learned is not given up
because all others are. Self-paced learning (Kumar, Packer and Koller 2010) sets the order of samples by a
schedule; here nothing is scheduled, no step or epoch is counted, and no gradient flows through t.

What a batch is, is what one call of the loss sees: positions to ignore take no part; with several processes
each has its own. At a batch of one A is that prediction's own. What a batch has to say is two numbers for
each class, the sum of what the labels get and how many they are (:meth:`PacedNetwork.batch_sums`). They add
up, so that a batch may also be given in parts, by several processes or by earlier calls.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from evoloss.formulas import Formula
from evoloss.networks.kinds.agreements import (
    LEARNED,
    NUMBERS,
    agreements_among,
    agreements_of,
    class_sums,
    dense_agreements_among,
    dense_agreements_of,
    dense_sums,
)
from evoloss.networks.kinds.tempered import TemperedNetwork, tempered_cost
from evoloss.networks.states import BatchSums, RunningState
from evoloss.networks.tempered_terms import TemperedTerms
from evoloss.networks.terms import Array, Context, FewRows, LabelView


@lru_cache(maxsize=64)
def _correction(n_classes: int) -> tuple[Tensor, float]:
    """Offset and factor of a share by which chance becomes 0 and 1 stays 1."""
    others = max(1, n_classes - 1)
    return torch.tensor(-1 / others, dtype=torch.float64, device="cpu"), n_classes / others


@dataclass(frozen=True)
class PacedTerms(TemperedTerms):
    """The numbers of a paced loss; the exponent follows the agreement of the batch."""

    sees_batch = True
    sees_row = False

    def batch_context(self, log_p: Tensor, label: Tensor, counted: Tensor | None, n_classes: int) -> Tensor:
        """The agreement of each position with its label, ``(N,)``."""
        p = log_p.exp()
        learned = p.double()
        total = learned.sum()
        if counted is not None or not math.isfinite(total.item()):  # a row that is NaN does not count
            return agreements_of(p, label, counted, n_classes)
        # What agreements_of does where all positions count, in half of the operations. A sample does not
        # count for its own class, and the batch counts as one more: the number stays what it is.
        sums = torch.bincount(label, learned, n_classes).index_select(0, label).sub_(learned)
        numbers = torch.bincount(label, minlength=n_classes).index_select(0, label)
        shares = sums.add_(total, alpha=1 / len(p)).div_(numbers)
        chance, factor = _correction(n_classes)
        agreement = torch.add(chance, shares, alpha=factor).clamp_(0, 1)
        return agreement.float() if log_p.dtype == torch.float32 else agreement.to(log_p.dtype)

    def few_context(self, rows: FewRows) -> Array:
        """The agreement of each position with its label, ``(N,)``; see :meth:`batch_context`."""
        label, n_classes = rows.label, len(rows.log_probs)
        learned = np.exp(rows.log_p, dtype=np.float64)
        shares = np.bincount(label, learned, n_classes).astype(np.float64, copy=False).take(label)
        shares -= learned
        shares += np.add.reduce(learned) / len(label)
        shares /= np.bincount(label, None, n_classes).take(label)
        others = max(1, n_classes - 1)
        shares *= n_classes / others
        shares -= 1 / others
        agreement: Array = np.maximum(shares, 0, dtype=np.float32, casting="same_kind")
        return np.minimum(agreement, 1, out=agreement)

    def dense_batch_context(self, probs: Tensor, shares: Tensor) -> Tensor:
        """The agreement of each position with each class, ``(N, C)``."""
        return dense_agreements_of(probs, shares)

    def joined(self, join: Callable[[BatchSums], BatchSums]) -> JointPacedTerms:
        """These terms for one call whose batch is a part of a larger one."""
        return JointPacedTerms(self, join)


class JointPacedTerms(PacedTerms):
    """The numbers of a paced loss for one call whose batch is a part of a larger one; used once.

    Args:
        terms: of the loss.
        join: from the sums of the call's batch to those of the larger one.
    """

    has_state = True
    sees_batch = False

    def __init__(self, terms: PacedTerms, join: Callable[[BatchSums], BatchSums]) -> None:
        super().__init__(terms.weights, terms.tempering)
        self.join = join

    def state_context(
        self, log_probs: Tensor, log_p: Tensor, label: Tensor, counted: Tensor | None
    ) -> Tensor:
        """The agreement of each position with its label in the larger batch, ``(N,)``."""
        self.held = self.batch_context(log_p, label, counted, log_probs.shape[1])
        return self.held

    def batch_context(self, log_p: Tensor, label: Tensor, counted: Tensor | None, n_classes: int) -> Tensor:
        """The same from what the labels get."""
        p = log_p.exp()
        sums = self.join(class_sums(p, label, counted, n_classes))
        if counted is not None or not math.isfinite(p.sum().item()):
            return agreements_among(sums, p, label, counted)
        return _agreements_where_all_count(sums, p.double(), label).to(p.dtype)

    def few_context(self, rows: FewRows) -> Array:
        """The same of a small batch."""
        label, learned = torch.from_numpy(rows.label), np.exp(rows.log_p, dtype=np.float64)
        p = torch.from_numpy(learned)
        sums = self.join(class_sums(p, label, None, len(rows.log_probs)))
        self.held = _agreements_where_all_count(sums, p, label).float()
        # The caller works in it, and what is held may be asked for again.
        return self.held.numpy().copy()


@dataclass(frozen=True, kw_only=True)
class PacedNetwork(TemperedNetwork):
    r"""See the module's docstring; parameters and methods are those of the tempered network.

    Where no agreement is given as context it is taken for 1, that of labels which are learned: the loss is
    then at its most robust.

    Example:
        >>> from evoloss.losses import EvolvedLoss
        >>> network = PacedNetwork()
        >>> params = network.initial(torch.Generator().manual_seed(0))
        >>> EvolvedLoss(network, params).is_paced
        True
    """

    kind: ClassVar[str] = "paced"
    summary: ClassVar[str] = "tempered by how far the batch has learned the label's class"
    sees_batch: ClassVar[bool] = True

    _start: ClassVar[tuple[float, ...]] = (-4.0, -3.0, -2.0, 0.0, -3.0, -4.0, 0.0)
    _formula: ClassVar[Formula] = Formula(tempered_cost, "label", "agreement")

    def terms(self, params: Tensor, n_classes: int) -> PacedTerms:
        """One candidate ``(n_params,)`` at a class count as plain numbers."""
        return PacedTerms(*self._numbers(params, n_classes))

    def context(
        self, params: Tensor, log_probs: Tensor, labels: LabelView, state: RunningState | None = None
    ) -> Context:
        """The agreement of each position with its label, ``(N,)``, or for dense labels with each class.

        Args:
            params: of no consequence.
            log_probs: of the predictions, ``(N, C)``.
            labels: of the rows.
            state: sums of a larger batch that these rows are a part of; None where they are all.
        """
        del params
        if labels.is_dense:
            probs, shares = log_probs.detach().exp(), labels.shares(log_probs)
            if state is not None:
                return dense_agreements_among(state, probs, shares)
            return dense_agreements_of(probs, shares)
        p = log_probs.detach().gather(1, labels.label[:, None]).squeeze(1).exp()
        if state is not None:
            return agreements_among(state, p, labels.label, labels.counted)
        return agreements_of(p, labels.label, labels.counted, log_probs.shape[1])

    def initial_state(self, n_classes: int) -> RunningState:
        """Sums over no samples."""
        return {name: torch.zeros(n_classes, dtype=torch.float32) for name in (LEARNED, NUMBERS)}

    def batch_sums(
        self, params: Tensor, state: RunningState, log_probs: Tensor, labels: LabelView
    ) -> BatchSums:
        """The probability that the labels of each class get in all, and their number; ``(C,)``, wide."""
        del params, state
        if labels.is_dense:
            return dense_sums(log_probs.detach().exp(), labels.shares(log_probs))
        p = log_probs.detach().gather(1, labels.label[:, None]).squeeze(1).exp()
        return class_sums(p, labels.label, labels.counted, log_probs.shape[1])

    def _default(self, log_probs: Tensor) -> Tensor:
        return log_probs.new_ones(())


def _agreements_where_all_count(sums: BatchSums, learned: Tensor, label: Tensor) -> Tensor:
    """:func:`agreements_among` as :meth:`PacedTerms.batch_context` works them out, to the last digit."""
    of_class, numbers = sums[LEARNED], sums[NUMBERS]
    shares = of_class.index_select(0, label).sub_(learned).add_(of_class.sum() / numbers.sum())
    chance, factor = _correction(len(numbers))
    return torch.add(chance, shares.div_(numbers.index_select(0, label)), alpha=factor).clamp_(0, 1)
