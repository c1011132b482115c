"""Memory that is used again every generation, and how large a piece of work is."""

from __future__ import annotations

import math

import torch
from torch import Tensor

# Numbers worked on at once. As float32 that is 1 MB, which stays in the second-level cache of one core;
# benchmarks/speed/scaling.py measures a generation for other values.
CHUNK_ELEMENTS = 1 << 18


def chunk_rows(elements_per_row: int, budget: int = CHUNK_ELEMENTS) -> int:
    """Number of rows of so many elements to work on at once, at least 1."""
    return max(1, budget // max(1, elements_per_row))


class Workspace:
    """Buffers by name, made when first taken and made larger when they must be.

    Memory that is new to a process is filled with zeros page by page by the system when it is first touched,
    which for megabytes in each generation costs as much as the work on them.

    Example:
        >>> workspace = Workspace()
        >>> first = workspace.take("sums", (100, 10), like=torch.zeros(()))
        >>> workspace.take("sums", (50, 10), like=torch.zeros(())).data_ptr() == first.data_ptr()
        True
    """

    def __init__(self) -> None:
        self._buffers: dict[tuple[str, torch.dtype, torch.device], Tensor] = {}

    def take(self, name: str, shape: tuple[int, ...], like: Tensor) -> Tensor:
        """A buffer of the dtype and device of ``like``, with whatever it held before."""
        key = (name, like.dtype, like.device)
        size = math.prod(shape)
        buffer = self._buffers.get(key)
        if buffer is None or buffer.numel() < size:
            buffer = self._buffers[key] = torch.empty(size, dtype=like.dtype, device=like.device)
        return buffer[:size].view(shape)
