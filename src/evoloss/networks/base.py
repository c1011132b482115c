"""What a kind of loss network answers for itself, in the search and in use.

Whoever works with a network asks it, and never what kind it is: a new kind is its own file, one entry of
``NETWORKS``, its tests and a page.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import torch
from torch import Tensor

from evoloss.networks.terms import Context, LabelView, Terms

if TYPE_CHECKING:
    from evoloss.networks.lookup import LookupTables

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
        is_tabulated: whether a loss in use is read from tables, which :meth:`tables` makes.
    """

    sees_batch: ClassVar[bool] = False
    is_tabulated: ClassVar[bool] = False

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

    # In use: one candidate, ``params`` of shape ``(n_params,)``, by differentiable operations.

    def check_classes(self, n_classes: int) -> None:
        """Raise ``ValueError`` (PyTorch's type for mismatched sizes) for a class count that it is not for."""
        if self.class_counts is not None and n_classes not in self.class_counts:
            known = ", ".join(map(str, self.class_counts))
            raise ValueError(f"this loss is for {known} classes and cannot score {n_classes}")

    @abstractmethod
    def class_costs(
        self, params: Tensor, log_probs: Tensor, form: Any = None, context: Context = None
    ) -> Tensor:
        """Canonical ``L(p, k)`` for every class k, ``(N, C)``.

        Args:
            params: of one candidate.
            log_probs: of the predictions, ``(N, C)``.
            form: the canonical form at C, if it is known already.
            context: what :meth:`context` gave for the batch, or a scalar for all rows.
        """

    @abstractmethod
    def label_costs(
        self, params: Tensor, log_probs: Tensor, target: Tensor, form: Any = None, context: Context = None
    ) -> Tensor:
        """Canonical ``L(p, y)`` of labels ``(N,)``; the other arguments are those of :meth:`class_costs`."""

    def context(self, log_probs: Tensor, labels: LabelView) -> Context:
        """What the costs of a batch depend on beside each prediction and its label; without gradient."""
        del log_probs, labels
        return None

    def constants(self, params: Tensor, n_classes: int) -> Any:
        """The canonical form of one candidate, in numbers where it has few; what a loss in use keeps."""
        return self.form(params[None], n_classes)

    def least_cost(self, params: Tensor, n_classes: int, form: Any = None) -> Tensor:
        """The least canonical cost over all predictions and labels, a scalar; a loss in use subtracts it."""
        del n_classes, form
        return params.new_zeros(())

    def terms(self, params: Tensor, n_classes: int) -> Terms | None:
        """The loss at a class count as numbers, on the CPU; None where it has no fast way."""
        del params, n_classes
        return None

    def tables(self, params: Tensor, n_classes: int) -> LookupTables:
        """The terms as tables, on the device of the parameters; where ``is_tabulated``."""
        raise TypeError(f"a {type(self).__name__} is not tabulated")
