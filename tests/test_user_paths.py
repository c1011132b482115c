from __future__ import annotations

import sys
from pathlib import Path

import pytest

from evoloss.errors import ConfigError, UnknownNameError
from evoloss.user_paths import expand_user, find_callable, real_path


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


def test_of_many_names_the_nearest_are_listed() -> None:
    with pytest.raises(UnknownNameError) as refused:
        find_callable("loss", "torch.nn:CrosEntropyLos")
    said = str(refused.value)
    assert "Did you mean 'CrossEntropyLoss'?" in said
    assert "NLLLoss" in said
    assert len(said.partition("Known: ")[2].split(", ")) == 30


def test_a_module_of_values_and_imported_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "only_values_here.py").write_text("from pathlib import Path\nimport torch\nvalue = 3\n")
    (tmp_path / "late_parts_here.py").write_text(
        "def __dir__():\n    return ['Late']\n"
        "def __getattr__(name):\n    raise RuntimeError if name == 'Late' else AttributeError\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UnknownNameError, match=r"Known: \(nothing that can be called\)$"):
        find_callable("loss", "only_values_here:MyLoss")
    with pytest.raises(UnknownNameError, match="Did you mean 'Path'"):
        find_callable("loss", "only_values_here:Pth")
    # The name is listed although getting it would run code, which fails here.
    with pytest.raises(UnknownNameError, match=r"Known: Late$"):
        find_callable("loss", "late_parts_here:MyLoss")
