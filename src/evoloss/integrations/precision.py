"""Class weights in the precision of the scores."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def in_one_precision(criterion: nn.Module, logits: Tensor) -> Tensor:
    """The logits in a precision that holds the class weights of a loss too, which are brought to it.

    Class weights are float32 as a rule, where scikit-learn and LightGBM have float64 and models bfloat16.
    """
    weight = getattr(criterion, "weight", None)
    if not isinstance(weight, Tensor) or isinstance(weight, nn.Parameter) or weight.dtype == logits.dtype:
        return logits
    common = torch.promote_types(weight.dtype, logits.dtype)
    criterion.weight = weight.to(common)
    return logits.to(common)
