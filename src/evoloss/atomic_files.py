"""Files that are either there in full or not at all."""

from __future__ import annotations

import os
import re
import secrets
from contextlib import suppress
from functools import cache
from pathlib import Path

from evoloss.file_lock import CAN_LOCK, NoLocksError, is_at, lock_handle

_TEMPORARY = re.compile(r"\..+\.[0-9a-f]{16}\.evoloss-tmp")


def write_bytes(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path`` so that a reader never sees half of it.

    The content goes to a temporary name in the same folder, is flushed to the disk, and is renamed.
    Missing parent folders are made. The file gets the permissions that the umask gives to a new one. With its
    first file in a folder a process also removes the orphans there (:func:`remove_orphans`).
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_orphans_once(path.parent)
    while not _write_once(path, content):
        pass


def _write_once(path: Path, content: bytes) -> bool:
    """Write the file; False if another process took the temporary one, not yet locked, for an orphan."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.evoloss-tmp")
    try:
        with temporary.open("xb") as file:
            if not _mark_as_used(file.fileno(), temporary):
                return False
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            if CAN_LOCK:
                os.replace(temporary, path)  # while it is locked
        if not CAN_LOCK:
            os.replace(temporary, path)  # Windows renames no open file
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return True


def write_text(path: Path, content: str) -> None:
    """Write ``content`` to ``path`` as UTF-8; see :func:`write_bytes`."""
    write_bytes(path, content.encode())


def remove_orphans(folder: Path) -> None:
    """Remove the temporary files in ``folder`` whose writers were killed.

    Only files of the names that :func:`write_bytes` gives, and only those that no living process has locked;
    where files cannot be locked nothing is removed.
    """
    if not CAN_LOCK or not folder.is_dir():
        return
    for path in folder.iterdir():
        if _TEMPORARY.fullmatch(path.name) and path.is_file() and not path.is_symlink():
            with suppress(OSError):  # it was finished or removed meanwhile, or is another user's
                remove_if_unused(path)


def remove_if_unused(path: Path) -> None:
    """Remove a lock file or a temporary file, unless a living process has locked it.

    Raises:
        OSError: if the file is gone or cannot be opened, or if there are no locks.
    """
    handle = os.open(path, os.O_RDWR)
    try:
        if lock_handle(handle, shared=False) and is_at(handle, path):
            path.unlink()
    finally:
        os.close(handle)


@cache
def _remove_orphans_once(folder: Path) -> None:
    with suppress(OSError):  # a folder that can be written to, and not be listed
        remove_orphans(folder)


def _mark_as_used(handle: int, temporary: Path) -> bool:
    if not CAN_LOCK:
        return True
    try:
        return lock_handle(handle, shared=False) and is_at(handle, temporary)
    except NoLocksError:  # then nobody removes what looks like an orphan either
        return True
