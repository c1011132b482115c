"""What pages show: blocks of Python, lines to add, and commands in blocks and in the text."""

from __future__ import annotations

import importlib.util
import re
import shlex
import sys
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "benchmarks").glob("README.md")),
    *sorted((ROOT / "benchmarks").glob("*/README.md")),
    *sorted((ROOT / "recipes").glob("README.md")),
    *sorted((ROOT / "src/evoloss/zoo").glob("*/README.md")),
]

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
_INLINE = re.compile(r"`([^`]+)`")
_PROGRAMS = ("evoloss ", "python -m ", "python examples/", "make ", "pip ")


def name_of(page: Path) -> str:
    """The path of a page in the project."""
    return str(page.relative_to(ROOT))


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of a page in one language, in order."""
    return [code for found, code in _BLOCK.findall(page.read_text(encoding="utf-8")) if found == language]


def added_lines(diff: str) -> list[str]:
    """The lines that a diff adds."""
    return [line[1:] for line in diff.splitlines() if line.startswith("+")]


def imported(name: str, text: str, folder: Path) -> ModuleType:
    """A file that a page shows, written to a folder and imported; it stays in ``sys.modules``."""
    path = folder / f"{name}.py"
    path.write_text(text, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where the types of a dataclass's fields are looked up
    spec.loader.exec_module(module)
    return module


def _block_commands(code: str) -> list[str]:
    lines = [line.strip().removeprefix("$ ") for line in code.replace("\\\n", " ").splitlines()]
    return [line for line in lines if line.startswith(_PROGRAMS)]


def _inline_commands(text: str) -> list[str]:
    words = [" ".join(code.split()) for code in _INLINE.findall(_BLOCK.sub("", text))]
    return [word for word in words if word.startswith(_PROGRAMS)]


def _alternatives(command: str) -> list[str]:
    """``a [--b | --c]`` is ``a``, ``a --b`` and ``a --c``."""
    found = re.fullmatch(r"(.*) \[(.* \| .*)\]", command)
    return [command] if found is None else [found[1], *(f"{found[1]} {one}" for one in found[2].split(" | "))]


def commands(page: Path) -> list[str]:
    """All commands of a page, without comments, those in blocks first."""
    text = page.read_text(encoding="utf-8")
    found = [
        command
        for language, code in _BLOCK.findall(text)
        if language != "python"
        for command in _block_commands(code)
    ]
    return [one for command in found + _inline_commands(text) for one in _alternatives(command)]


def words_of(command: str) -> list[str]:
    """A command as the shell would cut it: comments left out, ``$(seq A B)`` counted."""
    counted = re.sub(
        r"\$\(seq (\d+) (\d+)\)",
        lambda found: " ".join(map(str, range(int(found[1]), int(found[2]) + 1))),
        command,
    )
    return shlex.split(counted, comments=True)
