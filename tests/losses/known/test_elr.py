"""ELR against its authors' code (shengliu66/ELR, ELR/model/loss.py), written again."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from evoloss.losses import LOSSES
from tests.losses.known.training_calls import C, N, batch, call


class OfAuthors:
    """Their loss with its table of targets."""

    def __init__(self, beta: float, strength: float) -> None:
        self.beta, self.strength = beta, strength
        self.table = torch.zeros(N, C, dtype=torch.float64)

    def __call__(self, index: Tensor, logits: Tensor, target: Tensor) -> Tensor:
        p = logits.softmax(1).clamp(1e-4, 1 - 1e-4)
        given = (p / p.sum(1, keepdim=True)).detach()
        self.table[index] = self.beta * self.table[index] + (1 - self.beta) * given
        penalty = (1 - (self.table[index] * p).sum(1)).log().mean()
        return F.cross_entropy(logits, target) + self.strength * penalty


@pytest.mark.parametrize(("beta", "strength"), [(0.7, 3.0), (0.9, 7.0), (0.0, 1.0)])
def test_a_training_is_that_of_the_authors(beta: float, strength: float) -> None:
    loss, theirs = LOSSES["elr"](beta=beta, strength=strength), OfAuthors(beta, strength)
    loss.plan_training(n_samples=N, epochs=3)
    for seed in range(30):
        logits, target, index = batch(seed, rows=24)
        logits = logits.double() * (1 + seed / 3)  # some probabilities are beyond the bounds
        value, gradient = call(loss, logits, target, index)
        leaf = logits.clone().requires_grad_()
        wanted = theirs(index, leaf, target)
        wanted.backward()
        torch.testing.assert_close(value, wanted.detach(), rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(gradient, leaf.grad, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(loss.loss_state.memory.double(), theirs.table, rtol=1e-5, atol=1e-6)


def test_a_validation_loss_is_cross_entropy_and_a_look_reads_the_memory() -> None:
    loss = LOSSES["elr"]()
    loss.plan_training(n_samples=N, epochs=3)
    logits, target, index = batch(0)
    call(loss, logits, target, index)
    before = loss.loss_state.memory.clone()
    torch.testing.assert_close(loss(logits, target), F.cross_entropy(logits, target))
    looked = loss.eval()(logits, target, index=index)
    assert looked < F.cross_entropy(logits, target)
    assert torch.equal(loss.loss_state.memory, before)


def test_rows_that_do_not_count_may_name_any_sample() -> None:
    loss, alone = (LOSSES["elr"](ignore_index=-7) for _ in range(2))
    for criterion in (loss, alone):
        criterion.plan_training(n_samples=N, epochs=3)
    logits, target, _ = batch(0, rows=4)
    call(alone, logits[:2], target[:2], torch.tensor([5, 0]))
    call(loss, logits, torch.tensor([*target[:2], -7, -7]), torch.tensor([5, 0, 0, 5]))
    assert torch.equal(loss.loss_state.memory, alone.loss_state.memory)
