"""The site is built without a warning, from the code and results as they are, and works from a disk."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

import evoloss
from evoloss.losses import LOSSES
from evoloss.zoo import SHIPPED
from website.report_picture import installed_browser
from website.runs import ROOT, collect

NEEDED = ("mkdocs", "material", "mkdocstrings", "latex2mathml")
LOADS = {("script", "src"), ("link", "href"), ("img", "src"), ("iframe", "src"), ("source", "src")}
CLICK = """
<script>
addEventListener("load", () => {
  const labels = [...document.querySelectorAll("label")];
  const tick = (text) => labels.find((one) => one.textContent.trim() === text).querySelector("input").click();
  ["none added", "only conditions that all chosen losses have", "adaptive"].forEach(tick);
  document.querySelectorAll("thead button")[3].click();
  document.querySelectorAll(".ex-cell")[1].click();
});
</script>
"""


class Reader(HTMLParser):
    """Places of a page that can be linked to, its links, and what it loads."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.ids |= {found[name] for name in ("id", "name") if name in found}
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        for name, value in found.items():
            if (tag, name) in LOADS and found.get("rel") != "canonical":
                self.loaded.append(value)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}, of the extra docs")
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(out)]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert "WARNING" not in done.stderr
    return out


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Reader]:
    return {path: Reader(path) for path in site.rglob("*.html") if path.name != "404.html"}


def local(pages: dict[Path, Reader]) -> Iterator[tuple[Path, str, Path, str]]:
    """Each link within the site: page, link, file, anchor."""
    for page, reader in pages.items():
        for link in (*reader.links, *reader.loaded):
            parts = urlsplit(link)
            if not parts.scheme and not parts.netloc:
                path = page.parent / unquote(parts.path) if parts.path else page
                yield page, link, path.resolve(), unquote(parts.fragment)


def test_no_link_is_dead(site: Path, pages: dict[Path, Reader]) -> None:
    dead = []
    for page, link, path, anchor in local(pages):
        target = path / "index.html" if path.is_dir() else path
        if not target.exists() or (anchor and target in pages and anchor not in pages[target].ids):
            dead.append(f"{page.relative_to(site)}: {link}")
    assert dead == []


def test_nothing_comes_from_elsewhere(site: Path, pages: dict[Path, Reader]) -> None:
    outside = [value for reader in pages.values() for value in reader.loaded if re.match(r"\w+:|//", value)]
    assert [value for value in outside if not value.startswith("data:")] == []
    styles = [path for path in site.rglob("*.css")]
    assert styles
    assert not [
        path for path in styles if re.search(r"(url\(|@import )[\"']?(https?:)?//", path.read_text("utf-8"))
    ]
    # What the theme would fetch for diagrams; there are none.
    assert not [page for page in pages if 'class="mermaid"' in page.read_text(encoding="utf-8")]


def test_the_pages_that_were_asked_for(site: Path) -> None:
    for name in (*SHIPPED, *LOSSES):
        text = (site / f"losses/{name}.html").read_text(encoding="utf-8")
        assert (site / f"losses/figures/{name}.svg").exists()
        assert name in SHIPPED or "<math" in text
        assert 'class="arithmatex"' not in text
    notebook = {path.stem for path in (ROOT / "docs/notebook").glob("*.md")}
    assert {path.stem for path in (site / "notebook").glob("*.html")} == notebook
    reference = "".join(path.read_text(encoding="utf-8") for path in (site / "reference").glob("*.html"))
    for name in set(evoloss.__all__) - {"__version__"}:
        assert re.search(rf'id="evoloss[\w.]*\.{name}"', reference), f"{name} is in no page of the reference"


def test_questions_are_answered(site: Path) -> None:
    text = (site / "faq.html").read_text(encoding="utf-8")
    asked = (
        *(
            "right labels",
            "compared with cross-entropy",
            "negative",
            "learning rate",
            "AdamW",
            "Transformers",
        ),
        *("Segmentation", "Multi-label", "Mixup", "Batches of four", "accumulation", "1,000 classes"),
        *("share a loss", "cite", "phone home"),
    )
    headings = " ".join(re.findall(r"<h2[^>]*>(.*?)<", text))
    assert [words for words in asked if words not in headings] == []


def test_the_explorer_has_the_committed_results(site: Path) -> None:
    page = (site / "results/index.html").read_text(encoding="utf-8")
    found = re.search(r'<script type="application/json" id="explorer-data">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    assert json.loads(found[1]) == json.loads((site / "results/runs.json").read_text("utf-8")) == collect()


def dom(page: str, profile: Path) -> str:
    """What a browser makes of a page, which must not complain."""
    browser = installed_browser()
    if browser is None:
        pytest.skip("needs Chromium")
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}"]
    command += ["--enable-logging=stderr", "--virtual-time-budget=15000", "--dump-dom", page]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    complaints = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    assert complaints == []
    return done.stdout


def test_the_search_works_from_a_disk(site: Path, tmp_path: Path) -> None:
    shown = dom(f"{(site / 'index.html').as_uri()}?q=asymmetric", tmp_path)
    found = re.search(r"(\d+) matching documents", shown)
    assert found is not None
    assert int(found[1]) > 10


def test_the_explorer_works_in_a_browser(site: Path, tmp_path: Path) -> None:
    page = site / "results/clicked.html"
    text = (site / "results/index.html").read_text(encoding="utf-8")
    page.write_text(text.replace("</body>", f"{CLICK}</body>"), encoding="utf-8")
    document = dom(page.as_uri(), tmp_path)
    page.unlink()
    shown = re.sub(r"<[^>]+>", " ", document.split('id="explorer"')[1].split("<script")[0])
    conditions = collect()["conditions"]
    names = {cell["loss"] for cell in collect()["cells"]} - {"cross_entropy"}
    status = re.search(r"(\d+) of (\d+) conditions, (\d+) of (\d+) losses", shown)
    assert status is not None
    right = sum(one["noise"] != "none" for one in conditions)
    assert 0 < int(status[1]) <= right < int(status[2]) == len(conditions)
    assert (int(status[3]), int(status[4])) == (6, len(names))  # without adaptive
    assert "mean ↓" in " ".join(shown.split())
    assert "points over cross-entropy" in shown
    assert re.search(r"python -m benchmarks\.\w+\.run --only [\w-]+ --losses [\w-]+", shown)
    assert 'class="uplot' in document
