"""Losses that go by their batch in two processes (gloo, CPU): what rows cost in the joint batch."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor
from torch.nn.parallel import DistributedDataParallel

from evoloss import EvolvedLoss

FEATURES, C = 8, 10


def paced(**options: Any) -> EvolvedLoss:
    return EvolvedLoss.from_pretrained("evolved-noise", **options)


def batch(n: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    target = torch.randint(C, (n,), generator=generator)
    logits = 2 * torch.randn(n, C, generator=generator, dtype=dtype)
    # Some classes are learned, others are not.
    logits[torch.arange(n), target] += 6 * (target % 2)
    return logits, target


def parts(n: int, rank: int) -> slice:
    """A part of uneven size for each of two processes."""
    cut = n * 2 // 3
    return slice(0, cut) if rank == 0 else slice(cut, n)


def costs_and_gradients(criterion: EvolvedLoss, logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    logits = logits.detach().requires_grad_()
    costs = criterion(logits, target)
    (gradient,) = torch.autograd.grad(costs.sum(), logits)
    return costs.detach(), gradient


def check_rows(rank: int) -> None:
    """Costs and gradients of the rows of a part are those of the rows in the joint batch."""
    for n in (24, 200, 6000):
        for dtype in (torch.float32, torch.float64, torch.float16):
            logits, target = batch(n, dtype=dtype)
            part = parts(n, rank)
            whole = costs_and_gradients(paced(reduction="none"), logits, target)
            synchronised = paced(reduction="none").sync_batch()
            found = costs_and_gradients(synchronised, logits[part], target[part])
            alone = costs_and_gradients(paced(reduction="none"), logits[part], target[part])
            if dtype != torch.float64:
                assert (found[0] - whole[0][part]).abs().max() == 0.0
            # Kernels round the gradient of a row otherwise among other numbers of rows.
            near = {torch.float64: 1e-12, torch.float32: 1e-5, torch.float16: 4e-3}[dtype]
            for one, joint, own in zip(found, whole, alone, strict=True):
                torch.testing.assert_close(one, joint[part], rtol=near, atol=near / 10)
                assert ((own - joint[part]).norm() / joint.norm()).item() > 1e-3


def check_uncommon_rows(rank: int) -> None:
    """Rows to ignore, smoothed and soft labels, rows without a softmax, the network: up to rounding."""
    logits, target = batch(60)
    part = parts(60, rank)
    ignored = target.clone()
    ignored[::4] = -100
    broken = logits.clone()
    broken[50, 3] = torch.nan
    soft = logits.roll(1, 0).softmax(1)
    for options, inputs, labels in (
        ({}, logits, ignored),
        ({"label_smoothing": 0.1}, logits, ignored),
        ({}, logits, soft),
        ({}, broken, target),
        ({"exact": True}, logits, target),
        ({"agreement_window": 30}, logits, ignored),
        ({"agreement_window": 30, "label_smoothing": 0.1}, logits, target),
    ):
        whole, together = paced(reduction="none", **options), paced(reduction="none", **options).sync_batch()
        for _ in range(2):
            expected = costs_and_gradients(whole, inputs, labels)
            found = costs_and_gradients(together, inputs[part], labels[part])
            for one, joint in zip(found, expected, strict=True):
                torch.testing.assert_close(one, joint[part], rtol=2e-5, atol=2e-6, equal_nan=True)
        if "agreement_window" in options:
            torch.testing.assert_close(together.loss_state.values(), whole.loss_state.values())


def check_no_rows(rank: int) -> None:
    """A process without rows takes part in the call of the others."""
    logits, target = batch(40)
    part = slice(0, 40 if rank == 0 else 0)
    found = costs_and_gradients(paced(reduction="none").sync_batch(), logits[part], target[part])
    for one, joint in zip(found, costs_and_gradients(paced(reduction="none"), logits, target), strict=True):
        assert torch.equal(one, joint[part])


def check_who_is_asked(rank: int) -> None:
    """A validation loss asks nobody, and a group of one process is that process."""
    logits, target = batch(40, seed=rank)
    synchronised = paced(reduction="none").sync_batch()
    if rank == 0:  # would wait for ever
        with torch.no_grad():
            assert torch.equal(synchronised(logits, target), paced(reduction="none")(logits, target))
        synchronised.eval()(logits.requires_grad_(), target)
    groups = [dist.new_group([one]) for one in range(2)]
    alone = paced(reduction="none").sync_batch(groups[rank])
    assert torch.equal(alone(logits, target), paced(reduction="none")(logits, target))


def check_data_parallel(rank: int) -> None:
    """A training in two processes is that of the joint batches, step by step; without it, it is another."""
    mesh = init_device_mesh("cpu", (2,))

    def sharded(model: nn.Module) -> nn.Module:
        fully_shard(model, mesh=mesh)
        return model

    def trained(criterion: EvolvedLoss, wrap: Callable[[nn.Module], nn.Module] | None = None) -> Tensor:
        model: nn.Module = nn.Linear(FEATURES, C, dtype=torch.float64)
        with torch.no_grad():
            model.weight.copy_(torch.linspace(-1, 1, C * FEATURES, dtype=torch.float64).reshape(C, -1))
            model.bias.zero_()
        inside = model
        if wrap is not None:
            model = wrap(model)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
        generator = torch.Generator().manual_seed(3)
        for _ in range(5):
            inputs = torch.randn(32, FEATURES, generator=generator, dtype=torch.float64)
            target = torch.randint(C, (32,), generator=generator)
            part = slice(None) if wrap is None else slice(rank, None, 2)
            optimizer.zero_grad()
            criterion(model(inputs[part]), target[part]).backward()
            optimizer.step()
        weight = inside.weight.detach()
        return weight.full_tensor() if isinstance(weight, DTensor) else weight.clone()

    for options in ({}, {"agreement_window": 64}):
        joint = trained(paced(**options))
        for wrap in (DistributedDataParallel, sharded):
            together = trained(paced(**options).sync_batch(), wrap)
            torch.testing.assert_close(together, joint, rtol=1e-6, atol=1e-8)
            apart = trained(paced(**options), wrap)
            assert (apart - joint).abs().max() > 1e-4


def check_compiled(rank: int) -> None:
    """Compiled code exchanges what eager code does."""
    logits, target = batch(200)
    part = parts(200, rank)
    losses: tuple[tuple[str, dict[str, Any]], ...] = (
        ("evolved-noise", {}),
        ("evolved-noise", {"agreement_window": 64}),
        ("adaptive", {"n_samples": 1000}),
    )
    for name, options in losses:
        whole = EvolvedLoss.from_pretrained(name, reduction="none", **options)
        together = torch.compile(copy.deepcopy(whole).sync_batch(), backend="aot_eager")
        for _ in range(3):
            expected = costs_and_gradients(whole, logits, target)
            found = costs_and_gradients(together, logits[part], target[part])
            for one, joint in zip(found, expected, strict=True):
                torch.testing.assert_close(one, joint[part], rtol=2e-5, atol=2e-6)
        torch._dynamo.reset()


def check_rank(rank: int, rendezvous: str, checks: Sequence[Callable[[int], None]]) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=rendezvous, rank=rank, world_size=2)
    try:
        for check in checks:
            check(rank)
    finally:
        dist.destroy_process_group()


def in_two_processes(folder: Path, *checks: Callable[[int], None]) -> None:
    spawned = mp.spawn(check_rank, args=(f"file://{folder / 'rendezvous'}", checks), nprocs=2, join=False)
    while not spawned.join():  # raises what one of them raised
        pass
    assert [process.exitcode for process in spawned.processes] == [0, 0]


def test_two_processes(tmp_path: Path) -> None:
    in_two_processes(
        tmp_path, check_rows, check_uncommon_rows, check_no_rows, check_who_is_asked, check_data_parallel
    )


@pytest.mark.slow
def test_compiled_code_in_two_processes(tmp_path: Path) -> None:
    in_two_processes(tmp_path, check_compiled)
