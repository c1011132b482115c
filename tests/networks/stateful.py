"""Kinds of network with a state, and trainings of losses that keep one, for the tests of this folder."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from evoloss.losses import EvolvedLoss
from evoloss.networks import NETWORKS, LossNetwork, NetworkOptions
from evoloss.networks.sensing.numbers import SensorNumbers
from evoloss.random_streams import stream
from tests.networks.populations import accepted
from tests.networks.remembering import RememberingNetwork

C, BATCH = 5, 12
N_SAMPLES = 2 * BATCH  # an epoch is two batches
KINDS: dict[str, type[LossNetwork]] = {"remembering": RememberingNetwork} | {
    kind: network for kind, network in NETWORKS.items() if network.keeps_state
}

every_kind = pytest.mark.parametrize("kind", KINDS)


def doubting() -> Tensor:
    """The parameters set by hand, but with an exponent of up to 4, and Poly-1 and smoothing to begin with."""
    params = SensorNumbers.set_by_hand()
    for name in ("poly", "smoothing", "strength"):
        params[SensorNumbers._fields.index(name)] = 1.0
    return params


def network_of(kind: str) -> LossNetwork:
    return (KINDS | NETWORKS)[kind].from_options(NetworkOptions(classes=(C,)))


def loss_of(kind: str, *, n_samples: int = N_SAMPLES, **options: object) -> EvolvedLoss:
    network = network_of(kind)
    params = accepted(network, 1, 0, C, *network.checked_classes)[0].float()
    return EvolvedLoss(network, params, n_samples=n_samples, **options)


def batch(seed: int, rows: int = BATCH, learned: float = 1.0) -> tuple[Tensor, Tensor]:
    """Logits of which some are learned, and labels."""
    target = torch.randint(C, (rows,), generator=stream(seed, "target"))
    logits = 2 * torch.randn(rows, C, generator=stream(seed, "logits"))
    return logits + learned * nn.functional.one_hot(target, C), target


def train(loss: nn.Module, steps: range, *, rows: int = BATCH) -> list[Tensor]:
    """Gradients of training calls with growing confidence."""
    gradients = []
    for seed in steps:
        logits, target = batch(seed, rows, learned=seed / 2)
        leaf = logits.requires_grad_()
        loss(leaf, target).sum().backward()
        assert leaf.grad is not None
        gradients.append(leaf.grad)
    return gradients


def state_of(loss: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in loss.state_dict().items() if "loss_state" in name}


def assert_same_state(loss: nn.Module, other: dict[str, Tensor], rtol: float = 0.0) -> None:
    found = state_of(loss)
    assert found.keys() == other.keys()
    for name, value in found.items():
        torch.testing.assert_close(value, other[name], rtol=rtol, atol=0)


def changed(before: dict[str, Tensor], after: dict[str, Tensor]) -> bool:
    return any(not torch.equal(value, after[name]) for name, value in before.items())


def check_promises_of_a_state(tests: Mapping[str, Any], kind: str, folder: Path) -> None:
    """Run the tests of a file that are about any kind over one that has been entered in ``NETWORKS``."""
    checks = [check for name, check in tests.items() if name.startswith("test_")]
    checks = [check for check in checks if "kind" in inspect.signature(check).parameters]
    assert len(checks) > 6
    for check in checks:
        if "tmp_path" in inspect.signature(check).parameters:
            check(kind, folder)
        else:
            check(kind)
