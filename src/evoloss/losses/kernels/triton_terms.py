"""Pieces of the kernels of :mod:`evoloss.losses.kernels.triton_kernels`; names and formulas are there."""
# Triton's decorator has no types, and neither has what it compiles.
# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def logits_of(logits_ptr, cols, mask, LAST: tl.constexpr):
    """Logits of a row in float32, -inf outside it; at the LAST reading they leave the cache to the tables."""
    if LAST:
        z = tl.load(logits_ptr + cols, mask=mask, other=float("-inf"), eviction_policy="evict_first")
    else:
        z = tl.load(logits_ptr + cols, mask=mask, other=float("-inf"))
    return z.to(tl.float32)


@triton.jit
def cells_of(log_p, scale, floor, last_cell):
    """The cell of each log-probability, and the log-probability itself, not below the floor; any shape."""
    # A comparison, not a minimum: NaN must land in some cell, and the lookup makes it NaN again.
    above = log_p > floor
    inside = tl.where(above, log_p, floor)
    return tl.where(above, (inside * -scale).to(tl.int32), last_cell), inside


@triton.jit
def weighted_shares_of(
    cols, mask, label, target_ptr, weight_ptr, confidence, spread, SOFT: tl.constexpr, WEIGHTED: tl.constexpr
):
    """The b of each class of a block, ``(BLOCK,)``; 0 outside the row."""
    if SOFT:
        share = tl.load(target_ptr + cols, mask=mask, other=0.0).to(tl.float32)
    else:
        share = tl.where(cols == label, 1.0, 0.0)
    share = share * confidence + spread
    if WEIGHTED:
        share = share * tl.load(weight_ptr + cols, mask=mask, other=0.0).to(tl.float32)
    return tl.where(mask, share, 0.0)


@triton.jit
def log_sum_exp_in_lanes(logits_ptr, n_classes, BLOCK: tl.constexpr):
    """Maximum and log of the sum of exp(z - maximum) of a row of several blocks, read once."""
    # A maximum and a sum a lane, joined at the end: no lane waits for another inside the loop. Not -inf to
    # start with, for -inf - -inf is NaN; a lane that has seen nothing above it has the sum 0.
    # Both are (BLOCK,): lane i has seen the classes i, i + BLOCK, i + 2 BLOCK, ...
    maxima = tl.full((BLOCK,), -3.4028234663852886e38, tl.float32)
    sums = tl.zeros((BLOCK,), tl.float32)
    for start in range(0, n_classes, BLOCK):
        cols = start + tl.arange(0, BLOCK)
        z = logits_of(logits_ptr, cols, cols < n_classes, LAST=False)
        higher = z > maxima
        # Of exp(old - new) and exp(z - new) one is 1.
        factor = tl.exp(-tl.abs(z - maxima))
        sums = tl.where(higher, sums * factor + 1.0, sums + factor)
        maxima = tl.where(higher, z, maxima)
    maximum = tl.max(maxima, 0)
    return maximum, tl.log(tl.sum(sums * tl.exp(maxima - maximum), 0))


@triton.jit
def terms_of(
    log_p,
    cols,
    mask,
    label,
    target_ptr,
    weight_ptr,
    other_value_ptr,
    other_slope_ptr,
    label_value_ptr,
    label_slope_ptr,
    last_cell,
    scale,
    floor,
    confidence,
    spread,
    SOFT: tl.constexpr,
    DENSE: tl.constexpr,
    WEIGHTED: tl.constexpr,
    TABLES: tl.constexpr,
    HAS_OTHER: tl.constexpr,
):
    """phi_0, phi_0', b delta, b delta' and b of a block, ``(BLOCK,)``; 0 outside, where ``log_p`` is 0."""
    others = tl.zeros_like(log_p)
    other_slopes = tl.zeros_like(log_p)
    labels = tl.zeros_like(log_p)
    label_slopes = tl.zeros_like(log_p)
    weighted_shares = tl.zeros_like(log_p)
    if TABLES:
        cells, inside = cells_of(log_p, scale, floor, last_cell)
    if HAS_OTHER:
        other_slopes = tl.load(other_slope_ptr + cells, mask=mask, other=0.0)
        # inside: phi_0 is flat below the floor, and -inf times its slope 0 is NaN.
        others = tl.load(other_value_ptr + cells, mask=mask, other=0.0) + other_slopes * inside
    if DENSE:
        weighted_shares = weighted_shares_of(
            cols, mask, label, target_ptr, weight_ptr, confidence, spread, SOFT, WEIGHTED
        )
        if TABLES:
            slopes = tl.load(label_slope_ptr + cells, mask=mask, other=0.0)
            deltas = tl.load(label_value_ptr + cells, mask=mask, other=0.0) + slopes * log_p
            label_slopes = weighted_shares * slopes
        else:
            deltas = log_p
            label_slopes = weighted_shares
        labels = weighted_shares * deltas
    return others, other_slopes, labels, label_slopes, weighted_shares
