"""The semantics of ``nn.CrossEntropyLoss``, written once for every loss.

A loss of this package is a cost L(p, k) of predicting p where the label is k. Everything else that
``nn.CrossEntropyLoss`` offers follows from one rule: a label distribution q costs
``sum_k w_k q_k L(p, k)``. An index target is the one-hot q, ``label_smoothing`` replaces q by
``(1 - eps) q + eps / C``, and ``ignore_index`` removes a position. With ``L(p, k) = -log p_k`` this is
cross-entropy itself, which is how this file is tested.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from evoloss.formulas import Formula
from evoloss.losses.call.autocast import autocast_dtype, autocast_off
from evoloss.losses.call.gather import gather
from evoloss.losses.call.labels import Labels
from evoloss.losses.call.modes import autograd_takes, can_fuse_gradient, kind_of
from evoloss.losses.call.numbers import python_number
from evoloss.losses.call.symbolic import is_symbolic, recorded_call
from evoloss.losses.call.validation import (
    Options,
    Reduction,
    SharedArguments,
    is_accepted,
    raise_as_cross_entropy,
)
from evoloss.losses.kernels.cpu_rows import reduced_rows
from evoloss.losses.kernels.few_rows import few_rows
from evoloss.losses.known.ranges import Ranges, in_range
from evoloss.losses.state import states_of
from evoloss.networks import Terms

__all__ = ["ClassificationLoss", "Options", "Reduction", "SharedArguments"]


class ClassificationLoss(nn.CrossEntropyLoss):
    r"""Base of every loss: the call, the shapes and the rules of ``nn.CrossEntropyLoss``.

    With p = softmax(input) over the class axis, w the class weights and q the label distribution, a position
    costs :math:`\sum_k w_k q_k L(p, k)`, where q is the target itself (probabilities) or the one-hot vector
    of the target (indices), mixed with the uniform one by ``label_smoothing``.

    There is one way from the call to the result: the call is checked, the logits become rows, the target
    :class:`~evoloss.losses.call.labels.Labels`, the rows cost something, and the costs are reduced. A
    subclass says what a row costs: by differentiable operations (:meth:`class_costs`, and
    :meth:`label_costs` where one entry is cheaper than all), and by :meth:`terms` where costs and slopes can
    be worked out together, which is what plain calls take.

    It is an ``nn.CrossEntropyLoss``, so that what asks for one finds one.

    Args:
        weight: one factor a class, shape ``(C,)``, of the dtype of the input; None for all ones. A buffer.
        ignore_index: index target that costs nothing and does not count in the mean; any integer. Not for
            probability targets.
        reduction: ``"none"``, ``"sum"`` or ``"mean"``. The mean over index targets divides by the sum of the
            ``weight`` of the targets, the mean over probability targets by the number of positions.
        label_smoothing: eps in ``q <- (1 - eps) q + eps / C``, in [0, 1]; below 0 counts as 0, as in PyTorch.

    Shape:
        - input: ``(C)``, ``(N, C)`` or ``(N, C, d1, ..., dK)``.
        - target: class indices (int64; uint8 up to two input dimensions), of the shape of the input without
          its class axis; or class probabilities (floating), of exactly the shape of the input. The shape
          decides which.
        - output: a scalar, or the shape of the input without its class axis for ``reduction="none"``.

    All arithmetic is in float32 (float64 for float64 input) with autocast off; the result has the dtype that
    ``nn.CrossEntropyLoss`` gives it. No position left to average over gives NaN, as there.

    Misuse raises the exception types of ``nn.CrossEntropyLoss``, at the same moment: the constructor accepts
    what that constructor accepts, and :meth:`forward` raises.

    Infinite logits go through the formulas: as with cross-entropy, a row without a finite softmax is NaN.

    Example:
        >>> class Error(ClassificationLoss):
        ...     def class_costs(self, logits):  # what each class would cost as the label, (N, C)
        ...         return 1 - logits.softmax(1)
        >>> Error(reduction="none")(torch.zeros(2, 4), torch.tensor([0, 3]))
        tensor([0.7500, 0.7500])
    """

    name: ClassVar[str]
    """The name of the loss in :data:`evoloss.losses.LOSSES`; part of its fingerprint, so never changed."""

    # TorchScript compiles properties, and these are for people.
    __jit_unused_properties__: ClassVar[list[str]] = ["hyperparameters"]

    reference: ClassVar[str] = ""
    """Publication of the loss, in a few words."""

    ranges: ClassVar[Ranges] = {}
    """The parameters of this loss beyond the shared ones, with what each may be."""

    formula: ClassVar[Formula | None] = None
    """The formula of the loss for any array library; its numbers are the parameters. None without one."""

    plan_arguments: ClassVar[tuple[str, ...]] = ()
    """Arguments of :meth:`plan_training` without which no training can begin."""

    training_arguments: ClassVar[tuple[str, ...]] = ()
    """Keyword arguments that a training call needs beside logits and target; trainers ask for them.

    ``"index"``: the place of each sample in the training set, int64, of the shape of index targets;
    ``"lr"``: the learning rate of the step.
    """

    if TYPE_CHECKING:  # TorchScript reads annotations, and takes no strings for types
        weight: Tensor | None
        reduction: Reduction

    def __init__(
        self,
        weight: Tensor | None = None,
        *,
        ignore_index: int = -100,
        reduction: Reduction = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(
            weight=autograd_takes(weight),
            ignore_index=python_number(ignore_index),
            reduction=reduction,
            label_smoothing=python_number(label_smoothing, real=True),
        )

    @property
    def hyperparameters(self) -> dict[str, float]:
        """The parameters of this loss beyond the shared ones, by name."""
        return {name: getattr(self, name) for name in self.ranges}

    def describe(self) -> dict[str, Any]:
        """The description of this loss, beside its tensors, in JSON values.

        The name of a loss of this package is a literal of its class; that of a subclass made elsewhere is
        its place, since it may compute something else.
        """
        kind = type(self)
        name = vars(kind).get("name", f"{kind.__module__}.{kind.__qualname__}")
        return {"loss": name, **self.hyperparameters, **self._options()}

    def extra_repr(self) -> str:
        """List the parameters inside ``repr(loss)``."""
        values = self.hyperparameters | self._options()
        return ", ".join(f"{name}={value!r}" for name, value in values.items())

    def _in_range(self, name: str, value: float) -> float:
        """Return a parameter as a float, or raise :class:`ConfigError` if it is outside its range."""
        return in_range(self.name, name, value, self.ranges[name])

    def _options(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("ignore_index", "reduction", "label_smoothing")}

    def plan_training(
        self, *, n_samples: int, epochs: int | None = None, samples_per_epoch: int | None = None
    ) -> None:
        """Say how long the training will be, for a loss that has to know; of no consequence to others.

        Args:
            n_samples: size of the training set, at least 1.
            epochs: passes over it, at least 1; None where that is not known.
            samples_per_epoch: where they are fewer, since incomplete batches are left out.
        """

    def reset(self) -> None:
        """Forget the training that this loss was part of, if it keeps running statistics."""
        for state in states_of(self):
            state.reset()

    def sync_batch(self, process_group: Any = None) -> Self:
        """Take for a batch what all processes of a group see together; returns this loss.

        Paced losses go by their batch, and so do losses that keep statistics of their training; to others it
        is the same what is beside a row. In training calls the processes add up their sums, one or two
        numbers a class; each process has to make every training call, as with ``nn.SyncBatchNorm``. Other
        calls ask nobody. No gradient flows between processes: what a row costs, and its gradient, are those
        of the joint batch, and the mean is over the rows of this process. Averaged by
        ``DistributedDataParallel`` that is the gradient of the joint batch where all parts are equally large
        (and, with class weights, of equal weight), as it is for cross-entropy.

        Args:
            process_group: of ``torch.distributed``; None for the default one.

        Example:
            >>> from evoloss import EvolvedLoss
            >>> criterion = EvolvedLoss.from_pretrained("evolved-noise").sync_batch()
        """
        for state in states_of(self):
            state.sync_batch(process_group)
        return self

    def class_costs(self, logits: Tensor) -> Tensor:
        """L(p, k) for every class k, by differentiable operations.

        Args:
            logits: float32 or float64, shape ``(N, C)`` with C at least 1.

        Returns:
            The costs, shape ``(N, C)``.
        """
        raise NotImplementedError

    def label_costs(self, logits: Tensor, target: Tensor) -> Tensor:
        """L(p, y) for one class a row, by differentiable operations.

        Args:
            logits: float32 or float64, shape ``(N, C)``.
            target: class indices, int64, shape ``(N,)``.

        Returns:
            The costs, shape ``(N,)``.

        Raises:
            IndexError: if an index is outside ``[0, C)`` (on CPU; a device-side assert on CUDA).
        """
        return gather(self.class_costs(logits), target)

    def costs(self, logits: Tensor, labels: Labels) -> Tensor:
        """Costs of rows by differentiable operations, weighted and smoothed, 0 for rows to ignore; ``(N,)``.

        Args:
            logits: of any floating dtype, shape ``(N, C)``.
            labels: what the rows should be.
        """
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        if labels.is_dense:
            return labels.mix(self.class_costs(logits))
        return labels.weigh(self.label_costs(logits, labels.label))

    def terms(self, logits: Tensor, labels: Labels) -> Terms | None:
        """Costs and slopes of this loss together, for a plain call; None where it has no such way.

        Args:
            logits: real, on the CPU, of any floating dtype, shape ``(N, C)`` with N and C at least 1.
            labels: what the rows should be.
        """
        return None

    def costs_of_call(self, terms: Terms) -> Callable[[Tensor, Labels], Tensor]:
        """:meth:`costs` as they are in a call of a loss with a state, for second derivatives of that call.

        Args:
            terms: of the call.
        """
        raise NotImplementedError

    @torch.jit.unused
    def forward(self, input: Tensor, target: Tensor, **training: Any) -> Tensor:
        """Cost of predicting ``input`` where ``target`` is right; see the class for shapes.

        Args:
            input: logits.
            target: class indices or class probabilities.
            **training: what :attr:`training_arguments` name.

        Raises:
            Exception: for the same misuse the same types as ``nn.CrossEntropyLoss`` raises.
            TypeError: if this loss takes no argument of a name.
        """
        if not is_accepted(input, target, self):
            if is_symbolic(input, target):
                return recorded_call(self, input, target, **training)  # type: ignore[no-any-return]
            raise_as_cross_entropy(input, target, self)
        costs = self.costs if not training else self._costs_of_training(training)
        axis = 0 if input.dim() == 1 else 1
        if input.shape[axis] == 0:
            # Without classes no loss has anything to say, and the edge cases are those of an empty sum.
            return F.cross_entropy(input, target, self.weight, **self._options())
        indices = input.shape != target.shape
        logits, rows = input, target
        if input.dim() != 2:
            logits = input.movedim(axis, -1).reshape(-1, input.shape[axis]).contiguous()
            rows = target.reshape(-1) if indices else target.movedim(axis, -1).reshape(logits.shape)
        weight, smoothing = self.weight, self.label_smoothing if self.label_smoothing > 0.0 else 0.0
        if weight is not None:
            weight = weight.to(torch.promote_types(input.dtype, torch.float32))
        if indices and rows.dtype != torch.int64:
            rows = rows.long()
        labels = Labels(rows, weight, smoothing, self.ignore_index, smoothing > 0.0 or not indices)
        terms = self.terms(logits, labels) if can_fuse_gradient(logits, rows, weight) else None
        result = None
        if terms is not None:
            if terms.has_state:
                costs = self.costs_of_call(terms)
            result = few_rows(logits, labels, terms, self.reduction, costs)
            if result is None:
                result = reduced_rows(logits, labels, terms, self.reduction, costs)
        else:
            with autocast_off(input.device.type), kind_of(input):
                result = labels.reduce(costs(logits, labels), self.reduction)
        if self.reduction == "none" and input.dim() != 2:
            result = result.reshape(input.shape[:axis] + input.shape[axis + 1 :])
        if indices and result.dtype == input.dtype:
            return result
        return result.to(self._result_dtype(input, target, indices))

    def _costs_of_training(self, training: dict[str, Any]) -> Callable[[Tensor, Labels], Tensor]:
        """:meth:`costs` of a call that says more than logits and target."""
        for name in training:
            if name not in self.training_arguments:
                raise TypeError(f"{type(self).__name__} takes no argument {name!r} beside input and target")
        return partial(self.costs, **training)

    def _result_dtype(self, input: Tensor, target: Tensor, indices: bool) -> torch.dtype:
        """The dtype in which ``nn.CrossEntropyLoss`` answers."""
        dtype = autocast_dtype(input)
        if indices:
            return dtype
        dtype = torch.promote_types(dtype, autocast_dtype(target))
        return dtype if self.weight is None else torch.promote_types(dtype, autocast_dtype(self.weight))

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        self.weight = autograd_takes(self.weight)

    def _load_from_state_dict(self, *args: Any) -> None:
        super()._load_from_state_dict(*args)
        self.weight = autograd_takes(self.weight)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        self.weight = autograd_takes(self.weight)
        return self
