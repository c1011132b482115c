from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile

from evoloss.data.images import ImageError, read_image
from evoloss.data.limits import DataLimits
from evoloss.errors import ConfigError
from tests.data.image_files import deep_png, png, tiff

RAMP = np.arange(0, 65536, 4096, dtype=np.uint16)[None].repeat(2, 0)  # (2, 16), the whole range
UPPER = (RAMP >> 8).astype(np.uint8)


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    content = io.BytesIO()
    image.save(content, kind, **options)
    return content.getvalue()


def channels(count: int) -> np.ndarray:
    return np.repeat(RAMP[..., None], count, 2)


def palette() -> Image.Image:
    """All pixels have the third colour, which is nearly transparent."""
    image = Image.new("P", (16, 2), 2)
    image.putpalette([0, 0, 0, 255, 255, 255, 200, 100, 50])
    return image


def twelve_bits() -> bytes:
    bits = "".join(f"{value:012b}" for value in (RAMP >> 4).ravel())
    return tiff(int(bits, 2).to_bytes(len(bits) // 8, "big"), 16, 2, (12,))


GREY: dict[str, Callable[[], bytes]] = {
    "png of 16 bits": lambda: deep_png(channels(1)),
    "png of 16 bits and alpha": lambda: deep_png(channels(2)),
    "tiff of 16 bits": lambda: saved(Image.fromarray(RAMP), "TIFF"),
    "tiff of 12 bits": twelve_bits,
    "pgm of 16 bits": lambda: b"P5 16 2 65535\n" + RAMP.astype(">u2").tobytes(),
    "pgm of 12 bits": lambda: b"P5 16 2 4095\n" + (RAMP >> 4).astype(">u2").tobytes(),
    "png of 8 bits": lambda: saved(Image.fromarray(UPPER), "PNG"),
    "png of 8 bits and alpha": lambda: saved(
        Image.merge("LA", [Image.fromarray(UPPER), Image.new("L", (16, 2), 7)]), "PNG"
    ),
}
COLOUR: dict[str, Callable[[], bytes]] = {
    "png of 16 bits": lambda: deep_png(channels(3)),
    "png of 16 bits and alpha": lambda: deep_png(channels(4)),
    "tiff of 16 bits": lambda: tiff(channels(3).tobytes(), 16, 2, (16, 16, 16)),
    "png of 8 bits": lambda: saved(Image.merge("RGB", [Image.fromarray(UPPER)] * 3), "PNG"),
    "webp with alpha": lambda: saved(
        Image.merge("RGBA", [Image.fromarray(UPPER)] * 3 + [Image.new("L", (16, 2), 9)]),
        "WEBP",
        lossless=True,
        exact=True,
    ),
}


def read(content: bytes, folder: Path, image_size: int | None = None, limits: DataLimits | None = None):
    (folder / "image").write_bytes(content)
    return read_image(folder / "image", image_size, limits or DataLimits())


@pytest.mark.parametrize("name", GREY)
def test_grey_of_any_depth_keeps_its_upper_8_bits(name: str, tmp_path: Path) -> None:
    pixels = read(GREY[name](), tmp_path)
    np.testing.assert_array_equal(pixels.values, UPPER[None])
    assert pixels.deep == ("of 8" not in name)


@pytest.mark.parametrize("name", COLOUR)
def test_colour_of_any_depth_keeps_its_upper_8_bits(name: str, tmp_path: Path) -> None:
    pixels = read(COLOUR[name](), tmp_path)
    np.testing.assert_array_equal(pixels.values, UPPER[None].repeat(3, 0))
    assert pixels.deep == ("of 16" in name)


def test_ppm_of_16_bits_is_scaled(tmp_path: Path) -> None:
    pixels = read(b"P6 16 2 65535\n" + channels(3).astype(">u2").tobytes(), tmp_path).values
    assert np.abs(pixels.astype(int) - UPPER).max() <= 1


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP", "GIF"])
def test_one_bit_is_black_and_white(kind: str, tmp_path: Path) -> None:
    pixels = read(saved(Image.fromarray(RAMP > 30_000), kind), tmp_path).values
    np.testing.assert_array_equal(pixels[0], np.where(RAMP > 30_000, 255, 0))


@pytest.mark.parametrize(
    ("kind", "transparency"),
    [("PNG", None), ("PNG", 2), ("PNG", bytes([0, 0, 9])), ("GIF", None), ("GIF", 2), ("TIFF", None)],
)
def test_palettes_become_their_colours(kind: str, transparency: object, tmp_path: Path) -> None:
    options = {} if transparency is None else {"transparency": transparency}
    pixels = read(saved(palette(), kind, **options), tmp_path).values
    assert pixels[:, 1, 5].tolist() == [200, 100, 50]


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk_becomes_rgb(kind: str, tmp_path: Path) -> None:
    options = {"quality": 100} if kind == "JPEG" else {}
    pixels = read(saved(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), kind, **options), tmp_path).values
    assert np.abs(pixels[:, 3, 3].astype(int) - [255, 0, 0]).max() <= 2


@pytest.mark.parametrize(
    "image", [Image.fromarray(RAMP.astype(np.float32)), Image.fromarray(RAMP.astype(np.int32))]
)
def test_numbers_without_a_range_are_refused(image: Image.Image, tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="have no range that is known; convert it to 8 or 16 bits"):
        read(saved(image, "TIFF"), tmp_path)


def test_lab_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="colours of Pillow's mode LAB"):
        read(saved(Image.new("LAB", (4, 4)), "TIFF"), tmp_path)


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_rotation_of_a_camera_is_undone(orientation: int, deep: bool, tmp_path: Path) -> None:
    corner = np.zeros((4, 6), np.uint16)
    corner[0, :2] = 65_280  # two pixels at the top left, as it should be seen
    turns = {
        1: corner,
        2: corner[:, ::-1],
        3: corner[::-1, ::-1],
        4: corner[::-1],
        5: corner.T,
        6: np.rot90(corner, 1),
        7: corner[::-1, ::-1].T,
        8: np.rot90(corner, -1),
    }
    stored = np.ascontiguousarray(turns[orientation])
    image = Image.fromarray(stored if deep else (stored >> 8).astype(np.uint8))
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels = read(saved(image, "PNG", exif=exif), tmp_path).values
    np.testing.assert_array_equal(pixels[0], corner >> 8)


def test_the_first_of_several_frames_counts(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (4, 4), (k, 0, 0)) for k in (9, 90)]
    for kind in ("TIFF", "GIF", "WEBP"):
        content = saved(frames[0], kind, save_all=True, append_images=frames[1:])
        assert read(content, tmp_path).values[0, 0, 0] < 20


def test_the_content_decides_and_other_programs_are_not_run(tmp_path: Path) -> None:
    assert read(saved(palette().convert("RGB"), "BMP"), tmp_path).values.shape == (3, 2, 16)
    with pytest.raises(ImageError, match="no image of a known kind"):
        read(saved(Image.new("RGB", (4, 4)), "EPS"), tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ImageError, match="Is a named pipe"):
        read_image(tmp_path / "pipe", None, DataLimits())


def test_an_image_of_too_many_pixels_is_refused_before_it_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    side = 9380  # 88 megapixels, in 85 kilobytes
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    bomb = png(header, zlib.compress(bytes((1 + -(-side // 8)) * side)))

    def decode(self: object) -> None:
        raise AssertionError("decoded")

    with monkeypatch.context() as patch:
        patch.setattr(ImageFile.ImageFile, "load", decode)
        with pytest.raises(ImageError, match=r"9380 x 9380 pixels, and the limit is 50 megapixels"):
            read(bomb, tmp_path)
    monkeypatch.setenv("EVOLOSS_MAX_IMAGE_MEGAPIXELS", "88")
    assert read(bomb, tmp_path, 8, DataLimits.of()).values.shape == (1, 8, 8)
    with pytest.raises(ImageError, match="the limit is 87 megapixels"):
        read(bomb, tmp_path, 8, DataLimits.of(max_megapixels=87))


def test_pillow_keeps_its_own_limit(tmp_path: Path) -> None:
    before = Image.MAX_IMAGE_PIXELS
    read(deep_png(channels(1)), tmp_path)
    with pytest.raises(ImageError):
        read(b"no image", tmp_path)
    assert before == Image.MAX_IMAGE_PIXELS


@pytest.mark.parametrize("value", ["0", "-1", "nan", "x"])
def test_limits_are_numbers_above_0(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVOLOSS_MAX_IMAGE_MEGAPIXELS", value)
    with pytest.raises(ConfigError, match=f"EVOLOSS_MAX_IMAGE_MEGAPIXELS must be above 0, got '{value}'"):
        DataLimits.of()
    with pytest.raises(ConfigError, match="max_megapixels must be above 0"):
        DataLimits.of(max_megapixels=0)
    assert DataLimits.of(max_megapixels=3, max_gigabytes=2) == DataLimits(2.0, 3.0)
