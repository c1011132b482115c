"""Labels of training steps, in the forms in which gradients of all candidates' losses take them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor


class BatchLabels(NamedTuple):
    """The labels of a batch, or of several with an axis of steps before the others.

    Attributes:
        label: classes, int64, ``(tasks, 1, 1, n)``.
        is_label: 1 at the label and 0 elsewhere, in the dtype of students, ``(tasks, 1, C, n)``.
        alike: how many samples have the label of each, itself among them, ``(tasks, 1, 1, n)``.
        cells: by how many cells the label's table lies behind the others', as ``is_label``.

    Example:
        >>> labels = BatchLabels.of(torch.tensor([[0, 0, 1]]), 2, torch.float32, cells=torch.tensor(9))
        >>> labels.is_label[0, 0]
        tensor([[1., 1., 0.],
                [0., 0., 1.]])
        >>> labels.alike[0, 0]
        tensor([[2., 2., 1.]])
    """

    label: Tensor
    is_label: Tensor
    alike: Tensor
    cells: Tensor

    @classmethod
    def of(cls, target: Tensor, n_classes: int, dtype: torch.dtype, *, cells: Tensor) -> BatchLabels:
        """From targets ``(..., n)``; ``cells`` is the length of a table."""
        classes = torch.arange(n_classes, device=target.device)[:, None]
        label = target[..., None, None, :]
        is_label = (label == classes).to(dtype)
        alike = (is_label * is_label.sum(dim=-1, keepdim=True)).sum(dim=-2, keepdim=True)
        return cls(label, is_label, alike, is_label.to(cells.dtype) * cells)

    def unbind(self) -> Iterator[BatchLabels]:
        """Those of each step."""
        return map(BatchLabels, *(part.unbind() for part in self))
