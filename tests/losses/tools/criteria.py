"""Every criterion of the package, for tests of what tools ask of one."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from evoloss.losses import LOSSES, EvolvedLoss
from evoloss.zoo import SHIPPED
from tests.losses.cases import LossCase, in_evaluation, make_indices, make_logits, make_probs
from tests.losses.evolved_losses import NETWORKS, evolved

C = 5
LOGITS = make_logits(6, C, dtype=torch.float32)
INDICES = make_indices(6, n_classes=C)
PROBS = make_probs(6, C, dtype=torch.float32)

KINDS = [LossCase(f"kind-{kind}", partial(evolved, kind)) for kind in NETWORKS]
FROM_ZOO = [LossCase(name, partial(EvolvedLoss, name)) for name in SHIPPED]
KNOWN = [LossCase(name, in_evaluation(build)) for name, build in LOSSES.items()]
# One of each way through the code, for what takes seconds.
FEW_NAMES = (
    "gce",
    "nce_rce",
    "bi_tempered",
    "kind-concat",
    "kind-classwise",
    "evolved-base",
    "evolved-noise",
)
FEW = [case for case in KNOWN + KINDS + FROM_ZOO if case.name in FEW_NAMES]


def over(cases: list[LossCase]) -> pytest.MarkDecorator:
    """All of the cases; those that go no way of their own are among the slow tests."""
    params = [
        pytest.param(case, id=case.name, marks=() if case.name in FEW_NAMES else pytest.mark.slow)
        for case in cases
    ]
    return pytest.mark.parametrize("case", params)


def over_with(name: str, values: Mapping[str, Any], cases: list[LossCase]) -> pytest.MarkDecorator:
    """Cases and values: each fast case with one value, in turn; all with all among the slow tests."""
    fast = [case.name for case in cases if case.name in FEW_NAMES]
    params = [
        pytest.param(
            case,
            value,
            id=f"{case.name}-{label}",
            marks=()
            if case.name in fast and fast.index(case.name) % len(values) == position
            else pytest.mark.slow,
        )
        for case in cases
        for position, (label, value) in enumerate(values.items())
    ]
    return pytest.mark.parametrize(("case", name), params)


EVERY = KNOWN + KINDS + FROM_ZOO
every_criterion = over(EVERY)
every_learned = over(KINDS + FROM_ZOO)
few_criteria = over(FEW)


class Classifier(nn.Module):
    """A model that holds its criterion."""

    def __init__(self, criterion: nn.Module) -> None:
        super().__init__()
        self.linear = nn.Linear(3, C)
        self.criterion = criterion
        with torch.no_grad():
            self.linear.weight.copy_(make_logits(C, 3, seed=11, dtype=torch.float32))

    def forward(self, inputs: Tensor, target: Tensor) -> Tensor:
        return self.criterion(self.linear(inputs), target)


def value_and_gradient(loss: nn.Module, logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    leaf = logits.detach().clone().requires_grad_()
    value = loss(leaf, target)
    value.sum().backward()
    assert leaf.grad is not None
    return value.detach(), leaf.grad


def assert_same_bits(loss: nn.Module, other: nn.Module, *targets: Tensor, logits: Tensor = LOGITS) -> None:
    for target in targets or (INDICES, PROBS):
        pairs = zip(
            value_and_gradient(loss, logits, target), value_and_gradient(other, logits, target), strict=True
        )
        for value, expected in pairs:
            assert value.dtype == expected.dtype
            assert torch.equal(value, expected)
