from __future__ import annotations

from pathlib import Path

import pytest

from evoloss.report.html import write_report
from tests.report.html.made_up import write_comparison


@pytest.fixture(scope="session")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a comparison with everything on it, and names that are attacks."""
    folder = tmp_path_factory.mktemp("page")
    write_report([write_comparison(folder / "photos")], folder / "report.html")
    return folder / "report.html"
