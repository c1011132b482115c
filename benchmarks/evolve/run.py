"""A loss evolved for one's own regime, on wine and the digits 3, 8 and 9, with 40 % of the labels wrong.

    python -m benchmarks.evolve.run                    # evolve, compare; goes on where it was stopped
    python -m benchmarks.evolve.run --skip-evolve      # compare the losses in results/ again

The search sees no data. The comparison has ten seeds, the default learning rate and an MLP; with ``--tuned``
each loss has its own rate, chosen on noisy validation labels.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.harness import command
from benchmarks.harness.accuracy_study import ALLOCATOR
from benchmarks.harness.comparison import compare_command, run_command
from benchmarks.harness.evolving import evolve_command
from benchmarks.tabular.tables import split, write_table
from evoloss.atomic_files import write_bytes

OUT = Path(__file__).parent / "results"
DATA = Path(__file__).parent / "data"
RIVALS = ("cross_entropy", "gce", "evolved-base", "evolved-noise", "evolved-noise-strong", "adaptive")
"""Losses beside the evolved one."""
REGIME = {"for": "noise", "classes": "3", "samples": "100-400", "noise": "0.2-0.5"}
"""What the user of either data set knows, and 20 to 50 % for "many labels are wrong"."""
FEATURES = {"own-13": "13", "own-images": "images"}
"""Names of the evolved losses, and their ``--features``."""
DIGITS = (3, 8, 9)
EPOCHS = 60
BATCH = {"wine": 16, "digits-389": 32}
"""As the study of tables has them, by the number of rows."""
RATES = (0.01, 0.03, 0.1, 0.3)


@dataclass(frozen=True, kw_only=True)
class EvolveStudy:
    """Evolve and compare."""

    budget: str = "10m"
    """Of a search."""
    losses: tuple[str, ...] = tuple(FEATURES)
    """The evolved losses."""
    only: tuple[str, ...] = tuple(BATCH)
    """Data sets."""
    seeds: int = 10
    """Runs for each loss."""
    skip_evolve: bool = False
    """Take the losses that are there."""
    tuned: bool = False
    """Let each loss have the best of four rates."""
    out: Path = OUT
    """Folder of losses and results."""
    data: Path = DATA
    """Folder of the data sets."""


def write_digits(path: Path) -> None:
    """Write the digits 3, 8 and 9 as a data set of images; a quarter of them is for testing."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    chosen = np.isin(bunch.target, DIGITS)
    images: npt.NDArray[np.uint8] = np.rint(bunch.images[chosen] * (255 / 16)).astype(np.uint8)
    labels = np.searchsorted(DIGITS, bunch.target[chosen])
    train, test = split(labels)
    content = io.BytesIO()
    np.savez(content, x_train=images[train], y_train=labels[train], x_test=images[test], y_test=labels[test])
    write_bytes(path, content.getvalue())


def write_data(name: str, path: Path) -> None:
    """Write a data set of the study."""
    if name == "wine":
        write_table("wine", path)
    else:
        write_digits(path)


def comparison(settings: EvolveStudy, name: str) -> list[str]:
    """The call of ``evoloss compare`` for a data set."""
    folder = f"{name}-tuned" if settings.tuned else name
    options = {
        "dataset": settings.data / f"{name}.npz",
        "model": "mlp",
        "label-noise": 0.4,
        "epochs": EPOCHS,
        "batch-size": BATCH[name],
        "validation": 0.25,
        "threads": 1,
        "out": settings.out / folder,
    }
    evolved = (str(settings.out / loss) for loss in settings.losses)
    grid = RATES if settings.tuned else ()
    arguments = compare_command(options, lr_grid=grid, losses=(*RIVALS, *evolved), seeds=settings.seeds)
    return [*arguments, "--validation-noise"]


def main(settings: EvolveStudy) -> int:
    """Evolve what is missing and compare; the status of the first command that fails, else 0."""
    for loss in settings.losses if not settings.skip_evolve else ():
        folder = settings.out / loss
        if (folder / "verdict.png").exists():
            continue
        resume = (folder / "checkpoint.safetensors").exists()
        options = {**REGIME, "features": FEATURES[loss], "budget": settings.budget, "out": folder}
        status = run_command(evolve_command(options, resume=resume), environment=ALLOCATOR)
        if status:
            return status
    for name in settings.only:
        path = settings.data / f"{name}.npz"
        if not path.exists():
            write_data(name, path)
        status = run_command(comparison(settings, name), environment=ALLOCATOR)
        if status:
            return status
    return 0


if __name__ == "__main__":
    command.run(EvolveStudy, main)
