"""The main job in minutes: evolve a loss without data, train with it on wrong labels, write a page.

    python examples/demo.py --out demo-out

Evolves a loss for ten classes with wrong labels within a budget of time, trains a small network on
scikit-learn's digits, 40 % of whose training labels are replaced, with cross-entropy, GCE, a shipped loss and
the new one over several seeds, and writes a page of the comparison that needs no network.
"""

from __future__ import annotations

import shlex
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import tyro
from rich.console import Console

from evoloss.cli import main as evoloss


@dataclass(frozen=True, kw_only=True)
class Demo:
    """Settings of the demo; the defaults take a few minutes on two cores."""

    out: Path = Path("demo-out")
    """Directory for everything that is written."""
    budget: str = "100s"
    """Time for the new loss, its verdict included."""
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    """One training for each seed and loss."""
    epochs: int = 15
    """Passes over the training split."""


def run(demo: Demo) -> int:
    """Do the steps, each a command that can be given by hand."""
    console = Console()
    mine, comparison, page = demo.out / "mine", demo.out / "digits", demo.out / "report.html"
    for directory in (mine, comparison):  # a demo starts anew, it does not go on with an older one
        shutil.rmtree(directory, ignore_errors=True)
    evolve = ["evolve", "--out", str(mine), "--for", "noise", "--classes", "10", "--samples", "500-1500"]
    evolve += ["--noise", "0.2-0.5", "--budget", demo.budget]
    compare = ["compare", "--out", str(comparison), "--dataset", "digits", "--model", "mlp", "--threads", "1"]
    compare += ["--label-noise", "0.4", "--validation-noise", "--epochs", str(demo.epochs)]
    compare += ["--losses", "cross_entropy", "gce", "evolved-noise-strong", str(mine)]
    compare += ["--seeds", *map(str, demo.seeds)]
    for title, command in (
        ("1. Evolve a loss for ten classes and wrong labels, no data", evolve),
        ("2. Train on real digits with 40 % wrong labels", compare),
        ("3. A page to send", ["report", str(comparison), "--html", str(page)]),
    ):
        console.rule(title)
        console.print(f"$ evoloss {shlex.join(command)}", soft_wrap=True, highlight=False)
        status = evoloss(command)
        if status:
            return status
    console.print(f"open {page} in a browser", soft_wrap=True, highlight=False)
    return 0


if __name__ == "__main__":
    sys.exit(run(tyro.cli(Demo, description=__doc__)))
