"""Lines of ``evoloss evolve`` and ``export``, as ``command_lines`` has those of other commands.

``python -m benchmarks.robustness.evolving.evolve_lines`` rewrites ``results/evolve_lines.json``. Tasks are
tiny and the clock counts work (:mod:`benchmarks.robustness.evolving.small_evolve`), so that a whole run fits
into a trial.
"""

from __future__ import annotations

import random
from pathlib import Path

import torch

from benchmarks.robustness.campaign import main
from benchmarks.robustness.command_grammar import EVOLVE_BASES, Line, line_of
from benchmarks.robustness.command_lines import CommandLineCampaign
from benchmarks.robustness.evolving.small_evolve import WorkClock, small_and_counted


class EvolveLineCampaign(CommandLineCampaign):
    """Lines of ``evoloss evolve`` and of ``export``, drawn from a seed."""

    name = "evolve_lines"
    always_here = True

    def draw(self, draw: random.Random) -> Line:
        """Draw a line."""
        command = draw.choices(tuple(EVOLVE_BASES), weights=(3, 1))[0]
        return line_of(command, EVOLVE_BASES[command], draw)

    def trial(self, seed: int, prepared: Path, folder: Path) -> tuple[str, str]:
        """Run a line on tiny tasks."""
        with small_and_counted(WorkClock()):
            return super().trial(seed, prepared, folder)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(EvolveLineCampaign(), 300)
