"""The record of a judging: what is written is what is read, and what a kill or a disk leaves of it."""

from __future__ import annotations

import errno
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch

from evoloss.errors import CheckpointError
from evoloss.evolve.journal import JOURNAL_FILE, Entry, Head, Journal, Key, is_journal

HEAD = Head(12, 600.0, 480.5, 4.0)


def key(group: int, tasks: str = "fresh") -> Key:
    return Key.of(tasks, group, torch.tensor([0.1, 0.2]))


def entry(group: int) -> Entry:
    draw = torch.Generator().manual_seed(group)
    result = {"accuracy": 100 * torch.rand(3, 4, generator=draw), "is_clean": torch.tensor([True, False])}
    return Entry(result, 490.0 + group)


def written(folder: Path, groups: int = 3) -> Journal:
    journal = Journal(folder)
    journal.begin(HEAD)
    for group in range(groups):
        journal.add(key(group), entry(group))
    return journal


def test_every_bit_is_read_again(tmp_path: Path) -> None:
    written(tmp_path).end(500.0)
    again = Journal(tmp_path)
    assert (again.head, again.ended_after, again.count("fresh"), again.count("choose")) == (HEAD, 500.0, 3, 0)
    for group in range(3):
        found = again.find(key(group))
        assert found is not None
        assert found.seconds == 490.0 + group
        for name, value in entry(group).result.items():
            assert found.result[name].dtype == value.dtype
            assert torch.equal(found.result[name], value)
    assert again.find(key(3)) is None
    assert again.find(Key.of("fresh", 0, torch.tensor([0.1, 0.3]))) is None, "another loss"
    assert again.find(Key.of("fresh", 0, torch.tensor([0.1, 0.2]).double())) is None, "of another precision"
    assert is_journal((tmp_path / JOURNAL_FILE).read_bytes())


@pytest.mark.parametrize("lost", [1, 20, 200])
def test_half_a_line_is_left_out_and_written_over(tmp_path: Path, lost: int) -> None:
    written(tmp_path)
    path = tmp_path / JOURNAL_FILE
    whole = path.read_bytes()
    path.write_bytes(whole[:-lost])
    again = Journal(tmp_path)
    assert again.count("fresh") == (3 if lost == 1 else 2), "without its line break it is whole"
    again.add(key(2), entry(2))
    assert path.read_bytes() == whole


def test_a_line_that_the_disk_had_no_room_for_is_written_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal, path = written(tmp_path), tmp_path / JOURNAL_FILE
    opened = Path.open

    def full(self: Path, mode: str = "r", encoding: str | None = None) -> Any:
        if mode == "a":
            with opened(self, mode, encoding=encoding) as file:
                file.write('{"half": ')
            raise OSError(errno.ENOSPC, "No space left on device", str(self))
        return opened(self, mode, encoding=encoding)

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(OSError, match="No space left"):
        journal.add(key(3), entry(3))
    monkeypatch.undo()
    assert Journal(tmp_path).count("fresh") == 3
    journal.add(key(4), entry(4))
    assert Journal(tmp_path).count("fresh") == 5
    assert all(json.loads(line) for line in path.read_text().splitlines())


def test_damage_before_the_end_is_an_error(tmp_path: Path) -> None:
    written(tmp_path)
    path = tmp_path / JOURNAL_FILE
    lines = path.read_text().splitlines(keepends=True)
    lines[1] = lines[1].replace("490", "491")
    path.write_text("".join(lines))
    with pytest.raises(CheckpointError, match=r"is damaged in line 2 .*checksum.* is judged again"):
        Journal(tmp_path)
    path.unlink()
    path.mkdir()
    with pytest.raises(CheckpointError, match="cannot be read"):
        Journal(tmp_path)


def test_what_was_judged_after_another_generation_is_dropped(tmp_path: Path) -> None:
    journal = written(tmp_path)
    journal.begin(Head(12, 900.0, 480.5, 4.0))
    assert Journal(tmp_path).count("fresh") == 3, "more budget, the same search"
    journal.begin(Head(13, 900.0, 520.0, 4.0))
    again = Journal(tmp_path)
    assert again.count("fresh") == 0
    assert again.head is not None
    assert again.head.generation == 13
    assert Journal(tmp_path, anew=True).head is None
    again.discard()
    assert not (tmp_path / JOURNAL_FILE).exists()
    assert Journal(tmp_path).head is None


@pytest.mark.parametrize("content", [b"# notes", b'{"generation": 3}\n', b'{"a": 1, "sha256": "0"}\n'])
def test_files_of_others_are_told(content: bytes) -> None:
    with suppress(ValueError):  # which the caller takes for the same
        assert not is_journal(content)
