from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

from evoloss.training import TrainConfig, train
from evoloss.training.stages.optimizers import make_optimizer
from tests.training.blobs import feature_blobs


def test_adamw_takes_the_settings() -> None:
    config = TrainConfig(optimizer="adamw", lr=0.002, momentum=0.8, weight_decay=0.01)
    found = make_optimizer(nn.Linear(2, 2).parameters(), config, fused=False)
    assert isinstance(found, torch.optim.AdamW)
    group = found.param_groups[0]
    assert (group["lr"], group["betas"], group["weight_decay"]) == (0.002, (0.8, 0.999), 0.01)


def test_it_learns() -> None:
    config = TrainConfig(optimizer="adamw", lr=0.01, epochs=6, batch_size=16, accelerator="cpu")
    sgd = replace(config, optimizer="sgd")
    result = train(feature_blobs(), "mlp", nn.CrossEntropyLoss(), config)
    assert (result.test_accuracy or 0) > 95
    assert result.optimizer == "adamw"
    assert train(feature_blobs(), "mlp", nn.CrossEntropyLoss(), sgd).history != result.history
