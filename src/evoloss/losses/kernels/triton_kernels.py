r"""Triton kernels of the costs of rows of logits; see :mod:`evoloss.losses.kernels.triton_launch`.

A row is logits z of C classes, :math:`l = z - \mathrm{logsumexp}(z)`, and a label distribution q. With
:math:`b_k = w_k ((1 - \epsilon) q_k + \epsilon / C)` and :math:`a = \sum_k b_k` its cost and its gradient are

.. math::

    \sum_k b_k L(p, k) = a \sum_j \phi_0(l_j) + \sum_k b_k \delta(l_k), \qquad
    \partial / \partial z = h - p \sum_j h_j, \quad h_j = a \phi_0'(l_j) + b_j \delta'(l_j).

An index target without smoothing has one b that is not 0, so delta is looked up once a row ("not DENSE").
The forward pass leaves five numbers a row to the backward pass, the ``stats`` named below. No tensor of the
shape of the logits exists but their gradient. All arithmetic is in float32, all sums in a fixed order.

This file imports Triton; nothing imports it before a kernel is needed.
"""
# Triton's decorator has no types, and neither has what it compiles.
# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls

from __future__ import annotations

import triton
import triton.language as tl

from evoloss.losses.kernels.triton_terms import (
    cells_of,
    log_sum_exp_in_lanes,
    logits_of,
    terms_of,
    weighted_shares_of,
)

# stats is (N_STATS, N): MAXIMUM and LOG_SUM, of which l = (z - MAXIMUM) - LOG_SUM keeps the digits that
# z - logsumexp loses at large z; SLOPES = sum_j h_j; TOTAL_WEIGHT = a; LABEL_SLOPE = b_y delta'(l_y) if not
# DENSE. A program of the forward pass has one row: what it loads of it is (BLOCK,), its sums are scalars.


# debug switches the assertion on; the launch switches off the overflow checks that would come with it.
@triton.jit(debug=True, do_not_specialize=["ignore_index"])
def forward_kernel(
    logits_ptr,
    target_ptr,
    weight_ptr,
    other_value_ptr,
    other_slope_ptr,
    label_value_ptr,
    label_slope_ptr,
    costs_ptr,
    stats_ptr,
    logits_stride,
    target_stride,
    n_rows,
    n_classes,
    last_cell,
    scale,
    floor,
    confidence,
    spread,
    ignore_index,
    SOFT: tl.constexpr,
    DENSE: tl.constexpr,
    WEIGHTED: tl.constexpr,
    TABLES: tl.constexpr,
    HAS_OTHER: tl.constexpr,
    BLOCK: tl.constexpr,
    ONE_BLOCK: tl.constexpr,
):
    """Cost and stats of one row."""
    # int64, for rows times classes may pass 2**31.
    row = tl.program_id(0).to(tl.int64)
    logits_ptr += row * logits_stride
    label = 0
    if SOFT:
        target_ptr += row * target_stride
    else:
        label = tl.load(target_ptr + row * target_stride)
        if label == ignore_index:
            tl.store(costs_ptr + row, 0.0)
            return
        valid = (label >= 0) & (label < n_classes)
        tl.device_assert(valid, "target out of range: class indices must be in [0, C)")

    cols = tl.arange(0, BLOCK)
    mask = cols < n_classes
    if ONE_BLOCK:
        z = logits_of(logits_ptr, cols, mask, LAST=True)
        maximum = tl.max(z, 0)
        log_sum = tl.log(tl.sum(tl.exp(z - maximum), 0))
    else:
        maximum, log_sum = log_sum_exp_in_lanes(logits_ptr, n_classes, BLOCK)

    others = tl.zeros((BLOCK,), tl.float32)
    other_slopes = tl.zeros((BLOCK,), tl.float32)
    labels = tl.zeros((BLOCK,), tl.float32)
    label_slopes = tl.zeros((BLOCK,), tl.float32)
    weighted_shares = tl.zeros((BLOCK,), tl.float32)
    if HAS_OTHER or DENSE:
        if ONE_BLOCK:
            log_p = tl.where(mask, (z - maximum) - log_sum, 0.0)
            others, other_slopes, labels, label_slopes, weighted_shares = terms_of(
                log_p, cols, mask, label, target_ptr, weight_ptr,
                other_value_ptr, other_slope_ptr, label_value_ptr, label_slope_ptr,
                last_cell, scale, floor, confidence, spread, SOFT, DENSE, WEIGHTED, TABLES, HAS_OTHER,
            )  # fmt: skip
        else:
            for start in range(0, n_classes, BLOCK):
                here = start + cols
                inside = here < n_classes
                z = logits_of(logits_ptr, here, inside, LAST=True)
                log_p = tl.where(inside, (z - maximum) - log_sum, 0.0)
                more = terms_of(
                    log_p, here, inside, label, target_ptr, weight_ptr,
                    other_value_ptr, other_slope_ptr, label_value_ptr, label_slope_ptr,
                    last_cell, scale, floor, confidence, spread, SOFT, DENSE, WEIGHTED, TABLES, HAS_OTHER,
                )  # fmt: skip
                if HAS_OTHER:
                    others += more[0]
                    other_slopes += more[1]
                if DENSE:
                    labels += more[2]
                    label_slopes += more[3]
                    weighted_shares += more[4]

    other = 0.0
    other_slope = 0.0
    if HAS_OTHER:
        other = tl.sum(others, 0)
        other_slope = tl.sum(other_slopes, 0)
    if DENSE:
        cost = tl.sum(labels, 0)
        label_slope = tl.sum(label_slopes, 0)
        total_weight = tl.sum(weighted_shares, 0)
    else:
        z_y = tl.load(logits_ptr + label, mask=valid, other=0.0).to(tl.float32)
        cost = (z_y - maximum) - log_sum
        label_slope = 1.0
        if TABLES:
            cell, _ = cells_of(cost, scale, floor, last_cell)
            label_slope = tl.load(label_slope_ptr + cell)
            cost = tl.load(label_value_ptr + cell) + label_slope * cost
        total_weight = 1.0
        if WEIGHTED:
            total_weight = tl.load(weight_ptr + label, mask=valid, other=0.0).to(tl.float32)
        cost = total_weight * cost
        label_slope = total_weight * label_slope
    cost += total_weight * other
    slopes = total_weight * other_slope + label_slope
    if not SOFT:
        # Where assertions are compiled out, an index out of range costs NaN: seen, if not said.
        cost = tl.where(valid, cost, float("nan"))
        slopes = tl.where(valid, slopes, float("nan"))
    tl.store(costs_ptr + row, cost)
    tl.store(stats_ptr + row, maximum)
    tl.store(stats_ptr + n_rows + row, log_sum)
    tl.store(stats_ptr + 2 * n_rows + row, slopes)
    tl.store(stats_ptr + 3 * n_rows + row, total_weight)
    tl.store(stats_ptr + 4 * n_rows + row, label_slope)


@triton.jit(do_not_specialize=["ignore_index"])
def backward_kernel(
    logits_ptr,
    target_ptr,
    weight_ptr,
    other_slope_ptr,
    label_slope_ptr,
    stats_ptr,
    row_grads_ptr,
    grads_ptr,
    logits_stride,
    target_stride,
    row_grads_stride,
    n_rows,
    n_classes,
    last_cell,
    scale,
    floor,
    confidence,
    spread,
    ignore_index,
    SOFT: tl.constexpr,
    DENSE: tl.constexpr,
    WEIGHTED: tl.constexpr,
    TABLES: tl.constexpr,
    HAS_OTHER: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Gradient of one block of one row; the blocks of a row need nothing of each other."""
    row = tl.program_id(0).to(tl.int64)
    cols = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    mask = cols < n_classes
    grads_ptr += row * n_classes
    label = 0
    if SOFT:
        target_ptr += row * target_stride
    else:
        label = tl.load(target_ptr + row * target_stride)
        if label == ignore_index:
            # Not a product with 0: an ignored row may hold NaN.
            tl.store(grads_ptr + cols, tl.zeros((BLOCK,), grads_ptr.dtype.element_ty), mask=mask)
            return

    z = logits_of(logits_ptr + row * logits_stride, cols, mask, LAST=True)
    log_p = (z - tl.load(stats_ptr + row)) - tl.load(stats_ptr + n_rows + row)
    grads = -tl.exp(log_p) * tl.load(stats_ptr + 2 * n_rows + row)
    if TABLES:
        cells, _ = cells_of(log_p, scale, floor, last_cell)
    if HAS_OTHER:
        others = tl.load(other_slope_ptr + cells, mask=mask, other=0.0)
        grads += others * tl.load(stats_ptr + 3 * n_rows + row)
    if DENSE:
        slopes = weighted_shares_of(
            cols, mask, label, target_ptr, weight_ptr, confidence, spread, SOFT, WEIGHTED
        )
        if TABLES:
            slopes = slopes * tl.load(label_slope_ptr + cells, mask=mask, other=0.0)
        grads += slopes
    else:
        grads += tl.where(cols == label, tl.load(stats_ptr + 4 * n_rows + row), 0.0)
    grads = grads * tl.load(row_grads_ptr + row * row_grads_stride).to(tl.float32)
    tl.store(grads_ptr + cols, grads.to(grads_ptr.dtype.element_ty), mask=mask)
