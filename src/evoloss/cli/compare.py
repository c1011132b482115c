"""``evoloss compare``: train classifiers with several losses over several seeds, side by side."""

from __future__ import annotations

import logging
from dataclasses import dataclass, fields
from pathlib import Path

import torch
from rich.console import Console

from evoloss.cli import EXIT_INTERRUPTED
from evoloss.errors import ConfigError
from evoloss.experiments.compare import CompareConfig, compare
from evoloss.experiments.results import FILE_NAME
from evoloss.report.tables import rich_table


@dataclass(frozen=True, kw_only=True)
class CompareCommand(CompareConfig):
    """Train classifiers with several losses over several seeds, and compare the losses.

    Writes results.json after every run; the same command goes on where it was stopped.
    """

    out: Path
    """Directory of results.json."""
    threads: int | None = None
    """Processor threads; small classifiers are fastest with 1. All cores by default."""
    quiet: bool = False
    """Show no progress bar."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.threads is not None and self.threads < 1:
            raise ConfigError(f"threads must be at least 1; got {self.threads}")


def run(config: CompareCommand) -> int:
    """Run the comparison and print its table."""
    console = Console()
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    torch.backends.cudnn.benchmark = True  # every batch of a run has one shape
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # a line a run in the progress bar
    settings = {entry.name: getattr(config, entry.name) for entry in fields(CompareConfig)}
    try:
        results = compare(CompareConfig(**settings), out=config.out, progress=not config.quiet)
    except KeyboardInterrupt:
        console.print(
            f"stopped; the runs that are done are in {config.out / FILE_NAME}, and the same command goes on"
        )
        return EXIT_INTERRUPTED
    console.print(rich_table(results))
    console.print(f"written: {config.out / FILE_NAME}", soft_wrap=True)
    return 0
