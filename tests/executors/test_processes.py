from __future__ import annotations

import multiprocessing
import os
import select
import signal
import time
from collections.abc import Iterator
from multiprocessing.context import SpawnProcess
from pathlib import Path

import pytest

from evoloss.errors import EvolossError, ExecutorError
from evoloss.executors import Executor, make_executor
from evoloss.executors.processes import ProcessExecutor, count_cores
from tests.executors.calls import count_threads, fail_stubbornly, nap, square, touch_and_nap
from tests.processes import LIMIT_SECONDS, children, is_running, killed, run, start, wait_for


@pytest.fixture(scope="module")
def shared() -> Iterator[Executor]:
    """One worker for tests that leave it as it is; to start one takes more than a second."""
    with make_executor("processes", workers=1, threads=3) as executor:
        yield executor


def test_by_name(shared: Executor) -> None:
    assert isinstance(shared, ProcessExecutor)
    assert shared.workers == 1
    assert shared.submit(square, 5).result(60) == 25


def test_torch_threads_are_the_share_of_the_cores(shared: Executor) -> None:
    with ProcessExecutor(count_cores()) as executor:
        assert executor.threads == 1
    assert shared.submit(count_threads).result(60) == 3


def test_an_exception_that_cannot_travel_is_told(shared: Executor) -> None:
    error = shared.submit(fail_stubbornly).exception(60)
    assert type(error) is EvolossError
    assert str(error) == "Stubborn: 1 and 2"


def test_a_call_that_cannot_travel_is_refused(shared: Executor) -> None:
    with pytest.raises(EvolossError, match="at the top of a module"):
        shared.submit(lambda: 1)


def test_a_worker_is_told_that_it_may_start_no_worker(shared: Executor) -> None:
    error = shared.submit(make_executor, "processes").exception(LIMIT_SECONDS)
    assert isinstance(error, ExecutorError)
    assert "use the serial executor there" in str(error)


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


IN_PROC = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are looked up in /proc")


def test_no_more_workers_than_calls() -> None:
    others = set(multiprocessing.active_children())

    def started() -> set[int | None]:
        return {child.pid for child in set(multiprocessing.active_children()) - others}

    with ProcessExecutor(4, threads=1) as executor:
        assert started() == set()
        pids = {executor.submit(nap, 0.0).result(LIMIT_SECONDS) for _ in range(3)}
        assert len(pids) == 1
        assert started() == pids
        futures = [executor.submit(nap, 2.0) for _ in range(2)]
        assert len({future.result(LIMIT_SECONDS) for future in futures}) == 2
        assert len(started()) == 2
    assert started() == set()


@pytest.mark.slow
@IN_PROC
def test_a_killed_parent_leaves_no_worker_behind_even_in_the_middle_of_a_call(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from evoloss.executors import make_executor\n"
        "from tests.executors.calls import nap, touch_and_nap\n"
        "if __name__ == '__main__':\n"
        "    with make_executor('processes', workers=1) as executor:\n"
        "        print(executor.submit(nap, 0.0).result(), flush=True)\n"
        "        executor.submit(touch_and_nap, Path(sys.argv[1]), 600.0)\n"
        "        __import__('time').sleep(600)\n"
    )
    with start(["-c", code, tmp_path / "mark"]) as parent:
        assert parent.stdout is not None
        worker = int(parent.stdout.readline())
        assert wait_for((tmp_path / "mark").exists)
        assert is_running(worker)
        killed(parent)
    assert wait_for(lambda: not is_running(worker), 30)


@IN_PROC
def test_a_forked_child_of_a_killed_parent_keeps_no_worker_alive(tmp_path: Path) -> None:
    """The child has the pipes by which a worker learns of its parent's end."""
    code = (
        "import os, sys, time\n"
        "from pathlib import Path\n"
        "from evoloss.executors import make_executor\n"
        "from tests.executors.calls import nap, touch_and_nap\n"
        "if __name__ == '__main__':\n"
        "    with make_executor('processes', workers=1) as executor:\n"
        "        worker = executor.submit(nap, 0.0).result()\n"
        "        executor.submit(touch_and_nap, Path(sys.argv[1]), 600.0)\n"
        "        child = os.fork()\n"
        "        if child == 0:\n"
        "            os.close(1)\n"
        "            os.close(2)\n"
        "            time.sleep(600)\n"
        "        print(worker, child, flush=True)\n"
        "        time.sleep(600)\n"
    )
    with start(["-W", "ignore", "-c", code, tmp_path / "mark"]) as parent:
        assert parent.stdout is not None
        worker, child = map(int, parent.stdout.readline().split())
        assert wait_for((tmp_path / "mark").exists)
        killed(parent)
    try:
        assert wait_for(lambda: not is_running(worker), 30)
        assert is_running(child)
    finally:
        os.kill(child, signal.SIGKILL)


UNGUARDED = (
    "from evoloss.executors import make_executor\n"
    "from tests.executors.calls import square\n"
    "with make_executor('processes', workers=2) as executor:\n"
    "    print(executor.submit(square, 3).result())\n"
)


def test_a_script_without_a_guard_is_told_so(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(UNGUARDED)
    code, printed = run([script])
    assert code == 1
    last = printed.splitlines()[-1]
    assert "ExecutorError: a worker process ended with exit code 1 before its first call" in last
    assert "under `if __name__ == '__main__':`" in last
    assert "ExecutorError: this is a worker that imports the main script" in printed, "the worker's own words"


@pytest.mark.slow
def test_a_sweep_of_a_script_without_a_guard_ends_too(tmp_path: Path) -> None:
    """More runs than workers, and none of them can be started."""
    script = tmp_path / "script.py"
    script.write_text(
        "from evoloss.executors import make_executor\n"
        "from evoloss.sweeps.sweep import sweep\n"
        "from tests.sweeps.sweep_runs import make_runs, square\n"
        "with make_executor('processes', workers=2) as executor:\n"
        "    print(sweep(make_runs(9), square, executor=executor))\n"
    )
    code, printed = run([script])
    assert code == 1
    assert "ExecutorError: a worker process ended" in printed.splitlines()[-1]
    assert printed.count("this is a worker that imports the main script") <= 4, "it is not tried for each run"


def test_a_main_script_that_ends_its_workers_is_told_so(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "if __name__ != '__main__':\n    raise SystemExit(3)\n"
        + UNGUARDED.replace("print(", "print(executor.submit(square, 2).exception(), ")
    )
    code, printed = run([script])
    assert code == 1
    assert printed.count("ended with exit code 3 before its first call") == 1
    assert printed.count("ExecutorError: ") == 1


DAEMONIC = (
    "import multiprocessing\n"
    "def work():\n"
    "    from evoloss.executors import make_executor\n"
    "    from tests.executors.calls import square\n"
    "    with make_executor('processes', workers=1) as executor:\n"
    "        print(executor.submit(square, 3).result())\n"
    "if __name__ == '__main__':\n"
    "    process = multiprocessing.get_context('spawn').Process(target=work, daemon=True)\n"
    "    process.start()\n"
    "    process.join()\n"
    "    print(process.exitcode)\n"
)


def test_a_daemonic_process_is_told_that_it_may_start_none(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(DAEMONIC)
    code, printed = run([script])
    assert code == 0
    assert printed.endswith("\n1\n")
    assert "ExecutorError: the processes executor cannot be used in a daemonic process" in printed


def test_a_system_that_starts_no_more_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(self: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(SpawnProcess, "start", start)
    with ProcessExecutor(1) as executor:
        with pytest.raises(ExecutorError, match=r"can be started .*temporarily unavailable"):
            executor.submit(square, 1).result(LIMIT_SECONDS)
        with pytest.raises(ExecutorError, match="no worker process can be started"):
            executor.submit(square, 1)


@pytest.mark.slow
@IN_PROC
def test_ctrl_c_while_workers_start_is_the_parent_s_alone(tmp_path: Path) -> None:
    """It reaches the whole group; a worker that is importing says nothing of it."""
    code = (
        "import os, sys, time\n"
        "from pathlib import Path\n"
        "from evoloss.executors import make_executor\n"
        "from tests.executors.calls import nap\n"
        "if __name__ == '__main__':\n"
        "    os.setpgid(0, 0)\n"
        "    with make_executor('processes', workers=1) as executor:\n"
        "        future = executor.submit(nap, 0.0)\n"
        "        print('begun', flush=True)\n"
        "        while True:\n"
        "            try:\n"
        "                print(future.result() > 0, flush=True)\n"
        "                break\n"
        "            except KeyboardInterrupt:\n"
        "                pass\n"
    )
    with start(["-c", code]) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "begun\n"
        assert wait_for(lambda: children(parent.pid))
        while parent.poll() is None:
            os.killpg(parent.pid, signal.SIGINT)
            time.sleep(0.3)
            if select.select([parent.stdout], [], [], 0)[0]:
                break
        printed = parent.stdout.read()
    assert printed == "True\n"
    assert parent.returncode == 0
