"""Locks on single runs, for sweeps that share a folder."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

from evoloss.atomic_files import remove_if_unused, remove_orphans
from evoloss.file_lock import CAN_LOCK, FileLock, NoLocksError

_LOCK_NAME = re.compile(r"\.[0-9a-f]{20}\.lock")  # of a run's key


class RunLocks:
    """Locks on files of a folder, one a run.

    A lock goes when its process dies, however it dies, so there is no lock that has to be recognised as
    stale. On Windows, and where a file system knows no locks, every lock is granted: sweeps may then do a
    run twice, and both get the same result.

    Args:
        folder: of the lock files, hidden ones; made when needed. None grants every lock.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder, self._held = folder, dict[str, FileLock]()

    def tidy(self) -> None:
        """Remove what sweeps that were killed left half-written or locked in the folder."""
        if self._folder is None or not CAN_LOCK or not self._folder.is_dir():
            return
        remove_orphans(self._folder)
        for path in self._folder.iterdir():
            if _LOCK_NAME.fullmatch(path.name):
                with suppress(OSError):  # removed meanwhile, or another user's
                    remove_if_unused(path)

    def take(self, key: str) -> bool:
        """Lock a run; False if another sweep holds it."""
        if self._folder is None:
            return True
        self._folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self._folder / f".{key}.lock")
        try:
            if not lock.take():
                return False
        except NoLocksError:
            return True
        self._held[key] = lock
        return True

    def release(self, key: str) -> None:
        """Release the lock of a run; nothing happens if it is not held."""
        lock = self._held.pop(key, None)
        if lock is not None:
            lock.release()

    def release_all(self) -> None:
        """Release every lock that is held."""
        for key in list(self._held):
            self.release(key)
