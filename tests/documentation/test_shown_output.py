"""The tables that pages show as the output of a command are what it prints, within the spread of machines."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.documentation.pages import ROOT, blocks, words_of

ROW = re.compile(r"^([\w-]+) +(\d+\.\d+) ± \d+\.\d+", re.MULTILINE)
SHOWN = {"README.md": "first", "docs/start/first-comparison.md": "first", "docs/faq.md": "four"}
POINTS = 4.0  # other processors sum in another order, and a few epochs make points of that


@pytest.mark.slow
@pytest.mark.parametrize("page", SHOWN)
def test_a_table_is_what_its_command_prints(page: str, tmp_path: Path) -> None:
    (command,) = [
        line
        for block in blocks(ROOT / page, "console")
        for line in block.replace("\\\n", " ").splitlines()
        if f"--out {SHOWN[page]} " in line
    ]
    (table,) = [text for text in blocks(ROOT / page, "text") if "baseline" in text]
    words = [sys.executable, "-m", *words_of(command.removeprefix("$ ")), "--quiet"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    shown, printed = (dict(ROW.findall(text)) for text in (table, done.stdout))
    assert shown.keys() == printed.keys()
    assert len(shown) == 3
    for loss, accuracy in shown.items():
        assert abs(float(accuracy) - float(printed[loss])) < POINTS, loss
