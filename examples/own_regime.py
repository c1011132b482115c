"""Evolve a loss for a regime of your own: so many classes, so many samples, so much label noise; no data.

    python examples/own_regime.py --out my-loss --classes 5 10 --samples 100 400 --noise 0.2 0.5 --workers 2

The loss is ready to use when it ends, and its card says how students trained with it fared on held-out tasks.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
import tyro

from evoloss import PretrainConfig, pretrain
from evoloss.executors import make_executor


@dataclass(frozen=True, kw_only=True)
class Regime:
    """The data that the loss is for."""

    out: Path
    """Directory of the loss."""
    classes: tuple[int, int] = (5, 10)
    """Fewest and most classes."""
    samples: tuple[int, int] = (100, 400)
    """Fewest and most training samples."""
    noise: tuple[float, float] = (0.2, 0.5)
    """Smallest and largest share of wrong training labels."""
    generations: int = 6
    """Generations of 24 candidates on 32 tasks each."""
    workers: int = 2
    """Processes."""


def main(regime: Regime) -> None:
    """Evolve the loss, save it, and say how its students did."""
    torch.set_num_threads(1)
    config = PretrainConfig(
        fitness="learnability",
        prior="label-noise",
        prior_classes=regime.classes,
        prior_samples=regime.samples,
        prior_noise=regime.noise,
        network="mixture",
        start="gce",
        scoring="points",
        generations=regime.generations,
        popsize=24,
        groups=8,
        step_control="none",
        sigma=0.4,
        classes=(regime.classes[0], regime.classes[1] + 1),
        pairs=128,
        eval_every=2,
        eval_groups=4,
    )
    with make_executor("processes", workers=regime.workers, threads=1) as executor:
        result = pretrain(
            config,
            out=regime.out,
            executor=executor,
            on_generation=lambda record: print(f"generation {record.generation}: {record.seconds:.0f} s"),
        )
    for kind in ("short", "long", "stretched"):
        row = result.summary["learnability"][kind]
        print(f"{kind} tasks: {row['mean']:+.2f} ± {row['se']:.2f} points over cross-entropy")


if __name__ == "__main__":
    main(tyro.cli(Regime, description=__doc__))
