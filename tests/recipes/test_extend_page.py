"""What docs/extend/shipped-loss.md says of evolving a shipped loss again: by whom which file is written."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from evoloss.pretraining import PretrainConfig
from recipes import build
from recipes.build import Build, main
from tests.documentation.pages import ROOT, added_lines, blocks
from tests.training.test_fingerprints import COMMITTED

PAGE = ROOT / "docs/extend/shipped-loss.md"
NAME = "evolved-small"
BY_HAND = {f"recipes/{NAME}/config.toml", f"recipes/{NAME}/notes.md", "tests/training/test_fingerprints.py"}


def touched() -> set[str]:
    """The files of the page's list."""
    return set(re.findall(r"^ (\S+) +\| ", PAGE.read_text(encoding="utf-8"), re.MULTILINE))


def test_the_command_writes_all_files_that_are_not_written_by_hand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, zoo = tmp_path / "recipes" / NAME, tmp_path / "src/evoloss/zoo"
    recipe.mkdir(parents=True)
    (toml,) = blocks(PAGE, "toml")
    (recipe / "config.toml").write_text(toml, encoding="utf-8")
    config = PretrainConfig.from_toml(recipe / "config.toml")
    small = replace(
        PretrainConfig(), network=config.network, generations=3, popsize=16, classes=(3,), pairs=config.pairs
    )
    (recipe / "config.toml").write_text(small.to_toml(), encoding="utf-8")
    (recipe / "notes.md").write_text("Of a test.\n", encoding="utf-8")
    monkeypatch.setattr(build, "RECIPES", recipe.parent)
    monkeypatch.setattr(build, "shipped_path", lambda name: zoo / name)
    threads = torch.get_num_threads()
    try:
        main(Build(name=NAME))
    finally:
        torch.set_num_threads(threads)
    written = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert written | BY_HAND == touched()


def test_the_line_adds_to_the_one_that_is_there() -> None:
    (line,) = (line for block in blocks(PAGE, "diff") for line in added_lines(block))
    name, *fingerprints = re.findall(r'"([\w-]+)"', line)
    assert name == NAME
    assert fingerprints[0] in COMMITTED[NAME]
    assert len(fingerprints) == 2
