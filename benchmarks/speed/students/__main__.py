"""Many students at once: the engine of ``evoloss.students.students`` against autograd through loss networks.

    python -m benchmarks.speed.students --out benchmarks/speed/results/students.json

One turn trains a student for every candidate and task, 64 candidates and a few tasks, with momentum, and
measures its test accuracy. The straightforward version comes in two kinds, both exact, with autograd through
the loss network and every product batched over candidates and tasks: ``torch.func.vmap`` of ``grad``, and
batched by hand. Two more subjects bound what can be reached: students trained by autograd with cross-entropy,
which costs no loss network, and the engine's own matrix products alone.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.harness import command
from benchmarks.harness.results import write_results
from benchmarks.harness.timing import Rows, Subject, alternate, print_rows, rows_of, target, timed
from benchmarks.speed.students.autograd import cross_entropy_loss, network_loss, train_batched, train_vmapped
from benchmarks.speed.students.cases import CASES, Case, candidates
from evoloss.networks import ClasswiseNetwork
from evoloss.students.slope_tables import slope_error, tabulate_network
from evoloss.students.students import Students
from evoloss.tasks.student_config import StudentConfig

POPSIZE = 64
NETWORK = ClasswiseNetwork(hidden=(16, 16))
LIMIT = 10.0
"""Times the trainings a second of the straightforward ways, in the first case."""


def products_only(case: Case) -> Callable[[], None]:
    """The matrix products of the engine's steps, in its layout and nothing else."""
    widths = (case.features, *case.hidden, case.classes)
    n_students = POPSIZE * case.n_tasks
    work: list[tuple[Tensor, Tensor, Tensor]] = []
    for position, (fan_in, fan_out) in enumerate(itertools.pairwise(widths)):
        count, rows = (n_students, fan_out) if position else (case.n_tasks, POPSIZE * fan_out)
        weight, hidden, product = (
            torch.randn(count, *shape) for shape in ((rows, fan_in), (fan_in, case.batch), (rows, case.batch))
        )
        work += [(weight, hidden, product), (product, hidden.mT, torch.empty_like(weight))]
        if position:
            work.append((weight.mT, product, torch.empty_like(hidden)))

    def run() -> None:
        for _ in range(case.steps):
            for left, right, out in work:
                torch.bmm(left, right, out=out)

    return run


@dataclass(frozen=True, kw_only=True)
class StudentsBenchmark:
    """Time trainings of students."""

    out: Path
    """File for the results."""
    rounds: int = 6
    """Rounds in which every subject has its turn."""
    compiled: bool = False
    """Time compiled versions of the first case as well; compiling takes a minute."""
    threads: int = 1
    """Threads of every subject."""


def subjects_of(case: Case, *, compiled: bool) -> dict[str, Subject]:
    """The subjects of one case."""
    params, tasks, plan = candidates(NETWORK, case.classes, POPSIZE), case.tasks(), case.plan()
    loss = network_loss(NETWORK, params, case.classes)
    tables = tabulate_network(NETWORK, params, case.classes)
    config = StudentConfig(hidden=case.hidden, clip=None)

    def engine(config: StudentConfig, **more: Any) -> Callable[[], object]:
        students = Students(config, tasks, plan, **more)
        # Tabulating the candidates is part of the work.
        return lambda: students.train(tabulate_network(NETWORK, params, case.classes))

    if not tables.exists.all():
        raise RuntimeError("a candidate has no canonical form: the engine would leave it out and seem faster")
    print(f"slope error {slope_error(tables, NETWORK.slopes(params, case.classes)).max():.1e}")
    work: dict[str, Callable[[], object]] = {
        "vmap of grad": lambda: train_vmapped(NETWORK, params, tasks, plan, config.momentum),
        "batched by hand": lambda: train_batched(loss, POPSIZE, tasks, plan, config.momentum),
        "engine": engine(config),
        "engine, clipped": engine(replace(config, clip=5.0)),
        "autograd, cross-entropy": lambda: train_batched(
            cross_entropy_loss, POPSIZE, tasks, plan, config.momentum
        ),
        "products only": products_only(case),
    }
    if compiled:
        quick = torch.compile(loss)
        work |= {
            "vmap of grad, compiled": lambda: train_vmapped(
                NETWORK, params, tasks, plan, config.momentum, compiled=True
            ),
            "batched by hand, compiled": lambda: train_batched(quick, POPSIZE, tasks, plan, config.momentum),
            "engine, compiled": engine(config, compiled=True),
        }
    return {name: timed(training) for name, training in work.items()}


def main(options: StudentsBenchmark) -> None:
    """Time every case and write the file."""
    torch.set_num_threads(options.threads)
    start = time.perf_counter()
    rows: Rows = []
    for name, case in CASES.items():
        subjects = subjects_of(case, compiled=options.compiled and not rows)
        case_rows = rows_of(name, alternate(subjects, rounds=options.rounds), "engine")
        for row in case_rows:
            row["trainings_per_second"] = POPSIZE * case.n_tasks / row["seconds"]
            row["steps"] = case.steps
        print_rows(case_rows)
        rows += case_rows
    targets = targets_of(rows)
    for goal in targets:
        print(f"{goal['name']}: {goal['measured']:.1f} (target {goal['limit']:.0f}) {goal['reason']}")
    print(f"{time.perf_counter() - start:.0f} s")
    write_results(options.out, "students", command.command_line(options), rows, targets)


def targets_of(rows: Rows) -> Rows:
    """The engine against both straightforward ways, in the first case."""
    case = next(iter(CASES))
    ratios = {row["subject"]: row["ratio"] for row in rows if row["case"] == case}
    return [
        target(
            f"trainings a second, engine over {name}, {case}",
            LIMIT,
            ratios[name],
            at_least=True,
            reason=f"the students' own matrix products are {ratios['products only']:.0%} of the engine's "
            f"time; with nothing else it would be {ratios[name] / ratios['products only']:.1f}",
        )
        for name in ("vmap of grad", "batched by hand")
    ]


if __name__ == "__main__":
    command.run(StudentsBenchmark, main)
