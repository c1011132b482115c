"""The check of input shapes that all image models share."""

from __future__ import annotations

from evoloss.errors import ConfigError

SMALLEST_SIDE = 8


def image_channels(model: str, input_shape: tuple[int, ...]) -> int:
    """Return the number of channels of ``input_shape``.

    Raises:
        ConfigError: if it is not ``(C, H, W)`` with H and W at least 8.
    """
    if len(input_shape) != 3:
        raise ConfigError(
            f"model {model!r} takes images (C, H, W), the inputs have shape {tuple(input_shape)}; "
            "use 'mlp' for features"
        )
    channels, height, width = input_shape
    if channels < 1 or min(height, width) < SMALLEST_SIDE:
        raise ConfigError(
            f"model {model!r} takes images of at least {SMALLEST_SIDE}x{SMALLEST_SIDE} pixels, "
            f"got {height}x{width} with {channels} channels; use 'mlp' or larger images"
        )
    return channels
