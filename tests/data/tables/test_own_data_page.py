"""docs/own-data.md: what it prints is what it says, and its function makes data."""

from __future__ import annotations

from pathlib import Path

import pytest

from evoloss.data import load_dataset
from tests.documentation.pages import ROOT, blocks, imported

PAGE = ROOT / "docs/own-data.md"


def test_what_the_page_prints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    table, _, function = blocks(PAGE, "python")
    exec(compile(table, "page", "exec"), {})
    assert capsys.readouterr().out == blocks(PAGE, "text")[0]
    imported("data_of_the_page", function, tmp_path)
    assert load_dataset("data_of_the_page:load").n_classes == 3
