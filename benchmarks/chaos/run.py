"""Chaos against Gauss: does chaotic mutation converge faster, or end better, than Gaussian mutation?

    python -m benchmarks.chaos.run [--only NAME ...]   # the searches; what is done is kept under --work
    python -m benchmarks.chaos.page                    # tables, figures, docs/chaos.md

What is run stands in ``benchmarks/chaos/conditions.py``. One condition leaves ``NAME/ablation.json`` in the
results; single runs are kept under ``--work``, so that a study that was stopped goes on.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from benchmarks.chaos.conditions import CONDITIONS, OPTIONAL, ablation_config
from benchmarks.chaos.search_facts import search_facts
from benchmarks.harness import command
from evoloss.ablate.ablation import ablate
from evoloss.ablate.results import FILE_NAME
from evoloss.atomic_files import write_text
from evoloss.errors import UnknownNameError
from evoloss.executors import make_executor

RESULTS = Path(__file__).parent / "results"
FACTS = RESULTS / "facts.json"


@dataclass(frozen=True, kw_only=True)
class ChaosStudy:
    """Run conditions of the study."""

    only: tuple[str, ...] = tuple(CONDITIONS)
    """Conditions to run; all that take minutes by default."""
    work: Path = Path("out/chaos")
    """Folder of single runs."""
    executor: Literal["serial", "processes", "ray"] = "serial"
    """Executor of the searches."""
    workers: int | None = None
    """Searches at the same time."""
    address: str | None = None
    """Of a Ray cluster."""

    def __post_init__(self) -> None:
        for name in self.only:
            if name not in CONDITIONS | OPTIONAL:
                raise UnknownNameError.among("condition", name, CONDITIONS | OPTIONAL)


def main(study: ChaosStudy) -> None:
    """Measure the facts where they belong to what is run, then run every condition."""
    torch.set_num_threads(1)
    if set(study.only) >= set(CONDITIONS) or not FACTS.exists():
        write_text(FACTS, json.dumps(search_facts(), indent=1) + "\n")
    executor = make_executor(study.executor, workers=study.workers, address=study.address, threads=1)
    with executor as place:
        for name in study.only:
            start = time.monotonic()
            ablation = ablate(ablation_config(name), out=study.work, executor=place)
            ablation.write(RESULTS / name / FILE_NAME)
            print(f"{name}: {len(ablation.runs)} runs, {time.monotonic() - start:.0f} s", flush=True)


if __name__ == "__main__":
    command.run(ChaosStudy, main)
