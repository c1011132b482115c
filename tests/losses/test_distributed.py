"""Losses under distributed data parallel training (gloo, CPU)."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from evoloss.losses import LOSSES

FEATURES, C, BATCH = 4, 3, 8


class ModelWithLoss(nn.Module):
    """A classifier that computes its loss in ``forward``, so that the loss and its buffer are wrapped too."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.linear = nn.Linear(FEATURES, C, dtype=torch.float64)
        with torch.no_grad():
            generator = torch.Generator().manual_seed(0)
            self.linear.weight.copy_(torch.randn(C, FEATURES, generator=generator, dtype=torch.float64))
            self.linear.bias.zero_()
        weight = torch.tensor([0.5, 1.0, 2.0], dtype=torch.float64)
        self.loss = LOSSES[name](weight=weight, reduction="sum", label_smoothing=0.1)

    def forward(self, inputs: Tensor, target: Tensor) -> Tensor:
        return self.loss(self.linear(inputs), target)


def batch() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randn(BATCH, FEATURES, generator=generator, dtype=torch.float64)
    return inputs, torch.randint(C, (BATCH,), generator=generator)


def check_loss(rank: int, world_size: int, name: str) -> None:
    """The averaged gradient of the parts, times the number of parts, is the gradient of the whole sum."""
    inputs, target = batch()
    whole, wrapped = ModelWithLoss(name), DistributedDataParallel(ModelWithLoss(name))
    whole(inputs, target).backward()
    wrapped(inputs[rank::world_size], target[rank::world_size]).backward()
    expected, actual = whole.linear.weight.grad, wrapped.module.linear.weight.grad
    assert expected is not None
    assert actual is not None
    torch.testing.assert_close(actual * world_size, expected)


def check_rank(rank: int, world_size: int, rendezvous: str, names: list[str]) -> None:
    dist.init_process_group("gloo", init_method=rendezvous, rank=rank, world_size=world_size)
    try:
        for name in names:
            # In a frame of its own: a wrapped model that outlives the process group takes the group's threads
            # down with it while it holds the interpreter's lock, and may wait for them forever.
            check_loss(rank, world_size, name)
    finally:
        dist.destroy_process_group()


@pytest.mark.parametrize("name", ["cross_entropy", "bi_tempered"])
def test_one_process(name: str, tmp_path: Path):
    check_rank(0, 1, f"file://{tmp_path / 'rendezvous'}", [name])


@pytest.mark.slow
def test_two_processes(tmp_path: Path):
    mp.spawn(check_rank, args=(2, f"file://{tmp_path / 'rendezvous'}", list(LOSSES)), nprocs=2)
