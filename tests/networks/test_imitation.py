"""Fits to known losses; those of every kind are in test_kinds.py."""

from __future__ import annotations

import pytest
import torch

from evoloss.errors import CanonicalFormError
from evoloss.fitness import trainable
from evoloss.networks import BalancedNetwork
from evoloss.pretraining.start import START_SLOPES
from evoloss.random_streams import stream


@pytest.fixture(scope="module")
def imitation() -> torch.Tensor:
    network = BalancedNetwork()
    start = network.initial(stream(1, "start"))
    return network.imitate(start, START_SLOPES["cross_entropy"], "cross_entropy")


@pytest.mark.slow
@pytest.mark.parametrize("n_classes", [2, 10, 100])
def test_it_behaves_like_cross_entropy(imitation: torch.Tensor, n_classes: int) -> None:
    logits = 2 * torch.randn(200, n_classes, generator=stream(0, "logits"), dtype=torch.float64)
    logits.requires_grad_()
    target = torch.randint(n_classes, (200,), generator=stream(0, "target"))
    log_probs = torch.log_softmax(logits, dim=1)
    losses = BalancedNetwork().losses(imitation[None].double(), log_probs, target)[0]
    (gradient,) = torch.autograd.grad(losses.sum(), logits)
    expected = log_probs.detach().exp() - torch.nn.functional.one_hot(target, n_classes)
    assert float((gradient - expected).abs().max()) < 0.05
    assert trainable(BalancedNetwork(), imitation[None].double()).item()


def test_a_network_too_small_is_told() -> None:
    network = BalancedNetwork(hidden=(1,), features="probs")
    with pytest.raises(CanonicalFormError, match="could not be fitted to cross_entropy"):
        network.imitate(network.initial(stream(0, "start")), START_SLOPES["cross_entropy"], "cross_entropy")
