"""Trainings of a comparison, done one way or another, and reported to all that want to know."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from evoloss.compare.keeping.command import command_of
from evoloss.compare.keeping.files import FILES, write_files
from evoloss.compare.progress import RunProgress
from evoloss.compare.record import Record
from evoloss.compare.training_run import KIND, Sources, check_training, train_run, trained
from evoloss.errors import guarded
from evoloss.executors import Executor
from evoloss.sweeps.finished_run import FinishedRun
from evoloss.sweeps.run_files import Run
from evoloss.sweeps.sweep import sweep
from evoloss.training import RunResult
from evoloss.training.run_result import EpochRecord, OnEpoch

OnRun = Callable[[FinishedRun[RunResult]], object]


@dataclass(frozen=True)
class Callbacks:
    """The functions that a comparison calls back; see :func:`~evoloss.compare.compare`."""

    on_run: Callable[[FinishedRun[RunResult]], None]
    on_epoch: Callable[[EpochRecord], None]

    @classmethod
    def of(cls, on_run: OnRun | None, on_epoch: OnEpoch | None, out: Path | None) -> Callbacks:
        """Guard the functions of the user's."""
        kept = "the runs that are done are in the results of this error"
        if out is not None:
            kept = f"the runs that are done are in {out}, and the same call goes on"
        return cls(guarded("on_run", on_run, kept), guarded("on_epoch", on_epoch, kept))


@dataclass
class Runner:
    """Runs trainings, and reports them to the record, to the progress bar and to callbacks.

    Attributes:
        record: of the comparison.
        bar: told of epochs and runs.
        executor: where runs take place; None is here, one after the other.
        callbacks: of the user.
        fresh: runs that were done by this call, by name.
        told: runs whose epochs the user has been told of as they ended.
        done: runs that are known.
    """

    record: Record
    bar: RunProgress
    executor: Executor | None
    callbacks: Callbacks
    fresh: set[str] = field(default_factory=set)
    told: set[str] = field(default_factory=set)
    done: int = 0

    def __call__(
        self, cells: list[tuple[str, int, float]], done: list[RunResult], *, read_test: bool = True
    ) -> list[dict[str, Any]]:
        """Do or find the trainings of losses, seeds and rates; ``done`` is kept in step with them."""
        planned = self.record.planned
        runs = [planned.make(name, seed=seed, lr=lr, read_test=read_test) for name, seed, lr in cells]
        places = {run.key: place for place, run in enumerate(runs)}
        found: dict[int, RunResult] = {}
        earlier = list(done)

        def on_done(run: Run, result: dict[str, Any]) -> None:
            ended = RunResult.from_dict(result)
            found[places[run.key]] = ended
            done[:] = earlier + [found[place] for place in sorted(found)]
            if self.executor is not None:
                self.bar.start(_describe(run.config))
            self.bar.finish()
            self.record.update()
            self._tell(run.key, ended)

        function: Callable[[dict[str, Any]], dict[str, Any]] = self._train_here
        if self.executor is not None:
            function = partial(train_run, Sources.of(planned.config))
        return sweep(
            runs,
            function,
            folder=self.record.out,
            executor=self.executor,
            on_done=on_done,
            check=check_training,
            unpack=self._take_in,
        )

    def _tell(self, key: str, result: RunResult) -> None:
        """Call the user back for a run that is known, and before for epochs that took place elsewhere."""
        self.done += 1
        recalled = key not in self.fresh
        if not recalled and key not in self.told:
            for record in result.epoch_records(key):
                self.callbacks.on_epoch(record)
        ended = FinishedRun(
            result=result, key=key, done=self.done, planned=self.bar.n_runs, recalled=recalled
        )
        self.callbacks.on_run(ended)

    def _take_in(self, run: Run, result: dict[str, Any]) -> dict[str, Any]:
        """Write what a new run leaves beside its result, which then says where that is."""
        self.fresh.add(run.key)
        files, out, config = result.pop(FILES, None), self.record.out, self.record.planned.config
        if not files or out is None:
            return result
        name, seed = result["loss"], result["seed"]
        command = command_of(config, loss=name, seed=seed, lr=result["lr"])
        return {**result, "kept": write_files(out, name, seed, files, command)}

    def _train_here(self, config: dict[str, Any]) -> dict[str, Any]:
        """Train with what is loaded already, and count epochs."""
        self.bar.start(_describe(config))
        planned, key = self.record.planned, Run(KIND, config).key

        def on_epoch(record: EpochRecord) -> None:
            self.bar.advance()
            self.told.add(key)
            self.callbacks.on_epoch(replace(record, run=key))

        loss = planned.losses[config["loss"]["name"]]
        return trained(planned.config.keep_plan, planned.dataset, loss, config, on_epoch)


def _describe(config: Mapping[str, Any]) -> str:
    seed, lr = config["train"]["seed"], config["train"]["lr"]
    return f"{config['loss']['name']}, {f'seed {seed}' if config['read_test'] else 'tuning'}, lr {lr:g}"
