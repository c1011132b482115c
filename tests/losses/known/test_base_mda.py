"""BASE with MDA over a training, against the formulas of its paper, in batches of 128 as there."""

from __future__ import annotations

import torch
from torch import Tensor

from evoloss.losses import LOSSES
from tests.losses.known.training_calls import C, batch, call


def skewed(seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """A batch in which class 0 is predicted too often."""
    logits, target, index = batch(seed, rows=128)
    return logits.double() + 1.5 * (torch.arange(C) == 0), target, index


def test_what_is_chosen_is_what_the_adjusted_prediction_says() -> None:
    loss = LOSSES["base_mda"](warmup=2.0, momentum=0.9)
    loss.plan_training(n_samples=256, epochs=10)
    marginal = torch.full((C,), 1 / C, dtype=torch.float64)
    differs = 0
    for step in range(40):
        logits, target, index = skewed(step)
        value, gradient = call(loss, logits, target, index)
        p = logits.softmax(1)
        marginal = 0.9 * marginal + 0.1 * p.mean(0)
        torch.testing.assert_close(loss.loss_state.marginal.double(), marginal, rtol=1e-4, atol=1e-6)
        adjusted = (p / marginal) / (p / marginal).sum(1, keepdim=True)
        chosen = adjusted.argmax(1) == target if step >= 4 else torch.ones(128, dtype=torch.bool)
        leaf = logits.clone().requires_grad_()
        costs = torch.nn.functional.cross_entropy(leaf, target, reduction="none")
        wanted = torch.where(chosen, costs, 0.0).mean()
        wanted.backward()
        torch.testing.assert_close(value, wanted.detach())
        torch.testing.assert_close(gradient, leaf.grad)
        differs += int(((p.argmax(1) == target) != chosen).sum()) if step >= 4 else 0
    assert differs > 100  # the adjustment matters here


def test_the_mean_moves_on_with_samples() -> None:
    large, small = (LOSSES["base_mda"]() for _ in range(2))
    logits, target, index = skewed(0)
    for loss in (large, small):
        loss.plan_training(n_samples=128, epochs=10)
    call(large, logits[:16].repeat(8, 1), target[:16].repeat(8), index)
    for _ in range(8):
        call(small, logits[:16], target[:16], index[:16])
    torch.testing.assert_close(large.loss_state.marginal, small.loss_state.marginal)
    share = (large.loss_state.marginal - 1 / C) / (logits[:16].softmax(1).mean(0).float() - 1 / C)
    torch.testing.assert_close(share, torch.full((C,), 0.01), rtol=1e-3, atol=0)
