"""PyTorch's default dtype, held while a model is built or trained."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def float32_by_default() -> Iterator[None]:
    """A region in which tensors are float32 unless something else is asked for, whatever the user has set.

    Layers take their dtype from ``torch.get_default_dtype()``, and so do tensors that a user's model makes
    in its forward. The setting is one of the whole process. Code of our own names its dtypes instead.
    """
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
