"""Random draws of tasks, and the samples that tasks are made of."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from evoloss.tasks.prior import Prior


class Samples(NamedTuple):
    """Points of several tasks with their true labels.

    Attributes:
        x: ``(tasks, n, features)``.
        y: int64, ``(tasks, n)``.
        rival: the likeliest wrong class of each point, int64, ``(tasks, n)``.
        doubt: how close the point is to it, in (0, 1], ``(tasks, n)``.
    """

    x: Tensor
    y: Tensor
    rival: Tensor
    doubt: Tensor


class Draw:
    """Random numbers with a first axis of tasks."""

    def __init__(self, n_tasks: int, generator: torch.Generator) -> None:
        self.n_tasks, self.generator = n_tasks, generator

    def normal(self, *shape: int) -> Tensor:
        """Standard normal numbers ``(tasks, *shape)``."""
        return torch.randn(self.n_tasks, *shape, generator=self.generator, dtype=torch.float32)

    def uniform(self, low: float, high: float, *shape: int) -> Tensor:
        """Uniform numbers ``(tasks, *shape)``."""
        return low + (high - low) * torch.rand(
            self.n_tasks, *shape, generator=self.generator, dtype=torch.float32
        )

    def log_uniform(self, low: float, high: float, *shape: int) -> Tensor:
        """Numbers whose logarithms are uniform, ``(tasks, *shape)``."""
        return self.uniform(math.log(low), math.log(high), *shape).exp()

    def integers(self, low: int, high: int, shape: tuple[int, ...] | None = None) -> Tensor:
        """Whole numbers from low to high, both included."""
        size = (self.n_tasks,) if shape is None else shape
        return torch.randint(low, high + 1, size, generator=self.generator)

    def chance(self, share: float) -> Tensor:
        """Mask of the tasks that are drawn with a probability of ``share``, ``(tasks,)``."""
        return torch.rand(self.n_tasks, generator=self.generator, dtype=torch.float32) < share


def draw_labels(prior: Prior, draw: Draw, n: int, n_classes: int) -> Tensor:
    """Labels of classes that are equal in some tasks and unequal in others."""
    ratio = torch.where(draw.chance(prior.imbalanced), draw.log_uniform(2, 20), 1.0)
    place = draw.uniform(0, 1, n_classes)
    weights = ratio[:, None] ** -place
    return torch.multinomial(weights, n, replacement=True, generator=draw.generator)
