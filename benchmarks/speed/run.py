"""All speed benchmarks, and the page made from them: about a quarter of an hour on two quiet cores.

    python -m benchmarks.speed.run                                    # the committed results and the page
    python -m benchmarks.speed.run --out DIR --only loss_step training_step

Each is a process of its own, so that none sees another's threads. The peers of the engine are measured if
``benchmarks/speed/peers/setup.sh`` has made their environment. ``sweep_scaling`` and ``gpu_loss_step``, which
take other machines or quieter ones, are run by themselves.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness import command
from benchmarks.harness.comparison import run_command
from benchmarks.speed.page import RESULTS, write
from evoloss.errors import UnknownNameError

_FEW_PEERS = ("--couples-per-pair", "4", "--seeds", "0", "--peers", "evosax", "PyTorch, compiled")
BENCHMARKS: dict[str, tuple[str, ...]] = {
    "engine_couples": ("engine", *_FEW_PEERS),
    "engine": ("engine",),
    "bound": ("roofline",),
    "scaling": ("scaling",),
    "students": ("students",),
    "loss_step": ("loss_step",),
    "training_step": ("training_step",),
    "small_model": ("small_model",),
}
"""By the name of the result file: the module, and its options."""


@dataclass(frozen=True, kw_only=True)
class SpeedStudy:
    """Run speed benchmarks."""

    out: Path = RESULTS
    """Folder of the results; the page is made anew only for that of the repository."""
    only: tuple[str, ...] = tuple(BENCHMARKS)
    """Results to make."""

    def __post_init__(self) -> None:
        for name in self.only:
            if name not in BENCHMARKS:
                raise UnknownNameError.among("result", name, BENCHMARKS)


def commands(study: SpeedStudy) -> dict[str, list[str]]:
    """The command of every benchmark, by the name of its result."""
    found = {}
    for name, (module, *options) in BENCHMARKS.items():
        if name in study.only:
            out = study.out / f"{name}.json"
            found[name] = [sys.executable, "-m", f"benchmarks.speed.{module}", "--out", str(out), *options]
    return found


def main(study: SpeedStudy) -> int:
    """Run what was asked for; the status of the first benchmark that fails, else 0."""
    for name, arguments in commands(study).items():
        print(f"== {name}", flush=True)
        status = run_command(arguments)
        if status:
            return status
    if study.out.resolve() == RESULTS.resolve():
        write()
    return 0


if __name__ == "__main__":
    command.run(SpeedStudy, main)
