from __future__ import annotations

import pytest
import torch

from evoloss.errors import CanonicalFormError, ConfigError
from evoloss.fitness import trainable
from evoloss.networks import BalancedNetwork
from evoloss.pretraining import PretrainConfig
from evoloss.pretraining.start import imitate
from evoloss.random_streams import stream
from tests.pretraining.runs import tiny


@pytest.fixture(scope="module")
def imitation() -> torch.Tensor:
    network = BalancedNetwork()
    return imitate(network, network.initial(stream(1, "start")), "cross_entropy")


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


def test_a_network_that_cannot_is_told() -> None:
    network = BalancedNetwork(hidden=(1,), features="probs")
    with pytest.raises(CanonicalFormError, match="could not be fitted to cross_entropy"):
        imitate(network, network.initial(stream(0, "start")), "cross_entropy")


def test_only_networks_that_can_start_from_a_known_loss() -> None:
    with pytest.raises(ConfigError, match="start='sce' needs network 'classwise' or 'balanced'"):
        tiny(start="sce")
    with pytest.raises(ConfigError, match="the learnability fitness is for networks of any class count"):
        PretrainConfig(network="concat", classes=(10,), fitness="learnability")
