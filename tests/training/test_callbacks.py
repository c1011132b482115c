"""Callbacks of a training change none of its random numbers."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from evoloss.training import EpochRecord, TrainConfig, train
from tests.training.blobs import feature_blobs


class Dropping(nn.Module):
    """Draws from the generator that a classifier's dropout draws from."""

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        return nn.functional.cross_entropy(nn.functional.dropout(logits, 0.5), target)


def test_drawing_in_a_callback_does_not_change_dropout() -> None:
    config = TrainConfig(epochs=4, batch_size=16, accelerator="cpu")
    quiet, drawn = (
        train(feature_blobs(), "mlp", Dropping(), config, on_epoch=on_epoch)
        for on_epoch in (None, lambda record: torch.rand(7))
    )
    assert quiet.history == drawn.history


def test_an_error_of_a_callback_is_raised_as_it_is() -> None:
    class Pruned(Exception):
        pass

    def prune(record: EpochRecord) -> None:
        raise Pruned

    config = TrainConfig(epochs=4, batch_size=16, accelerator="cpu")
    with pytest.raises(Pruned):
        train(feature_blobs(), "mlp", nn.CrossEntropyLoss(), config, on_epoch=prune)
