"""The record of what was logged, so that nothing is logged twice."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

from evoloss.errors import OutputError
from evoloss.regular_files import read_regular
from evoloss.strict_json import parse_json
from evoloss.sweeps.run_locks import RunLocks

FILE_NAME = "logged.jsonl"
_MAX_BYTES = 1 << 26


@dataclass(frozen=True)
class Entry:
    """A run in a store.

    Attributes:
        store: name of the store.
        run: key of the run.
        id: of the run in the store.
        ended_at: its last step; None for one that was begun and has not ended.
    """

    store: str
    run: str
    id: str
    ended_at: int | None


class Ledger:
    """A file of JSON lines beside the stores, the last line of a run holds.

    Several processes may write to it, each line at once; a run has a lock while it is logged.

    Args:
        folder: where the file is; made with the first line.
        store: name of the store that is logged to.
    """

    def __init__(self, folder: Path, store: str) -> None:
        self._path, self._store = folder / FILE_NAME, store
        self._locks = RunLocks(folder)
        self._size = -1
        self._entries: dict[str, Entry] = {}

    def require_own(self) -> None:
        """Check that the file, if it is there, is one of these.

        Raises:
            OutputError: if it is not, or cannot be read.
        """
        self._read()

    def find(self, run: str) -> Entry | None:
        """The last entry of a run in this store; None if there is none."""
        self._read()
        return self._entries.get(run)

    def others(self, run: str) -> set[str]:
        """Ids in this store of all other runs."""
        self._read()
        return {entry.id for entry in self._entries.values() if entry.run != run}

    def add(self, run: str, run_id: str, ended_at: int | None = None) -> None:
        """Add a line."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        line = json.dumps(asdict(Entry(self._store, run, run_id, ended_at))) + "\n"
        with self._path.open("a+b") as file:
            if file.tell() and self._is_torn(file):
                line = f"\n{line}"
            file.write(line.encode())
            file.flush()
            os.fsync(file.fileno())

    @staticmethod
    def _is_torn(file: BinaryIO) -> bool:
        """Tell whether a process was killed while it wrote the last line."""
        file.seek(-1, os.SEEK_END)
        return file.read(1) != b"\n"

    def take(self, run: str) -> bool:
        """Lock a run; False if another process is logging it."""
        return self._locks.take(self._lock(run))

    def release(self, run: str) -> None:
        """Release the lock of a run."""
        self._locks.release(self._lock(run))

    def _lock(self, run: str) -> str:
        return hashlib.sha256(f"{self._store} {run}".encode()).hexdigest()[:20]

    def _read(self) -> None:
        try:
            content = read_regular(self._path, _MAX_BYTES)
        except (FileNotFoundError, NotADirectoryError):
            self._entries = {}
            return
        except OSError as error:
            raise OutputError(f"{self._path} cannot be read: {error.strerror}") from error
        if len(content) == self._size:
            return
        entries = {}
        *lines, _torn = content.split(b"\n")  # after the last line end is what a killed process left
        for line in lines:
            try:
                entry = Entry(**parse_json(line))
            except (ValueError, TypeError) as error:
                if line.startswith(b'{"store"'):  # torn, and another process went on behind it
                    continue
                raise OutputError(
                    f"{self._path} was not written by evoloss; write to another directory, or move it away"
                ) from error
            if entry.store == self._store:
                entries[entry.run] = entry
        self._entries, self._size = entries, len(content)
