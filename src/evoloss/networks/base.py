"""What a kind of loss network answers for itself, in the search and in use.

Whoever works with a network asks it, and never what kind it is: a new kind is its own file, one entry of
``NETWORKS``, its tests and a page.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Protocol

import torch
from torch import Tensor

# Class counts at which a loss for any count must have a canonical form.
CHECKED_CLASSES = (2, 10, 100, 1000)


class Form(Protocol):
    """A canonical form; ``exists`` says for which candidates there is one."""

    @property
    def exists(self) -> Tensor:
        """Shape ``(popsize,)``, bool."""
        ...


class LossNetwork(ABC):
    """Base of all kinds. ``params`` is one candidate a row, ``(popsize, n_params)``, unless said otherwise.

    Attributes:
        sees_batch: whether the cost of a prediction depends on the rest of its batch.
    """

    sees_batch: ClassVar[bool] = False

    @property
    def class_counts(self) -> tuple[int, ...] | None:
        """The class counts that a loss of this network is for; None for any."""
        return None

    @property
    def checked_classes(self) -> tuple[int, ...]:
        """The class counts at which a loss of this network must have a canonical form to be used."""
        return self.class_counts or CHECKED_CLASSES

    @property
    @abstractmethod
    def n_params(self) -> int:
        """Length of a candidate's parameter vector."""

    @abstractmethod
    def initial(self, generator: torch.Generator) -> Tensor:
        """A random starting point, shape ``(n_params,)``."""

    @abstractmethod
    def form(self, params: Tensor, n_classes: int) -> Form:
        """The canonical form of candidates at a class count."""

    @abstractmethod
    def losses(self, params: Tensor, log_probs: Tensor, target: Tensor) -> Tensor:
        """Canonical losses ``(popsize, N)`` of predictions ``(N, C)`` with labels ``(N,)``."""
