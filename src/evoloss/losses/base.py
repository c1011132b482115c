"""The semantics of ``nn.CrossEntropyLoss``, written once for every loss.

A loss of this package is a cost L(p, k) of predicting p where the label is k. Everything else that
``nn.CrossEntropyLoss`` offers follows from one rule: a label distribution q costs
``sum_k w_k q_k L(p, k)``. An index target is the one-hot q, ``label_smoothing`` replaces q by
``(1 - eps) q + eps / C``, and ``ignore_index`` removes a position. With ``L(p, k) = -log p_k`` this is
cross-entropy itself, which is how this file is tested.
"""

from __future__ import annotations

import numbers
from collections.abc import Callable
from typing import Any, ClassVar, ParamSpec, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd import forward_ad

from evoloss.losses.call.autocast import autocast_dtype, autocast_off
from evoloss.losses.call.gather import label_of, pick
from evoloss.losses.call.labels import Labels
from evoloss.losses.call.validation import (
    Reduction,
    SharedArguments,
    is_accepted,
    n_classes,
    raise_as_cross_entropy,
)

__all__ = ["ClassificationLoss", "Reduction", "SharedArguments"]

P = ParamSpec("P")
T = TypeVar("T")


class ClassificationLoss(nn.Module):
    r"""Base of every loss: the call, the shapes and the rules of ``nn.CrossEntropyLoss``.

    With p = softmax(input) over the class axis, w the class weights and q the label distribution, a position
    costs :math:`\sum_k w_k q_k L(p, k)`, where q is the target itself (probabilities) or the one-hot vector
    of the target (indices), mixed with the uniform one by ``label_smoothing``.

    A subclass defines :meth:`class_costs`, :meth:`label_costs` too where one entry is cheaper than all, and
    :meth:`row_costs` where it has a faster way than operations on whole tensors.

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
    """

    name: ClassVar[str]
    """What the loss is called in :data:`evoloss.losses.LOSSES`; part of its fingerprint, so never changed."""

    _HYPERPARAMETERS: ClassVar[tuple[str, ...]] = ()

    weight: Tensor | None

    def __init__(
        self,
        *,
        weight: Tensor | None = None,
        ignore_index: int = -100,
        reduction: Reduction = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__()
        self.register_buffer("weight", weight)
        self.ignore_index = _plain_number(ignore_index)
        self.reduction: Reduction = reduction
        self.label_smoothing = _plain_number(label_smoothing, real=True)

    @property
    def hyperparameters(self) -> dict[str, float]:
        """The parameters of this loss beyond the shared ones, by name."""
        return {name: getattr(self, name) for name in self._HYPERPARAMETERS}

    def describe(self) -> dict[str, Any]:
        """What makes this loss what it is, beside its tensors, in JSON values.

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

    def _options(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("ignore_index", "reduction", "label_smoothing")}

    def class_costs(self, logits: Tensor) -> Tensor:
        """L(p, k) for every class k.

        Args:
            logits: finite, float32 or float64, shape ``(N, C)`` with C at least 1.

        Returns:
            The costs, shape ``(N, C)``.
        """
        raise NotImplementedError

    def label_costs(self, logits: Tensor, target: Tensor) -> Tensor:
        """L(p, y) for one class a row.

        Args:
            logits: finite, float32 or float64, shape ``(N, C)``.
            target: class indices, int64, shape ``(N,)``.

        Returns:
            The costs, shape ``(N,)``.

        Raises:
            IndexError: if an index is outside ``[0, C)`` (on CPU; a device-side assert on CUDA).
        """
        return pick(self.class_costs(logits), target)

    def row_costs(self, logits: Tensor, labels: Labels) -> Tensor | None:
        """Costs of rows by a faster way than :meth:`class_costs`, or None for what it does not do.

        Args:
            logits: of any floating dtype, shape ``(N, C)``; only their gradient is asked for.
            labels: what the rows should be; the weight counts for dense labels alone, and is applied to the
                others by the caller.

        Returns:
            The costs, float32, shape ``(N,)``, differentiable twice; 0 for a target of ``ignore_index``.
        """
        return None

    def batch_costs(self, logits: Tensor, labels: Labels) -> Tensor | None:
        """Costs of rows that depend on the rest of the batch; None for losses in which a row stands alone.

        Args:
            logits: of any floating dtype, shape ``(N, C)``.
            labels: as for :meth:`row_costs`, the weight in float32 or float64.

        Returns:
            The costs by differentiable operations, shape ``(N,)``; 0 for a target of ``ignore_index``.
        """
        return None

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Cost of predicting ``input`` where ``target`` is right; see the class for shapes.

        Args:
            input: logits.
            target: class indices or class probabilities.

        Raises:
            Exception: for the same misuse the same types as ``nn.CrossEntropyLoss`` raises.
        """
        shared = self._shared_arguments()
        if not is_accepted(input, target, shared):
            raise_as_cross_entropy(input, target, shared)
        if n_classes(input) == 0:
            # Without classes no loss has anything to say, and the edge cases are those of an empty sum.
            return F.cross_entropy(input, target, **shared)
        indices = input.shape != target.shape
        dtype = self._result_dtype(input, target, indices)
        with autocast_off(input.device.type):
            rows = self._row_losses(input, target, indices)
            if rows is not None:
                return _reduce(*rows, self.reduction).to(dtype)
            working = torch.promote_types(dtype, torch.float32)
            logits = input.to(working)
            weight = None if self.weight is None else self.weight.to(working)
            if input.dim() == 1:
                logits, target = logits.unsqueeze(0), target.reshape(1) if indices else target.unsqueeze(0)
            total: Tensor | int
            if indices:
                losses, total = self._index_losses(logits, target.long(), weight)
            else:
                losses, total = self._distribution_losses(logits, target.to(working), weight)
            if input.dim() == 1:
                losses = losses.squeeze(0)
            return _reduce(losses, total, self.reduction).to(dtype)

    def _row_losses(self, input: Tensor, target: Tensor, indices: bool) -> tuple[Tensor, Tensor | int] | None:
        """Losses by :meth:`row_costs` or :meth:`batch_costs`, and what their mean divides by.

        None where there is no such way.
        """
        kind = type(self)
        plain = kind.row_costs is not ClassificationLoss.row_costs and _is_plain(target, self.weight)
        if not plain and kind.batch_costs is ClassificationLoss.batch_costs:
            return None
        axis = 0 if input.dim() == 1 else 1
        shape = input.shape[:axis] + input.shape[axis + 1 :]
        logits = input if input.dim() == 2 else input.movedim(axis, -1).reshape(-1, input.shape[axis])
        working = torch.promote_types(input.dtype, torch.float32)
        weight = None if self.weight is None else self.weight.to(working)
        if indices:
            target = (target if target.dim() == 1 else target.reshape(-1)).long()
        elif target.dim() != 2:
            target = target.movedim(axis, -1).reshape(logits.shape)
        labels = Labels(target, weight, self._smoothing(), self.ignore_index)
        costs = self.row_costs(logits, labels) if plain else None
        if costs is None:
            costs = self.batch_costs(logits, labels)
        if costs is None:
            return None
        if not indices:
            return costs.reshape(shape), len(logits)
        total = counts = target != self.ignore_index
        if weight is not None:
            picked = torch.where(counts, weight[labels.label], 0.0)
            costs, total = costs if labels.is_dense else costs * picked, picked
        return costs if costs.shape == shape else costs.reshape(shape), total.sum()

    def _index_losses(self, logits: Tensor, target: Tensor, weight: Tensor | None) -> tuple[Tensor, Tensor]:
        """Losses of index targets, and what their mean divides by.

        Args:
            logits: shape ``(N, C, d1, ..., dK)``.
            target: int64, shape ``(N, d1, ..., dK)``.
            weight: shape ``(C,)``, or None.
        """
        counts = target != self.ignore_index
        smoothing = self._smoothing()
        every = None if smoothing == 0.0 else self._all_costs(logits)
        # The costs first: they say what is wrong with an index out of range.
        costs = (
            self._picked_costs(logits, target)
            if every is None
            else pick(every, label_of(target, self.ignore_index))
        )
        picked_weight = None if weight is None else weight[label_of(target, self.ignore_index)]
        losses = costs if picked_weight is None else costs * picked_weight
        if every is not None:
            spread = _weighted(every, weight).sum(1)
            losses = (1.0 - smoothing) * losses + (smoothing / logits.shape[1]) * spread
        # where, not a product: an ignored position may cost NaN, and 0 * NaN is NaN.
        losses = torch.where(counts, losses, 0.0)
        total = counts if picked_weight is None else torch.where(counts, picked_weight, 0.0)
        return losses, total.sum()

    def _distribution_losses(
        self, logits: Tensor, target: Tensor, weight: Tensor | None
    ) -> tuple[Tensor, int]:
        """Losses of probability targets, and what their mean divides by.

        Args:
            logits: shape ``(N, C, d1, ..., dK)``.
            target: label distributions, of the same shape and dtype.
            weight: shape ``(C,)``, or None.
        """
        classes = logits.shape[1]
        smoothing = self._smoothing()
        labels = target if smoothing == 0.0 else (1.0 - smoothing) * target + smoothing / classes
        losses = (_weighted(self._all_costs(logits), weight) * labels).sum(1)
        return losses, logits.numel() // classes

    def _all_costs(self, logits: Tensor) -> Tensor:
        """:meth:`class_costs` for logits ``(N, C, d1, ..., dK)``, of the same shape."""
        if logits.dim() == 2:
            return self.class_costs(logits)
        last = logits.movedim(1, -1)
        return self.class_costs(last.reshape(-1, logits.shape[1])).reshape(last.shape).movedim(-1, 1)

    def _picked_costs(self, logits: Tensor, target: Tensor) -> Tensor:
        """:meth:`label_costs` for logits ``(N, C, d1, ..., dK)`` and target ``(N, d1, ..., dK)``.

        An ignored position may hold any number, and cost any.
        """
        target = label_of(target, self.ignore_index)
        if logits.dim() == 2:
            return self.label_costs(logits, target)
        flat = logits.movedim(1, -1).reshape(-1, logits.shape[1])
        return self.label_costs(flat, target.reshape(-1)).reshape(target.shape)

    def _shared_arguments(self) -> SharedArguments:
        return {
            "weight": self.weight,
            "ignore_index": self.ignore_index,
            "reduction": self.reduction,
            "label_smoothing": self.label_smoothing,
        }

    def _smoothing(self) -> float:
        return self.label_smoothing if self.label_smoothing > 0.0 else 0.0

    def _result_dtype(self, input: Tensor, target: Tensor, indices: bool) -> torch.dtype:
        """The dtype in which ``nn.CrossEntropyLoss`` answers."""
        dtype = autocast_dtype(input)
        if indices:
            return dtype
        dtype = torch.promote_types(dtype, autocast_dtype(target))
        return dtype if self.weight is None else torch.promote_types(dtype, autocast_dtype(self.weight))


def _is_plain(target: Tensor, weight: Tensor | None) -> bool:
    """Whether only the gradient of the logits may be asked for, by ``backward`` and no transform."""
    if target.requires_grad or (weight is not None and weight.requires_grad):
        return False
    # Neither torch.func (grad, vmap, jvp) nor forward-mode differentiation sees through a row at a time, nor
    # does a second derivative find anything in a table.
    return not _inside_transform() and (torch.compiler.is_compiling() or forward_ad._current_level < 0)


def constant_to_compilers(function: Callable[P, T]) -> Callable[P, T]:
    """``torch.compiler.assume_constant_result`` without importing the compiler, which takes seconds."""
    function._dynamo_marked_constant = True  # type: ignore[attr-defined]
    return function


@constant_to_compilers
def _inside_transform() -> bool:
    """Whether a transform of ``torch.func`` is running; a compiler asks this while it traces, within one."""
    return torch._C._functorch.peek_interpreter_stack() is not None


def _plain_number(value: Any, *, real: bool = False) -> Any:
    """Turn a NumPy scalar into a Python number, which compiles; leave anything else for forward to reject."""
    if isinstance(value, bool):
        return value
    if isinstance(value, numbers.Integral):
        return int(value)
    return float(value) if real and isinstance(value, numbers.Real) else value


def _weighted(values: Tensor, weight: Tensor | None) -> Tensor:
    """Values ``(N, C, d1, ..., dK)`` times the weight of their class."""
    return values if weight is None else values * weight.reshape(-1, *[1] * (values.dim() - 2))


def _reduce(losses: Tensor, total: Tensor | int, reduction: Reduction) -> Tensor:
    if reduction == "none":
        return losses
    return losses.sum() if reduction == "sum" else losses.sum() / total
