"""MNIST and Fashion-MNIST in the IDX format, gzipped or not.

An IDX file starts with two zero bytes, a type code (8 is uint8), the number of axes, and each axis's length
as a big-endian 32-bit integer; the values follow.

References:
    LeCun, Bottou, Bengio and Haffner 1998, *Gradient-Based Learning Applied to Document Recognition*;
    Xiao, Rasul and Vollgraf 2017, *Fashion-MNIST*, arXiv:1708.07747.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from evoloss.data.dataset import LabelledArrays, SourceData
from evoloss.data.download import fetch
from evoloss.data.folders import not_found, search_folders
from evoloss.errors import DataError
from evoloss.regular_files import open_regular
from evoloss.user_paths import real_path

IMAGES = {"train": "train-images-idx3-ubyte", "test": "t10k-images-idx3-ubyte"}
LABELS = {"train": "train-labels-idx1-ubyte", "test": "t10k-labels-idx1-ubyte"}

UINT8_CODE = 8


@dataclass(frozen=True)
class IdxLayout:
    """The files of one of the data sets on disk.

    Attributes:
        name: registered name.
        folders: usual names of its folder below the data folder; downloads go to the first.
        url: address of the folder that the four gzipped files are downloaded from.
        md5: published MD5 of each gzipped file.
        counts: number of samples, by part.
        class_names: names in label order.
    """

    name: str
    folders: tuple[str, ...]
    url: str
    md5: dict[str, str]
    counts: dict[str, int]
    class_names: tuple[str, ...]


MNIST = IdxLayout(
    name="mnist",
    folders=("mnist", "MNIST/raw", "MNIST"),
    url="https://ossci-datasets.s3.amazonaws.com/mnist",
    md5={
        "train-images-idx3-ubyte": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
        "train-labels-idx1-ubyte": "d53e105ee54ea40749a09fcbcd1e9432",
        "t10k-images-idx3-ubyte": "9fb629c4189551a2d022fa330f9573f3",
        "t10k-labels-idx1-ubyte": "ec29112dd5afa0611ce80d1b7f02629c",
    },
    counts={"train": 60_000, "test": 10_000},
    class_names=tuple(str(digit) for digit in range(10)),
)

FASHION_MNIST = IdxLayout(
    name="fashion_mnist",
    folders=("fashion-mnist", "fashion_mnist", "FashionMNIST/raw", "FashionMNIST"),
    url="https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion",
    md5={
        "train-images-idx3-ubyte": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "train-labels-idx1-ubyte": "25c81989df183df01b3e8a0aad5dffbe",
        "t10k-images-idx3-ubyte": "bef4ecab320f06d8554ea6380940ec79",
        "t10k-labels-idx1-ubyte": "bb300cfdad3c16e7a12a480ee83cd310",
    },
    counts={"train": 60_000, "test": 10_000},
    class_names=(
        *("T-shirt/top", "trouser", "pullover", "dress", "coat"),
        *("sandal", "shirt", "sneaker", "bag", "ankle boot"),
    ),
)


def load_mnist(data_dir: Path | None = None, download: bool = False) -> SourceData:
    """Read MNIST: 60,000 training and 10,000 test images ``(1, 28, 28)``; see :func:`read_idx_dataset`."""
    return read_idx_dataset(MNIST, data_dir, download)


def load_fashion_mnist(data_dir: Path | None = None, download: bool = False) -> SourceData:
    """Read Fashion-MNIST, of the same size as MNIST; see :func:`read_idx_dataset`."""
    return read_idx_dataset(FASHION_MNIST, data_dir, download)


def read_idx_dataset(layout: IdxLayout, data_dir: Path | None, download: bool) -> SourceData:
    """Find the four files under their usual names, gzipped or not, and read them.

    Looked for in the usual folders below the data folder, or in the data folder itself if it has such a name
    (the files of MNIST and Fashion-MNIST are named alike, so a folder of another name could hold either).

    Args:
        layout: which data set.
        data_dir: folder of data sets; ``$EVOLOSS_DATA_DIR`` if None.
        download: fetch the four files, against their published checksums, if they are not found.

    Raises:
        DataError: if a file is missing, damaged, or not in the format.
    """
    files = _find(layout, data_dir)
    if files is None and download:
        for name, md5 in layout.md5.items():
            fetch(f"{layout.url}/{name}.gz", f"md5:{md5}", data_dir, layout.folders[0])
        files = _find(layout, data_dir)
    if files is None:
        wanted = f"{layout.folders[0]}/ with {', '.join(layout.md5)} (each may end in .gz)"
        raise not_found(layout.name, wanted, search_folders(data_dir), f"{layout.url}/*.gz")
    splits = {}
    for split, count in layout.counts.items():
        images = read_idx(files[IMAGES[split]], (count, 28, 28))
        labels = read_idx(files[LABELS[split]], (count,))
        if labels.max() >= len(layout.class_names):
            raise DataError(
                f"{files[LABELS[split]]}: a label is {labels.max()}, "
                f"expected 0 to {len(layout.class_names) - 1}; it is damaged or belongs to another data set"
            )
        splits[split] = LabelledArrays(images[:, None], labels)
    return SourceData(
        name=layout.name, train=splits["train"], test=splits["test"], class_names=layout.class_names
    )


def read_idx(path: Path, shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    """Read an IDX file of unsigned bytes.

    Args:
        path: the file, gzipped if its name ends in ``.gz``.
        shape: the shape that it must have.

    Returns:
        A read-only array.

    Raises:
        DataError: if the file is unreadable, truncated, too long, or has another type or shape.
    """
    header = struct.pack(f">4B{len(shape)}I", 0, 0, UINT8_CODE, len(shape), *shape)
    size = len(header) + math.prod(shape)
    try:
        stored = open_regular(path)
    except OSError as error:
        raise DataError(f"could not read {path} ({error.strerror})") from error
    try:
        with stored, gzip.GzipFile(fileobj=stored) if path.suffix == ".gz" else stored as file:
            # One byte more than expected is enough to see that the content is too long, whatever gzip hides.
            content = file.read(size + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(
            f"could not read {path} ({type(error).__name__}: {error}); it is damaged, fetch it again"
        ) from error
    if content[: len(header)] != header:
        raise DataError(
            f"{path} starts with {_describe(content)}; expected an IDX file of unsigned bytes, shape "
            f"{shape}. It is another file or damaged, fetch it again"
        )
    if len(content) != size:
        found = "more" if len(content) > size else str(len(content))
        raise DataError(
            f"{path} has {found} bytes, expected {size}; it is damaged or truncated, fetch it again"
        )
    return np.frombuffer(content, dtype=np.uint8, offset=len(header)).reshape(shape)


def _describe(content: bytes) -> str:
    n_axes = content[3] if len(content) > 3 else 0
    if content[:2] != b"\0\0" or not 1 <= n_axes <= 4 or len(content) < 4 + 4 * n_axes:
        return f"the bytes {content[:8].hex(' ') or '(none)'}"
    shape = struct.unpack_from(f">{n_axes}I", content, 4)
    return f"an IDX header of type code {content[2]} (unsigned bytes are 8) and shape {shape}"


def _find(layout: IdxLayout, data_dir: Path | None) -> dict[str, Path] | None:
    for root in search_folders(data_dir):
        itself = [root for name in layout.folders if real_path(root).as_posix().endswith(f"/{name}")]
        for folder in [*(root / name for name in layout.folders), *itself]:
            found = {name: _first_file(folder, name) for name in layout.md5}
            present = {name: path for name, path in found.items() if path is not None}
            if len(present) == len(found):
                return present
            if present:
                missing = ", ".join(name for name in found if name not in present)
                raise DataError(
                    f"{folder} lacks {missing} (or with .gz); a {layout.name} folder has all four files"
                )
    return None


def _first_file(folder: Path, name: str) -> Path | None:
    # Some copies write the last dash as a dot: train-images.idx3-ubyte.
    dotted = name.replace("-idx", ".idx")
    for candidate in (name, f"{name}.gz", dotted, f"{dotted}.gz"):
        if (folder / candidate).is_file():
            return folder / candidate
    return None
