from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from evoloss.cli.arguments import expand_paths, parse, require_text, require_writable, require_writable_file
from evoloss.errors import ConfigError


@dataclass(frozen=True)
class Config:
    out: Path | None = None
    inputs: tuple[Path, ...] = ()
    name: str = "~"


def test_arguments_are_text() -> None:
    require_text(["--out", "a b", "x[/x]y", "é", "--fixed", "a="])
    mistakes = {"\udcff": r"argument 2, b'\\xff', is not UTF-8", "": "is empty", "--out=": "is empty"}
    for wrong, reason in mistakes.items():
        with pytest.raises(ConfigError, match=reason):
            require_text(["--out", wrong])


def test_paths_are_expanded_and_names_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/x")
    config = expand_paths(Config(out=Path("~/out"), inputs=(Path("~/a"), Path("b"))))
    assert config == Config(out=Path("/home/x/out"), inputs=(Path("/home/x/a"), Path("b")))
    same = Config(out=Path("here"))
    assert expand_paths(same) is same
    with pytest.raises(ConfigError, match="~nouser-here"):
        expand_paths(Config(inputs=(Path("~nouser-here"),)))


def test_a_writable_directory_is_left_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("mine")
    require_writable(tmp_path / "full")
    require_writable(tmp_path / "a" / "b" / "c")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "full"]


@pytest.mark.parametrize(
    ("below", "reason"),
    [
        ("file", "file is not a directory"),
        ("file/below", "file is not a directory"),
        ("n" * 300, "File name too long"),
        ("p/" * 3000, "File name too long"),
        ("dangling", "File exists|is not a directory"),
    ],
    ids=["a file", "below a file", "a long name", "a long path", "a dangling link"],
)
def test_what_cannot_be_written_says_why(tmp_path: Path, below: str, reason: str) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match=reason):
        require_writable(tmp_path / below)
    assert sorted(os.listdir(tmp_path)) == ["dangling", "file"]


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="a file system that nobody can write to")
def test_a_file_system_that_takes_nothing() -> None:
    with pytest.raises(ConfigError, match=r"nothing can be written to /proc/evoloss: .*; choose another"):
        require_writable(Path("/proc/evoloss"))


def test_a_file_can_be_written_where_no_folder_has_its_name(tmp_path: Path) -> None:
    (tmp_path / "old.html").write_text("mine")
    (tmp_path / "folder.html").mkdir()
    require_writable_file(tmp_path / "old.html", "--html")
    require_writable_file(tmp_path / "a" / "b" / "new.html", "--html")
    with pytest.raises(ConfigError, match=r"folder\.html is a directory; --html names a file"):
        require_writable_file(tmp_path / "folder.html", "--html")
    with pytest.raises(ConfigError, match=r"old\.html is not a directory; nothing can be written"):
        require_writable_file(tmp_path / "old.html" / "new.html", "--html")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["folder.html", "old.html"]


@dataclass(frozen=True)
class Inner:
    share: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise ConfigError(f"share must be from 0 to 1, got {self.share}")


@dataclass(frozen=True)
class Outer:
    inner: Inner = Inner()
    count: int = 1

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ConfigError(f"count must be above 0, got {self.count}")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--count", "0"], "count must be above 0, got 0"),
        (["--inner.share", "2"], "share must be from 0 to 1"),
    ],
)
def test_what_a_configuration_refuses_is_its_own_error(
    arguments: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ConfigError, match=reason):
        parse(Outer, arguments, prog="x")
    assert capsys.readouterr().err == ""


def test_what_cannot_be_parsed_is_explained_by_the_parser(capsys: pytest.CaptureFixture[str]) -> None:
    assert parse(Outer, ["--count", "3", "--inner.share", "1"]) == Outer(Inner(1.0), 3)
    with pytest.raises(SystemExit) as ending:
        parse(Outer, ["--count", "many"], prog="x")
    assert ending.value.code == 2
    assert "--count" in capsys.readouterr().err
    with pytest.raises(SystemExit) as ending:
        parse(Outer, ["--help"], prog="x")
    assert ending.value.code == 0
    printed = capsys.readouterr()
    assert (printed.err, "--inner.share" in printed.out) == ("", True)
