"""Blocks of docs/how-to/tracking.md run, and its tables say what there is."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from evoloss import pretrain
from evoloss.ablate.ablation import ablate
from evoloss.compare import compare, compare_datasets
from evoloss.evolve import evolve
from evoloss.training import train
from tests.documentation.pages import ROOT, blocks
from tests.documentation.test_python_blocks import run_blocks

PAGE = ROOT / "docs/how-to/tracking.md"
FUNCTIONS = {
    function.__name__: function for function in (compare, compare_datasets, ablate, pretrain, evolve, train)
}


def test_the_blocks_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tensorboard")
    monkeypatch.chdir(tmp_path)
    scope = run_blocks(blocks(PAGE, "python"))
    assert {path.name for path in Path("cmp-tracked/log/tensorboard").iterdir()} == {"gce-seed-0"}
    assert list(Path("search-tracked/log/tensorboard").iterdir())
    assert [len(curve) for curve in scope["curves"].values()] == [2, 2]


def test_the_table_of_callbacks_is_that_of_the_functions() -> None:
    text = PAGE.read_text(encoding="utf-8")
    (table,) = re.findall(r"^\| function .*?(?=\n\n)", text, re.M | re.S)
    head, _, *rows = (re.split(r" *\| *", line.strip("| ")) for line in table.splitlines())
    names = [name.strip("`") for name in head[1:]]
    told = {}
    for functions, *cells in rows:
        cells += [""] * (len(names) - len(cells))
        for function in re.findall(r"`(\w+)`", functions):
            told[function] = {name for name, cell in zip(names, cells, strict=True) if cell}
    assert told == {
        name: set(inspect.signature(function).parameters) & set(names) for name, function in FUNCTIONS.items()
    }
