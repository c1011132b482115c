from __future__ import annotations

import errno
import json
import os
import random
import threading
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from evoloss.errors import ConfigError, EvolossError, ResultsError
from evoloss.executors import make_executor
from evoloss.sweeps.run_files import Run, read_run, run_path
from evoloss.sweeps.sweep import sweep
from tests.sampling import sampled
from tests.sweeps.sweep_runs import make_runs, square

EXPECTED = [{"square": number**2, "history": [1.5, None]} for number in range(8)]


class Content:
    """Text of a run's file, with what is wrong in the place of what is right."""

    def format(self, **changes: Any) -> str:
        right = {"schema": 1, "kind": "square", "number": 0, "result": '{"square": 0}', "more": ""} | changes
        text = '{{{more}"schema": {schema}, "kind": "{kind}", "config": {{"number": {number}}}, '
        return (text + '"result": {result}}}').format(**right)


CONTENT = Content()


class Counter:
    """Squares, counts, and is interrupted after a number of runs."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.calls: list[int] = []
        self.stop_after = stop_after

    def __call__(self, config: dict[str, Any]) -> dict[str, Any]:
        if len(self.calls) == self.stop_after:
            raise KeyboardInterrupt
        self.calls.append(config["number"])
        return square(config)


def files(folder: Path) -> list[Path]:
    return sorted((folder / "runs").iterdir())


def test_the_key_is_a_function_of_the_whole_configuration() -> None:
    run = Run("compare", {"b": [1, 2.5], "a": {"y": None, "x": "é"}})
    assert run.key == "76b618ff93af4e0b9fb8", "files of earlier sweeps are found by it"
    assert Run("compare", {"a": {"x": "é", "y": None}, "b": (1, 2.5)}).key == run.key
    others = [Run("ablate", run.config), Run("compare", {**run.config, "b": [1, 2.6]}), Run("compare", {})]
    assert len({run.key, *(other.key for other in others)}) == 4


@pytest.mark.parametrize("value", [float("nan"), float("inf"), Path(), {1, 2}])
def test_a_configuration_that_is_not_json_is_refused(value: object) -> None:
    with pytest.raises(ConfigError, match="must be finite JSON values"):
        Run("compare", {"value": value})


def test_results_in_the_order_of_the_runs_and_a_file_each(tmp_path: Path) -> None:
    runs = make_runs(8)
    seen: list[tuple[str, dict[str, Any]]] = []
    assert (
        sweep(runs, square, folder=tmp_path, on_done=lambda run, got: seen.append((run.key, got))) == EXPECTED
    )
    assert seen == [(run.key, result) for run, result in zip(runs, EXPECTED, strict=True)]
    assert [path.name for path in files(tmp_path)] == sorted(f"{run.key}.json" for run in runs)
    content = json.loads((tmp_path / "runs" / f"{runs[3].key}.json").read_text())
    assert len(content.pop("sha256")) == 64
    assert content == {"schema": 1, "kind": "square", "config": {"number": 3}, "result": EXPECTED[3]}


def test_without_a_folder_results_are_the_same() -> None:
    assert sweep(make_runs(8), square) == EXPECTED


def test_no_runs() -> None:
    assert sweep([], square) == []


def test_equal_runs_are_done_once() -> None:
    counter, seen = Counter(), []
    runs = [Run("square", {"number": number}) for number in (2, 1, 2, 2)]
    results = sweep(runs, counter, on_done=lambda run, _: seen.append(run.config["number"]))
    assert [result["square"] for result in results] == [4, 1, 4, 4]
    assert counter.calls == seen == [2, 1]


def test_goes_on_where_it_was_interrupted(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        sweep(make_runs(8), Counter(stop_after=3), folder=tmp_path)
    assert len(files(tmp_path)) == 3
    rest, seen = Counter(), []
    assert sweep(make_runs(8), rest, folder=tmp_path, on_done=lambda run, _: seen.append(run.key)) == EXPECTED
    assert rest.calls == [3, 4, 5, 6, 7]
    assert len(seen) == 8, "runs that were found are told too"


class LazyExecutor:
    """Starts nothing; shows what was submitted."""

    workers = 2

    def __init__(self) -> None:
        self.futures: list[Future[Any]] = []

    def submit(self, function: object, /, *args: object) -> Future[Any]:
        self.futures.append(Future())
        return self.futures[-1]

    def __enter__(self) -> LazyExecutor:
        return self

    def __exit__(self, *_: object) -> None:
        pass


def test_few_runs_are_under_way_and_an_interrupt_cancels_them(tmp_path: Path) -> None:
    executor = LazyExecutor()

    def interrupted(run: Run, result: object) -> None:
        raise KeyboardInterrupt

    threading.Timer(0.3, lambda: executor.futures[1].set_result({"square": 1})).start()
    with pytest.raises(KeyboardInterrupt):
        sweep(make_runs(8), square, folder=tmp_path, executor=executor, on_done=interrupted)
    assert len(executor.futures) <= 5
    assert all(future.cancelled() for future in executor.futures[2:])
    assert len(files(tmp_path)) == 1, "what is done stays, and no claim is left"


@pytest.mark.parametrize("workers", sampled([1, 2], 2))
def test_a_failed_run_stops_no_other(tmp_path: Path, workers: int) -> None:
    runs = make_runs(4, broken=1)
    with pytest.raises(EvolossError) as caught, make_executor("processes", workers=workers) as executor:
        sweep(runs, square, folder=tmp_path, executor=executor)
    message = str(caught.value)
    assert message.startswith("1 of 4 runs failed, the others are done. DataError: this one is broken")
    assert f"square {runs[1].key}" in message
    assert '{"broken":1,"number":1}' in message
    assert "\n" not in message
    assert len(files(tmp_path)) == 3


def test_many_failures_are_counted_and_all_are_tried() -> None:
    calls = []

    def fail(config: dict[str, Any]) -> dict[str, Any]:
        calls.append(config)
        raise RuntimeError("out of memory")

    with pytest.raises(
        EvolossError, match=r"8 of 8 runs failed\. RuntimeError: out of memory.* 3 more"
    ) as caught:
        sweep(make_runs(8), fail)
    assert isinstance(caught.value.__cause__, RuntimeError)
    assert len(calls) == 8


@pytest.mark.parametrize(
    ("result", "message"),
    [
        ({"loss": float("nan")}, "cannot be written as JSON"),
        ({"path": Path()}, "cannot be written as JSON"),
        (None, "a run returned NoneType; expected a dict"),
    ],
)
def test_a_result_that_is_not_json_is_a_failure(tmp_path: Path, result: Any, message: str) -> None:
    with pytest.raises(EvolossError, match=message):
        sweep(make_runs(1), lambda _: result, folder=tmp_path)
    assert files(tmp_path) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is damaged .*; move it away, and the run is done again"),
        ('{"schema": 1', "is damaged .*; move it away"),
        ('{"schema": 1, "kind": "square", "config": {"number": NaN}}', "NaN is not a JSON number"),
        ('{"schema": 1, "kind": "square", "config": {"number": 1e999}}', "beyond the range of numbers"),
        ('{"schema": 1, "kind": "square", "config": {"number": "\\ud800"}}', "surrogates not allowed"),
        ("[" * 100_000, "nested too deep"),
        ("[]", "has no entry 'schema'"),
        ('{"schema": 1, "kind": "square", "config": {"number": 0}}', "has no entry 'result'"),
        (CONTENT.format(schema=2), "has the schema 2; expected 1.*choose another folder"),
        (CONTENT.format(kind="cube"), 'has the kind "cube"; expected "square"'),
        (CONTENT.format(number=9), "has the config .*9.*; expected .*0.*choose another folder"),
        (CONTENT.format(result="[]"), "holds no result; move it away"),
        (CONTENT.format(more='"sha257": "0", '), "has the entry 'sha257'"),
        (CONTENT.format(more='"sha256": "0", '), "its checksum is wrong; move it away"),
        (CONTENT.format(more='"sha256": null, '), "its checksum is wrong"),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, text: str, message: str) -> None:
    runs = make_runs(2)
    path = tmp_path / "runs" / f"{runs[0].key}.json"
    path.parent.mkdir()
    path.write_text(text)
    with pytest.raises(ResultsError, match=message) as caught:
        sweep(runs, square, folder=tmp_path)
    assert str(path) in str(caught.value)
    assert path.read_text() == text


def test_a_file_without_a_checksum_is_read(tmp_path: Path) -> None:
    """As versions before 0.4 wrote it."""
    run = make_runs(1)[0]
    run_path(tmp_path, run).parent.mkdir()
    run_path(tmp_path, run).write_text(CONTENT.format(result='{"square": 77}'))
    assert sweep([run], square, folder=tmp_path) == [{"square": 77}]


def test_every_changed_character_is_found_or_harmless(tmp_path: Path) -> None:
    run = make_runs(1)[0]
    sweep([run], square, folder=tmp_path)
    path, noise = run_path(tmp_path, run), random.Random(0)
    content = path.read_bytes()
    for position in range(len(content)):
        damaged = bytearray(content)
        damaged[position] ^= 1 << noise.randrange(8)
        path.write_bytes(damaged)
        try:
            found = read_run(path, run)
        except ResultsError as error:
            message = str(error)
        else:
            assert found == EXPECTED[0], f"byte {position} is {damaged[position]}"
            continue
        assert str(path) in message


def test_a_file_that_cannot_be_read_is_not_called_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_runs(1)[0]
    path = run_path(tmp_path, run)
    path.parent.mkdir()
    os.mkfifo(path)
    with pytest.raises(ResultsError, match="Is a named pipe, not a regular file"):
        sweep([run], square, folder=tmp_path)
    path.unlink()
    sweep([run], square, folder=tmp_path)

    def refuse(*_: object) -> int:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(ResultsError, match=r"Permission denied\); make it readable, or choose") as caught:
        read_run(path, run)
    assert "damaged" not in str(caught.value)
    assert "move it" not in str(caught.value)


@pytest.mark.parametrize("name", ["serial", "processes"])
def test_executors_agree(tmp_path: Path, name: Any) -> None:
    with make_executor(name, workers=None if name == "serial" else 2) as executor:
        assert sweep(make_runs(8), square, folder=tmp_path, executor=executor) == EXPECTED


def test_what_is_no_json_is_taken_out_before_the_file_of_a_run_is_written(tmp_path: Path) -> None:
    taken: list[tuple[int, bool]] = []

    def more(config: dict[str, Any]) -> dict[str, Any]:
        return {**square(config), "bytes": b"\xff"}

    def unpack(run: Run, result: dict[str, Any]) -> dict[str, Any]:
        assert result.pop("bytes") == b"\xff"
        taken.append((run.config["number"], run_path(tmp_path, run).exists()))
        return result

    assert sweep(make_runs(2), more, folder=tmp_path, unpack=unpack) == EXPECTED[:2]
    assert taken == [(0, False), (1, False)]
    assert sweep(make_runs(2), more, folder=tmp_path, unpack=unpack) == EXPECTED[:2]
    assert len(taken) == 2, "what is found was unpacked before"
    with pytest.raises(EvolossError, match="cannot be written as JSON"):
        sweep(make_runs(1), more, folder=tmp_path / "without")
