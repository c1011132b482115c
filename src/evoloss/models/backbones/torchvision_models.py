"""Image classifiers of torchvision, ``torchvision:NAME``."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import torch
from torch import nn

from evoloss.errors import ConfigError
from evoloss.models.backbones.request import Found, Request
from evoloss.safe_text import quoted

CHANNELS = 3


def find_torchvision(request: Request) -> Found:
    """Build a classification network of torchvision, and replace its last layer.

    Its weights are the library's default ones. They are read as tensors alone (``weights_only``), which the
    library's own reading does not ask for, and their hash is checked.

    Raises:
        MissingExtraError: if torchvision is not installed.
        UnknownNameError: if it has no classifier of that name.
        ConfigError: if it cannot build the network, or the weights are not there.
    """
    try:
        import torchvision.models as library
    except ImportError as error:
        raise request.missing(
            "torchvision", "pip install torchvision, in the build that fits the torch installed"
        ) from error
    # Networks that are no classifiers would fetch a backbone of their own.
    known = library.list_models(module=library)
    if request.name not in known:
        raise request.unknown(known, "torchvision")
    try:
        network: nn.Module = library.get_model(request.name, weights=None)
        weights = library.get_model_weights(request.name).DEFAULT
    except Exception as error:  # whatever the builder of the network raises
        raise request.failed("torchvision.models.get_model", error) from error
    if request.pretrained:
        network.load_state_dict(_weights(request, weights.url))
    size = weights.meta.get("min_size")
    head = _replace_last_layer(request, network)
    return Found(network, [head], CHANNELS, None if size is None else (int(size[0]), int(size[1])))


def _weights(request: Request, url: str) -> dict[str, Any]:
    cached = Path(torch.hub.get_dir(), "checkpoints", Path(urlsplit(url).path).name)
    if not request.download and not cached.exists():
        raise request.not_here("the weights", f"{cached} does not exist")
    try:
        state: dict[str, Any] = torch.hub.load_state_dict_from_url(
            url, map_location="cpu", progress=False, check_hash=True, weights_only=True
        )
    except Exception as error:  # network, disk, hash, or what the file holds
        raise request.not_here("the weights", error) from error
    return state


def _replace_last_layer(request: Request, network: nn.Module) -> nn.Module:
    """Put a fresh layer in the place of the last one, and return it."""
    layers = [
        (place, layer) for place, layer in network.named_modules() if isinstance(layer, nn.Linear | nn.Conv2d)
    ]
    if not layers:
        raise ConfigError(f"model {quoted(request.spec, 200)} has no last layer that could be replaced")
    place, last = layers[-1]
    bias = last.bias is not None
    fresh: nn.Module
    if isinstance(last, nn.Linear):
        fresh = nn.Linear(last.in_features, request.n_classes, bias=bias)
    else:  # squeezenet
        fresh = nn.Conv2d(last.in_channels, request.n_classes, last.kernel_size, bias=bias)  # type: ignore[arg-type]
    network.set_submodule(place, fresh)
    return fresh
