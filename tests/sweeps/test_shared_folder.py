"""Sweeps that share a folder, at the same time or after one was killed."""

from __future__ import annotations

import threading
from functools import partial
from pathlib import Path
from typing import Any

from evoloss.sweeps.run_locks import RunLocks
from evoloss.sweeps.sweep import sweep
from tests.processes import killed, start, wait_for
from tests.sweeps.sweep_runs import lines, logged, make_runs, square
from tests.sweeps.test_sweep import EXPECTED, Counter, files


def test_two_sweeps_share_a_folder_and_repeat_nothing(tmp_path: Path) -> None:
    """At the same time, on the same runs, in the same order."""
    log, results = tmp_path / "log", dict[str, list[dict[str, Any]]]()

    def work(name: str) -> None:
        results[name] = sweep(make_runs(8), partial(logged, log, 0.05), folder=tmp_path)

    threads = [threading.Thread(target=work, args=(name,)) for name in ("one", "other")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {"one": EXPECTED, "other": EXPECTED}
    assert sorted(lines(log, "begin")) == list(range(8))
    assert len(files(tmp_path)) == 8, "and no claim is left"


def test_another_sweep_s_result_is_waited_for(tmp_path: Path) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow(config: dict[str, Any]) -> dict[str, Any]:
        begun.set()
        go_on.wait(60)
        return square(config)

    other = threading.Thread(target=sweep, args=(make_runs(1), slow), kwargs={"folder": tmp_path})
    other.start()
    begun.wait(60)
    threading.Timer(0.3, go_on.set).start()
    mine = Counter()
    assert sweep(make_runs(3), mine, folder=tmp_path) == EXPECTED[:3]
    assert mine.calls == [1, 2]
    other.join()


def test_a_killed_sweep_goes_on_and_equals_the_serial_one(tmp_path: Path) -> None:
    folder, log = tmp_path / "sweep", tmp_path / "log"
    with start(["-m", "tests.sweeps.sweep_runs", folder, log]) as process:
        assert wait_for(lambda: len(lines(log, "begin")) >= 3)
        killed(process)
    finished = len(list((folder / "runs").glob("*.json")))
    assert 2 <= finished < 8
    assert sweep(make_runs(8), partial(logged, log, 0.0), folder=folder) == EXPECTED
    assert len(lines(log, "end")) == 8, "nothing is done twice but the run that was cut off"
    serial = tmp_path / "serial"
    sweep(make_runs(8), square, folder=serial)
    contents = [{path.name: path.read_bytes() for path in files(place)} for place in (folder, serial)]
    assert contents[0] == contents[1], "and no lock of the killed one is left"


def test_what_killed_sweeps_left_goes_and_what_others_use_stays(tmp_path: Path) -> None:
    """Also the locks of runs that are not of this sweep."""
    runs = tmp_path / "runs"
    runs.mkdir()
    mine = [runs / f".{'0' * 20}.lock", runs / f".{'1' * 20}.json.0123456789abcdef.evoloss-tmp"]
    other = [runs / ".lock", runs / f".{'0' * 19}.lock", runs / "notes.tmp"]
    for path in (*mine, *other):
        path.touch()
    claims = RunLocks(runs)
    assert claims.take("2" * 20)
    sweep(make_runs(1), square, folder=tmp_path)
    left = {*other, runs / f".{'2' * 20}.lock", runs / f"{make_runs(1)[0].key}.json"}
    assert set(runs.iterdir()) == left
    claims.release_all()
    assert set(runs.iterdir()) == left - {runs / f".{'2' * 20}.lock"}
