r"""What rows of logits cost by look-up tables, with the gradient worked out on the way.

A classwise loss costs a row of logits z with label distribution q, class weights w and
:math:`b_k = w_k q_k`

.. math::
    \sum_k b_k L(p, k) = (\sum_k b_k) \sum_j \phi_0(l_j) + \sum_k b_k \delta(l_k), \qquad l = \log p,

and with :math:`h_j = (\sum_k b_k) \phi_0'(l_j) + b_j \delta'(l_j)` its gradient is :math:`h - p \sum_j
h_j`, the backward pass of log-softmax applied to h. Rows are taken a few at a time, so that all
intermediate results stay in cache, and the gradient is finished while they are there: of the size of the
logits nothing is ever made but the gradient. What the backward pass has left to do is to multiply by the
gradient that comes in.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from evoloss.losses.call.gather import pick
from evoloss.losses.call.labels import Labels
from evoloss.networks import LookupTables, TemperedCosts, agreements_of, certainty

__all__ = [
    "AffineTerms",
    "looked_up_labels",
    "looked_up_rows",
    "row_chunks",
    "traced_rows",
]

# Numbers worked on at once: half a megabyte of float32, so that the five arrays in use and the tables fit
# into a megabyte or two of cache.
_CHUNK_ELEMENTS = 1 << 17

Fallback = Callable[[Tensor], Tensor]
LabelFallback = Callable[[Tensor, Tensor | None], Tensor]


@dataclass(frozen=True)
class AffineTerms:
    r"""Functions linear in log p, in the place of tables: :math:`\phi_0 = a\,l` and :math:`\delta = b\,l`.

    Attributes:
        a: slope of the sum over all classes.
        b: slope of the label's own term.
    """

    a: float
    b: float

    @property
    def has_other(self) -> bool:
        """Whether there is a sum over the classes."""
        return self.a != 0.0

    def other(self, log_p: Tensor) -> Tensor:
        r""":math:`\phi_0`."""
        return self.a * log_p

    def label(self, log_p: Tensor) -> Tensor:
        r""":math:`\delta`."""
        return self.b * log_p


DifferentiableTerms = LookupTables | AffineTerms
Terms = DifferentiableTerms | TemperedCosts


def looked_up_rows(
    logits: Tensor, labels: Labels, terms: Terms, fallback: Fallback, agreement: Tensor | None = None
) -> Tensor:
    """Costs of rows, eagerly.

    Args:
        logits: float32 or narrower, shape ``(N, C)``.
        labels: their labels; with index targets and no smoothing the weight is left to the caller.
        terms: for C classes, on the same device; those of a tempered loss are plain numbers.
        fallback: the same costs from the logits by differentiable operations, used for second derivatives.
        agreement: if the terms are paced, of each position, ``(N,)``, or for dense labels ``(N, C)``.

    Returns:
        The costs, float32, shape ``(N,)``.

    Raises:
        IndexError: if an index target is outside ``[0, C)``.
    """
    costs: Tensor = _LookedUpRows.apply(logits, labels, terms, fallback, agreement)  # type: ignore[no-untyped-call]
    return costs


def looked_up_labels(logits: Tensor, labels: Labels, terms: Terms, fallback: LabelFallback) -> Tensor:
    """:func:`looked_up_rows` of index targets without a sum over the classes: cross-entropy and a look-up.

    Args:
        logits: float32, shape ``(N, C)``.
        labels: index targets without smoothing.
        terms: with no ``has_other``.
        fallback: delta at log-probabilities ``(N,)`` by differentiable operations; its second argument is
            what tempers follow, None for terms without.
    """
    log_probs = F.log_softmax(logits, dim=1)
    log_p = pick(log_probs, labels.target, labels.ignore_index)
    measure = None
    if isinstance(terms, TemperedCosts):
        measure = (
            agreements_of(log_p.exp(), labels.label, labels.target != labels.ignore_index, logits.shape[1])
            if terms.paced
            else certainty(log_probs)
        )
    costs: Tensor = _LookedUpLabels.apply(log_p, measure, terms, fallback)  # type: ignore[no-untyped-call]
    return costs


def traced_rows(logits: Tensor, labels: Labels, tables: DifferentiableTerms) -> Tensor:
    """:func:`looked_up_rows` by differentiable operations, which a compiler makes one loop of.

    The place in the table is a constant to differentiation, so what autograd finds is the slope in the table.

    Args:
        logits: float32, shape ``(N, C)``.
        labels: as there.
        tables: as there.
    """
    log_probs = F.log_softmax(logits, dim=1)
    if labels.is_dense:
        masses = labels.traced_masses(logits)
        # where, not a product: a class of probability 0 has an infinite cost and, as a label, no share.
        costs = torch.where(masses == 0, 0.0, masses * tables.label(log_probs)).sum(1)
    else:
        masses = None
        costs = tables.label(pick(log_probs, labels.target, labels.ignore_index))
    if tables.has_other:
        others = tables.other(log_probs).sum(1)
        costs = costs + (others if masses is None else masses.sum(1) * others)
    return (
        costs if labels.target.dim() == 2 else torch.where(labels.target == labels.ignore_index, 0.0, costs)
    )


class _LookedUpLabels(torch.autograd.Function):
    """See :func:`looked_up_labels`."""

    @staticmethod
    def forward(
        ctx: Any, log_p: Tensor, measure: Tensor | None, terms: Terms, fallback: LabelFallback
    ) -> Tensor:
        # At p = 1, and so in rows to ignore, the cost is 0 to the last digit.
        cost, slope = _deltas(log_p, terms, measure)
        ctx.save_for_backward(log_p, measure, slope)
        ctx.fallback = fallback
        return cost

    @staticmethod
    def backward(ctx: Any, incoming: Tensor) -> tuple[Tensor, None, None, None]:
        log_p, measure, slope = ctx.saved_tensors
        if torch.is_grad_enabled():  # see _LookedUpRows
            costs = ctx.fallback(log_p, measure)
            (made,) = torch.autograd.grad(costs, log_p, incoming, create_graph=True)
            return made, None, None, None
        return incoming * slope, None, None, None


class _LookedUpRows(torch.autograd.Function):
    """See :func:`looked_up_rows`. Keeps the logits, which exist anyway, and the gradient."""

    @staticmethod
    def forward(
        ctx: Any, logits: Tensor, labels: Labels, tables: Terms, fallback: Fallback, agreement: Tensor | None
    ) -> Tensor:
        wanted = ctx.needs_input_grad[0]
        gradient = torch.empty_like(logits, memory_format=torch.contiguous_format) if wanted else None
        costs = _costs_and_gradient(logits, labels, tables, gradient, agreement)
        # where, not a product: an ignored row may cost NaN.
        ignored = None if labels.target.dim() == 2 else labels.target == labels.ignore_index
        if gradient is not None:
            ctx.save_for_backward(logits, gradient, ignored)
            ctx.fallback = fallback
        return costs if ignored is None else costs.masked_fill_(ignored, 0.0)

    @staticmethod
    def backward(ctx: Any, incoming: Tensor) -> tuple[Tensor, None, None, None, None]:
        logits, gradient, ignored = ctx.saved_tensors
        if ignored is not None:
            incoming = incoming.masked_fill(ignored, 0.0)
        # Gradients are recorded in a backward pass if and only if it was asked for with create_graph=True.
        if torch.is_grad_enabled():
            costs = ctx.fallback(logits)
            (made,) = torch.autograd.grad(costs, logits, incoming, create_graph=True)
            return made, None, None, None, None
        # Out of place: a graph that is kept may be walked again.
        if gradient.dtype == torch.float32:
            return gradient * incoming[:, None], None, None, None, None
        made = torch.empty_like(gradient)
        for rows in row_chunks(*gradient.shape):
            made[rows] = gradient[rows].float() * incoming[rows, None]
        return made, None, None, None, None


def _costs_and_gradient(
    logits: Tensor, labels: Labels, tables: Terms, gradient: Tensor | None, agreement: Tensor | None
) -> Tensor:
    """Costs ``(N,)``, and the gradient of each row's cost written to ``gradient``."""
    n, n_classes = logits.shape
    chunks = row_chunks(n, n_classes)
    whole = len(chunks) == 1
    # With several chunks the same memory serves all of them; with one, PyTorch's own is as good.
    scratch = None if whole else _Scratch(chunks[0].stop, n_classes, logits.device)
    parts = []
    label = None if labels.target.dim() == 2 else labels.label
    for rows in chunks:
        some = logits if whole else logits[rows]
        some = some.float()
        out = None if scratch is None else scratch.log_probs[: len(some)]
        log_probs = torch.log_softmax(some, 1) if out is None else torch._log_softmax(some, 1, False, out=out)
        measure = None if agreement is None else agreement[rows]
        if isinstance(tables, TemperedCosts) and not tables.paced:
            measure = certainty(log_probs)
        if labels.is_dense:
            if label is not None:  # raises for an index out of range, as cross-entropy does
                pick(log_probs, label[rows])
            masses = labels.masses(rows, n_classes)
            cost, slopes = _dense(log_probs, masses, tables, gradient is not None, measure)
        else:
            assert label is not None
            cost, slopes = _one_label(log_probs, label[rows], tables, scratch, gradient is not None, measure)
        parts.append(cost)
        if gradient is not None and slopes is not None:
            into = gradient[rows]
            if into.dtype == torch.float32:
                torch._log_softmax_backward_data(slopes, log_probs, 1, torch.float32, out=into)
            else:
                into.copy_(torch._log_softmax_backward_data(slopes, log_probs, 1, torch.float32))
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def row_chunks(n: int, n_classes: int) -> list[slice]:
    """Slices of n rows to be worked on one after the other; at least one, also of no rows."""
    step = max(1, _CHUNK_ELEMENTS // max(1, n_classes))
    return [slice(start, start + step) for start in range(0, max(1, n), step)]


class _Scratch:
    """Memory of a chunk, used again by the next."""

    def __init__(self, chunk: int, n_classes: int, device: torch.device) -> None:
        self.log_probs = torch.empty(chunk, n_classes, device=device)
        self.place = torch.empty(chunk, n_classes, device=device)
        self.cell = torch.empty(chunk, n_classes, dtype=torch.int32, device=device)
        self.value = torch.empty(chunk, n_classes, device=device)
        self.slope = torch.empty(chunk, n_classes, device=device)


def _one_label(
    log_probs: Tensor,
    target: Tensor,
    tables: Terms,
    scratch: _Scratch | None,
    wanted: bool,
    measure: Tensor | None,
) -> tuple[Tensor, Tensor | None]:
    """Costs ``(n,)`` of index targets, and the slopes h ``(n, C)``, if wanted."""
    log_p = pick(log_probs, target)
    cost, slope = _deltas(log_p, tables, measure)
    slopes = None
    if tables.has_other:
        others, slopes = _others(log_probs, tables, scratch)
        cost += others
    elif wanted:
        slopes = (torch.empty_like(log_probs) if scratch is None else scratch.slope[: len(target)]).zero_()
    if wanted and slopes is not None:
        slopes.scatter_add_(1, target[:, None], slope[:, None])
    return cost, slopes


def _dense(
    log_probs: Tensor, masses: Tensor, tables: Terms, wanted: bool, measure: Tensor | None
) -> tuple[Tensor, Tensor | None]:
    """Costs ``(n,)`` of labels with a share of many classes, and the slopes h ``(n, C)``, if wanted."""
    each = measure if measure is None or measure.dim() == 2 else measure[:, None]
    value, slope = _deltas(log_probs, tables, each)
    # A class of probability 0 has an infinite cost; where it has no share, that costs nothing.
    value = value.mul_(masses).masked_fill_(masses == 0, 0.0)
    cost, slopes = value.sum(1), slope.mul_(masses)
    if tables.has_other:
        total = masses.sum(1)
        others, other_slopes = _others(log_probs, tables, None)
        cost += total * others
        slopes += total[:, None] * other_slopes
    return cost, slopes if wanted else None


def _deltas(log_p: Tensor, tables: Terms, measure: Tensor | None) -> tuple[Tensor, Tensor]:
    """Delta and its slope at log-probabilities ``(n,)`` or ``(n, C)``; tempers follow ``measure``."""
    if isinstance(tables, AffineTerms):
        return tables.b * log_p, torch.full_like(log_p, tables.b)
    if isinstance(tables, TemperedCosts):
        assert measure is not None
        return tables.cost_and_slope(log_p, tables.temper(measure))
    cell = tables.cells(log_p).view(-1)
    slope = tables.label_slope.index_select(0, cell).view_as(log_p)
    value = tables.label_value.index_select(0, cell).view_as(log_p)
    return torch.addcmul(value, slope, log_p), slope


def _others(log_probs: Tensor, tables: Terms, scratch: _Scratch | None) -> tuple[Tensor, Tensor]:
    """The sum of phi_0 over the classes, ``(n,)``, and its slope at each, ``(n, C)``."""
    assert not isinstance(tables, TemperedCosts)  # has_other is False
    n = len(log_probs)
    if isinstance(tables, AffineTerms):
        slope = torch.empty_like(log_probs) if scratch is None else scratch.slope[:n]
        return tables.a * log_probs.sum(1), slope.fill_(tables.a)
    kept = scratch or _Scratch(n, log_probs.shape[1], log_probs.device)
    place, cell, value, slope = (each[:n] for each in (kept.place, kept.cell, kept.value, kept.slope))
    torch.mul(log_probs, -tables.scale, out=place).clamp_(max=len(tables.other_value) - 1)
    # NaN becomes some integer, negative on some machines; what is looked up there is NaN again.
    cell.copy_(place).clamp_(min=0)
    torch.index_select(tables.other_value, 0, cell.view(-1), out=value.view(-1))
    torch.index_select(tables.other_slope, 0, cell.view(-1), out=slope.view(-1))
    # place is -scale times the clamped log-probability.
    value.addcmul_(slope, place, value=-1.0 / tables.scale)
    return value.sum(1), slope
