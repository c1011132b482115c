"""Who is doing which run, among sweeps that share a folder."""

from __future__ import annotations

import os
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: sweeps may repeat each other there, which does no harm
    fcntl = None  # type: ignore[assignment]


class Claims:
    """Locks on files of a folder, one a run.

    The kernel lets a lock go when its process dies, however it dies, so there is no claim that has to be
    recognised as stale. Where a file system knows no locks every claim is granted: sweeps may then do a run
    twice, and both find the same.

    Args:
        folder: of the lock files, hidden ones; made when needed. None grants every claim.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder, self._held = folder, dict[str, int]()

    def take(self, key: str) -> bool:
        """Claim a run; False if another sweep is at it."""
        if self._folder is None or fcntl is None:
            return True
        self._folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(self._folder / f".{key}.lock", os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return False
        except OSError:  # no locks here
            os.close(handle)
            return True
        self._held[key] = handle
        return True

    def release(self, key: str) -> None:
        """Let a run go, claimed or not."""
        handle = self._held.pop(key, None)
        if self._folder is None or handle is None:
            return
        # Whoever opened the file before it goes has a lock that keeps nobody out: a run done twice at worst,
        # and not even that, since the result is looked for once more after a claim.
        (self._folder / f".{key}.lock").unlink(missing_ok=True)
        os.close(handle)

    def release_all(self) -> None:
        """Let everything go."""
        for key in list(self._held):
            self.release(key)
