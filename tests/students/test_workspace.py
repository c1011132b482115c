from __future__ import annotations

import pytest
import torch

from evoloss.students.workspace import Workspace, chunk_rows


def test_the_same_memory_again_and_more_when_it_must_be() -> None:
    workspace, like = Workspace(), torch.zeros(1)
    first = workspace.take("gap", (4, 6), like)
    assert first.shape == (4, 6)
    assert workspace.take("gap", (6, 4), like).data_ptr() == first.data_ptr()
    assert workspace.take("gap", (2, 2), like).data_ptr() == first.data_ptr()
    larger = workspace.take("gap", (5, 6), like)
    assert larger.numel() == 30
    assert workspace.take("gap", (4, 6), like).data_ptr() == larger.data_ptr()


def test_names_and_dtypes_do_not_share() -> None:
    workspace, like = Workspace(), torch.zeros(1)
    one, other = workspace.take("a", (3,), like), workspace.take("b", (3,), like)
    wide = workspace.take("a", (3,), like.double())
    assert len({block.data_ptr() for block in (one, other, wide)}) == 3
    assert wide.dtype == torch.float64


@pytest.mark.parametrize(
    ("row", "budget", "rows"), [(10, 100, 10), (7, 100, 14), (1000, 100, 1), (0, 100, 100)]
)
def test_rows_of_a_chunk(row: int, budget: int, rows: int) -> None:
    assert chunk_rows(row, budget) == rows
