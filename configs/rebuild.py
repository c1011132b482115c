"""Rebuild a shipped loss from its committed configuration.

    python configs/rebuild.py evolved-base            # into src/evoloss/zoo/evolved-base
    python configs/rebuild.py evolved-base --out DIR

``configs/NAME.toml`` is the configuration, ``configs/NAME.md`` the text of the card.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
import tyro

from evoloss import EvolvedLoss, PretrainConfig, pretrain
from evoloss.atomic_files import write_text
from evoloss.zoo import shipped_path

HERE = Path(__file__).parent


@dataclass(frozen=True, kw_only=True)
class Rebuild:
    """Evolve a shipped loss again."""

    name: tyro.conf.Positional[str]
    """Name of the loss."""
    out: Path | None = None
    """Where to write it; by default its place in the package."""


def rebuild(name: str, out: Path) -> None:
    """Evolve the loss and write its artefact and configuration."""
    torch.set_num_threads(1)  # as the command line does
    config = PretrainConfig.from_toml(HERE / f"{name}.toml")
    result = pretrain(config)
    notes = (HERE / f"{name}.md").read_text(encoding="utf-8")
    record = {"title": name, "notes": notes, **result.loss.record}
    EvolvedLoss(result.loss.network, result.loss.params, record=record).save_pretrained(out)
    write_text(out / "pretrain.toml", config.to_toml())
    print(f"{name}: ranking consistency {result.summary['ranking_consistency']:.5f}, written to {out}")


if __name__ == "__main__":
    command = tyro.cli(Rebuild, description=__doc__)
    rebuild(command.name, command.out or shipped_path(command.name))
