"""``evoloss compare``: train classifiers with several losses over several seeds, side by side."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import tyro

from evoloss.cli.compare_datasets import compare_several, estimate_several
from evoloss.cli.compare_file import file_of, read_settings
from evoloss.cli.last_lines import last_lines, plan_lines
from evoloss.cli.process import EXIT_INTERRUPTED
from evoloss.cli.terminal import Terminal
from evoloss.cli.termination import terminable
from evoloss.compare.comparison import compare
from evoloss.compare.config import CompareConfig, ComparisonSettings
from evoloss.compare.estimate import estimate
from evoloss.compare.joint.dataset_specs import configs_of
from evoloss.compare.joint.folders import folders_of, labels_of
from evoloss.compare.keeping.plan import Keep
from evoloss.compare.results import FILE_NAME
from evoloss.executors import Executor, ExecutorConfig, require_threads
from evoloss.report.tables import rich_table
from evoloss.trackers.option import Log, comparison_log, require_log


@dataclass(frozen=True, kw_only=True)
class CompareCommand(ComparisonSettings, ExecutorConfig):
    """Train classifiers with several losses over several seeds, and compare the losses.

    Writes results.json as runs end, and for each loss's first seed its weights, predictions, confusion matrix
    and most suspect training labels, in kept/LOSS/seed-N; the same command goes on where it was stopped, and
    may run several times at once on one directory. Several data sets have a folder each there, and
    joint.json has what they say together.
    """

    out: Path
    """Directory of results.json, and of kept/ with what runs leave beside numbers; of several data sets, of
    their folders and joint.json."""
    dataset: tuple[str, ...] = ("digits",)
    """digits, cifar10, ... (a known name), a file (.npz, .csv, .parquet), a folder of images by class, or
    package.module:callable; or several of these. What one data set alone needs stands behind its name:
    wine.csv:target=quality,epochs=100 (also ignore_columns, image_size, train_labels, train_samples,
    validation, model, rounds, batch_size, lr)."""
    config: Path | None = None
    """TOML file with settings of the comparison, such as dataset = ["digits", "wine.csv:target=quality"];
    those given here win over it."""
    keep: Keep = "first"
    """Files beside the results: weights, predictions, evaluation and suspect training labels of each loss's
    first seed (first), of all reported runs (all), or none."""
    threads: int | None = None
    """Processor threads; small classifiers are fastest with 1. All cores by default; with processes and ray,
    those of each run, by default its share of the cores and 1."""
    log: Log = "none"
    """Log every run to TensorBoard, MLflow or Weights & Biases too: epochs (of trees rounds) as they end,
    settings, results; to a folder log/ beside the results, or where the tool's own variables say
    (MLFLOW_TRACKING_URI, WANDB_MODE)."""
    quiet: bool = False
    """Show no progress bar."""
    dry_run: bool = False
    """Check data, losses, model and what lies in --out, time some epochs (of trees rounds) of each loss, say
    how long all takes; write nothing."""

    def __post_init__(self) -> None:
        super().__post_init__()
        ExecutorConfig.__post_init__(self)
        require_threads(self.threads)

    def configs(self) -> list[CompareConfig]:
        """The comparison on each data set."""
        shared: dict[str, Any] = {}
        if self.gpus_per_run and self.accelerator == "auto":
            shared["accelerator"] = "cuda"  # of the workers; this machine may have none
        return configs_of(self, self.dataset, shared)


def defaults(arguments: Sequence[str]) -> CompareCommand:
    """Defaults of the command line: those of the file that ``arguments`` name."""
    path = file_of(arguments)
    return CompareCommand(out=tyro.MISSING, config=path, **({} if path is None else read_settings(path)))


def run(config: CompareCommand) -> int:
    """Run the comparison and print its table."""
    console = Terminal()
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    torch.backends.cudnn.benchmark = True  # every batch of a run has one shape
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # a line a run in the progress bar
    configs = config.configs()
    require_log(config.log)

    def say(note: str) -> None:
        console.say(f"data: {note}")

    def warn(caution: str) -> None:
        console.say(f"warning: {caution}")

    if config.dry_run:
        if len(configs) > 1:
            lines = estimate_several(configs, config.out, config, say=say, warn=warn)
        else:
            lines = plan_lines(estimate(configs[0], config.out, say=say, warn=warn), config)
        for line in lines:
            console.say(line)
        return 0
    try:
        with (
            terminable(),
            comparison_log(config.log, _folders(configs, config.out), console.say) as log,
            _executor(config) as executor,
        ):
            if len(configs) > 1:
                return compare_several(
                    configs,
                    config.out,
                    console,
                    progress=not config.quiet,
                    executor=executor,
                    say=say,
                    warn=warn,
                    log=log,
                )
            results = compare(
                configs[0],
                out=config.out,
                progress=not config.quiet,
                executor=executor,
                say=say,
                warn=warn,
                on_run=log.on_run,
                on_epoch=log.on_epoch,
            )
    except KeyboardInterrupt:
        place = config.out / FILE_NAME if len(configs) == 1 else f"the folders of {config.out}"
        console.say(f"stopped; the runs that are done are in {place}, and the same command goes on")
        return EXIT_INTERRUPTED
    console.print(rich_table(results))
    for line in (*log.lines(), *last_lines(results, config.out, keep=config.keep)):
        console.say(line)
    return 0


def _folders(configs: Sequence[CompareConfig], out: Path) -> dict[str, Path]:
    """Folders of results by the names of data sets."""
    if len(configs) == 1:
        return {configs[0].dataset: out}
    return {
        label: out / folder for label, folder in zip(labels_of(configs), folders_of(configs), strict=True)
    }


def _executor(config: CompareCommand) -> AbstractContextManager[Executor | None]:
    if config.executor == "serial":
        return nullcontext()  # in this process, with a progress bar that counts epochs
    return config.make(config.threads)
