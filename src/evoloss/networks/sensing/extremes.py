"""The most and the least likely class of predictions.

Where code is compiled for a CPU, the place of a largest entry is found by comparing one entry after another,
which takes longer than all else that a loss does to a row. So it is the least place there at which a row is
equal to its largest entry: two passes, several entries at a time.
"""

from __future__ import annotations

import torch
from torch import Tensor


def most_likely(log_probs: Tensor) -> tuple[Tensor, Tensor]:
    """The largest entry of each row of ``(N, C)`` and its class, the first of equal ones; ``(N,)`` each."""
    if not torch.compiler.is_compiling():
        return log_probs.max(dim=1)
    top = log_probs.amax(dim=1)
    return top, _first(log_probs == top[:, None])


def least_likely(log_probs: Tensor) -> Tensor:
    """The class of the smallest entry of each row of ``(N, C)``, the first of equal ones; ``(N,)``."""
    if not torch.compiler.is_compiling():
        return log_probs.argmin(dim=1)
    return _first(log_probs == log_probs.amin(dim=1, keepdim=True))


def _first(places: Tensor) -> Tensor:
    """The first place of each row that is True, the last one where none is; ``(N, C)`` to ``(N,)``."""
    # Places as float32, which minima are fastest of; they are exact up to 2**24.
    last = places.shape[1] - 1
    classes = torch.arange(last + 1, device=places.device, dtype=torch.float32)
    return torch.where(places, classes, last).amin(dim=1).long()
