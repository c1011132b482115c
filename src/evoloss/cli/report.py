"""``evoloss report``: tables and figures from results files, or one page of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro

from evoloss.atomic_files import write_text
from evoloss.cli.compare_datasets import print_joint
from evoloss.cli.terminal import Terminal
from evoloss.compare.config import label_loss
from evoloss.compare.joint.results import JointResults, holds_several
from evoloss.compare.results import FILE_NAME, OWN_FILES, Results
from evoloss.errors import ConfigError
from evoloss.own_files import require_replaceable
from evoloss.report.figures import STEMS, write_figures
from evoloss.report.joint_table import is_joint_table, markdown_joint_table
from evoloss.report.tables import TABLE_FILE, is_table, markdown_table, rich_table
from evoloss.user_paths import real_path


@dataclass(frozen=True, kw_only=True)
class ReportCommand:
    """Draw figures and write table.md from the results.json of one comparison or several.

    With --html it writes one page instead, a single file that can be sent to others and needs no network.
    """

    directories: tyro.conf.Positional[tuple[Path, ...]]
    """Directories that `evoloss compare` wrote, or results files; with --html also those of
    `evoloss pretrain`. One of several data sets stands for all of them, and has a table of its own."""
    html: Path | None = None
    """Write this page (.html, a single file) and beside it a .json of the same numbers, in place of
    figures; without --out and --formats, which are for figures."""
    shapes: tuple[str, ...] = ()
    """Losses of your own whose shape the page draws, as `evoloss compare --losses` takes them: results hold
    their names alone."""
    out: Path | None = None
    """The folder to write to, with one folder for each comparison; beside each results.json by default."""
    formats: tuple[str, ...] = ("png",)
    """png, svg, or both."""

    def __post_init__(self) -> None:
        if not self.directories:
            raise ConfigError("name at least one directory with a results.json")
        if self.shapes and self.html is None:
            raise ConfigError("--shapes is for a page: give --html FILE.html too")
        if self.html is not None and self.out is not None:
            raise ConfigError(
                "--out is the folder of tables and figures, and with --html there are none: leave --out out, "
                f"or write the page there with --html {self.out / self.html.name}"
            )
        if self.html is not None and self.formats != ("png",):
            raise ConfigError("--formats is for figures, and with --html there are none: leave it out")
        names = [_name(path) for path in self.directories]
        if self.out is not None and len(set(names)) < len(names):
            raise ConfigError(f"two of {', '.join(names)} would share a folder of {self.out}")


def run(config: ReportCommand) -> int:
    """Write tables and figures, or a page, and print the tables."""
    console = Terminal()
    if config.html is not None:
        return _write_page(config, config.html, console)
    joint = {path: JointResults.read(path) for path in config.directories if holds_several(path)}
    read: list[tuple[Path, Path, Results]] = []
    for path in config.directories:
        target = _target(config, path)
        if path in joint:
            parts = joint[path].comparisons.items()
            read += [(path / folder, target / folder, results) for folder, results in parts]
        else:
            read.append((path, target, Results.read(path)))
    _require_places(config, joint, read)
    for _, target, results in read:
        figures = write_figures(results, target, config.formats)
        pictures = "".join(
            f"\n![{p.stem.replace('_', ' ')}]({p.name})\n" for p in figures if p.suffix == ".png"
        )
        write_text(target / TABLE_FILE, markdown_table(results) + pictures)
        console.print(rich_table(results))
        for file in (target / TABLE_FILE, *figures):
            console.say(f"written: {file}")
    for path, results_of_all in joint.items():
        target = _target(config, path)
        write_text(target / TABLE_FILE, markdown_joint_table(results_of_all))
        print_joint(console, results_of_all)
        console.say(f"written: {target / TABLE_FILE}")
    return 0


def _require_places(
    config: ReportCommand, joint: Mapping[Path, JointResults], read: Sequence[tuple[Path, Path, Results]]
) -> None:
    """Make sure, before anything is written, that no file of somebody else's is replaced."""
    drawn = [f"{stem}.{kind}" for stem in STEMS for kind in config.formats]
    for path, target, _ in read:
        beside = config.out is None and (path.is_dir() or path.name == FILE_NAME)
        require_replaceable(target, {TABLE_FILE: is_table, **(OWN_FILES if beside else {})}, drawn)
    for path in joint:
        require_replaceable(_target(config, path), {TABLE_FILE: is_joint_table})


def _write_page(config: ReportCommand, page: Path, console: Terminal) -> int:
    from evoloss.report.html import write_report

    shapes = {label_loss(spec): spec for spec in config.shapes}
    sections, files = write_report(config.directories, page, shapes)
    for section in sections:
        console.say(section["title"])
        verdict = section["verdict"]
        console.say(f"  {verdict['text']} {verdict['advice'] or verdict.get('note', '')}")
        for warning in section["warnings"]:
            console.say(f"  warning: {warning}")
    for file in files:
        console.say(f"written: {file}")
    return 0


def _target(config: ReportCommand, path: Path) -> Path:
    beside = path if path.is_dir() else path.parent
    return beside if config.out is None else config.out / _name(path)


def _name(path: Path) -> str:
    return real_path(path.parent if path.name == FILE_NAME else path).name
