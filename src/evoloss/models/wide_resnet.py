"""Wide residual networks: few layers, many channels, activation before convolution.

References:
    Zagoruyko and Komodakis 2016, *Wide Residual Networks*, arXiv:1605.07146.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from evoloss.models.resnet import init_residual
from evoloss.models.shapes import image_channels


class PreActivationBlock(nn.Module):
    """``x + body(relu(norm(x)))``; where shapes differ ``x`` becomes a 1x1 convolution of ``relu(norm(x))``.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        stride: stride of the first convolution.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(in_channels)
        self.body = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False),
        )
        self.projection = (
            None
            if stride == 1 and in_channels == out_channels
            else nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False)
        )

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the block's output, half as high and wide where the stride is 2."""
        active = F.relu(self.norm(inputs))
        shortcut = inputs if self.projection is None else self.projection(active)
        output: Tensor = self.body(active) + shortcut
        return output


class WideResNet(nn.Module):
    """WRN-depth-widen: three stages of 16, 32 and 64 times ``widen`` channels, without dropout.

    Args:
        in_channels: channels of the images.
        n_classes: number of classes.
        depth: number of convolutions, ``6 n + 4`` with n blocks a stage.
        widen: factor of the channel counts.

    Shape:
        input ``(N, in_channels, H, W)`` with H and W at least 8, output (logits) ``(N, n_classes)``.

    Example:
        >>> WideResNet(3, 10, depth=10, widen=1)(torch.zeros(2, 3, 8, 8)).shape
        torch.Size([2, 10])
    """

    def __init__(self, in_channels: int, n_classes: int, *, depth: int, widen: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(in_channels, 16, 3, padding=1, bias=False)
        layers: list[nn.Module] = []
        channels = 16
        for stage, width in enumerate((16 * widen, 32 * widen, 64 * widen)):
            for block in range((depth - 4) // 6):
                stride = 2 if stage > 0 and block == 0 else 1
                layers.append(PreActivationBlock(channels, width, stride))
                channels = width
        self.stages = nn.Sequential(*layers, nn.BatchNorm2d(channels), nn.ReLU(inplace=True))
        self.head = nn.Linear(channels, n_classes)
        init_residual(self)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the logits."""
        logits: Tensor = self.head(self.stages(self.stem(inputs)).mean(dim=(2, 3)))
        return logits


def wrn16_4(*, input_shape: tuple[int, ...], n_classes: int) -> nn.Module:
    """Build WRN-16-4: 2,748,890 parameters at 3 channels and 10 classes (paper: 2.7 million)."""
    return WideResNet(image_channels("wrn16_4", input_shape), n_classes, depth=16, widen=4)


def wrn28_10(*, input_shape: tuple[int, ...], n_classes: int) -> nn.Module:
    """Build WRN-28-10: 36,479,194 parameters at 3 channels and 10 classes (paper: 36.5 million)."""
    return WideResNet(image_channels("wrn28_10", input_shape), n_classes, depth=28, widen=10)


def wrn40_2(*, input_shape: tuple[int, ...], n_classes: int) -> nn.Module:
    """Build WRN-40-2: 2,243,546 parameters at 3 channels and 10 classes (paper: 2.2 million)."""
    return WideResNet(image_channels("wrn40_2", input_shape), n_classes, depth=40, widen=2)
