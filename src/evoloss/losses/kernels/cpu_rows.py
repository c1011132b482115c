r"""Costs of rows of logits, with the gradient worked out on the way; eager calls on a CPU.

A loss of rows of logits z with label distribution q and class weights w, and :math:`b_k = w_k q_k`, is

.. math::
    \sum_k b_k L(p, k) = (\sum_k b_k) \sum_j \phi_0(l_j) + \sum_k b_k \delta(l_k), \qquad l = \log p,

and with :math:`h_j = (\sum_k b_k) \phi_0'(l_j) + b_j \delta'(l_j)` its gradient is :math:`h - p \sum_j
h_j`, the backward pass of log-softmax applied to h. :class:`evoloss.networks.terms.Terms` give both functions
and their slopes. The reduction is part of it, so that what comes in from behind is one number.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from evoloss.losses.call.labels import Labels
from evoloss.losses.call.validation import Reduction
from evoloss.losses.kernels.index_labels import check_range, index_labels, weighted
from evoloss.losses.kernels.pulls import pulled, pulled_with_all, row_chunks, rows_at_once
from evoloss.networks import LOG_P_FLOOR, Context, Terms

__all__ = ["ExactCosts", "chunk_of_rows", "differentiable", "reduced_rows"]

ExactCosts = Callable[[Tensor, Labels], Tensor]


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
        exact: the same costs ``(N,)`` from logits and labels by differentiable operations, for second
            derivatives.

    Returns:
        A scalar, or ``(N,)`` for ``"none"``; float32, or float64 for float64.

    Raises:
        IndexError: if an index target is outside ``[0, C)``.
    """
    rows = _DenseRows if labels.is_dense or terms.has_other else _LabelRows
    result: Tensor = rows.apply(logits, labels, terms, reduction, exact)  # type: ignore[no-untyped-call]
    return result


class _LabelRows(torch.autograd.Function):
    """Index targets and no sum over the classes: cross-entropy's gradient times one number a row."""

    @staticmethod
    def forward(
        ctx: Any, logits: Tensor, labels: Labels, terms: Terms, reduction: Reduction, exact: ExactCosts
    ) -> Tensor:
        """The reduced costs; what the backward pass needs is saved."""
        (n, n_classes), log_probs, context = logits.shape, None, None
        wide = torch.promote_types(logits.dtype, torch.float32)
        target, ignored = labels.target, labels.ignore_index
        if logits.dtype == wide or terms.has_state:
            log_probs = torch.log_softmax(logits, 1, dtype=wide)
            # nll_loss raises for an index out of range, as cross-entropy does.
            log_p = F.nll_loss(log_probs, target, reduction="none", ignore_index=ignored).neg_()
            label, counted, factor, total = index_labels(labels)
            if terms.has_state:
                context = terms.state_context(log_probs, log_p, label, counted)
            elif terms.sees_row:
                context = terms.row_context(log_probs)
        else:
            check_range(labels, n_classes)
            label, counted, factor, total = index_labels(labels)
            log_p, context = _half_rows(logits, label, terms)
        if terms.sees_batch:
            context = terms.batch_context(log_p, label, counted, n_classes)
        cost, slope = terms.cost_and_slope(log_p, context)
        share, smoothing = terms.smoothing, None
        if share > 0:
            assert log_probs is not None  # those with a state have them
            cost -= share * log_probs.clamp(min=LOG_P_FLOOR).mean(1)
        if factor is not None:
            cost, slope = weighted(cost, counted, factor), slope.mul_(factor)
        if ctx.needs_input_grad[0]:
            if share > 0:
                smoothing = share * (torch.ones_like(slope) if factor is None else factor)
            ctx.save_for_backward(logits, log_probs, label, slope, smoothing)
            ctx.again = labels, reduction, exact
            ctx.scale = _gradient_scale(reduction, n, total)
        if reduction != "mean":
            return cost if reduction == "none" else cost.sum()
        return cost.mean() if total is None else cost.sum() / total

    @staticmethod
    def backward(ctx: Any, incoming: Tensor) -> tuple[Tensor, None, None, None, None]:
        """The gradient by the logits."""
        logits, log_probs, label, slope, smoothing = ctx.saved_tensors
        if torch.is_grad_enabled():
            return differentiable(ctx, logits, incoming), None, None, None, None
        scale = incoming if ctx.scale is None else incoming * ctx.scale
        pull, index = (slope * scale).unsqueeze(1), label.unsqueeze(1)
        if log_probs is not None:
            if smoothing is None:
                made = pulled(log_probs, index, pull)
            else:
                made = pulled_with_all(log_probs, index, pull, (smoothing * scale).unsqueeze(1))
            return made.to(logits.dtype), None, None, None, None
        # In half precision the scale comes first: what is rounded is the gradient that is asked for.
        made = torch.empty_like(logits, memory_format=torch.contiguous_format)
        for rows in row_chunks(*logits.shape):
            some = torch.softmax(logits[rows], 1, dtype=torch.float32).mul_(-pull[rows])
            made[rows] = some.scatter_add_(1, index[rows], pull[rows])
        return made, None, None, None, None


class _DenseRows(torch.autograd.Function):
    """Any labels and terms.

    Keeps the logits, which exist anyway, and the gradient of each row's cost. Rows are taken a few at a time,
    so that all intermediate results stay in cache, and the gradient is finished while they are there: of the
    size of the logits nothing is ever made but the gradient.
    """

    @staticmethod
    def forward(
        ctx: Any, logits: Tensor, labels: Labels, terms: Terms, reduction: Reduction, exact: ExactCosts
    ) -> Tensor:
        """The reduced costs; what the backward pass needs is saved."""
        n, n_classes = logits.shape
        label = counted = factor = total = None
        wanted, step = ctx.needs_input_grad[0], rows_at_once(n_classes)
        one_chunk = n <= step and not labels.is_dense and logits.dtype == torch.float32
        if labels.target.dim() == 1:
            if not one_chunk or labels.weight is not None:
                check_range(labels, n_classes)
            label, counted, factor, total = index_labels(labels)
            if labels.is_dense:  # their weights are in the weighted_shares
                factor = None if counted is None else counted.to(torch.float32)
        context = _batch_context(logits, labels, label, counted, terms) if terms.sees_batch else None
        if one_chunk:
            # One chunk of index targets, the commonest call: what _all_chunks does, without its loop.
            log_probs = torch.log_softmax(logits, 1)
            index = label.unsqueeze(1)  # type: ignore[union-attr]
            others, slopes = terms.others(log_probs, None)
            # nll_loss raises for an index out of range, as cross-entropy does.
            surprise = F.nll_loss(
                log_probs, labels.target, reduction="none", ignore_index=labels.ignore_index
            )
            cost, slope = terms.cost_and_slope(surprise.neg_(), context)
            cost.add_(others)
            gradient = None
            if wanted:
                slopes.scatter_add_(1, index, slope.unsqueeze(1))
                gradient = torch._log_softmax_backward_data(slopes, log_probs, 1, torch.float32)
        else:
            gradient, cost = _all_chunks(logits, labels, label, terms, context, step, wanted)
        if factor is not None:
            cost = weighted(cost, counted, factor)
        if gradient is not None:
            ctx.save_for_backward(logits, gradient, factor)
            ctx.again = labels, reduction, exact
            ctx.scale = _gradient_scale(reduction, n, total)
        if reduction == "none":
            return cost
        if reduction == "sum":
            return cost.sum()
        return cost.mean() if total is None else cost.sum() / total

    @staticmethod
    def backward(ctx: Any, incoming: Tensor) -> tuple[Tensor, None, None, None, None]:
        """The gradient by the logits."""
        logits, gradient, factor = ctx.saved_tensors
        if torch.is_grad_enabled():
            return differentiable(ctx, logits, incoming), None, None, None, None
        scale = incoming if ctx.scale is None else incoming * ctx.scale
        scale = scale if factor is None else scale * factor
        scale = scale if scale.dim() == 0 else scale.unsqueeze(1)
        # Out of place: a graph that is kept may be walked again.
        if gradient.dtype == logits.dtype and (scale.dim() == 0 or scale.dtype == gradient.dtype):
            return gradient * scale, None, None, None, None
        made = torch.empty_like(logits, memory_format=torch.contiguous_format)
        for rows in row_chunks(*gradient.shape):
            made[rows] = gradient[rows].to(scale.dtype) * (scale if scale.dim() == 0 else scale[rows])
        return made, None, None, None, None


def _gradient_scale(reduction: Reduction, n: int, total: Tensor | None) -> Tensor | None:
    """The factor of the gradient of rows beside what comes in from behind; None for 1.

    Where the mean is over nothing, and NaN, the gradient is 0, as in PyTorch.
    """
    if reduction != "mean":
        return None
    # In float64: a total of integers would be divided in the default dtype.
    return _inverse(n) if total is None else torch.where(total == 0, 0.0, 1.0 / total.double())


@lru_cache(maxsize=64)
def _inverse(n: int) -> Tensor:
    """1 / n, as a tensor: an operation takes one in half of the time of a number."""
    with torch.inference_mode(False):
        return torch.tensor(1.0 / n, dtype=torch.float64, device="cpu")


def differentiable(ctx: Any, logits: Tensor, incoming: Tensor) -> Tensor:
    """The gradient as a function that can be differentiated again.

    Gradients are recorded in a backward pass if and only if it was asked for with ``create_graph=True``.
    """
    labels, reduction, exact = ctx.again
    result = labels.reduce(exact(logits, labels), reduction)
    (made,) = torch.autograd.grad(result, logits, incoming, create_graph=True)
    return made


def _half_rows(logits: Tensor, label: Tensor, terms: Terms) -> tuple[Tensor, Context]:
    """Label log-probabilities and row contexts, ``(N,)``, a few rows at a time: the logits are not copied."""
    log_p, contexts = [], []
    for rows in row_chunks(*logits.shape):
        log_probs = torch.log_softmax(logits[rows], 1, dtype=torch.float32)
        log_p.append(log_probs.gather(1, label[rows, None]).squeeze(1))
        if terms.sees_row:
            contexts.append(terms.row_context(log_probs))
    return torch.cat(log_p), torch.cat(contexts) if contexts else None


def _batch_context(
    logits: Tensor, labels: Labels, label: Tensor | None, counted: Tensor | None, terms: Terms
) -> Context:
    """The context that the whole batch gives, ``(N,)``, or for dense labels ``(N, C)``."""
    if labels.is_dense:
        wide = torch.promote_types(logits.dtype, torch.float32)
        probs = torch.softmax(logits, 1, dtype=wide)
        return terms.dense_batch_context(probs, labels.shares(probs))
    assert label is not None
    return terms.batch_context(_half_rows(logits, label, terms)[0], label, counted, logits.shape[1])


def _all_chunks(
    logits: Tensor,
    labels: Labels,
    label: Tensor | None,
    terms: Terms,
    context: Context,
    step: int,
    wanted: bool,
) -> tuple[Tensor | None, Tensor]:
    """The gradient of each row's cost, ``(N, C)``, if wanted, and the costs ``(N,)``."""
    n, n_classes = logits.shape
    wide = torch.promote_types(logits.dtype, torch.float32)
    # The gradient waits for its scale, and float16 has too few exponents to be rounded before.
    stored_dtype = torch.float32 if logits.dtype == torch.float16 else logits.dtype
    gradient = torch.empty(n, n_classes, dtype=stored_dtype, device=logits.device) if wanted else None
    # Memory of a chunk, used again by the next: log-probabilities, slopes, places, values and cells.
    kinds, shape = (wide, wide, wide, wide, torch.int32), (min(n, step), n_classes)
    scratch = [torch.empty(shape, dtype=kind, device=logits.device) for kind in kinds]
    costs = []
    for start in range(0, n, step):
        rows = slice(start, start + step)
        some = logits[rows].to(wide)
        own = [memory[: len(some)] for memory in scratch]  # (n, C) each
        log_probs = torch._log_softmax(some, 1, False, out=own[0])
        cost, slopes = chunk_of_rows(log_probs, labels, label, rows, terms, context, own[1:])
        costs.append(cost)
        if gradient is not None and gradient.dtype == wide:
            torch._log_softmax_backward_data(slopes, log_probs, 1, wide, out=gradient[rows])
        elif gradient is not None:
            gradient[rows] = torch._log_softmax_backward_data(slopes, log_probs, 1, wide)
    return gradient, torch.cat(costs)


def chunk_of_rows(
    log_probs: Tensor,
    labels: Labels,
    label: Tensor | None,
    rows: slice,
    terms: Terms,
    context: Context,
    scratch: list[Tensor],
) -> tuple[Tensor, Tensor]:
    """Costs ``(n,)`` and slopes h ``(n, C)`` of some rows, before what multiplies index targets.

    Args:
        log_probs: of these rows, ``(n, C)``.
        labels: of all rows.
        label: class indices of all rows, in range; None for probabilities.
        rows: which rows these are.
        terms: of the loss at C classes.
        context: of all rows that the batch gives, if it gives any.
        scratch: four tensors of the shape of ``log_probs`` to work in; see :meth:`Terms.others`.
    """
    # What each row follows: (n,), or (n, C) where it depends on the class too.
    own = context[rows] if context is not None else terms.row_context(log_probs) if terms.sees_row else None
    others = slopes = None
    if terms.has_other:
        others, slopes = terms.others(log_probs, scratch)
    if not labels.is_dense:
        assert label is not None
        # others, cost and slope are (n,), slopes (n, C); delta and its slope count at the label alone.
        index = label[rows, None]
        cost, slope = terms.cost_and_slope(log_probs.gather(1, index).squeeze(1), own)
        slopes = torch.zeros_like(log_probs) if slopes is None else slopes
        slopes.scatter_add_(1, index, slope[:, None])
        return cost if others is None else cost.add_(others), slopes
    weighted_shares = labels.weighted_shares(rows, log_probs.shape[1])
    own = own if own is None or own.dim() == 2 else own[:, None]
    # Every class may be the label: value and slope are those of delta at all of them, (n, C).
    value, slope = terms.cost_and_slope(log_probs, own)
    # A class of probability 0 may cost infinitely much; where it has no share, that is nothing.
    cost = value.mul_(weighted_shares).masked_fill_(weighted_shares == 0, 0.0).sum(1)
    slope = slope.mul_(weighted_shares)
    if others is not None and slopes is not None:
        total = weighted_shares.sum(1)
        return cost.addcmul_(total, others), slope.addcmul_(slopes, total[:, None])
    return cost, slope
