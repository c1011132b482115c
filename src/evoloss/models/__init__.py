"""Classifiers: float inputs, already normalised, to logits."""

from __future__ import annotations

from typing import Protocol

from torch import nn

from evoloss.default_dtype import float32_by_default
from evoloss.errors import ConfigError, UnknownNameError
from evoloss.models.backbones.build import LIBRARIES, build_backbone, fingerprint_model, names_backbone
from evoloss.models.cnn import CNN, cnn
from evoloss.models.cnn_small import CNNSmall, cnn_small
from evoloss.models.mlp import MLP, mlp
from evoloss.models.resnet import ResNet, resnet8, resnet18, resnet20, resnet32, resnet56
from evoloss.models.trees import TREES, names_trees, training_unit
from evoloss.models.user_model import build_user_model
from evoloss.models.wide_resnet import WideResNet, wrn16_4, wrn28_10, wrn40_2

__all__ = [
    "CNN",
    "MLP",
    "MODELS",
    "TREES",
    "CNNSmall",
    "ModelFactory",
    "ResNet",
    "WideResNet",
    "build_model",
    "fingerprint_model",
    "names_backbone",
    "names_trees",
    "training_unit",
]


class ModelFactory(Protocol):
    """A function that makes a classifier; also what ``package.module:callable`` has to name."""

    def __call__(self, *, input_shape: tuple[int, ...], n_classes: int) -> nn.Module:
        """Return a module that maps ``(N, *input_shape)`` to logits ``(N, n_classes)``."""


MODELS: dict[str, ModelFactory] = {
    "mlp": mlp,
    "cnn": cnn,
    "cnn_small": cnn_small,
    "resnet8": resnet8,
    "resnet20": resnet20,
    "resnet32": resnet32,
    "resnet56": resnet56,
    "resnet18": resnet18,
    "wrn16_4": wrn16_4,
    "wrn28_10": wrn28_10,
    "wrn40_2": wrn40_2,
}


@float32_by_default()
def build_model(
    name: str,
    *,
    input_shape: tuple[int, ...],
    n_classes: int,
    pretrained: bool = False,
    frozen: bool = False,
    download: bool = False,
) -> nn.Module:
    """Build a classifier with fresh float32 weights, drawn from torch's global generator.

    Args:
        name: a key of :data:`MODELS`, or ``package.module:callable`` for a model of the user's: the callable
            is called with the keywords ``input_shape`` and ``n_classes`` and returns an ``nn.Module``. Or
            ``timm:NAME``, ``torchvision:NAME``, ``transformers:NAME``, for an image classifier of that
            library.
        input_shape: shape of one input, ``(C, H, W)`` or ``(D,)``.
        n_classes: number of classes, at least 2.
        pretrained: take the weights of the library that the model comes from, but for the head.
        frozen: train the head alone, of a model of a library.
        download: let a library fetch files that are not on this machine; nothing is fetched otherwise.

    Raises:
        UnknownNameError: if there is no such model.
        MissingExtraError: if the library of a model is not installed.
        ConfigError: if the model cannot take such inputs, or if the user's model does not load or is no
            classifier.

    Example:
        >>> model = build_model("cnn", input_shape=(1, 8, 8), n_classes=10)
        >>> model(torch.zeros(2, 1, 8, 8)).shape
        torch.Size([2, 10])
    """
    if n_classes < 2:
        raise ConfigError(f"n_classes must be at least 2, got {n_classes}")
    if names_backbone(name):
        return build_backbone(
            name,
            input_shape=input_shape,
            n_classes=n_classes,
            pretrained=pretrained,
            frozen=frozen,
            download=download,
        )
    if pretrained or frozen:
        wanted = "pretrained" if pretrained else "backbone=frozen"
        raise ConfigError(
            f"{wanted} is for models of a library ({', '.join(f'{word}:NAME' for word in LIBRARIES)}); "
            f"{name!r} starts from random weights and trains as a whole"
        )
    if names_trees(name):
        raise ConfigError(f"{name!r} is no network: its trees are grown by evoloss.training.train")
    if ":" in name:
        return build_user_model(name, input_shape=input_shape, n_classes=n_classes)
    if name not in MODELS:
        others = ["package.module:callable", *(f"{word}:NAME" for word in LIBRARIES)]
        raise UnknownNameError.among("model", name, [*MODELS, *TREES, *others])
    return MODELS[name](input_shape=input_shape, n_classes=n_classes)
