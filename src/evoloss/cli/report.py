"""``evoloss report``: tables and figures from results files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import tyro

from evoloss.atomic_files import write_text
from evoloss.cli.terminal import Terminal
from evoloss.compare.results import FILE_NAME, OWN_FILES, Results
from evoloss.errors import ConfigError
from evoloss.own_files import require_replaceable
from evoloss.report.figures import STEMS, write_figures
from evoloss.report.tables import TABLE_FILE, is_table, markdown_table, rich_table
from evoloss.user_paths import real_path


@dataclass(frozen=True, kw_only=True)
class ReportCommand:
    """Draw figures and write table.md from the results.json of one comparison or several."""

    directories: tyro.conf.Positional[tuple[Path, ...]]
    """Directories that `evoloss compare` wrote, or results files."""
    out: Path | None = None
    """The folder to write to, with one folder for each comparison; beside each results.json by default."""
    formats: tuple[str, ...] = ("png",)
    """png, svg, or both."""

    def __post_init__(self) -> None:
        if not self.directories:
            raise ConfigError("name at least one directory with a results.json")
        names = [_name(path) for path in self.directories]
        if self.out is not None and len(set(names)) < len(names):
            raise ConfigError(f"two of {', '.join(names)} would share a folder of {self.out}")


def run(config: ReportCommand) -> int:
    """Write tables and figures, and print the tables."""
    console = Terminal()
    read = [(path, Results.read(path)) for path in config.directories]
    drawn = [f"{stem}.{kind}" for stem in STEMS for kind in config.formats]
    for path, _ in read:
        beside = config.out is None and (path.is_dir() or path.name == FILE_NAME)
        require_replaceable(
            _target(config, path), {TABLE_FILE: is_table, **(OWN_FILES if beside else {})}, drawn
        )
    for path, results in read:
        target = _target(config, path)
        figures = write_figures(results, target, config.formats)
        pictures = "".join(
            f"\n![{p.stem.replace('_', ' ')}]({p.name})\n" for p in figures if p.suffix == ".png"
        )
        write_text(target / TABLE_FILE, markdown_table(results) + pictures)
        console.print(rich_table(results))
        for file in (target / TABLE_FILE, *figures):
            console.say(f"written: {file}")
    return 0


def _target(config: ReportCommand, path: Path) -> Path:
    beside = path if path.is_dir() else path.parent
    return beside if config.out is None else config.out / _name(path)


def _name(path: Path) -> str:
    return real_path(path.parent if path.name == FILE_NAME else path).name
