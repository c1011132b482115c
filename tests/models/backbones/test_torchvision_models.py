from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from evoloss.errors import ConfigError, MissingExtraError, UnknownNameError
from evoloss.models import build_model
from tests.models.backbones.doubles import install_torchvision, trained_net


def build(name: str, shape: tuple[int, ...] = (3, 16, 16), **options: Any) -> nn.Module:
    return build_model(f"torchvision:{name}", input_shape=shape, n_classes=4, **options)


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The library in place, with weights where torch.hub keeps them, fetched earlier."""
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    torch.save(trained_net(3, 3, 1000).state_dict(), folder / "new.pth")
    digest = hashlib.sha256((folder / "new.pth").read_bytes()).hexdigest()[:8]
    path = (folder / "new.pth").rename(folder / f"resnet18-{digest}.pth")
    install_torchvision(monkeypatch, [], f"https://nowhere.invalid/models/{path.name}")
    return path


@pytest.mark.parametrize(("name", "last"), [("resnet18", nn.Linear), ("squeezenet", nn.Conv2d)])
def test_the_last_layer_is_replaced_and_trained(name: str, last: type, weights: Path) -> None:
    model = build(name, frozen=True)
    assert model(torch.zeros(2, 3, 16, 16)).shape == (2, 4)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    assert [len(parameter) for parameter in trained] == [4, 4]
    heads = [part for part in model.modules() if isinstance(part, last)]
    assert heads[-1].weight is trained[0]


def test_the_library_is_asked_for_no_weights_since_it_would_unpickle_them(
    weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[dict[str, Any]] = []
    install_torchvision(monkeypatch, calls, f"https://nowhere.invalid/{weights.name}")
    build("resnet18", pretrained=True)
    assert calls == [{"name": "resnet18", "weights": None}]


def test_weights_that_are_here_are_loaded_without_a_network(weights: Path) -> None:
    network = build("resnet18", pretrained=True).network
    expected = trained_net(3, 3, 1000)
    assert torch.equal(network.conv.weight, expected.conv.weight)  # type: ignore[union-attr,arg-type]
    assert torch.equal(network.norm.running_mean, torch.arange(4.0))  # type: ignore[union-attr,arg-type]


def test_weights_that_are_not_here(weights: Path) -> None:
    weights.unlink()
    with pytest.raises(ConfigError, match=r"weights cannot be had here.*does not exist.*without --download"):
        build("resnet18", pretrained=True)


def test_weights_that_would_run_code_are_refused(weights: Path) -> None:
    torch.save({"fc.weight": Path("anything that is no tensor")}, weights)
    with pytest.raises(ConfigError, match="weights cannot be had here"):
        build("resnet18", pretrained=True)


def test_grey_images_are_repeated_and_other_channels_refused(weights: Path) -> None:
    assert build("resnet18", (1, 16, 16))(torch.zeros(2, 1, 16, 16)).shape == (2, 4)
    with pytest.raises(ConfigError, match=r"takes images of 3 channels.*the data has 4; use a timm: network"):
        build("resnet18", (4, 16, 16))


def test_only_classifiers_are_known(weights: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"torchvision has no classifier.*It has 2"):
        build("fcn_resnet50")
    with pytest.raises(UnknownNameError, match="Did you mean 'resnet18'"):
        build("resnet81")


def test_without_torchvision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchvision", None)
    monkeypatch.setitem(sys.modules, "torchvision.models", None)
    with pytest.raises(MissingExtraError, match="needs torchvision, which is not installed"):
        build("resnet18")
