"""The entry of each position's target, taken as cross-entropy takes it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["gather", "label_of"]

# nll_loss always has an index that it ignores. Positions to ignore are masked by us, so its own must be one
# that no target holds; otherwise it would pass over an out-of-range target without a word.
_IGNORED_BY_NOBODY = -(2**62)


def gather(values: Tensor, target: Tensor, ignore_index: int = _IGNORED_BY_NOBODY) -> Tensor:
    """The entry of each position's target, and 0 for a target of ``ignore_index``.

    ``nll_loss`` does it: unlike ``torch.gather`` it raises what cross-entropy raises for an index out of
    range, takes the class axis in second place, and compiles and vmaps as cross-entropy does.

    Args:
        values: floating, shape ``(N, C, d1, ..., dK)``.
        target: int64 in ``[0, C)``, shape ``(N, d1, ..., dK)``.
        ignore_index: by default a number that no target is.

    Returns:
        ``values[n, target[n, ...], ...]``, of the shape of ``target``.

    Raises:
        IndexError: if an index is outside ``[0, C)`` (on CPU; a device-side assert on CUDA).
    """
    return -F.nll_loss(values, target, ignore_index=ignore_index, reduction="none")


def label_of(target: Tensor, ignore_index: int) -> Tensor:
    """Index targets of any shape, with class 0, which always exists, in the place of ``ignore_index``."""
    return torch.where(target == ignore_index, 0, target)
