from __future__ import annotations

import json
import os
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evoloss.errors import CheckpointError
from evoloss.pretraining.history import (
    HISTORY_FILE,
    GenerationRecord,
    HistoryFile,
    history_text,
    read_history,
)

RECORD = GenerationRecord(
    generation=1,
    fitness_best=0.25,
    fitness_mean=0.5,
    consistency_best=0.75,
    rejected=2,
    sigma=0.1,
    seconds=1.5,
    held_out_consistency=None,
)


def records(n: int) -> list[GenerationRecord]:
    return [replace(RECORD, generation=1 + i, seconds=i / 7) for i in range(n)]


def written(directory: Path, n: int) -> Path:
    path = directory / HISTORY_FILE
    path.write_text(history_text(records(n)))
    return path


def test_one_json_line_a_generation_there_when_append_returns(tmp_path: Path):
    file = HistoryFile(tmp_path)
    for count, record in enumerate(records(3), start=1):
        file.append(record)
        lines = (tmp_path / HISTORY_FILE).read_text().splitlines()
        assert [json.loads(line) for line in lines] == [asdict(line) for line in records(count)]
    file.sync()
    file.close()
    assert file.records == records(3)


@pytest.mark.parametrize(
    "torn", ["", "{", '{"generation": 4, "fitness', "\x00\x00", json.dumps({"a": 1}) + "\n"]
)
def test_lines_beyond_the_checkpoint_are_dropped_torn_or_whole(tmp_path: Path, torn: str):
    path = written(tmp_path, 4)
    with path.open("a") as file:
        file.write(torn)
    history = HistoryFile(tmp_path, keep=2)
    assert history.records == records(2)
    assert path.read_text() == history_text(records(2))
    history.append(records(3)[2])
    history.close()
    assert path.read_text() == history_text(records(3))


def test_nothing_to_keep_starts_anew(tmp_path: Path):
    path = written(tmp_path, 2)
    HistoryFile(tmp_path).close()
    assert path.read_text() == ""


@settings(deadline=None, max_examples=50)
@given(values=st.tuples(*[st.none() | st.floats(allow_nan=False, allow_infinity=False)] * 6))
def test_numbers_keep_every_bit(values: tuple[float | None, ...], tmp_path_factory: pytest.TempPathFactory):
    best, mean, sigma, held_out, advantage, score = values
    record = replace(
        RECORD,
        fitness_best=best,
        fitness_mean=mean,
        sigma=sigma,
        held_out_consistency=held_out,
        advantage_best=advantage,
        held_out_score=score,
    )
    directory = tmp_path_factory.mktemp("history")
    (directory / HISTORY_FILE).write_text(history_text([record]))
    file = HistoryFile(directory, keep=1)
    file.close()
    assert file.records == [record]


def test_too_few_lines_are_an_error(tmp_path: Path):
    written(tmp_path, 2)
    with pytest.raises(CheckpointError, match="has 2 generations, the checkpoint is at 3"):
        HistoryFile(tmp_path, keep=3)


def test_a_missing_history_is_an_error(tmp_path: Path):
    with pytest.raises(CheckpointError, match=r"history\.jsonl does not exist.*choose another"):
        HistoryFile(tmp_path, keep=1)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "{",
        "[]",
        "3",
        "{}",
        "\x00",
        "[" * 100_000,
        json.dumps({**asdict(RECORD), "more": 1}),
        json.dumps(asdict(replace(RECORD, generation=7))),
        json.dumps({**asdict(RECORD), "seconds": float("nan")}),
        json.dumps({**asdict(RECORD), "generation": 2, "seconds": None}),
        json.dumps({**asdict(RECORD), "generation": 2, "rejected": "3"}),
        json.dumps({**asdict(RECORD), "generation": 2, "rejected": 0.5}),
        json.dumps({**asdict(RECORD), "generation": 2, "sigma": True}),
        json.dumps({**asdict(RECORD), "generation": 2, "fitness_best": [1]}),
        json.dumps({**asdict(RECORD), "generation": 2, "parents": 3}),
        json.dumps({**asdict(RECORD), "generation": 2, "parents": [0.5], "parent_scores": [0.5]}),
        json.dumps({**asdict(RECORD), "generation": 2, "parents": [True], "parent_scores": [0.5]}),
        json.dumps({**asdict(RECORD), "generation": 2, "parents": [1], "parent_scores": ["0.5"]}),
        json.dumps({**asdict(RECORD), "generation": 2, "parents": [1, 2], "parent_scores": [0.5]}),
        json.dumps({**asdict(RECORD), "generation": 2, "parents": [1]}),
    ],
    ids=range(21),
)
def test_a_damaged_line_is_an_error_and_the_file_is_left_as_it_was(tmp_path: Path, line: str):
    path = written(tmp_path, 3)
    lines = path.read_text().splitlines()
    lines[1] = line
    path.write_text("\n".join(lines) + "\n")
    before = path.read_bytes()
    with pytest.raises(CheckpointError, match=r"history\.jsonl"):
        HistoryFile(tmp_path, keep=3)
    assert path.read_bytes() == before


def test_bytes_that_are_no_text_are_an_error(tmp_path: Path):
    written(tmp_path, 1).write_bytes(b"\xff\xfe\n")
    with pytest.raises(CheckpointError, match=r"is damaged .*can't decode"):
        HistoryFile(tmp_path, keep=1)


def test_a_pipe_is_an_error(tmp_path: Path):
    os.mkfifo(tmp_path / HISTORY_FILE)
    with pytest.raises(CheckpointError, match=r"Is a named pipe.*make it readable"):
        HistoryFile(tmp_path, keep=1)


def test_parents_are_read_as_they_were_written(tmp_path: Path):
    chosen = replace(RECORD, parents=[3, 0, 5], parent_scores=[1.5, 1, -0.25])
    none = replace(RECORD, generation=2, parents=[], parent_scores=[])
    (tmp_path / HISTORY_FILE).write_text(history_text([chosen, none]))
    assert read_history(tmp_path) == [chosen, none]


def test_lines_of_a_version_without_attempts_are_read(tmp_path: Path):
    lines = [asdict(record) for record in records(3)]
    for line in lines:
        for name in ("attempt", "parents", "parent_scores"):
            assert line.pop(name) is None
    (tmp_path / HISTORY_FILE).write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert read_history(tmp_path) == records(3)
