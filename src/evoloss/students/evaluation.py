"""Evaluation of students: accuracy and negative log-likelihood, a few samples at a time."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from evoloss.students.network import StudentNetwork
from evoloss.students.workspace import chunk_rows

_LOG_2 = math.log(2)


class StudentMetrics(NamedTuple):
    """Metrics of students, each ``(popsize, tasks)``; NaN for one whose log-probabilities are not finite.

    Attributes:
        accuracy: a tie of the label with other classes counts one over their number: a student that says the
            same to everything is as good as chance.
        nll: mean negative log-likelihood of the labels.
        scaled_nll: the least of it after dividing the logits by one of the temperatures, which leaves out
            what a temperature can mend; equal to ``nll`` without temperatures.
        temperature: that temperature; 1 where none of them is better.
    """

    accuracy: Tensor
    nll: Tensor
    scaled_nll: Tensor
    temperature: Tensor


def evaluate_students(
    network: StudentNetwork,
    inputs: Tensor,
    target: Tensor,
    columns: int,
    temperatures: Sequence[float] = (),
) -> StudentMetrics:
    """Judge every student.

    Args:
        network: the students.
        inputs: shape ``(tasks, features, samples)``.
        target: labels, shape ``(tasks, samples)``.
        columns: samples worked on at once.
        temperatures: above 0.
    """
    correct = torch.zeros(
        network.shape.tasks, network.shape.popsize, dtype=inputs.dtype, device=inputs.device
    )
    nll = torch.zeros_like(correct)
    scaled = [torch.zeros_like(correct) for _ in temperatures]
    for logits, y in _logits(network, inputs, target, columns):
        index = y[:, None, None].expand(*logits.shape[:2], 1, -1)
        own, top = logits.gather(2, index), logits.amax(dim=2, keepdim=True)
        # Comparisons, where argmax along this axis takes ten times as long.
        ties = (logits >= own).sum(dim=2, dtype=correct.dtype)
        correct += torch.where((own >= top).squeeze(2), 1.0 / ties, 0.0).sum(dim=2)
        logits.sub_(top)
        own = own.sub_(top).sum(dim=(2, 3))
        scratch = torch.empty_like(logits)
        for total, temperature in zip((nll, *scaled), (1.0, *temperatures), strict=True):
            # log-sum-exp in powers of two, which take a third of the time of those of e.
            torch.mul(logits, 1 / (_LOG_2 * temperature), out=scratch)
            log_sums = torch.exp2(scratch, out=scratch).sum(dim=2).log2_().sum(dim=2)
            total += log_sums.mul_(_LOG_2).sub_(own, alpha=1 / temperature)
    nll = (nll / inputs.shape[2]).T
    finite = nll.isfinite()
    least, best = nll, torch.ones_like(nll)
    if scaled:
        values, at = torch.stack(scaled).min(dim=0)
        least = values.T / inputs.shape[2]
        best = torch.where(least < nll, nll.new_tensor(temperatures)[at.T], best)
    return StudentMetrics(
        torch.where(finite, correct.T / inputs.shape[2], torch.nan),
        torch.where(finite, nll, torch.nan),
        torch.where(finite, torch.minimum(least, nll), torch.nan),
        torch.where(finite, best, torch.nan),
    )


def _logits(
    network: StudentNetwork, inputs: Tensor, target: Tensor, columns: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Logits ``(tasks, popsize, classes, n)`` and labels ``(tasks, n)`` of many samples after another."""
    tasks, popsize, widths = network.shape
    # A multiple of what the network is given: a piece of another size would take memory of its own.
    block = columns * max(1, chunk_rows(tasks * popsize * widths[-1]) // columns)
    for some, labels in zip(inputs.split(block, dim=2), target.split(block, dim=1), strict=True):  # type: ignore[no-untyped-call]
        logits = some.new_empty(tasks, popsize, widths[-1], some.shape[2])
        for x, made in zip(some.split(columns, dim=2), logits.split(columns, dim=3), strict=True):
            made.copy_(network.forward(x))
        yield logits, labels
