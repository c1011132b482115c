from __future__ import annotations

import pytest
import torch

from evoloss.errors import CanonicalFormError, ConfigError
from evoloss.networks import NETWORKS
from evoloss.pretraining import PretrainConfig
from evoloss.pretraining.components import make_network
from evoloss.pretraining.start import START_SLOPES, start_point
from evoloss.random_streams import stream
from tests.pretraining.runs import tiny


def test_the_start_is_the_networks_own_or_its_imitation_of_the_loss_that_is_named() -> None:
    config = PretrainConfig(network="basis", seed=4)
    network = make_network(config)
    own = network.initial(stream(4, "start"))
    assert torch.equal(start_point(config, network), own)
    for name, known in START_SLOPES.items():
        start = start_point(PretrainConfig(network="basis", seed=4, start=name), network)
        assert torch.equal(start, network.imitate(own, known, name))
        assert not torch.equal(start, own)


@pytest.mark.slow
def test_a_network_that_cannot_be_fitted_is_told() -> None:
    config = PretrainConfig(network="balanced", hidden=(1,), features="probs", start="gce")
    with pytest.raises(CanonicalFormError, match="could not be fitted to gce"):
        start_point(config, make_network(config))


@pytest.mark.parametrize("kind", NETWORKS)
def test_only_networks_that_can_start_from_a_known_loss(kind: str) -> None:
    classes = {"classes": (10,)}
    if NETWORKS[kind].can_imitate:
        assert PretrainConfig(network=kind, start="sce", **classes).start == "sce"
        return
    known = "'classwise' or 'balanced' or 'basis' or 'mixture'"
    with pytest.raises(ConfigError, match=f"start='sce' needs network {known}, got '{kind}'"):
        tiny(network=kind, start="sce", **classes)


@pytest.mark.parametrize("kind", NETWORKS)
def test_only_networks_with_slopes_are_judged_by_students(kind: str) -> None:
    settings = {"network": kind, "classes": (10,), "fitness": "learnability"}
    if NETWORKS[kind].has_slopes:
        assert PretrainConfig(**settings).fitness == "learnability"
        return
    with pytest.raises(ConfigError, match=f"slopes of a loss, which a {kind} network has none of"):
        PretrainConfig(**settings)
