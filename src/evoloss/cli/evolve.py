"""``evoloss evolve``: a loss for one's own regime, within a budget of time, with a verdict."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated

import torch
import tyro
from rich.table import Table

from evoloss.cli.evolve_display import display, has_unicode
from evoloss.cli.process import EXIT_INTERRUPTED
from evoloss.cli.terminal import Terminal
from evoloss.cli.termination import terminable
from evoloss.errors import ConfigError, MissingExtraError
from evoloss.evolve import Begin, Difference, EvolveConfig, EvolveResult, EvolveVerdict, evolve
from evoloss.evolve.config import EVOLVE_FILE
from evoloss.evolve.journal import JOURNAL_FILE
from evoloss.evolve.presets import PRESETS
from evoloss.evolve.ranges import time_text
from evoloss.evolve.regime import Purpose
from evoloss.evolve.search import OWN_FILES
from evoloss.evolve.verdict import rates_text
from evoloss.executors import Executor, ExecutorConfig, require_threads
from evoloss.own_files import require_replaceable
from evoloss.pretraining.checkpoint import CHECKPOINT_FILE
from evoloss.pretraining.result import CONFIG_FILE
from evoloss.trackers.option import Log, logged_lines, require_log, search_log
from evoloss.user_paths import expand_user

_NARROW = 70  # columns, below which a table is cut to dots


def _purposes() -> str:
    """The help of ``--for``."""
    return "; ".join(f"{name}: {preset.summary}" for name, preset in PRESETS.items()) + "."


@dataclass(frozen=True, kw_only=True)
class EvolveCommand(EvolveConfig, ExecutorConfig):
    """Evolve a loss for your own regime from synthetic tasks, and say whether it is worth it.

    Example: evoloss evolve --for noise --classes 3 --samples 100-400 --features 13 --out mine
    """

    purpose: Annotated[Purpose, tyro.conf.arg(name="for", help=_purposes())]
    out: Path
    """Directory for the loss, its card, figures and checkpoints."""
    resume: bool = False
    """Go on with the run in the directory, in its search or in its judging; with a larger --budget one that
    has ended searches on."""
    log: Log = "none"
    """Log the search to TensorBoard, MLflow or Weights & Biases too, generation by generation, and its
    verdict; to a folder log/ in --out, or where the tool's own variables say (MLFLOW_TRACKING_URI,
    WANDB_MODE)."""
    threads: int = 1
    """Processor threads of each process; the products are too small for more to help. For more cores take
    --executor processes."""

    def __post_init__(self) -> None:
        EvolveConfig.__post_init__(self)
        ExecutorConfig.__post_init__(self)
        require_threads(self.threads)

    def settings(self) -> EvolveConfig:
        """The settings of the search alone."""
        return EvolveConfig(**{field.name: getattr(self, field.name) for field in fields(EvolveConfig)})


def defaults(arguments: Sequence[str]) -> EvolveCommand:
    """Defaults of the command line; with ``--resume`` those of the run in the directory."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--out", type=expand_user)
    parser.add_argument("--resume", action="store_true")
    try:
        known, _ = parser.parse_known_args([one for one in arguments if one not in ("-h", "--help")])
    except argparse.ArgumentError:  # an option without its value, which the real parser reports better
        known = argparse.Namespace(out=None, resume=False)
    if known.resume and known.out is not None and (known.out / EVOLVE_FILE).exists():
        config = EvolveConfig.from_toml(known.out / EVOLVE_FILE)
        values = {field.name: getattr(config, field.name) for field in fields(EvolveConfig)}
        return EvolveCommand(**values, out=tyro.MISSING)
    made = EvolveCommand(purpose="noise", out=tyro.MISSING)
    if not known.resume:  # else the run in the directory says it, and that there is none is told later
        object.__setattr__(made, "purpose", tyro.MISSING)  # which no instance may be before it is parsed
    return made


def run(command: EvolveCommand) -> int:
    """Evolve the loss, judge it and write it; Ctrl-C or SIGTERM leaves a checkpoint and says how to go on."""
    from evoloss.report.evolve_figures import FIGURES

    console = Terminal()
    require_log(command.log)
    torch.set_num_threads(command.threads)
    require_replaceable(command.out, OWN_FILES, FIGURES)
    if command.resume and not (command.out / CHECKPOINT_FILE).exists():
        raise ConfigError(f"there is nothing to resume in {command.out}; start without --resume")
    try:
        with (
            terminable(),
            search_log(command.log, command.out, console.say) as log,
            _executor(command) as executor,
            display(console) as show,
        ):

            def on_begin(begin: Begin) -> None:
                _tell_begin(console, command, begin)
                if log is not None:
                    log.describe(begin.plan.config, regime=begin.regime.text, budget=command.budget)

            result = evolve(
                command.settings(),
                command.out,
                resume=command.resume,
                executor=executor,
                on_begin=on_begin,
                on_progress=show,
                on_generation=None if log is None else log.on_generation,
            )
            if log is not None:
                log.finish(result)
            _conclude(console, command, result)
            for line in logged_lines(log):
                console.say(line)
    except KeyboardInterrupt:
        if not (command.out / CHECKPOINT_FILE).exists():
            raise  # stopped before there was anything to go on with
        has_ended = (command.out / JOURNAL_FILE).exists()
        saved = "what was judged so far" if has_ended else "the last complete generation"
        console.say(f"Stopped; {saved} is saved. To go on:\n  {_resume_line(command)}")
        return EXIT_INTERRUPTED
    return 0


def _resume_line(command: EvolveCommand, *more: str) -> str:
    """The command that goes on with a run."""
    return shlex.join(["evoloss", "evolve", "--out", str(command.out), "--resume", *more])


@contextmanager
def _executor(command: EvolveCommand) -> Iterator[Executor | None]:
    """The executor in which students are trained; None for this process."""
    if command.executor == "serial":
        yield None
        return
    with command.make(threads=command.threads) as executor:
        yield executor


def _tell_begin(console: Terminal, command: EvolveCommand, begin: Begin) -> None:
    """Say what is searched, what was read and what was left without effect."""
    plan = begin.plan.config
    if begin.shape is not None:
        console.say(f"Read of {begin.shape.name}: {begin.shape.text}.")
        for name in command.settings().overridden():
            console.say(f"--{name} is given and wins over what was read.")
    if begin.ended_with is not None:
        _tell_ended(console, command, begin)
        return
    console.say(f"Evolving a loss for {begin.regime.text}.")
    judging, budget = time_text(begin.plan.judging), time_text(command.seconds)
    kept = f"{judging} of {budget} are kept for the judging"
    if command.seconds - begin.spent < begin.plan.judging:
        kept = (
            f"the judging takes about {judging} more, although {time_text(begin.spent)} of {budget} are used"
        )
    console.say(
        f"{plan.network} network from {plan.start}, {plan.popsize} candidates and {plan.groups * plan.tasks} "
        f"tasks a generation ({plan.prior}), about {time_text(begin.plan.generation)} each; "
        f"{kept}."
    )
    if command.noise is None and command.purpose == "noise":
        low, high = plan.task_prior.noise
        console.say(
            f"No --noise: {100 * low:.0f} to {100 * high:.0f} % of the labels are wrong in the tasks."
        )
    console.say(f"Settings: {command.out / CONFIG_FILE}")


def _tell_ended(console: Terminal, command: EvolveCommand, begin: Begin) -> None:
    """Say that there is no search any more, and what is left to do."""
    generation, groups = begin.ended_with, begin.judged
    if not begin.has_ended:
        console.say(
            f"The search in {command.out} has ended with generation {generation}; its judging goes on where "
            f"it was, groups of fresh tasks done: {groups}."
        )
        return
    console.say(
        f"The run in {command.out} has ended, with generation {generation} and a verdict on {groups} groups "
        "of fresh tasks; nothing is searched or judged again. To search on, give a larger budget:\n  "
        f"{_resume_line(command, '--budget', 'TIME')}"
    )


def _conclude(console: Terminal, command: EvolveCommand, result: EvolveResult) -> None:
    """Print the verdict, what was written and what comes next."""
    from evoloss.report.evolve_figures import write_evolve_figures
    from evoloss.report.tables import counted

    out = shlex.quote(str(command.out))
    if console.width < _NARROW:
        console.say("\n".join(verdict_lines(result.verdict)))
    else:
        console.print(verdict_table(result.verdict, unicode=has_unicode(console)))
    console.say(result.verdict.calibration)
    console.say(result.verdict.text)
    console.say(f"Saved to {command.out}: EvolvedLoss.from_pretrained({str(command.out)!r})")
    try:
        recommended = PRESETS[command.purpose].recommended
        figures = write_evolve_figures(result, command.out, recommended)
        console.say(f"Figures: {', '.join(path.name for path in figures)}")
    except MissingExtraError as error:
        console.say(f"No figures: {error}")
    summary = result.pretrained.summary
    # A smaller budget has no effect once a search has ended, so the one that holds is that of the summary.
    used = f"{time_text(result.seconds)} of {time_text(summary['evolve']['budget_seconds'])}"
    console.say(
        f"{counted(summary['generations'], 'generation')}, {summary['rejected']} of {summary['evaluations']} "
        f"candidates rejected, {used}. The same search again: "
        f"evoloss pretrain --config {shlex.quote(str(command.out / CONFIG_FILE))} --out again"
    )
    data = "DATA" if command.like is None else shlex.quote(command.like)
    column = "" if command.target is None else f" --target {shlex.quote(command.target)}"
    if command.ignore_columns:
        column += f" --ignore-columns {shlex.join(command.ignore_columns)}"
    console.say(
        "To try it on data:\n"
        f"  evoloss compare --dataset {data}{column} --losses cross_entropy gce {out} --model mlp --out trial"
    )


def verdict_table(verdict: EvolveVerdict, *, unicode: bool = True) -> Table:
    """The losses on fresh tasks."""
    table = Table("loss", "accuracy, %", "over cross-entropy [95 %]", "this loss less it [95 %]", "T")
    table.title, nothing = "Fresh synthetic tasks", "–" if unicode else "-"
    for row in verdict.rows:
        table.add_row(
            row.loss,
            f"{row.accuracy:.1f}",
            _cell(row.over_cross_entropy) or nothing,
            _cell(row.evolved_less_it) or nothing,
            f"{row.temperature:.2g}",
        )
    table.caption = _measured(verdict)
    return table


def verdict_lines(verdict: EvolveVerdict) -> list[str]:
    """The same, a line a loss, where a table has no room."""
    lines = ["Fresh synthetic tasks: accuracy and points with 95 % intervals"]
    for row in verdict.rows:
        cells = [f"{row.loss}: {row.accuracy:.1f} %"]
        if row.over_cross_entropy is not None:
            cells.append(f"{_cell(row.over_cross_entropy)} over cross-entropy")
        if row.evolved_less_it is not None:
            cells.append(f"this loss less it {_cell(row.evolved_less_it)}")
        lines.append("; ".join([*cells, f"T {row.temperature:.2g}"]))
    return [*lines, _measured(verdict)]


def _measured(verdict: EvolveVerdict) -> str:
    """Tasks, rates and temperature of the numbers, in words."""
    counts = f"{verdict.tasks} tasks, {verdict.groups} groups"
    return f"{counts}, {rates_text(verdict.rates)}; T: best temperature, median"


def _cell(difference: Difference | None) -> str:
    if difference is None:
        return ""
    return f"{difference.mean:+.1f} [{difference.low:+.1f}, {difference.high:+.1f}]"
