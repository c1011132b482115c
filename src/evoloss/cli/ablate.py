"""``evoloss ablate``: the same pretraining with settings exchanged, compared over paired seeds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
import tyro
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from evoloss.ablate.ablation import SHORT, AblateConfig, ablate
from evoloss.ablate.results import FILE_NAME, OWN_FILES
from evoloss.ablate.statistics import AblationRun
from evoloss.ablate.teller import OnRun
from evoloss.ablate.variants import parse_settings
from evoloss.cli.process import EXIT_INTERRUPTED
from evoloss.cli.terminal import Terminal
from evoloss.cli.termination import terminable
from evoloss.executors import ExecutorConfig, require_threads
from evoloss.own_files import require_replaceable
from evoloss.pretraining import PretrainConfig
from evoloss.pretraining.memory import require_memory_for
from evoloss.pretraining.toml_files import read_toml
from evoloss.report.ablation_figure import STEMS, write_ablation_figures
from evoloss.report.ablation_table import rich_ablation
from evoloss.sweeps.finished_run import FinishedRun
from evoloss.trackers.option import Log, ablation_log, logged_lines, require_log


@dataclass(frozen=True, kw_only=True)
class AblateCommand(ExecutorConfig):
    """Pretrain with one setting or several varied, the rest fixed, over paired seeds, and compare.

    Writes ablation.json with the statistics, and figures; the same command goes on where it was stopped.
    """

    out: Path
    """Directory of ablation.json and figures."""
    vary: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """NAME=VALUE,VALUE such as mutation=gaussian,chaotic: a setting of pretrain and its values. Given several
    times it spans a grid."""
    variant: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """'NAME: FIELD=VALUE FIELD=VALUE': one more variant, a named combination of settings."""
    config: Path | None = None
    """TOML file with the settings that all variants share."""
    fixed: tuple[str, ...] = ()
    """NAME=VALUE: more settings that all variants share; they win over those of --config."""
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    """One run for each seed and variant; runs of equal seed start alike and see the same pairs."""
    target: float = 0.99
    """Ranking consistency on held-out pairs whose first reaching is timed, to the next eval_every."""
    baseline: str | None = None
    """Variant that the others are compared with; the first one by default."""
    contrast: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """VARIANT:REFERENCE: one more comparison."""
    threads: int = 1
    """Processor threads of a run."""
    figures: bool = True
    """Draw convergence curves and paired differences."""
    log: Log = "none"
    """Log every run to TensorBoard, MLflow or Weights & Biases too, generation by generation; to a folder
    log/ beside the results, or where the tool's own variables say (MLFLOW_TRACKING_URI, WANDB_MODE)."""
    quiet: bool = False
    """Show no progress bar."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_threads(self.threads)

    def settings(self) -> AblateConfig:
        """The ablation alone."""
        shared = {} if self.config is None else read_toml(self.config)
        if self.config is not None:
            PretrainConfig.from_dict(shared, str(self.config))
        shared = {**SHORT, **shared, **parse_settings(self.fixed)}  # the file and --fixed win
        return AblateConfig(
            base=PretrainConfig.from_dict(shared, "the shared settings"),
            vary=self.vary,
            variant=self.variant,
            seeds=self.seeds,
            target=self.target,
            baseline=self.baseline,
            contrast=self.contrast,
        )


def run(command: AblateCommand) -> int:
    """Run the ablation, print its tables and draw its figures."""
    console = Terminal()
    config = command.settings()
    require_log(command.log)
    pictures = [f"{stem}.png" for stem in STEMS] if command.figures else []
    require_replaceable(command.out, OWN_FILES, pictures)
    if command.executor != "ray":  # whose machines are others than this one
        for variant in config.variants:
            require_memory_for(variant.config(config.base, config.seeds[0]))
    torch.set_num_threads(command.threads)
    place = command.make(command.threads)
    try:
        with (
            terminable(),
            ablation_log(command.log, command.out, console.say) as log,
            place as executor,
            _progress(console, shown=not command.quiet) as show,
        ):

            def on_run(run: FinishedRun[AblationRun]) -> None:
                show(run)
                if log is not None:
                    log.on_run(run)

            ablation = ablate(
                config,
                out=command.out,
                executor=executor,
                on_run=on_run,
                on_generation=None if log is None else log.on_generation,
            )
    except KeyboardInterrupt:
        console.say(f"stopped; the runs that are done are in {command.out}, and the same command goes on")
        return EXIT_INTERRUPTED
    for table in rich_ablation(ablation):
        console.print(table)
    for line in logged_lines(log):
        console.say(line)
    written = [command.out / FILE_NAME]
    if command.figures:
        written += write_ablation_figures(ablation, command.out)
    for path in written:
        console.say(f"written: {path}")
    return 0


@contextmanager
def _progress(console: Terminal, *, shown: bool) -> Iterator[OnRun]:
    columns = (TextColumn("pretraining"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not shown) as progress:
        task = progress.add_task("pretraining", total=None)
        yield lambda run: progress.update(task, completed=run.done, total=run.planned)
