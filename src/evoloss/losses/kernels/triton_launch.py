"""The launch of the kernels of :mod:`evoloss.losses.kernels.triton_kernels`: results, blocks and flags.

The arguments are those of :func:`evoloss.losses.kernels.triton_rows.row_costs`, already checked: logits and
probabilities with neighbouring classes side by side, and ``columns`` the four tables or nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

N_STATS = 5  # numbers a row that the forward pass leaves to the backward pass
LONGEST_BLOCK = 4096  # classes that a program holds at once; longer rows are read block by block
PER_THREAD = 8  # elements of a block that a thread holds: in half precision 16 bytes, one load
THREADS_PER_WARP = 32


class Setting(NamedTuple):
    """The numbers of a call."""

    scale: float
    floor: float
    has_other: bool
    ignore_index: int
    smoothing: float


def empty_results(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Empty tensors for the costs, ``(N,)``, and for the numbers of the backward pass, ``(N_STATS, N)``."""
    n = logits.shape[0]
    return (
        torch.empty(n, dtype=torch.float32, device=logits.device),
        torch.empty(N_STATS, n, dtype=torch.float32, device=logits.device),
    )


def empty_gradient(logits: Tensor) -> Tensor:
    """An empty tensor for the gradient: contiguous, whatever the strides of the logits."""
    return torch.empty(logits.shape, dtype=logits.dtype, device=logits.device)


def launch_forward(
    logits: Tensor, target: Tensor, weight: Tensor | None, columns: Sequence[Tensor], setting: Setting
) -> tuple[Tensor, Tensor]:
    """Costs ``(N,)``, and the numbers that :func:`launch_backward` needs, ``(N_STATS, N)``."""
    from evoloss.losses.kernels.triton_kernels import forward_kernel

    n, n_classes = logits.shape
    costs, stats = empty_results(logits)
    if n > 0:
        block, n_warps = _block(n_classes)
        with _on(logits.device):
            forward_kernel[(n,)](
                logits,
                target,
                logits if weight is None else weight,
                *(columns or [logits] * 4),
                costs,
                stats,
                logits.stride(0),
                target.stride(0),
                n,
                n_classes,
                *_numbers(columns, setting, n_classes),
                **_flags(target, weight, columns, setting),
                BLOCK=block,
                ONE_BLOCK=n_classes <= block,
                num_warps=n_warps,
                sanitize_overflow=False,
            )
    return costs, stats


def launch_backward(
    row_grads: Tensor,
    logits: Tensor,
    target: Tensor,
    weight: Tensor | None,
    columns: Sequence[Tensor],
    stats: Tensor,
    setting: Setting,
) -> Tensor:
    """Gradient with respect to the logits, contiguous, in their dtype."""
    from evoloss.losses.kernels.triton_kernels import backward_kernel

    n, n_classes = logits.shape
    grads = empty_gradient(logits)
    if n > 0:
        block, n_warps = _block(n_classes)
        _, other_slope, _, label_slope = columns or [logits] * 4
        with _on(logits.device):
            backward_kernel[(n, -(-n_classes // block))](
                logits,
                target,
                logits if weight is None else weight,
                other_slope,
                label_slope,
                stats,
                row_grads,
                grads,
                logits.stride(0),
                target.stride(0),
                row_grads.stride(0),
                n,
                n_classes,
                *_numbers(columns, setting, n_classes),
                **_flags(target, weight, columns, setting),
                BLOCK=block,
                num_warps=n_warps,
            )
    return grads


def _block(n_classes: int) -> tuple[int, int]:
    """Classes a program holds at once, a power of 2, and the warps that share them."""
    block = min(1 << (n_classes - 1).bit_length(), LONGEST_BLOCK)
    return block, max(1, block // (PER_THREAD * THREADS_PER_WARP))


def _numbers(
    columns: Sequence[Tensor], setting: Setting, n_classes: int
) -> tuple[int, float, float, float, float, int]:
    """``last_cell, scale, floor, confidence, spread, ignore_index`` of the kernels."""
    last_cell = len(columns[0]) - 1 if columns else 0
    confidence, spread = 1.0 - setting.smoothing, setting.smoothing / n_classes
    return last_cell, setting.scale, setting.floor, confidence, spread, setting.ignore_index


def _flags(
    target: Tensor, weight: Tensor | None, columns: Sequence[Tensor], setting: Setting
) -> dict[str, Any]:
    """The flags that the kernels are compiled for."""
    soft = target.dim() == 2
    return {
        "SOFT": soft,
        "DENSE": soft or setting.smoothing > 0.0,
        "WEIGHTED": weight is not None,
        "TABLES": bool(columns),
        "HAS_OTHER": bool(columns) and setting.has_other,
    }


def _on(device: torch.device) -> contextlib.AbstractContextManager[object]:
    """Triton launches on the current device, which need not be that of the tensors."""
    return torch.cuda.device(device) if device.type == "cuda" else contextlib.nullcontext()
