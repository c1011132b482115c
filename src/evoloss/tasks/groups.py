"""Groups of tasks of one shape: what is learned, by which students, how; everything from one generator."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

import torch
from torch import Tensor

from evoloss.tasks.noise import NOISE_KINDS, corrupt
from evoloss.tasks.prior import Prior
from evoloss.tasks.student_config import StudentConfig
from evoloss.tasks.student_plan import StudentPlan, StudentTasks, initial_weights, learning_rates
from evoloss.tasks.synthetic_data import draw_samples
from evoloss.tasks.synthetic_patches import draw_patches

_TEMPERATURES = (0.35, 0.5, 0.7, 1.4, 2.0, 2.8, 4.0, 8.0)
RATE_STEP = 3.0
_SCHEDULES = ("cosine", "triangular")
_LARGEST_SEED = (1 << 30) - 1
Key = TypeVar("Key")


@dataclass(frozen=True)
class TaskGroup:
    """Tasks that are trained side by side.

    Attributes:
        config: the students.
        tasks: what they learn.
        plan: how.
        noise: share of training labels that are wrong, of each task, ``(tasks,)``.
        long: whether it is one of the prior's long groups.

    Example:
        >>> group = draw_group(Prior(), 4, torch.Generator().manual_seed(0), long=False)
        >>> len(group.tasks.x), group.noise.shape, group.long
        (4, torch.Size([4]), False)
    """

    config: StudentConfig
    tasks: StudentTasks
    plan: StudentPlan
    noise: Tensor
    long: bool


def draw_group(
    prior: Prior,
    n_tasks: int,
    generator: torch.Generator,
    *,
    long: bool | None = None,
    stretch: float = 1.0,
    rates: int = 1,
) -> TaskGroup:
    """Draw a group of tasks of one shape; the tasks differ in all that a shape leaves open.

    Args:
        prior: the distribution.
        n_tasks: how many tasks.
        generator: the only source of randomness, on the CPU.
        long: whether the group is a long one; drawn by the prior's share if it is None.
        stretch: the training steps are multiplied by it: the same task, trained longer.
        rates: every task is trained at so many learning rates, each ``RATE_STEP`` times the one before; they
            stand one after the other, so the group has ``n_tasks * rates`` entries.

    Example:
        >>> group = draw_group(named_prior("label-noise"), 4, torch.Generator().manual_seed(0))
        >>> group.tasks.y.shape[0], bool((group.noise > 0).all())
        (4, True)
    """
    draw = _Numbers(generator)
    chosen = draw.chance(prior.long)
    long = chosen if long is None else long
    if long:
        prior = prior.of_long_groups()
    n_classes, features = draw.whole(prior.classes), draw.whole(prior.features)
    samples = max(draw.whole(prior.samples), 2 * n_classes)
    length = max(1, round(draw.whole(prior.epochs or prior.steps) * stretch))
    # Nothing is drawn where there is nothing to choose: tasks without patches stay what they were.
    patches = draw.whole(prior.patches) if prior.patched > 0 and draw.chance(prior.patched) else 1
    config = _students(prior, draw, patches)
    count = samples + prior.test_samples
    if patches > 1:
        made = draw_patches(prior, n_tasks, count, n_classes, features, patches, generator)
    else:
        made = draw_samples(prior, n_tasks, count, n_classes, features, generator)
    train, test = made.y[:, :samples], made.y[:, samples:]
    noisy = torch.rand(n_tasks, generator=generator, dtype=torch.float32) < prior.noisy
    low, high = prior.noise
    shares = torch.where(
        noisy, low + (high - low) * torch.rand(n_tasks, generator=generator, dtype=torch.float32), 0.0
    )
    weights = torch.tensor([prior.noise_kinds.get(kind, 0.0) for kind in NOISE_KINDS], dtype=torch.float32)
    kinds = torch.multinomial(weights, n_tasks, replacement=True, generator=generator)
    y = corrupt(train, made.rival[:, :samples], made.doubt[:, :samples], n_classes, shares, kinds, generator)
    x, x_test = made.x[:, :samples], made.x[:, samples:]
    tasks = StudentTasks(
        x=x.contiguous(), y=y, x_test=x_test.contiguous(), y_test=test.contiguous(), n_classes=n_classes
    )
    plan = _plan(prior, draw, config, tasks, length)
    if rates > 1:
        tasks, plan = _at_rates(tasks, plan, rates)
    return TaskGroup(config, tasks, plan, (y != train).float().mean(dim=1), long)


def _students(prior: Prior, draw: _Numbers, patches: int) -> StudentConfig:
    depth = draw.integer(*prior.depth)
    widths = tuple(draw.whole(prior.width) for _ in range(depth))
    adam = draw.chance(prior.adam)
    return StudentConfig(
        hidden=widths,
        patches=patches,
        activation=draw.choice(prior.activations),  # type: ignore[arg-type]
        norm=draw.choice(prior.norms),  # type: ignore[arg-type]
        optimizer="adam" if adam else "sgd",
        nesterov=draw.chance(0.5) and not adam,
        weight_decay=draw.choice(prior.weight_decay),
    )


def _plan(
    prior: Prior, draw: _Numbers, config: StudentConfig, tasks: StudentTasks, length: int
) -> StudentPlan:
    """The plan of a group, for so many epochs or steps."""
    n_tasks, samples, features = tasks.x.shape
    generator = draw.generator
    batch = min(draw.whole(prior.batch), samples)
    per_epoch = samples // batch
    steps = length * per_epoch if prior.epochs else length
    gains = draw.spread(prior.gain, n_tasks)
    peak = draw.spread(prior.adam_rate if config.optimizer == "adam" else prior.rate, n_tasks)
    if prior.rate_batch is not None:
        peak *= math.sqrt(batch / prior.rate_batch)
    schedule = _SCHEDULES[draw.integer(0, 1)]
    plan = StudentPlan(
        initial=initial_weights(config.widths(features, tasks.n_classes), gains, generator),
        batches=epochs(samples, n_tasks, batch, steps, generator),
        rates=learning_rates(schedule, peak, steps),  # type: ignore[arg-type]
        evaluate_at=tuple(sorted({max(1, round(0.6 * steps)), steps})),
        measure_training=False,
        temperatures=_TEMPERATURES,
        samples_per_epoch=per_epoch * batch,
    )
    # Nothing is drawn where nothing is augmented.
    if prior.augmented > 0 and draw.chance(prior.augmented):
        size, seed = draw.spread(prior.augmentation, n_tasks), draw.integer(0, _LARGEST_SEED)
        return replace(plan, augmentation=size, augmentation_seed=seed)
    return plan


def _at_rates(tasks: StudentTasks, plan: StudentPlan, rates: int) -> tuple[StudentTasks, StudentPlan]:
    """The same tasks, starts and batches at several learning rates."""
    n_tasks = tasks.n_tasks

    def repeat(tensor: Tensor, dim: int = 0) -> Tensor:
        return tensor.repeat_interleave(rates, dim=dim)

    repeated = replace(
        tasks,
        x=repeat(tasks.x),
        y=repeat(tasks.y),
        x_test=repeat(tasks.x_test),
        y_test=repeat(tasks.y_test),
    )
    factors = (RATE_STEP ** torch.arange(rates, dtype=torch.float32)).repeat(n_tasks)
    return repeated, replace(
        plan,
        initial=tuple((repeat(weight), repeat(bias)) for weight, bias in plan.initial),
        batches=repeat(plan.batches, 1),
        rates=repeat(plan.rates, 1) * factors,
        augmentation=None if plan.augmentation is None else repeat(plan.augmentation),
    )


def epochs(samples: int, n_tasks: int, batch: int, steps: int, generator: torch.Generator) -> Tensor:
    """Batches that go through all samples in a new order each epoch, ``(steps, tasks, batch)``."""
    per_epoch = samples // batch
    rounds = math.ceil(steps / per_epoch)
    orders = torch.rand(rounds, n_tasks, samples, generator=generator, dtype=torch.float32).argsort(dim=2)
    batches = orders[:, :, : per_epoch * batch].view(rounds, n_tasks, per_epoch, batch)
    return batches.transpose(1, 2).reshape(-1, n_tasks, batch)[:steps].contiguous()


class _Numbers:
    """Single random numbers."""

    def __init__(self, generator: torch.Generator) -> None:
        self.generator = generator

    def uniform(self) -> float:
        return float(torch.rand((), generator=self.generator, dtype=torch.float32))

    def chance(self, share: float) -> bool:
        return self.uniform() < share

    def integer(self, low: int, high: int) -> int:
        return int(torch.randint(low, high + 1, (1,), generator=self.generator))

    def whole(self, bounds: tuple[int, int]) -> int:
        """A whole number, log-uniform."""
        low, high = bounds
        exponent: float = self.uniform()
        return int(min(high, max(low, round(low * math.pow(high / low, exponent)))))

    def spread(self, bounds: tuple[float, float], n: int) -> Tensor:
        """Numbers ``(n,)``, log-uniform."""
        low, high = bounds
        return low * (high / low) ** torch.rand(n, generator=self.generator, dtype=torch.float32)

    def choice(self, weights: Mapping[Key, float]) -> Key:
        at = torch.multinomial(
            torch.tensor([*weights.values()], dtype=torch.float32), 1, generator=self.generator
        )
        return list(weights)[int(at)]
