"""Rows of many classes, whose gradient is finished in chunks; in any layout of memory."""

from __future__ import annotations

import pytest
import torch

from evoloss.losses.resolve import resolve_loss


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("shape", [(400, 64), (700, 300)], ids=str)  # in one chunk, and in two
@pytest.mark.parametrize("name", ["cross_entropy", "gce", "evolved-noise"])
def test_the_gradient_is_that_in_float64(name: str, shape: tuple[int, int], transposed: bool) -> None:
    n, n_classes = shape
    logits = torch.randn(n_classes, n).t() if transposed else torch.randn(n, n_classes)
    target = torch.randint(n_classes, (n,))
    target[1] = -100
    ours = logits.clone(memory_format=torch.preserve_format).requires_grad_()
    exact = logits.double().requires_grad_()
    assert ours.is_contiguous() is not transposed
    for given in (ours, exact):
        resolve_loss(name)(given, target).backward()
    torch.testing.assert_close(ours.grad.double(), exact.grad, rtol=1e-4, atol=1e-8)
    assert not ours.grad[1].any()
