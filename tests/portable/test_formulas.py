"""Formulas with numbers, evaluated by PyTorch, give what the losses give."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from evoloss.errors import ConfigError
from evoloss.formulas import TENSORS
from evoloss.losses import LOSSES, EvolvedLoss
from evoloss.portable import portable
from evoloss.portable.calls import loss_of_batch
from evoloss.zoo import SHIPPED
from tests.losses.evolved_losses import CONCAT_CLASSES, EVERY_NETWORK, evolved

IN_TORCH_ALONE = ("elr", "ogc", "dal", "base_mda")
KNOWN = [name for name in LOSSES if name not in IN_TORCH_ALONE]
KINDS = [f"kind:{kind}" for kind in EVERY_NETWORK if kind != "remembering"]
NAMED = [*KNOWN, *(name for name in SHIPPED if name != "adaptive"), *KINDS]


def value_and_gradient(loss: Any, logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    leaf = logits.clone().requires_grad_()
    value = loss(leaf, target)
    return value, torch.autograd.grad(value, leaf)[0]


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("named", NAMED)
def test_value_and_gradient(named: str, smoothing: float) -> None:
    made = portable(evolved(named[5:]) if named.startswith("kind:") else named)
    criterion = made.criterion
    criterion.label_smoothing = smoothing
    if isinstance(criterion, EvolvedLoss):
        criterion.exact = True

    def loss(logits: Tensor, target: Tensor) -> Any:
        options = made.weight, criterion.ignore_index, "mean", smoothing
        return loss_of_batch(
            made.costs, made.formula.function, made.numbers, logits, target, *options, TENSORS
        )

    generator = torch.Generator().manual_seed(0)
    for n_classes in (CONCAT_CLASSES,) if "concat" in named else (2, 5, 100):
        logits = 5 * torch.randn(20, n_classes, generator=generator, dtype=torch.float64)
        labels = torch.randint(n_classes, (20,), generator=generator)
        probs = torch.randn(20, n_classes, generator=generator, dtype=torch.float64).softmax(1)
        criterion.weight = torch.rand(n_classes, generator=generator, dtype=torch.float64)
        for target in (labels, probs):
            criterion.ignore_index = 1 if target is labels else -100
            expected = value_and_gradient(criterion, logits, target)
            torch.testing.assert_close(
                value_and_gradient(loss, logits, target), expected, rtol=1e-7, atol=1e-7
            )


def test_what_is_no_formula_is_refused_by_name() -> None:
    for name in IN_TORCH_ALONE:
        with pytest.raises(ConfigError, match=f"loss '{name}' works in PyTorch alone.*gce"):
            portable(name)
    with pytest.raises(ConfigError, match="remembering networks"):
        portable(evolved("remembering"))

    class Other(LOSSES["gce"]):  # type: ignore[misc, name-defined]
        def cost(self, log_p: Tensor) -> Tensor:
            return 2 * log_p

    with pytest.raises(ConfigError, match="works in PyTorch alone"):
        portable(Other())


def test_a_class_count_that_it_is_not_for() -> None:
    with pytest.raises(ConfigError, match="2 classes or more"):
        portable("gce").numbers(1)
    with pytest.raises(ConfigError, match="evolved for 5 classes"):
        portable(evolved("concat")).numbers(4)
    with pytest.raises(ConfigError, match="fewer than 100 classes"):
        portable("anl_ce:min_prob=0.01").numbers(1000)
