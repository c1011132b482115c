"""DAL over a training, against its authors' code (XiuchuanLi/DAL, cifar.py and utils/losses.py)."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from evoloss.losses import LOSSES
from tests.losses.known.training_calls import batch, call


def of_authors(logits: Tensor, target: Tensor, epoch: int, epochs: int, qs: float, qe: float) -> Tensor:
    """Their list of criteria, at an epoch from 0: GCE, and entropy with 1e-6 in the logarithm."""
    turn = (1 - qs) * epochs / (qe - qs)
    q, factor = qs + (qe - qs) * (epoch / epochs), max(0, (epoch - turn) / (epochs - turn))
    p = logits.softmax(1)
    bounded = p.clamp(min=1e-6)
    gce = ((1 - bounded[torch.arange(len(p)), target] ** q) / q).mean()
    entropy = -((p + 1e-6).log() * p).sum(1).mean()
    return gce + factor * entropy / (q * math.log(p.shape[1]))


@pytest.mark.parametrize(("epochs", "q_start", "q_end"), [(4, 0.6, 1.5), (7, 1.0, 2.0), (1, 0.3, 1.1)])
def test_each_epoch_has_the_criterion_of_the_authors(epochs: int, q_start: float, q_end: float) -> None:
    loss = LOSSES["dal"](q_start=q_start, q_end=q_end)
    loss.plan_training(n_samples=40, epochs=epochs, samples_per_epoch=36)  # without incomplete batches
    costs = set()
    for step in range(3 * epochs):  # the last batch of an epoch belongs to it
        logits, target, index = batch(step)
        logits = logits.double()
        value, gradient = call(loss, logits, target, index)
        leaf = logits.clone().requires_grad_()
        wanted = of_authors(leaf, target, step // 3, epochs, q_start, q_end)
        wanted.backward()
        torch.testing.assert_close(value, wanted.detach(), rtol=0, atol=2e-5)
        torch.testing.assert_close(gradient, leaf.grad, rtol=0, atol=2e-5)
        costs.add(loss.eval()(logits[:1] * 0, target[:1]).item())
        loss.train()
    assert len(costs) == epochs  # an epoch has one criterion, each another


def test_more_epochs_than_planned_go_on_as_at_the_end() -> None:
    loss = LOSSES["dal"]()
    loss.plan_training(n_samples=12, epochs=2)
    for seed in range(5):
        call(loss, *batch(seed))
    logits, target, index = batch(9)
    value, _ = call(loss, logits.double(), target, index)
    wanted = of_authors(logits.double(), target, 2, 2, 0.6, 1.5)
    torch.testing.assert_close(value, wanted, rtol=0, atol=2e-5)
