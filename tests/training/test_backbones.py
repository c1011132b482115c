from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from evoloss.data import Dataset, load_dataset
from evoloss.errors import ConfigError
from evoloss.losses import LOSSES
from evoloss.training import RunResult, TrainConfig, train, train_and_observe
from evoloss.training.config import LATER
from tests.models.backbones.doubles import install_timm, save_tensors, trained_net
from tests.models.backbones.tiny_vit import save_vit


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, torch.Tensor]:
    """A double of timm whose weights are on this machine."""
    install_timm(monkeypatch, [])
    net = trained_net(3, 1, 1000)
    path = save_tensors(tmp_path / "model.safetensors", net)
    monkeypatch.setattr("huggingface_hub.hf_hub_download", lambda *_, **__: str(path))
    return net.state_dict()


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load_dataset("digits", train_samples=200)


def fit(
    dataset: Dataset, model: str = "timm:resnet18", **recipe: Any
) -> tuple[RunResult, dict[str, torch.Tensor]]:
    config = TrainConfig(epochs=2, accelerator="cpu", **recipe)
    result, outcome = train_and_observe(dataset, model, LOSSES["gce"](), config)
    return result, outcome.weights


def test_a_frozen_body_ends_as_it_began(digits: Dataset, weights: dict[str, torch.Tensor]) -> None:
    result, found = fit(digits, backbone="frozen", pretrained=True, weight_decay=0.1)
    for name, value in weights.items():
        if not name.startswith("fc."):
            assert torch.equal(found[f"network.{name}"], value), name
    assert (result.backbone, result.pretrained) == ("frozen", True)
    assert result.classifier == "timm:resnet18 (pretrained weights, frozen but for the head)"


def test_a_finetuned_body_moves_from_the_weights(digits: Dataset, weights: dict[str, torch.Tensor]) -> None:
    moved, far = (
        fit(digits, pretrained=start, lr=0.001)[1]["network.conv.weight"] for start in (True, False)
    )
    start = weights["conv.weight"]
    assert 0 < float((moved - start).norm()) < 0.2 * float((far - start).norm())
    assert fit(digits)[0].classifier == "timm:resnet18 (random weights, fine-tuned)"


def test_heads_are_a_function_of_the_seed(digits: Dataset, weights: dict[str, torch.Tensor]) -> None:
    frozen = {"backbone": "frozen", "pretrained": True, "lr": 1e-12}
    heads = [fit(digits, seed=seed, **frozen)[1]["network.fc.weight"] for seed in (0, 0, 1)]
    assert torch.equal(heads[0], heads[1])
    assert not torch.allclose(heads[0], heads[2])


def test_a_vision_transformer_learns(tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="the extra transformers is not installed")
    model = f"transformers:{save_vit(tmp_path / 'vit', channels=1)}"
    config = TrainConfig(epochs=15, optimizer="adamw", lr=0.003, batch_size=32, accelerator="cpu")
    result = train(load_dataset("digits"), model, LOSSES["cross_entropy"](), config)
    assert result.test_accuracy is not None
    assert result.test_accuracy > 60  # chance is 10
    assert result.model_fingerprint is not None
    assert RunResult.from_dict(result.as_dict()) == result


def test_results_of_other_models_are_as_before(digits: Dataset) -> None:
    document = fit(digits, "mlp")[0].as_dict()
    assert not {"backbone", "pretrained", "model_fingerprint"} & document.keys()
    assert RunResult.from_dict(document).classifier == "mlp"
    assert LATER["backbone"] == TrainConfig().backbone
    assert LATER["pretrained"] == TrainConfig().pretrained


@pytest.mark.parametrize("recipe", [{"backbone": "frozen"}, {"pretrained": True}])
def test_other_models_have_no_body(recipe: dict[str, Any], digits: Dataset) -> None:
    with pytest.raises(
        ConfigError, match=r"is for models of a library \(timm:NAME, .*'mlp' starts from random"
    ):
        fit(digits, "mlp", **recipe)


@pytest.mark.parametrize(("name", "value"), [("backbone", "half"), ("pretrained", 1)])
def test_settings_are_checked(name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=f"{name} must be"):
        TrainConfig(**{name: value})
