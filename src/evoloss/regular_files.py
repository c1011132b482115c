"""Files that a user names, opened with care: regular ones only, up to a size, text as UTF-8.

A named pipe would be waited for without end, and reading a device may have effects; both raise an
:class:`OSError` here, as a missing file does, so that a caller has one kind of error to report.
"""

from __future__ import annotations

import codecs
import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

_KINDS = (
    (stat.S_ISDIR, "Is a directory"),
    (stat.S_ISFIFO, "Is a named pipe, not a regular file"),
    (stat.S_ISSOCK, "Is a socket, not a regular file"),
    (stat.S_ISCHR, "Is a device, not a regular file"),
    (stat.S_ISBLK, "Is a device, not a regular file"),
)


def open_regular(path: Path) -> BinaryIO:
    """Open a file for reading; links are followed.

    Raises:
        OSError: if it cannot be opened or is no regular file; ``strerror`` says which.
    """
    try:
        _require_regular(os.stat(path).st_mode, path)  # before the opening, which a device may notice
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except ValueError as error:  # a null character
        raise OSError(errno.EINVAL, f"No path ({error})", str(path)) from error
    try:
        _require_regular(os.fstat(handle).st_mode, path)
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def read_regular(path: Path, limit: int) -> bytes:
    """Return the content of a file of at most ``limit`` bytes.

    Raises:
        OSError: if it cannot be read, is no regular file, or is longer.
    """
    with open_regular(path) as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise OSError(errno.EFBIG, f"Is larger than {limit} bytes", str(path))
    return content


def read_regular_text(path: Path, limit: int) -> str:
    """Return the text of a UTF-8 file of at most ``limit`` bytes, without a byte order mark.

    Raises:
        OSError: if it cannot be read, is no regular file, or is longer.
        UnicodeError: if it is not UTF-8.
    """
    content = read_regular(path, limit)
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise UnicodeError("it is UTF-16; save it as UTF-8")
    return content.decode("utf-8-sig")


def _require_regular(mode: int, path: Path) -> None:
    if not stat.S_ISREG(mode):
        kind = next((name for holds, name in _KINDS if holds(mode)), "Is not a regular file")
        raise OSError(errno.EISDIR if stat.S_ISDIR(mode) else errno.EINVAL, kind, str(path))
