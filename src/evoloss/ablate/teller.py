"""The functions that an ablation calls back, and what they are told of runs and generations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evoloss.ablate.run import HISTORY, KIND, evolve, evolve_with_history, run_of
from evoloss.ablate.statistics import AblationRun
from evoloss.ablate.variants import Variant
from evoloss.errors import guarded
from evoloss.executors import Executor
from evoloss.executors.serial import SerialExecutor
from evoloss.pretraining import GenerationRecord
from evoloss.sweeps.finished_run import FinishedRun
from evoloss.sweeps.run_files import Run

OnRun = Callable[[FinishedRun[AblationRun]], object]


@dataclass(frozen=True, kw_only=True)
class AblationGeneration:
    """One generation of one run of an ablation, as a callback is told of it.

    Attributes:
        variant: name of the run's variant; the first one where several come to the same settings.
        seed: of the run.
        popsize: candidates a generation.
        run: name of the run, see :class:`~evoloss.sweeps.finished_run.FinishedRun`.
        record: what happened in the generation.
    """

    variant: str
    seed: int
    popsize: int
    run: str
    record: GenerationRecord


OnGeneration = Callable[[AblationGeneration], object]


class Teller:
    """Calls the user back for the runs of a sweep and their generations."""

    def __init__(
        self,
        planned: Sequence[tuple[Variant, int]],
        runs: Sequence[Run],
        on_run: OnRun | None,
        on_generation: OnGeneration | None,
        out: Path | None,
    ) -> None:
        kept = "the runs that are done are in the results of this error"
        if out is not None:
            kept = f"the runs that are done are in {out}, and the same call goes on"
        self.on_run = guarded("on_run", on_run, kept)
        self.on_generation = None
        if on_generation is not None:
            self.on_generation = guarded("on_generation", on_generation, kept)
        # Of equal runs the first one has the name.
        self.places = {run.key: place for place, run in zip(planned[::-1], runs[::-1], strict=True)}
        self.popsizes = {run.key: int(run.config["popsize"]) for run in runs}
        self.histories: dict[str, list[dict[str, Any]]] = {}  # of new runs; what was told already is left out
        self.done: list[AblationRun] = []

    def function(self, executor: Executor | None) -> Callable[[dict[str, Any]], dict[str, Any]]:
        """The function that does a run: it tells of generations, or brings them along from elsewhere."""
        if self.on_generation is None:
            return evolve
        if executor is None or isinstance(executor, SerialExecutor):
            return self.evolve_here
        return evolve_with_history

    def evolve_here(self, settings: dict[str, Any]) -> dict[str, Any]:
        """Do a run in this process."""
        key = Run(KIND, settings).key
        return evolve(settings, lambda record: self.tell(key, record))

    def tell(self, key: str, record: GenerationRecord) -> None:
        """Tell of a generation."""
        variant, seed = self.places[key]
        if self.on_generation is not None:
            told = AblationGeneration(
                variant=variant.name, seed=seed, popsize=self.popsizes[key], run=key, record=record
            )
            self.on_generation(told)

    def unpack(self, run: Run, result: dict[str, Any]) -> dict[str, Any]:
        """Take the history out of the result of a new run."""
        self.histories[run.key] = result.pop(HISTORY, [])
        return result

    def on_done(self, run: Run, result: dict[str, Any]) -> None:
        """Tell of a run."""
        variant, seed = self.places[run.key]
        self.done.append(run_of(variant, seed, result))
        history = self.histories.pop(run.key, None)
        for record in history or ():
            self.tell(run.key, GenerationRecord(**record))
        ended = FinishedRun(
            result=self.done[-1],
            key=run.key,
            done=len(self.done),
            planned=len(self.places),
            recalled=history is None,
        )
        self.on_run(ended)
