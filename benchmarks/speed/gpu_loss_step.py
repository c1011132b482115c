"""The cost of a loss step on a GPU: forward plus backward of the Triton path and ``F.cross_entropy``.

    python -m benchmarks.speed.gpu_loss_step --out benchmarks/speed/results

Checks first that the kernels compute what they should, in both precisions. Then times, by CUDA events, every
subject in turn within a round, and reads the peak of the memory that a step takes beyond the logits. Writes
``gpu_loss_step.json``. Takes a few minutes on a data-centre card, most of them in ``torch.compile``. The
largest case takes about 12 GB; one that does not fit into memory is left out, and the file says so.
``--interpret`` runs the same code without a GPU, in Triton's interpreter at toy sizes, for its own sake.
"""

from __future__ import annotations

import importlib.metadata
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.harness import command
from benchmarks.harness.results import write_results
from benchmarks.harness.timing import Rows, Subject, alternate, print_rows, rows_of, timed
from evoloss.losses import EvolvedLoss
from evoloss.losses.kernels.triton_rows import available, label_log_probs, row_costs
from evoloss.losses.known.focal import focal
from evoloss.losses.known.gce import gce
from evoloss.networks import LookupTables
from evoloss.networks.lookup import N_NODES

SHAPES = ((1024, 10), (1024, 1000), (256, 32000), (4096, 128256))
TOY_SHAPES = ((4, 10), (2, 1000), (2, 5000))
DTYPES = (torch.bfloat16, torch.float32)
BASELINE = "F.cross_entropy"
SECONDS = 0.03  # of one turn
SMOOTHING = 0.1

Loss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True, kw_only=True)
class GpuLossStep:
    """Time loss steps on a GPU."""

    out: Path
    """Directory for the results."""
    rounds: int = 15
    """Rounds in which every subject has its turn."""
    interpret: bool = False
    """Run in Triton's interpreter on the CPU, at toy sizes."""


def tables_of(loss: EvolvedLoss, n_classes: int, device: str, n_nodes: int = N_NODES) -> LookupTables:
    """The tables of a loss that has any."""
    return loss.network.tables(loss.params.to(device), n_classes, n_nodes)


def losses(tables: LookupTables) -> dict[str, Loss]:
    """The subjects, as mean losses."""
    return {
        BASELINE: F.cross_entropy,
        "F.cross_entropy smoothed": partial(F.cross_entropy, label_smoothing=SMOOTHING),
        "rows evolved-base": lambda z, t: row_costs(z, t, tables, has_other=tables.has_other).mean(),
        "rows cross_entropy": lambda z, t: -label_log_probs(z, t).mean(),
        "rows gce": lambda z, t: gce(label_log_probs(z, t), 0.7).mean(),
        "rows focal": lambda z, t: focal(label_log_probs(z, t), 2.0).mean(),
        "rows label_smoothing": lambda z, t: -row_costs(z, t, None, label_smoothing=SMOOTHING).mean(),
    }


def inputs(shape: tuple[int, int], dtype: torch.dtype, device: str) -> tuple[Tensor, Tensor]:
    """Logits, as a leaf, and labels."""
    generator = torch.Generator(device).manual_seed(0)
    logits = torch.empty(shape, dtype=dtype, device=device).normal_(0.0, 3.0, generator=generator)
    target = torch.randint(shape[1], shape[:1], generator=generator, device=device)
    return logits.requires_grad_(), target


def step(loss: Loss, logits: Tensor, target: Tensor) -> Tensor:
    """Forward and backward; the gradient."""
    return torch.autograd.grad(loss(logits, target), logits)[0]


def check(loss: EvolvedLoss, device: str) -> None:
    """Compare values and gradients with float64 and plain PyTorch.

    Raises:
        AssertionError: where they differ.
    """
    for n_classes in (10, 1000, 5000):
        # So many cells that the tables are the network; the kernels are in question here.
        subjects = losses(tables_of(loss, n_classes, device, n_nodes=2**15))
        references: dict[str, Loss] = {
            "rows evolved-base": EvolvedLoss(loss.network, loss.params).to(device),
            "rows cross_entropy": F.cross_entropy,
            "rows gce": lambda z, t: gce(-F.cross_entropy(z, t, reduction="none"), 0.7).mean(),
            "rows focal": lambda z, t: focal(-F.cross_entropy(z, t, reduction="none"), 2.0).mean(),
            "rows label_smoothing": partial(F.cross_entropy, label_smoothing=SMOOTHING),
        }
        for dtype in DTYPES:
            logits, target = inputs((8, n_classes), dtype, device)
            exact = logits.detach().double().requires_grad_()
            for name, reference in references.items():
                value, expected = subjects[name](logits, target), reference(exact, target)
                torch.testing.assert_close(value.double(), expected, rtol=1e-4, atol=1e-4)
                grads, expected_grads = step(subjects[name], logits, target), step(reference, exact, target)
                rtol = 2.0**-7 if dtype == torch.bfloat16 else 2e-3
                torch.testing.assert_close(grads.double(), expected_grads, rtol=rtol, atol=1e-4)
        print(f"{n_classes} classes: values and gradients agree", flush=True)


def gpu_timed(work: Callable[[], object], repeats: int) -> Subject:
    """A subject timed by CUDA events: the device's own clock, from the first kernel to the last."""

    def subject() -> float:
        start = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        end = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        start.record()
        for _ in range(repeats):
            work()
        end.record()
        torch.cuda.synchronize()
        return float(start.elapsed_time(end)) / 1e3 / repeats

    return subject


def timer(work: Callable[[], object], device: str) -> Subject:
    """A subject of as many calls as fit into a turn."""
    if device == "cpu":
        return timed(work)
    once = min(gpu_timed(work, 1)() for _ in range(5))
    return gpu_timed(work, max(1, round(SECONDS / once)))


def peak_bytes(work: Callable[[], object], device: str) -> int | None:
    """The most memory that a call holds beyond what there was, its gradient included."""
    if device == "cpu":
        return None
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    work()
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated() - before


def case_name(shape: tuple[int, int], dtype: torch.dtype) -> str:
    """The name of a case in the results."""
    return f"{shape[0]}x{shape[1]} {str(dtype).removeprefix('torch.')}"


def measure(loss: EvolvedLoss, shape: tuple[int, int], dtype: torch.dtype, device: str, rounds: int) -> Rows:
    """Rows of one case."""
    torch._dynamo.reset()
    subjects = losses(tables_of(loss, shape[1], device))
    # The interpreter's machine may have no compiler; what is run there is this file.
    compiled = torch.compile(
        F.cross_entropy, dynamic=False, backend="eager" if device == "cpu" else "inductor"
    )
    subjects[f"{BASELINE} compiled"] = compiled
    logits, target = inputs(shape, dtype, device)
    steps = {name: partial(step, criterion, logits, target) for name, criterion in subjects.items()}
    for work in steps.values():
        work()  # compiles
    peaks = {name: peak_bytes(work, device) for name, work in steps.items()}
    timers = {name: timer(work, device) for name, work in steps.items()}
    rows = rows_of(case_name(shape, dtype), alternate(timers, rounds=rounds, warmup=2), BASELINE)
    rows = [row | {"peak_bytes": peaks[row["subject"]]} for row in rows]
    print_rows(rows)
    return rows


def facts(device: str) -> dict[str, Any]:
    """The device and the versions that the kernels ran on."""
    on_gpu = device == "cuda"
    return {
        "device": torch.cuda.get_device_name() if on_gpu else "Triton's interpreter: the times mean nothing",
        "device_bytes": torch.cuda.get_device_properties(0).total_memory if on_gpu else None,
        "cuda": torch.version.cuda if on_gpu else None,
        "triton": importlib.metadata.version("triton"),
        "n_nodes": N_NODES,
    }


def main(config: GpuLossStep) -> None:
    """Check, time every case and write the file."""
    if config.interpret:
        os.environ["TRITON_INTERPRET"] = "1"  # before anything imports Triton
        torch.set_num_threads(1)
    elif not torch.cuda.is_available():
        raise SystemExit(
            "gpu_loss_step: no CUDA device; --interpret runs this file without one, at toy sizes"
        )
    if not available():
        raise SystemExit("gpu_loss_step: Triton is not installed")
    device = "cpu" if config.interpret else "cuda"
    loss = EvolvedLoss.from_pretrained("evolved-base")
    check(loss, device)
    rounds = 1 if config.interpret else config.rounds
    rows, left_out = [], []
    for shape in TOY_SHAPES if config.interpret else SHAPES:
        for dtype in DTYPES:
            try:
                rows += measure(loss, shape, dtype, device, rounds)
            except torch.OutOfMemoryError as error:
                left_out.append(f"{case_name(shape, dtype)}: {error}".splitlines()[0])
                print(left_out[-1], flush=True)
    name = "gpu_loss_step_interpreted" if config.interpret else "gpu_loss_step"
    out, rerun = config.out / f"{name}.json", command.command_line(config)
    write_results(out, "gpu_loss_step", rerun, rows, left_out=left_out, **facts(device))


if __name__ == "__main__":
    command.run(GpuLossStep, main)
