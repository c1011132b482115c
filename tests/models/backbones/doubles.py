"""Stand-ins for timm and torchvision, which have no build here: the part of their public interface in use."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn


class Net(nn.Module):
    """A convolution with batch norm and dropout, then a head."""

    def __init__(self, channels: int, n_classes: int, side: int | None = None) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.drop = nn.Dropout(0.5)
        self.fc = nn.Linear(4, n_classes)
        self.side = side
        self.pretrained_cfg = {"input_size": (3, side or 224, side or 224)}

    def get_classifier(self) -> nn.Module:
        return self.fc

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        if self.side is not None and inputs.shape[-1] != self.side:
            raise AssertionError(f"Input height ({inputs.shape[-1]}) doesn't match model ({self.side}).")
        logits: torch.Tensor = self.fc(self.drop(self.norm(self.conv(inputs)).relu().mean(dim=(2, 3))))
        return logits


def install_timm(patch: pytest.MonkeyPatch, calls: list[dict[str, Any]]) -> None:
    """Put a module ``timm`` in place; what ``create_model`` is called with is added to ``calls``."""

    def create_model(
        model_name: str,
        pretrained: bool = False,
        pretrained_cfg_overlay: dict[str, Any] | None = None,
        num_classes: int = 1000,
        in_chans: int = 3,
    ) -> nn.Module:
        calls.append({"name": model_name, "pretrained": pretrained, "in_chans": in_chans})
        net = Net(in_chans, num_classes, 224 if "vit" in model_name else None)
        if pretrained:
            from safetensors.torch import load_file

            assert pretrained_cfg_overlay is not None, "it would be fetched"
            assert pretrained_cfg_overlay["custom_load"] is False
            state = load_file(pretrained_cfg_overlay["file"])
            net.load_state_dict({k: v for k, v in state.items() if not k.startswith("fc.")}, strict=False)
        return net

    names = ["resnet18", "resnet18.a1_in1k", "vit_tiny_patch16_224", "no_hub"]
    timm = ModuleType("timm")
    for name, value in {
        "create_model": create_model,
        "list_models": lambda: [name for name in names if "." not in name],
        "is_model": lambda name: name in names,
        "get_pretrained_cfg": lambda name: SimpleNamespace(
            hf_hub_id=None if name == "no_hub" else f"timm/{name}"
        ),
    }.items():
        setattr(timm, name, value)
    patch.setitem(sys.modules, "timm", timm)


def install_torchvision(patch: pytest.MonkeyPatch, calls: list[dict[str, Any]], url: str) -> None:
    """Put ``torchvision.models`` in place, whose weights are at ``url``."""
    package, models = ModuleType("torchvision"), ModuleType("torchvision.models")

    def get_model(name: str, **config: Any) -> nn.Module:
        calls.append({"name": name, **config})
        if name == "squeezenet":
            head = nn.Sequential(nn.Conv2d(4, 1000, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
            return nn.Sequential(nn.Conv2d(3, 4, 3), head)
        return Net(3, 1000)

    weights = SimpleNamespace(url=url, meta={"min_size": (1, 1)})
    for name, value in {
        "get_model": get_model,
        "get_model_weights": lambda name: SimpleNamespace(DEFAULT=weights),
        # The library knows others too, as of detection, that are in modules of their own.
        "list_models": lambda module=None: (
            ["resnet18", "squeezenet"] + ([] if module is models else ["fcn_resnet50"])
        ),
    }.items():
        setattr(models, name, value)
    package.models = models  # type: ignore[attr-defined]
    patch.setitem(sys.modules, "torchvision", package)
    patch.setitem(sys.modules, "torchvision.models", models)


def trained_net(seed: int, channels: int, n_classes: int) -> Net:
    """Weights as if somebody had trained them."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = Net(channels, n_classes)
    net.norm.running_mean = torch.arange(4.0)
    return net


def save_tensors(path: Path, net: nn.Module) -> Path:
    """Write the weights of a network as safetensors."""
    from safetensors.torch import save_file

    save_file(net.state_dict(), path)
    return path
