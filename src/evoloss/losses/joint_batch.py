"""Losses that see their batch, and may take more for it than the rows of the call.

A paced loss goes by two sums for each class (:mod:`evoloss.networks.kinds.paced`), and sums add up wherever
the parts are: in other processes, or in earlier calls.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor

from evoloss.errors import ConfigError
from evoloss.losses.call.gather import gather
from evoloss.losses.call.labels import Labels
from evoloss.losses.call.modes import as_constant, on_real_tensors
from evoloss.losses.call.numbers import positive_count
from evoloss.losses.parameters import ParametricLoss
from evoloss.losses.state import NAME, LossState
from evoloss.networks import NUMBERS, BatchSums, Context, LossNetwork, Terms
from evoloss.safe_text import quoted

__all__ = ["BatchLoss", "JointBatch"]

SINGLES = 10  # calls of one sample, one after the other, that are a training
ONE_SAMPLE = (
    "this loss goes by how far the labels of a batch are learned, and is called with batches of one sample: "
    "so it resists few wrong labels. Give it agreement_window=64, and it goes by the last samples of the "
    "training; or take batches of some dozens, or a loss that sees no batch, such as evolved-base"
)


class JointBatch(LossState):
    """The sums of the batch that the rows of a call are a part of: of other processes, of earlier calls.

    The sums of earlier calls fade, a sample that lies k samples back by ``exp(-k / window)``, while all
    samples of a call count whole. So many small batches are as one of about ``window`` samples, and a batch
    that is much larger is as it would be without. They are statistics of the training, with all that
    :class:`~evoloss.losses.state.LossState` says of those. A call that is none of the training costs what it
    would cost in it, and leaves nothing. Without a window there are no statistics.

    Args:
        network: gives the sums.
        window: in samples of all processes, at least 1; None for the samples of the call alone.
    """

    def __init__(self, network: LossNetwork, window: int | None) -> None:
        super().__init__({} if window is None else network.initial_state(0))
        self.network = network
        self.window = window

    def joining(self, logits: Tensor) -> Callable[[BatchSums], BatchSums]:
        """A function from the sums of the rows of a call to those of the whole batch; to be called once.

        Whether the call is one of the training is seen now: within a function of autograd it is not.

        Args:
            logits: of the call, or another tensor that requires a gradient if they do.

        Raises:
            ValueError: when it is called, if the training is one with another class count.
        """
        return partial(self._joined, trains=self.trains(logits), takes_in=self.takes_in(logits))

    @torch.no_grad()
    def _joined(self, sums: BatchSums, *, trains: bool, takes_in: bool) -> BatchSums:
        if self.window is None:
            return self.over_processes(sums) if trains else sums
        numbers = sums[NUMBERS]
        if takes_in:
            sums = self.over_processes(sums)
            self.follow(numbers.device)
        kept = self.begun(self.network.initial_state, numbers[None])
        if trains and not takes_in:
            return kept  # gradient checkpointing runs a call again, whose rows are in them
        fade = torch.exp(-sums[NUMBERS].sum() / self.window)
        after = {name: kept[name].to(value.dtype) * fade + value for name, value in sums.items()}
        if takes_in:
            self.update(after)
        return after


class BatchLoss(ParametricLoss):
    """A loss that a network gives which may see its batch.

    Attributes:
        agreement_window: over how many samples the batch is taken; None for the batch of each call.
    """

    agreement_window: int | None = None
    _has_warned_of_one = False
    _singles = 0

    @property
    def is_paced(self) -> bool:
        """True if the cost of a prediction depends on the rest of its batch."""
        return self.network.sees_batch

    def look_back(self, agreement_window: int | None) -> None:
        """Take for the batch the last samples of the training; see :class:`JointBatch`.

        Args:
            agreement_window: how many, about, at least 1; None for those of each call.

        Raises:
            ConfigError: if it is below 1, or the loss does not see its batch.
        """
        if agreement_window is None:
            return
        loss = f"loss {quoted(getattr(self, 'told_name', self.network.kind), 200)}"
        if not self.is_paced:
            raise ConfigError(
                f"{loss} does not go by the agreement of a batch, so that agreement_window says nothing to "
                "it; leave it out"
            )
        self.agreement_window = positive_count("agreement_window", agreement_window, loss)
        with on_real_tensors():
            self.loss_state = JointBatch(self.network, self.agreement_window)

    def sync_batch(self, process_group: Any = None) -> Self:
        """Take for a batch what all processes of a group see together; see :class:`ClassificationLoss`."""
        if self.is_paced and not isinstance(self.joint_batch, JointBatch):
            self.loss_state = JointBatch(self.network, None)
        return super().sync_batch(process_group)

    @property
    def joint_batch(self) -> JointBatch | None:
        """The batch that the rows of a call are a part of; None where a batch is all that a call sees."""
        found = self._modules.get(NAME)
        return found if isinstance(found, JointBatch) else None

    def sums_of_rows(self, log_probs: Tensor, labels: Labels) -> BatchSums:
        """Sums over rows, by which their batch is known; see :meth:`LossNetwork.batch_sums`."""
        return self.network.batch_sums(self._params_beside(log_probs), {}, log_probs.detach(), labels)

    def context_among(self, sums: BatchSums, log_probs: Tensor, labels: Labels) -> Context:
        """The context of rows that are a part of a batch with these sums."""
        return self.network.context(self._params_beside(log_probs), log_probs.detach(), labels, sums)

    def _params_beside(self, log_probs: Tensor) -> Tensor:
        return as_constant(self.params).detach().to(log_probs.device, log_probs.dtype)

    def batch_context(self, logits: Tensor, log_probs: Tensor, labels: Labels) -> Context:
        """The context of a call's costs beside each prediction and its label; see :class:`ParametricLoss`."""
        joint = self.joint_batch
        if self.is_paced:
            self.warn_of_one_sample(logits.shape[0], logits)
        if joint is None or logits.shape[1] == 1:
            return super().batch_context(logits, log_probs, labels)
        sums = joint.joining(logits)(self.sums_of_rows(log_probs, labels))
        return self.context_among(sums, log_probs, labels)

    def terms_of_call(self, terms: Terms, logits: Tensor, labels: Labels) -> Terms | None:
        """The terms of one call of a loss that sees its batch or keeps statistics.

        None where there is no fast way: then :meth:`costs` takes the batch in.
        """
        if not terms.sees_batch:
            return super().terms_of_call(terms, logits, labels)
        joint = self.joint_batch
        if joint is None:
            self.warn_of_one_sample(logits.shape[0], logits)
            return terms
        return None if labels.is_dense else terms.joined(joint.joining(logits))

    def warn_of_one_sample(self, n_rows: int, variable: Tensor) -> None:
        """Warn once of a training with batches of one sample, if that is all that the loss sees.

        Known by :data:`SINGLES` training calls of one sample one after the other: one alone may be a look at
        a loss, or the end of an epoch.

        Args:
            n_rows: of the call.
            variable: its logits, or another tensor that requires a gradient if they do.
        """
        if torch.compiler.is_compiling() or self._has_warned_of_one:
            return
        if n_rows != 1:
            if self._singles:
                self._singles = 0
            return
        if self.training and variable.requires_grad and self.joint_batch is None:
            self._singles += 1
            if self._singles == SINGLES:
                self._has_warned_of_one = True
                warnings.warn(ONE_SAMPLE, stacklevel=2)

    def at_agreement(self, agreement: float) -> Callable[[Tensor, Tensor], Tensor]:
        """This loss with the agreement of the batch held, one cost a row, from the network itself.

        For a look at a paced loss; of one that is not paced it is the loss as it is, at the start of a
        training, without weight, ignore_index or smoothing.

        Args:
            agreement: from 0, predictions at chance, to 1, labels that are learned.

        Raises:
            ConfigError: if it is out of range.
        """
        if not 0 <= agreement <= 1:
            raise ConfigError(f"agreement must be from 0 to 1, got {agreement}")

        def costs(logits: Tensor, target: Tensor) -> Tensor:
            log_probs = F.log_softmax(logits, dim=1)
            gather(log_probs, target)  # raises for an index out of range, as cross-entropy does
            held = logits.new_tensor(agreement) if self.is_paced else None
            return self.network_label_costs(log_probs, target, held)

        return costs

    def describe(self) -> dict[str, Any]:
        """The description of the network and the options of the call; the parameters are a tensor."""
        window = {} if self.agreement_window is None else {"agreement_window": self.agreement_window}
        return {**super().describe(), **window}

    def extra_repr(self) -> str:
        """List the network and the shared parameters inside ``repr(loss)``."""
        window = "" if self.agreement_window is None else f", agreement_window={self.agreement_window}"
        return super().extra_repr() + window
