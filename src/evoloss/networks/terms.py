r"""A loss at one class count as numbers worked out once: what a fast way through rows of logits asks for.

A row of log-probabilities l with label k costs :math:`\sum_j \phi_0(l_j) + \delta(l_k)`. Terms give both
functions and their slopes together, without autograd. What :math:`\delta` depends on beside its argument is
the *context* of a row: the certainty of its prediction, the agreement of its batch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from evoloss.networks.states import BatchSums

Array = NDArray[np.float32]

LOG_P_FLOOR = math.log(1e-30)  # the smallest probability in play; a loss goes on below it as it is there

Context = (
    Tensor | None
)  # of each row, ``(N,)``, or of each row and class, ``(N, C)``; None where there is none


def wide_dtype(device: torch.device) -> torch.dtype:
    """The dtype of long sums and fine searches: float64, which Apple's GPUs do not have."""
    return torch.float32 if device.type == "mps" else torch.float64


class LabelView(Protocol):
    """The labels of a batch as a context sees them; :class:`evoloss.losses.call.labels.Labels`."""

    @property
    def label(self) -> Tensor:
        """Class indices, ``(N,)``."""
        ...

    @property
    def counted(self) -> Tensor:
        """Mask of the index targets that are not to be ignored, ``(N,)``."""
        ...

    @property
    def is_dense(self) -> bool:
        """True if more than the label's own class has a share."""
        ...

    def shares(self, log_probs: Tensor) -> Tensor:
        """Each class's share of the labels, 0 for rows to ignore, ``(N, C)``."""
        ...


class FewRows(NamedTuple):
    """A small batch in NumPy, the class axis first.

    Attributes:
        log_probs: ``(C, N)``, contiguous; those of classes that are masked may be ``-inf``.
        log_p: those of the labels, ``(N,)``; none is below :data:`LOG_P_FLOOR`.
        label: class indices, ``(N,)``.
        at_label: places of the labels in an array ``(C, N)`` that is read row by row, ``(N,)``.
    """

    log_probs: Array
    log_p: Array
    label: NDArray[np.int64]
    at_label: NDArray[np.int64]


FewCosts = tuple[Array, Array]
"""Costs ``(N,)`` and slopes by ``log_probs``, ``(C, N)``, or by ``log_p``, ``(N,)``, where others are 0."""


StateArrays = Mapping[str, NDArray[np.float32]]
"""The running statistics of a loss by name, to be read."""

StoreState = Callable[[Mapping[str, Any]], None]
"""Takes the statistics after a batch by name: arrays, and numbers where there is one."""


class Terms(Protocol):
    """See the module's docstring.

    Those of a loss with a state (``has_state``) are made for each call by :meth:`of_call`, and then used
    once: by ``few``, or by :meth:`state_context` and :meth:`cost_and_slope`, for index targets without
    smoothing. They take the batch in on the way. Such terms have no sum over the classes.
    """

    @property
    def few(self) -> Callable[[FewRows], FewCosts] | None:
        """Costs and slopes of a small batch in NumPy, where that is worth having; they may be written to."""
        ...

    @property
    def has_other(self) -> bool:
        r"""True if :math:`\phi_0` is anything but 0."""
        ...

    @property
    def sees_batch(self) -> bool:
        """True if there is a context that is worked out for the whole batch first."""
        ...

    @property
    def sees_row(self) -> bool:
        """True if there is a context that each row gives by itself."""
        ...

    @property
    def has_state(self) -> bool:
        """True if the costs depend on running statistics of the training."""
        ...

    @property
    def smoothing(self) -> float:
        """The weight of the mean of -log p over all classes, beside what a label costs.

        Of a call of a loss with a state, for larger batches; for small ones it is in ``few``.
        """
        ...

    @property
    def held(self) -> Context:
        """The context that a call of a loss with a state has cost by, for the network's own costs."""
        ...

    def of_call(self, state: StateArrays, store: StoreState | None) -> Self:
        """These terms for one call of a loss with a state.

        Args:
            state: the statistics.
            store: where they go once the batch is taken in; None for a call that is not one of the training.
        """
        ...

    def state_context(
        self, log_probs: Tensor, log_p: Tensor, label: Tensor, counted: Tensor | None
    ) -> Tensor:
        """The context of the rows of a call, ``(N,)``; the batch is taken in if that is due.

        Args:
            log_probs: of the predictions, ``(N, C)``; NaN in rows without a softmax, which are no samples.
            log_p: those of the labels, ``(N,)``.
            label: class indices, ``(N,)``.
            counted: which rows are not to be ignored, ``(N,)``; None for all.
        """
        ...

    def joined(self, join: Callable[[BatchSums], BatchSums]) -> Terms:
        """These terms for one call whose batch is a part of a larger one; they are then terms with a state.

        Args:
            join: from the sums of the call's batch to those of the larger one.
        """
        ...

    def batch_context(self, log_p: Tensor, label: Tensor, counted: Tensor | None, n_classes: int) -> Tensor:
        """The context of rows of a batch.

        Args:
            log_p: log-probabilities of the labels, ``(N,)``.
            label: class indices, ``(N,)``.
            counted: which rows are not to be ignored, ``(N,)``; None for all.
            n_classes: the class count.
        """
        ...

    def dense_batch_context(self, probs: Tensor, shares: Tensor) -> Tensor:
        """The same of rows and classes, from predictions and label distributions ``(N, C)``."""
        ...

    def row_context(self, log_probs: Tensor) -> Tensor:
        """The context of rows that needs no others, ``(n, C)`` to ``(n,)``."""
        ...

    def cost_and_slope(self, log_p: Tensor, context: Context) -> tuple[Tensor, Tensor]:
        r""":math:`\delta` and its slope at log-probabilities of any shape, with which context broadcasts.

        The results may be written to.
        """
        ...

    def others(self, log_probs: Tensor, scratch: Sequence[Tensor] | None) -> tuple[Tensor, Tensor]:
        r"""The sum of :math:`\phi_0` over the classes, ``(n,)``, and its slope at each, ``(n, C)``.

        Args:
            log_probs: float32, shape ``(n, C)``.
            scratch: four tensors of that shape to work in, three float32 and one int32; the slopes may lie
                in the first. None to make new ones.
        """
        ...


class RowTerms:
    """Terms without a sum over the classes and without a context; what most losses are.

    Example:
        >>> class Cubic(RowTerms):
        ...     def cost_and_slope(self, log_p, context):
        ...         return -(log_p**3), -3 * log_p**2
        >>> Cubic().cost_and_slope(torch.tensor([-2.0]), None), Cubic().has_other
        ((tensor([8.]), tensor([-12.])), False)
    """

    few: Callable[[FewRows], FewCosts] | None = None
    has_other: bool = False
    sees_batch: bool = False
    sees_row: bool = False
    has_state: bool = False
    smoothing: float = 0.0
    held: Context = None

    def of_call(self, state: StateArrays, store: StoreState | None) -> Self:
        """None is asked for."""
        raise TypeError("these terms have no state")

    def state_context(
        self, log_probs: Tensor, log_p: Tensor, label: Tensor, counted: Tensor | None
    ) -> Tensor:
        """None is asked for."""
        raise TypeError("these terms have no state")

    def joined(self, join: Callable[[BatchSums], BatchSums]) -> Terms:
        """None are asked for."""
        raise TypeError("these terms see no batch")

    def batch_context(self, log_p: Tensor, label: Tensor, counted: Tensor | None, n_classes: int) -> Tensor:
        """None is asked for."""
        raise TypeError("these terms see no batch")

    def dense_batch_context(self, probs: Tensor, shares: Tensor) -> Tensor:
        """None is asked for."""
        raise TypeError("these terms see no batch")

    def row_context(self, log_probs: Tensor) -> Tensor:
        """None is asked for."""
        raise TypeError("these terms see no more of a row than its label")

    def others(self, log_probs: Tensor, scratch: Sequence[Tensor] | None) -> tuple[Tensor, Tensor]:
        """None is asked for."""
        raise TypeError("these terms have no sum over the classes")


@dataclass(frozen=True)
class AffineTerms(RowTerms):
    r"""Functions linear in log p: :math:`\phi_0 = a\,l` and :math:`\delta = b\,l`.

    Attributes:
        a: slope of the sum over all classes.
        b: slope of the label's own term.

    Example:
        >>> terms = AffineTerms(a=0.0, b=-1.0)  # cross-entropy
        >>> terms.cost_and_slope(torch.tensor([-2.0, -0.5]), None)
        (tensor([2.0000, 0.5000]), tensor([-1., -1.]))
    """

    a: float
    b: float

    @property
    def has_other(self) -> bool:  # type: ignore[override]
        """True if there is a sum over the classes."""
        return self.a != 0.0

    def cost_and_slope(self, log_p: Tensor, context: Context) -> tuple[Tensor, Tensor]:
        r""":math:`\delta` and its slope."""
        del context
        return self.b * log_p, torch.full_like(log_p, self.b)

    def others(self, log_probs: Tensor, scratch: Sequence[Tensor] | None) -> tuple[Tensor, Tensor]:
        r"""The sum of :math:`\phi_0` and its slopes."""
        slope = torch.empty_like(log_probs) if scratch is None else scratch[0]
        return self.a * log_probs.sum(1), slope.fill_(self.a)
