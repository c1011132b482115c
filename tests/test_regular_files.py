from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from evoloss.regular_files import open_regular, read_regular, read_regular_text


def test_a_file_is_read_up_to_its_limit(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"12345")
    (tmp_path / "link").symlink_to(path)
    assert read_regular(path, 5) == read_regular(tmp_path / "link", 5) == b"12345"
    with pytest.raises(OSError, match="Is larger than 4 bytes") as caught:
        read_regular(path, 4)
    assert caught.value.filename == str(path)
    with open_regular(path) as file:
        assert file.read(3) == b"123"


def test_whatever_is_no_regular_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        for path, message in (
            (tmp_path / "pipe", "Is a named pipe"),
            (tmp_path / "link", "Is a named pipe"),
            (tmp_path / "socket", "Is a socket"),
            (Path("/dev/zero"), "Is a device"),
            (tmp_path, "Is a directory"),
            (tmp_path / "none", "No such file"),
            (tmp_path / "a\0b", "No path .*null"),
            (tmp_path / ("x" * 5000), "File name too long"),
        ):
            with pytest.raises(OSError, match=message) as caught:
                open_regular(path)
            assert caught.value.strerror
            assert caught.value.filename == str(path)


def test_no_handle_is_left_open(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        with pytest.raises(OSError, match="pipe"):
            open_regular(tmp_path / "pipe")
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_text_is_utf8_with_or_without_a_byte_order_mark(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "text").write_text("é = 1", encoding=encoding)
    assert read_regular_text(tmp_path / "text", 99) == "é = 1"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "latin-1"])
def test_text_in_another_encoding_is_refused(tmp_path: Path, encoding: str) -> None:
    content = "é = 1".encode(encoding)
    (tmp_path / "text").write_bytes(b"\xfe\xff" + content if encoding == "utf-16-be" else content)
    with pytest.raises(UnicodeError, match="UTF-16; save it as UTF-8" if "16" in encoding else "utf-8"):
        read_regular_text(tmp_path / "text", 99)
