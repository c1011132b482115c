"""A lock on a file, held by a process and let go by the kernel when the process ends, however it ends."""

from __future__ import annotations

import errno
import os
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

CAN_LOCK = fcntl is not None
"""True if this system has the locks that this module uses; a single file system may lack them even so."""


class FileLock:
    """An exclusive or shared lock on a file that is there for the lock alone.

    The kernel keeps the lock (``flock``), so one that was left by a process that was killed keeps nobody out.
    Threads of one process keep each other out too. The file is made when the lock is taken and removed when
    it is let go; a process that was killed leaves it behind, and the next one that takes the lock removes it.

    The package ``filelock`` is not used because its kernel locks are exclusive only.

    Args:
        path: of the file; its folder has to exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._handle: int | None = None
        self._owner = 0

    def take(self, *, shared: bool = False) -> bool:
        """Take the lock without waiting; False if others hold it in a way that excludes this one.

        Args:
            shared: keep out those that want the lock for themselves, and nobody else.

        Raises:
            NoLocksError: if the file system or the operating system has no locks.
            OSError: if the file cannot be opened.
        """
        if not CAN_LOCK:
            raise NoLocksError("this operating system has no flock")
        while True:
            handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
            try:
                locked = lock_handle(handle, shared=shared)
                if locked and is_at(handle, self.path):
                    self._keep(handle)
                    return True
            except NoLocksError:
                self.path.unlink(missing_ok=True)
                raise
            finally:
                if self._handle != handle:
                    os.close(handle)
            if not locked:
                return False
            # Its last holder removed the file after we had opened it: the lock is that of another file now.

    def share(self) -> bool:
        """Let others share a lock that was exclusive.

        Returns:
            False if another one took the lock in the moment when it was neither; then it is lost.
        """
        assert self._handle is not None
        if lock_handle(self._handle, shared=True):
            return True
        self._drop()
        return False

    def write(self, line: str, *, anew: bool = False) -> None:
        """Add a line to the file, or begin it anew with the line; the lock is held."""
        assert self._handle is not None
        if anew:
            os.ftruncate(self._handle, 0)
        os.write(self._handle, f"{line}\n".encode())

    def release(self) -> None:
        """Let the lock go, if it is held, and remove its file unless others hold it too."""
        if self._handle is None:
            return
        if self._owner == os.getpid():
            if lock_handle(self._handle, shared=False):
                # Whoever has opened the file already sees that it is gone once it has the lock.
                self.path.unlink(missing_ok=True)
            self._drop()
        self._handle = None

    def _keep(self, handle: int) -> None:
        self._handle, self._owner = handle, os.getpid()
        _held.add(handle)

    def _drop(self) -> None:
        assert self._handle is not None
        _held.discard(self._handle)
        os.close(self._handle)
        self._handle = None


class NoLocksError(OSError):
    """Files cannot be locked here."""


def lock_handle(handle: int, *, shared: bool) -> bool:
    """Lock an open file, or change the kind of its lock; False if others hold it.

    Raises:
        NoLocksError: if the file system has no locks.
    """
    try:
        fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno in _NO_LOCKS:
            raise NoLocksError(*error.args) from error
        raise
    return True


def is_at(handle: int, path: Path) -> bool:
    """Return whether an open file is the one that now stands at ``path``."""
    try:
        return os.path.samestat(os.fstat(handle), os.stat(path, follow_symlinks=False))
    except FileNotFoundError:
        return False


_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL}
_held: set[int] = set()


def _let_go_in_child() -> None:
    # A forked process has the same open files, and would keep the lock of a parent that is dead.
    for handle in _held:
        os.close(handle)
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go_in_child)
