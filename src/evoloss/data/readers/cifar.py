"""CIFAR-10 and CIFAR-100 in the official binary layout: records of label bytes and 3,072 pixel bytes.

References:
    A. Krizhevsky, *Learning Multiple Layers of Features from Tiny Images*, technical report, University of
    Toronto, 2009; https://www.cs.toronto.edu/~kriz/cifar.html
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evoloss.data.archives import ARCHIVE_ENDINGS, Member, read_archive_cached, read_folder
from evoloss.data.dataset import LabelledArrays, SourceData
from evoloss.data.download import fetch
from evoloss.data.folders import cache_folder, not_found, search_folders
from evoloss.data.readers.cifar_classes import CIFAR10_CLASSES, CIFAR100_CLASSES
from evoloss.errors import DataError

PIXEL_BYTES = 3 * 32 * 32


@dataclass(frozen=True)
class CifarLayout:
    """The files of one of the two data sets on disk.

    Attributes:
        name: registered name.
        folder: folder of the binary files, in the archive and unpacked.
        archive: name of the archive without its ending.
        url: official address.
        checksum: published checksum of the file at ``url``.
        train: training files in order.
        test: the test file.
        label_bytes: bytes before the pixels; the last of them is the label.
        class_names: names in label order.
        python_names: names of the pickled version, which is never read.
    """

    name: str
    folder: str
    archive: str
    url: str
    checksum: str
    train: tuple[Member, ...]
    test: Member
    label_bytes: int
    class_names: tuple[str, ...]
    python_names: tuple[str, ...]


# SHA-256 of the official members, whose MD5 are the published ones.
_CIFAR10_TRAIN_SHA256 = (
    "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
    "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
    "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
    "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
    "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
)

CIFAR10 = CifarLayout(
    name="cifar10",
    folder="cifar-10-batches-bin",
    archive="cifar-10-binary",
    url="https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
    checksum="md5:c32a1d4ab5d03f1284b67883e8d87530",
    train=tuple(
        Member(f"data_batch_{i}.bin", 30_730_000, sha256) for i, sha256 in enumerate(_CIFAR10_TRAIN_SHA256, 1)
    ),
    test=Member(
        "test_batch.bin", 30_730_000, "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b"
    ),
    label_bytes=1,
    class_names=CIFAR10_CLASSES,
    python_names=("cifar-10-batches-py", "cifar-10-python.tar.gz"),
)

# The authors publish the checksum of the archive alone, so its members are checked by size and label counts.
CIFAR100 = CifarLayout(
    name="cifar100",
    folder="cifar-100-binary",
    archive="cifar-100-binary",
    url="https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",
    checksum="md5:03b5dce01913d631647c71ecec9e9cb8",
    train=(Member("train.bin", 153_700_000),),
    test=Member("test.bin", 30_740_000),
    label_bytes=2,
    class_names=CIFAR100_CLASSES,
    python_names=("cifar-100-python", "cifar-100-python.tar.gz"),
)


def load_cifar10(data_dir: Path | None = None, download: bool = False) -> SourceData:
    """Read CIFAR-10, 50,000 training and 10,000 test images in 10 classes; see :func:`read_cifar`."""
    return read_cifar(CIFAR10, data_dir, download)


def load_cifar100(data_dir: Path | None = None, download: bool = False) -> SourceData:
    """Read CIFAR-100, as many images with the 100 fine labels; see :func:`read_cifar`."""
    return read_cifar(CIFAR100, data_dir, download)


def read_cifar(layout: CifarLayout, data_dir: Path | None, download: bool) -> SourceData:
    """Find the binary version, check its files, and read it.

    Looked for in the data folder, in this order: the files themselves, the unpacked folder, the archive in
    any compression of tar. Members of an archive are kept unpacked in the cache folder
    (``EVOLOSS_CACHE_DIR``; the value ``off`` keeps none).

    Args:
        layout: which of the two, and its checksums.
        data_dir: folder of data sets; ``$EVOLOSS_DATA_DIR`` if None.
        download: fetch the official archive if nothing is found.

    Raises:
        DataError: if nothing is found, only the pickled version is there, or the files are damaged.
    """
    contents = _find(layout, data_dir)
    if contents is None and download:
        archive = fetch(layout.url, layout.checksum, data_dir)
        contents = read_archive_cached(archive, layout.folder, (*layout.train, layout.test), cache_folder())
    if contents is None:
        searched = search_folders(data_dir)
        _refuse_pickles(layout, searched)
        wanted = f"{layout.folder}/ or {layout.archive}.tar.gz (.xz, .bz2)"
        raise not_found(layout.name, wanted, searched, layout.url)
    where = f"{layout.name} in {', '.join(map(str, search_folders(data_dir)))}"
    train = b"".join(contents[member.name] for member in layout.train)
    return SourceData(
        name=layout.name,
        train=_parse(train, layout, f"{where}: training"),
        test=_parse(contents[layout.test.name], layout, f"{where}: test"),
        class_names=layout.class_names,
    )


def _find(layout: CifarLayout, data_dir: Path | None) -> dict[str, bytes] | None:
    members = (*layout.train, layout.test)
    for root in search_folders(data_dir):
        for folder in (root, root / layout.folder):
            named = folder.name == layout.folder and folder.is_dir()
            if named or (folder / layout.train[0].name).is_file():
                return read_folder(folder, members)
        for ending in ARCHIVE_ENDINGS:
            archive = root / f"{layout.archive}{ending}"
            if archive.is_file():
                return read_archive_cached(archive, layout.folder, members, cache_folder())
    return None


def _refuse_pickles(layout: CifarLayout, searched: list[Path]) -> None:
    for root in searched:
        for name in layout.python_names:
            if root.name == name or (root / name).exists():
                raise DataError(
                    f"{root} holds {name}, the version for Python. It consists of pickles, which can run any "
                    f"code when read, so evoloss does not open it. Fetch the binary version, {layout.url}"
                )


def _parse(raw: bytes, layout: CifarLayout, part: str) -> LabelledArrays:
    records = np.frombuffer(raw, dtype=np.uint8).reshape(-1, layout.label_bytes + PIXEL_BYTES)
    labels = records[:, layout.label_bytes - 1]
    n_classes = len(layout.class_names)
    if int(labels.max()) >= n_classes:
        raise DataError(
            f"{part} labels go up to {int(labels.max())}, expected 0 to {n_classes - 1}; "
            "the files are damaged or belong to another data set, fetch them again"
        )
    counts = np.bincount(labels, minlength=n_classes)
    if counts.min() != counts.max():
        raise DataError(
            f"{part} classes have {counts.min()} to {counts.max()} images, expected "
            f"{len(labels) // n_classes} each; the files are damaged, fetch them again"
        )
    return LabelledArrays(records[:, layout.label_bytes :].reshape(-1, 3, 32, 32), labels)
