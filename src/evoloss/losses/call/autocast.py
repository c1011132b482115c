"""Autocast: what it does to the tensors of a loss, and how a loss keeps out of it."""

from __future__ import annotations

import contextlib

import torch
from torch import Tensor

__all__ = ["autocast_dtype", "autocast_off"]


def autocast_dtype(tensor: Tensor) -> torch.dtype:
    """The dtype in which an operation of autocast's float32 list, as cross-entropy is, takes a tensor."""
    low = tensor.dtype in (torch.float16, torch.bfloat16)
    return torch.float32 if low and _is_on(tensor.device.type) else tensor.dtype


def autocast_off(device_type: str) -> contextlib.AbstractContextManager[object]:
    """A region without autocast, which would run a matrix product inside a loss in half precision.

    Args:
        device_type: the ``type`` of the device computed on, such as ``"cuda"``.
    """
    if _is_on(device_type):
        return torch.autocast(device_type, enabled=False)
    return contextlib.nullcontext()


def _is_on(device_type: str) -> bool:
    # Asking whether it is enabled raises for a device without autocast (meta).
    return torch.amp.is_autocast_available(device_type) and torch.is_autocast_enabled(device_type)
