"""The pretraining loop: ask, evaluate on fresh pairs, tell, record, save."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from evoloss.atomic_files import write_text
from evoloss.directory_lock import hold_directory
from evoloss.errors import CallbackError, CanonicalFormError, CheckpointError, guarded
from evoloss.fitness import LearnabilityFitness, RankingFitness, Submits, trainable
from evoloss.losses.artefact.format import OWN_FILES
from evoloss.own_files import require_replaceable
from evoloss.pretraining.checkpoint import CHECKPOINT_FILE, Checkpoint, read_checkpoint, write_checkpoint
from evoloss.pretraining.checks import AIM, RESTARTS, Attempt, Checks, Incumbent
from evoloss.pretraining.components import (
    block_length,
    make_block,
    make_group_specs,
    make_network,
    make_strategy,
)
from evoloss.pretraining.config import LEAST_GENERATIONS, PretrainConfig
from evoloss.pretraining.evaluation.elites import Elites
from evoloss.pretraining.evaluation.held_out import dominance_consistency, held_out_pairs, score_all
from evoloss.pretraining.evaluation.held_out_tasks import HeldOutAdvantage, evaluate_held_out
from evoloss.pretraining.evaluation.usable import is_usable, no_usable_loss, without_unusable
from evoloss.pretraining.history import GenerationRecord, HistoryFile
from evoloss.pretraining.lookahead import Lookahead
from evoloss.pretraining.memory import require_memory_for
from evoloss.pretraining.records import record_of
from evoloss.pretraining.result import CONFIG_FILE, RUN_FILES, PretrainResult
from evoloss.pretraining.start import attempt_labels, start_point
from evoloss.random_streams import stream
from evoloss.students import Workspace

OnGeneration = Callable[[GenerationRecord], object]
Until = Callable[[int, float], bool]
"""Tells whether a search ends with this generation, from the seconds that it has taken."""
Stage = Literal["choosing", "reporting"]
OnStage = Callable[[Stage], None]


def pretrain(
    config: PretrainConfig,
    *,
    out: str | Path | None = None,
    resume: bool = False,
    on_generation: OnGeneration | None = None,
    on_stage: OnStage | None = None,
    until: Until | None = None,
    executor: Submits | None = None,
) -> PretrainResult:
    """Evolve a classification loss from synthetic pairs and tasks; no data set is read.

    Args:
        config: everything that decides the result.
        out: a directory for history, checkpoints, configuration, and the loss with its summary; optional.
        resume: go on from the checkpoint in ``out``, bit for bit as if the run had not stopped.
        on_generation: called with the record of each generation that this call does, in their order.
        on_stage: called when the generations are over and what they found is judged: ``"choosing"`` among the
            elites, then ``"reporting"`` on the one that was chosen.
        until: asked after every generation; where it says True the search ends, and the result, its
            configuration included, is that of a run that was asked for so many generations.
        executor: where students are trained, such as one of :mod:`evoloss.executors`; in this process if it
            is None. The bits are the same on machines of one kind.

    Returns:
        The loss, the history and the summary.

    Raises:
        ConfigError: if the search would take more memory than there is.
        CheckpointError: if ``out`` holds a run and ``resume`` is off, or its checkpoint is unusable.
        OutputError: if ``out`` holds a file of a name that is to be written, and evoloss did not write it.
        InUseError: if another process writes to ``out``.
        CanonicalFormError: if no usable loss turned up: after the first generations where there is no hope of
            one, or at the end of a run that is shorter.
        CallbackError: if ``on_generation`` raised, after a checkpoint likewise.
        KeyboardInterrupt: passed on, after a checkpoint of the last complete generation was written.

    Example:
        >>> result = pretrain(PretrainConfig(generations=4, popsize=8, pairs=64, classes=(3,)))
        >>> result.loss(torch.zeros(2, 3), torch.tensor([0, 2])).isfinite()
        tensor(True)
    """
    require_memory_for(config)
    if out is None:
        show = guarded("on_generation", on_generation, "without `out` nothing of the search is kept")
        return _evolve(_Run(config, None, resume, executor, until), show, on_stage)
    out = Path(out)
    kept = f"the last complete generation is saved in {out}; go on with resume=True"
    show = guarded("on_generation", on_generation, kept)
    if out.exists() and not out.is_dir():
        raise CheckpointError(f"{out} is a file; a run needs a directory, name another")
    # The settings of a run that goes on may have been changed by hand, and its checkpoint is checked.
    require_replaceable(out, OWN_FILES if resume else RUN_FILES)
    with hold_directory(out, "pretrain"):
        result = _evolve(_Run(config, out, resume, executor, until), show, on_stage)
        result.save(out)
    return result


def _evolve(run: _Run, on_generation: OnGeneration, on_stage: OnStage | None) -> PretrainResult:
    try:
        run.finish(on_generation)
    except (KeyboardInterrupt, CallbackError):
        run.save()
        raise
    finally:
        run.close()
    return run.result(on_stage or (lambda stage: None))


class _Run:
    """A run in progress; ``checkpoint`` is replaced as a whole when a generation is complete."""

    def __init__(
        self,
        config: PretrainConfig,
        out: Path | None,
        resume: bool,
        executor: Submits | None = None,
        until: Until | None = None,
    ) -> None:
        self.config, self.out, self.executor, self.until = config, out, executor, until
        self.network = make_network(config)
        self.strategy = make_strategy(config)
        self.held_out = held_out_pairs(config.classes, config.eval_pairs, config.pairs_mixture)
        self.checks = Checks(config, self.network)
        self.lookahead = Lookahead(self._block, block_length(config, self.network), config.most_generations)
        self.history: HistoryFile | None = None
        self.records: list[GenerationRecord] = []
        if resume:
            if out is None:
                raise CheckpointError("there is no directory to resume from; give the run's directory")
            self.checkpoint = read_checkpoint(out, config)
        else:
            self.checkpoint = self._begin()
        if out is not None:
            self._open(out, resume)
        self.saved_at = time.monotonic()
        self.saved = self.checkpoint.generation, self.config
        self.began = time.monotonic() - self.checkpoint.seconds

    def _begin(self) -> Checkpoint:
        mean, state = self._start(0)
        return Checkpoint(0, 0.0, state, mean, Elites.none(len(mean)))

    def _start(self, attempt: int) -> tuple[Tensor, dict[str, Tensor]]:
        """Mean and state that an attempt starts from."""
        mean = start_point(self.config, self.network, attempt)
        return mean, self.strategy.init(mean, stream(self.config.seed, "strategy", *attempt_labels(attempt)))

    def _open(self, out: Path, resume: bool) -> None:
        if not resume and (out / CHECKPOINT_FILE).exists():
            raise CheckpointError(
                f"{out} holds a run already; go on with it (--resume), or choose another directory"
            )
        write_text(out / CONFIG_FILE, self.config.to_toml())
        write_checkpoint(out, self.config, self.checkpoint)
        # Opened last: whatever stops the run before leaves no file open.
        self.history = HistoryFile(out, keep=self.checkpoint.generation)
        self.records = self.history.records

    def finish(self, on_generation: OnGeneration) -> None:
        """Run the generations that are left."""
        while not self._ends(self.checkpoint.generation, self.checkpoint.incumbent):
            record = self._generation(self.checkpoint.generation + 1)
            on_generation(record)
            late = time.monotonic() - self.saved_at > self.config.checkpoint_seconds
            if late or self.checkpoint.generation % self.config.checkpoint_every == 0:
                self.save()
        self.save()

    def _generation(self, generation: int) -> GenerationRecord:
        config = self.config
        fitness = self._fitness(generation)
        candidates, asked = self.strategy.ask(self.checkpoint.state, stream(config.seed, "ask", generation))
        evaluation = fitness.evaluate(candidates)
        attempt = self.checkpoint.attempt
        if attempt.constrained:
            evaluation = without_unusable(evaluation, self.network, candidates, config.classes)
        state = self.strategy.tell(asked, candidates, evaluation.fitness)
        best, mean = candidates[int(evaluation.fitness.argmin())].clone(), self.strategy.mean(state)
        attempt, incumbent = self.checks.after(generation, attempt, self.checkpoint.incumbent, mean, best)
        is_due = generation % config.eval_every == 0 or self._ends(generation, incumbent)
        advantages = self._evaluate_mean(mean) if is_due and config.fitness == "learnability" else None
        elites = self.checkpoint.elites
        if advantages is not None:
            elites = elites.with_one_more(mean, advantages.score, generation, config.elites)
        scores = score_all(self.network, mean, self.held_out) if is_due else None
        seconds, number = time.monotonic() - self.began, self.checkpoint.attempt.number + 1
        parents = self.strategy.parents_of(evaluation.fitness)
        record = record_of(generation, seconds, number, evaluation, state, scores, advantages, parents)
        # The line goes to the file first: a checkpoint never knows of more generations than the history.
        if self.history is None:
            self.records.append(record)
        else:
            self.history.append(record)
        attempt, state = self._go_on(generation, attempt, incumbent, state)
        self.checkpoint = Checkpoint(generation, record.seconds, state, best, elites, attempt, incumbent)
        return record

    def _ends(self, generation: int, incumbent: Incumbent | None) -> bool:
        """Return whether this generation is the last one, or is made the last one by who watches the run."""
        if self._is_over(generation, incumbent):
            return True
        if not generation or self.until is None:
            return False
        if not self.until(generation, time.monotonic() - self.began):
            return False
        self.config = replace(self.config, generations=generation)
        return True

    def _is_over(self, generation: int, incumbent: Incumbent | None) -> bool:
        """Return whether this generation is the last one."""
        if generation >= self.config.most_generations:
            return True
        settled = incumbent is not None and incumbent.score >= AIM
        return self.config.generations is None and generation >= LEAST_GENERATIONS and settled

    def _no_usable_loss(self, generation: int, attempt: Attempt) -> CanonicalFormError:
        text = no_usable_loss(self.config, self.network, generation, attempt.number + 1)
        return CanonicalFormError(text)

    def _go_on(
        self, generation: int, attempt: Attempt, incumbent: Incumbent | None, state: dict[str, Tensor]
    ) -> tuple[Attempt, dict[str, Tensor]]:
        """The attempt and state of the next generation: as they are, or from another start.

        Raises:
            CanonicalFormError: if there is no hope of a usable loss.
        """
        hopeless = attempt.is_hopeless(generation)
        # Who names a number of generations asks for so many from one start, if anything comes of it.
        stuck = self.config.generations is None and attempt.is_stuck(generation)
        if not hopeless and not stuck:
            return attempt, state
        if self.config.start == "random" and attempt.number < RESTARTS:
            number = attempt.number + 1
            return Attempt(number, generation), self._start(number)[1]
        if hopeless and incumbent is None:
            raise self._no_usable_loss(generation, attempt)
        return attempt, state

    def _fitness(self, generation: int) -> RankingFitness | LearnabilityFitness:
        ranking = self.lookahead.get(generation)
        if self.config.fitness == "ranking":
            return ranking
        specs = make_group_specs(self.config, generation)
        return LearnabilityFitness(self.config.learnability, self.network, specs, ranking, self.executor)

    def _evaluate_mean(self, mean: Tensor) -> HeldOutAdvantage | None:
        """The search's mean on held-out tasks, where students can be trained with it."""
        network = self.network
        if not bool(trainable(network, mean[None].double())):
            return None
        return evaluate_held_out(self.config, network, mean[None], "stop", self.executor)[0]

    def _block(self, block: int, workspaces: Sequence[Workspace]) -> list[RankingFitness]:
        return make_block(self.config, self.network, block, workspaces)

    def save(self) -> None:
        """Write a checkpoint, unless the one on disk is this one already."""
        if self.out is not None and self.saved != (self.checkpoint.generation, self.config):
            if self.history is not None:
                self.history.sync()
            write_checkpoint(self.out, self.config, self.checkpoint)
            self.saved = self.checkpoint.generation, self.config
        self.saved_at = time.monotonic()

    def close(self) -> None:
        self.lookahead.close()
        if self.history is not None:
            self.history.close()

    def result(self, on_stage: OnStage) -> PretrainResult:
        advantage, network = None, self.network
        on_stage("choosing")
        chosen = self._choose_elite()
        is_judged = chosen is not None or not self.records  # of no search the start is
        chosen = chosen or self._choose()
        if is_judged and self.config.fitness == "learnability":
            on_stage("reporting")
            rows = chosen.params[None]
            (advantage,) = evaluate_held_out(self.config, network, rows, "report", self.executor)
        params = chosen.params.to(torch.float32)
        scores, dominance = score_all(network, params, self.held_out), None
        if scores and self.config.error == "dominance":
            dominance = dominance_consistency(network, params, self.held_out)
        history = list(self.records)
        chosen = replace(chosen, params=params)
        return PretrainResult.of(self.config, network, chosen, history, scores, advantage, dominance)

    def _choose_elite(self) -> Incumbent | None:
        """The usable elite that does best on tasks that none of them was kept for; None if there is none."""
        network, elites = self.network, self.checkpoint.elites
        rows = [row for row, params in enumerate(elites.params) if is_usable(network, params)]
        if self.config.fitness == "ranking" or not rows:
            return None
        best = rows[0]
        if len(rows) > 1:
            advantages = evaluate_held_out(self.config, network, elites.params[rows], "choose", self.executor)
            best = rows[max(range(len(rows)), key=lambda at: advantages[at].score)]
        return Incumbent(elites.params[best], float(elites.scores[best]), int(elites.generations[best]), True)

    def _choose(self) -> Incumbent:
        """The best usable loss of the run: the one kept, the mean at the end or the last best candidate."""
        checkpoint, incumbent = self.checkpoint, self.checkpoint.incumbent
        pair = ((self.strategy.mean(checkpoint.state), True), (checkpoint.best, False))
        options = [(params, is_mean) for params, is_mean in pair if is_usable(self.network, params)]
        if not options and incumbent is None:
            raise self._no_usable_loss(checkpoint.generation, checkpoint.attempt)
        measured = (
            incumbent is not None and incumbent.score > 0
        )  # else there is nothing to compare, or nothing better
        scores = [self.checks.score(params) if measured else 0.0 for params, _ in options]
        if incumbent is not None and (not options or max(scores) < incumbent.score):
            return incumbent
        best = scores.index(max(scores))
        return Incumbent(options[best][0], scores[best], checkpoint.generation, options[best][1])
