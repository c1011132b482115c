"""Evolve a loss for a regime within a budget of time, and judge it."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from evoloss.atomic_files import write_text
from evoloss.directory_lock import hold_directory
from evoloss.errors import CheckpointError, guarded
from evoloss.evolve.beginning import Begin, begin_of, with_budget_that_holds
from evoloss.evolve.card import notes_of, title_of
from evoloss.evolve.config import EVOLVE_FILE, EvolveConfig
from evoloss.evolve.executor import CountsWorkers, Recorded
from evoloss.evolve.fresh import GroupResult, measure_fresh
from evoloss.evolve.generations import Ending
from evoloss.evolve.journal import JOURNAL_FILE, Journal, is_journal
from evoloss.evolve.presets import PRESETS
from evoloss.evolve.progress import OnProgress, Progress, Stage
from evoloss.evolve.regime import Regime
from evoloss.evolve.shape import DataShape, shape_of
from evoloss.evolve.verdict import EVOLVED, EvolveVerdict, judge
from evoloss.fitness import GroupScores
from evoloss.own_files import Recogniser, require_replaceable
from evoloss.pretraining import GenerationRecord, PretrainResult, pretrain
from evoloss.pretraining.checkpoint import CHECKPOINT_FILE
from evoloss.pretraining.loop import OnGeneration
from evoloss.pretraining.result import RUN_FILES

FINISHING = 4.0
"""Seconds that are kept for files and figures."""
_KINDS = {"choose": GroupScores, "report": GroupScores, "fresh": GroupResult}
"""Sets of tasks of the judging, and their results."""


def _is_evolve_file(content: bytes) -> bool:
    return tomllib.loads(content.decode()).keys() >= {"purpose", "budget"}


OWN_FILES: dict[str, Recogniser] = {
    **RUN_FILES,
    EVOLVE_FILE: _is_evolve_file,
    JOURNAL_FILE: is_journal,
}
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


def evolve(
    config: EvolveConfig,
    out: Path,
    *,
    resume: bool = False,
    executor: CountsWorkers | None = None,
    on_begin: Callable[[Begin], None] | None = None,
    on_progress: OnProgress | None = None,
    on_generation: OnGeneration | None = None,
) -> EvolveResult:
    """Evolve a loss for a regime, judge it, and write it with its card to a directory.

    Args:
        config: what for, and for how long.
        out: the directory; ``evolve.toml`` and ``pretrain.toml`` say how it was made.
        resume: go on with the run in the directory, whose time counts: with its search, or, once that has
            ended, with its judging, of which nothing is done twice. A run that has ended has the result that
            it had; a larger budget goes on with the search.
        executor: where students are trained; in this process if it is None.
        on_begin: called when the search is planned.
        on_progress: called as it goes on.
        on_generation: called with the record of each generation that this call does, in their order. Its
            time counts, as all time does.

    Raises:
        ConfigError: if settings contradict each other, or the budget is too short.
        CheckpointError: if ``out`` holds a run and ``resume`` is off, or there is nothing to resume.
        OutputError: if ``out`` holds a file of a name that is to be written, and evoloss did not write it.
        CanonicalFormError: if no usable loss turned up.
        CallbackError: if ``on_generation`` raised; the last complete generation is saved, as after Ctrl-C.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> config = EvolveConfig(purpose="few-samples", classes="2", samples="8-12", budget="0.01s")
        >>> with TemporaryDirectory() as folder:
        ...     evolve(config, Path(folder) / "mine")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        evoloss.errors.ConfigError: a budget of 0 s is too short for these tasks on this machine: ...
    """
    show = on_progress or _show_nothing
    progress = Progress(config.seconds)
    if not resume and (out / CHECKPOINT_FILE).exists():
        raise CheckpointError(
            f"{out} holds a run already; go on with it (--resume), or choose another directory"
        )
    require_replaceable(out, OWN_FILES)
    journal = Journal(out, anew=not resume)
    config = with_budget_that_holds(config, out, journal)
    progress.budget = config.seconds
    if journal.head is None:
        show(progress)
    shape = None
    if config.like is not None:
        shape = shape_of(config.like, config.target, config.ignore_columns)
    regime = config.regime(shape)
    earlier = out if resume else None
    begin = begin_of(config, regime, shape, earlier, executor, journal, FINISHING)
    if on_begin is not None:
        on_begin(begin)
    if begin.has_ended:  # files are written again from the record, in case one of them was lost
        show = _show_nothing
    with hold_directory(out, "evolve"):
        write_text(out / EVOLVE_FILE, config.to_toml())
    progress.generation_seconds = begin.plan.generation
    runs = Recorded(executor, journal, progress, _KINDS)
    kept = f"the last complete generation is saved in {out}; go on with resume=True"
    tell = guarded("on_generation", on_generation, kept)
    pretrained = _search(begin, config, out, resume, runs, show, tell)
    enter(progress, "judging", show)
    with hold_directory(out, "evolve"):
        verdict = _judge(config, pretrained, runs, show)
        seconds = progress.seconds if journal.ended_after is None else journal.ended_after
        _describe(config, regime, shape, pretrained, verdict, seconds)
        pretrained.save(out)
        journal.end(seconds)
    enter(progress, "done", show)
    return EvolveResult(pretrained, regime, shape, verdict, seconds)


def _show_nothing(progress: Progress) -> None:
    """Show no progress."""


def enter(progress: Progress, stage: Stage, show: OnProgress) -> None:
    """Begin a stage, and say so."""
    progress.stage = stage
    show(progress)


def _search(
    begin: Begin,
    config: EvolveConfig,
    out: Path,
    resume: bool,
    runs: Recorded,
    show: OnProgress,
    tell: OnGeneration,
) -> PretrainResult:
    """Run the generations that fit, and choose among what they found."""
    plan, progress = begin.plan, runs.progress
    ending = Ending(plan, config.seconds, runs.journal, progress, FINISHING, begin.history)

    def on_generation(record: GenerationRecord) -> None:
        ending.take_in(record)
        progress.take_in(record, plan.config.popsize)
        show(progress)
        tell(record)

    def on_stage(stage: Stage) -> None:
        head = ending.begin_judging()
        progress.catch_up(head.seconds)
        runs.seconds = head.seconds
        enter(progress, stage, show)

    enter(progress, "searching", show)
    return pretrain(
        plan.config,
        out=out,
        resume=resume,
        on_generation=on_generation,
        on_stage=on_stage,
        until=ending,
        executor=runs,
    )


def _judge(
    config: EvolveConfig, pretrained: PretrainResult, runs: Recorded, show: OnProgress
) -> EvolveVerdict:
    progress, head = runs.progress, runs.journal.head

    def on_groups(done: int, most: int) -> None:
        progress.groups = (done, most)
        show(progress)

    searched = pretrained.config
    fresh = measure_fresh(
        EVOLVED,
        pretrained.loss,
        searched.task_prior,
        searched.rates,
        deadline=config.seconds - (FINISHING if head is None else head.finishing_seconds),
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
    seconds: float,
) -> None:
    """Put regime, shape and verdict into the card and the summary."""
    found = {
        "regime": regime.to_dict(),
        "data_shape": None if shape is None else shape.to_dict(),
        "budget_seconds": config.seconds,
        "seconds": seconds,
        "verdict": verdict.to_dict(),
    }
    pretrained.loss.record |= {
        "title": title_of(regime),
        "notes": notes_of(regime, shape, verdict, config.budget),
        "evolve": found,
    }
    pretrained.summary["evolve"] = json.loads(json.dumps(found))
