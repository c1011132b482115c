from __future__ import annotations

import fcntl
import os
import stat
from pathlib import Path

import pytest

from evoloss import atomic_files
from evoloss.atomic_files import remove_orphans, write_bytes, write_text
from tests.processes import killed, start


def test_content_arrives_and_parents_are_made(tmp_path: Path):
    path = tmp_path / "a" / "b" / "file.txt"
    write_text(path, "Grüße\n")
    assert path.read_bytes() == "Grüße\n".encode()
    write_bytes(path, b"")
    assert path.read_bytes() == b""
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("step", ["fsync", "replace"])
@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_a_failure_at_any_step_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, error: type[BaseException]
):
    path = tmp_path / "file"
    write_bytes(path, b"old")

    def fail(*args: object) -> None:
        raise error("stop")

    monkeypatch.setattr(atomic_files.os, step, fail)
    with pytest.raises(error):
        write_bytes(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_whole_content_is_on_the_disk_before_the_name_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    seen: list[bytes] = []
    replace = os.replace

    def spy(source: str, target: Path) -> None:
        seen.append(Path(source).read_bytes())
        assert Path(source).parent == target.parent
        replace(source, target)

    monkeypatch.setattr(atomic_files.os, "replace", spy)
    write_bytes(tmp_path / "file", b"x" * 100_000)
    assert seen == [b"x" * 100_000]


def test_a_folder_of_that_name_is_an_error_and_nothing_is_left(tmp_path: Path):
    (tmp_path / "file" / "inside").mkdir(parents=True)
    with pytest.raises(OSError, match="file"):
        write_bytes(tmp_path / "file", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_permissions_follow_the_umask(tmp_path: Path):
    before = os.umask(0o027)
    try:
        write_bytes(tmp_path / "file", b"new")
    finally:
        assert os.umask(before) == 0o027
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o640


def test_the_umask_is_never_touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Files that other threads make meanwhile would be open to everybody."""

    def umask(mask: int) -> int:
        raise AssertionError("the umask belongs to the whole process")

    monkeypatch.setattr(os, "umask", umask)
    write_bytes(tmp_path / "file", b"new")
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) & 0o600 == 0o600


WRITE = (
    "import os, sys, time\n"
    "from pathlib import Path\n"
    "from evoloss import atomic_files\n"
    "def fsync(handle):\n"
    "    print('half', flush=True)\n"
    "    time.sleep(600)\n"
    "atomic_files.os.fsync = fsync\n"
    "atomic_files.write_bytes(Path(sys.argv[1]), b'new')\n"
)


def test_orphans_are_removed_and_nothing_else(tmp_path: Path):
    others = [
        tmp_path / ".file.0123456789abcdef.tmp",
        tmp_path / "file.0123456789abcdef.evoloss-tmp",
        tmp_path / ".file.0123456789abcde.evoloss-tmp",
    ]
    for path in others:
        path.touch()
    (tmp_path / ".folder.0123456789abcdef.evoloss-tmp").mkdir()
    (tmp_path / ".link.0123456789abcdef.evoloss-tmp").symlink_to(others[0])
    before = set(tmp_path.iterdir())
    with start(["-c", WRITE, tmp_path / "file"]) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "half\n"
        (half,) = set(tmp_path.iterdir()) - before
        remove_orphans(tmp_path)
        assert half.exists(), "its writer lives"
        killed(writer)
    remove_orphans(tmp_path)
    assert set(tmp_path.iterdir()) == before
    remove_orphans(tmp_path / "missing")


def test_the_first_file_in_a_folder_removes_the_orphans_there(tmp_path: Path):
    orphan = tmp_path / ".other.0123456789abcdef.evoloss-tmp"
    orphan.touch()
    write_bytes(tmp_path / "file", b"new")
    assert not orphan.exists()


def test_a_file_that_is_taken_for_an_orphan_is_written_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Another process tidies up between the making of the temporary file and its locking."""
    flock, moments = fcntl.flock, iter(range(2))

    def late(handle: int, kind: int) -> None:
        if next(moments, None) is not None:
            monkeypatch.setattr(fcntl, "flock", flock)
            remove_orphans(tmp_path)
            monkeypatch.setattr(fcntl, "flock", late)
        flock(handle, kind)

    monkeypatch.setattr(fcntl, "flock", late)
    write_bytes(tmp_path / "file", b"new")
    assert next(moments, None) is None
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("file", b"new")]


def test_without_locks_nothing_is_an_orphan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    orphan = tmp_path / ".file.0123456789abcdef.evoloss-tmp"
    orphan.touch()
    monkeypatch.setattr(atomic_files, "CAN_LOCK", False)
    write_bytes(tmp_path / "file", b"new")
    remove_orphans(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([orphan.name, "file"])
