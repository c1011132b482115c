"""Settings of trees and of networks: each has its own, and what is set is used."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from evoloss import make_loss
from evoloss.errors import ConfigError
from evoloss.integrations.boosting import Hessian, objective
from evoloss.training import TrainConfig, identify_run, train_and_observe
from evoloss.training.trees.ensembles import Growth, make_ensemble
from evoloss.training.trees.parameters import TreeSpec
from tests.training.blobs import feature_blobs

SMALL = {"xgboost": "xgboost:max_depth=3", "lightgbm": "lightgbm:min_child_samples=2,num_leaves=8"}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"momentum": 0.5}, "momentum=0.5 is a setting of networks, and xgboost grows trees"),
        ({"weight_decay": 0.0}, "weight_decay=0.0 is a setting of networks"),
        ({"batch_size": 16}, "which have no batch size; leave it out"),
        ({"augment": "standard"}, "augment='standard' is a setting of networks"),
        ({"backbone": "frozen"}, "backbone='frozen' is a setting of networks"),
        ({"accelerator": "cuda"}, "grows its trees on the CPU here"),
    ],
)
def test_settings_of_networks_are_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        identify_run(feature_blobs(spread=1.5), "xgboost", make_loss("gce"), TrainConfig(**settings))


def test_networks_have_no_second_derivative() -> None:
    with pytest.raises(ConfigError, match="hessian='softmax' is a setting of trees; mlp has no hessian"):
        identify_run(feature_blobs(spread=1.5), "mlp", make_loss("gce"), TrainConfig(hessian="softmax"))


@pytest.mark.parametrize("library", ["xgboost", "lightgbm"])
@pytest.mark.parametrize("hessian", ["abs", "softmax", "exact"])
def test_the_second_derivative_is_that_of_the_configuration(library: str, hessian: Hessian) -> None:
    pytest.importorskip(library)
    data = feature_blobs(spread=1.5)
    chosen = TrainConfig(epochs=3, lr=0.3, early_stopping=4, hessian=hessian)
    found, outcome = train_and_observe(data, SMALL[library], make_loss("gce"), chosen)
    assert found.hessian == found.as_dict()["hessian"] == hessian
    rows = data.train.inputs.numpy(), data.train.labels.numpy()
    growth = Growth(
        inputs=rows[0],
        labels=rows[1],
        weight=None,
        watched=[],
        n_classes=3,
        lr=chosen.lr,
        seed=chosen.seed,
        objective=objective("gce", 3, hessian=hessian),
    )
    ensemble = make_ensemble(TreeSpec.parse(SMALL[library]), growth)
    for _ in range(3):
        ensemble.grow()
    expected = ensemble.predict(data.test.inputs.numpy(), found.best_epoch)
    torch.testing.assert_close(outcome.test_logits, expected)
