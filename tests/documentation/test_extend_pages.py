"""The pages on adding something: their lists of files hold what they say, and no more than is promised."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.documentation.pages import ROOT, name_of

EXTEND = ROOT / "docs/extend"
AT_MOST = {"known-loss": 4, "network": 6, "stateful-network": 8, "data-reader": 3, "benchmark": 4}
PAGES = sorted(path for path in EXTEND.glob("*.md") if path.name != "README.md")
LISTED = re.compile(r"^ (\S+) +\| +(?:\d+ [+-]+|Bin .*)$", re.MULTILINE)
TOTAL = re.compile(r"^ (\d+) files? changed", re.MULTILINE)
ROW = re.compile(r"^\| ([^|]+) \| ([^|]*) \| ([^|]+) \| \[([\w-]+)\]\(\4\.md\) \|$", re.MULTILINE)


def listed(page: Path) -> list[str]:
    """The files in the first list of a page, whose total is checked."""
    text = page.read_text(encoding="utf-8")
    found = TOTAL.search(text)
    assert found is not None, f"{name_of(page)} has no list of files"
    files = LISTED.findall(text[: found.start()])
    assert len(files) == len(set(files)) == int(found[1])
    return files


@pytest.mark.parametrize("name", AT_MOST)
def test_no_more_files_than_promised(name: str) -> None:
    assert 2 <= len(listed(EXTEND / f"{name}.md")) <= AT_MOST[name]


def test_a_shipped_loss_is_its_folders_and_one_line() -> None:
    page = EXTEND / "shipped-loss.md"
    others = [
        path for path in listed(page) if not re.match(r"(recipes|src/evoloss/zoo)/evolved-small/", path)
    ]
    assert others == ["tests/training/test_fingerprints.py"]
    assert re.search(rf"^ {others[0]} +\| +2 \+-$", page.read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_file_that_is_listed_is_explained(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    rows = "\n".join(re.findall(r"^\| `.*$", text, re.MULTILINE))
    for path in listed(page):
        parts = Path(path)
        assert path in rows or f"{parts.parent}/`" in rows or parts.name in rows, path


def test_the_index_has_every_page_and_its_count() -> None:
    rows = ROW.findall((EXTEND / "README.md").read_text(encoding="utf-8"))
    assert {page for *_, page in rows} == {path.stem for path in PAGES}
    for what, files, most, page in rows:
        if files.strip().isdigit():
            assert (int(files), int(most)) == (len(listed(EXTEND / f"{page}.md")), AT_MOST[page]), what
    counted = {page for what, files, _, page in rows if files.strip().isdigit()}
    assert counted >= set(AT_MOST)


def test_the_map_of_the_project_leads_here() -> None:
    assert "(extend/README.md)" in (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
