"""The record of a judging, a line a group of tasks: one that was stopped goes on where it was."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from evoloss.atomic_files import write_text
from evoloss.errors import CheckpointError
from evoloss.regular_files import read_regular
from evoloss.safe_text import one_line
from evoloss.strict_json import parse_json

JOURNAL_FILE = "judging.jsonl"
_MAX_BYTES = 1 << 28
_END = "ended_after_seconds"


@dataclass(frozen=True)
class Head:
    """The end of a search, with which its judging begins.

    Attributes:
        generation: the last one.
        budget_seconds: the budget of the run.
        seconds: of it that were used by then.
        finishing_seconds: of it that are kept for files and figures.
    """

    generation: int
    budget_seconds: float
    seconds: float
    finishing_seconds: float


class Key(NamedTuple):
    """The name of a result.

    Attributes:
        tasks: the set of groups of tasks: ``choose``, ``report`` or ``fresh``.
        group: the number of the group.
        losses: a digest of the parameters of the losses.
    """

    tasks: str
    group: int
    losses: str

    @classmethod
    def of(cls, tasks: str, group: int, params: Tensor) -> Key:
        """The key of losses with these parameters on a group."""
        digest = hashlib.sha256(f"{params.dtype} {tuple(params.shape)} ".encode())
        digest.update(params.detach().cpu().contiguous().numpy().tobytes())
        return cls(tasks, group, digest.hexdigest()[:16])


class Entry(NamedTuple):
    """A result, and the seconds of the run after which it was there."""

    result: dict[str, Tensor]
    seconds: float


class Journal:
    """The record of a judging in a directory, ``judging.jsonl``.

    Its first line says where the search ended, the last one, once all files are written, that the run has
    ended. Every line has a checksum; half a line at the end, which a kill leaves, is left out.

    Args:
        directory: of the run.
        anew: leave out what is there.

    Raises:
        CheckpointError: if the file is damaged.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     journal = Journal(Path(folder))
        ...     journal.begin(Head(12, 600.0, 480.5, 4.0))
        ...     key = Key.of("fresh", 0, torch.zeros(3))
        ...     journal.add(key, Entry({"accuracy": torch.tensor([71.25])}, 490.0))
        ...     again = Journal(Path(folder))
        >>> again.head.generation, again.find(key), again.ended_after
        (12, Entry(result={'accuracy': tensor([71.2500])}, seconds=490.0), None)
    """

    def __init__(self, directory: Path, *, anew: bool = False) -> None:
        self.path = directory / JOURNAL_FILE
        self.head: Head | None = None
        self.ended_after: float | None = None
        self._entries: dict[Key, Entry] = {}
        self._is_whole = True  # on the disk, to its last line
        if not anew:
            self._read()

    def begin(self, head: Head) -> None:
        """Note that the search has ended; what was judged after the same generation is kept."""
        if self.head is None or head.generation != self.head.generation:
            self._entries.clear()
        self.head, self.ended_after = head, None
        self._write()

    def discard(self) -> None:
        """Forget all of it: the search goes on."""
        self.head = self.ended_after = None
        self._entries.clear()
        self.path.unlink(missing_ok=True)

    def find(self, key: Key) -> Entry | None:
        """The result that was noted for a key."""
        return self._entries.get(key)

    def count(self, tasks: str) -> int:
        """Results of a set of tasks."""
        return sum(key.tasks == tasks for key in self._entries)

    def add(self, key: Key, entry: Entry) -> None:
        """Note a result; it is in the file when this returns."""
        self._entries[key] = entry
        self._append(_line_of(key, entry))

    def end(self, seconds: float) -> None:
        """Note that the run has ended after so many seconds, unless that is noted."""
        if self.ended_after is None:
            self.ended_after = seconds
            self._append(self._end_line())

    def _append(self, line: str) -> None:
        if not self._is_whole:
            self._write()
            return
        self._is_whole = False  # until all of the line is there
        with self.path.open("a", encoding="utf-8") as file:
            file.write(line)
        self._is_whole = True

    def _write(self) -> None:
        lines = [] if self.head is None else [_checked(asdict(self.head))]
        lines += [_line_of(key, entry) for key, entry in self._entries.items()]
        lines += [] if self.ended_after is None else [self._end_line()]
        write_text(self.path, "".join(lines))
        self._is_whole = True

    def _end_line(self) -> str:
        return _checked({_END: self.ended_after, "results": len(self._entries)})

    def _read(self) -> None:
        try:
            lines = read_regular(self.path, _MAX_BYTES).split(b"\n")
        except FileNotFoundError:
            return
        except OSError as error:
            raise CheckpointError(
                f"{self.path} cannot be read ({error.strerror}); make it readable"
            ) from error
        last = len(lines) if lines[-1] else len(lines) - 1
        for number, line in enumerate(lines[:last], start=1):
            try:
                self._take_in(_unchecked(line))
            except (ValueError, KeyError, TypeError) as error:
                if number == last:  # torn by a kill
                    self._is_whole = False
                    return
                raise CheckpointError(
                    f"{self.path} is damaged in line {number} ({one_line(error, 200)}); move it away, and "
                    "what it holds is judged again"
                ) from error
        self._is_whole = not lines[-1]

    def _take_in(self, values: dict[str, Any]) -> None:
        if _END in values:
            # With a line missing the run has to judge something again before it has ended.
            is_whole = self.head is not None and values["results"] == len(self._entries)
            self.ended_after = float(values[_END]) if is_whole else None
        elif "tasks" in values:
            key = Key(values["tasks"], values["group"], values["losses"])
            self._entries[key] = Entry(_tensors(values["result"]), float(values["seconds"]))
        else:
            self.head = Head(**{field.name: values[field.name] for field in fields(Head)})


def is_journal(content: bytes) -> bool:
    """Tell whether a file is the record of a judging."""
    return not content or _unchecked(content.partition(b"\n")[0]).keys() >= {"generation", "budget_seconds"}


def _line_of(key: Key, entry: Entry) -> str:
    result = {
        name: {"dtype": str(value.dtype).removeprefix("torch."), "values": value.tolist()}
        for name, value in entry.result.items()
    }
    return _checked({**key._asdict(), "seconds": entry.seconds, "result": result})


def _tensors(result: Mapping[str, Any]) -> dict[str, Tensor]:
    return {
        name: torch.tensor(found["values"], dtype=getattr(torch, found["dtype"]))
        for name, found in result.items()
    }


def _checked(values: Mapping[str, Any]) -> str:
    """A line: the values, and a checksum of them."""
    return json.dumps({**values, "sha256": _checksum(values)}, allow_nan=False) + "\n"


def _unchecked(line: bytes) -> dict[str, Any]:
    values = parse_json(line)
    if not isinstance(values, dict) or values.pop("sha256", None) != _checksum(values):
        raise ValueError("its checksum is wrong")
    return values


def _checksum(values: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(values, allow_nan=False).encode()).hexdigest()[:16]
