"""The interface of a network's state: running statistics of the training that a loss is part of.

In a search every student has its own. A state changes what a loss is by the *exponent* t of each sample: the
slopes of the loss are looked up at ``t log p`` (:mod:`evoloss.networks.tempering`), and those of the other
classes are 0 where t is not 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol, Self

from torch import Tensor

RunningState = Mapping[str, Tensor]  # the statistics of a loss in use, by name


class TrainingState(Protocol):
    """The running statistics of trainings in progress, one for each task and candidate."""

    def exponents(self, log_probs: Tensor, is_label: Tensor) -> Tensor:
        """Take in the batch of a training step, and give the exponent of each of its samples.

        Called once in every step, never when students are judged.

        Args:
            log_probs: of the predictions, ``(tasks, popsize, C, batch)``; not to be changed.
            is_label: bool, ``(tasks, 1, C, batch)``.

        Returns:
            Shape ``(tasks, popsize, 1, batch)``.
        """
        ...


class States(Protocol):
    """The state of a population's losses: numbers with one row a candidate.

    A row of zeros is that of a candidate without a state, whose exponent is 1.
    """

    def map(self, change: Callable[[Tensor], Tensor]) -> Self:
        """The same with every tensor changed; ``change`` chooses rows, adds rows, or moves to a device."""
        ...

    def begin(self, n_tasks: int) -> TrainingState:
        """The statistics of trainings that have not begun, each candidate on each task."""
        ...
