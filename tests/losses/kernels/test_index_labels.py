"""The mean over rows that count."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from evoloss.losses import LOSSES


@pytest.mark.parametrize("default", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("name", ["cross_entropy", "label_smoothing"])
def test_the_mean_over_rows_that_count_is_exact_in_float64(name: str, default: torch.dtype) -> None:
    logits = torch.randn(
        7, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0)
    ).requires_grad_()
    target = torch.tensor([0, 1, -100, 3, 2, -100, 1])
    smoothing = 0.1 if name == "label_smoothing" else 0.0
    expected = torch.autograd.grad(F.cross_entropy(logits, target, label_smoothing=smoothing), logits)[0]
    torch.set_default_dtype(default)
    try:
        (gradient,) = torch.autograd.grad(LOSSES[name]()(logits, target), logits)
    finally:
        torch.set_default_dtype(torch.float32)
    torch.testing.assert_close(gradient, expected, rtol=1e-14, atol=1e-16)
