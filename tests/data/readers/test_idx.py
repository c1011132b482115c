from __future__ import annotations

import gzip
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evoloss.data import load_dataset
from evoloss.data.readers.idx import FASHION_MNIST, MNIST, IdxLayout, read_idx, read_idx_dataset
from evoloss.errors import DataError

SMALL = {"train": 30, "test": 20}


def idx_bytes(array: np.ndarray) -> bytes:
    return b"\0\0\x08" + bytes([array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def fabricate(
    layout: IdxLayout, folder: Path, ending: str = "", dotted: bool = False
) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    arrays = {}
    folder.mkdir(parents=True)
    for part, stem in (("train", "train"), ("test", "t10k")):
        n = SMALL[part]
        arrays[f"{stem}-images-idx3-ubyte"] = rng.integers(0, 256, (n, 28, 28)).astype(np.uint8)
        arrays[f"{stem}-labels-idx1-ubyte"] = (np.arange(n) % 10).astype(np.uint8)
    for name, array in arrays.items():
        raw = idx_bytes(array)
        on_disk = name.replace("-idx", ".idx") if dotted else name
        (folder / f"{on_disk}{ending}").write_bytes(gzip.compress(raw) if ending else raw)
    return arrays


@pytest.mark.parametrize(
    ("official", "folder"),
    [
        (MNIST, "mnist"),
        (MNIST, "MNIST/raw"),
        (FASHION_MNIST, "fashion-mnist"),
        (FASHION_MNIST, "FashionMNIST/raw"),
    ],
)
@pytest.mark.parametrize(("ending", "dotted"), [("", False), (".gz", False), ("", True)])
def test_usual_folders_and_names(
    official: IdxLayout, folder: str, ending: str, dotted: bool, tmp_path: Path
) -> None:
    layout = replace(official, counts=SMALL)
    arrays = fabricate(layout, tmp_path / folder, ending, dotted)
    for data_dir in (tmp_path, tmp_path / folder):
        source = read_idx_dataset(layout, data_dir, download=False)
        assert source.test is not None
        np.testing.assert_array_equal(source.train.inputs[:, 0], arrays["train-images-idx3-ubyte"])
        np.testing.assert_array_equal(source.train.labels, arrays["train-labels-idx1-ubyte"])
        np.testing.assert_array_equal(source.test.inputs[:, 0], arrays["t10k-images-idx3-ubyte"])
        np.testing.assert_array_equal(source.test.labels, arrays["t10k-labels-idx1-ubyte"])
    assert len(source.class_names) == 10


def test_mnist_is_not_taken_for_fashion_mnist(tmp_path: Path) -> None:
    fabricate(MNIST, tmp_path / "some-folder")
    with pytest.raises(DataError, match=r"'fashion_mnist' is not in .*expected fashion-mnist/"):
        load_dataset("fashion_mnist", data_dir=tmp_path / "some-folder")


def test_download_fetches_four_checked_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pooch

    layout = replace(FASHION_MNIST, counts=SMALL)
    fabricate(layout, tmp_path / "served", ".gz")
    asked = {}

    def retrieve(url: str, known_hash: str, fname: str, path: Path) -> str:
        asked[url.rsplit("/", 1)[-1]] = known_hash
        path.mkdir(parents=True, exist_ok=True)
        (path / fname).write_bytes((tmp_path / "served" / fname).read_bytes())
        return str(path / fname)

    monkeypatch.setattr(pooch, "retrieve", retrieve)
    (tmp_path / "data").mkdir()
    source = read_idx_dataset(layout, tmp_path / "data", download=True)
    assert len(source.train.labels) == 30
    assert asked == {f"{name}.gz": f"md5:{md5}" for name, md5 in layout.md5.items()}
    assert (tmp_path / "data" / "fashion-mnist" / "t10k-labels-idx1-ubyte.gz").is_file()


def test_official_counts_are_required(tmp_path: Path) -> None:
    fabricate(MNIST, tmp_path / "mnist")
    with pytest.raises(
        DataError, match=r"type code 8 .* and shape \(30, 28, 28\); .* shape \(60000, 28, 28\)"
    ):
        load_dataset("mnist", data_dir=tmp_path)


def test_missing_file_is_named(tmp_path: Path) -> None:
    fabricate(MNIST, tmp_path / "mnist")
    (tmp_path / "mnist" / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(DataError, match="lacks t10k-labels-idx1-ubyte"):
        load_dataset("mnist", data_dir=tmp_path)


def test_label_out_of_range(tmp_path: Path) -> None:
    layout = replace(MNIST, counts=SMALL)
    fabricate(layout, tmp_path / "mnist")
    labels = np.full(30, 11, np.uint8)
    (tmp_path / "mnist" / "train-labels-idx1-ubyte").write_bytes(idx_bytes(labels))
    with pytest.raises(DataError, match="a label is 11, expected 0 to 9"):
        read_idx_dataset(layout, tmp_path, download=False)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"starts with the bytes \(none\)"),
        (b"\x89PNG\r\n\x1a\n", "starts with the bytes 89 50 4e 47"),
        (b"\0\0\x0d\x01" + struct.pack(">I", 3) + bytes(12), "type code 13"),
        (b"\0\0\x08\x02" + struct.pack(">2I", 3, 1) + bytes(3), r"shape \(3, 1\)"),
        (b"\0\0\x08\x01" + struct.pack(">I", 3) + bytes(2), "has 10 bytes, expected 11"),
        (b"\0\0\x08\x01" + struct.pack(">I", 3) + bytes(4), "has more bytes, expected 11"),
    ],
)
@pytest.mark.parametrize("ending", ["", ".gz"])
def test_wrong_content_is_described(content: bytes, message: str, ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"labels{ending}"
    path.write_bytes(gzip.compress(content) if ending else content)
    with pytest.raises(DataError, match=message):
        read_idx(path, (3,))


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 10**6), flip=st.integers(1, 255), cut=st.integers(0, 10**6))
def test_damaged_gzip_gives_a_data_error_or_the_true_data(
    place: int, flip: int, cut: int, tmp_path: Path
) -> None:
    array = np.arange(200, dtype=np.uint8)
    raw = bytearray(gzip.compress(idx_bytes(array)))
    raw[place % len(raw)] ^= flip
    path = tmp_path / "labels.gz"
    path.write_bytes(raw[: cut % len(raw)] if cut % 2 else raw)
    try:
        found = read_idx(path, (200,))
    except DataError as error:
        message = str(error)
    else:
        np.testing.assert_array_equal(found, array)
        return
    assert str(path) in message
