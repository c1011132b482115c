"""Random crops and flips of a whole batch at once, on the device.

The random numbers of an epoch are drawn on the CPU from a stream of the seed, so they are the same on every
device and for every loss.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from evoloss.random_streams import stream
from evoloss.training.config import Augment


@dataclass(frozen=True)
class AugmentPlan:
    """The augmentation of each training image.

    Attributes:
        pad: pixels of black added on every side before a crop of the old size; 0 crops nothing.
        flip: whether half of the images are mirrored left to right.
    """

    pad: int
    flip: bool

    def __str__(self) -> str:
        steps = [f"crop {self.pad}"] if self.pad else []
        steps += ["flip"] if self.flip else []
        return " + ".join(steps) or "none"


def plan_augmentation(augment: Augment, input_shape: tuple[int, ...]) -> AugmentPlan:
    """Decide what an augmentation setting means for inputs of a shape.

    ``standard`` pads by an eighth of the width (4 pixels at 32), crops, and mirrors colour images; grey
    images are often digits or letters, which mean something else in a mirror. ``auto`` is ``standard`` for
    colour images of 32 pixels and more. Feature vectors are never augmented.

    Args:
        augment: the setting.
        input_shape: ``(C, H, W)`` or ``(D,)``.
    """
    if augment == "none" or len(input_shape) != 3:
        return AugmentPlan(0, False)
    channels, height, width = input_shape
    colour = channels == 3
    if augment == "auto" and not (colour and min(height, width) >= 32):
        return AugmentPlan(0, False)
    return AugmentPlan(max(1, min(height, width) // 8), colour)


def draw_epoch(plan: AugmentPlan, n_samples: int, seed: int, epoch: int) -> Tensor:
    """Draw row offset, column offset and flip for every sample of an epoch.

    Returns:
        int64 of shape ``(n_samples, 3)``; offsets in ``[0, 2 * pad]``, flips 0 or 1.
    """
    generator = stream(seed, "augmentation", epoch)
    offsets = torch.randint(0, 2 * plan.pad + 1, (n_samples, 2), generator=generator)
    flips = torch.randint(0, 2 if plan.flip else 1, (n_samples, 1), generator=generator)
    return torch.cat([offsets, flips], dim=1)


def pad_images(images: Tensor, pad: int) -> Tensor:
    """Add ``pad`` black pixels on every side: ``(N, C, H, W)`` to ``(N, C, H + 2 pad, W + 2 pad)``.

    The result is in channels-last memory, where :func:`crop_and_flip` finds a pixel in one piece.
    """
    padded = torch.nn.functional.pad(images, (pad, pad, pad, pad)) if pad else images
    return padded.contiguous(memory_format=torch.channels_last)


def crop_and_flip(padded: Tensor, indices: Tensor, draws: Tensor, size: tuple[int, int]) -> Tensor:
    """Take one crop of each image named by ``indices``, in a single gather.

    Args:
        padded: ``(N, C, H + 2 pad, W + 2 pad)``; copied as a whole if it is not in channels-last memory.
        indices: which images, ``(B,)``.
        draws: rows of :func:`draw_epoch`, ``(B, 3)``.
        size: ``(H, W)`` of a crop.

    Returns:
        ``(B, C, H, W)`` of the dtype of ``padded``, in channels-last memory.
    """
    height, width = size
    _, channels, padded_height, padded_width = padded.shape
    rows = draws[:, :1] + torch.arange(height, device=padded.device)
    columns = torch.arange(width, device=padded.device).expand(len(indices), width)
    columns = draws[:, 1:2] + torch.where(draws[:, 2:] == 1, width - 1 - columns, columns)
    pixels = ((indices[:, None] * padded_height + rows) * padded_width)[:, :, None] + columns[:, None, :]
    # One look-up of whole pixels: a third of the time of indexing all axes, on a CPU.
    gathered = padded.permute(0, 2, 3, 1).reshape(-1, channels).index_select(0, pixels.flatten())
    return gathered.view(len(indices), height, width, channels).permute(0, 3, 1, 2)
