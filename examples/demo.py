"""The main job in minutes: evolve a loss without data, then train real classifiers with it.

    python examples/demo.py --out demo-out

Evolves a loss from synthetic pairs, trains a small CNN on scikit-learn's digits with cross-entropy, the
fresh loss and the shipped one over several seeds, prints the table, and writes results.json and figures.
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
from evoloss.compare.results import Results
from evoloss.diagnostics import loss_curve
from evoloss.losses.resolve import resolve_loss
from evoloss.pretraining.history import read_history
from evoloss.report.evolution_figure import evolution_figure
from evoloss.report.figures import write_figures
from evoloss.report.loss_figures import gradient_profiles_figure, loss_curves_figure


@dataclass(frozen=True, kw_only=True)
class Demo:
    """Settings of the demo; the defaults take a few minutes on two cores."""

    out: Path = Path("demo-out")
    """Directory for everything that is written."""
    generations: int = 300
    """Generations of the fresh loss."""
    loss_seed: int = 1
    """Seed of the search for the fresh loss."""
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    """One training for each seed and loss."""
    epochs: int = 15
    """Passes over the training split."""


def run(demo: Demo) -> int:
    """Do the steps; the first two are commands that can be given by hand."""
    console = Console()
    fresh, comparison = demo.out / "fresh", demo.out / "digits"
    for directory in (fresh, comparison):  # a demo starts anew, it does not go on with an older one
        shutil.rmtree(directory, ignore_errors=True)
    evolve = ["pretrain", "--out", str(fresh), "--generations", str(demo.generations)]
    evolve += ["--seed", str(demo.loss_seed)]
    compare = ["compare", "--out", str(comparison), "--dataset", "digits", "--model", "cnn", "--threads", "1"]
    compare += ["--losses", "cross_entropy", str(fresh), "evolved-base", "--epochs", str(demo.epochs)]
    compare += ["--seeds", *map(str, demo.seeds)]
    for title, command in (
        ("1. Evolve a loss from synthetic pairs, no data", evolve),
        ("2. Train a CNN on real digits with cross-entropy and with evolved losses", compare),
    ):
        console.rule(title)
        console.print(f"$ evoloss {shlex.join(command)}", soft_wrap=True, highlight=False)
        status = evoloss(command)
        if status:
            return status
    console.rule("3. Figures")
    for path in draw(demo, fresh, comparison):
        console.print(f"written: {path}", soft_wrap=True, highlight=False)
    return 0


def draw(demo: Demo, fresh: Path, comparison: Path) -> list[Path]:
    """Draw the evolution, the losses, and the comparison."""
    figures = demo.out / "figures"
    names = {"cross_entropy": "cross_entropy", "fresh": str(fresh), "evolved-base": "evolved-base"}
    curves = {
        name: loss_curve(resolve_loss(spec, reduction="none"), n_classes=10) for name, spec in names.items()
    }
    written = [figures / name for name in ("evolution.png", "losses.png", "gradients.png")]
    evolution_figure(read_history(fresh), written[0], title="Evolution of the fresh loss")
    loss_curves_figure(curves, written[1], title="Loss against the label's probability, 10 classes")
    gradient_profiles_figure(curves, written[2], title="Pull on the label's logit, 10 classes")
    return written + write_figures(Results.read(comparison), figures)


if __name__ == "__main__":
    sys.exit(run(tyro.cli(Demo, description=__doc__)))
