from __future__ import annotations

import errno
import fcntl
import os
import sys
from pathlib import Path

import pytest

from evoloss.file_lock import FileLock, NoLocksError
from tests.processes import killed, start

HOLD = (
    "import sys, time\n"
    "from pathlib import Path\n"
    "from evoloss.file_lock import FileLock\n"
    "lock = FileLock(Path(sys.argv[1]))\n"
    "print(lock.take(), flush=True)\n"
    "time.sleep(600)\n"
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / ".lock"


def test_one_at_a_time_and_the_file_goes_with_the_lock(path: Path):
    one, other = FileLock(path), FileLock(path)
    assert one.take()
    assert not other.take()
    assert not other.take(shared=True)
    one.release()
    assert not path.exists()
    assert other.take()
    other.release()
    other.release()
    assert not path.exists()


def test_shared_by_many_and_removed_by_the_last(path: Path):
    locks = [FileLock(path) for _ in range(3)]
    assert all(lock.take(shared=True) for lock in locks)
    alone = FileLock(path)
    for lock in locks:
        assert path.exists()
        assert not alone.take()
        lock.release()
    assert not path.exists()
    assert alone.take()
    alone.release()


def test_an_exclusive_lock_becomes_a_shared_one(path: Path):
    one, other = FileLock(path), FileLock(path)
    assert one.take()
    one.write("first", anew=True)
    assert one.share()
    assert other.take(shared=True)
    other.write("second")
    assert path.read_text() == "first\nsecond\n"
    one.release()
    other.release()


def test_a_file_that_was_removed_before_it_was_locked_is_not_the_lock(
    path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The last holder removes the file between the two steps of another one."""
    flock, others = fcntl.flock, iter([path])

    def late(handle: int, kind: int) -> None:
        for process in others:
            process.unlink()
        flock(handle, kind)

    monkeypatch.setattr(fcntl, "flock", late)
    one, other = FileLock(path), FileLock(path)
    assert one.take()
    assert path.exists()
    assert not other.take()
    one.release()


def test_a_holder_that_was_killed_keeps_nobody_out(path: Path):
    with start(["-c", HOLD, path]) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "True\n"
        lock = FileLock(path)
        assert not lock.take()
        killed(holder)
    assert path.exists(), "and leaves the file"
    assert lock.take()
    lock.release()
    assert not path.exists()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # threads of torch are not used in the child
def test_a_forked_child_does_not_hold_the_lock(path: Path):
    lock, other = FileLock(path), FileLock(path)
    assert lock.take()
    ready, done = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:  # pragma: no cover - another process
        lock.release()  # as a `with` block that the child leaves would do
        os.write(ready[1], b"x")
        os.read(done[0], 1)
        os._exit(0)
    os.read(ready[0], 1)
    assert path.exists(), "the child leaves it alone"
    assert not other.take()
    lock.release()
    assert other.take(), "though the child lives"
    other.release()
    os.write(done[1], b"x")
    os.waitpid(child, 0)
    for handle in (*ready, *done):
        os.close(handle)


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_file_system_without_locks(path: Path, monkeypatch: pytest.MonkeyPatch, number: int):
    def flock(handle: int, kind: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(NoLocksError):
        FileLock(path).take()
    assert not path.exists()


def test_any_other_fault_is_told(path: Path, monkeypatch: pytest.MonkeyPatch):
    def flock(handle: int, kind: int) -> None:
        raise OSError(errno.EIO, "broken disk")

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(OSError, match="broken disk") as caught:
        FileLock(path).take()
    assert not isinstance(caught.value, NoLocksError)


def test_an_operating_system_without_locks(path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys.modules[FileLock.__module__], "CAN_LOCK", False)
    with pytest.raises(NoLocksError):
        FileLock(path).take()
