from __future__ import annotations

import torch

from evoloss.models.resnet import BasicBlock, PadShortcut, ResNet
from evoloss.models.wide_resnet import PreActivationBlock


def test_pad_shortcut_keeps_pixels_and_fills_channels_with_zeros() -> None:
    inputs = torch.arange(2 * 3 * 5 * 4, dtype=torch.float32).reshape(2, 3, 5, 4)
    padded = PadShortcut(extra_channels=3, stride=2)(inputs)
    assert padded.shape == (2, 6, 3, 2)
    torch.testing.assert_close(padded[:, 1:4], inputs[:, :, ::2, ::2])
    assert float(padded[:, [0, 4, 5]].abs().sum()) == 0


def test_block_with_a_zero_body_is_its_shortcut() -> None:
    block = BasicBlock(4, 4, 1, "pad").eval()
    torch.nn.init.zeros_(block.body[3].weight)  # type: ignore[arg-type]
    inputs = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(block(inputs), inputs.relu())


def test_pre_activation_block_with_a_zero_body_is_the_identity() -> None:
    block = PreActivationBlock(4, 4, 1).eval()
    torch.nn.init.zeros_(block.body[3].weight)  # type: ignore[arg-type]
    inputs = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(block(inputs), inputs)


def test_depth_counts_the_weight_layers() -> None:
    model = ResNet(3, 10, widths=(16, 32, 64), blocks=3, shortcut="pad")
    layers = [m for m in model.modules() if isinstance(m, torch.nn.Conv2d | torch.nn.Linear)]
    assert len(layers) == 20


def test_each_later_stage_halves_the_image() -> None:
    model = ResNet(1, 10, widths=(4, 8, 16, 32), blocks=1, shortcut="projection")
    assert model.stages(model.stem(torch.zeros(1, 1, 32, 32))).shape == (1, 32, 4, 4)
