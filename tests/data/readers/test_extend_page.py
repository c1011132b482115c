"""The reader that docs/extend/data-reader.md adds passes the test that the page shows."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import evoloss.data
from tests.documentation.pages import ROOT, added_lines, blocks

PAGE = ROOT / "docs/extend/data-reader.md"
READER, TEST = blocks(PAGE, "python")
IMPORT, ENTRY = (line for block in blocks(PAGE, "diff") for line in added_lines(block))
REGISTERED = f"""from evoloss.data import FILE_READERS
{IMPORT.replace("evoloss.data.readers.tsv", "tsv_of_the_page")}

FILE_READERS |= {{{ENTRY}}}
"""


@pytest.mark.slow
def test_its_test_passes_with_its_line_in_the_dictionary(tmp_path: Path) -> None:
    for name, text in (("tsv_of_the_page", READER), ("conftest", REGISTERED), ("test_tsv", TEST)):
        (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path)]
    done = subprocess.run(
        [*command, str(tmp_path)], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None
    assert int(passed[1]) > 15


def test_its_lines_are_like_those_that_are_there() -> None:
    there = Path(evoloss.data.__file__).read_text(encoding="utf-8").splitlines()
    for line in (IMPORT, ENTRY):
        assert line.replace("tsv", "npz") in there
