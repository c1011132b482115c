"""Every command that a page shows is one: its program exists, and its own parser takes its arguments.

``test_readme_commands.py`` runs those of README.
"""

from __future__ import annotations

import argparse
import re
import runpy
import shlex
import shutil
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import tyro

from evoloss.cli import COMMANDS, main
from tests.documentation.pages import PAGES, ROOT, commands, name_of, words_of

# What stands for a choice of the reader, by the word before it where that matters.
STANDS_FOR = {
    "DIR": "somewhere",
    "FILE": "file.json",
    "--config FILE": "recipes/not-shipped/paper.toml",
    "KIND": "monotone",
    "NAME": "evolved-base",
    "--only NAME": "digits-sym40",
    "S": "7",
    "benchmarks.STUDY.run": "benchmarks.transfer.run",
}
# What the pages on adding something add; their own tests run it.
NOT_YET = {
    "evoloss pretrain --out DIR --network power --fitness learnability",
    "evoloss pretrain --out DIR --network maturing --fitness learnability",
    "python -m benchmarks.startup.run",
}

COMMANDS_SHOWN = list(
    dict.fromkeys(
        (name_of(page), shlex.join(words_of(command))) for page in PAGES for command in commands(page)
    )
)
PROGRAMS = [found for found in COMMANDS_SHOWN if found[1].startswith(("evoloss", "python"))]


class Parsed(Exception):
    """Raised in the place of the work."""


def chosen(words: list[str]) -> list[str]:
    pairs = zip(["", *words], words, strict=False)
    return [STANDS_FOR.get(f"{before} {word}", STANDS_FOR.get(word, word)) for before, word in pairs]


@pytest.fixture
def parse_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let parsers parse, and stop there."""
    parse, parse_args = tyro.cli, argparse.ArgumentParser.parse_args

    def parsed(*args: Any, **kwargs: Any) -> Any:
        parse(*args, **kwargs)
        raise Parsed

    def parsed_args(self: argparse.ArgumentParser, *args: Any, **kwargs: Any) -> Any:
        parse_args(self, *args, **kwargs)
        raise Parsed

    monkeypatch.setattr(tyro, "cli", parsed)
    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parsed_args)
    monkeypatch.chdir(ROOT)


def has_parser(module: str) -> bool:
    """Whether a module reads arguments; one that does not would begin its work."""
    spec = find_spec(module)
    assert spec is not None, f"there is no module {module}"
    if spec.submodule_search_locations is not None:
        spec = find_spec(f"{module}.__main__")
    assert spec is not None
    assert spec.origin is not None
    text = Path(spec.origin).read_text(encoding="utf-8")
    assert '__name__ == "__main__"' in text or spec.name.endswith("__main__")
    return (
        re.search(r"tyro\.cli|command\.run\(|campaign\.main\(|\bmain\(CAMPAIGN|ArgumentParser", text)
        is not None
    )


def run_program(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Run an ``evoloss`` or ``python`` command in this process."""
    program, *arguments = words
    if program == "evoloss":
        raise SystemExit(main(arguments))
    assert program == "python"
    if arguments[0] == "-m":
        monkeypatch.setattr(sys, "argv", arguments[1:])
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    else:
        monkeypatch.setattr(sys, "argv", arguments)
        runpy.run_path(arguments[0], run_name="__main__")


def test_pages_show_commands() -> None:
    assert len(COMMANDS_SHOWN) > 80
    assert {"README.md", "docs/chaos.md", "recipes/README.md"} <= {page for page, _ in COMMANDS_SHOWN}


@pytest.mark.filterwarnings("ignore:.*found in sys.modules:RuntimeWarning")
@pytest.mark.parametrize(("page", "command"), PROGRAMS, ids=[": ".join(found) for found in PROGRAMS])
def test_arguments_are_taken(
    page: str, command: str, parse_only: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if command in NOT_YET:
        pytest.skip("of an example that docs/extend adds, which its own test runs")
    words = chosen(shlex.split(command))
    if words[0] == "evoloss" and len(words) == 2:  # the name of a command, not a line to type
        assert words[1] in (*COMMANDS, "--version")
        return
    if words[1] == "-m" and not has_parser(words[2]):
        assert len(words) == 3, f"{words[2]} takes no arguments"
        return
    with pytest.raises(Parsed):
        run_program(words, monkeypatch)


@pytest.mark.parametrize("command", [command for _, command in COMMANDS_SHOWN if command.startswith("make ")])
def test_make_knows_the_target(command: str) -> None:
    if shutil.which("make") is None:
        pytest.skip("needs make")
    done = subprocess.run(
        ["make", "--dry-run", shlex.split(command)[1]], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", [command for _, command in COMMANDS_SHOWN if command.startswith("pip ")])
def test_extras_to_install_exist(command: str) -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    (what,) = shlex.split(command)[2:]
    assert what.startswith(".")
    asked = {name for name in what.removeprefix(".").strip("[]").split(",") if name}
    assert asked <= set(extras)
