"""Names of classes beside the charts of a page, in a real browser: whole, and apart from each other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from evoloss.report.html import write_report
from tests.report.html.made_up import CONFIG, comparison, keep, write_comparison
from tests.report.html.visit import Visit

WIDTHS = (390, 1440)
LONG_NAMES = (
    *("diabetes with complications", "golden retriever", "German shepherd dog", "Egyptian cat", "wood duck"),
    *("sulphur-crested cockatoo", "black-footed ferret", "malignant melanoma in situ", "hot air balloon"),
)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("count", [2, 10, 30])
def test_long_names_of_classes_can_be_read(browser: Any, tmp_path: Path, count: int, width: int) -> None:
    names = [f"{name[:20]} {k}" if k >= len(LONG_NAMES) else name for k, name in enumerate(LONG_NAMES * 4)]
    names = names[:count]
    folder = write_comparison(
        tmp_path / "cmp", comparison(config={**CONFIG, "class_names": names}), kept=False
    )
    keep(folder / "kept" / "gce" / "seed-0", names)
    write_report([folder], tmp_path / "page.html")
    opened = Visit(browser, tmp_path / "page.html", width)
    for chart, axes in (("confusion", 2), ("recall", 1)):
        texts = opened.page.locator(f"#r0-{chart} svg .role-axis-label text").all_text_contents()
        assert all(texts.count(name) == axes for name in names), texts
    # Beside each other they do not touch: a column is as wide as letters are high.
    columns = opened.evaluate(
        """() => [...document.querySelectorAll("#r0-confusion svg .mark-rect path")].map((path) =>
            path.getBoundingClientRect().width)"""
    )
    assert min(columns) > 14
    # What is wider than the page can be scrolled, and the page itself cannot.
    assert opened.evaluate("document.documentElement.scrollWidth") == width
    opened.context.close()
