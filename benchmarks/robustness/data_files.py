"""Data files, damaged in every way: arrays, archives, image folders.

``python -m benchmarks.robustness.data_files`` rewrites ``results/data_files.json``; 10,000 trials take about
ten minutes on a core.
"""

from __future__ import annotations

import gzip
import io
import logging
import os
import random
import shutil
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from benchmarks.robustness.campaign import Campaign, Damage, main
from benchmarks.robustness.mutations import damage_bytes
from evoloss.data import load_dataset
from evoloss.data.archives import Member
from evoloss.data.readers.cifar import CIFAR10, read_cifar
from evoloss.data.readers.idx import read_idx

KINDS = {"png": "PNG", "jpg": "JPEG", "gif": "GIF", "bmp": "BMP", "tif": "TIFF", "webp": "WEBP", "ppm": "PPM"}
MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "I", "F")
SHAPE = (40, 9, 8)
HUGE = (0, 1, 2**16, 2**31 - 1, 2**32 - 1, 2**40, 2**63 - 1, -1)


class DataFileCampaign(Campaign):
    """Damaged arrays, archives and images, and folders of odd names."""

    name = "data_files"

    def prepare(self, folder: Path) -> None:
        """Write a good file of every kind."""
        draw = np.random.default_rng(0)
        images = draw.integers(0, 256, SHAPE).astype(np.uint8)
        labels = np.arange(len(images)) % 4
        arrays: dict[str, tuple[Any, Any]] = {
            "images": (images, labels),
            "colour": (np.repeat(images[..., None], 3, 3), labels),
            "features": (draw.standard_normal((40, 6)), labels),
            "text": (draw.standard_normal((40, 6)).astype(np.float32), np.array(list("abcd"))[labels]),
        }
        (folder / "npz").mkdir()
        for name, (x, y) in arrays.items():
            for save in (np.savez, np.savez_compressed):
                save(
                    folder / "npz" / f"{name}-{save.__name__}.npz",
                    x_train=x,
                    y_train=y,
                    x_test=x[:8],
                    y_test=y[:8],
                )
        write_archives(folder / "tar")
        (folder / "idx").mkdir()
        content = struct.pack(">4B3I", 0, 0, 8, 3, *SHAPE) + images.tobytes()
        (folder / "idx" / "images").write_bytes(content)
        (folder / "idx" / "images.gz").write_bytes(gzip.compress(content, mtime=0))
        _write_images(folder / "image")

    def trial(self, seed: int, prepared: Path, folder: Path) -> tuple[str, str]:
        """Damage a copy of one file and read it as the package does."""
        draw = random.Random(seed)
        what = draw.choice(sorted(_TRIALS))
        disabled = logging.root.manager.disable
        logging.disable(logging.WARNING)
        try:
            _TRIALS[what](draw, prepared, folder)
        except Exception as error:
            raise Damage(what) from error
        finally:
            logging.disable(disabled)
        return what, "read"


def _layout() -> Any:
    """CIFAR-10 in files of 20 images, without checksums, so that damage is found by looking."""
    size = 20 * 3073
    members = tuple(Member(f"data_batch_{i}.bin", size) for i in range(1, 6))
    return replace(CIFAR10, train=members, test=Member("test_batch.bin", size))


def write_archives(folder: Path) -> None:
    """Write one small archive in the layout of CIFAR-10, packed in every way."""
    folder.mkdir()
    layout = _layout()
    draw = np.random.default_rng(1)
    for ending in ("", "gz", "bz2", "xz"):
        with tarfile.open(folder / f"a.tar{'.' if ending else ''}{ending}", f"w:{ending}") as tar:  # type: ignore[call-overload]
            for member in (*layout.train, layout.test):
                records = draw.integers(0, 256, (20, 3073)).astype(np.uint8)
                records[:, 0] = np.arange(20) % 10
                entry = tarfile.TarInfo(f"{layout.folder}/{member.name}")
                entry.size = member.size
                tar.addfile(entry, io.BytesIO(records.tobytes()))


def _write_images(folder: Path) -> None:
    folder.mkdir()
    pixels = np.random.default_rng(2).integers(0, 256, (24, 20, 4)).astype(np.uint8)
    base = Image.fromarray(pixels, "RGBA")
    for suffix, kind in KINDS.items():
        for mode in MODES:
            grey = Image.fromarray(pixels[..., 0].astype(np.uint16) * 257)
            image = (
                grey
                if mode == "I;16"
                else base.convert("L").convert(mode)
                if mode in "IF"
                else base.convert(mode)
            )
            try:
                image.save(folder / f"{mode.replace(';', '')}.{suffix}", kind)
            except (OSError, ValueError):  # not in this format
                (folder / f"{mode.replace(';', '')}.{suffix}").unlink(missing_ok=True)


def _random_file(folder: Path, draw: random.Random) -> Path:
    return draw.choice(sorted(folder.iterdir()))


def _npz_bytes(draw: random.Random, prepared: Path, folder: Path) -> None:
    original = _random_file(prepared / "npz", draw)
    path = folder / "data.npz"
    path.write_bytes(damage_bytes(original.read_bytes(), draw))
    load_dataset(str(path))


def _npz_members(draw: random.Random, prepared: Path, folder: Path) -> None:
    """Arrays whose headers say other things than their bytes, in a zip file that is whole."""
    path = folder / "data.npz"
    with zipfile.ZipFile(_random_file(prepared / "npz", draw)) as old, zipfile.ZipFile(path, "w") as new:
        names = old.namelist()
        victim = draw.choice(names)
        for name in names:
            content = old.read(name)
            if name == victim:
                content = draw.choice((_other_header, damage_bytes))(content, draw)
            new.writestr(name, content)
    load_dataset(str(path))


def _other_header(content: bytes, draw: random.Random) -> bytes:
    shape = tuple(draw.choice((*HUGE, 3, 8, 40)) for _ in range(draw.randrange(4)))
    kinds = ("|u1", "<i8", "<f8", "<U0", "<U1000000", "|O", "|V8", "<M8[s]", "|S4", "|b1", ">f4", "<c16")
    entry = {"descr": draw.choice(kinds), "fortran_order": draw.random() < 0.3, "shape": shape}
    return content[:10] + repr(entry).encode()[:116].ljust(117) + b"\n" + content[128:]


def _tar_bytes(draw: random.Random, prepared: Path, folder: Path) -> None:
    original = _random_file(prepared / "tar", draw)
    (folder / f"cifar-10-binary{original.name[1:]}").write_bytes(damage_bytes(original.read_bytes(), draw))
    read_cifar(_layout(), folder, download=False)


def _tar_headers(draw: random.Random, prepared: Path, folder: Path) -> None:
    """Headers with other sizes, types and names, and their right checksum."""
    data = bytearray((prepared / "tar" / "a.tar").read_bytes())
    starts = [at for at in range(0, len(data), 512) if data[at + 257 : at + 262] == b"ustar"]
    for _ in range(draw.choice((1, 1, 3))):
        at = draw.choice(starts)
        if draw.random() < 0.5:
            data[at + 124 : at + 136] = draw.choice(
                (b"%011o\0" % draw.choice((0, 1, 10**8)), b"\x80" + b"\xff" * 11)
            )
        if draw.random() < 0.5:
            data[at + 156 : at + 157] = draw.choice(
                (b"5", b"2", b"L", b"K", b"x", b"g", b"S", b"3", b"\0", b"?")
            )
        if draw.random() < 0.3:
            data[at : at + 100] = draw.randbytes(100)
        data[at + 148 : at + 156] = b" " * 8
        data[at + 148 : at + 156] = b"%06o\0 " % sum(data[at : at + 512])
    (folder / "cifar-10-binary.tar").write_bytes(data)
    read_cifar(_layout(), folder, download=False)


def _idx(draw: random.Random, prepared: Path, folder: Path) -> None:
    original = _random_file(prepared / "idx", draw)
    path = folder / original.name
    path.write_bytes(damage_bytes(original.read_bytes(), draw))
    read_idx(path, SHAPE)


def _image_bytes(draw: random.Random, prepared: Path, folder: Path) -> None:
    files = sorted((prepared / "image").iterdir())
    for name in ("a", "b"):
        (folder / name).mkdir()
        for index in range(2):
            original = draw.choice(files)
            shutil.copy(original, folder / name / f"{index}{original.suffix}")
    victim = draw.choice(sorted(folder.rglob("*.*")))
    content = victim.read_bytes()
    victim.write_bytes(_png_size(content, draw) if victim.suffix == ".png" else damage_bytes(content, draw))
    load_dataset(str(folder), image_size=draw.choice((None, 8, 8)))


def _png_size(content: bytes, draw: random.Random) -> bytes:
    """A PNG that claims another size, depth or colour, with the checksum that belongs to it."""
    if draw.random() < 0.5:
        return damage_bytes(content, draw)
    header = bytearray(content[16:29])
    header[0:8] = struct.pack(">II", *(draw.choice((0, 1, 20, 2000, 7000, 2**31 - 1)) for _ in range(2)))
    if draw.random() < 0.5:
        header[8:10] = bytes((draw.choice((1, 2, 4, 8, 16, 99)), draw.choice((0, 2, 3, 4, 6, 7))))
    return content[:16] + header + struct.pack(">I", zlib.crc32(b"IHDR" + header)) + content[33:]


def _folders(draw: random.Random, prepared: Path, folder: Path) -> None:
    """Folders of any names, with files, links and pipes in them."""
    files = sorted((prepared / "image").glob("RGB.*"))
    names = (
        "train",
        "Training",
        "TEST",
        "val",
        "eval",
        "cat",
        "dog",
        ".git",
        "a\nb",
        "\u202ex",
        "[red]",
        "x" * 200,
    )
    for _ in range(draw.randrange(6)):
        place = folder.joinpath(*draw.sample(names, draw.randrange(1, 4)))
        place.mkdir(parents=True, exist_ok=True)
        for index in range(draw.randrange(4)):
            target = place / f"{index}{draw.choice(('.png', '.PNG', '.txt', '.jpg'))}"
            way = draw.choice(("copy", "copy", "copy", "pipe", "dangling", "loop", "folder"))
            if target.exists() or target.is_symlink():
                continue
            if way == "copy":
                shutil.copy(draw.choice(files), target)
            elif way == "pipe":
                os.mkfifo(target)
            elif way == "folder":
                target.mkdir()
            else:
                target.symlink_to(folder if way == "loop" else folder / "nowhere")
    load_dataset(str(folder), image_size=8)


_TRIALS: dict[str, Callable[[random.Random, Path, Path], None]] = {
    "npz: bytes": _npz_bytes,
    "npz: members": _npz_members,
    "tar: bytes": _tar_bytes,
    "tar: headers": _tar_headers,
    "idx: bytes": _idx,
    "image: bytes": _image_bytes,
    "folders": _folders,
}


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(DataFileCampaign(), 10_000)
