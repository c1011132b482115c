r"""The interface of a network's state: running statistics of the training that a loss is part of.

In a search every student has its own. A state changes what a loss is by *where* its slopes are looked up,
which it says of each sample: at ``exponent * (log p - offset)``, as a tempered loss looks them up at
``t log p`` (:mod:`evoloss.networks.tempering`). The slopes of the other classes are 0 in such a loss. Beside
that a sample may cost a share of the mean of :math:`-\log p` over all classes, as label smoothing makes it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol, Self

from torch import Tensor

RunningState = Mapping[str, Tensor]
"""The statistics of a loss in use, by name."""

BatchSums = Mapping[str, Tensor]
"""Sums over the samples of a batch, which move the statistics on, by name."""


class SlopeArgument(NamedTuple):
    """The argument at which samples look up slopes, ``exponent * (log p - offset)``, at most 0; and a share.

    No gradient flows through any.

    Attributes:
        exponent: of each sample, above 0; None for 1.
        offset: likewise, at least log p of the label: such as that of the most probable class, for a loss
            that compares the label with it. None for 0.
        smoothing: likewise, the weight of the mean of -log p over the classes, which a sample costs beside
            what is looked up. None for 0.
    """

    exponent: Tensor | None
    offset: Tensor | None = None
    smoothing: Tensor | None = None

    def of(self, log_p: Tensor) -> Tensor:
        """The argument for log-probabilities that broadcast with the attributes."""
        argument = log_p if self.offset is None else log_p - self.offset
        return argument if self.exponent is None else self.exponent * argument


class TrainingState(Protocol):
    """The running statistics of trainings in progress, one for each task and candidate."""

    def take_in(self, log_probs: Tensor, is_label: Tensor) -> SlopeArgument:
        """Take in the batch of a training step; then say where its samples look up their slopes.

        Called once in every step, never when students are judged.

        Args:
            log_probs: of the predictions, ``(tasks, popsize, C, batch)``; not to be changed.
            is_label: bool, ``(tasks, 1, C, batch)``.

        Returns:
            Attributes of shape ``(tasks, popsize, 1, batch)``.
        """
        ...


class States(Protocol):
    """The state of a population's losses: numbers with one row a candidate."""

    def map(self, change: Callable[[Tensor], Tensor]) -> Self:
        """The same with every tensor changed.

        ``change`` chooses rows, moves to another dtype or device, or adds rows of zeros in the place of
        candidates without a state; what comes of those rows is not used.
        """
        ...

    def begin(self, n_tasks: int, n_samples: int) -> TrainingState:
        """The statistics of trainings that have not begun, each candidate on each task.

        Args:
            n_tasks: the number of trainings of each candidate.
            n_samples: the size of a training set, an epoch.
        """
        ...
