"""``evoloss compare``: train classifiers with several losses over several seeds, side by side."""

from __future__ import annotations

import logging
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, fields
from pathlib import Path

import torch

from evoloss.cli.last_lines import last_lines, plan_lines
from evoloss.cli.process import EXIT_INTERRUPTED
from evoloss.cli.terminal import Terminal
from evoloss.cli.termination import terminable
from evoloss.compare.comparison import compare
from evoloss.compare.config import CompareConfig
from evoloss.compare.estimate import estimate
from evoloss.compare.keeping.plan import Keep
from evoloss.compare.results import FILE_NAME
from evoloss.executors import Executor, ExecutorConfig, require_threads
from evoloss.report.tables import rich_table


@dataclass(frozen=True, kw_only=True)
class CompareCommand(CompareConfig, ExecutorConfig):
    """Train classifiers with several losses over several seeds, and compare the losses.

    Writes results.json as runs end, and for each loss's first seed its weights, predictions, confusion matrix
    and most suspect training labels, in kept/LOSS/seed-N; the same command goes on where it was stopped, and
    may run several times at once on one directory.
    """

    out: Path
    """Directory of results.json, and of kept/ with what runs leave beside numbers."""
    keep: Keep = "first"
    """Files beside the results: weights, predictions, evaluation and suspect training labels of each loss's
    first seed (first), of all reported runs (all), or none."""
    threads: int | None = None
    """Processor threads; small classifiers are fastest with 1. All cores by default; with processes and ray,
    those of each run, by default its share of the cores and 1."""
    quiet: bool = False
    """Show no progress bar."""
    dry_run: bool = False
    """Check data, losses, model and what lies in --out, time two epochs of each loss, say how long all takes;
    write nothing."""

    def __post_init__(self) -> None:
        super().__post_init__()
        ExecutorConfig.__post_init__(self)
        require_threads(self.threads)


def run(config: CompareCommand) -> int:
    """Run the comparison and print its table."""
    console = Terminal()
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    torch.backends.cudnn.benchmark = True  # every batch of a run has one shape
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # a line a run in the progress bar
    settings = {entry.name: getattr(config, entry.name) for entry in fields(CompareConfig)}
    if config.gpus_per_run and config.accelerator == "auto":
        settings["accelerator"] = "cuda"  # of the workers; this machine may have none

    def say(note: str) -> None:
        console.say(f"data: {note}")

    def warn(caution: str) -> None:
        console.say(f"warning: {caution}")

    if config.dry_run:
        for line in plan_lines(estimate(CompareConfig(**settings), config.out, say=say, warn=warn), config):
            console.say(line)
        return 0
    try:
        with terminable(), _executor(config) as executor:
            results = compare(
                CompareConfig(**settings),
                out=config.out,
                progress=not config.quiet,
                executor=executor,
                say=say,
                warn=warn,
            )
    except KeyboardInterrupt:
        console.say(
            f"stopped; the runs that are done are in {config.out / FILE_NAME}, and the same command goes on"
        )
        return EXIT_INTERRUPTED
    console.print(rich_table(results))
    for line in last_lines(results, config.out, keep=config.keep):
        console.say(line)
    return 0


def _executor(config: CompareCommand) -> AbstractContextManager[Executor | None]:
    if config.executor == "serial":
        return nullcontext()  # in this process, with a progress bar that counts epochs
    return config.make(config.threads)
