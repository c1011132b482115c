"""Report page: one offline HTML file with a JSON twin, of comparisons and of searches."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from evoloss.compare.joint.results import JOINT_FILE, JointResults, holds_several
from evoloss.compare.results import FILE_NAME, Results
from evoloss.errors import ConfigError, UnknownNameError
from evoloss.report.html.comparison import comparison_section
from evoloss.report.html.joint.section import joint_section
from evoloss.report.html.page import Section, require_page, twin_path, write_page
from evoloss.report.html.search import is_search, search_section
from evoloss.report.html.stored import read_stored
from evoloss.user_paths import real_path

__all__ = ["require_page", "twin_path", "write_report"]


def write_report(
    paths: Sequence[Path], page: Path, shapes: Mapping[str, str] | None = None
) -> tuple[list[Mapping[str, Any]], list[Path]]:
    """Write the page of comparisons and searches, and its JSON twin.

    Args:
        paths: directories that ``evoloss compare`` or ``evoloss pretrain`` wrote, or results files; one of
            several data sets gives a part on all, and one on each.
        page: the HTML file; the JSON file beside it has the same stem.
        shapes: losses whose shape is drawn although results hold their names alone: by that name, what
            :func:`~evoloss.make_loss` takes.

    Returns:
        What each part of the page says, as in the JSON file, and the two files.

    Raises:
        ConfigError: if the page has another ending or would be too large, or ``shapes`` are given and there
            is no comparison.
        UnknownNameError: if no comparison has a loss of a name of ``shapes``, or such a loss cannot be found.
        OutputError: if a file of somebody else's would be replaced.
        MissingExtraError: if a package of the extra ``html`` is not installed.
        EvolossError: if a directory cannot be read.
    """
    require_page(page)
    sections = [section for path in paths for section in _sections(path, shapes or {})]
    _require_in_results(shapes or {}, sections)
    write_page(sections, page)
    return [section.numbers for section in sections], [page, twin_path(page)]


def _require_in_results(shapes: Mapping[str, str], sections: Sequence[Section]) -> None:
    """Refuse a loss to draw that no comparison has: nothing of it would be on the page."""
    comparisons = [section.numbers for section in sections if section.numbers["kind"] == "comparison"]
    if shapes and not comparisons:
        raise ConfigError(
            "shapes are of losses that were compared, and there is no comparison; leave them out"
        )
    known = dict.fromkeys(row["loss"] for numbers in comparisons for row in numbers["losses"])
    for name in shapes:
        if name not in known:
            raise UnknownNameError.among("loss in these results with the name", name, known)


def _sections(path: Path, shapes: Mapping[str, str]) -> list[Section]:
    """The parts of a page on a directory: one, or that of all data sets and one for each."""
    if not holds_several(path) or is_search(path):
        return [_section(path, shapes)]
    joint = JointResults.read(path)
    file = path / JOINT_FILE
    written = _date(file) if file.exists() else ""
    whole = Section(numbers=joint_section(joint, name=real_path(path).name, written=written))
    return [whole, *(_section(path / folder, shapes) for folder in joint.comparisons)]


def _section(path: Path, shapes: Mapping[str, str]) -> Section:
    name = real_path(path.parent if path.name == FILE_NAME else path).name
    if path.is_dir() and not (path / FILE_NAME).exists() and is_search(path):
        return Section(numbers=search_section(path, name=name, written=_date(path / "history.jsonl")))
    results = Results.read(path)
    file = path / FILE_NAME if path.is_dir() else path
    directory = file.parent if file.name == FILE_NAME else None
    stored = read_stored(results, directory)
    section = comparison_section(results, name=name, stored=stored, written=_date(file), given=shapes)
    return Section(numbers=section, stored=stored)


def _date(path: Path) -> str:
    moment = datetime.datetime.fromtimestamp(path.stat().st_mtime, tz=datetime.UTC)
    return f"{moment:%Y-%m-%d}"
