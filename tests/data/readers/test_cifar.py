from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evoloss.data import load_dataset
from evoloss.data.dataset import SourceData
from evoloss.data.readers.cifar import CIFAR10, CIFAR100, CifarLayout, read_cifar
from evoloss.errors import DataError
from tests.data.cifar_files import fabricate, write_archive, write_folder


def expected_arrays(layout: CifarLayout, raw: bytes) -> tuple[np.ndarray, np.ndarray]:
    record = layout.label_bytes + 3072
    labels, images = [], []
    for start in range(0, len(raw), record):
        labels.append(raw[start + layout.label_bytes - 1])
        pixels = raw[start + layout.label_bytes : start + record]
        images.append(
            [np.frombuffer(pixels[c * 1024 : (c + 1) * 1024], np.uint8).reshape(32, 32) for c in range(3)]
        )
    return np.array(images), np.array(labels)


def check(source: SourceData, layout: CifarLayout, contents: dict[str, bytes]) -> None:
    train = b"".join(contents[member.name] for member in layout.train)
    assert source.test is not None
    for found, raw in ((source.train, train), (source.test, contents[layout.test.name])):
        images, labels = expected_arrays(layout, raw)
        np.testing.assert_array_equal(found.inputs, images)
        np.testing.assert_array_equal(found.labels, labels)


@pytest.mark.parametrize("official", [CIFAR10, CIFAR100], ids=["cifar10", "cifar100"])
@pytest.mark.parametrize("place", ["folder", "inside", "tar", "gz", "xz", "bz2"])
def test_every_form_gives_the_same_arrays(official: CifarLayout, place: str, tmp_path: Path) -> None:
    layout, contents = fabricate(official)
    data_dir = tmp_path / "data"
    if place in ("folder", "inside"):
        write_folder(data_dir / layout.folder, contents)
    else:
        ending = ".tar" if place == "tar" else f".tar.{place}"
        compression = "" if place == "tar" else place
        write_archive(data_dir / f"{layout.archive}{ending}", layout.folder, contents, compression)
    named = data_dir / layout.folder if place == "inside" else data_dir
    for _ in range(2):  # the second time from the unpacked copy, where there is one
        check(read_cifar(layout, named, download=False), layout, contents)


def test_an_archive_is_decompressed_once_and_a_damaged_copy_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout, contents = fabricate(CIFAR10)
    archive = tmp_path / f"{layout.archive}.tar.xz"
    write_archive(archive, layout.folder, contents, "xz")
    read_cifar(layout, tmp_path, download=False)
    kept = tmp_path / "cache" / "unpacked" / layout.folder
    assert {file.name: file.read_bytes() for file in kept.iterdir()} == contents
    damaged = bytearray(contents["test_batch.bin"])
    damaged[7] ^= 1
    (kept / "test_batch.bin").write_bytes(damaged)
    check(read_cifar(layout, tmp_path, download=False), layout, contents)
    assert (kept / "test_batch.bin").read_bytes() == contents["test_batch.bin"]
    # The unpacked copy now serves in place of the archive, whose content is not read any more.
    archive.write_bytes(b"no archive")
    check(read_cifar(layout, tmp_path, download=False), layout, contents)
    monkeypatch.setenv("EVOLOSS_CACHE_DIR", "off")
    with pytest.raises(DataError, match="not a readable tar archive"):
        read_cifar(layout, tmp_path, download=False)


def test_a_cache_that_cannot_be_written_does_not_matter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    layout, contents = fabricate(CIFAR10)
    write_archive(tmp_path / f"{layout.archive}.tar.gz", layout.folder, contents)
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("EVOLOSS_CACHE_DIR", str(tmp_path / "file"))
    check(read_cifar(layout, tmp_path, download=False), layout, contents)
    assert "no unpacked copy" in caplog.text


def test_members_without_checksum_are_not_kept(tmp_path: Path) -> None:
    layout, contents = fabricate(CIFAR100)
    write_archive(tmp_path / f"{layout.archive}.tar.gz", layout.folder, contents)
    read_cifar(layout, tmp_path, download=False)
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("name", ["cifar-10-batches-py", "cifar-10-python.tar.gz"])
def test_pickled_version_is_refused_with_the_reason(name: str, tmp_path: Path) -> None:
    (tmp_path / name).mkdir()
    for data_dir in (tmp_path, tmp_path / name):
        with pytest.raises(DataError, match=r"pickles, which can run any code.*cifar-10-binary\.tar\.gz"):
            load_dataset("cifar10", data_dir=data_dir)


def test_missing_data_says_what_and_where(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"expected cifar-10-batches-bin/ or cifar-10-binary\.tar\.gz.*download=True"
    ):
        load_dataset("cifar10", data_dir=tmp_path)
    with pytest.raises(DataError, match="none was named"):
        load_dataset("cifar100")
    with pytest.raises(DataError, match="is not a folder"):
        load_dataset("cifar10", data_dir=tmp_path / "absent")


def test_missing_file_and_wrong_sizes_are_named(tmp_path: Path) -> None:
    layout, contents = fabricate(CIFAR10)
    folder = tmp_path / layout.folder
    write_folder(folder, contents)
    (folder / "data_batch_3.bin").write_bytes(contents["data_batch_3.bin"][:-1])
    with pytest.raises(DataError, match=r"data_batch_3\.bin in .* has 61459 bytes, expected 61460"):
        read_cifar(layout, tmp_path, download=False)
    (folder / "data_batch_3.bin").write_bytes(contents["data_batch_3.bin"] + b"x")
    with pytest.raises(DataError, match=r"data_batch_3\.bin is longer than 61460"):
        read_cifar(layout, tmp_path, download=False)
    (folder / "data_batch_3.bin").unlink()
    with pytest.raises(DataError, match=r"lacks data_batch_3\.bin"):
        read_cifar(layout, tmp_path, download=False)


def test_wrong_labels_and_unequal_classes_are_found_without_checksums(tmp_path: Path) -> None:
    layout, contents = fabricate(CIFAR100)
    for value, message in (
        (100, "training labels go up to 100, expected 0 to 99"),
        (7, "1 to 3 images, expected 2 each"),
    ):
        raw = bytearray(contents["train.bin"])
        position = next(i for i in range(1, len(raw), 3074) if raw[i] != 7)
        raw[position] = value
        folder = tmp_path / str(value) / layout.folder
        write_folder(folder, {**contents, "train.bin": bytes(raw)})
        with pytest.raises(DataError, match=message):
            read_cifar(layout, folder.parent, download=False)


def test_archive_without_a_member_or_with_a_folder_in_its_place(tmp_path: Path) -> None:
    layout, contents = fabricate(CIFAR10)
    archive = tmp_path / f"{layout.archive}.tar.gz"
    write_archive(archive, layout.folder, {k: v for k, v in contents.items() if k != "test_batch.bin"})
    with pytest.raises(DataError, match=r"has no cifar-10-batches-bin/test_batch\.bin"):
        read_cifar(layout, tmp_path, download=False)
    write_archive(archive, layout.folder, {**contents, "test_batch.bin": b"short"})
    with pytest.raises(DataError, match=r"test_batch\.bin in .* has 5 bytes, expected 61460"):
        read_cifar(layout, tmp_path, download=False)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.integers(0, 10**9), place=st.integers(0, 10**9), flip=st.integers(1, 255))
def test_damaged_archives_give_a_data_error_or_the_true_data(
    cut: int, place: int, flip: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVOLOSS_CACHE_DIR", "off")
    layout, contents = fabricate(replace(CIFAR10, train=CIFAR10.train[:1]), per_class=1)
    archive = tmp_path / f"{layout.archive}.tar.gz"
    write_archive(archive, layout.folder, contents)
    raw = bytearray(archive.read_bytes())
    raw[place % len(raw)] ^= flip
    archive.write_bytes(raw[: 1 + cut % len(raw)] if cut % 2 else raw)
    try:
        source = read_cifar(layout, tmp_path, download=False)
    except DataError as error:
        message = str(error)
    else:
        check(source, layout, contents)
        return
    assert str(archive) in message


def test_download_is_checked_and_then_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pooch

    layout, contents = fabricate(CIFAR10)
    asked: list[tuple[str, str]] = []

    def retrieve(url: str, known_hash: str, fname: str, path: Path) -> str:
        asked.append((url, known_hash))
        write_archive(path / fname, layout.folder, contents)
        return str(path / fname)

    monkeypatch.setattr(pooch, "retrieve", retrieve)
    for _ in range(2):
        check(read_cifar(layout, None, download=True), layout, contents)
    assert asked == [
        ("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz", "md5:c32a1d4ab5d03f1284b67883e8d87530")
    ]


@pytest.mark.slow
def test_real_cifar10(real_data_dir: Path) -> None:
    if not list(real_data_dir.glob("cifar-10-b*")):
        pytest.skip("no CIFAR-10 in EVOLOSS_DATA_DIR")
    data = load_dataset("cifar10", train_samples=1000)
    assert (len(data.train), len(data.validation), len(data.test)) == (1000, 5000, 10000)
    for split, count in ((data.train, 100), (data.validation, 500), (data.test, 1000)):
        assert torch.bincount(split.labels).tolist() == [count] * 10
    assert data.input_shape == (3, 32, 32)
    # The published mean of the training pixels is 0.491, 0.482, 0.447; 5,000 images come within a hundredth.
    mean = data.validation.inputs.double().mean((0, 2, 3)) / 255
    torch.testing.assert_close(
        mean, torch.tensor([0.491, 0.482, 0.447], dtype=torch.float64), atol=0.01, rtol=0
    )


def test_gzip_is_not_mistaken_for_tar(tmp_path: Path) -> None:
    (tmp_path / "cifar-10-binary.tar.gz").write_bytes(gzip.compress(b"x" * 5000))
    with pytest.raises(DataError, match="not a readable tar archive"):
        load_dataset("cifar10", data_dir=tmp_path)
