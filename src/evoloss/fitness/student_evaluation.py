"""How good students are: accuracy and negative log-likelihood, a few samples at a time."""

from __future__ import annotations

import torch
from torch import Tensor

from evoloss.fitness.student_network import StudentNetwork


def evaluate_students(
    network: StudentNetwork, inputs: Tensor, target: Tensor, columns: int
) -> tuple[Tensor, Tensor]:
    """Accuracy and mean negative log-likelihood of every student, both ``(popsize, tasks)``.

    A tie of the label with other classes counts one over their number: a student that says the same to
    everything is as good as chance. Both are NaN for a student with a log-probability that is not finite.

    Args:
        network: the students.
        inputs: shape ``(tasks, features, samples)``.
        target: labels, shape ``(tasks, samples)``.
        columns: samples worked on at once.
    """
    correct = torch.zeros(
        network.shape.tasks, network.shape.popsize, dtype=inputs.dtype, device=inputs.device
    )
    nll = torch.zeros_like(correct)
    for x, y in zip(torch.split(inputs, columns, dim=2), torch.split(target, columns, dim=1), strict=True):
        logits = network.forward(x)
        index = y[:, None, None].expand(*logits.shape[:2], 1, -1)
        own = logits.gather(2, index)
        # Comparisons, where argmax along this axis takes ten times as long.
        ties = (logits >= own).sum(dim=2)
        best = (own >= logits.amax(dim=2, keepdim=True)).squeeze(2)
        correct += torch.where(best, 1.0 / ties, 0.0).sum(dim=2)
        nll -= torch.log_softmax(logits, dim=2).gather(2, index).sum(dim=(2, 3))
    nll = (nll / inputs.shape[2]).T
    return torch.where(nll.isfinite(), correct.T / inputs.shape[2], torch.nan), torch.where(
        nll.isfinite(), nll, torch.nan
    )
