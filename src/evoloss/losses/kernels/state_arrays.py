"""The running statistics of a loss as arrays of NumPy, which share their memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from evoloss.networks import StateArrays

__all__ = ["SharedArrays"]


class _Shared(NamedTuple):
    tensor: Tensor
    place: int
    array: NDArray[np.float32]


class SharedArrays:
    """Arrays that share the memory of buffers, kept for as long as the buffers are where they are.

    To make one takes longer than all that a small batch does to it.

    Example:
        >>> shared, buffers = SharedArrays(), {"mean": torch.zeros(2)}
        >>> shared.of(buffers)["mean"][0] = 3
        >>> buffers["mean"]
        tensor([3., 0.])
    """

    def __init__(self) -> None:
        self._known: dict[str, _Shared] = {}
        self._arrays: StateArrays = {}

    def of(self, buffers: Mapping[str, Tensor | None]) -> StateArrays | None:
        """The arrays by name; None where a buffer is no real float32 tensor on the CPU."""
        known = self._known
        for name, buffer in buffers.items():
            shared = known.get(name)
            if shared is None or shared.tensor is not buffer or shared.place != buffer.data_ptr():
                return self._renewed(buffers)
        return self._arrays

    def _renewed(self, buffers: Mapping[str, Tensor | None]) -> StateArrays | None:
        known = {}
        for name, buffer in buffers.items():
            if type(buffer) is not Tensor or not buffer.is_cpu or buffer.requires_grad:
                return None
            if buffer.dtype is not torch.float32:
                return None
            known[name] = _Shared(buffer, buffer.data_ptr(), buffer.numpy())
        self._known = known
        self._arrays = {name: shared.array for name, shared in known.items()}
        return self._arrays
