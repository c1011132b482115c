"""What holds for the samples of every kind of task."""

from __future__ import annotations

import torch

from evoloss.tasks.draws import Samples


def check_samples(made: Samples, n_tasks: int, n: int, features: int, n_classes: int) -> None:
    """Check shapes, labels and doubts."""
    assert made.x.shape == (n_tasks, n, features)
    assert made.y.shape == made.rival.shape == made.doubt.shape == (n_tasks, n)
    for labels in (made.y, made.rival):
        assert labels.dtype == torch.int64
        assert int(labels.min()) >= 0
        assert int(labels.max()) < n_classes
    assert not (made.y == made.rival).any()
    assert ((made.doubt > 0) & (made.doubt <= 1)).all()
