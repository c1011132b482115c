from __future__ import annotations

import pytest
import torch

from evoloss.errors import ConfigError
from evoloss.fitness import trainable
from evoloss.networks import BasisNetwork, MixtureNetwork, build_network, describe_network
from evoloss.networks.kinds.mixture import N_LABEL
from evoloss.pretraining.start import START_SLOPES
from evoloss.random_streams import stream

NETWORK = MixtureNetwork()


def test_it_is_a_basis_network_of_its_weights() -> None:
    params = torch.stack([NETWORK.initial(stream(seed, "start")) for seed in range(5)]).double()
    log_probs = torch.log_softmax(2 * torch.randn(40, 6, generator=stream(0, "logits")).double(), dim=1)
    target = torch.arange(40) % 6
    own = NETWORK.losses(params, log_probs, target)
    torch.testing.assert_close(own, BasisNetwork().losses(NETWORK.constrain(params), log_probs, target))


def test_the_labels_weights_are_positive_and_finite() -> None:
    params = 50 * torch.randn(200, NETWORK.n_params, generator=stream(1, "params"))
    weights = NETWORK.constrain(params)
    assert (weights[:, :N_LABEL] > 0).all()
    assert weights.isfinite().all()
    # What pulls at the label rises with its probability, whatever the parameters.
    label = params.double().clone()
    label[:, N_LABEL:] = 0
    slopes = NETWORK.slopes(label, 10, canonical=False)(torch.linspace(-20, 0, 100).double())
    assert (slopes[:, 1].diff(dim=1) <= 1e-9).all()


def test_weights_to_parameters_and_back() -> None:
    weights = torch.tensor([1.0, 0.5, 0.0, 0.01, 0.2, 0.3, 0.1, -0.2, 0.0, 0.4])
    again = NETWORK.constrain(NETWORK.at_weights(weights)[None])[0]
    assert torch.allclose(again, weights.maximum(torch.tensor([0.03] * 6 + [-1.0] * 4)))


@pytest.mark.parametrize("name", ["cross_entropy", "label_smoothing", "gce", "sce"])
@pytest.mark.parametrize("n_classes", [3, 100])
def test_imitations_are_close(name: str, n_classes: int) -> None:
    params = NETWORK.imitate(NETWORK.initial(stream(0, "start")), START_SLOPES[name], name)[None].double()
    log_p = torch.linspace(-8, -0.01, 60, dtype=torch.float64)
    other, label = START_SLOPES[name](n_classes)
    found = NETWORK.slopes(params, n_classes, canonical=False)(log_p)[0]
    wanted = torch.stack([other(log_p), label(log_p)])
    assert float((found - wanted).abs().max()) < 0.16 * float(wanted.abs().max())
    assert trainable(NETWORK, params).all()


def test_the_smoothed_log_is_one_weight_and_what_others_need_to_come_back() -> None:
    params = NETWORK.imitate(
        NETWORK.initial(stream(0, "start")), START_SLOPES["smoothed_log"], "smoothed_log"
    )[None].double()
    wanted = torch.tensor([0.03] * 5 + [1.0] + [0.0] * 4, dtype=torch.float64)
    torch.testing.assert_close(NETWORK.constrain(params)[0], wanted, rtol=1e-4, atol=1e-5)
    assert trainable(NETWORK, params).all()


def test_nothing_else_to_choose() -> None:
    assert build_network(describe_network(NETWORK)) == NETWORK
    with pytest.raises(ConfigError, match="a basis network has hidden="):
        MixtureNetwork(hidden=(8,))
