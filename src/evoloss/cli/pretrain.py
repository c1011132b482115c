"""``evoloss pretrain``: evolve a loss, with a progress bar, checkpoints and resume."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated

import torch
import tyro
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from evoloss.cli.process import EXIT_INTERRUPTED
from evoloss.cli.terminal import Terminal
from evoloss.cli.termination import terminable
from evoloss.errors import ConfigError
from evoloss.executors import Executor, ExecutorConfig, require_threads
from evoloss.losses.artefact.card import SCORE_TITLES
from evoloss.networks import NETWORKS
from evoloss.pretraining import GenerationRecord, PretrainConfig, PretrainResult, pretrain
from evoloss.pretraining.checkpoint import CHECKPOINT_FILE
from evoloss.pretraining.config import LEAST_GENERATIONS
from evoloss.pretraining.effects import without_effect
from evoloss.pretraining.loop import Stage
from evoloss.pretraining.names import NetworkName
from evoloss.pretraining.result import CONFIG_FILE
from evoloss.pretraining.toml_files import read_toml
from evoloss.trackers.option import Log, logged_lines, require_log, search_log
from evoloss.user_paths import expand_user


def _networks() -> str:
    """The help of ``--network``: every kind in a phrase of its own."""
    return "Loss network: " + "; ".join(f"{name} ({kind.summary})" for name, kind in NETWORKS.items()) + "."


@dataclass(frozen=True, kw_only=True)
class PretrainCommand(PretrainConfig, ExecutorConfig):
    """Evolve a loss from synthetic pairs and tasks. Settings given here win over those of --config."""

    network: Annotated[NetworkName, tyro.conf.arg(help=_networks())] = "classwise"
    out: Path
    """Directory for the loss, its history and checkpoints."""
    config: Path | None = None
    """TOML file with settings; with --resume, by default the one in the directory."""
    resume: bool = False
    """Go on with the run in the directory, bit for bit."""
    log: Log = "none"
    """Log the search to TensorBoard, MLflow or Weights & Biases too, generation by generation; to a folder
    log/ in --out, or where the tool's own variables say (MLFLOW_TRACKING_URI, WANDB_MODE)."""
    threads: int = 1
    """Processor threads; the products of one generation are too small for more to help. Another number may
    give other bits."""

    def __post_init__(self) -> None:
        PretrainConfig.__post_init__(self)
        ExecutorConfig.__post_init__(self)
        require_threads(self.threads)

    def settings(self) -> PretrainConfig:
        """The configuration alone."""
        return PretrainConfig(**{field.name: getattr(self, field.name) for field in fields(PretrainConfig)})


def defaults(arguments: Sequence[str]) -> PretrainCommand:
    """Defaults of the command line: those of the file that ``arguments`` name, or of the run to resume."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--config", type=expand_user)
    parser.add_argument("--out", type=expand_user)
    parser.add_argument("--resume", action="store_true")
    try:
        known, _ = parser.parse_known_args(
            [argument for argument in arguments if argument not in ("-h", "--help")]
        )
    except argparse.ArgumentError:  # an option without its value, which the real parser reports better
        known = argparse.Namespace(config=None, out=None, resume=False)
    source = known.config
    if source is None and known.resume and known.out is not None and (known.out / CONFIG_FILE).exists():
        source = known.out / CONFIG_FILE
    config = PretrainConfig() if source is None else PretrainConfig.from_dict(read_toml(source), str(source))
    _require_students(arguments, config)
    values = {field.name: getattr(config, field.name) for field in fields(PretrainConfig)}
    return PretrainCommand(**values, out=tyro.MISSING, config=source)


def _require_students(arguments: Sequence[str], config: PretrainConfig) -> None:
    """Refuse a prior by name where no student is trained on it, the prior that is the default too."""
    named = [one for one in arguments if one.startswith("--prior")]
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--fitness", default=config.fitness)
    with suppress(argparse.ArgumentError):
        fitness = parser.parse_known_args([one for one in arguments if one not in ("-h", "--help")])[
            0
        ].fitness
        if named and fitness == "ranking":
            raise ConfigError(
                f"{named[0].partition('=')[0]} describes the tasks of students, and the ranking fitness "
                "trains none: add --fitness learnability, or leave it out"
            )


def run(command: PretrainCommand) -> int:
    """Evolve the loss and write it; Ctrl-C or SIGTERM leaves a checkpoint and says how to go on."""
    console = Terminal()
    config = command.settings()
    if command.executor != "serial" and config.fitness == "ranking":
        raise ConfigError(
            "an executor trains the students of the learnability fitness; the ranking fitness is one "
            "small product a generation and stays in this process: leave --executor out"
        )
    require_log(command.log)
    for sentence in without_effect(config):
        console.say(f"note: {sentence}")
    torch.set_num_threads(command.threads)
    try:
        with (
            terminable(),
            search_log(command.log, command.out, console.say) as log,
            _executor(command) as executor,
            _progress(console, config) as show,
        ):
            if log is not None:
                log.describe(config)

            def on_generation(record: GenerationRecord) -> None:
                show(record)
                if log is not None:
                    log.on_generation(record)

            result = pretrain(
                config,
                out=command.out,
                resume=command.resume,
                on_generation=on_generation,
                on_stage=show.stage,
                executor=executor,
            )
            if log is not None:
                log.finish(result)
    except KeyboardInterrupt:
        if not (command.out / CHECKPOINT_FILE).exists():
            raise  # stopped before there was anything to go on with
        again = shlex.join(["evoloss", "pretrain", "--out", str(command.out), "--resume"])
        console.say(f"Stopped; the last complete generation is saved. To go on:\n  {again}")
        return EXIT_INTERRUPTED
    console.print(summary_table(result))
    if "learnability" in result.summary:
        console.print(learnability_table(result))
    _conclude(console, command, result)
    for line in logged_lines(log):
        console.say(line)
    return 0


def _conclude(console: Terminal, command: PretrainCommand, result: PretrainResult) -> None:
    """Print the verdict, what was written and what comes next."""
    verdict, out = result.verdict, shlex.quote(str(command.out))
    console.say(verdict.text)
    if verdict.generations is not None:
        again = f"evoloss pretrain --out {out} --resume --generations {verdict.generations}"
        console.say(f"To go on with it:\n  {again}")
    if verdict.advice:
        console.say(verdict.advice)
    console.say(f"Saved to {command.out}: EvolvedLoss.from_pretrained({str(command.out)!r})")
    console.say(f"To look at the loss:\n  evoloss inspect {out}")


def summary_table(result: PretrainResult) -> Table:
    """Ranking on held-out pairs by class count, and the speed."""
    summary = result.summary
    names = dict(SCORE_TITLES)
    if result.config.error == "dominance":
        names["dominance"] = "under dominance"
    table = Table("classes", *names.values(), title="Held-out pairs")
    for n_classes, row in summary["scores"].items():
        table.add_row(n_classes, *(f"{row[name]:.5f}" for name in names))
    rate = summary["generations_per_second"]
    starts = f", {summary['attempts']} starts" if summary["attempts"] > 1 else ""
    table.caption = (
        f"{summary['generations']} generations of {summary['popsize']} in {summary['seconds']:.1f} s"
        + (f" ({rate:.1f} a second)" if rate else "")
        + f", {summary['rejected']} candidates rejected{starts}; the loss of generation "
        f"{summary['kept_generation']}"
    )
    return table


def learnability_table(result: PretrainResult) -> Table:
    """Students against those of cross-entropy on held-out tasks that nothing was chosen by."""
    found = result.summary["learnability"]
    table = Table("tasks", "number", "accuracy over cross-entropy, points", title="Held-out synthetic tasks")
    times = f"{result.config.task_prior.stretch:g}"
    for name, line in (("short", "short"), ("long", "long"), ("stretched", f"trained {times} times longer")):
        row = found[name]
        table.add_row(line, str(row["tasks"]), f"{row['mean']:+.2f} ± {row['se']:.2f}")
    table.caption = "mean ± standard error"
    return table


@contextmanager
def _executor(command: PretrainCommand) -> Iterator[Executor | None]:
    """The executor in which students are trained; None for this process."""
    if command.executor == "serial":
        yield None
        return
    with command.make(threads=1) as executor:  # as in this process, for the same bits
        yield executor


@contextmanager
def _progress(console: Terminal, config: PretrainConfig) -> Iterator[_Show]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[status]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        yield _Show(progress, config)


_STAGES: dict[Stage, str] = {
    "choosing": "evolved, choosing among the best",
    "reporting": "evolved, reporting on the chosen one",
}


class _Show:
    """Puts each generation's record on the bar."""

    def __init__(self, progress: Progress, config: PretrainConfig) -> None:
        self.progress = progress
        # Most searches that are not told how many generations have settled after the least number of them.
        self.expected = config.most_generations if config.generations else LEAST_GENERATIONS
        self.most = config.most_generations
        self.began: tuple[int, float] | None = None
        self.held_out = ""
        self.task = self.progress.add_task("evolving", total=self.expected, status="")

    def stage(self, stage: Stage) -> None:
        """Say what is done after the last generation, which may take minutes."""
        self.progress.update(self.task, description=_STAGES[stage])

    def __call__(self, record: GenerationRecord) -> None:
        if self.began is None:  # a resumed run starts in the middle, and its rate is that of this part
            self.began = (record.generation, record.seconds)
        done, seconds = record.generation - self.began[0], record.seconds - self.began[1]
        if record.generation > self.expected:
            self.expected = self.most
            self.progress.update(self.task, total=self.most, description="evolving, not settled yet")
        status = f"fitness {_number(record.fitness_best)}  consistency {_number(record.consistency_best)}"
        if record.held_out_advantage is not None:
            self.held_out = f"  held out {record.held_out_advantage:+.2f}"
        status += self.held_out
        if seconds > 0:
            status += f"  {done / seconds:.1f} gen/s"
        self.progress.update(self.task, completed=record.generation, status=status)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
