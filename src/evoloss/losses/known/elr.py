"""Early-learning regularisation, with a memory of each training sample."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Unpack

import torch
import torch.nn.functional as F
from torch import Tensor

from evoloss.errors import ConfigError
from evoloss.losses.base import ClassificationLoss, Options
from evoloss.losses.call.gather import gather
from evoloss.losses.call.labels import Labels
from evoloss.losses.call.modes import on_real_tensors
from evoloss.losses.call.numbers import positive_count
from evoloss.losses.known.ranges import Range, Ranges
from evoloss.losses.state import LossState, other_class_count
from evoloss.losses.stateful import counted_rows
from evoloss.networks import RunningState

__all__ = ["ElrLoss", "early_learning_regulariser"]

_LEAST = 1e-4  # of a probability, as in the authors' code
_INTEGERS = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)


def bounded_probs(log_probs: Tensor) -> Tensor:
    """Probabilities of classes, at least 1e-4 and at most 1 - 1e-4, ``(N, C)``."""
    return log_probs.exp().clamp(_LEAST, 1 - _LEAST)


def early_learning_regulariser(log_probs: Tensor, remembered: Tensor) -> Tensor:
    r"""The regulariser, :math:`\log(1 - \langle t, p \rangle)`, at most 0, ``(N,)``.

    It falls where predictions p stay with t, what they were on average: labels that contradict this are
    fitted less.

    Args:
        log_probs: log-probabilities, shape ``(N, C)``.
        remembered: t, shape ``(N, C)``; no gradient flows through it.

    References:
        Liu et al. 2020, NeurIPS, arXiv:2007.00151.
    """
    return torch.log1p(-(remembered * bounded_probs(log_probs)).sum(dim=1))


class ElrLoss(ClassificationLoss):
    r"""Cross-entropy with early-learning regularisation (ELR).

    .. math:: -\log p_y + \lambda \log(1 - \langle t_i, p \rangle), \qquad
        t_i \leftarrow \beta\, t_i + (1 - \beta)\, p

    where :math:`t_i` is what is remembered of the predictions of training sample i, 0 before its first. A
    training call says which samples it has, ``criterion(logits, target, index=i)``, and updates their memory
    first; before, ``criterion.plan_training(n_samples=len(train_set), epochs=...)`` says how many there are.
    A call without an index, such as that of a validation loss, is cross-entropy; one that is no training call
    reads the memory and leaves it alone.

    The memory is ``criterion.loss_state.memory``, ``(n_samples, C)`` in float32, in the state dict. Of a
    sample that is in a batch twice, one of the predictions is remembered.

    Args:
        beta: share of the memory that stays at each visit, in [0, 1). 0.7 is the authors' value for symmetric
            noise on CIFAR-10; 0.9 for asymmetric noise and CIFAR-100.
        strength: :math:`\lambda`, at least 0. 3 comes from the same place; 1 for asymmetric noise, 7 for
            CIFAR-100.
        weight: one factor a class; see :class:`ClassificationLoss`.
        **options: ``ignore_index``, ``reduction``, ``label_smoothing``; see there.

    Raises:
        ConfigError: if a parameter is out of range.

    References:
        Liu et al. 2020, NeurIPS, arXiv:2007.00151; shengliu66/ELR.

    Example:
        >>> criterion = ElrLoss()
        >>> criterion.plan_training(n_samples=50, epochs=10)
        >>> logits = torch.tensor([[2.0, 0.0, 0.0]], requires_grad=True)
        >>> for _ in range(3):
        ...     print(round(criterion(logits, torch.tensor([0]), index=torch.tensor([7])).item(), 3))
        -0.402
        -0.95
        -1.404
        >>> print(criterion(logits.detach(), torch.tensor([0])))
        tensor(0.2395)
    """

    name: ClassVar[str] = "elr"
    reference: ClassVar[str] = "Liu et al. 2020, arXiv:2007.00151"
    plan_arguments: ClassVar[tuple[str, ...]] = ("n_samples",)
    training_arguments: ClassVar[tuple[str, ...]] = ("index",)
    ranges: ClassVar[Ranges] = {
        "beta": Range(0.0, 0.999999, search=(0.5, 0.99)),
        "strength": Range(0.0, scale="log", search=(0.1, 30.0)),
    }

    n_samples: int | None = None
    if TYPE_CHECKING:  # TorchScript reads annotations, and takes no strings for types
        loss_state: LossState

    def __init__(
        self,
        weight: Tensor | None = None,
        *,
        beta: float = 0.7,
        strength: float = 3.0,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(weight, **options)
        self.beta = self._in_range("beta", beta)
        self.strength = self._in_range("strength", strength)
        with on_real_tensors():
            self.loss_state = LossState({"memory": torch.zeros(0, 0, dtype=torch.float32)})

    def plan_training(
        self, *, n_samples: int, epochs: int | None = None, samples_per_epoch: int | None = None
    ) -> None:
        """Say how many training samples there are.

        Args:
            n_samples: size of the training set, at least 1.
            epochs: of no consequence here.
            samples_per_epoch: likewise.

        Raises:
            ConfigError: if ``n_samples`` is below 1.
        """
        self.n_samples = positive_count("n_samples", n_samples, "loss 'elr'")

    def initial_state(self, n_classes: int) -> RunningState:
        """The memory of a training that has not begun, ``(n_samples, C)``.

        Raises:
            ConfigError: if the size of the training set is not known.
        """
        if self.n_samples is None:
            raise ConfigError("elr remembers each training sample: give n_samples=len(train_set)")
        return {"memory": torch.zeros(self.n_samples, n_classes, dtype=torch.float32)}

    def class_costs(self, logits: Tensor) -> Tensor:
        """Cross-entropy for every class, ``(N, C)`` to ``(N, C)``, as without an index."""
        return -F.log_softmax(logits, dim=1)

    def costs(self, logits: Tensor, labels: Labels, index: Tensor | None = None) -> Tensor:
        """Costs of rows, after the memory has been updated if the call is one of the training.

        Args:
            logits: of any floating dtype, shape ``(N, C)``.
            labels: what the rows should be.
            index: place of each row's sample in the training set, integers from 0, as many as rows and in any
                shape; None for cross-entropy.

        Raises:
            TypeError: if a training call does not say the index, or that is no tensor.
            ValueError: if there is not one for each row, or the training has another class count.
            IndexError: if one is outside the training set (on the CPU).
            ConfigError: if nobody has said how many training samples there are.
        """
        log_probs = F.log_softmax(logits.to(torch.promote_types(logits.dtype, torch.float32)), dim=1)
        if labels.has_indices:
            gather(log_probs, labels.label)  # raises for an index out of range, as cross-entropy does
        costs = -log_probs
        takes_in = self.loss_state.takes_in(logits) and logits.shape[1] > 1
        if takes_in and index is None:
            raise TypeError(
                "elr: a training call needs the place of each sample in the training set, index=..."
            )
        if index is not None:
            index = self._checked(index, len(logits))
            if takes_in and len(index):
                with torch.no_grad():
                    self._remember(index, log_probs.detach(), labels)
            costs = costs + self.strength * self._regulariser(index, log_probs)[:, None]
        return labels.mix(costs) if labels.is_dense else labels.weigh(gather(costs, labels.label))

    def _checked(self, index: Tensor, n_rows: int) -> Tensor:
        """The index as one number a row, int64."""
        if not isinstance(index, Tensor):
            raise TypeError(f"elr: index must be a tensor of integers, got {type(index).__name__}")
        if index.dtype not in _INTEGERS or index.numel() != n_rows:
            raise ValueError(
                f"elr: index must hold an integer for each of the {n_rows} positions of the call, got shape "
                f"{tuple(index.shape)} of {index.dtype}"
            )
        if self.n_samples is None:
            raise ConfigError(
                "elr remembers each training sample: say before the training how many there are, with "
                "criterion.plan_training(n_samples=len(train_set), epochs=...)"
            )
        index = index.reshape(-1).long()
        if index.device.type == "cpu" and n_rows and not torch.compiler.is_compiling():
            least, largest = int(index.min()), int(index.max())
            if least < 0 or largest >= self.n_samples:
                raise IndexError(
                    f"elr: index {least if least < 0 else largest} is outside of the training set of "
                    f"{self.n_samples} samples that plan_training was told of"
                )
        return index

    def _remember(self, index: Tensor, log_probs: Tensor, labels: Labels) -> None:
        """Update the memory of the samples of a batch, of those that count."""
        state, n_classes = self.loss_state, log_probs.shape[1]
        state.follow(log_probs.device)
        if not self._memory(n_classes).numel():
            state.update({"memory": log_probs.new_zeros(self.n_samples or 0, n_classes, dtype=torch.float32)})
        probs = bounded_probs(log_probs)
        probs = probs / probs.sum(dim=1, keepdim=True)
        probs = torch.where(counted_rows(log_probs, labels)[:, None], probs, torch.nan)
        index, probs = state.gathered(index), state.gathered(probs.to(torch.float32))
        # Rows that do not count write what the first that counts writes: they may name any sample.
        counted = ~probs[:, 0].isnan()
        rows = torch.where(counted, torch.arange(len(counted), device=counted.device), counted.int().argmax())
        index, probs = index[rows], probs[rows]
        memory = self._memory(n_classes)
        before = memory[index]
        after = self.beta * before + (1.0 - self.beta) * probs
        memory[index] = torch.where(probs.isnan(), before, after)

    def _regulariser(self, index: Tensor, log_probs: Tensor) -> Tensor:
        """The regulariser of rows by their memory; 0 for samples that were never seen."""
        n_classes = log_probs.shape[1]
        memory = self._memory(n_classes)
        if not memory.numel() or n_classes == 1:
            return torch.zeros_like(log_probs[:, 0])
        return early_learning_regulariser(log_probs, memory[index.to(memory.device)].to(log_probs))

    def _memory(self, n_classes: int) -> Tensor:
        """The memory, after a check that it is that of the training; without entries before its start."""
        memory = self.loss_state.get_buffer("memory")
        if not memory.numel() or n_classes == 1:
            return memory
        if memory.shape[1] != n_classes:
            raise other_class_count(memory.shape[1], n_classes)
        if memory.shape[0] != self.n_samples:
            raise ConfigError(
                f"elr: the memory is of a training with {memory.shape[0]} samples, and plan_training was "
                f"told of {self.n_samples}; reset() forgets it"
            )
        return memory
