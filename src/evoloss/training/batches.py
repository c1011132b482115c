"""A training split that lives on the device, and the order in which it is seen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from evoloss.random_streams import stream
from evoloss.training.augment import AugmentPlan, crop_and_flip, draw_epoch, pad_images
from evoloss.training.config import LastBatch

FEW_BATCHES = 20
"""Complete batches of an epoch below which ``auto`` keeps the incomplete one: up to a twentieth is in it."""


def epoch_order(n_samples: int, seed: int, epoch: int) -> Tensor:
    """Return the order in which an epoch sees the samples, ``(n_samples,)``."""
    return torch.randperm(n_samples, generator=stream(seed, "batches", epoch))


def batch_order(n_samples: int, batch_size: int, seed: int, epoch: int) -> Tensor:
    """Return the sample indices of the complete batches of an epoch, shape ``(steps, batch)``.

    With fewer samples than ``batch_size`` there is one batch of all of them.
    """
    batch = min(batch_size, n_samples)
    steps = n_samples // batch
    return epoch_order(n_samples, seed, epoch)[: steps * batch].view(steps, batch)


def epoch_samples(n_samples: int, batch_size: int, last_batch: LastBatch, *, world: int = 1) -> int:
    """Return how many samples an epoch trains on.

    An incomplete last batch is left out unless it is wanted and has two samples for each process: one would
    stop batch normalisation.

    Args:
        n_samples: of the training split.
        batch_size: of all processes together.
        last_batch: ``drop``, ``keep``, or ``auto``, which keeps it if there are fewer than
            :data:`FEW_BATCHES` complete ones.
        world: how many processes.
    """
    batch = min(batch_size, n_samples)
    if not batch:
        return 0
    steps, rest = divmod(n_samples, batch)
    rest = rest // world * world
    wanted = last_batch == "keep" or (last_batch == "auto" and steps < FEW_BATCHES)
    return steps * batch + (rest if wanted and rest >= 2 * world else 0)


@dataclass(frozen=True)
class Normaliser:
    """Subtracts the mean and divides by the standard deviation of the training split.

    Attributes:
        mean: per channel ``(C, 1, 1)`` for images, per feature ``(D,)`` otherwise.
        scale: one over the standard deviation, same shape; 1 where it is zero.
    """

    mean: Tensor
    scale: Tensor

    @classmethod
    def of(cls, inputs: Tensor) -> Normaliser:
        """Measure the inputs of a training split, uint8 ``(N, C, H, W)`` or float32 ``(N, D)``."""
        if inputs.ndim != 4:
            rows = inputs.double()
            return cls._from(rows.mean(0), rows.var(0, unbiased=False))
        moments = [_moments(inputs[:, channel]) for channel in range(inputs.shape[1])]
        mean, variance = torch.stack(moments).unbind(1)
        return cls._from(mean[:, None, None], variance[:, None, None])

    @classmethod
    def _from(cls, mean: Tensor, variance: Tensor) -> Normaliser:
        # A constant feature keeps a variance of rounding errors, which must not be blown up to 1.
        varies = variance > 1e-12 * (mean.square() + variance)
        scale = torch.where(varies, torch.where(varies, variance, 1.0).rsqrt(), 1.0)
        return cls(mean.float(), scale.float())

    def to(self, device: torch.device) -> Normaliser:
        """Return the same on another device."""
        return Normaliser(self.mean.to(device), self.scale.to(device))

    def __call__(self, inputs: Tensor) -> Tensor:
        """Normalise a batch to float32."""
        return (inputs - self.mean).mul_(self.scale)


def _moments(channel: Tensor) -> Tensor:
    # A histogram of the uint8 pixels: exact, and 51 million pixels of CIFAR need no float64 copy.
    counts = torch.bincount(channel.flatten(), minlength=256).double()
    values = torch.arange(256, dtype=torch.float64)
    mean = (counts * values).sum() / counts.sum()
    return torch.stack([mean, (counts * (values - mean).square()).sum() / counts.sum()])


@dataclass(frozen=True)
class TrainingStream:
    """Batches of one training, as a pure function of seed and epoch.

    Attributes:
        inputs: the split on the device, padded where crops are taken.
        labels: with label noise, on the device.
        normalise: see :class:`Normaliser`.
        plan: the augmentation.
        batch_size: of all ranks together.
        seed: of order and augmentation.
        rank: this process; takes every ``world``-th sample of a batch.
        world: how many processes.
        last_batch: what becomes of the incomplete last batch of an epoch.
    """

    inputs: Tensor
    labels: Tensor
    normalise: Normaliser
    plan: AugmentPlan
    batch_size: int
    seed: int
    rank: int = 0
    world: int = 1
    last_batch: LastBatch = "drop"

    @classmethod
    def place(
        cls,
        inputs: Tensor,
        labels: Tensor,
        *,
        device: torch.device,
        plan: AugmentPlan,
        batch_size: int,
        seed: int,
        rank: int = 0,
        world: int = 1,
        last_batch: LastBatch = "drop",
    ) -> TrainingStream:
        """Measure, pad and move a training split."""
        return cls(
            inputs=(pad_images(inputs, plan.pad) if plan.pad or plan.flip else inputs).to(device),
            labels=labels.to(device),
            normalise=Normaliser.of(inputs).to(device),
            plan=plan,
            batch_size=min(batch_size, len(labels)) // world * world,
            seed=seed,
            rank=rank,
            world=world,
            last_batch=last_batch,
        )

    @property
    def samples_per_epoch(self) -> int:
        """Samples of one epoch; 0 where there are fewer than processes."""
        return epoch_samples(len(self.labels), self.batch_size, self.last_batch, world=self.world)

    @property
    def steps_per_epoch(self) -> int:
        """Steps of one epoch; 0 where there are fewer samples than processes."""
        return -(-self.samples_per_epoch // self.batch_size) if self.batch_size else 0

    def epoch(self, epoch: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Yield (normalised inputs, labels, places in the training split) of every step of an epoch."""
        order = epoch_order(len(self.labels), self.seed, epoch)[: self.samples_per_epoch]
        draws = draw_epoch(self.plan, len(order), self.seed, epoch)
        device = self.labels.device
        for batch, batch_draws in zip(
            torch.split(order.to(device), self.batch_size),
            torch.split(draws.to(device), self.batch_size),
            strict=True,
        ):
            indices, draw = batch[self.rank :: self.world], batch_draws[self.rank :: self.world]
            yield self.normalise(self._take(indices, draw)), self.labels[indices], indices

    def _take(self, indices: Tensor, draw: Tensor) -> Tensor:
        if not (self.plan.pad or self.plan.flip):
            return self.inputs[indices]
        height, width = (side - 2 * self.plan.pad for side in self.inputs.shape[-2:])
        return crop_and_flip(self.inputs, indices, draw, (height, width))
