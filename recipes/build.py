"""Evolve a shipped loss from its recipe and write it into the package, or write its card anew.

    python -m recipes.build evolved-base            # minutes: history and summary here, the loss into zoo/
    python -m recipes.build evolved-noise --workers 2
    python -m recipes.build evolved-base --out DIR  # everything into DIR, nothing that is committed changes
    python -m recipes.build evolved-base --card     # no search: notes.md into the card of the shipped loss

``recipes/README.md`` says what a recipe holds.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import torch
import tyro

from evoloss import EvolvedLoss, PretrainConfig, pretrain
from evoloss.atomic_files import write_text
from evoloss.errors import ConfigError, EvolossError
from evoloss.executors import make_executor
from evoloss.pretraining import PretrainResult
from evoloss.pretraining.checkpoint import CHECKPOINT_FILE
from evoloss.pretraining.history import HISTORY_FILE, history_text
from evoloss.pretraining.result import CONFIG_FILE, SUMMARY_FILE
from evoloss.zoo import shipped_path

RECIPES = Path(__file__).parent
SETTINGS_FILE, NOTES_FILE = "config.toml", "notes.md"


@dataclass(frozen=True, kw_only=True)
class Build:
    """Build a shipped loss from its recipe."""

    name: tyro.conf.Positional[str]
    """Name of the loss."""
    out: Path | None = None
    """Write loss, history and summary here, and leave recipe and package as they are."""
    workers: int = 1
    """Processes that train students; the bits do not depend on it."""
    work: Path | None = None
    """Directory for checkpoints; a run that was stopped goes on there."""
    card: bool = False
    """Keep the parameters, and write card and record anew from the notes."""

    def __post_init__(self) -> None:
        if self.card and self.work is not None:
            raise ConfigError("--card runs no search, so there is no --work to do; give one of them")


def settings(name: str) -> PretrainConfig:
    """The configuration of a recipe.

    Raises:
        UnknownNameError: if no loss of that name is shipped.
        ConfigError: if the recipe has no configuration, or one that cannot be used.
    """
    shipped_path(name)
    return PretrainConfig.from_toml(RECIPES / name / SETTINGS_FILE)


def evolve(config: PretrainConfig, workers: int = 1, work: Path | None = None) -> PretrainResult:
    """Run the search of a recipe on one thread a process."""
    torch.set_num_threads(1)  # as the command line does
    resume = work is not None and (work / CHECKPOINT_FILE).exists()
    if workers == 1:
        return pretrain(config, out=work, resume=resume)
    with make_executor("processes", workers=workers, threads=1) as executor:
        return pretrain(config, out=work, resume=resume, executor=executor)


def write_loss(name: str, loss: EvolvedLoss, config: PretrainConfig, out: Path) -> None:
    """Write a loss as it is shipped: artefact, configuration, and a card with the notes of the recipe."""
    notes = (RECIPES / name / NOTES_FILE).read_text(encoding="utf-8")
    measured = {key: value for key, value in loss.record.items() if key not in ("title", "notes")}
    record = {"title": name, "notes": notes, **measured}
    EvolvedLoss(loss.network, loss.params, record=record).save_pretrained(out)
    write_text(out / CONFIG_FILE, config.to_toml())


def write_evidence(result: PretrainResult, out: Path) -> None:
    """Write history and summary of a search."""
    write_text(out / HISTORY_FILE, history_text(result.history))
    write_text(out / SUMMARY_FILE, json.dumps(result.summary, indent=2, allow_nan=False) + "\n")


def main(command: Build) -> None:
    """Build, and say where the files are."""
    name, config = command.name, settings(command.name)
    out = command.out or shipped_path(name)
    if command.card:
        write_loss(name, EvolvedLoss.from_pretrained(name), config, out)
        print(f"{name}: card written to {out}")
        return
    result = evolve(config, command.workers, command.work)
    write_loss(name, result.loss, config, out)
    write_evidence(result, command.out or RECIPES / name)
    print(f"{name}: ranking consistency {result.summary['ranking_consistency']:.5f}, written to {out}")


if __name__ == "__main__":
    try:
        main(tyro.cli(Build, description=__doc__))
    except EvolossError as error:
        sys.exit(f"recipes.build: {error}")
