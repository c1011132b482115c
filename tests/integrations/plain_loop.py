"""A small task, and the plain loop that other trainers are held to."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.utils.data import Sampler

from evoloss.losses import ClassificationLoss
from evoloss.losses.training_call import training_arguments

N, FEATURES, CLASSES, BATCH, RATE = 60, 5, 3, 16, 0.2


def task(n: int = N, wrong: int = 0) -> tuple[Tensor, Tensor]:
    """Features ``(n, 5)`` and labels ``(n,)`` of three classes, the first ``wrong`` of them wrong."""
    generator = torch.Generator().manual_seed(0)
    y = torch.randint(CLASSES, (n,), generator=generator)
    x = torch.randn(n, FEATURES, generator=generator, dtype=torch.float32)
    x[torch.arange(n), y] += 2
    y[:wrong] = (y[:wrong] + torch.randint(1, CLASSES, (wrong,), generator=generator)) % CLASSES
    return x, y


def network() -> nn.Sequential:
    """A small network, the same each time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return nn.Sequential(nn.Linear(FEATURES, 8), nn.ReLU(), nn.Linear(8, CLASSES))


class Order(Sampler[int]):
    """An order of its own for each epoch, which a training that resumes draws again."""

    def __init__(self, n: int = N) -> None:
        self.n, self.epoch = n, 0

    def set_epoch(self, epoch: int) -> None:
        """What trainers call before an epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.n

    def __iter__(self) -> Iterator[int]:
        return iter(order_of(self.epoch, self.n).tolist())


def order_of(epoch: int, n: int = N) -> Tensor:
    """The order of an epoch."""
    return torch.randperm(n, generator=torch.Generator().manual_seed(100 + epoch))


def batches(epoch: int, n: int = N, *, shuffle: bool = True) -> list[Tensor]:
    """The places of the samples of the batches of an epoch."""
    return list((order_of(epoch, n) if shuffle else torch.arange(n)).split(BATCH))


def train_plainly(
    criterion: nn.Module, epochs: int = 2, *, n: int = N, wrong: int = 0, shuffle: bool = True
) -> tuple[nn.Sequential, list[float]]:
    """A network after a plain loop by SGD, and the mean loss of each epoch."""
    x, y = task(n, wrong)
    model, means = network(), []
    if isinstance(criterion, ClassificationLoss):
        criterion.plan_training(n_samples=n, epochs=epochs)
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE)
    criterion.train()
    for epoch in range(epochs):
        total = 0.0
        for index in batches(epoch, n, shuffle=shuffle):
            cost = criterion(model(x[index]), y[index], **training_arguments(criterion, index, RATE))
            optimizer.zero_grad()
            cost.backward()
            optimizer.step()
            total += float(cost.detach()) * len(index)
        means.append(total / n)
    return model, means


def weights(model: nn.Module) -> Tensor:
    """All parameters in one vector, without those of a loss."""
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


def assert_same_state(one: nn.Module, other: nn.Module) -> None:
    """Fail unless two losses have the same running statistics."""
    first, second = one.state_dict(), other.state_dict()
    assert first.keys() == second.keys()
    for name, value in first.items():
        torch.testing.assert_close(second[name], value, rtol=1e-5, atol=1e-6, equal_nan=True, msg=name)


def is_trained(model: nn.Module) -> bool:
    """True if a network has moved from where it began."""
    return math.isfinite(float(weights(model).sum())) and bool(
        (weights(model) - weights(network())).abs().max() > 1e-2
    )
