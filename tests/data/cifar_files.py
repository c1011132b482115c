"""Small files in the official layout, and the layout that fits them."""

from __future__ import annotations

import hashlib
import io
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from evoloss.data.archives import Member
from evoloss.data.readers.cifar import CifarLayout


def fabricate(layout: CifarLayout, per_class: int = 2, seed: int = 0) -> tuple[CifarLayout, dict[str, bytes]]:
    """Make files with ``per_class`` records a class; return the layout with their sizes and checksums."""
    rng = np.random.default_rng(seed)
    n_classes = len(layout.class_names)
    contents = {}
    for member in (*layout.train, layout.test):
        labels = rng.permutation(np.repeat(np.arange(n_classes), per_class)).astype(np.uint8)
        records = rng.integers(0, 256, (len(labels), layout.label_bytes + 3072)).astype(np.uint8)
        records[:, layout.label_bytes - 1] = labels
        contents[member.name] = records.tobytes()
    members = [
        Member(name, len(raw), hashlib.sha256(raw).hexdigest() if layout.test.sha256 else None)
        for name, raw in contents.items()
    ]
    return replace(layout, train=tuple(members[:-1]), test=members[-1]), contents


def write_folder(folder: Path, contents: dict[str, bytes]) -> None:
    folder.mkdir(parents=True)
    for name, raw in contents.items():
        (folder / name).write_bytes(raw)


def write_archive(path: Path, folder: str, contents: dict[str, bytes], compression: str = "gz") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, f"w:{compression}") as tar:
        for name, raw in {"readme.html": b"<html>", **contents}.items():
            entry = tarfile.TarInfo(f"{folder}/{name}")
            entry.size = len(raw)
            tar.addfile(entry, io.BytesIO(raw))
