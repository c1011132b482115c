"""Sensing losses that come to doubt, and calls of their training."""

from __future__ import annotations

from typing import Any

import pytest
from torch import Tensor

from evoloss.losses import EvolvedLoss
from evoloss.networks.kinds.sensing import SensingNetwork
from evoloss.networks.sensing.numbers import SensorNumbers
from evoloss.networks.sensing.sensor import contradiction
from tests.networks.stateful import doubting

NETWORK = SensingNetwork()
NUMBERS = SensorNumbers(*map(float, SensorNumbers.of(doubting())))
N_SAMPLES = 2500
LARGER = 5200  # than sets that are sensed as small ones

both_ways = pytest.mark.parametrize("way", ["fast", "general"])


def sensing(way: str = "fast", n_samples: int | None = N_SAMPLES, **options: Any) -> EvolvedLoss:
    loss = EvolvedLoss(NETWORK, doubting(), n_samples=n_samples, **options)
    if way == "general":
        loss.terms = lambda logits, labels: None  # type: ignore[method-assign]
    return loss


def take_in(loss: EvolvedLoss, logits: Tensor, target: Tensor) -> Tensor:
    """A training call; returns the gradient."""
    leaf = logits.clone().requires_grad_()
    loss(leaf, target).sum().backward()
    assert leaf.grad is not None
    return leaf.grad


def reading(loss: EvolvedLoss) -> float:
    return float(contradiction(loss.loss_state.values()))
