"""Image classifiers of timm, ``timm:NAME``."""

from __future__ import annotations

from typing import Any

from torch import nn

from evoloss.errors import ConfigError
from evoloss.models.backbones.request import Found, Request
from evoloss.safe_text import quoted


def find_timm(request: Request) -> Found:
    """Build a network of timm for the channels of the data.

    Its weights are read from ``model.safetensors`` of the hub that timm names for it, and from no other kind
    of file.

    Raises:
        MissingExtraError: if timm is not installed.
        UnknownNameError: if it does not know the name.
        ConfigError: if it cannot build the network, or the weights are not there.
    """
    try:
        import timm
    except ImportError as error:
        raise request.missing(
            "timm", "pip install timm, with the build of torchvision that fits the torch installed"
        ) from error
    # Others, such as hf-hub:NAME, would be looked up on the network.
    if not request.name.replace(".", "_").isidentifier() or not timm.is_model(request.name):
        raise request.unknown(timm.list_models(), "timm")
    weights: dict[str, Any] = {}
    if request.pretrained:
        weights = {"pretrained_cfg_overlay": {"file": _weights(timm, request), "custom_load": False}}
    try:
        network = timm.create_model(
            request.name,
            pretrained=request.pretrained,
            num_classes=request.n_classes,
            in_chans=request.channels,
            **weights,
        )
    except Exception as error:  # a thousand networks, each with reasons of its own
        raise request.failed("timm.create_model", error) from error
    head = network.get_classifier()
    described = getattr(network, "pretrained_cfg", None) or {}
    size = described.get("input_size")
    return Found(
        network,
        [head] if isinstance(head, nn.Module) else list(head),
        None,
        None if size is None else (int(size[-2]), int(size[-1])),
    )


def _weights(timm: Any, request: Request) -> str:
    described = timm.get_pretrained_cfg(request.name)
    place = getattr(described, "hf_hub_id", None)
    if not place:
        raise ConfigError(
            f"model {quoted(request.spec, 200)}: timm names no weights for it in safetensors, the one kind "
            "that is read; leave out --pretrained, or name another network"
        )
    from huggingface_hub import hf_hub_download

    try:
        path: str = hf_hub_download(place, "model.safetensors", local_files_only=not request.download)
    except Exception as error:  # not in the cache, no network, no such file
        raise request.not_here(f"the weights {place}/model.safetensors", error) from error
    return path
