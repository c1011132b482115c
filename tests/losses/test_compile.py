"""Every loss compiles as one graph and gives the same values."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from evoloss.losses import LOSSES, ClassificationLoss
from tests.losses.cases import LossCase, every_loss, make_indices, make_logits, make_probs, make_weight

C = 5


@pytest.fixture(autouse=True)
def fresh_compiler():
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


def value_and_gradient(call: Any, logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    leaf = logits.clone().requires_grad_()
    value = call(leaf, target)
    value.sum().backward()
    assert leaf.grad is not None
    return value.detach(), leaf.grad


def check(loss: ClassificationLoss, target: Tensor, backend: str) -> None:
    logits = make_logits(8, C, dtype=torch.float32)
    compiled = torch.compile(loss, fullgraph=True, backend=backend)
    actual = value_and_gradient(compiled, logits, target)
    torch.testing.assert_close(actual, value_and_gradient(loss, logits, target))


@pytest.mark.parametrize("name", ["cross_entropy", "brier", "bi_tempered"])
def test_one_graph_with_ignored_positions(name: str):
    target = torch.tensor([0, 1, 2, 3, 4, 1, 1, 0])
    loss = LOSSES[name](ignore_index=1, weight=make_weight(C, dtype=torch.float32))
    check(loss, target, backend="aot_eager")


def test_one_graph_under_autocast():
    logits, target = make_logits(8, C, dtype=torch.bfloat16), make_indices(8, n_classes=C)
    loss = LOSSES["nce_rce"](ignore_index=1)
    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value, expected = compiled(logits, target), loss(logits, target)
    assert value.dtype == expected.dtype == torch.float32
    torch.testing.assert_close(value, expected)


@pytest.mark.slow
@every_loss
# PyTorch's code generator still uses what PyTorch deprecates.
@pytest.mark.filterwarnings("ignore:.*torch.jit.*deprecated:DeprecationWarning")
def test_generated_code(case: LossCase):
    weight = make_weight(C, dtype=torch.float32)
    indices, probs = make_indices(8, n_classes=C), make_probs(8, C, dtype=torch.float32)
    check(case.build(weight=weight, ignore_index=1), indices, backend="inductor")
    check(case.build(weight=weight, label_smoothing=0.1, reduction="sum"), probs, backend="inductor")
