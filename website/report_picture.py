"""The picture of a report page in README.md: the first comparison, its page, and a browser that draws it.

    python -m website.report_picture    # writes docs/figures/report.png

It takes playwright and a Chromium that is installed.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness import command
from benchmarks.harness.page import FIGURES
from evoloss.cli import main as evoloss

COMPARISON = (
    "--dataset digits --model mlp --losses cross_entropy gce adaptive --label-noise 0.4 "
    "--validation-noise --seeds 0 1 2 --threads 1 --quiet"
)
"""The comparison of ``docs/start/first-comparison.md``."""
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@dataclass(frozen=True, kw_only=True)
class Picture:
    """Draw the picture."""

    out: Path = FIGURES / "report.png"
    """File of the picture."""
    width: int = 1000
    """Width of the window, in pixels."""
    height: int = 900
    """Its height."""


def installed_browser() -> str | None:
    """The path of an installed browser; None if there is none."""
    return next(filter(None, map(shutil.which, _BROWSERS)), None)


def main(options: Picture) -> None:
    """Compare, write the page, draw its first screen."""
    from playwright.sync_api import sync_playwright

    browser = installed_browser()
    if browser is None:
        raise SystemExit(f"no browser found; install one of {', '.join(_BROWSERS)}")
    with tempfile.TemporaryDirectory() as name:
        folder, page = Path(name) / "first", Path(name) / "report.html"
        for line in (
            ["compare", "--out", str(folder), *COMPARISON.split()],
            ["report", str(folder), "--html", str(page)],
        ):
            if evoloss(line):
                raise SystemExit("the comparison failed")
        with sync_playwright() as driver:
            window = driver.chromium.launch(executable_path=browser, args=["--no-sandbox"]).new_page(
                viewport={"width": options.width, "height": options.height}, color_scheme="light"
            )
            window.goto(page.as_uri())
            window.wait_for_selector("canvas, svg")
            window.wait_for_timeout(1000)
            window.screenshot(path=options.out)


if __name__ == "__main__":
    command.run(Picture, main)
