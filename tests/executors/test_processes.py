from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from evoloss.errors import EvolossError
from evoloss.executors import make_executor
from evoloss.executors.processes import ProcessExecutor, count_cores
from tests.executors.calls import count_threads, die, fail_stubbornly, nap, square, touch_and_nap


def wait_for(condition, seconds: float = 60.0) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_torch_threads_are_the_share_of_the_cores() -> None:
    with ProcessExecutor(count_cores()) as executor:
        assert executor.threads == 1
    with ProcessExecutor(1, threads=3) as executor:
        assert executor.submit(count_threads).result(60) == 3


def test_an_exception_that_cannot_travel_is_told() -> None:
    with ProcessExecutor(1) as executor:
        error = executor.submit(fail_stubbornly).exception(60)
    assert type(error) is EvolossError
    assert str(error) == "Stubborn: 1 and 2"


def test_a_call_that_cannot_travel_is_refused() -> None:
    with ProcessExecutor(1) as executor, pytest.raises(EvolossError, match="at the top of a module"):
        executor.submit(lambda: 1)


def test_the_exit_code_is_told() -> None:
    with ProcessExecutor(1) as executor, pytest.raises(EvolossError, match="exit code 7"):
        executor.submit(die).result(60)


def test_leaving_waits_for_what_was_submitted() -> None:
    with ProcessExecutor(1) as executor:
        futures = [executor.submit(square, number) for number in range(2)]
    assert [future.result(0) for future in futures] == [0, 1]
    with pytest.raises(EvolossError, match="was shut down"):
        executor.submit(square, 1)


def test_leaving_with_an_exception_ends_what_runs(tmp_path: Path) -> None:
    began, futures = time.monotonic(), []

    def interrupted() -> None:
        with ProcessExecutor(1) as executor:
            futures.append(executor.submit(touch_and_nap, tmp_path / "mark", 600.0))
            futures.append(executor.submit(nap, 600.0))
            assert wait_for((tmp_path / "mark").exists)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert time.monotonic() - began < 120
    assert isinstance(futures[0].exception(0), EvolossError)
    assert futures[1].cancelled()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are looked up in /proc")
def test_a_killed_parent_leaves_no_worker_behind() -> None:
    code = (
        "from evoloss.executors import make_executor\n"
        "from tests.executors.calls import nap\n"
        "if __name__ == '__main__':\n"
        "    with make_executor('processes', workers=1) as executor:\n"
        "        print(executor.submit(nap, 0.0).result(), flush=True)\n"
        "        executor.submit(nap, 0.5)\n"
        "        __import__('time').sleep(600)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment
    ) as parent:
        assert parent.stdout is not None
        worker = int(parent.stdout.readline())
        assert is_running(worker)
        parent.send_signal(signal.SIGKILL)
    assert wait_for(lambda: not is_running(worker))


def test_by_name() -> None:
    with make_executor("processes", workers=1) as executor:
        assert executor.workers == 1
        assert executor.submit(square, 5).result(60) == 25
