from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from evoloss.data import Dataset


def write(path: Path, columns: Mapping[str, list[object]]) -> Path:
    """A table in CSV; no cell needs quotes."""
    rows = zip(*columns.values(), strict=True)
    lines = [",".join(columns), *(",".join(map(str, row)) for row in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def flowers(n: int = 60) -> dict[str, list[object]]:
    """Numbers, categories and a target of three classes."""
    rng = np.random.default_rng(0)
    return {
        "length": [f"{value:.3f}" for value in rng.normal(5, 2, n)],
        "width": [f"{value:.3f}" for value in rng.normal(-1, 0.5, n)],
        "site": [("north", "south", "east")[place] for place in rng.integers(0, 3, n)],
        "species": [("setosa", "versicolor", "virginica")[row % 3] for row in range(n)],
    }


def rows_of(data: Dataset) -> torch.Tensor:
    """The inputs of all parts."""
    return torch.cat([data.train.inputs, data.validation.inputs, data.test.inputs])
