"""Validation of a call: what ``nn.CrossEntropyLoss`` accepts, and what it raises for everything else."""

from __future__ import annotations

from typing import Literal, NoReturn, TypedDict

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from evoloss.losses.call.autocast import autocast_dtype

__all__ = ["Options", "Reduction", "SharedArguments", "is_accepted", "raise_as_cross_entropy"]

Reduction = Literal["none", "mean", "sum"]

_REDUCTIONS = ("none", "mean", "sum")
_LOGIT_DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


class Options(TypedDict, total=False):
    """The keyword arguments that every loss takes beside ``weight``, as ``F.cross_entropy`` means them."""

    ignore_index: int
    reduction: Reduction
    label_smoothing: float


class SharedArguments(Options, total=False):
    """The options with the weight: what a call of ``F.cross_entropy`` takes."""

    weight: Tensor | None


def is_accepted(input: object, target: object, loss: nn.CrossEntropyLoss) -> bool:
    """Return whether ``F.cross_entropy`` accepts this call, as far as shapes and types tell.

    Nothing here reads the content of a tensor, which would stop compilation and wait for the device.

    Args:
        input: the logits.
        target: class indices or class probabilities.
        loss: what was called, with its options.
    """
    if not (isinstance(input, Tensor) and isinstance(target, Tensor)):
        return False
    dims, dtype, weight, smoothing = input.dim(), input.dtype, loss.weight, loss.label_smoothing
    if dims == 0 or dtype not in _LOGIT_DTYPES:
        return False
    if loss.reduction not in _REDUCTIONS or type(loss.ignore_index) is not int:
        return False
    if type(smoothing) not in (int, float) or smoothing > 1.0:
        return False
    shape, target_shape = input.shape, target.shape
    if weight is not None and weight.shape != (shape[0] if dims == 1 else shape[1],):
        return False
    if weight is not None and weight.is_meta and not input.is_meta:
        return False
    if shape == target_shape:
        return target.is_floating_point() and loss.ignore_index < 0
    if weight is not None and (weight.requires_grad or autocast_dtype(weight) != autocast_dtype(input)):
        return False
    # The kernels for more than two dimensions know int64 alone.
    if target.dtype != torch.int64 and not (target.dtype == torch.uint8 and dims <= 2):
        return False
    if dims == 1:
        return target.dim() == 0 or (target_shape == (1,) and not smoothing > 0.0)
    if dims == 2:
        return len(target_shape) == 1 and target_shape[0] == shape[0]
    return target_shape == shape[:1] + shape[2:]


def raise_as_cross_entropy(input: Tensor, target: Tensor, loss: nn.CrossEntropyLoss) -> NoReturn:
    """Let PyTorch say in its own words and with its own exception type what is wrong with a call.

    Args:
        input: the logits.
        target: class indices or class probabilities.
        loss: what was called, with its options.

    Raises:
        Exception: what ``F.cross_entropy`` raises.
        RuntimeError: if it raises nothing, which means that a newer PyTorch accepts more than this package.
    """
    shared = {name: getattr(loss, name) for name in ("ignore_index", "reduction", "label_smoothing")}
    F.cross_entropy(input, target, loss.weight, **shared)
    raise RuntimeError(
        f"this loss does not take a call that F.cross_entropy does: input {tuple(input.shape)} of "
        f"{input.dtype}, target {tuple(target.shape)} of {target.dtype}, {shared}"
    )
