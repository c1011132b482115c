"""One image file to 8-bit pixels, grey or RGB; what is done to other kinds of pixels stands here."""

from __future__ import annotations

import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import numpy.typing as npt

from evoloss.data.limits import DataLimits
from evoloss.errors import DataError, MissingExtraError
from evoloss.regular_files import open_regular

if TYPE_CHECKING:
    from PIL import Image

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "PPM", "TIFF", "WEBP")
"""The formats that are read, by content. Pillow knows more, and some of those run other programs."""

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".ppm", ".pgm", ".tif", ".tiff", ".webp"})

_GREY_MODES = frozenset({"1", "L", "LA", "La"})
_COLOUR_MODES = frozenset({"P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "HSV"})


class ImageError(Exception):
    """An image cannot be used; the message says why, and the caller which."""


@dataclass(frozen=True)
class Pixels:
    """An image as it is used.

    Attributes:
        values: uint8, ``(1, H, W)`` or ``(3, H, W)``.
        deep: whether it was stored with more than 8 bits a channel.
    """

    values: npt.NDArray[np.uint8]
    deep: bool


def read_image(path: Path, image_size: int | None, limits: DataLimits) -> Pixels:
    """Read one image.

    Grey stays grey: ``(1, H, W)``; 1 bit becomes 0 and 255. Palettes, CMYK and other colours become RGB,
    ``(3, H, W)``. Of channels with 16 bits (or 9 to 15, in TIFF) the upper 8 are kept, so that the full range
    of the format becomes 0 to 255. Transparency is dropped, of several frames the first counts, and a
    rotation noted by the camera is applied.

    Args:
        path: the file; its content decides what it is, not its name.
        image_size: side in pixels that it is brought to; None leaves it.
        limits: sizes above which it is refused, before it is decoded.

    Raises:
        ImageError: if it cannot be read, is too large, or has no range that could be brought to 8 bits:
            floating-point and 32-bit channels.
        MissingExtraError: if Pillow is not installed.
    """
    try:
        from PIL import Image, ImageOps, UnidentifiedImageError
    except ImportError as error:
        raise MissingExtraError.of("Pillow", "experiments", "reading images") from error
    try:
        with open_regular(path) as file, _pillow_limit(limits), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd metadata, which is not looked at
            with Image.open(file, formats=FORMATS) as opened:
                limits.require_pixels(*opened.size)
                bits, is_grey = _depth(opened, file)
                ImageOps.exif_transpose(opened, in_place=True)
                image = _to_8_bits(opened, bits, is_grey)
                if image_size is not None:
                    square = (image_size, image_size)
                    image = ImageOps.fit(image, square, method=Image.Resampling.BILINEAR)
                values = np.asarray(image)
    except ImageError:
        raise
    except DataError as error:
        raise ImageError(str(error)) from error
    except UnidentifiedImageError as error:
        raise ImageError(f"no image of a known kind ({', '.join(FORMATS)})") from error
    except OSError as error:
        raise ImageError(error.strerror or str(error)) from error
    # Pillow raises many kinds of errors for damaged files, by format; SyntaxError is that of PNG.
    except Exception as error:
        raise ImageError(f"{type(error).__name__}: {error}") from error
    return Pixels(values[None] if values.ndim == 2 else values.transpose(2, 0, 1), bits > 8)


def _depth(image: Image.Image, file: BinaryIO) -> tuple[int, bool]:
    """Bits of a channel, and whether all channels are grey."""
    is_grey = image.mode in _GREY_MODES or image.mode.startswith("I")
    if image.format == "PNG":
        file.seek(24)  # signature, length and name of the first chunk, width, height; then bits and colours
        bits, colours = struct.unpack("BB", file.read(2))
        return bits, is_grey or colours == 4  # grey with alpha, which has no mode with 16 bits
    if image.format == "TIFF":
        tag: Any = image.tag_v2.get(258, (1,))  # type: ignore[attr-defined] # BitsPerSample
        return max(tag) if isinstance(tag, tuple) else int(tag), is_grey
    return (16 if image.mode.startswith("I") else 8), is_grey


def _to_8_bits(image: Image.Image, bits: int, is_grey: bool) -> Image.Image:
    from PIL import Image

    if image.mode.startswith("I") and bits <= 16 and image.mode != "I;16S":
        # PGM is brought to the range of 16 bits by Pillow, whatever its own is.
        deep = np.asarray(image).astype(np.int64) >> (bits - 8)
        return Image.fromarray(deep.clip(0, 255).astype(np.uint8))
    if image.mode == "F" or image.mode.startswith("I"):
        raise ImageError(
            f"channels of {bits} bits or floating point (Pillow's mode {image.mode}) have no range that is "
            "known; convert it to 8 or 16 bits"
        )
    if image.mode not in _GREY_MODES | _COLOUR_MODES:
        raise ImageError(f"colours of Pillow's mode {image.mode} are not known; convert it to RGB")
    if image.mode in ("P", "PA"):
        image = image.convert("RGBA")  # palettes with a table of transparencies want this way
    wanted = "L" if is_grey else "RGB"
    return image if image.mode == wanted else image.convert(wanted)


@contextmanager
def _pillow_limit(limits: DataLimits) -> Iterator[None]:
    """Let Pillow's own limit, of the process, not come before ours."""
    from PIL import Image

    before = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = None
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = before
