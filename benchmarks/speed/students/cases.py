"""The tasks, students and candidates of the students benchmark."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from evoloss.networks import ClasswiseNetwork
from evoloss.random_streams import stream
from evoloss.tasks.student_plan import StudentPlan, StudentTasks, initial_weights


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
