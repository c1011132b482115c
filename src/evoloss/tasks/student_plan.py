"""The plan of students' training: tasks, initial weights, batches and learning rates.

All of it is shared by the candidates (common random numbers): same task, same start, same batches.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from evoloss.errors import ConfigError, UnknownNameError
from evoloss.tasks.student_config import StudentConfig

Schedule = Literal["constant", "cosine", "linear", "triangular"]
Weights = tuple[tuple[Tensor, Tensor], ...]  # of each layer (tasks, fan_in, fan_out) and (tasks, fan_out)


@dataclass(frozen=True, kw_only=True)
class StudentTasks:
    """Classification tasks of one shape.

    Attributes:
        x: training inputs, ``(tasks, samples, features)``.
        y: their labels, possibly noisy, int64, ``(tasks, samples)``.
        x_test: test inputs, ``(tasks, test_samples, features)``.
        y_test: their labels, ``(tasks, test_samples)``.
        n_classes: the class count.

    Raises:
        ConfigError: if shapes disagree, or a label is outside ``[0, n_classes)``.

    Example:
        >>> x, y = torch.randn(2, 40, 6), torch.randint(3, (2, 40))
        >>> tasks = StudentTasks(x=x, y=y, x_test=x, y_test=y, n_classes=3)  # tested on what they learned
        >>> tasks.x.shape
        torch.Size([2, 40, 6])
    """

    x: Tensor
    y: Tensor
    x_test: Tensor
    y_test: Tensor
    n_classes: int

    def __post_init__(self) -> None:
        for name, x, y in (("x", self.x, self.y), ("x_test", self.x_test, self.y_test)):
            label = name.replace("x", "y")
            if x.dim() != 3 or y.shape != x.shape[:2] or not x.numel():
                raise ConfigError(
                    f"{name} must be (tasks, samples, features) and {label} (tasks, samples), none of them "
                    f"0; got {tuple(x.shape)} and {tuple(y.shape)}"
                )
            if y.dtype != torch.int64:
                raise ConfigError(f"{label} must be int64, got {y.dtype}")
            if y.min() < 0 or y.max() >= self.n_classes:
                found = f"{int(y.min())} to {int(y.max())}"
                raise ConfigError(f"labels in {label} must be in [0, {self.n_classes}), got {found}")
        if self.x.shape[0] != self.x_test.shape[0] or self.x.shape[2] != self.x_test.shape[2]:
            raise ConfigError(
                "x and x_test must agree in tasks and features, got "
                f"{tuple(self.x.shape)} and {tuple(self.x_test.shape)}"
            )

    @property
    def n_tasks(self) -> int:
        """Number of tasks."""
        return self.x.shape[0]


@dataclass(frozen=True, kw_only=True)
class StudentPlan:
    """The training of the students of every candidate.

    Attributes:
        initial: weights ``(tasks, fan_in, fan_out)`` and biases ``(tasks, fan_out)`` of each layer.
        batches: positions of training samples, int64, ``(steps, tasks, batch)``.
        rates: the learning rate of every step, ``(steps,)`` or ``(steps, tasks)``; :func:`learning_rates`.
        evaluate_at: numbers of steps after which students are evaluated, rising, from 0 to ``steps``; empty
            for the end only.
        measure_training: whether accuracy on the training samples is measured too.
        temperatures: at which the test NLL is measured too, above 0; its least is what a calibrated student
            would have.
        samples_per_epoch: training samples that the batches of an epoch hold, for losses that count epochs;
            None for all of a task's. Fewer where what does not fill a batch is left out.
        augmentation: standard deviation of the noise that is added to the training inputs of each task, new
            in every step, ``(tasks,)``; None for no noise.
        augmentation_seed: of that noise, at least 0.

    Raises:
        ConfigError: if shapes disagree, or a rate or a number of steps is out of range.

    Example:
        >>> generator = torch.Generator().manual_seed(0)
        >>> initial = initial_weights([6, 32, 3], torch.ones(2), generator)  # two tasks
        >>> batches = torch.randint(40, (100, 2, 16), generator=generator)  # of 40 samples
        >>> rates = learning_rates("cosine", torch.tensor(0.1), 100)
        >>> StudentPlan(initial=initial, batches=batches, rates=rates).rates.shape
        torch.Size([100])
    """

    initial: Weights
    batches: Tensor
    rates: Tensor
    evaluate_at: tuple[int, ...] = ()
    measure_training: bool = True
    temperatures: tuple[float, ...] = ()
    samples_per_epoch: int | None = None
    augmentation: Tensor | None = None
    augmentation_seed: int = 0

    def __post_init__(self) -> None:
        if self.batches.dim() != 3 or self.batches.dtype != torch.int64 or not self.batches.numel():
            raise ConfigError(
                "batches must be int64 and (steps, tasks, batch), none of them 0; got "
                f"{self.batches.dtype} and {tuple(self.batches.shape)}"
            )
        steps, tasks, _ = self.batches.shape
        if tuple(self.rates.shape) not in ((steps,), (steps, tasks)):
            raise ConfigError(
                f"rates must be (steps,) or (steps, tasks), here ({steps},) or ({steps}, {tasks}); got "
                f"{tuple(self.rates.shape)}"
            )
        if not (self.rates.isfinite() & (self.rates >= 0)).all():
            raise ConfigError("rates must be finite and at least 0")
        self._check_epochs(tasks)
        if not all(0 < temperature < math.inf for temperature in self.temperatures):
            raise ConfigError(f"temperatures must be above 0 and finite, got {self.temperatures}")
        at = self.evaluate_at
        if any(a >= b for a, b in itertools.pairwise(at)) or any(not 0 <= step <= steps for step in at):
            raise ConfigError(
                f"evaluate_at must rise from 0 to at most {steps}, the number of steps; got {at}"
            )

    def _check_epochs(self, tasks: int) -> None:
        if self.samples_per_epoch is not None and self.samples_per_epoch < 1:
            raise ConfigError(f"samples_per_epoch must be at least 1, got {self.samples_per_epoch}")
        if self.augmentation_seed < 0:
            raise ConfigError(f"augmentation_seed must be at least 0, got {self.augmentation_seed}")
        size = self.augmentation
        if size is not None and not (tuple(size.shape) == (tasks,) and (size.isfinite() & (size >= 0)).all()):
            raise ConfigError(
                f"augmentation must be ({tasks},), one number a task, finite and at least 0; got shape "
                f"{tuple(size.shape)}, from {float(size.amin()):g} to {float(size.amax()):g}"
            )

    @property
    def steps(self) -> int:
        """Number of training steps."""
        return self.batches.shape[0]


def check_plan(tasks: StudentTasks, plan: StudentPlan, config: StudentConfig) -> None:
    """Check that a plan fits tasks and students.

    Raises:
        ConfigError: if it does not.
    """
    n_tasks, samples, features = tasks.x.shape
    if features % config.patches:
        raise ConfigError(f"inputs of {features} features cannot be cut into {config.patches} equal patches")
    if plan.batches.shape[1] != n_tasks:
        raise ConfigError(f"batches are for {plan.batches.shape[1]} tasks, there are {n_tasks}")
    if plan.batches.min() < 0 or plan.batches.max() >= samples:
        raise ConfigError(
            f"batches must hold positions in [0, {samples}), got {int(plan.batches.min())} to "
            f"{int(plan.batches.max())}"
        )
    shapes = [(tuple(weight.shape), tuple(bias.shape)) for weight, bias in plan.initial]
    wanted = [
        ((n_tasks, fan_in, fan_out), (n_tasks, fan_out))
        for fan_in, fan_out in itertools.pairwise(config.widths(features, tasks.n_classes))
    ]
    if shapes != wanted:
        raise ConfigError(f"initial must be weights and biases of shapes {wanted}, got {shapes}")


def initial_weights(widths: Sequence[int], gains: Tensor, generator: torch.Generator) -> Weights:
    """Normal weights of standard deviation ``gain * sqrt(2 / fan_in)`` and zero biases.

    Args:
        widths: features (of a patch), hidden widths, classes.
        gains: one a task, shape ``(tasks,)``; 1 is the initialisation of He et al. 2015 (arXiv:1502.01852).
            Gives dtype and device of the weights.
        generator: of the same device.

    Example:
        >>> weights = initial_weights([6, 32, 3], torch.ones(2), torch.Generator().manual_seed(0))
        >>> [tuple(weight.shape) for weight, bias in weights]
        [(2, 6, 32), (2, 32, 3)]
    """
    layers = []
    for fan_in, fan_out in itertools.pairwise(widths):
        noise = torch.randn(
            (len(gains), fan_in, fan_out), generator=generator, dtype=gains.dtype, device=gains.device
        )
        weight = noise * (gains * math.sqrt(2 / fan_in))[:, None, None]
        layers.append((weight, gains.new_zeros(len(gains), fan_out)))
    return tuple(layers)


def learning_rates(schedule: Schedule, peak: Tensor, steps: int, *, warmup: float = 0.25) -> Tensor:
    r"""The learning rate of every step.

    - ``constant``: the peak;
    - ``cosine``: ``peak * (1 + cos(pi t)) / 2`` at ``t = step / steps``, without warm-up;
    - ``linear``: ``peak * (1 - t)``;
    - ``triangular``: rising linearly over the first ``warmup`` of the steps, then falling linearly to 0
      (slanted triangular, Howard and Ruder 2018, arXiv:1801.06146). Real classifiers are trained with
      ``one_cycle`` of :mod:`evoloss.training.schedule`, which falls along a half cosine.

    Args:
        schedule: one of the above.
        peak: the largest rate, shape ``()`` or one a task, ``(tasks,)``.
        steps: number of steps, at least 1.
        warmup: share of the steps in which ``triangular`` rises, in (0, 1).

    Returns:
        Shape ``(steps,)`` or ``(steps, tasks)``, in the dtype of ``peak``.

    Raises:
        ConfigError: if steps or warmup is out of range.
        UnknownNameError: if the schedule is not known.

    Example:
        >>> learning_rates("triangular", torch.tensor(0.1), 8)
        tensor([0.0500, 0.1000, 0.0857, 0.0714, 0.0571, 0.0429, 0.0286, 0.0143])
    """
    if schedule not in get_args(Schedule):
        raise UnknownNameError.among("schedule", schedule, get_args(Schedule))
    if steps < 1:
        raise ConfigError(f"steps must be at least 1, got {steps}")
    if not 0 < warmup < 1:
        raise ConfigError(f"warmup must be between 0 and 1, got {warmup}")
    step = torch.arange(steps, dtype=torch.float64, device=peak.device)
    t = step / steps
    if schedule == "constant":
        share = torch.ones_like(t)
    elif schedule == "cosine":
        share = (1 + torch.cos(math.pi * t)) / 2
    elif schedule == "linear":
        share = 1 - t
    else:
        rise = max(1, round(warmup * steps))
        share = torch.minimum((step + 1) / rise, (steps - step) / max(1, steps - rise + 1))
    return (share.reshape(-1, *[1] * peak.dim()) * peak).to(peak.dtype)
