from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from evoloss.errors import ConfigError, UnknownNameError
from evoloss.networks import LOG_P_FLOOR, ConcatNetwork, Features
from tests.networks.populations import accepted, pairs_of, torch_module


@pytest.mark.parametrize("n_classes", [2, 5])
@pytest.mark.parametrize("features", ["log_probs", "probs"])
def test_losses_are_a_network_of_prediction_and_label_up_to_offset_and_scale(
    features: Features, n_classes: int
) -> None:
    network = ConcatNetwork(n_classes=n_classes, hidden=(7, 3), features=features)
    params = accepted(network, 3, 0, n_classes)
    log_probs, target = pairs_of(60, n_classes)
    losses = network.losses(params, log_probs, target)
    assert losses.shape == (3, 60)
    prediction = log_probs.clamp(min=LOG_P_FLOOR) / 4 if features == "log_probs" else log_probs.exp()
    rows = torch.cat([prediction, F.one_hot(target, n_classes)], dim=1)
    scale = network.form(params, n_classes).scale
    for row, loss, factor in zip(params, losses, scale, strict=True):
        raw = torch_module(row, 2 * n_classes, (7, 3), network.activation)(rows).squeeze(1).detach()
        offset = raw - loss / factor
        for label in range(n_classes):  # one offset a label
            same = offset[target == label]
            torch.testing.assert_close(same, same[:1].expand_as(same), rtol=0, atol=1e-9)


def test_a_candidate_does_not_see_the_others() -> None:
    network = ConcatNetwork(n_classes=4)
    params = accepted(network, 4, 1, 4)
    log_probs, target = pairs_of(30, 4)
    together = network.losses(params, log_probs, target)
    alone = torch.cat([network.losses(row[None], log_probs, target) for row in params])
    torch.testing.assert_close(together, alone, rtol=1e-10, atol=1e-10)


def test_losses_are_class_costs_at_the_label() -> None:
    network = ConcatNetwork(n_classes=4)
    params = accepted(network, 1, 2, 4)
    log_probs, target = pairs_of(30, 4)
    costs = network.class_costs(params[0], log_probs)
    assert costs.shape == (30, 4)
    torch.testing.assert_close(
        costs.gather(1, target[:, None]).T, network.losses(params, log_probs, target), rtol=1e-10, atol=1e-10
    )


def test_n_params() -> None:
    assert ConcatNetwork(n_classes=10).n_params == 20 * 16 + 16 + 16 * 16 + 16 + 16


def test_another_class_count_is_refused() -> None:
    network = ConcatNetwork(n_classes=4)
    params = accepted(network, 1, 3, 4)
    log_probs, target = pairs_of(5, 3)
    message = "evolved for 4 classes and cannot score 3; use a classwise or monotone loss"
    with pytest.raises(ValueError, match=message):
        network.losses(params, log_probs, target)
    with pytest.raises(ValueError, match=message):
        network.class_costs(params[0], log_probs)
    with pytest.raises(ValueError, match=message):
        network.form(params, 3)


def test_wrong_fields() -> None:
    with pytest.raises(ConfigError, match="n_classes of a concat network must be from 2 to 1024, got 1"):
        ConcatNetwork(n_classes=1)
    with pytest.raises(UnknownNameError, match=r"no feature set 'prob'\. Did you mean 'probs'"):
        ConcatNetwork(n_classes=3, features="prob")  # type: ignore[arg-type]
    with pytest.raises(UnknownNameError, match="no activation 'gelu'"):
        ConcatNetwork(n_classes=3, activation="gelu")
