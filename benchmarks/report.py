"""The tables of a study's README, from its results.

python -m benchmarks.report cifar10_20k            # prints them
python -m benchmarks.report cifar10_20k --write    # puts them between the marks of the README
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from benchmarks.cifar10_20k import conditions as size_conditions
from benchmarks.cifar10_20k import run as size_study
from benchmarks.cifar10_resnets import conditions as resnet_conditions
from benchmarks.cifar10_resnets import run as resnet_study
from benchmarks.harness import command
from benchmarks.harness.accuracy_study import Study
from benchmarks.harness.page import replace_between
from benchmarks.harness.study_tables import BEGIN, END, Situations, tables
from benchmarks.tabular import conditions as table_conditions
from benchmarks.tabular import run as table_study
from evoloss.atomic_files import write_text

Name = Literal["cifar10_20k", "cifar10_resnets", "tabular"]
STUDIES: dict[Name, tuple[Callable[[Path], Study], Situations]] = {
    "cifar10_20k": (size_study.study, size_conditions.SITUATIONS),
    "cifar10_resnets": (resnet_study.study, resnet_conditions.SITUATIONS),
    "tabular": (table_study.study, table_conditions.SITUATIONS),
}
"""Makes each study for a folder of results, and the conditions that are looked at together."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """Print the tables, or write them into the README."""

    study: Annotated[Name, tyro.conf.Positional]
    """Folder under ``benchmarks/``."""
    write: bool = False
    """Replace what stands between the marks of the study's README."""
    results: Path | None = None
    """Folder of the results; by default that of the study."""


def readme(study: str) -> Path:
    """The page of a study."""
    return Path(__file__).parent / study / "README.md"


def lines(study: Name, results: Path | None = None) -> list[str]:
    """The tables of a study, as far as it has been run."""
    make, situations = STUDIES[study]
    return tables(make(results or readme(study).parent / "results"), situations)


def main(options: Report) -> None:
    """Print or write."""
    made = lines(options.study, options.results)
    if not options.write:
        print("\n".join(made))
        return
    path = readme(options.study)
    write_text(path, replace_between(path.read_text(encoding="utf-8"), BEGIN, END, made))


if __name__ == "__main__":
    command.run(Report, main)
