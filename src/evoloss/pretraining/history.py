"""The history of a run: one JSON line a generation."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from evoloss.atomic_files import write_text
from evoloss.errors import CheckpointError
from evoloss.pretraining.checkpoint import START_AGAIN
from evoloss.regular_files import read_regular
from evoloss.safe_text import one_line
from evoloss.strict_json import parse_json

HISTORY_FILE = "history.jsonl"
MAX_HISTORY_BYTES = 1 << 30  # three million generations


@dataclass(frozen=True)
class GenerationRecord:
    """One generation.

    Attributes:
        generation: counted from 1.
        fitness_best: the lowest fitness, None if all candidates were rejected.
        fitness_mean: mean over the candidates that were not rejected, or None.
        consistency_best: ranking consistency of the best candidate on the couples of this generation.
        rejected: candidates without canonical form or with losses that are not finite.
        sigma: the strategy's step size, where it has one.
        seconds: time since the start of the run, in seconds, earlier parts of a resumed run counted in.
        held_out_consistency: ranking consistency of the search's mean on held-out pairs, lowest over the
            class counts; None where it was not measured or the mean has no canonical form.
        advantage_best: test accuracy of the students of the best candidate less that of cross-entropy's, in
            points, on the tasks of this generation; None without students.
        held_out_advantage: likewise of the search's mean on held-out tasks, where it was measured.
        held_out_score: what the search's mean is chosen by, on the same tasks.
        held_out_error: standard error of ``held_out_advantage`` over groups of tasks.
        parents: places, from 0, of the candidates that the next mean is made of, best first. With the
            strategy ``es_plus`` the first candidates of a generation are the parents of the one before, in
            their order. None where all candidates move the mean, and in histories of version 0.3 and before.
        parent_scores: of each parent what ``advantage_best`` is of the best, or, without students, what
            ``consistency_best`` is; six decimals.
        attempt: from which of the run's starts, counted from 1; None in histories of version 0.3 and before.
    """

    generation: int
    fitness_best: float | None
    fitness_mean: float | None
    consistency_best: float | None
    rejected: int
    sigma: float | None
    seconds: float
    held_out_consistency: float | None
    advantage_best: float | None = None
    held_out_advantage: float | None = None
    held_out_score: float | None = None
    attempt: int | None = None
    held_out_error: float | None = None
    parents: list[int] | None = None
    parent_scores: list[float] | None = None


_OPTIONAL = {name for name, hint in GenerationRecord.__annotations__.items() if "None" in hint}
_LISTS = {name for name, hint in GenerationRecord.__annotations__.items() if "list" in hint}
_COUNTS = {"generation", "rejected", "attempt", "parents"}


class HistoryFile:
    """Appends records to ``history.jsonl``.

    Args:
        directory: where the file stands.
        keep: how many lines of an earlier part of the run to keep. A kill can leave more lines than the
            checkpoint knows of, or half a line.

    Raises:
        CheckpointError: if fewer lines are there than are to be kept.
    """

    def __init__(self, directory: Path, keep: int = 0) -> None:
        self.path = directory / HISTORY_FILE
        self.records = _read(self.path, keep) if keep else []
        write_text(self.path, history_text(self.records))
        self._file = self.path.open("a", encoding="utf-8")

    def append(self, record: GenerationRecord) -> None:
        """Add one generation; it is in the file when this returns."""
        self.records.append(record)
        self._file.write(_line(record))
        self._file.flush()

    def sync(self) -> None:
        """Wait until all lines are on the disk, so that no checkpoint outlives the lines it counts on."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def read_history(directory: Path, count: int | None = None) -> list[GenerationRecord]:
    """The records of a run's ``history.jsonl``.

    Args:
        directory: of the run.
        count: read the first so many; what follows them may be half a line. None for all.

    Raises:
        CheckpointError: if it is missing or damaged, or has fewer.
    """
    return _read(directory / HISTORY_FILE, count)


def history_text(records: list[GenerationRecord]) -> str:
    """The content of ``history.jsonl``: one line a record."""
    return "".join(_line(record) for record in records)


def _line(record: GenerationRecord) -> str:
    # As asdict gives it, which copies lists number by number.
    return json.dumps(vars(record), allow_nan=False) + "\n"


def _record(line: str, generation: int) -> GenerationRecord:
    values = parse_json(line)
    record = GenerationRecord(**values)
    for name, value in vars(record).items():
        if not (_holds(name, value) or (value is None and name in _OPTIONAL)):
            raise ValueError(f"line {generation} has the {name} {value!r:.40}")
    if len(record.parents or ()) != len(record.parent_scores or ()):
        raise ValueError(f"line {generation} has not one of parent_scores for each of its parents")
    # As it was written, to the letter; columns that came with a later version may be missing.
    if json.dumps(values, allow_nan=False) != line or record.generation != generation:
        raise ValueError(f"line {generation} is not the record of generation {generation}")
    return record


def _holds(name: str, value: object) -> bool:
    """Tell whether a value is a number, or a list of them where a list is wanted."""
    if name in _LISTS and not isinstance(value, list):
        return False
    kinds = (int,) if name in _COUNTS else (int, float)
    entries = value if isinstance(value, list) and name in _LISTS else [value]
    return all(type(entry) in kinds for entry in entries)


def _read(path: Path, count: int | None) -> list[GenerationRecord]:
    try:
        # Lines beyond the checkpoint may be torn, so they are not even decoded.
        text = read_regular(path, MAX_HISTORY_BYTES).removesuffix(b"\n")
        lines = text.split(b"\n")[:count] if text else []  # of no generations
        records = [_record(line.decode(), generation) for generation, line in enumerate(lines, start=1)]
    except FileNotFoundError as error:
        raise CheckpointError(f"{path} does not exist, so the run cannot go on; {START_AGAIN}") from error
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read ({error.strerror}); make it readable") from error
    except (ValueError, TypeError) as error:
        raise CheckpointError(f"{path} is damaged ({one_line(error, 300)}); {START_AGAIN}") from error
    if count is not None and len(records) < count:
        raise CheckpointError(
            f"{path} has {len(records)} generations, the checkpoint is at {count}; "
            f"one of the two files was changed: {START_AGAIN}"
        )
    return records
