from __future__ import annotations

from pathlib import Path

import pytest

from evoloss.errors import ConfigError
from evoloss.user_paths import expand_user


def test_a_home_directory_is_put_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert expand_user("~/data") == tmp_path / "data"
    assert expand_user(Path("~")) == tmp_path
    assert expand_user("a/~b") == Path("a/~b")


def test_a_user_that_is_not_there_is_an_error_of_ours() -> None:
    with pytest.raises(ConfigError, match=r"directory of '~nouser-here/x' is not known; .* \./ in front"):
        expand_user("~nouser-here/x")
