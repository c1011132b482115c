from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight
from torch import Tensor, nn

from evoloss.data import Dataset, Split
from evoloss.errors import ConfigError
from evoloss.losses import LOSSES
from evoloss.training import TrainConfig, train
from evoloss.training.stages.class_weights import balanced_weights, with_balanced_weights
from tests.training.blobs import feature_blobs

QUICK: dict[str, Any] = {"epochs": 6, "batch_size": 16, "lr": 0.05, "accelerator": "cpu"}


def unbalanced() -> Dataset:
    """Overlapping clusters, of which class 0 has most samples."""
    found = feature_blobs(240, spread=3.0)
    wanted = (found.train.labels == 0) | (torch.arange(240) % 12 < 3)
    part = Split(found.train.inputs[wanted], found.train.labels[wanted])
    return Dataset("few", part, found.validation, found.test, 3, found.class_names)


def test_weights_are_those_of_scikit_learn() -> None:
    labels = torch.tensor([0] * 7 + [1] * 2 + [2])
    expected = compute_class_weight("balanced", classes=np.arange(3), y=labels.numpy())
    torch.testing.assert_close(balanced_weights(labels, 3), torch.tensor(expected).float())
    assert balanced_weights(labels, 4)[3] == 1, "a class without samples"


def test_a_weighted_training_is_the_one_with_a_weighted_loss() -> None:
    dataset = unbalanced()
    weights = balanced_weights(dataset.train.labels, 3)
    balanced = train(dataset, "mlp", LOSSES["gce"](), TrainConfig(**QUICK, class_weights="balanced"))
    by_hand = train(dataset, "mlp", LOSSES["gce"](weight=weights), TrainConfig(**QUICK))
    without = train(dataset, "mlp", LOSSES["gce"](), TrainConfig(**QUICK))
    assert balanced.history == by_hand.history
    assert (balanced.balanced_accuracy or 0) > (without.balanced_accuracy or 0)
    assert balanced.class_weights == "balanced"


def test_the_labels_that_are_trained_on_are_counted() -> None:
    seen: list[Tensor] = []

    class Seen(nn.CrossEntropyLoss):
        def forward(self, logits: Tensor, target: Tensor) -> Tensor:
            assert self.weight is not None
            seen.append(self.weight)
            return super().forward(logits, target)

    noise: dict[str, Any] = {"label_noise": 0.4, "noise_kind": "asymmetric"}
    train(unbalanced(), "mlp", Seen(), TrainConfig(**QUICK, **noise, class_weights="balanced"))
    assert not torch.equal(seen[0], balanced_weights(unbalanced().train.labels, 3))


@pytest.mark.parametrize(
    ("loss", "message"),
    [(nn.MSELoss(), "no buffer 'weight'"), (nn.CrossEntropyLoss(weight=torch.ones(3)), "weights of its own")],
)
def test_losses_that_take_none_are_refused(loss: nn.Module, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        with_balanced_weights(loss, torch.tensor([0, 1, 2]), 3)
