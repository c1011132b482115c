"""Residual networks for small images.

References:
    He, Zhang, Ren and Sun 2016, *Deep Residual Learning for Image Recognition*, arXiv:1512.03385.
"""

from __future__ import annotations

from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from evoloss.models.shapes import image_channels

Shortcut = Literal["pad", "projection"]


def init_residual(model: nn.Module) -> None:
    """Start convolutions normal with fan-out scale (He et al. 2015, arXiv:1502.01852), norms at 1 and 0.

    The last linear layer starts normal at unit gain, its bias at 0: its inputs are means of activations, and
    logits of order one leave every loss a gradient.
    """
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(layer, nn.BatchNorm2d):
            nn.init.ones_(layer.weight)
            nn.init.zeros_(layer.bias)
        elif isinstance(layer, nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="linear")
            nn.init.zeros_(layer.bias)


class PadShortcut(nn.Module):
    """Option A of the paper: every ``stride``-th pixel, missing channels filled with zeros; no parameters.

    Args:
        extra_channels: number of channels to add, half before and half after those there are.
        stride: step in both directions of the image.
    """

    def __init__(self, extra_channels: int, stride: int) -> None:
        super().__init__()
        self.before = extra_channels // 2
        self.after = extra_channels - self.before
        self.stride = stride

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the inputs, thinned and padded."""
        return F.pad(inputs[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.before, self.after))


def make_shortcut(in_channels: int, out_channels: int, stride: int, kind: Shortcut) -> nn.Module:
    """Return the identity where shapes agree, else the shortcut of the given kind."""
    if stride == 1 and in_channels == out_channels:
        return nn.Identity()
    if kind == "pad":
        return PadShortcut(out_channels - in_channels, stride)
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False),
        nn.BatchNorm2d(out_channels),
    )


class BasicBlock(nn.Module):
    """Two 3x3 convolutions with batch norm, added to the shortcut: ``relu(body(x) + shortcut(x))``.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        stride: stride of the first convolution.
        shortcut: what stands in for the identity where shapes differ.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int, shortcut: Shortcut) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
        )
        self.shortcut = make_shortcut(in_channels, out_channels, stride, shortcut)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the block's output, half as high and wide where the stride is 2."""
        return F.relu(self.body(inputs) + self.shortcut(inputs))


class ResNet(nn.Module):
    """3x3 convolution, stages of basic blocks (each after the first halves the image), mean, linear layer.

    Args:
        in_channels: channels of the images.
        n_classes: number of classes.
        widths: channels of each stage.
        blocks: number of blocks in every stage.
        shortcut: ``"pad"`` as in the paper's networks for CIFAR, ``"projection"`` as in those for ImageNet.

    Shape:
        input ``(N, in_channels, H, W)`` with H and W at least 8, output (logits) ``(N, n_classes)``.

    Example:
        >>> model = ResNet(3, 10, widths=(16, 32, 64), blocks=1, shortcut="pad")
        >>> model(torch.zeros(2, 3, 8, 8)).shape
        torch.Size([2, 10])
    """

    def __init__(
        self, in_channels: int, n_classes: int, *, widths: tuple[int, ...], blocks: int, shortcut: Shortcut
    ) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(in_channels, widths[0], 3, padding=1, bias=False),
            nn.BatchNorm2d(widths[0]),
            nn.ReLU(inplace=True),
        )
        layers: list[nn.Module] = []
        channels = widths[0]
        for stage, width in enumerate(widths):
            for block in range(blocks):
                stride = 2 if stage > 0 and block == 0 else 1
                layers.append(BasicBlock(channels, width, stride, shortcut))
                channels = width
        self.stages = nn.Sequential(*layers)
        self.head = nn.Linear(channels, n_classes)
        init_residual(self)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the logits."""
        logits: Tensor = self.head(self.stages(self.stem(inputs)).mean(dim=(2, 3)))
        return logits


def _cifar_resnet(depth: int, input_shape: tuple[int, ...], n_classes: int) -> ResNet:
    # 6n + 2 layers: n blocks of two convolutions in each of three stages, the stem and the linear layer.
    channels = image_channels(f"resnet{depth}", input_shape)
    return ResNet(channels, n_classes, widths=(16, 32, 64), blocks=(depth - 2) // 6, shortcut="pad")


def resnet8(*, input_shape: tuple[int, ...], n_classes: int) -> nn.Module:
    """Build the 8-layer network of the CIFAR family: 75,290 parameters at 3 channels and 10 classes."""
    return _cifar_resnet(8, input_shape, n_classes)


def resnet20(*, input_shape: tuple[int, ...], n_classes: int) -> nn.Module:
    """Build the 20-layer network of the CIFAR family: 269,722 parameters (paper: 0.27 million)."""
    return _cifar_resnet(20, input_shape, n_classes)


def resnet32(*, input_shape: tuple[int, ...], n_classes: int) -> nn.Module:
    """Build the 32-layer network of the CIFAR family: 464,154 parameters (paper: 0.46 million)."""
    return _cifar_resnet(32, input_shape, n_classes)


def resnet56(*, input_shape: tuple[int, ...], n_classes: int) -> nn.Module:
    """Build the 56-layer network of the CIFAR family: 853,018 parameters (paper: 0.85 million)."""
    return _cifar_resnet(56, input_shape, n_classes)


def resnet18(*, input_shape: tuple[int, ...], n_classes: int) -> nn.Module:
    """Build the ImageNet ResNet-18 with the CIFAR stem (3x3, stride 1, no pooling): 11,173,962 parameters."""
    channels = image_channels("resnet18", input_shape)
    return ResNet(channels, n_classes, widths=(64, 128, 256, 512), blocks=2, shortcut="projection")
