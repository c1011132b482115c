"""Small pictures of training images, as PNG."""

from __future__ import annotations

import io

from torch import Tensor

SIDE = 96
"""Pixels that the longer side of a small image is brought up to, by whole factors; larger ones are brought
down to it."""


def thumbnail(image: Tensor) -> bytes | None:
    """Return an image, uint8 ``(1, H, W)`` or ``(3, H, W)``, as a PNG; None for other channels or no Pillow.

    Small images keep their pixels, as squares.
    """
    try:
        from PIL import Image
    except ImportError:
        return None
    channels, height, width = image.shape
    if channels not in (1, 3):
        return None
    pixels = image[0] if channels == 1 else image.permute(1, 2, 0)
    picture = Image.fromarray(pixels.contiguous().numpy())
    longest = max(height, width)
    if longest > SIDE:
        size = (max(1, width * SIDE // longest), max(1, height * SIDE // longest))
        picture = picture.resize(size, Image.Resampling.LANCZOS)
    else:
        factor = SIDE // longest
        picture = picture.resize((width * factor, height * factor), Image.Resampling.NEAREST)
    written = io.BytesIO()
    picture.save(written, format="PNG", optimize=True)
    return written.getvalue()
