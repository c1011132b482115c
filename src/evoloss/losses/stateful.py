"""Known losses that keep running statistics of the training that they are part of."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Unpack

import torch
import torch.nn.functional as F
from torch import Tensor

from evoloss.errors import ConfigError
from evoloss.losses.base import ClassificationLoss, Options
from evoloss.losses.call.gather import gather
from evoloss.losses.call.labels import Labels
from evoloss.losses.call.modes import on_real_tensors
from evoloss.losses.call.numbers import positive_count
from evoloss.losses.state import LossState
from evoloss.networks import BatchSums, RunningState

__all__ = ["EpochLoss", "StatefulLoss"]


class StatefulLoss(ClassificationLoss):
    """Base of known losses whose costs depend on the training so far.

    The statistics are those of :class:`~evoloss.losses.state.LossState`: a training call takes its batch in
    first and costs what they then say; calls in evaluation mode, under ``no_grad`` or with logits that need
    no gradient leave them alone. They are in the state dict, :meth:`reset` forgets them, and
    :func:`~evoloss.losses.strip_loss_state` takes them out of a checkpoint.

    A subclass says what the statistics are, how a batch moves them on, and what predictions cost by them.
    """

    if TYPE_CHECKING:  # TorchScript reads annotations, and takes no strings for types
        loss_state: LossState

    def __init__(self, weight: Tensor | None = None, **options: Unpack[Options]) -> None:
        super().__init__(weight, **options)
        with on_real_tensors():
            self.loss_state = LossState(self.initial_state(0))

    @abstractmethod
    def initial_state(self, n_classes: int) -> RunningState:
        """The statistics of a training that has not begun, by name.

        Args:
            n_classes: the class count, the length of statistics of each class; 0 before the first batch.
        """

    @abstractmethod
    def after_batch(
        self, state: RunningState, log_probs: Tensor, labels: Labels, **training: Any
    ) -> RunningState:
        """The statistics after a batch, which may be given in parts or together with other processes'.

        Args:
            state: the statistics before it.
            log_probs: of the predictions, ``(N, C)``.
            labels: what the rows should be.
            **training: what the call says of :attr:`training_arguments`.
        """

    @abstractmethod
    def costs_at(self, log_probs: Tensor, state: RunningState) -> Tensor:
        """L(p, k) for every class k at given statistics, ``(N, C)``; no gradient flows through these.

        Args:
            log_probs: of the predictions, ``(N, C)``.
            state: the statistics.
        """

    def class_costs(self, logits: Tensor) -> Tensor:
        """L(p, k) for every class k as the statistics are, ``(N, C)`` to ``(N, C)``."""
        state = self.loss_state
        return self.costs_at(F.log_softmax(logits, dim=1), state.begun(self.initial_state, logits))

    def costs(self, logits: Tensor, labels: Labels, **training: Any) -> Tensor:
        """Costs of rows, after the statistics have moved on if the call is one of the training.

        Args:
            logits: of any floating dtype, shape ``(N, C)``.
            labels: what the rows should be.
            **training: as for :meth:`after_batch`.

        Raises:
            ValueError: if the training before it has another class count.
        """
        log_probs = F.log_softmax(logits.to(torch.promote_types(logits.dtype, torch.float32)), dim=1)
        if labels.has_indices:
            gather(log_probs, labels.label)  # raises for an index out of range, as cross-entropy does
        rows = log_probs.detach()
        if logits.shape[1] == 1:  # no choice
            state = {name: value.to(logits.device) for name, value in self.initial_state(1).items()}
        else:
            state = self.loss_state.of_call(
                logits, self.initial_state, lambda before: self.after_batch(before, rows, labels, **training)
            )
        costs = self.costs_at(log_probs, state)
        return labels.mix(costs) if labels.is_dense else labels.weigh(gather(costs, labels.label))


class EpochLoss(StatefulLoss):
    """Base of known losses that change over the epochs, which they count in samples.

    :meth:`plan_training` says how long the training will be; a training call before that is an error.
    """

    plan_arguments: ClassVar[tuple[str, ...]] = ("n_samples", "epochs")

    n_samples: int | None = None
    epochs: int | None = None
    samples_per_epoch: int | None = None

    def plan_training(
        self, *, n_samples: int, epochs: int | None = None, samples_per_epoch: int | None = None
    ) -> None:
        """Say how long the training will be.

        Args:
            n_samples: size of the training set, at least 1.
            epochs: passes over it, at least 1; has to be given.
            samples_per_epoch: how many of them an epoch gives; all, if it is not said.

        Raises:
            ConfigError: if one of them is below 1.
        """
        size = positive_count("n_samples", n_samples, f"loss {self.name!r}")
        passes = positive_count("epochs", epochs, f"loss {self.name!r}")
        given = size if samples_per_epoch is None else samples_per_epoch
        of_epoch = positive_count("samples_per_epoch", given, f"loss {self.name!r}")
        # All or nothing: what is refused leaves no half of a plan, by which a training would run.
        self.n_samples, self.epochs, self.samples_per_epoch = size, passes, of_epoch

    def initial_state(self, n_classes: int) -> RunningState:
        """The number of samples so far."""
        return {"seen": torch.zeros((), dtype=torch.int64)}

    def after_batch(
        self, state: RunningState, log_probs: Tensor, labels: Labels, **training: Any
    ) -> RunningState:
        """One more for each sample that counts.

        Raises:
            ConfigError: if nobody has said how long the training will be.
        """
        if self.n_samples is None:
            raise ConfigError(
                f"{self.name} changes over the epochs: say before the training how long it will be, with "
                f"criterion.plan_training(n_samples=len(train_set), epochs=...)"
            )
        sums = {"number": counted_rows(log_probs, labels).sum(), **self.batch_sums(log_probs, labels)}
        return self.moved_on(state, self.loss_state.over_processes(sums))

    def batch_sums(self, log_probs: Tensor, labels: Labels) -> BatchSums:
        """Sums over the samples of a batch beside their number, for :meth:`moved_on`; none here."""
        return {}

    def moved_on(self, state: RunningState, sums: BatchSums) -> RunningState:
        """The statistics after the sums of all processes; here the number of samples alone."""
        return {"seen": state["seen"] + sums["number"]}

    def epoch(self, state: RunningState) -> Tensor:
        """The epoch of the last sample, from 0; a scalar, int64."""
        return (state["seen"] - 1).clamp(min=0) // (self.samples_per_epoch or 1)


def counted_rows(log_probs: Tensor, labels: Labels) -> Tensor:
    """Mask of the rows that are samples, ``(N,)``: not to be ignored, and with a prediction."""
    rows = ~log_probs.isnan().any(dim=1)
    return rows & labels.counted if labels.has_indices else rows
