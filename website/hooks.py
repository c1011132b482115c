"""Hooks of mkdocs: pages made from code, links into the repository, formulas, data of the explorer.

``mkdocs.yml`` names this file. Nothing here is written into ``docs/``.
"""

from __future__ import annotations

import html
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
if str(ROOT) not in sys.path:  # mkdocs reads this file by its path
    sys.path.insert(0, str(ROOT))

from latex2mathml.converter import convert  # noqa: E402
from mkdocs.config.defaults import MkDocsConfig  # noqa: E402
from mkdocs.structure.files import File, Files  # noqa: E402
from mkdocs.structure.pages import Page  # noqa: E402

from website import choices, command_pages, links, loss_pages, runs  # noqa: E402

NOTEBOOK, LOSSES, STUDIES = "notebook", loss_pages.PAGES, "benchmarks"
# Pages that the navigation has where they are there.
OPTIONAL = ("evolve.md", "what-compare-leaves.md")
EXPLORER = "results/index.md"
_FORMULA = re.compile(r'<(span|div) class="arithmatex">\\([(\[])(.*?)\\[)\]]</\1>', re.DOTALL)
_ENTRY = re.compile(r"(?<=notebook, )(entr(?:y|ies)) ((?:\d+b?(?:, | and | to )?)+)")
_included: dict[str, str] = {}


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Fill in the parts of the navigation that are lists of files."""
    _included.clear()
    _included.update(links.included_pages())
    config.nav = list(_filled(config.nav or [], Path(config.docs_dir)))
    return config


def _filled(entries: list[Any], docs: Path) -> Iterator[Any]:
    for entry in entries:
        if isinstance(entry, dict):
            ((title, value),) = entry.items()
            if isinstance(value, list):
                yield {title: list(_filled(value, docs))}
                continue
        else:
            value = entry
        if value == f"{NOTEBOOK}/":
            yield from ({_number(path): f"{NOTEBOOK}/{path.name}"} for path in _entries(docs))
        elif value == f"{LOSSES}/":
            yield from ({Path(path).stem: path} for path in list(loss_pages.pages())[1:])
        elif value == f"{STUDIES}/":
            studies = [page for page in _included.values() if Path(page).parent.name == STUDIES]
            yield from (page for page in studies if page != f"{STUDIES}/index.md")
        elif value not in OPTIONAL or (docs / value).exists():
            yield entry


def _entries(docs: Path) -> list[Path]:
    return sorted(path for path in (docs / NOTEBOOK).glob("*.md") if path.name != "index.md")


def _number(path: Path) -> str:
    return path.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages and pictures that are made, and the pages of other folders of the repository."""
    texts = dict(loss_pages.pages()) | {"reference/command-line.md": command_pages.page()}
    for source, page in _included.items():
        if page not in texts and not source.startswith("src/") and source != "README.md":
            text = (ROOT / source).read_text(encoding="utf-8")
            texts[page] = links.rewrite(text, source, page, _included)
    for page, text in texts.items():
        files.append(File.generated(config, page, content=text))
    with tempfile.TemporaryDirectory() as folder:
        for place, path in loss_pages.write_figures(Path(folder)).items():
            files.append(File.generated(config, place, content=path.read_bytes()))
    files.append(File.generated(config, "results/runs.json", content=runs.document()))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Rewrite links that leave the site, and fill in tables of results."""
    path = page.file.src_uri
    if page.file.generated_by is None:
        markdown = links.rewrite(markdown, f"{links.DOCS}/{path}", path, _included)
    return choices.fill(_linked_entries(markdown, path, Path(config.docs_dir)))


def _linked_entries(markdown: str, path: str, docs: Path) -> str:
    """Make links of what is called an entry of the notebook."""
    if path.startswith(f"{NOTEBOOK}/"):
        return markdown
    names = {entry.stem.split("-")[0].lstrip("0"): entry.name for entry in _entries(docs)}
    up = "../" * path.count("/")

    def linked(found: re.Match[str]) -> str:
        numbers = re.sub(
            r"\d+b?",
            lambda one: f"[{one[0]}]({up}{NOTEBOOK}/{names[one[0]]})" if one[0] in names else one[0],
            found[2],
        )
        return f"{found[1]} {numbers}"

    return _ENTRY.sub(linked, markdown)


def on_page_content(content: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Make MathML of formulas, which browsers show without a script or fonts."""

    def formula(found: re.Match[str]) -> str:
        display = "inline" if found[2] == "(" else "block"
        return str(convert(html.unescape(found[3]).strip(), display=display))

    return _FORMULA.sub(formula, content)


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    """Put the runs into the page of the explorer: a browser reads no second file from a disk."""
    if page.file.src_uri != EXPLORER:
        return output
    data = runs.document().replace("</", "<\\/")
    return output.replace(
        "<!-- runs -->", f'<script type="application/json" id="explorer-data">{data}</script>'
    )
