from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from evoloss.errors import ConfigError, MissingExtraError, UnknownNameError
from evoloss.models import build_model
from tests.models.backbones.doubles import install_timm, save_tensors, trained_net


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = []
    install_timm(monkeypatch, made)
    return made


def build(name: str, shape: tuple[int, ...] = (5, 16, 16), **options: Any) -> nn.Module:
    return build_model(f"timm:{name}", input_shape=shape, n_classes=4, **options)


def test_it_is_built_for_the_channels_and_classes_of_the_data(calls: list[dict[str, Any]]) -> None:
    assert build("resnet18.a1_in1k")(torch.zeros(2, 5, 16, 16)).shape == (2, 4)
    assert calls == [{"name": "resnet18.a1_in1k", "pretrained": False, "in_chans": 5}]


def test_frozen_trains_its_classifier(calls: list[dict[str, Any]]) -> None:
    model = build("resnet18", frozen=True)
    trained = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    assert trained == ["network.fc.weight", "network.fc.bias"]
    assert model.training
    assert not model.network.norm.training  # type: ignore[union-attr]


@pytest.mark.parametrize("download", [True, False])
def test_weights_are_safetensors_of_the_hub_fetched_only_if_asked(
    download: bool, calls: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    net = trained_net(3, 5, 1000)
    path = save_tensors(tmp_path / "model.safetensors", net)
    asked = []

    def hf_hub_download(repo_id: str, filename: str, *, local_files_only: bool) -> str:
        asked.append((repo_id, filename, local_files_only))
        return str(path)

    monkeypatch.setattr("huggingface_hub.hf_hub_download", hf_hub_download)
    model = build("resnet18", pretrained=True, download=download)
    assert asked == [("timm/resnet18", "model.safetensors", not download)]
    assert torch.equal(model.network.conv.weight, net.conv.weight)  # type: ignore[union-attr,arg-type]


def test_weights_that_are_not_here(
    calls: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(
        ConfigError, match=r"timm/resnet18/model\.safetensors cannot be had.*without --download"
    ):
        build("resnet18", pretrained=True)
    with pytest.raises(ConfigError, match="names no weights for it in safetensors"):
        build("no_hub", pretrained=True)
    assert calls == []


def test_an_image_of_another_size_than_it_takes(calls: list[dict[str, Any]]) -> None:
    message = r"made for images of 224x224 pixels and fails on those of 16x16.*--image-size 224"
    with pytest.raises(ConfigError, match=message):
        build("vit_tiny_patch16_224")


@pytest.mark.parametrize("name", ["resnet81", "hf-hub:somebody/model", "hf_hub:somebody/model", "", "a/b"])
def test_what_timm_does_not_know_is_never_looked_up_elsewhere(name: str, calls: list[dict[str, Any]]) -> None:
    with pytest.raises(UnknownNameError, match=r"timm has no classifier of that name.*It has 3"):
        build(name)
    assert calls == []


def test_features_are_refused(calls: list[dict[str, Any]]) -> None:
    with pytest.raises(ConfigError, match=r"takes images .*use 'mlp' for features"):
        build("resnet18", shape=(7,))


def test_what_the_library_raises_is_told(
    calls: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def create_model(*_: Any, **__: Any) -> nn.Module:
        raise TypeError("unexpected keyword argument 'in_chans'")

    monkeypatch.setattr(sys.modules["timm"], "create_model", create_model)
    with pytest.raises(ConfigError, match=r"timm\.create_model failed with TypeError: unexpected keyword"):
        build("resnet18")


def test_without_timm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(MissingExtraError, match=r"model 'timm:resnet18' needs timm.*pip install timm"):
        build("resnet18")
