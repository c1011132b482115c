from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from evoloss import atomic_files
from evoloss.atomic_files import write_bytes, write_text


def test_content_arrives_and_parents_are_made(tmp_path: Path):
    path = tmp_path / "a" / "b" / "file.txt"
    write_text(path, "Grüße\n")
    assert path.read_bytes() == "Grüße\n".encode()
    write_bytes(path, b"")
    assert path.read_bytes() == b""
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("step", ["fsync", "chmod", "replace"])
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
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def test_permissions_follow_the_umask(tmp_path: Path):
    before = os.umask(0o027)
    try:
        write_bytes(tmp_path / "file", b"new")
    finally:
        assert os.umask(before) == 0o027
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o640
