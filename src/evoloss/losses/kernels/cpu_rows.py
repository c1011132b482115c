r"""What rows of logits cost, with the gradient worked out on the way; eager calls on a CPU.

A loss of rows of logits z with label distribution q and class weights w, and :math:`b_k = w_k q_k`, is

.. math::
    \sum_k b_k L(p, k) = (\sum_k b_k) \sum_j \phi_0(l_j) + \sum_k b_k \delta(l_k), \qquad l = \log p,

and with :math:`h_j = (\sum_k b_k) \phi_0'(l_j) + b_j \delta'(l_j)` its gradient is :math:`h - p \sum_j
h_j`, the backward pass of log-softmax applied to h. :class:`evoloss.networks.terms.Terms` give both functions
and their slopes. The reduction is part of it, so that what comes in from behind is one number.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from evoloss.losses.call.gather import gather
from evoloss.losses.call.labels import Labels
from evoloss.losses.call.validation import Reduction
from evoloss.networks import Context, Terms

__all__ = ["label_log_probs", "reduced_rows", "row_chunks"]

# Numbers worked on at once: half a megabyte of float32, so that the five arrays in use and the tables fit
# into a megabyte or two of cache.
_CHUNK_ELEMENTS = 1 << 17

ExactCosts = Callable[[Tensor], Tensor]


def reduced_rows(
    logits: Tensor, labels: Labels, terms: Terms, reduction: Reduction, exact: ExactCosts
) -> Tensor:
    """The reduced costs of rows.

    Args:
        logits: real, of any floating dtype, shape ``(N, C)`` with N and C at least 1, on the CPU; only their
            gradient is asked for.
        labels: their labels.
        terms: of the loss at C classes.
        reduction: ``"none"``, ``"sum"`` or ``"mean"``.
        exact: the same costs ``(N,)`` from the logits by differentiable operations, for second derivatives.

    Returns:
        A scalar, or ``(N,)`` for ``"none"``; float32, or float64 for float64.

    Raises:
        IndexError: if an index target is outside ``[0, C)``.
    """
    rows = _DenseRows if labels.is_dense or terms.has_other else _LabelRows
    result: Tensor = rows.apply(logits, labels, terms, reduction, exact)  # type: ignore[no-untyped-call]
    return result


def row_chunks(n: int, n_classes: int) -> list[slice]:
    """Slices of n rows to be worked on one after the other; at least one, also of no rows."""
    step = max(1, _CHUNK_ELEMENTS // max(1, n_classes))
    return [slice(start, start + step) for start in range(0, max(1, n), step)]


def label_log_probs(logits: Tensor, label: Tensor) -> Tensor:
    """``log p`` of each row's label, ``(N,)``, a few rows at a time, without a copy of the logits."""
    return torch.cat(
        [
            _log_softmax(logits[rows]).gather(1, label[rows, None]).squeeze(1)
            for rows in row_chunks(*logits.shape)
        ]
    )


def _log_softmax(logits: Tensor) -> Tensor:
    """In float32 where the logits are narrower."""
    return torch.log_softmax(logits, 1, dtype=_wide(logits.dtype))


def _wide(dtype: torch.dtype) -> torch.dtype:
    return dtype if dtype == torch.float64 else torch.float32


def _checked(labels: Labels, n_classes: int) -> tuple[Tensor, Tensor | None]:
    """The labels ``(N,)`` of index targets, in range, and which of them count; None if all do.

    Raises:
        IndexError: if one is outside ``[0, C)``.
    """
    target, ignored = labels.target, labels.ignore_index
    least, most = map(int, target.aminmax())
    if least >= 0 and most < n_classes and not least <= ignored <= most:
        return target, None
    label, counted = labels.label, labels.counted
    nothing = torch.zeros(1, n_classes, dtype=torch.float32, device=target.device)
    gather(nothing.expand(len(label), -1), label)  # raises for an index out of range
    return label, counted


def _row_factor(labels: Labels, label: Tensor, counted: Tensor | None) -> Tensor | None:
    """What multiplies the cost of each row, ``(N,)``: the weight of its label, 0 to ignore; None for 1."""
    weight = None if labels.weight is None else labels.weight[label]
    if counted is None:
        return weight
    return counted.to(torch.float32) if weight is None else torch.where(counted, weight, 0.0)


def _total(labels: Labels, factor: Tensor | None, counted: Tensor | None) -> Tensor | None:
    """What the mean over index targets divides by; None for the number of rows."""
    if labels.weight is None:
        return None if counted is None else counted.sum()
    return None if factor is None else factor.sum()


def _reduce(
    cost: Tensor, factor: Tensor | None, counted: Tensor | None, total: Tensor | None, reduction: Reduction
) -> tuple[Tensor, Tensor | float]:
    """The reduced costs, and what their sum was divided by.

    Args:
        cost: of rows, ``(N,)``; overwritten.
        factor: what multiplies them, or None for 1.
        counted: which of them count, or None for all.
        total: what the mean divides by; None for the number of rows.
        reduction: as for :func:`reduced_rows`.
    """
    if factor is not None:
        cost.mul_(factor)
    if counted is not None:  # where, not a product: an ignored row may cost NaN
        cost.masked_fill_(~counted, 0.0)
    if reduction == "none":
        return cost, 1.0
    if reduction == "sum":
        return cost.sum(), 1.0
    if total is None:
        return cost.mean(), float(len(cost))
    # A mean over nothing is NaN, but its gradient is 0, as in PyTorch.
    return cost.sum() / total, torch.where(total == 0, torch.inf, total)


class _LabelRows(torch.autograd.Function):
    """Index targets and no sum over the classes: cross-entropy's gradient times one number a row."""

    @staticmethod
    def forward(
        ctx: Any, logits: Tensor, labels: Labels, terms: Terms, reduction: Reduction, exact: ExactCosts
    ) -> Tensor:
        n_classes = logits.shape[1]
        label, counted = _checked(labels, n_classes)
        wide = logits.dtype == _wide(logits.dtype)
        if wide:
            log_probs = torch.log_softmax(logits, 1)
            log_p = log_probs.gather(1, label[:, None]).squeeze(1)
            context = terms.row_context(log_probs)
        else:
            log_probs, log_p = logits, label_log_probs(logits, label)
            context = _row_contexts(logits, terms)
        if terms.sees_batch:
            context = terms.batch_context(log_p, labels, n_classes)
        cost, slope = terms.cost_and_slope(log_p, context)
        factor = _row_factor(labels, label, counted)
        result, divisor = _reduce(cost, factor, counted, _total(labels, factor, counted), reduction)
        if ctx.needs_input_grad[0]:
            slope = slope if factor is None else slope.mul_(factor)
            ctx.save_for_backward(logits, log_probs if wide else None, label, slope)
            ctx.divisor, ctx.again = divisor, (labels, reduction, exact)
        return result

    @staticmethod
    def backward(ctx: Any, incoming: Tensor) -> tuple[Tensor, None, None, None, None]:
        logits, log_probs, label, slope = ctx.saved_tensors
        if torch.is_grad_enabled():
            return _differentiable(ctx, logits, incoming), None, None, None, None
        pull = (slope * (incoming / ctx.divisor)).to(slope.dtype)[:, None]
        if log_probs is not None:
            made = log_probs.exp().mul_(-pull).scatter_add_(1, label[:, None], pull)
            return made, None, None, None, None
        # In half precision the scale comes first: what is rounded is the gradient that is asked for.
        made = torch.empty_like(logits, memory_format=torch.contiguous_format)
        for rows in row_chunks(*logits.shape):
            some = torch.softmax(logits[rows], 1, dtype=torch.float32).mul_(-pull[rows])
            made[rows] = some.scatter_add_(1, label[rows, None], pull[rows])
        return made, None, None, None, None


def _row_contexts(logits: Tensor, terms: Terms) -> Context:
    """The context of rows of half-precision logits, chunk by chunk."""
    found = [terms.row_context(_log_softmax(logits[rows])) for rows in row_chunks(*logits.shape)]
    known = [each for each in found if each is not None]
    return torch.cat(known) if known else None


class _DenseRows(torch.autograd.Function):
    """Any labels and terms. Keeps the logits, which exist anyway, and the gradient of each row's cost."""

    @staticmethod
    def forward(
        ctx: Any, logits: Tensor, labels: Labels, terms: Terms, reduction: Reduction, exact: ExactCosts
    ) -> Tensor:
        label = counted = factor = total = None
        if labels.has_indices:
            label, counted = _checked(labels, logits.shape[1])
            factor = _row_factor(labels, label, counted)
            total = _total(labels, factor, counted)
            if labels.is_dense:  # their weights are in the masses
                factor = None if counted is None else counted.to(torch.float32)
        gradient, cost = _costs_and_gradient(logits, labels, label, terms, ctx.needs_input_grad[0])
        result, divisor = _reduce(cost, factor, counted, total, reduction)
        if gradient is not None:
            ctx.save_for_backward(logits, gradient, factor)
            ctx.divisor, ctx.again = divisor, (labels, reduction, exact)
        return result

    @staticmethod
    def backward(ctx: Any, incoming: Tensor) -> tuple[Tensor, None, None, None, None]:
        logits, gradient, factor = ctx.saved_tensors
        if torch.is_grad_enabled():
            return _differentiable(ctx, logits, incoming), None, None, None, None
        scale = incoming / ctx.divisor
        scale = scale if factor is None else scale * factor
        scale = scale if scale.dim() == 0 else scale[:, None]
        # Out of place: a graph that is kept may be walked again.
        if gradient.dtype == logits.dtype == scale.dtype:
            return gradient * scale, None, None, None, None
        made = torch.empty_like(logits, memory_format=torch.contiguous_format)
        for rows in row_chunks(*gradient.shape):
            made[rows] = gradient[rows].to(scale.dtype) * (scale if scale.dim() == 0 else scale[rows])
        return made, None, None, None, None


def _differentiable(ctx: Any, logits: Tensor, incoming: Tensor) -> Tensor:
    """The gradient as a function that can be differentiated again.

    Gradients are recorded in a backward pass if and only if it was asked for with ``create_graph=True``.
    """
    labels, reduction, exact = ctx.again
    result = labels.reduce(exact(logits), reduction)
    (made,) = torch.autograd.grad(result, logits, incoming, create_graph=True)
    return made


def _costs_and_gradient(
    logits: Tensor, labels: Labels, label: Tensor | None, terms: Terms, wanted: bool
) -> tuple[Tensor | None, Tensor]:
    """The gradient of each row's cost, ``(N, C)``, if wanted, and the costs ``(N,)``.

    Rows are taken a few at a time, so that all intermediate results stay in cache, and the gradient is
    finished while they are there: of the size of the logits nothing is ever made but the gradient.
    """
    n, n_classes = logits.shape
    context = _batch_context(logits, labels, label, terms)
    chunks = row_chunks(n, n_classes)
    if len(chunks) == 1:
        log_probs = _log_softmax(logits)
        cost, slopes = _chunk(log_probs, labels, label, slice(None), terms, context, None)
        if not wanted:
            return None, cost
        made = torch._log_softmax_backward_data(slopes, log_probs, 1, log_probs.dtype)
        return made.to(_kept_dtype(logits.dtype)), cost
    gradient = torch.empty(n, n_classes, dtype=_kept_dtype(logits.dtype), device=logits.device)
    scratch = _scratch(chunks[0].stop, n_classes, _wide(logits.dtype), logits.device)
    parts = []
    for rows in chunks:
        some = logits[rows].to(_wide(logits.dtype))
        own = [each[: len(some)] for each in scratch]
        log_probs = torch._log_softmax(some, 1, False, out=own[0])
        cost, slopes = _chunk(log_probs, labels, label, rows, terms, context, own[1:])
        parts.append(cost)
        if wanted and gradient.dtype == log_probs.dtype:
            torch._log_softmax_backward_data(slopes, log_probs, 1, log_probs.dtype, out=gradient[rows])
        elif wanted:
            gradient[rows] = torch._log_softmax_backward_data(slopes, log_probs, 1, log_probs.dtype)
    return gradient if wanted else None, torch.cat(parts)


def _kept_dtype(dtype: torch.dtype) -> torch.dtype:
    """Of the gradient that waits for its scale: float16 has too few exponents to be rounded before."""
    return torch.float32 if dtype == torch.float16 else dtype


def _scratch(rows: int, n_classes: int, dtype: torch.dtype, device: torch.device) -> list[Tensor]:
    """Memory of a chunk, used again by the next: log-probabilities, slopes, places, values and cells."""
    kinds = (dtype, dtype, dtype, dtype, torch.int32)
    return [torch.empty(rows, n_classes, dtype=kind, device=device) for kind in kinds]


def _batch_context(logits: Tensor, labels: Labels, label: Tensor | None, terms: Terms) -> Context:
    """The context that the whole batch gives, where there is one."""
    if not terms.sees_batch:
        return None
    if not labels.is_dense:
        assert label is not None
        return terms.batch_context(label_log_probs(logits, label), labels, logits.shape[1])
    probs = torch.softmax(logits, 1, dtype=_wide(logits.dtype))
    return terms.dense_batch_context(probs, labels.shares(probs))


def _chunk(
    log_probs: Tensor,
    labels: Labels,
    label: Tensor | None,
    rows: slice,
    terms: Terms,
    context: Context,
    scratch: list[Tensor] | None,
) -> tuple[Tensor, Tensor]:
    """Costs ``(n,)`` and slopes h ``(n, C)`` of some rows."""
    own = terms.row_context(log_probs) if context is None else context[rows]
    others = slopes = masses = None
    if terms.has_other:
        others, slopes = terms.others(log_probs, scratch)
    if not labels.is_dense:
        assert label is not None
        index = label[rows, None]
        cost, slope = terms.cost_and_slope(log_probs.gather(1, index).squeeze(1), own)
        if slopes is None:
            slopes = torch.zeros_like(log_probs)
        slopes.scatter_add_(1, index, slope[:, None])
        return cost if others is None else cost.add_(others), slopes
    masses = labels.masses(rows, log_probs.shape[1])
    own = own if own is None or own.dim() == 2 else own[:, None]
    value, slope = terms.cost_and_slope(log_probs, own)
    # A class of probability 0 may cost infinitely much; where it has no share, that is nothing.
    cost = value.mul_(masses).masked_fill_(masses == 0, 0.0).sum(1)
    slope = slope.mul_(masses)
    if others is not None and slopes is not None:
        total = masses.sum(1)
        return cost.addcmul_(total, others), slope.addcmul_(slopes, total[:, None])
    return cost, slope
