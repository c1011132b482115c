"""Classifiers of ``benchmarks.sensing.elsewhere``: a small transformer, and one that was trained before."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from evoloss.models import CNNSmall

PRETRAINED = Path("build/elsewhere/pretrained.safetensors")
"""Weights of :class:`CNNSmall` after a training on the other half of the classes."""


class SmallTransformer(nn.Module):
    """A vision transformer of four layers (Dosovitskiy et al. 2021, arXiv:2010.11929), mean over the patches.

    Args:
        channels: of the images.
        size: of their sides, a multiple of ``patch``.
        n_classes: number of classes.
        patch: side of a patch.
        width: numbers of a patch.

    Shape:
        input ``(N, channels, size, size)``, output (logits) ``(N, n_classes)``.
    """

    def __init__(self, channels: int, size: int, n_classes: int, *, patch: int = 4, width: int = 64) -> None:
        super().__init__()
        self.patches = nn.Conv2d(channels, width, patch, stride=patch)
        self.places = nn.Parameter(0.02 * torch.randn(1, (size // patch) ** 2, width))
        layer = nn.TransformerEncoderLayer(
            width, 4, 2 * width, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerEncoder(layer, 4, norm=nn.LayerNorm(width), enable_nested_tensor=False)
        self.head = nn.Linear(width, n_classes)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the logits."""
        tokens = self.patches(inputs).flatten(2).mT + self.places
        logits: Tensor = self.head(self.layers(tokens).mean(dim=1))
        return logits


def small_transformer(*, input_shape: tuple[int, ...], n_classes: int) -> nn.Module:
    """Build :class:`SmallTransformer` for images ``(C, H, H)``."""
    return SmallTransformer(input_shape[0], input_shape[1], n_classes)


def pretrained(*, input_shape: tuple[int, ...], n_classes: int) -> nn.Module:
    """Build :class:`CNNSmall` with the features of :data:`PRETRAINED` and a new head."""
    model = CNNSmall(input_shape[0], n_classes)
    features = {k: v for k, v in load_file(PRETRAINED).items() if not k.startswith("head.")}
    model.load_state_dict(features, strict=False)
    return model
