from __future__ import annotations

from typing import Any

import pytest

from evoloss.errors import ConfigError
from evoloss.training import TrainConfig


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", 0),
        ("epochs", 2.0),
        ("epochs", True),
        ("batch_size", 0),
        ("lr", 0.0),
        ("lr", float("nan")),
        ("lr", "0.1"),
        ("momentum", 1.0),
        ("momentum", -0.1),
        ("nesterov", 1),
        ("weight_decay", -1e-4),
        ("weight_decay", float("inf")),
        ("schedule", "linear"),
        ("clip_grad", 0.0),
        ("augment", "strong"),
        ("label_noise", 1.0),
        ("label_noise", -0.1),
        ("noise_kind", "pairwise"),
        ("eval_every", 0),
        ("precision", "16"),
        ("accelerator", "tpu"),
        ("devices", 0),
        ("seed", -1),
        ("seed", 0.5),
    ],
)
def test_refuses_values_out_of_range(name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=f"{name} must be"):
        TrainConfig(**{name: value})


def test_batches_must_divide_among_devices() -> None:
    with pytest.raises(ConfigError, match="batch_size must be a multiple of devices"):
        TrainConfig(batch_size=65, devices=2)
    assert TrainConfig(batch_size=64, devices=2).devices == 2


def test_accepts_the_edges() -> None:
    config = TrainConfig(epochs=1, lr=1, momentum=0, weight_decay=0, clip_grad=None, label_noise=0)
    assert config.lr == 1
    assert config.clip_grad is None
