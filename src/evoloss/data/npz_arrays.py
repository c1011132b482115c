"""Arrays in an ``.npz`` file: found, and known by their headers before anything is read."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from evoloss.errors import DataError
from evoloss.regular_files import open_regular
from evoloss.safe_text import one_line

_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


@dataclass(frozen=True)
class ArrayHeader:
    """The header of an array: enough to know what reading it takes."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def n_bytes(self) -> int:
        """Size of the array as it is stored."""
        return math.prod(self.shape) * self.dtype.itemsize


@contextmanager
def open_arrays(
    path: Path, keys: Sequence[str], optional: Sequence[str] = ()
) -> Iterator[tuple[zipfile.ZipFile, dict[str, zipfile.ZipInfo]]]:
    """The archive and the members that hold these arrays, for as long as the file is open.

    Those of ``optional`` are to be all there, or none.

    Raises:
        DataError: if the file is missing, damaged or of another kind, or lacks an array; whatever is raised
            inside counts as damage, unless it is a :class:`DataError` itself.
    """
    try:
        file = open_regular(path)
    except OSError as error:
        raise DataError(
            f"{path} is not a file that can be read ({error.strerror}); expected an .npz file with "
            f"{', '.join(keys)}"
        ) from error
    with file:
        try:
            with zipfile.ZipFile(file) as archive:
                found = {entry.filename.removesuffix(".npy") for entry in archive.infolist()}
                asked = [*keys, *(optional if found & {*optional} else ())]
                yield archive, members_of(path, archive, asked)
        except DataError:
            raise
        # zipfile and numpy raise a dozen kinds of errors for damaged files.
        except Exception as error:
            raise damaged(path, f"{type(error).__name__}: {error}") from error


def members_of(path: Path, archive: zipfile.ZipFile, keys: Sequence[str]) -> dict[str, zipfile.ZipInfo]:
    """The members that hold these arrays.

    Raises:
        DataError: if one is not there.
    """
    present = {entry.filename.removesuffix(".npy"): entry for entry in archive.infolist()}
    missing = [key for key in keys if key not in present]
    if missing:
        found = ", ".join(repr(name)[1:-1][:40] for name in sorted(present)[:20])
        raise DataError(
            f"{path} has no {', '.join(missing)}; expected {', '.join(keys)}, found "
            f"{found or 'nothing'}. Write it with numpy.savez(path, {keys[0]}=..., ...)"
        )
    return {key: present[key] for key in keys}


def read_header(path: Path, key: str, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> ArrayHeader:
    """Read the header of an array.

    Raises:
        DataError: if the array holds Python objects, or its header does not fit its bytes.
    """
    with archive.open(member) as stored:
        version = np.lib.format.read_magic(stored)
        if version not in _HEADERS:
            raise damaged(path, f"{key} is in version {version[0]}.{version[1]} of numpy's format")
        shape, _, dtype = _HEADERS[version](stored)
        if dtype.hasobject:
            wanted = "numbers, of one shape for all samples" if key.startswith("x") else "labels.astype(str)"
            raise DataError(
                f"{path}: {key} holds Python objects, which evoloss does not read, since that can run any "
                f"code; save a plain array: {wanted}"
            )
        header = ArrayHeader(shape, dtype)
        n_bytes = member.file_size - stored.tell()
        if not dtype.itemsize or min(shape, default=0) < 0 or header.n_bytes != n_bytes:
            raise damaged(path, f"{key} is to have shape {shape} of {dtype}, and has other bytes")
    return header


def read_array(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> npt.NDArray[Any]:
    """Read an array; never a pickled object."""
    with archive.open(member) as stored:
        return np.lib.format.read_array(stored, allow_pickle=False)


def damaged(path: Path, reason: str) -> DataError:
    """The error for a file that is not what its name says."""
    return DataError(
        f"{path} is not a readable .npz file ({one_line(reason, 200)}); it is damaged, truncated or another "
        "kind of file. Write it again with numpy.savez"
    )
