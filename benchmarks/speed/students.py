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
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import tyro
from benchmarks.harness.protocol import Subject, alternate, print_rows, rows_of, target, timed, write_results
from torch import Tensor
from torch.func import grad, vmap

from evoloss.networks import ACTIVATIONS, LOG_P_FLOOR, ClasswiseForm, ClasswiseNetwork
from evoloss.random_streams import stream
from evoloss.students.slope_tables import slope_error, tabulate_network
from evoloss.students.students import Students
from evoloss.tasks.student_config import StudentConfig
from evoloss.tasks.student_plan import StudentPlan, StudentTasks, Weights, initial_weights

POPSIZE = 64
NETWORK = ClasswiseNetwork(hidden=(16, 16))

BatchLoss = Callable[[Tensor, Tensor], Tensor]  # log-probabilities (popsize, N, C) and labels (N,) to a sum


@dataclass(frozen=True, kw_only=True)
class Case:
    """Tasks and students of one shape."""

    classes: int
    features: int
    hidden: tuple[int, ...]
    n_tasks: int = 4
    batch: int = 32
    samples: int = 320
    steps: int = 30

    def tasks(self, dtype: torch.dtype = torch.float32) -> StudentTasks:
        """Gaussian clusters, a fifth of the training labels random."""
        generator = stream(0, "tasks")
        total = 2 * self.samples
        centres = 0.6 * torch.randn(self.n_tasks, self.classes, self.features, generator=generator)
        y = torch.randint(self.classes, (self.n_tasks, total), generator=generator)
        x = centres[torch.arange(self.n_tasks)[:, None], y]
        x = (x + torch.randn(x.shape, generator=generator)).to(dtype)
        noisy = torch.rand(self.n_tasks, self.samples, generator=generator) < 0.2
        wrong = torch.randint(self.classes, noisy.shape, generator=generator)
        return StudentTasks(
            x=x[:, : self.samples].contiguous(),
            y=torch.where(noisy, wrong, y[:, : self.samples]),
            x_test=x[:, self.samples :].contiguous(),
            y_test=y[:, self.samples :],
            n_classes=self.classes,
        )

    def plan(self, dtype: torch.dtype = torch.float32, rate: float = 0.03) -> StudentPlan:
        """Random batches at one learning rate."""
        generator = stream(0, "plan")
        shape = (self.steps, self.n_tasks, self.batch)
        gains = torch.ones(self.n_tasks, dtype=dtype)
        return StudentPlan(
            initial=initial_weights((self.features, *self.hidden, self.classes), gains, generator),
            batches=torch.randint(self.samples, shape, generator=generator),
            rates=torch.full((self.steps,), rate, dtype=dtype),
            measure_training=False,
        )


CASES = {
    "10 classes, students 16-32-32-10": Case(classes=10, features=16, hidden=(32, 32), steps=60),
    "4 classes, students 8-24-4": Case(classes=4, features=8, hidden=(24,), n_tasks=8),
    "15 classes, students 24-64-64-64-15": Case(
        classes=15, features=24, hidden=(64, 64, 64), n_tasks=2, steps=20
    ),
}


def candidates(
    network: ClasswiseNetwork, n_classes: int, popsize: int, dtype: torch.dtype = torch.float32
) -> Tensor:
    """A population as a strategy has it, ``(popsize, n_params)``, around a loss much like cross-entropy.

    Its centre is the nearest to cross-entropy of many random networks, of which most do not train: what is
    not finite takes another time.
    """
    generator = stream(0, "candidates")
    random = torch.stack([network.initial(generator) for _ in range(2000)]).to(dtype)
    random = random[network.form(random, n_classes).exists]
    log_p = torch.linspace(-20, 0, 81, dtype=dtype)
    cross_entropy = torch.tensor([[0.0], [-1.0]], dtype=dtype)
    away = (network.slopes(random, n_classes)(log_p) - cross_entropy).square().mean(dim=(1, 2))
    noise = torch.randn(popsize, network.n_params, generator=generator, dtype=dtype)
    return random[away.argmin()] + 0.03 * noise


def train_vmapped(
    network: ClasswiseNetwork,
    params: Tensor,
    tasks: StudentTasks,
    plan: StudentPlan,
    momentum: float,
    *,
    compiled: bool = False,
) -> Weights:
    """The straightforward version by ``vmap`` over candidates and tasks of the gradient of one loss.

    Returns weights ``(popsize, tasks, ...)``, as :class:`Students` does.
    """
    form = tuple(network.form(params, tasks.n_classes))

    def loss(
        weights: Weights, candidate: Tensor, entries: tuple[Tensor, ...], x: Tensor, y: Tensor
    ) -> Tensor:
        hidden = x
        for weight, bias in weights[:-1]:
            hidden = torch.relu(torch.addmm(bias, hidden, weight))
        log_probs = torch.log_softmax(torch.addmm(weights[-1][1], hidden, weights[-1][0]), dim=1)
        own = ClasswiseForm(*(entry[None] for entry in entries))
        return network.losses(candidate[None], log_probs, y, own).mean()

    over_tasks = vmap(grad(loss), in_dims=(0, None, None, 0, 0))
    gradient = vmap(over_tasks, in_dims=(0, 0, 0, None, None))
    if compiled:
        gradient = torch.compile(gradient)

    def gradients(weights: Weights, x: Tensor, y: Tensor) -> list[Tensor]:
        return [each for layer in gradient(weights, params, form, x, y) for each in layer]

    return _descend(gradients, len(params), tasks, plan, momentum)


def train_batched(
    loss: BatchLoss, popsize: int, tasks: StudentTasks, plan: StudentPlan, momentum: float
) -> Weights:
    """The same with the products batched by hand; ``loss`` sums over all students."""
    n_students = popsize * tasks.n_tasks

    def gradients(weights: Weights, x: Tensor, y: Tensor) -> list[Tensor]:
        leaves = [[each.detach().requires_grad_() for each in layer] for layer in weights]
        hidden = x.expand(popsize, *x.shape).reshape(n_students, *x.shape[1:])
        for position, (weight, bias) in enumerate(leaves):
            flat = weight.view(n_students, *weight.shape[2:])
            product = torch.baddbmm(bias.view(n_students, 1, -1), hidden, flat)
            hidden = torch.relu(product) if position + 1 < len(leaves) else product
        log_probs = torch.log_softmax(hidden, dim=2).view(popsize, -1, tasks.n_classes)
        total = loss(log_probs, y.flatten()) / x.shape[1]
        return list(torch.autograd.grad(total, [each for layer in leaves for each in layer]))

    return _descend(gradients, popsize, tasks, plan, momentum)


def network_loss(network: ClasswiseNetwork, params: Tensor, n_classes: int) -> BatchLoss:
    """The sum of every candidate's loss on predictions of its own."""
    form, layers = network.form(params, n_classes), network.mlp.layers(params)
    activate = ACTIVATIONS[network.activation][0]
    classes = torch.arange(n_classes)
    log_c = math.log(n_classes) / 4

    def loss(log_probs: Tensor, target: Tensor) -> Tensor:
        flat = log_probs.reshape(len(log_probs), -1)
        flag = (classes == target[:, None]).to(flat.dtype).view(1, -1).expand_as(flat)
        inside = flat.clamp(min=LOG_P_FLOOR)
        hidden = torch.stack([inside / 4, inside.exp(), flag, torch.full_like(flat, log_c)], dim=2)
        for weight, bias in layers[:-1]:
            hidden = activate(torch.baddbmm(bias, hidden, weight))
        raw = torch.bmm(hidden, layers[-1][0]).squeeze(2)
        # Below the floor a label's loss goes on with the slope there. Offsets are left out: without gradient.
        return (form.scale * torch.addcmul(raw, flag * (flat - inside), torch.as_tensor(form.tail))).sum()

    return loss


def cross_entropy_loss(log_probs: Tensor, target: Tensor) -> Tensor:
    """The sum of cross-entropy."""
    return -log_probs.gather(2, target.expand(len(log_probs), -1)[:, :, None]).sum()


def _descend(
    gradients: Callable[[Weights, Tensor, Tensor], Sequence[Tensor]],
    popsize: int,
    tasks: StudentTasks,
    plan: StudentPlan,
    momentum: float,
) -> Weights:
    """SGD with momentum, and the test accuracy at the end (which costs what it costs the engine)."""
    weights = tuple(
        (weight.repeat(popsize, 1, 1, 1), bias.repeat(popsize, 1, 1)) for weight, bias in plan.initial
    )
    params = [each for layer in weights for each in layer]
    moments = [torch.zeros_like(each) for each in params]
    task = torch.arange(tasks.n_tasks)[:, None]
    for batch, rate in zip(plan.batches, plan.rates.tolist(), strict=True):
        found = gradients(weights, tasks.x[task, batch], tasks.y[task, batch])
        for param, moment, each in zip(params, moments, found, strict=True):
            param.sub_(moment.mul_(momentum).add_(each), alpha=rate)
    accuracy(weights, tasks)
    return weights


def accuracy(weights: Weights, tasks: StudentTasks) -> Tensor:
    """Test accuracy ``(popsize, tasks)`` of students with weights ``(popsize, tasks, ...)``."""
    hidden = tasks.x_test
    for position, (weight, bias) in enumerate(weights):
        product = torch.matmul(hidden, weight) + bias[:, :, None]
        hidden = torch.relu(product) if position + 1 < len(weights) else product
    return (hidden.argmax(dim=3) == tasks.y_test).to(hidden.dtype).mean(dim=2)


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
class Options:
    """What to time."""

    out: Path
    """File for the results."""
    rounds: int = 6
    """Rounds in which every subject has its turn."""
    compiled: bool = False
    """Time compiled versions of the first case as well; compiling takes a minute."""
    threads: int = 1
    """Threads of every subject."""


def subjects_of(case: Case, *, compiled: bool) -> dict[str, Subject]:
    """What is timed in one case."""
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
    return {name: timed(each) for name, each in work.items()}


def main(options: Options) -> None:
    """Time every case and write the file."""
    torch.set_num_threads(options.threads)
    start = time.perf_counter()
    rows: list[dict[str, Any]] = []
    for name, case in CASES.items():
        subjects = subjects_of(case, compiled=options.compiled and not rows)
        found = rows_of(name, alternate(subjects, rounds=options.rounds), "engine")
        for row in found:
            row["trainings_per_second"] = POPSIZE * case.n_tasks / row["seconds"]
            row["steps"] = case.steps
        print_rows(found)
        rows += found
    first = {row["subject"]: row["ratio"] for row in rows if row["case"] == next(iter(CASES))}
    targets = [
        target(
            f"trainings a second, engine over {name}, {next(iter(CASES))}",
            10.0,
            first[name],
            at_least=True,
            reason=f"the students' own matrix products are {first['products only']:.0%} of the engine's "
            f"time; with nothing else it would be {first[name] / first['products only']:.1f}",
        )
        for name in ("vmap of grad", "batched by hand")
    ]
    for each in targets:
        print(f"{each['name']}: {each['measured']:.1f} (goal {each['limit']:.0f}) {each['reason']}")
    print(f"{time.perf_counter() - start:.0f} s")
    write_results(
        options.out,
        "students",
        f"python -m benchmarks.speed.students --out {options.out}"
        + (" --compiled" if options.compiled else ""),
        rows,
        targets,
    )


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
