"""Searches, logged: one run of the tool, a step a generation."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evoloss.compare.record import describe_environment
from evoloss.evolve import EvolveResult
from evoloss.pretraining import GenerationRecord, PretrainConfig, PretrainResult
from evoloss.pretraining.history import read_history
from evoloss.trackers.generations import GenerationNumbers
from evoloss.trackers.run_log import RunLog, Warn
from evoloss.trackers.tools import Tool

_RUN = "search"


class SearchTracker(RunLog):
    """Logs the search of :func:`~evoloss.pretrain` or :func:`~evoloss.evolve.evolve`.

    In each generation ``fitness/best`` and ``fitness/mean`` (lower is better), ``consistency/best`` (ranking
    consistency of the best candidate), with students ``points/best`` and ``points/held_out_mean`` (accuracy
    over cross-entropy's students, of the best candidate and of the mean of the search on held-out tasks),
    ``rejected_share``, ``sigma`` and ``generation_seconds``; settings and versions; at the end the summary,
    and of :func:`~evoloss.evolve.evolve` the verdict. A search that goes on is one run: what an earlier part
    did not log is taken from its ``history.jsonl``.

    Args:
        tool: ``"tensorboard"``, ``"mlflow"`` or ``"wandb"``; an extra each.
        out: directory of the search; stores without an address of their own are in its folder ``log``.
        config: of the search; None if it is not known yet, see :meth:`describe`.
        warn: told where the store fails, once; Python's warnings by default.

    Raises:
        MissingExtraError: if the tool is not installed.
        ConfigError: if it is unknown, or its server does not answer.
        OutputError: if a file that evoloss did not write stands where it would.

    Example:
        >>> from pathlib import Path
        >>> from evoloss import PretrainConfig, pretrain
        >>> def log(config: PretrainConfig, out: Path) -> None:
        ...     with SearchTracker("mlflow", out, config) as tracker:
        ...         tracker.finish(pretrain(config, out=out, on_generation=tracker.on_generation))
    """

    def __init__(
        self, tool: Tool, out: Path, config: PretrainConfig | None = None, warn: Warn | None = None
    ) -> None:
        super().__init__(tool, out, warn)
        self._out = Path(out)
        self._numbers: GenerationNumbers | None = None
        self._settings: dict[str, object] = {}
        self._popsize: int | None = None
        if config is not None:
            self.describe(config)

    def describe(self, config: PretrainConfig, **more: object) -> None:
        """Say what is searched, before the first generation.

        Args:
            config: of the search.
            **more: settings to log beside it.
        """
        self._popsize = config.popsize
        self._settings = {**_flat(config.to_dict()), **more}

    def on_generation(self, record: GenerationRecord) -> None:
        """Log a generation; for ``on_generation`` of a search."""
        if self._numbers is None:
            self._begin_search(record.generation)
        if self._numbers is not None:
            self.log(self._numbers(record), record.generation)

    def finish(self, result: PretrainResult | EvolveResult) -> None:
        """Log what came of the search, once it has ended."""
        searched = result.pretrained if isinstance(result, EvolveResult) else result
        last = searched.history[-1].generation if searched.history else 0
        if self._numbers is None:
            earlier = self.ledger.find(_RUN)
            if earlier is not None and earlier.ended_at == last:
                return  # nothing was left to do
            self._begin_search(last + 1)
        numbers = _summary_of(searched.summary)
        if isinstance(result, EvolveResult):
            numbers |= _verdict_of(result)
        self.end(numbers, {"verdict": searched.verdict.text})

    def _begin_search(self, generation: int) -> None:
        """Open the run before a generation, with what is to be known of those before."""
        versions = {f"versions/{what}": text for what, text in describe_environment().items()}
        name = self._out.absolute().name
        self._numbers = GenerationNumbers(self._popsize)
        if not self.begin(_RUN, name, {**self._settings, **versions}, goes_on=generation > 1):
            return
        for record in read_history(self._out, generation - 1) if generation > 1 else ():
            self.log(self._numbers(record), record.generation)


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, object]:
    """Nested settings under names with a slash."""
    found: dict[str, object] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{prefix}{name}/")
        else:
            found[f"{prefix}{name}"] = value
    return found


def _summary_of(summary: Mapping[str, Any]) -> dict[str, float | None]:
    """The numbers of a summary that are of the whole search."""
    names = ("ranking_consistency", "kendall_tau", "spearman_rho", "seconds", "evaluations", "rejected")
    numbers = {f"summary/{name}": summary.get(name) for name in (*names, "kept_generation", "attempts")}
    for name in ("short", "long", "stretched"):
        row = summary.get("learnability", {}).get(name)
        if row is not None:
            numbers[f"points/{name}"] = row["mean"]
    return numbers


def _verdict_of(result: EvolveResult) -> dict[str, float | None]:
    """Accuracies of the verdict, and the points over cross-entropy."""
    numbers: dict[str, float | None] = {}
    for row in result.verdict.rows:
        numbers[f"fresh/accuracy/{row.loss}"] = row.accuracy
        if row.over_cross_entropy is not None:
            numbers[f"fresh/points/{row.loss}"] = row.over_cross_entropy.mean
    return numbers
