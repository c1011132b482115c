"""The kind that docs/extend/network.md adds works as it says."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from evoloss.networks import NETWORKS, description
from evoloss.networks.base import LossNetwork
from tests.documentation.pages import added_lines, blocks, imported
from tests.networks.test_kinds import check_promises

PAGE = Path(__file__).parents[2] / "docs/extend/network.md"
BLOCKS = blocks(PAGE, "python")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with the example entered in ``NETWORKS``."""
    module = imported("power_of_the_page", BLOCKS[0], tmp_path)
    monkeypatch.setitem(NETWORKS, "power", module.PowerNetwork)
    yield tmp_path
    del sys.modules["power_of_the_page"]


def test_the_example_keeps_what_every_kind_promises(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check_promises("power", monkeypatch)


def test_its_own_test_passes(folder: Path) -> None:
    module = imported("test_of_the_page", BLOCKS[1], folder)
    for n_classes in (2, 10, 1000):
        module.test_it_is_the_known_loss_in_canonical_form(n_classes)
    del sys.modules["test_of_the_page"]


def test_every_question_is_listed() -> None:
    text = PAGE.read_text(encoding="utf-8")
    questions = {name for name in vars(LossNetwork) if not name.startswith("_")}
    questions |= set(LossNetwork.__annotations__)
    table = text[text.index("## What a kind answers") : text.index("## The file\n")]
    assert questions - {"check_classes"} == set(re.findall(r"`(\w+)`", table)) & questions
    assert questions >= {"kind", "states", "slopes", "losses"}


@pytest.mark.parametrize(
    ("page", "name", "n_params"), [("network", "power", 1), ("stateful-network", "maturing", 2)]
)
def test_the_lines_are_like_those_that_are_there(page: str, name: str, n_params: int) -> None:
    kind = f"{name.capitalize()}Network"
    registry, suite, docs = (added_lines(block) for block in blocks(PAGE.with_name(f"{page}.md"), "diff"))
    like = [line.replace(name, "basis").replace(kind, "BasisNetwork") for line in registry]
    assert set(like) <= set(Path(description.__file__).read_text(encoding="utf-8").splitlines())
    assert suite[1].replace(name, "basis").replace(kind, "BasisNetwork") == '    "basis": BasisNetwork(),'
    assert docs[0] == f"| `{name}` | {n_params} | no | yes |"
    assert docs[1].startswith(f"- `{name}`: ")
