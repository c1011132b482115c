from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from evoloss.diagnostics import criterion as module
from evoloss.diagnostics.criterion import (
    NotApplicableError,
    class_costs,
    label_gradients,
    per_sample_losses,
)
from evoloss.errors import ConfigError
from evoloss.losses import LOSSES
from tests.diagnostics import reference_losses

LOGITS = torch.tensor([[0.3, -1.0, 2.0], [0.0, 0.5, -0.5]], dtype=torch.float64)
TARGET = torch.tensor([2, 0])


def test_losses_come_back_in_float64() -> None:
    losses = per_sample_losses(lambda z, y: reference_losses.cross_entropy(z.float(), y), LOGITS, TARGET)
    assert losses.dtype == torch.float64
    torch.testing.assert_close(losses, reference_losses.cross_entropy(LOGITS, TARGET), atol=1e-6, rtol=0)


def test_reduced_losses_are_refused_with_the_remedy() -> None:
    with pytest.raises(NotApplicableError, match=r'shape \(\) for 2 rows.*reduction="none"'):
        per_sample_losses(nn.CrossEntropyLoss(), LOGITS, TARGET)


@pytest.mark.parametrize("error", [ValueError, IndexError, ConfigError])
def test_refusals_become_not_applicable(error: type[Exception]) -> None:
    def refuse(logits: Tensor, target: Tensor) -> Tensor:
        raise error("needs\n4 classes")

    with pytest.raises(NotApplicableError, match=r"^needs 4 classes$"):
        per_sample_losses(refuse, LOGITS, TARGET)


def test_torch_shape_errors_become_not_applicable() -> None:
    layer = nn.Linear(4, 1, dtype=torch.float64)
    with pytest.raises(NotApplicableError, match="shapes cannot be multiplied"):
        per_sample_losses(lambda z, y: layer(z).squeeze(1), LOGITS, TARGET)
    with pytest.raises(NotApplicableError, match="size of tensor"):
        per_sample_losses(lambda z, y: (z * torch.ones(5, dtype=z.dtype)).sum(dim=1), LOGITS, TARGET)


@pytest.mark.parametrize("error", [RuntimeError("the disk is full"), TypeError("no"), ZeroDivisionError()])
def test_other_errors_pass_unchanged(error: Exception) -> None:
    def fail(logits: Tensor, target: Tensor) -> Tensor:
        raise error

    with pytest.raises(type(error)) as caught:
        per_sample_losses(fail, LOGITS, TARGET)
    assert caught.value is error


def test_gradients_are_those_of_the_sum() -> None:
    losses, gradients = label_gradients(reference_losses.cross_entropy, LOGITS, TARGET)
    expected = LOGITS.softmax(dim=1) - nn.functional.one_hot(TARGET, 3)
    torch.testing.assert_close(gradients, expected)
    assert not losses.requires_grad


def test_gradients_are_taken_under_no_grad_too_and_leave_parameters_alone() -> None:
    layer = nn.Linear(3, 3, dtype=torch.float64)
    with torch.no_grad():
        _, gradients = label_gradients(lambda z, y: reference_losses.mae(layer(z), y), LOGITS, TARGET)
    assert gradients.abs().min() > 0
    assert layer.weight.grad is None


@pytest.mark.parametrize("constant", [True, False])
def test_a_loss_without_gradient_is_refused(constant: bool) -> None:
    unrelated = torch.ones((), dtype=torch.float64, requires_grad=not constant)
    with pytest.raises(NotApplicableError, match="no gradient in the logits"):
        label_gradients(lambda z, y: unrelated * y.double(), LOGITS, TARGET)


@pytest.mark.parametrize("one_batch", [0, 10**6])
def test_class_costs_in_one_batch_and_by_class(one_batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_ONE_BATCH", one_batch)
    expected = -LOGITS.log_softmax(dim=1)
    torch.testing.assert_close(class_costs(reference_losses.cross_entropy, LOGITS), expected)


@pytest.mark.parametrize("name", LOSSES)
def test_class_costs_of_known_losses_are_those_of_a_mere_callable(name: str) -> None:
    loss = LOSSES[name](reduction="none")
    reference = class_costs(lambda z, y: loss(z, y), LOGITS)
    torch.testing.assert_close(class_costs(loss, LOGITS), reference, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    "choices",
    [{"weight": torch.arange(1, 4).double()}, {"label_smoothing": 0.3}, {"ignore_index": 1}],
)
def test_class_costs_see_weights_smoothing_and_ignored_classes(choices: dict[str, Any]) -> None:
    loss = LOSSES["cross_entropy"](reduction="none", **choices)
    expected = class_costs(nn.CrossEntropyLoss(reduction="none", **choices), LOGITS)
    torch.testing.assert_close(class_costs(loss, LOGITS), expected)
    assert not torch.allclose(expected, -LOGITS.log_softmax(dim=1))
