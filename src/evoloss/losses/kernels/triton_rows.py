"""Costs of rows of logits on a GPU: one kernel forward, one backward, no other tensor of the logits' shape.

:func:`row_costs` is the whole step from logits in any precision to one float32 cost a row, with what
``nn.CrossEntropyLoss`` offers beyond the reduction. A loss asks :func:`usable` first and has plain PyTorch
operations for everything else. Importing this file does not import Triton; a first call does.

In eager mode a :class:`torch.autograd.Function` launches the kernels. While compiling, the operator
``evoloss::row_costs`` stands for them: opaque to the compiler, so a graph keeps one node for them.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from evoloss.losses.kernels.triton_launch import (
    Setting,
    empty_gradient,
    empty_results,
    launch_backward,
    launch_forward,
)

__all__ = ["RowTables", "any_other", "available", "label_log_probs", "row_costs", "usable"]

Fallback = Callable[[Tensor], Tensor]

_INSTALLED = importlib.util.find_spec("triton") is not None
_DTYPES = (torch.float32, torch.bfloat16, torch.float16)


class RowTables(Protocol):
    r"""A classwise loss at one class count, as two piecewise linear functions of log p.

    Cell i covers the log-probabilities from ``-i / scale`` down to ``-(i + 1) / scale``, and the last one all
    below ``floor``. There :math:`\phi_0` is ``other_value[i] + other_slope[i] * log_p``, with slope 0 in the
    last cell, and :math:`\delta = \phi_1 - \phi_0` is ``label_value[i] + label_slope[i] * log_p``.
    """

    @property
    def scale(self) -> float:
        """Cells a unit of log p."""

    @property
    def floor(self) -> float:
        """Log-probability at which the last cell begins."""

    @property
    def other_value(self) -> Tensor:
        """Shape ``(n_nodes,)``, float32; so are the other three."""

    @property
    def other_slope(self) -> Tensor:
        """See the class."""

    @property
    def label_value(self) -> Tensor:
        """See the class."""

    @property
    def label_slope(self) -> Tensor:
        """See the class."""

    @property
    def n_classes(self) -> int:
        """The class count that the tables are for."""


def available() -> bool:
    """Return whether Triton is installed, and there is a GPU or ``TRITON_INTERPRET=1`` to run it on."""
    return _INSTALLED and (torch.cuda.is_available() or _interpreted())


def usable(logits: Tensor, target: Tensor, weight: Tensor | None = None) -> bool:
    """Return whether :func:`row_costs` takes these tensors: what a loss asks before each call.

    It takes plain tensors, on one CUDA device of compute capability 7 or more (or on the CPU, if Triton
    interprets); logits of at least one class in float32, bfloat16 or float16; and differentiates with respect
    to the logits alone, outside of ``torch.func`` transforms. No value is looked at, nothing synchronises.

    Args:
        logits: shape ``(N, C)``.
        target: class indices ``(N,)``, int64, or probabilities ``(N, C)``.
        weight: shape ``(C,)``, or None.
    """
    others = (target,) if weight is None else (target, weight)
    if not _INSTALLED or logits.dim() != 2 or logits.shape[1] == 0 or logits.dtype not in _DTYPES:
        return False
    if any(other.device != logits.device or other.requires_grad for other in others):
        return False
    if not all(type(tensor) in (Tensor, torch.nn.Parameter) for tensor in (logits, *others)):
        return False
    if logits.device.type != "cuda" and not (logits.device.type == "cpu" and _interpreted()):
        return False
    if torch.compiler.is_compiling():
        # The compiler sees to transforms itself, and asks for the same compute capability.
        return True
    if torch._C._functorch.peek_interpreter_stack() is not None:
        return False
    return logits.device.type == "cpu" or torch.cuda.get_device_capability(logits.device) >= (7, 0)


def any_other(tables: RowTables) -> bool:
    r"""Return whether :math:`\phi_0` is anything but 0. Reads the tables, which waits for the GPU."""
    return bool((tables.other_value != 0).any() | (tables.other_slope != 0).any())


def row_costs(
    logits: Tensor,
    target: Tensor,
    tables: RowTables | None,
    *,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    has_other: bool = True,
    fallback: Fallback | None = None,
) -> Tensor:
    r"""Cost of each row, :math:`\sum_k w_k q_k L(p, k)`, :math:`L(p, k) = \sum_j \phi_0(l_j) + \delta(l_k)`.

    p = softmax(logits), l = log p, and q is the target (probabilities) or its one-hot vector (indices), mixed
    with the uniform distribution by ``label_smoothing``. Without tables :math:`\phi_0 = 0` and
    :math:`\delta(l) = l`: the negative of cross-entropy, and with an index target, no weight and no smoothing
    the label's log-probability. Differentiable with respect to the logits. All arithmetic is in float32, with
    sums in a fixed order.

    Args:
        logits: tensors that :func:`usable` accepts, ``(N, C)``; rows may have any stride.
        target: class indices ``(N,)``, int64, or probabilities ``(N, C)``, of any floating dtype.
        tables: for C classes, on the same device; or None.
        weight: factor a class, ``(C,)``; None for all ones.
        ignore_index: index target of the rows that cost 0 and get the gradient 0, whatever they hold.
        label_smoothing: eps in ``q <- (1 - eps) q + eps / C``, in [0, 1].
        has_other: what :func:`any_other` says of the tables; False saves a lookup for each logit. Always safe
            to leave at True.
        fallback: the same costs from the logits by differentiable operations, for second derivatives: with
            ``create_graph=True`` the backward pass differentiates it instead of launching a kernel. Not used
            while compiling, where PyTorch has no second derivatives.

    Returns:
        The costs, float32, shape ``(N,)``.

    Raises:
        ValueError: if the tables are for another class count or have fewer cells than they say.
        NotImplementedError: in the backward pass, with ``create_graph=True`` and without a fallback.
        RuntimeError: at the next synchronisation, for an index target out of range: a device-side assert, as
            cross-entropy has on CUDA.
    """
    if tables is None:
        setting = Setting(0.0, 0.0, False, ignore_index, label_smoothing)
        columns = []
    else:
        _check(tables, logits.shape[1])
        setting = Setting(tables.scale, tables.floor, has_other, ignore_index, label_smoothing)
        columns = [tables.other_value, tables.other_slope, tables.label_value, tables.label_slope]
        columns = [column.contiguous() for column in columns]
    # Outside of the function, so that what is saved for the backward pass is what the kernel reads.
    logits = logits if logits.stride(1) == 1 else logits.contiguous()
    if target.dim() == 2 and target.stride(1) != 1:
        target = target.contiguous()
    weight = None if weight is None else weight.contiguous()
    if torch.compiler.is_compiling():
        costs: Tensor = _row_costs_op(logits, target, weight, columns, *setting)[0]
    else:
        costs = _RowCosts.apply(logits, target, weight, columns, setting, fallback)  # type: ignore[no-untyped-call]
    return costs


def label_log_probs(
    logits: Tensor, target: Tensor, *, ignore_index: int = -100, fallback: Fallback | None = None
) -> Tensor:
    """Log-probability of each row's label, float32 ``(N,)``: what the losses of log p_y alone start from.

    0 for ignored rows. The arguments are those of :func:`row_costs`; this is the call without tables.
    """
    return row_costs(logits, target, None, ignore_index=ignore_index, fallback=fallback)


class _RowCosts(torch.autograd.Function):
    """The eager call."""

    @staticmethod
    def forward(
        ctx: Any,
        logits: Tensor,
        target: Tensor,
        weight: Tensor | None,
        columns: Sequence[Tensor],
        setting: Setting,
        fallback: Fallback | None,
    ) -> Tensor:
        costs, stats = launch_forward(logits, target, weight, columns, setting)
        ctx.save_for_backward(logits, target, weight, stats, *columns)
        ctx.setting, ctx.fallback = setting, fallback
        return costs

    @staticmethod
    def backward(ctx: Any, row_grads: Tensor) -> tuple[Tensor, None, None, None, None, None]:
        logits, target, weight, stats, *columns = ctx.saved_tensors
        # Gradients are recorded in a backward pass if and only if it was asked for with create_graph=True.
        if torch.is_grad_enabled():
            if ctx.fallback is None:
                raise NotImplementedError(
                    "row_costs has no second derivative: it was called without a fallback; "
                    "call it with one, or backward without create_graph=True"
                )
            (grads,) = torch.autograd.grad(ctx.fallback(logits), logits, row_grads, create_graph=True)
        else:
            grads = launch_backward(row_grads, logits, target, weight, columns, stats, ctx.setting)
        return grads, None, None, None, None, None


@torch.library.custom_op(
    "evoloss::row_costs",
    mutates_args=(),
    schema="(Tensor logits, Tensor target, Tensor? weight, Tensor[] columns, float scale, float floor, "
    "bool has_other, int ignore_index, float smoothing) -> (Tensor, Tensor)",
)
def _row_costs_op(
    logits: Tensor, target: Tensor, weight: Tensor | None, columns: Sequence[Tensor], *setting: Any
) -> tuple[Tensor, Tensor]:
    return launch_forward(logits, target, weight, columns, Setting(*setting))


@torch.library.custom_op(
    "evoloss::row_costs_backward",
    mutates_args=(),
    schema="(Tensor row_grads, Tensor logits, Tensor target, Tensor? weight, Tensor[] columns, Tensor stats, "
    "float scale, float floor, bool has_other, int ignore_index, float smoothing) -> Tensor",
)
def _row_costs_backward_op(
    row_grads: Tensor,
    logits: Tensor,
    target: Tensor,
    weight: Tensor | None,
    columns: Sequence[Tensor],
    stats: Tensor,
    *setting: Any,
) -> Tensor:
    return launch_backward(row_grads, logits, target, weight, columns, stats, Setting(*setting))


@_row_costs_op.register_fake
def _(logits: Tensor, *_: Any) -> tuple[Tensor, Tensor]:
    return empty_results(logits)


@_row_costs_backward_op.register_fake
def _(row_grads: Tensor, logits: Tensor, *_: Any) -> Tensor:
    return empty_gradient(logits)


def _save(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    logits, target, weight, columns, *setting = inputs
    ctx.mark_non_differentiable(output[1])
    ctx.save_for_backward(logits, target, weight, output[1], *columns)
    ctx.setting = setting


def _op_gradient(ctx: Any, row_grads: Tensor, _: Tensor | None) -> tuple[Any, ...]:
    logits, target, weight, stats, *columns = ctx.saved_tensors
    grads = _row_costs_backward_op(row_grads, logits, target, weight, columns, stats, *ctx.setting)
    return grads, None, None, [None] * len(columns), *[None] * len(ctx.setting)


_row_costs_op.register_autograd(_op_gradient, setup_context=_save)


def _interpreted() -> bool:
    """Return whether kernels run in Triton's interpreter, on the CPU; Triton asks this when imported."""
    return os.environ.get("TRITON_INTERPRET", "").lower() in ("1", "true", "yes", "on", "y")


def _check(tables: RowTables, n_classes: int) -> None:
    if tables.n_classes != n_classes:
        raise ValueError(f"the tables are for {tables.n_classes} classes, the logits have {n_classes}")
    n_nodes, last = len(tables.other_value), round(-tables.floor * tables.scale)
    if last >= n_nodes:
        raise ValueError(f"the floor lies in cell {last}, but the tables have {n_nodes} cells")
