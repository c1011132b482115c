"""Ablations, logged: a run of the tool for every variant and seed."""

from __future__ import annotations

from evoloss.ablate.statistics import AblationRun
from evoloss.ablate.teller import AblationGeneration
from evoloss.compare.record import describe_environment
from evoloss.sweeps.finished_run import FinishedRun
from evoloss.trackers.generations import GenerationNumbers
from evoloss.trackers.run_log import RunLog


class AblateTracker(RunLog):
    """Logs the runs of an ablation.

    Of each run the generations, as :class:`~evoloss.trackers.SearchTracker` does, and what came of it. Of
    runs that are found in the directory, and were not logged before, what their files have: consistency on
    held-out pairs, and what came of them.

    Args:
        tool: ``"tensorboard"``, ``"mlflow"`` or ``"wandb"``; an extra each.
        out: directory of the results; stores without an address of their own are in its folder ``log``.
        warn: told where the store fails, once; Python's warnings by default.

    Raises:
        MissingExtraError: if the tool is not installed.
        ConfigError: if it is unknown, or its server does not answer.
        OutputError: if a file that evoloss did not write stands where it would.

    Example:
        >>> from pathlib import Path
        >>> from evoloss.ablate.ablation import AblateConfig, ablate
        >>> def log(config: AblateConfig, out: Path) -> None:
        ...     with AblateTracker("wandb", out) as tracker:
        ...         ablate(config, out=out, on_run=tracker.on_run, on_generation=tracker.on_generation)
    """

    _numbers = GenerationNumbers(None)

    def on_generation(self, told: AblationGeneration) -> None:
        """Log a generation; for ``on_generation`` of an ablation."""
        if self.run != told.run:
            self._begin_run(told.run, told.variant, told.seed, told.popsize)
        self.log(self._numbers(told.record), told.record.generation)

    def on_run(self, run: FinishedRun[AblationRun]) -> None:
        """Log the end of a run; for ``on_run`` of an ablation."""
        result = run.result
        if self.run != run.key:
            if not self._begin_run(run.key, result.variant, result.seed, result.popsize):
                return
            for generation, value in zip(result.measured_at, result.consistency, strict=True):
                self.log({"consistency/held_out": value}, generation)
        numbers = {
            "summary/kendall_tau": result.kendall_tau,
            "summary/usable": float(result.usable),
            "summary/seconds": result.seconds,
            "summary/final_consistency": result.final_consistency,
            "points/held_out_mean": result.advantage,
        }
        self.end(numbers, {"generations": result.generations})

    def _begin_run(self, key: str, variant: str, seed: int, popsize: int) -> bool:
        self._numbers = GenerationNumbers(popsize)
        versions = {f"versions/{what}": text for what, text in describe_environment().items()}
        settings = {"variant": variant, "seed": seed, "popsize": popsize, **versions}
        return self.begin(key, f"{variant} seed {seed}", settings)
