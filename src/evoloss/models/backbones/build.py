"""The one way from a text such as ``timm:resnet18`` to a classifier."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import nn

from evoloss.errors import ConfigError
from evoloss.models.backbones.network import Backbone
from evoloss.models.backbones.request import Found, Request
from evoloss.models.backbones.timm_models import find_timm
from evoloss.models.backbones.torchvision_models import find_torchvision
from evoloss.models.backbones.transformers_models import find_transformers, fingerprint_folder
from evoloss.models.user_model import check_forward
from evoloss.safe_text import quoted

LIBRARIES: dict[str, Callable[[Request], Found]] = {
    "timm": find_timm,
    "torchvision": find_torchvision,
    "transformers": find_transformers,
}
"""The finders of networks, by the word before the colon."""


def names_backbone(spec: str) -> bool:
    """Test whether a text names a network of another library; nothing is imported.

    Example:
        >>> names_backbone("timm:resnet18"), names_backbone("my_code:build"), names_backbone("cnn")
        (True, False, False)
    """
    library, colon, _ = spec.partition(":")
    return bool(colon) and library in LIBRARIES


def build_backbone(
    spec: str,
    *,
    input_shape: tuple[int, ...],
    n_classes: int,
    pretrained: bool = False,
    frozen: bool = False,
    download: bool = False,
) -> nn.Module:
    """Build a network of another library with a fresh head, and try it with one forward on zeros.

    Args:
        spec: ``timm:NAME``, ``torchvision:NAME``, or ``transformers:NAME``, where NAME may be a folder.
        input_shape: of one image, ``(C, H, W)``.
        n_classes: number of classes.
        pretrained: take the library's weights, but for the head; else all weights are random.
        frozen: train the head alone.
        download: let the library fetch files that are not on this machine.

    Raises:
        MissingExtraError: if the library is not installed.
        UnknownNameError: if it has no such network.
        ConfigError: if the network does not take such inputs, its files are not there, or it has no head.
    """
    library, _, name = spec.partition(":")
    if len(input_shape) != 3:
        raise ConfigError(
            f"model {quoted(spec, 200)} takes images (C, H, W), the inputs have shape {tuple(input_shape)}; "
            "use 'mlp' for features"
        )
    request = Request(spec, name, input_shape[0], n_classes, pretrained=pretrained, download=download)
    found = LIBRARIES[library](request)
    if pretrained:
        _renew(found.head)
    channels = found.channels
    if channels is not None and input_shape[0] not in (1, channels):
        raise ConfigError(
            f"model {quoted(spec, 200)} takes images of {channels} channel{'s' * (channels > 1)} (grey "
            f"ones are repeated), the data has {input_shape[0]}; use a timm: network, which takes any number"
        )
    model = Backbone(found.network, head=found.head, channels=channels, frozen=frozen)
    try:
        check_forward(spec, model, input_shape, n_classes)
    except ConfigError as error:
        size = input_shape[1:]
        if found.size is None or found.size == size:
            raise
        raise ConfigError(
            f"model {quoted(spec, 200)} is made for images of {found.size[0]}x{found.size[1]} pixels and "
            f"fails on those of {size[0]}x{size[1]} that the data has ({error.__cause__ or error}); "
            f"--image-size {found.size[0]} brings the images of a folder to that size, other data has to be "
            "given in it, or name a network that takes this size"
        ) from error
    return model.train()


def _renew(head: Sequence[nn.Module]) -> None:
    """Draw the weights of the head, which is kept by libraries where it has as many classes by chance."""
    for module in head:
        for part in module.modules():
            if callable(reset := getattr(part, "reset_parameters", None)):
                reset()


def fingerprint_model(spec: str, *, pretrained: bool) -> str | None:
    """Hash the files that a network is made from, where they are in a folder of the user's; else None.

    Args:
        spec: name of any model.
        pretrained: whether the weights are taken too.

    Example:
        >>> fingerprint_model("mlp", pretrained=False) is None
        True
    """
    library, _, name = spec.partition(":")
    return fingerprint_folder(name, pretrained=pretrained) if library == "transformers" else None
