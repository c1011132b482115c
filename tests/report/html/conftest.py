from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from evoloss.report.html import write_report
from tests.report.html.made_up import write_comparison
from tests.report.html.visit import LIMIT
from website.report_picture import installed_browser


@pytest.fixture(scope="session")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a comparison with everything on it, and names that are attacks."""
    folder = tmp_path_factory.mktemp("page")
    write_report([write_comparison(folder / "photos")], folder / "report.html")
    return folder / "report.html"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium without a window; a test that asks for it is skipped where there is none."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    chromium = installed_browser()
    if chromium is None:
        pytest.skip("needs chromium (apt-get install chromium)")
    # Chromium refuses to run as root inside its own sandbox; a page of ours needs none.
    options = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with sync_api.sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=chromium, args=options, timeout=LIMIT)
        yield found
        found.close()
