"""A classifier in training: one epoch forward, or one look at a split."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from evoloss.data import Split
from evoloss.losses.training_call import training_arguments
from evoloss.training.batches import TrainingStream
from evoloss.training.config import TrainConfig
from evoloss.training.criterion import checked_cost
from evoloss.training.outcome import StepRecord
from evoloss.training.schedule import learning_rate

if TYPE_CHECKING:
    from lightning_fabric import Fabric

EVALUATION_BATCH = 250
"""Samples of one forward pass outside of training; larger ones cost a CPU twice the time (fresh memory)."""


@dataclass(frozen=True)
class Learner:
    """A classifier on its device, with what trains it.

    Attributes:
        fabric: device, precision and processes.
        model: the classifier, as Fabric wraps it.
        optimizer: likewise.
        criterion: the loss, on the device.
        batches: the training split.
        config: how to train.
        record: where predictions of the steps are added up, if anybody wants them.
    """

    fabric: Fabric
    model: nn.Module
    optimizer: torch.optim.Optimizer
    criterion: nn.Module
    batches: TrainingStream
    config: TrainConfig
    record: StepRecord | None = None

    def train_epoch(self, epoch: int) -> tuple[float, float]:
        """Train one epoch, and return its mean loss and its training accuracy in percent.

        The accuracy is that of the steps' own predictions: augmented inputs, dropout, labels as given. Only
        at the end a device has to be waited for.
        """
        config, steps = self.config, self.batches.steps_per_epoch
        self.model.train()
        total = torch.zeros(2, device=self.fabric.device, dtype=torch.float32)
        for step, (inputs, labels, index) in enumerate(self.batches.epoch(epoch), start=epoch * steps):
            rate = learning_rate(config.schedule, step, config.epochs * steps, config.lr)
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            self.optimizer.zero_grad()
            logits = self.model(inputs)
            told = training_arguments(self.criterion, index, rate)
            loss = checked_cost(self.criterion(logits, labels, **told), type(self.criterion).__name__)
            self.fabric.backward(loss)
            if config.clip_grad is not None:
                # Not finite is dealt with once an epoch: asking here would wait for the device.
                self.fabric.clip_gradients(
                    self.model, self.optimizer, max_norm=config.clip_grad, error_if_nonfinite=False
                )
            self.optimizer.step()
            if self.record is not None:
                self.record.add(index, logits)
            means = torch.stack((loss.detach(), (logits.detach().argmax(dim=1) == labels).float().mean()))
            size = len(index) * self.batches.world
            total += means if size == self.batches.batch_size else means * (size / self.batches.batch_size)
        # The mean over processes, so that all of them stop together.
        mean = self.fabric.all_reduce(total, reduce_op="mean")
        assert isinstance(mean, Tensor), "a tensor goes in"
        loss_sum, accuracy_sum = mean.tolist()
        batches = self.batches.samples_per_epoch / self.batches.batch_size
        return loss_sum / batches, min(100.0, 100 * accuracy_sum / batches)

    @torch.no_grad()
    def predict(self, split: Split) -> Tensor:
        """Return the logits of a split, float32 ``(N, C)`` on the CPU."""
        self.model.eval()
        logits = [
            self.model(self.batches.normalise(chunk.to(self.fabric.device))).float().cpu()
            for chunk in torch.split(split.inputs, EVALUATION_BATCH)
        ]
        return torch.cat(logits)
