"""Tar archives of any compression, read front to back, with a bound on what a small one can unpack to."""

from __future__ import annotations

import bz2
import gzip
import lzma
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from evoloss.errors import DataError
from evoloss.regular_files import open_regular

MAX_MEMBERS = 1000
MAX_HEADER_BYTES = 1 << 20  # of all members together; each has half a kilobyte and more
_PIECE_BYTES = 1 << 20


class TarStream:
    """The members of an archive, in turn.

    Args:
        file: the archive, its compression undone.
        path: its name, for the errors.
        limit: bytes that it may have, up to the last member that is asked for.
    """

    def __init__(self, file: BinaryIO, path: Path, limit: int) -> None:
        self._path = path
        self._source = _Bounded(file, path, limit)
        self._tar = tarfile.TarFile(fileobj=cast(BinaryIO, self._source))

    def __iter__(self) -> Iterator[tarfile.TarInfo]:
        for count, entry in enumerate(self._tar):
            if count >= MAX_MEMBERS:
                raise DataError(f"{self._path} has more than {MAX_MEMBERS} members; it is another archive")
            yield entry

    def read(self, entry: tarfile.TarInfo) -> bytes:
        """Return the content of the member that was given last."""
        file = self._tar.extractfile(entry)
        assert file is not None  # the caller saw that it is a file
        with self._source.past_headers():
            return b"".join(iter(lambda: file.read(_PIECE_BYTES), b""))


@contextmanager
def open_tar(path: Path, limit: int) -> Iterator[TarStream]:
    """Open an archive for one pass.

    Args:
        path: the archive.
        limit: bytes that it may have when unpacked, up to the last member that is asked for.

    Raises:
        DataError: if it is longer, has more than :data:`MAX_MEMBERS` members or headers of megabytes.
        OSError: if it cannot be opened.
        Exception: many kinds, of Python's modules, where it is damaged.
    """
    with open_regular(path) as file, _decompress(file) as unpacked:
        yield TarStream(unpacked, path, limit)


def _decompress(file: BinaryIO) -> BinaryIO:
    start = file.read(6)
    file.seek(0)
    if start.startswith(b"\x1f\x8b"):
        return cast(BinaryIO, gzip.GzipFile(fileobj=file))
    if start.startswith(b"BZh"):
        return cast(BinaryIO, bz2.BZ2File(file))
    if start.startswith((b"\xfd7zXZ\0", b"\x5d\0\0")):
        return cast(BinaryIO, lzma.LZMAFile(file))
    if start.startswith(b"\x28\xb5\x2f\xfd"):
        from compression import zstd  # type: ignore[import-not-found, unused-ignore] # Python 3.14

        return cast(BinaryIO, zstd.open(file))
    return file


class _Bounded:
    """The file that tarfile reads, which refuses where too much is asked for."""

    def __init__(self, file: BinaryIO, path: Path, limit: int) -> None:
        self._file, self._path, self._limit = file, path, limit
        self._header_bytes: int | None = 0  # None while a member is read
        self.name = str(path)

    @contextmanager
    def past_headers(self) -> Iterator[None]:
        """Mark what is read inside as the content of a member."""
        before, self._header_bytes = self._header_bytes, None
        try:
            yield
        finally:
            self._header_bytes = before

    def read(self, size: int) -> bytes:
        """Read up to ``size`` bytes."""
        if self._header_bytes is not None:
            self._header_bytes += size
            if self._header_bytes > MAX_HEADER_BYTES:
                raise DataError(
                    f"{self._path} has headers of more than {MAX_HEADER_BYTES >> 20} MB; it is damaged, or "
                    "made to fill the memory"
                )
        self._require_inside(self._file.tell() + size)
        return self._file.read(size)

    def seek(self, place: int) -> int:
        """Go to a place."""
        self._require_inside(place)
        return self._file.seek(place)

    def tell(self) -> int:
        """Return the place."""
        return self._file.tell()

    def seekable(self) -> bool:
        """Say that places can be gone to."""
        return True

    def _require_inside(self, place: int) -> None:
        if place > self._limit:
            raise DataError(
                f"{self._path} is longer than {self._limit / 1e9:.2g} GB when unpacked, more than the data "
                "set is; if it is what you want, unpack it by hand and name the folder"
            )
