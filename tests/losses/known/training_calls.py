"""Known losses with a state in trainings, for tests: ready to be called, and their calls."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from evoloss.losses import LOSSES, ClassificationLoss
from evoloss.losses.state import states_of
from evoloss.random_streams import stream

C, N, EPOCHS = 5, 96, 6
STATEFUL = [name for name, build in LOSSES.items() if states_of(build())]
every_stateful = pytest.mark.parametrize("name", STATEFUL)


def ready(name: str, **options: Any) -> ClassificationLoss:
    """A loss that knows how long its training is: epochs of ``N`` samples."""
    own: dict[str, Any] = {"warmup": 1.0} if name == "base_mda" else {}
    loss = LOSSES[name](**own, **options)
    loss.plan_training(n_samples=N, epochs=EPOCHS)
    return loss


def batch(seed: int, rows: int = 12, n_classes: int = C) -> tuple[Tensor, Tensor, Tensor]:
    """Logits of which half are learned, labels, and which training samples they are."""
    target = torch.randint(n_classes, (rows,), generator=stream(seed, "target"))
    logits = 2 * torch.randn(rows, n_classes, generator=stream(seed, "logits"))
    index = torch.randperm(max(N, rows), generator=stream(seed, "index"))[:rows]
    return logits + 2 * nn.functional.one_hot(target, n_classes), target, index


def said(loss: nn.Module, index: Tensor, rate: float = 0.1) -> dict[str, Any]:
    """What a training call says beside logits and target."""
    everything = {"index": index, "lr": rate}
    return {name: everything[name] for name in loss.training_arguments}


def call(loss: nn.Module, logits: Tensor, target: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
    """Value and gradient of a training call."""
    leaf = logits.clone().requires_grad_()
    value = loss(leaf, target, **said(loss, index))
    value.sum().backward()
    assert leaf.grad is not None
    return value.detach(), leaf.grad


def train(loss: nn.Module, steps: range) -> list[Tensor]:
    """Values and gradients of training calls."""
    return [found for seed in steps for found in call(loss, *batch(seed))]
