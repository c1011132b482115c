"""Links of pages into the repository: to pages of the site where there are, else the path as text.

The site is read without the repository beside it. A link to a file that is not there is a warning, which
``mkdocs build --strict`` takes for an error; links between pages are checked by mkdocs itself.
"""

from __future__ import annotations

import logging
import posixpath
import re
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCS = "docs"
log = logging.getLogger("mkdocs.hooks.links")  # warnings of the name mkdocs.* count for --strict

_FENCED = re.compile(r"(^[ ]*(?:```|~~~).*?^[ ]*(?:```|~~~)[ ]*$)", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(?<!!)\[((?:[^\[\]`]|`[^`]*`)*)\]\(([^)\s]+)\)")


def included_pages() -> dict[str, str]:
    """Pages of the repository outside of ``docs/`` that the site has too: path there to path in the site."""
    studies = sorted((ROOT / "benchmarks").glob("*/README.md"))
    pages = {
        "README.md": "index.md",
        "CHANGELOG.md": "changelog.md",
        "CONTRIBUTING.md": "contributing.md",
        "benchmarks/README.md": "benchmarks/index.md",
        **{
            f"benchmarks/{path.parent.name}/README.md": f"benchmarks/{path.parent.name}.md"
            for path in studies
        },
        "recipes/README.md": "recipes/index.md",
        "recipes/not-shipped/README.md": "recipes/not-shipped.md",
    }
    cards = sorted((ROOT / "src/evoloss/zoo").glob("*/README.md"))
    return pages | {str(path.relative_to(ROOT)): f"losses/{path.parent.name}.md" for path in cards}


def rewrite(markdown: str, source: str, page: str, included: Mapping[str, str]) -> str:
    """Rewrite the links of a page that leave the site, and those of a page that was moved into it.

    Args:
        markdown: text of the page.
        source: its path in the repository, such as ``benchmarks/transfer/README.md``.
        page: its path in the site, such as ``benchmarks/transfer.md``.
        included: see :func:`included_pages`.
    """

    def replaced(found: re.Match[str]) -> str:
        return _link(found, source, page, included)

    parts = _FENCED.split(markdown)
    return "".join(part if number % 2 else _LINK.sub(replaced, part) for number, part in enumerate(parts))


def _link(found: re.Match[str], source: str, page: str, included: Mapping[str, str]) -> str:
    text, target = found[1], found[2]
    if re.match(r"[a-z]+:|#|<", target):
        return found[0]
    name, _, anchor = target.partition("#")
    path = posixpath.normpath(posixpath.join(posixpath.dirname(source), name))
    if path in included:
        goal = included[path]
    elif path.startswith(f"{DOCS}/") and "." in posixpath.basename(path):
        if source.startswith(f"{DOCS}/"):
            return found[0]  # mkdocs checks it
        goal = path.removeprefix(f"{DOCS}/")
    elif (ROOT / path).exists():
        return _as_text(text, path)
    else:
        log.warning("%s has a link to %r, and there is no %s", source, target, path)
        return found[0]
    relative = posixpath.relpath(goal, posixpath.dirname(page) or ".")
    return f"[{text}]({relative}{f'#{anchor}' if anchor else ''})"


def _as_text(text: str, path: str) -> str:
    shown = text.strip("`")
    if shown.rstrip("/") in (path, posixpath.basename(path)) or path.endswith(f"/{shown}"):
        return f"`{path}`"
    return f"{text} (`{path}`)"
