"""Rebuild a shipped loss from its committed configuration.

    python -m recipes.build evolved-base            # into src/evoloss/zoo/evolved-base
    python -m recipes.build evolved-base --out DIR
    python -m recipes.build evolved-noise --workers 2

``recipes/NAME/config.toml`` is the configuration, ``recipes/NAME/notes.md`` the text of the card.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
import tyro

from evoloss import EvolvedLoss, PretrainConfig, pretrain
from evoloss.atomic_files import write_text
from evoloss.executors import make_executor
from evoloss.pretraining.checkpoint import CHECKPOINT_FILE
from evoloss.zoo import shipped_path

RECIPES = Path(__file__).parent


@dataclass(frozen=True, kw_only=True)
class Rebuild:
    """Evolve a shipped loss again."""

    name: tyro.conf.Positional[str]
    """Name of the loss."""
    out: Path | None = None
    """Where to write it; by default its place in the package."""
    workers: int = 1
    """Processes that train students; the bits do not depend on it."""
    work: Path | None = None
    """Directory for checkpoints and history; a run that was stopped goes on there."""


def rebuild(name: str, out: Path, workers: int = 1, work: Path | None = None) -> None:
    """Evolve the loss and write its artefact, configuration and summary."""
    torch.set_num_threads(1)  # as the command line does
    config = PretrainConfig.from_toml(RECIPES / name / "config.toml")
    resume = work is not None and (work / CHECKPOINT_FILE).exists()
    if workers == 1:
        result = pretrain(config, out=work, resume=resume)
    else:
        with make_executor("processes", workers=workers, threads=1) as executor:
            result = pretrain(config, out=work, resume=resume, executor=executor)
    notes = (RECIPES / name / "notes.md").read_text(encoding="utf-8")
    record = {"title": name, "notes": notes, **result.loss.record}
    EvolvedLoss(result.loss.network, result.loss.params, record=record).save_pretrained(out)
    write_text(out / "pretrain.toml", config.to_toml())
    print(f"{name}: ranking consistency {result.summary['ranking_consistency']:.5f}, written to {out}")


if __name__ == "__main__":
    command = tyro.cli(Rebuild, description=__doc__)
    rebuild(command.name, command.out or shipped_path(command.name), command.workers, command.work)
