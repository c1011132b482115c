"""Classes that a model masks: logits of -inf, or the lowest number of a precision, for what is not there.

Models with a varying set of classes (legal moves, labels of a task, padded heads) give such logits. They say
something about the classes, and are no sign that the training has diverged.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

_LOWEST = tuple(torch.finfo(dtype).min for dtype in (torch.float32, torch.bfloat16, torch.float16))
"""Numbers that code writes in place of -inf; float64's is -inf as soon as it is cast to float32."""


def with_masks(logits: Tensor) -> Tensor:
    """Logits with -inf for every masked class, so that they can be scaled; the same tensor if none is.

    Args:
        logits: ``(N, C)``, any floating type.
    """
    masked = torch.isin(logits, torch.tensor(_LOWEST, dtype=logits.dtype, device=logits.device))
    return logits.masked_fill(masked, -math.inf) if bool(masked.any()) else logits


def are_predictions(logits: Tensor) -> bool:
    """Test whether every row is a prediction: no NaN, no +inf, and a class that is not masked.

    Args:
        logits: ``(N, C)``, as :func:`with_masks` returns them.
    """
    usable = logits.isfinite()
    return bool((usable | logits.isneginf()).all() and usable.any(dim=1).all())
