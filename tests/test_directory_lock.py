from __future__ import annotations

import errno
import fcntl
import json
import os
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from evoloss import directory_lock
from evoloss.directory_lock import LOCK_FILE, hold_directory
from evoloss.errors import InUseError
from evoloss.file_lock import FileLock
from tests.processes import killed, start

HOLD = (
    "import json, sys, time\n"
    "from pathlib import Path\n"
    "from evoloss.directory_lock import hold_directory\n"
    "with hold_directory(Path(sys.argv[1]), 'compare', shared_by=json.loads(sys.argv[2])):\n"
    "    print('in', flush=True)\n"
    "    sys.stdin.read() if len(sys.argv) > 3 else time.sleep(600)\n"
)


def holder(directory: Path, shared_by: object = None):
    process = start(["-c", HOLD, directory, json.dumps(shared_by)])
    assert process.stdout is not None
    assert process.stdout.readline() == "in\n"
    return process


def refused(directory: Path, shared_by: object = None) -> str:
    with pytest.raises(InUseError) as caught, hold_directory(directory, "compare", shared_by=shared_by):
        pass
    return str(caught.value)


def test_one_task_at_a_time(tmp_path: Path):
    with hold_directory(tmp_path, "pretrain"):
        message = refused(tmp_path)
        assert refused(tmp_path, shared_by={"any": 1}) == message
    assert message == (
        f"{tmp_path} is in use by process {os.getpid()} (pretrain); wait until it ends, stop it, or choose "
        "another directory"
    )
    assert list(tmp_path.iterdir()) == []
    with hold_directory(tmp_path, "compare"):
        pass


def test_the_process_is_named_until_it_is_killed(tmp_path: Path):
    with holder(tmp_path) as process:
        assert f"process {process.pid} (compare)" in refused(tmp_path)
        assert (tmp_path / LOCK_FILE).exists()
        killed(process)
    with hold_directory(tmp_path, "pretrain"):
        assert str(process.pid) not in (tmp_path / LOCK_FILE).read_text()
    assert list(tmp_path.iterdir()) == []


def test_equal_tasks_share_and_others_are_told_who_is_left(tmp_path: Path):
    with holder(tmp_path, [1]) as first, holder(tmp_path, [1]) as second:
        with hold_directory(tmp_path, "compare", shared_by=[1]):
            message = refused(tmp_path, shared_by=[2])
            for pid in (first.pid, second.pid, os.getpid()):
                assert f"process {pid} (compare, with other settings)" in message
        killed(first)
        message = refused(tmp_path, shared_by=[2])
        assert f"process {second.pid} " in message
        assert f"process {first.pid} " not in message
        assert "process" in refused(tmp_path), "and nobody gets it alone"
        killed(second)
    with hold_directory(tmp_path, "compare", shared_by=[2]):
        assert first.pid
    assert list(tmp_path.iterdir()) == []


def test_many_at_one_moment(tmp_path: Path):
    """Of equal and different tasks that come and go, only equal ones are ever in together."""
    inside: list[int] = []
    together, refusals, faults, lock = set[frozenset[int]](), [], [], threading.Lock()

    def come_and_go(kind: int) -> None:
        entered, end = 0, time.monotonic() + 60
        while entered < 10 and time.monotonic() < end:
            try:
                with hold_directory(tmp_path / "out", "compare", shared_by=kind):
                    with lock:
                        inside.append(kind)
                        together.add(frozenset(inside))
                    time.sleep(0.001)
                    entered += 1
                    with lock:
                        inside.remove(kind)
                time.sleep(0.01 if kind == 1 else 0)  # out long enough for the others to come in
            except InUseError as error:
                refusals.append(error)
            except BaseException as error:
                faults.append(error)

    threads = [threading.Thread(target=come_and_go, args=(kind,)) for kind in (1, 1, 1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert together == {frozenset({1}), frozenset({2})}
    assert not (tmp_path / "out" / LOCK_FILE).exists()


@pytest.mark.parametrize("shared", [False, True])
def test_a_directory_that_its_last_holder_removes_while_another_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shared: bool
):
    take, holder = FileLock.take, ExitStack()
    holder.enter_context(hold_directory(tmp_path / "a" / "out", "compare", shared_by=1))

    def take_after_all_have_left(self: FileLock, **settings: bool) -> bool:
        if settings["shared"] == shared and (tmp_path / "a").exists():
            monkeypatch.setattr(FileLock, "take", take)
            holder.close()
            assert not (tmp_path / "a").exists()
        return take(self, **settings)

    monkeypatch.setattr(FileLock, "take", take_after_all_have_left)
    with hold_directory(tmp_path / "a" / "out", "compare", shared_by=1):
        assert (tmp_path / "a" / "out" / LOCK_FILE).exists()
    assert not (tmp_path / "a" / "out" / LOCK_FILE).exists()


def test_a_directory_that_others_make_and_remove_while_it_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    mkdir, others = os.mkdir, [FileExistsError(), FileNotFoundError(), FileExistsError()]

    def mkdir_beside_others(path: Path, *settings: int) -> None:
        if others:
            raise others.pop()
        mkdir(path, *settings)

    monkeypatch.setattr(os, "mkdir", mkdir_beside_others)
    with hold_directory(tmp_path / "out", "compare"):
        assert others == []


def test_a_file_where_the_directory_should_be(tmp_path: Path):
    (tmp_path / "out").touch()
    with pytest.raises(FileExistsError), hold_directory(tmp_path / "out", "compare"):
        pass
    assert (tmp_path / "out").is_file()


def test_a_holder_on_another_machine_is_named_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with hold_directory(tmp_path, "pretrain"):
        monkeypatch.setattr(directory_lock.platform, "node", lambda: "elsewhere")
        assert f"process {os.getpid()} on " in refused(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"pid": 1}'])
def test_a_lock_file_that_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str):
    monkeypatch.setattr(directory_lock, "_PATIENCE_SECONDS", 0.1)
    with hold_directory(tmp_path, "pretrain"):
        (tmp_path / LOCK_FILE).write_text(text)
        assert f"{tmp_path} is in use by another process;" in refused(tmp_path)


def test_directories_are_made_and_removed_if_they_stay_empty(tmp_path: Path):
    with hold_directory(tmp_path / "a" / "b", "pretrain"):
        assert (tmp_path / "a" / "b").is_dir()
    assert list(tmp_path.iterdir()) == []
    with hold_directory(tmp_path / "a" / "b", "pretrain"):
        (tmp_path / "a" / "file").touch()
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["file"]
    (tmp_path / "mine").mkdir()
    with hold_directory(tmp_path / "mine", "pretrain"):
        pass
    assert (tmp_path / "mine").is_dir()


def test_what_a_killed_writer_left_is_removed(tmp_path: Path):
    orphan = tmp_path / ".loss.safetensors.0123456789abcdef.evoloss-tmp"
    orphan.touch()
    with hold_directory(tmp_path, "pretrain"):
        assert not orphan.exists()


def test_without_locks_a_warning_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def flock(handle: int, kind: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.warns(RuntimeWarning, match="cannot be locked .*no other process writes there"):  # noqa: SIM117
        with hold_directory(tmp_path, "pretrain"):
            (tmp_path / "file").touch()
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
