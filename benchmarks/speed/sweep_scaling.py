"""The speed-up of a sweep with two workers: trainings of a comparison, in processes and on Ray.

    python -m benchmarks.speed.sweep_scaling --out benchmarks/speed/results/sweep.json

The load is that of ``evoloss compare``: small classifiers trained on one core each, as a sweep with a folder.
Workers are there before the clock starts and have loaded their data set, as in a sweep of hundreds of runs; a
turn is one whole sweep. Serial, one and two workers take turns in every round. Pure arithmetic, twice in one
process and in two at once, says what the second core is worth while others use the machine.
"""

from __future__ import annotations

import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import torch

from benchmarks.harness import command
from benchmarks.harness.results import write_results
from benchmarks.harness.timing import Subject, alternate, print_rows, rows_of, target
from evoloss.compare import CompareConfig
from evoloss.compare.record import describe_environment
from evoloss.compare.training_run import Sources, TrainingRuns, train_run
from evoloss.data import load_dataset
from evoloss.executors import Executor, make_executor
from evoloss.losses.resolve import resolve_loss
from evoloss.sweeps.run_files import Run
from evoloss.sweeps.sweep import sweep

WORKERS = 2
LEAST_SPEED_UP = 1.7


@dataclass(frozen=True, kw_only=True)
class SweepScaling:
    """Time sweeps."""

    out: Path
    """File for the results."""
    rounds: int = 5
    """Rounds in which every executor has its turn."""
    runs: int = 16
    """Trainings of a turn."""
    epochs: int = 3
    """Epochs of a training."""


def plan(options: SweepScaling) -> tuple[list[Run], Callable[[dict[str, Any]], dict[str, Any]]]:
    """The trainings, and what does one of them anywhere."""
    config = CompareConfig(
        dataset="digits",
        model="cnn",
        losses=("cross_entropy", "gce"),
        seeds=tuple(range(options.runs // 2)),
        epochs=options.epochs,
        accelerator="cpu",
    )
    dataset = load_dataset(config.dataset, validation=config.validation)
    here = describe_environment()
    runs = TrainingRuns(
        config,
        dataset,
        {name: resolve_loss(name) for name in config.losses},
        {name: here[name] for name in ("evoloss", "torch")},
    )
    cells = [(name, seed) for seed in config.seeds for name in config.losses]
    return [runs.make(name, seed=seed, lr=config.lr) for name, seed in cells], partial(
        train_run, Sources.of(config)
    )


def subject(
    runs: list[Run], function: Callable[[dict[str, Any]], dict[str, Any]], executor: Executor
) -> Subject:
    """A sweep of all runs into a fresh folder."""

    def seconds() -> float:
        with tempfile.TemporaryDirectory() as folder:
            begin = time.perf_counter()
            sweep(runs, function, folder=Path(folder), executor=executor)
            return time.perf_counter() - begin

    return seconds


def spin(ready: Barrier, done: Barrier, times: int, steps: int = 20_000_000) -> None:
    """Keep a core busy with nothing else than itself, once everybody is there."""
    ready.wait()
    for _ in range(times * steps):
        pass
    done.wait()


def spins(workers: int) -> float:
    """Seconds of ``WORKERS`` spins, shared out over processes that are there already."""
    context = multiprocessing.get_context("spawn")
    ready, done = context.Barrier(workers + 1), context.Barrier(workers + 1)
    processes = [context.Process(target=spin, args=(ready, done, WORKERS // workers)) for _ in range(workers)]
    for process in processes:
        process.start()
    ready.wait()
    begin = time.perf_counter()
    done.wait()
    seconds = time.perf_counter() - begin
    for process in processes:
        process.join()
    return seconds


def main(options: SweepScaling) -> None:
    """Time every executor and write the file."""
    torch.set_num_threads(1)
    os.environ["OMP_NUM_THREADS"] = "1"
    runs, function = plan(options)
    with ExitStack() as stack:
        executors = {
            "serial": make_executor("serial"),
            "processes, 1 worker": make_executor("processes", workers=1, threads=1),
            "processes, 2 workers": make_executor("processes", workers=WORKERS, threads=1),
            "ray, 2 workers": make_executor("ray", workers=WORKERS, threads=1),
        }
        for executor in executors.values():
            stack.enter_context(executor)
        subjects = {name: subject(runs, function, executor) for name, executor in executors.items()}
        subjects |= {"spin, 1 process": partial(spins, 1), "spin, 2 processes": partial(spins, WORKERS)}
        seconds = alternate(subjects, rounds=options.rounds)
    spinning = {name: seconds.pop(name) for name in ("spin, 1 process", "spin, 2 processes")}
    rows = rows_of(f"{len(runs)} trainings of a comparison", seconds, "serial")
    rows += rows_of("pure arithmetic", spinning, "spin, 1 process")
    print_rows(rows)
    ratios = {row["subject"]: row["ratio"] for row in rows}
    reason = (
        f"other work shared the machine: two processes of pure arithmetic came to "
        f"{1 / ratios['spin, 2 processes']:.2f} times one"
    )
    targets = [
        target(
            f"speed-up over serial, {name}", LEAST_SPEED_UP, 1 / ratios[name], at_least=True, reason=reason
        )
        for name in ("processes, 2 workers", "ray, 2 workers")
    ]
    write_results(options.out, "sweep_scaling", command.command_line(options), rows, targets)


if __name__ == "__main__":
    command.run(SweepScaling, main)
