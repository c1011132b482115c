"""Page of one report or several: one HTML file that loads nothing, and its JSON twin.

The plotting library, Vega with Vega-Lite, is inlined once, from the package ``vl-convert-python``. Everything
that comes from files is escaped, and the page's own policy allows the two scripts by their hashes and no
connection, so that a name of a class can neither run nor fetch anything.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from evoloss._version import __version__
from evoloss.atomic_files import write_text
from evoloss.errors import ConfigError, MissingExtraError
from evoloss.own_files import holds_json, holds_line, require_replaceable
from evoloss.report.html.chart_parts import COLOURS, DASHES, Chart
from evoloss.report.html.columns import Numbers, as_csv
from evoloss.report.html.comparison_charts import comparison_charts
from evoloss.report.html.joint.view import joint_charts, joint_view
from evoloss.report.html.search import search_charts, search_view
from evoloss.report.html.stored import StoredRun
from evoloss.report.html.view import comparison_view, losses_csv, number
from evoloss.safe_text import paragraphs

SCHEMA = 1
"""Version of the layout of the JSON twin."""
MAX_PAGE_BYTES = 5_000_000
_IS_PAGE = holds_line(r'<meta name="generator" content="evoloss report')
_IS_TWIN = holds_json("schema", "evoloss_report", "reports")
_TEMPLATES = "templates"


@dataclass(frozen=True, kw_only=True)
class Section:
    """Part of a page: a comparison, several data sets together, or a search.

    Attributes:
        numbers: JSON values, by ``comparison_section``, ``joint_section`` or ``search_section``.
        stored: what a comparison kept, for thumbnails.
    """

    numbers: Mapping[str, Any]
    stored: Sequence[StoredRun] = ()


def require_page(path: Path) -> None:
    """Make sure that a page can be written before any work.

    Raises:
        ConfigError: if the name does not end with ``.html``.
        OutputError: if it, or the JSON beside it, is a file of somebody else's.
        MissingExtraError: if a package is not installed.
    """
    if path.suffix != ".html":
        raise ConfigError(f"a page is a file that ends with .html, got {path.name!r}")
    require_replaceable(path.parent, {path.name: _IS_PAGE, twin_path(path).name: _IS_TWIN})
    _environment()
    library()


def twin_path(path: Path) -> Path:
    """The JSON file beside a page."""
    return path.with_suffix(".json")


def write_page(sections: Sequence[Section], path: Path) -> None:
    """Write a page and its twin, each in full or not at all.

    Raises:
        ConfigError: if the page would be larger than :data:`MAX_PAGE_BYTES`.
    """
    page = render(sections, stem=path.stem)
    if len(page.encode()) > MAX_PAGE_BYTES:
        raise ConfigError(
            f"the page would have {len(page.encode()) / 1e6:.1f} MB, more than "
            f"{MAX_PAGE_BYTES / 1e6:.0f}; name "
            "fewer directories for one page"
        )
    write_text(twin_path(path), twin_text(sections))
    write_text(path, page)


def twin_text(sections: Sequence[Section]) -> str:
    """The JSON twin: all numbers of the page."""
    return json.dumps(_twin(sections), indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def render(sections: Sequence[Section], *, stem: str = "report") -> str:
    """The page as HTML.

    Args:
        sections: at least one.
        stem: of the names of what can be downloaded.

    Raises:
        MissingExtraError: if a package is not installed.
    """
    charts, by_name, csv_files, reports = [], {}, {}, []
    for place, section in enumerate(sections):
        prefix, kind = f"r{place}", section.numbers["kind"]
        made = [
            {**chart, "id": f"{prefix}-{chart['name']}", "report": place}
            for chart in _CHARTS[kind](section.numbers)
        ]
        charts += made
        by_name[prefix] = {chart["name"]: chart for chart in made}
        report, tables = _view(section)
        reports.append(report)
        csv_files.update({f"{prefix}-{name}": as_csv(table) for name, table in tables.items()})
    script = _part("page.js")
    text: str = (
        _environment()
        .get_template("page.html.jinja")
        .render(
            version=__version__,
            title=_title(reports),
            css=_part("page.css"),
            script=script,
            library=library(),
            script_sources=" ".join(_source(text) for text in (library(), script)),
            numbers=_for_html(_twin(sections)),
            charts=_for_html({"charts": charts, "files": csv_files}),
            reports=reports,
            charts_of=by_name,
            stem=stem,
            colours=COLOURS,
            dashes=len(DASHES),
        )
    )
    return text


_CHARTS: dict[str, Callable[[Mapping[str, Any]], list[Chart]]] = {
    "comparison": comparison_charts,
    "joint": joint_charts,
    "search": search_charts,
}
"""Functions that make the charts of a part, by its kind."""


def _view(section: Section) -> tuple[dict[str, Any], dict[str, Numbers]]:
    """Words and cells of a part for its template, and by name the tables that can be downloaded."""
    said = section.numbers
    if said["kind"] == "search":
        return search_view(said), {"csv": said["convergence"], "lineage-csv": said["lineage"]["generations"]}
    if said["kind"] == "joint":
        return joint_view(said), {"csv": said["differences"]}
    return comparison_view(said, section.stored), {"csv": losses_csv(said)}


def _title(reports: Sequence[Mapping[str, Any]]) -> str:
    """The title of the page: that of its only part, or of the data sets whose reports all others are."""
    several = [report for report in reports if report["kind"] == "joint"]
    if len(reports) == 1 or (len(several) == 1 and len(reports) == 1 + len(reports[0].get("datasets", ()))):
        return str(reports[0]["title"])
    return f"{len(reports)} reports"


@lru_cache(maxsize=1)
def library() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script.

    Raises:
        MissingExtraError: if vl-convert is not installed.
    """
    try:
        import vl_convert
    except ImportError as error:
        raise MissingExtraError.of("vl-convert-python", "html", "a report page") from error
    bundle: Any = vl_convert.javascript_bundle  # its stub wants a snippet, which it does not
    text: str = bundle()
    if "</script" in text.lower() or "<!--" in text or "\r" in text:
        raise ConfigError("this version of vl-convert-python cannot be put into a page; install another")
    return text


def _environment() -> Any:
    try:
        from jinja2 import Environment, PackageLoader, StrictUndefined
    except ImportError as error:
        raise MissingExtraError.of("jinja2", "html", "a report page") from error
    made = Environment(
        loader=PackageLoader("evoloss.report.html", _TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    made.filters["number"] = number
    return made


def _shown(value: object) -> object:
    """Text of files without what cannot be printed, such as marks that turn the direction of writing."""
    return paragraphs(value) if type(value) is str else value


def _twin(sections: Sequence[Section]) -> dict[str, Any]:
    return {"schema": SCHEMA, "evoloss_report": __version__, "reports": [dict(s.numbers) for s in sections]}


def _part(name: str) -> str:
    return files("evoloss.report.html").joinpath(_TEMPLATES, name).read_text("utf-8")


def _source(script: str) -> str:
    """A script's hash, as a content security policy names it."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def _for_html(value: object) -> str:
    """JSON that can stand in a page: no character in it begins a tag or ends a line of a script."""
    text = json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text
