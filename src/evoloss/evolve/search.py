"""Evolve a loss for a regime within a budget of time, and judge it."""

from __future__ import annotations

import json
import time
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from evoloss.atomic_files import write_text
from evoloss.directory_lock import hold_directory
from evoloss.errors import CheckpointError, ConfigError
from evoloss.evolve.budget import Plan, measure_pace, plan_search
from evoloss.evolve.card import notes_of, title_of
from evoloss.evolve.config import EVOLVE_FILE, EvolveConfig
from evoloss.evolve.executor import CountsWorkers, Runs
from evoloss.evolve.fresh import RIVALS, measure_fresh
from evoloss.evolve.presets import PRESETS, config_of
from evoloss.evolve.progress import OnProgress, Progress, Stage
from evoloss.evolve.ranges import time_text
from evoloss.evolve.regime import Regime
from evoloss.evolve.shape import DataShape, shape_of
from evoloss.evolve.verdict import EVOLVED, EvolveVerdict, judge
from evoloss.own_files import Recogniser, require_replaceable
from evoloss.pretraining import GenerationRecord, PretrainConfig, PretrainResult, pretrain
from evoloss.pretraining.checkpoint import CHECKPOINT_FILE
from evoloss.pretraining.history import HISTORY_FILE, read_history
from evoloss.pretraining.result import CONFIG_FILE, RUN_FILES

_MOST_JUDGING = 0.5  # share of the budget for the judging, where the machine turns out slower
FINISHING = 4.0
"""Seconds that are kept for files and figures."""


def _is_evolve_file(content: bytes) -> bool:
    return tomllib.loads(content.decode()).keys() >= {"purpose", "budget"}


OWN_FILES: dict[str, Recogniser] = {**RUN_FILES, EVOLVE_FILE: _is_evolve_file}
"""The files of a run, and how they are recognised; others of these names are not replaced."""


@dataclass(frozen=True)
class EvolveResult:
    """An evolved loss, and what is known of it.

    Attributes:
        pretrained: the loss, its configuration, history and summary.
        regime: what it was evolved for.
        shape: of the data set that said the regime, if one did.
        verdict: on fresh tasks.
        seconds: that all of it took, earlier parts of a resumed run included.
    """

    pretrained: PretrainResult
    regime: Regime
    shape: DataShape | None
    verdict: EvolveVerdict
    seconds: float


@dataclass(frozen=True)
class Begin:
    """Facts that are known when a search begins.

    Attributes:
        regime: what it is for.
        shape: of the data set that said so, if one did.
        plan: the search.
        spent: seconds that the earlier part of a resumed run took.
    """

    regime: Regime
    shape: DataShape | None
    plan: Plan
    spent: float = 0.0


def evolve(
    config: EvolveConfig,
    out: Path,
    *,
    resume: bool = False,
    executor: CountsWorkers | None = None,
    on_begin: Callable[[Begin], None] | None = None,
    on_progress: OnProgress | None = None,
) -> EvolveResult:
    """Evolve a loss for a regime, judge it, and write it with its card to a directory.

    Args:
        config: what for, and for how long.
        out: the directory; ``evolve.toml`` and ``pretrain.toml`` say how it was made.
        resume: go on with the run in the directory, whose time counts.
        executor: where students are trained; in this process if it is None.
        on_begin: called when the search is planned.
        on_progress: called as it goes on.

    Raises:
        ConfigError: if settings contradict each other, or the budget is too short.
        CheckpointError: if ``out`` holds a run and ``resume`` is off, or there is nothing to resume.
        OutputError: if ``out`` holds a file of a name that is to be written, and evoloss did not write it.
        CanonicalFormError: if no usable loss turned up.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> config = EvolveConfig(purpose="few-samples", classes="2", samples="8-12", budget="0.01s")
        >>> with TemporaryDirectory() as folder:
        ...     evolve(config, Path(folder) / "mine")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        evoloss.errors.ConfigError: a budget of 0 s is too short for these tasks on this machine: ...
    """
    show = on_progress or (lambda progress: None)
    progress, runs = Progress(config.seconds), Runs(executor)
    if not resume and (out / CHECKPOINT_FILE).exists():
        raise CheckpointError(
            f"{out} holds a run already; go on with it (--resume), or choose another directory"
        )
    require_replaceable(out, OWN_FILES)
    show(progress)
    shape = None
    if config.like is not None:
        shape = shape_of(config.like, config.target, config.ignore_columns)
    regime = config.regime(shape)
    plan = _plan(config, regime, out if resume else None, runs.workers)
    if on_begin is not None:
        on_begin(Begin(regime, shape, plan, _spent(out) if resume else 0.0))
    with hold_directory(out, "evolve"):
        write_text(out / EVOLVE_FILE, config.to_toml())
    progress.generation_seconds = plan.generation
    pretrained = _search(plan, config.seconds, out, resume, executor, progress, show)
    enter(progress, "judging", show)
    with hold_directory(out, "evolve"):
        verdict = _judge(config, pretrained, runs, progress, show)
        _describe(config, regime, shape, pretrained, verdict, progress)
        pretrained.save(out)
    enter(progress, "done", show)
    return EvolveResult(pretrained, regime, shape, verdict, progress.seconds)


def enter(progress: Progress, stage: Stage, show: OnProgress) -> None:
    """Begin a stage, and say so."""
    progress.stage = stage
    show(progress)


def _plan(config: EvolveConfig, regime: Regime, earlier: Path | None, workers: int) -> Plan:
    """The search: planned anew, or that of the directory that it goes on in."""
    made = config_of(regime, {}, config.seed)
    pace = measure_pace(made)
    if earlier is None:
        return plan_search(made, config.seconds, pace, len(RIVALS) + 1, workers, FINISHING)
    path = earlier / CONFIG_FILE
    if not path.exists():
        raise CheckpointError(f"{path} does not exist: there is nothing to resume; start without --resume")
    before = replace(PretrainConfig.from_toml(path), generations=None)
    sized = {name: getattr(before, name) for name in ("groups", "tasks", "popsize", "eval_groups", "elites")}
    if replace(made, **sized) != before:
        raise CheckpointError(
            f"{path} belongs to a search for something else; --resume goes on with the settings of "
            f"{earlier / EVOLVE_FILE}, and --budget alone may change"
        )
    judging = (pace.choosing(before) + pace.verdict(len(RIVALS) + 1)) / workers
    _require_time(config, earlier, judging + FINISHING)
    return Plan(before, pace.generation(before) / workers, judging)


def _require_time(config: EvolveConfig, earlier: Path, needed: float) -> None:
    """Refuse a budget below that of the run when it has no room for what follows the search.

    A run at its own budget may always go on: its search may have been stopped a moment before its end.
    """
    path = earlier / EVOLVE_FILE
    before = EvolveConfig.from_toml(path) if path.exists() else config
    if config.seconds < before.seconds and config.seconds < needed:
        raise ConfigError(
            f"a budget of {time_text(config.seconds)} is too short to end the run in {earlier}: choosing, "
            f"judging and the files take about {time_text(needed)} after the search; leave --budget out (it "
            f"is {before.budget}), or give more"
        )


def _spent(directory: Path) -> float:
    """Seconds that the earlier part of a run took; 0 where it ended before a generation."""
    records = read_history(directory) if (directory / HISTORY_FILE).exists() else []
    return records[-1].seconds if records else 0.0


def _search(
    plan: Plan,
    budget: float,
    out: Path,
    resume: bool,
    executor: CountsWorkers | None,
    progress: Progress,
    show: OnProgress,
) -> PretrainResult:
    """Run the generations that fit, and choose among what they found."""
    spent = progress.seconds  # before the clock of the run begins
    pace = _GenerationPace(plan.generation)

    def until(generation: int, seconds: float) -> bool:
        """Tell whether there is no time for another generation."""
        progress.began = time.monotonic() - seconds - spent  # what an earlier part took is counted
        following = pace.next_one(generation, seconds)
        # A machine that is busier than it was when it was timed is so for the judging too.
        slower = max(1.0, following / plan.generation)
        judging = max(plan.judging, min(plan.judging * slower, _MOST_JUDGING * budget))
        return spent + seconds + following + judging > budget - FINISHING

    def on_generation(record: GenerationRecord) -> None:
        progress.take_in(record, plan.config.popsize)
        show(progress)

    enter(progress, "searching", show)
    return pretrain(
        plan.config,
        out=out,
        resume=resume,
        on_generation=on_generation,
        on_stage=lambda stage: enter(progress, stage, show),
        until=until,
        executor=executor,
    )


class _GenerationPace:
    """Estimate of the seconds of the next generation, from the last ones.

    Some of them look at held-out tasks, so the longest lately counts.

    Args:
        expected: seconds, before there is one.
    """

    def __init__(self, expected: float) -> None:
        self.seconds, self.last = expected, (-1, 0.0)

    def next_one(self, generation: int, seconds: float) -> float:
        """Its seconds, asked for when ``generation`` has ended after so many seconds of the run."""
        before, then = self.last
        if before >= 0 and generation > before:
            took = (seconds - then) / (generation - before)
            self.seconds = max(took, 0.8 * self.seconds)
        if generation > before:
            self.last = (generation, seconds)
        return self.seconds


def _judge(
    config: EvolveConfig, pretrained: PretrainResult, runs: Runs, progress: Progress, show: OnProgress
) -> EvolveVerdict:
    def on_groups(done: int, most: int) -> None:
        progress.groups = (done, most)
        show(progress)

    searched = pretrained.config
    fresh = measure_fresh(
        EVOLVED,
        pretrained.loss,
        searched.task_prior,
        searched.rates,
        seconds_left=lambda: progress.seconds_left - FINISHING,
        runs=runs,
        on_groups=on_groups,
    )
    return judge(fresh, PRESETS[config.purpose].recommended)


def _describe(
    config: EvolveConfig,
    regime: Regime,
    shape: DataShape | None,
    pretrained: PretrainResult,
    verdict: EvolveVerdict,
    progress: Progress,
) -> None:
    """Put regime, shape and verdict into the card and the summary."""
    found = {
        "regime": regime.to_dict(),
        "data_shape": None if shape is None else shape.to_dict(),
        "budget_seconds": config.seconds,
        "seconds": progress.seconds,
        "verdict": verdict.to_dict(),
    }
    pretrained.loss.record |= {
        "title": title_of(regime),
        "notes": notes_of(regime, shape, verdict, config.budget),
        "evolve": found,
    }
    pretrained.summary["evolve"] = json.loads(json.dumps(found))
