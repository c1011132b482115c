"""Evaluation of students: accuracy and negative log-likelihood, a few samples at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from evoloss.students.network import StudentNetwork


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
    for x, y in zip(torch.split(inputs, columns, dim=2), torch.split(target, columns, dim=1), strict=True):
        logits = network.forward(x)
        index = y[:, None, None].expand(*logits.shape[:2], 1, -1)
        own = logits.gather(2, index)
        # Comparisons, where argmax along this axis takes ten times as long.
        ties = (logits >= own).sum(dim=2, dtype=correct.dtype)
        best = (own >= logits.amax(dim=2, keepdim=True)).squeeze(2)
        correct += torch.where(best, 1.0 / ties, 0.0).sum(dim=2)
        nll -= _label_log_probs(logits, index)
        for total, temperature in zip(scaled, temperatures, strict=True):
            total -= _label_log_probs(logits / temperature, index)
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


def _label_log_probs(logits: Tensor, index: Tensor) -> Tensor:
    """The labels' log-probabilities, summed over samples, ``(tasks, popsize)``."""
    return torch.log_softmax(logits, dim=2).gather(2, index).sum(dim=(2, 3))
