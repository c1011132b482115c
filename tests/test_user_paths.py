from __future__ import annotations

import sys
from pathlib import Path

import pytest

from evoloss.errors import ConfigError
from evoloss.user_paths import expand_user, real_path


def test_a_home_directory_is_put_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert expand_user("~/data") == tmp_path / "data"
    assert expand_user(Path("~")) == tmp_path
    assert expand_user("a/~b") == Path("a/~b")


def test_a_user_that_is_not_there_is_an_error_of_ours() -> None:
    with pytest.raises(ConfigError, match=r"directory of '~nouser-here/x' is not known; .* \./ in front"):
        expand_user("~nouser-here/x")


def test_links_are_followed_and_a_loop_is_an_error_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("link").symlink_to("there")
    Path("loop").symlink_to("loop")
    assert real_path("link/x") == tmp_path.resolve() / "there" / "x"
    if sys.version_info < (3, 13):  # later ones leave a loop as it is
        with pytest.raises(ConfigError, match=r"'loop/x' is a symbolic link that leads back to itself"):
            real_path("loop/x")
