"""The real pooch, against a server on this machine."""

from __future__ import annotations

import functools
import hashlib
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from evoloss.data.download import fetch
from evoloss.errors import DataError, MissingExtraError

CONTENT = b"a data set"
MD5 = "md5:" + hashlib.md5(CONTENT).hexdigest()


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    (tmp_path / "served").mkdir()
    (tmp_path / "served" / "file.bin").write_bytes(CONTENT)
    handler = functools.partial(QuietHandler, directory=str(tmp_path / "served"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_address[1]}"
        running.shutdown()
        thread.join()


def test_goes_to_the_data_folder_else_to_the_cache(server: str, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    into_data = fetch(f"{server}/file.bin", MD5, tmp_path / "data", "mnist")
    assert into_data == tmp_path / "data" / "mnist" / "file.bin"
    into_cache = fetch(f"{server}/file.bin", MD5, None)
    assert into_cache == tmp_path / "cache" / "downloads" / "file.bin"
    assert into_data.read_bytes() == into_cache.read_bytes() == CONTENT


def test_wrong_checksum_is_refused_and_nothing_is_left(server: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"could not download .*file\.bin.*hash"):
        fetch(f"{server}/file.bin", "md5:" + "0" * 32, tmp_path)
    assert not (tmp_path / "file.bin").exists()


def test_missing_address_is_a_data_error(server: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"could not download .*absent\.bin"):
        fetch(f"{server}/absent.bin", MD5, tmp_path)


def test_no_folder_and_no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVOLOSS_CACHE_DIR", "off")
    with pytest.raises(DataError, match="no folder to download to"):
        fetch("http://127.0.0.1:9/file.bin", MD5, None)


def test_without_pooch_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(MissingExtraError, match=r"evoloss\[experiments\]"):
        fetch("http://127.0.0.1:9/file.bin", MD5, tmp_path)
