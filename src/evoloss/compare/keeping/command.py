"""The command that makes one run of a comparison again."""

from __future__ import annotations

import shlex
from dataclasses import fields

from evoloss.compare.config import CompareConfig, label_loss

_OF_THE_COMPARISON = frozenset(
    ["losses", "seeds", "lr", "baseline", "tune_lr", "lr_grid", "tune_seeds", "widen_lr_grid", "keep"]
)


def command_of(config: CompareConfig, *, loss: str, seed: int, lr: float) -> str:
    """Return ``evoloss compare`` with one loss, one seed and the learning rate that was used.

    Paths stand as they were given, so it is to be called in the same folder.

    Args:
        config: of the comparison.
        loss: name in its results.
        seed: of the run.
        lr: of the run.

    Example:
        >>> command_of(CompareConfig(epochs=3, clip_grad=None), loss="evolved-base", seed=1, lr=0.1)
        'evoloss compare --out again --losses evolved-base --seeds 1 --lr 0.1 --epochs 3 --clip-grad None'
    """
    spec = next(spec for spec in config.losses if label_loss(spec) == loss)
    words = ["--out", "again", "--losses", spec, "--seeds", str(seed), "--lr", f"{lr!r}"]
    for entry in fields(CompareConfig):
        value = getattr(config, entry.name)
        if entry.name in _OF_THE_COMPARISON or value == entry.default:
            continue
        name = entry.name.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{name}" if value else f"--no-{name}")
        elif isinstance(value, tuple):
            words += [f"--{name}", *map(str, value)]
        else:
            words += [f"--{name}", str(value)]
    return shlex.join(["evoloss", "compare", *words])
