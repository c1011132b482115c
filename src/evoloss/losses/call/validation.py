"""Which calls ``nn.CrossEntropyLoss`` accepts, and what it raises for the others."""

from __future__ import annotations

from typing import Literal, NoReturn, TypedDict

import torch
import torch.nn.functional as F
from torch import Tensor

from evoloss.losses.call.autocast import autocast_dtype

__all__ = ["Options", "Reduction", "SharedArguments", "is_accepted", "n_classes", "raise_as_cross_entropy"]

Reduction = Literal["none", "mean", "sum"]

_LOGIT_DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


class Options(TypedDict, total=False):
    """The keyword arguments that every loss takes beside ``weight``, as ``F.cross_entropy`` means them."""

    ignore_index: int
    reduction: Reduction
    label_smoothing: float


class SharedArguments(Options, total=False):
    """The options with the weight: what a call of ``F.cross_entropy`` takes."""

    weight: Tensor | None


def n_classes(input: Tensor) -> int:
    """Number of classes of logits ``(C)`` or ``(N, C, ...)``."""
    return input.shape[0] if input.dim() == 1 else input.shape[1]


def is_accepted(input: object, target: object, shared: SharedArguments) -> bool:
    """Whether ``F.cross_entropy`` accepts this call, as far as shapes and types tell.

    Nothing here reads the content of a tensor, which would stop compilation and wait for the device.

    Args:
        input: the logits.
        target: class indices or class probabilities.
        shared: the four shared arguments, all present.
    """
    if not (isinstance(input, Tensor) and isinstance(target, Tensor)):
        return False
    if input.dim() == 0 or input.dtype not in _LOGIT_DTYPES or not _options_are_valid(shared):
        return False
    weight = shared["weight"]
    if weight is not None and weight.shape != (n_classes(input),):
        return False
    if input.shape == target.shape:
        return target.is_floating_point() and shared["ignore_index"] < 0
    if weight is not None and (weight.requires_grad or autocast_dtype(weight) != autocast_dtype(input)):
        return False
    # The kernels for more than two dimensions know int64 alone.
    if target.dtype != torch.int64 and not (target.dtype == torch.uint8 and input.dim() <= 2):
        return False
    if input.dim() == 1:
        return target.dim() == 0 or (target.shape == (1,) and not shared["label_smoothing"] > 0.0)
    return target.shape == input.shape[:1] + input.shape[2:]


def raise_as_cross_entropy(input: Tensor, target: Tensor, shared: SharedArguments) -> NoReturn:
    """Let PyTorch say in its own words and with its own exception type what is wrong with a call.

    Args:
        input: the logits.
        target: class indices or class probabilities.
        shared: the four shared arguments, all present.

    Raises:
        Exception: what ``F.cross_entropy`` raises.
        RuntimeError: if it raises nothing, which means that a newer PyTorch accepts more than this package.
    """
    F.cross_entropy(input, target, **shared)
    raise RuntimeError(
        f"this loss does not take a call that F.cross_entropy does: input {tuple(input.shape)} of "
        f"{input.dtype}, target {tuple(target.shape)} of {target.dtype}, {shared}"
    )


def _options_are_valid(shared: SharedArguments) -> bool:
    if shared["reduction"] not in ("none", "mean", "sum") or type(shared["ignore_index"]) is not int:
        return False
    return type(shared["label_smoothing"]) in (int, float) and not shared["label_smoothing"] > 1.0
