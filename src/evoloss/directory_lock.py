"""Directories that one task at a time writes to."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from evoloss.atomic_files import remove_orphans
from evoloss.errors import InUseError
from evoloss.file_lock import FileLock, NoLocksError

LOCK_FILE = ".evoloss.lock"
_PATIENCE_SECONDS, _PAUSE_SECONDS = 2.0, 0.02  # for a holder that is just coming or going
_ATTEMPTS = 100  # to make a directory that others remove


@contextmanager
def hold_directory(directory: Path, task: str, *, shared_by: object = None) -> Iterator[None]:
    """Keep other tasks out of a directory while the block runs.

    The lock, on a hidden file in the directory, is one of the kernel's: a holder that was killed keeps nobody
    out. The directory is made if it is missing, and removed again if it stays empty. What killed writers left
    half-written in it is removed first.

    On Windows, and on a file system without locks, nobody is kept out, and a warning says so.

    Args:
        directory: of the task.
        task: the command or function, for the error that others get.
        shared_by: JSON values; tasks with equal ones may hold the directory together. None shares with none.

    Raises:
        InUseError: if another task holds the directory; it names the process.
    """
    with _made(directory):
        lock = FileLock(directory / LOCK_FILE)
        try:
            _enter(lock, _Holder(task, _digest(shared_by), os.getpid(), platform.node()))
            remove_orphans(directory)
            yield
        finally:
            lock.release()


@dataclass(frozen=True)
class _Holder:
    task: str
    shared_by: str | None
    pid: int
    host: str

    def is_alive(self) -> bool:
        """Return whether the process may be alive: on another machine nobody can tell."""
        if self.host != platform.node():
            return True
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except OSError:  # another user's
            return True
        return True

    def describe(self, task: str) -> str:
        there = "" if self.host == platform.node() else f" on {self.host}"
        return f"process {self.pid}{there} ({task})"


def _enter(lock: FileLock, me: _Holder) -> None:
    """Take the lock; where there are none, warn."""
    try:
        _take(lock, me)
    except NoLocksError as error:
        warnings.warn(
            f"{lock.path.parent} cannot be locked ({error.strerror or error}): see to it that no other "
            "process writes there",
            RuntimeWarning,
            stacklevel=5,
        )


def _take(lock: FileLock, me: _Holder) -> None:
    """Take the lock and write down who has it."""
    line, deadline = json.dumps(asdict(me)), time.monotonic() + _PATIENCE_SECONDS
    while True:
        if _lock(lock, shared=False):
            lock.write(line, anew=True)
            if me.shared_by is None:
                return
            # Others may take the lock in the moment when it is neither exclusive nor shared.
            if lock.share() and me in _read(lock.path):
                return
            lock.release()
            continue
        holders = [holder for holder in _read(lock.path) if holder.is_alive()]
        together = me.shared_by is not None and any(holder.shared_by == me.shared_by for holder in holders)
        if together and _lock(lock, shared=True):
            if any(holder.shared_by == me.shared_by for holder in _read(lock.path)):
                lock.write(line)
                return
            lock.release()  # all of them have left, and others have come
        elif not together and holders:
            raise _in_use(lock.path.parent, me, holders)
        if time.monotonic() > deadline:
            raise _in_use(lock.path.parent, me, holders)
        time.sleep(_PAUSE_SECONDS)


def _lock(lock: FileLock, *, shared: bool) -> bool:
    """Take the lock without waiting, in a directory that holders who leave it empty remove at any moment."""
    for _ in range(_ATTEMPTS):
        try:
            return lock.take(shared=shared)
        except FileNotFoundError:
            _make(lock.path.parent)
    return lock.take(shared=shared)


def _make(directory: Path) -> None:
    """Make a directory and its parents, some of which others may make or remove at the same moment."""
    for _ in range(_ATTEMPTS):
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except FileNotFoundError:  # a parent was removed after it had been made
            continue
        except FileExistsError:  # it was removed before it could be looked at; or it is a file
            if os.path.lexists(directory):
                raise
        else:
            return
    directory.mkdir(parents=True, exist_ok=True)


def _in_use(directory: Path, me: _Holder, holders: list[_Holder]) -> InUseError:
    other = [
        holder.describe(f"{holder.task}, with other settings") for holder in holders if holder.task == me.task
    ]
    if me.shared_by is None or not other:
        other = [holder.describe(holder.task) for holder in holders]
    return InUseError(
        f"{directory} is in use by {', '.join(other) or 'another process'}; wait until it ends, stop it, or "
        "choose another directory"
    )


def _read(path: Path) -> list[_Holder]:
    """The processes that wrote that they hold the lock; empty while somebody writes."""
    try:
        return [_Holder(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, ValueError, TypeError):
        return []


def _digest(value: object) -> str | None:
    if value is None:
        return None
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


@contextmanager
def _made(directory: Path) -> Iterator[None]:
    """Make a directory and its parents, and remove those that are still empty at the end."""
    missing = [folder for folder in (directory, *directory.parents) if not folder.exists()]
    _make(directory)
    try:
        yield
    finally:
        with suppress(OSError):  # not empty
            for folder in missing:
                folder.rmdir()
