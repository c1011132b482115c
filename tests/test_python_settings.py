"""Numbers of NumPy in configurations."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from evoloss.ablate.ablation import AblateConfig
from evoloss.compare.config import CompareConfig
from evoloss.diagnostics.inspection import inspect_loss
from evoloss.losses import LOSSES
from evoloss.pretraining import PretrainConfig, pretrain
from evoloss.python_settings import python_setting
from evoloss.training import TrainConfig

CONFIGS: list[tuple[Any, dict[str, Any]]] = [
    (PretrainConfig, {"generations": 2, "popsize": 4, "sigma": 0.125, "classes": (5, 10), "hidden": (4,)}),
    (PretrainConfig, {"regimes": {"dirichlet": 0.5}, "seed": 3}),
    (TrainConfig, {"epochs": 2, "batch_size": 64, "lr": 0.125, "seed": 1}),
    (CompareConfig, {"epochs": 2, "seeds": (0, 1, 2), "lr_grid": (0.125, 0.25)}),
    (AblateConfig, {"vary": ("mutation=gaussian,chaotic",), "seeds": (0, 1, 2), "target": 0.875}),
]


def of_numpy(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(map(of_numpy, value))
    if isinstance(value, dict):
        return {key: of_numpy(entry) for key, entry in value.items()}
    if isinstance(value, str):
        return value
    return np.float32(value) if isinstance(value, float) else np.int64(value)


@pytest.mark.parametrize(("kind", "settings"), CONFIGS, ids=lambda part: getattr(part, "__name__", ""))
def test_configurations_are_those_of_plain_numbers(kind: Any, settings: dict[str, Any]):
    config = kind(**of_numpy(settings))
    assert config == kind(**settings)
    assert repr(config) == repr(kind(**settings))


def test_arrays_are_lists_of_numbers():
    assert PretrainConfig(classes=np.array([5, 10])) == PretrainConfig(classes=(5, 10))  # type: ignore[arg-type]
    assert python_setting({"a": [np.bool_(True), 1], "b": "text"}) == {"a": [True, 1], "b": "text"}


def test_what_is_plain_stays_the_same_object():
    for value in ((1, 2), [0.5], {"a": 1}, "text", None):
        assert python_setting(value) is value


def test_a_search_with_numbers_of_numpy_writes_its_files(tmp_path):
    small = {
        "generations": 1,
        "popsize": 4,
        "pairs": 64,
        "eval_pairs": 128,
        "network": "monotone",
        "sigma": 0.125,
    }
    pretrain(PretrainConfig(**of_numpy(small)), out=tmp_path / "numpy")
    pretrain(PretrainConfig(**small), out=tmp_path / "plain")
    for name in ("loss.safetensors", "pretrain.toml"):
        found = [next((tmp_path / run).rglob(name)).read_bytes() for run in ("numpy", "plain")]
        assert found[0] == found[1]


def test_an_inspection_at_a_number_of_numpy_is_written():
    loss = LOSSES["gce"](reduction="none")
    found = inspect_loss(loss, n_classes=np.int64(5), seed=np.int64(1)).to_dict()  # type: ignore[arg-type]
    assert json.dumps(found) == json.dumps(inspect_loss(loss, n_classes=5, seed=1).to_dict())
