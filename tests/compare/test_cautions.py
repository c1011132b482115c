from __future__ import annotations

from typing import Any

import pytest

from evoloss.compare import CompareConfig
from evoloss.compare.cautions import cautions
from tests.training.blobs import feature_blobs


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({}, None),
        ({"epochs": 33}, "99 steps in all (33 epochs of 3)"),
        ({"epochs": 25, "batch_size": 35, "last_batch": "keep"}, None),
        ({"epochs": 24, "batch_size": 35, "last_batch": "keep"}, "96 steps in all (24 epochs of 4)"),
        ({"batch_size": 64}, "leaves out 56 of 120 training samples"),
        ({"batch_size": 64, "last_batch": "auto"}, None),
        ({"optimizer": "adamw"}, "adamw with a learning rate of 0.05"),
        ({"optimizer": "adamw", "lr": 0.001}, None),
        ({"optimizer": "adamw", "lr": 0.001, "tune_lr": True}, "set --lr-grid"),
        ({"early_stopping": 3}, "planned for all 120 epochs"),
        ({"early_stopping": 3, "schedule": "constant"}, None),
    ],
)
def test_settings_that_do_something_else_than_one_may_think(change: dict[str, Any], told: str | None) -> None:
    found = cautions(CompareConfig(**{"batch_size": 40, "epochs": 120, **change}), feature_blobs())
    assert len(found) == (told is not None)
    if told is not None:
        assert told in found[0]
