"""The result of a pretraining run, and its files."""

from __future__ import annotations

import json
import math
import statistics
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from evoloss.atomic_files import write_text
from evoloss.fitness import RankingScores
from evoloss.losses.artefact.format import OWN_FILES
from evoloss.losses.evolved import EvolvedLoss
from evoloss.networks import LossNetwork
from evoloss.own_files import Recogniser, holds_json, require_replaceable
from evoloss.pretraining.checks import Incumbent
from evoloss.pretraining.config import PretrainConfig
from evoloss.pretraining.evaluation.held_out_tasks import HeldOutAdvantage
from evoloss.pretraining.evaluation.verdict import Verdict, is_settled, verdict_of
from evoloss.pretraining.history import HISTORY_FILE, GenerationRecord, history_text

CONFIG_FILE = "pretrain.toml"
SUMMARY_FILE = "summary.json"


def _is_settings(content: bytes) -> bool:
    text = content.decode()
    # A file that people wrote has comments, or leaves out what it does not change.
    written = {"network", "hidden", "objective", "classes", "strategy", "popsize", "seed", "eval_every"}
    return "#" not in text and tomllib.loads(text).keys() >= written


def _is_history(content: bytes) -> bool:
    is_record = holds_json("generation", "fitness_best", "rejected")
    return not content or is_record(content.partition(b"\n")[0])


RUN_FILES: dict[str, Recogniser] = {
    **OWN_FILES,
    CONFIG_FILE: _is_settings,
    HISTORY_FILE: _is_history,
    SUMMARY_FILE: holds_json("generations", "popsize", "evaluations"),
}
"""The files of a finished run, and how they are recognised; others of these names are not replaced."""


@dataclass(frozen=True)
class PretrainResult:
    """An evolved loss and how it came about.

    Attributes:
        loss: ready to use.
        config: what it was evolved with.
        history: one record a generation.
        summary: ``generations``, ``popsize``, ``seconds``, ``generations_per_second``, ``evaluations``,
            ``rejected`` (candidates, over the run), ``attempts`` (starts of the search), ``kept_generation``
            (whose loss this is), ``kept_is_mean`` (whether it is the mean of the search after that
            generation, and not its best candidate; None if a version found it that did not tell), ``settled``
            (whether a search by ranking orders at least 99.9 % of held-out couples right at every class
            count; None with the learnability fitness), ``ranking_consistency``, ``kendall_tau`` and
            ``spearman_rho`` on held-out pairs (the lowest over the class counts; None if they could not be
            measured), and ``scores`` by class count, with the error ``dominance`` also the consistency under
            it. With the learnability fitness also ``learnability``: on held-out tasks ``score``, and for
            ``short``, ``long`` and ``stretched`` tasks the ``mean`` difference to cross-entropy in points of
            accuracy, its standard error ``se`` and the number of ``tasks``.
    """

    loss: EvolvedLoss
    config: PretrainConfig
    history: list[GenerationRecord]
    summary: dict[str, Any]

    @classmethod
    def of(
        cls,
        config: PretrainConfig,
        network: LossNetwork,
        kept: Incumbent,
        history: list[GenerationRecord],
        scores: Mapping[int, RankingScores] | None,
        advantage: HeldOutAdvantage | None = None,
        dominance: Mapping[int, float] | None = None,
    ) -> PretrainResult:
        """Gather the result of a run whose loss is ``kept``.

        Raises:
            CanonicalFormError: if the parameters make no usable loss.
        """
        by_count: dict[str, dict[str, float]] = {
            str(count): count_scores._asdict() for count, count_scores in (scores or {}).items()
        }
        for count, share in (dominance or {}).items():
            by_count[str(count)]["dominance"] = share
        record: dict[str, Any] = {"pretraining": config.to_dict(), "scores": by_count}
        summary = _summary(config, kept, history, by_count)
        if advantage is not None:
            summary["learnability"] = _intervals(advantage)
            record |= {"prior": asdict(config.task_prior), "learnability": summary["learnability"]}
            record["prior"]["weight_decay"] = {str(k): v for k, v in config.task_prior.weight_decay.items()}
        loss = EvolvedLoss(network, kept.params, record=record)
        return cls(loss, config, history, summary)

    @property
    def verdict(self) -> Verdict:
        """The verdict on the search, in words."""
        return verdict_of(self.config, self.summary)

    def save(self, directory: str | Path) -> None:
        """Write the loss, its configuration, history and summary to a directory.

        The files are ``loss.safetensors``, ``config.json``, ``README.md``, ``pretrain.toml``,
        ``history.jsonl`` and ``summary.json``.

        Raises:
            OutputError: if a file of that name is there that evoloss did not write; then nothing is written.
        """
        directory = Path(directory)
        require_replaceable(directory, RUN_FILES)
        write_text(directory / CONFIG_FILE, self.config.to_toml())
        write_text(directory / HISTORY_FILE, history_text(self.history))
        write_text(directory / SUMMARY_FILE, json.dumps(self.summary, indent=2, allow_nan=False) + "\n")
        self.loss.save_pretrained(directory)


def _intervals(advantage: HeldOutAdvantage) -> dict[str, Any]:
    """Mean, standard error and number of the differences to cross-entropy, by kind of task."""
    found: dict[str, Any] = {"score": advantage.score}
    for name in ("short", "long", "stretched", "nll"):
        values = getattr(advantage, name)
        spread = statistics.stdev(values) if len(values) > 1 else 0.0
        found[name] = {
            "mean": statistics.fmean(values),
            "se": spread / math.sqrt(len(values)),
            "tasks": len(values),
        }
    return found


def _summary(
    config: PretrainConfig,
    kept: Incumbent,
    history: list[GenerationRecord],
    by_count: dict[str, dict[str, float]],
) -> dict[str, Any]:
    seconds = history[-1].seconds if history else 0.0
    lowest = {
        name: min((row[name] for row in by_count.values()), default=None)
        for name in ("consistency", "kendall_tau", "spearman_rho")
    }
    return {
        "generations": len(history),
        "popsize": config.popsize,
        "seconds": seconds,
        "generations_per_second": len(history) / seconds if seconds > 0 else None,
        "evaluations": len(history) * config.popsize,
        "rejected": sum(record.rejected for record in history),
        "attempts": history[-1].attempt if history else 1,
        "kept_generation": kept.generation,
        "kept_is_mean": kept.is_mean,
        "settled": is_settled(config, by_count),
        "ranking_consistency": lowest["consistency"],
        "kendall_tau": lowest["kendall_tau"],
        "spearman_rho": lowest["spearman_rho"],
        "scores": by_count,
    }
