"""Losses under distributed data parallel training (gloo, CPU)."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.nn.parallel import DistributedDataParallel

from evoloss.losses import LOSSES, EvolvedLoss
from evoloss.networks.kinds.sensing import SensingNetwork
from evoloss.networks.sensing.numbers import SensorNumbers
from tests.losses.known.training_calls import STATEFUL, call, ready
from tests.losses.known.training_calls import batch as labelled_batch
from tests.networks.remembering import RememberingNetwork

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


class ModelWithState(ModelWithLoss):
    """The same with a loss that keeps running statistics, of each class."""

    def __init__(self, kind: str) -> None:
        super().__init__("cross_entropy")
        network, params, self.statistic = {
            "remembering": (RememberingNetwork(), torch.zeros(1), "mean"),
            "sensing": (SensingNetwork(), SensorNumbers.set_by_hand(), "contradicted"),
        }[kind]
        self.loss = EvolvedLoss(network, params, n_samples=2 * BATCH)
        self.linear.float()  # also sensing losses have another way there

    def forward(self, inputs: Tensor, target: Tensor) -> Tensor:
        return super().forward(inputs.float(), target)

    @property
    def mean(self) -> Tensor:
        return self.loss.loss_state.get_buffer(self.statistic)


def check_state(rank: int, world_size: int, kind: str) -> None:
    """The statistics of processes that see parts, and speak with each other, are those of the whole."""
    inputs, target = batch()
    whole, alone, together = (ModelWithState(kind) for _ in range(3))
    together.loss.loss_state.synchronised = True
    wrapped = DistributedDataParallel(ModelWithState(kind))
    for step in range(3):
        rows = inputs + step
        for model, part in ((whole, slice(None)), (alone, slice(rank, None, world_size))):
            model(rows[part], target[part]).backward()
        for model in (together, wrapped):
            model(rows[rank::world_size], target[rank::world_size]).backward()
    mean = whole.mean
    assert mean.shape == (C,)
    for name, value in whole.loss.loss_state.values().items():
        torch.testing.assert_close(together.loss.loss_state.values()[name], value, rtol=1e-4, atol=1e-6)
    apart = [torch.empty_like(mean) for _ in range(world_size)]
    dist.all_gather(apart, alone.mean)
    assert torch.equal(apart[rank], alone.mean)
    if world_size > 1:
        assert not torch.allclose(apart[0], mean)
    # DDP copies the first process's buffers before each step, also those that a first batch made larger.
    copied = ModelWithState(kind)
    for step in range(3):
        part = slice(rank if step == 2 else 0, None, world_size)
        copied(inputs[part] + step, target[part]).backward()
    torch.testing.assert_close(wrapped.module.mean, copied.mean)


def check_fully_sharded(rank: int, world_size: int, kind: str) -> None:
    """Under FSDP the statistics are not sharded, and trainings and checkpoints are those of one process."""
    inputs, target = batch()
    whole, sharded = ModelWithState(kind), ModelWithState(kind)
    sharded.loss.loss_state.synchronised = True
    fully_shard(sharded, mesh=init_device_mesh("cpu", (world_size,)))
    optimizers = [torch.optim.SGD(model.parameters(), lr=0.1) for model in (whole, sharded)]
    for step in range(6):
        rows = inputs + step
        for model, part, optimizer in zip(
            (whole, sharded), (slice(None), slice(rank, None, world_size)), optimizers, strict=True
        ):
            optimizer.zero_grad()
            model(rows[part], target[part]).backward()  # a mean
            optimizer.step()
    expected, found = (
        get_model_state_dict(model, options=StateDictOptions(full_state_dict=True))
        for model in (whole, sharded)
    )
    if rank == 0:
        assert sorted(found) == sorted(expected)
        assert any("loss_state" in name for name in found)
        for name, value in expected.items():
            torch.testing.assert_close(found[name], value, rtol=1e-4, atol=1e-6)


def check_known_state(rank: int, world_size: int, name: str) -> None:
    """The same of known losses, whose statistics may be those of samples, in another order."""
    whole, together = ready(name), ready(name)
    together.loss_state.synchronised = True
    for seed in range(10):
        logits, target, index = labelled_batch(seed)
        call(whole, logits, target, index)
        part = slice(rank, None, world_size)
        call(together, logits[part], target[part], index[part])
    found = together.loss_state.values()
    for key, value in whole.loss_state.values().items():
        in_order = (value, found[key]) if key != "losses" else (value.sort()[0], found[key].sort()[0])
        torch.testing.assert_close(in_order[1], in_order[0], rtol=1e-5, atol=1e-7)


def check_rank(rank: int, world_size: int, rendezvous: str, names: list[str]) -> None:
    dist.init_process_group("gloo", init_method=rendezvous, rank=rank, world_size=world_size)
    try:
        for name in names:
            # In a frame of its own: a wrapped model that outlives the process group takes the group's threads
            # down with it while it holds the interpreter's lock, and may wait for them forever.
            if name in STATEFUL:
                check_known_state(rank, world_size, name)
            else:
                check_loss(rank, world_size, name)
        for kind in ("remembering", "sensing"):
            check_state(rank, world_size, kind)
            check_fully_sharded(rank, world_size, kind)
    finally:
        dist.destroy_process_group()


@pytest.mark.parametrize("name", ["cross_entropy", "bi_tempered", "base_mda"])
def test_one_process(name: str, tmp_path: Path):
    check_rank(0, 1, f"file://{tmp_path / 'rendezvous'}", [name])


@pytest.mark.slow
def test_two_processes(tmp_path: Path):
    arguments = (2, f"file://{tmp_path / 'rendezvous'}", list(LOSSES))
    spawned = mp.spawn(check_rank, args=arguments, nprocs=2, join=False)
    while not spawned.join():  # raises what one of them raised
        pass
    assert [process.exitcode for process in spawned.processes] == [0, 0]
