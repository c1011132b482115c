"""Archives that are small and want to be large."""

from __future__ import annotations

import io
import lzma
import os
import tarfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from evoloss.data.archives import Member, read_archive
from evoloss.data.tar_streams import MAX_MEMBERS, open_tar
from evoloss.errors import DataError

WANTED = Member("wanted.bin", 100_000)


def member(name: str, content: bytes, kind: bytes = tarfile.REGTYPE) -> bytes:
    entry = tarfile.TarInfo(name)
    entry.type, entry.size = kind, len(content)
    return entry.tobuf(tarfile.GNU_FORMAT) + content + bytes(-len(content) % 512)


def good() -> bytes:
    return member("folder/other", b"x" * 700) + member("folder/wanted.bin", b"y" * WANTED.size) + bytes(1024)


def long_name() -> bytes:
    return member("././@LongLink", bytes(80_000_000), tarfile.GNUTYPE_LONGNAME) + good()


def long_pax_header() -> bytes:
    value = b"comment=" + b"x" * 80_000_000 + b"\n"
    return member("pax", str(len(value) + 9).encode() + b" " + value, tarfile.XHDTYPE) + good()


def sparse_map() -> bytes:
    """A member whose content is a list of forty million places."""
    header = b"".join(
        f"{len(line) + 4} {line}\n".encode()
        for line in ("GNU.sparse.major=1", "GNU.sparse.minor=0", "GNU.sparse.name=x")
    )
    return (
        member("pax", header, tarfile.XHDTYPE) + member("map", b"40000000\n" + b"0\n" * 40_000_000) + good()
    )


def many_members() -> bytes:
    return member("empty", b"") * (MAX_MEMBERS + 1) + good()


def nested_headers() -> bytes:
    return member("pax", b"11 comment=\n", tarfile.XHDTYPE) * 5000 + good()


def much_before_it() -> bytes:
    return member("zeros", bytes(300_000_000)) + good()


BOMBS: dict[str, tuple[Callable[[], bytes], str]] = {
    "long name": (long_name, "has headers of more than 1 MB"),
    "long header": (long_pax_header, "has headers of more than 1 MB"),
    "sparse map": (sparse_map, "has headers of more than 1 MB"),
    "many members": (many_members, "has more than 1000 members"),
    "nested headers": (nested_headers, "is not a readable tar archive"),
    "much before it": (much_before_it, "is longer than 0.27 GB when unpacked, .* unpack it by hand"),
}


# The sparse map takes seconds; two others are refused for the same reason.
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name == "sparse map")) for name in BOMBS]
)
def test_bombs_are_refused_with_little_memory(name: str, tmp_path: Path) -> None:
    make, message = BOMBS[name]
    path = tmp_path / "bomb.tar.xz"
    path.write_bytes(lzma.compress(make(), preset=0))
    assert path.stat().st_size < 100_000
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=message):
            read_archive(path, "folder", [WANTED])
        assert tracemalloc.get_traced_memory()[1] < 60_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("compression", ["", "gz", "xz", "bz2"])
def test_members_come_in_turn_and_can_be_read_or_passed_over(compression: str, tmp_path: Path) -> None:
    contents = {f"m{i}": os.urandom(size) for i, size in enumerate((0, 1, 511, 512, 513, 3_000_000))}
    path = tmp_path / "a"
    with tarfile.open(path, f"w:{compression}") as tar:
        for name, content in contents.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    with open_tar(path, 10_000_000) as stream:
        assert {entry.name: stream.read(entry) for entry in stream} == contents
    with open_tar(path, 10_000_000) as stream:
        assert {e.name: stream.read(e) for e in stream if e.size % 2} == {
            name: content for name, content in contents.items() if len(content) % 2
        }


def test_a_sparse_member_and_a_pipe_are_no_data(tmp_path: Path) -> None:
    entry = tarfile.TarInfo("folder/wanted.bin")
    entry.type, entry.size = tarfile.GNUTYPE_SPARSE, 0
    (tmp_path / "a.tar").write_bytes(entry.tobuf(tarfile.GNU_FORMAT) + bytes(1024))
    with pytest.raises(DataError, match=r"wanted\.bin"):
        read_archive(tmp_path / "a.tar", "folder", [WANTED])
    os.mkfifo(tmp_path / "pipe.tar")
    with pytest.raises(DataError, match="Is a named pipe"):
        read_archive(tmp_path / "pipe.tar", "folder", [WANTED])
    with pytest.raises(DataError, match="No such file"):
        read_archive(tmp_path / "gone.tar", "folder", [WANTED])
