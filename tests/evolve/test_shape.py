from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from evoloss.errors import ConfigError, DataError
from evoloss.evolve import shape_of
from evoloss.tasks import Prior


def test_only_the_shape_of_a_table_is_read(tmp_path: Path) -> None:
    path = tmp_path / "secret.csv"
    rows = [f"{n % 13},{n * 7919 % 101},{'rare' if n % 10 == 0 else 'common'}" for n in range(200)]
    path.write_text("patient,weight,diagnosis\n" + "\n".join(rows) + "\n")
    shape = shape_of(str(path), "diagnosis")
    assert shape.input_shape == (2,)
    assert shape_of(str(path), "diagnosis", ["patient"]).input_shape == (1,)
    assert shape.samples == sum(shape.class_sizes)
    assert shape.class_sizes == tuple(sorted(shape.class_sizes, reverse=True))
    assert shape.class_sizes[0] / shape.class_sizes[1] == pytest.approx(9, rel=0.1)
    regime = shape.regime("noise")
    assert regime.imbalanced is True
    for word in ("rare", "common", "diagnosis", "weight", "patient"):
        assert word not in shape.text + regime.text + str(shape.to_dict())


def test_other_values_have_the_same_shape(tmp_path: Path) -> None:
    found = []
    for seed in range(2):
        draw = np.random.default_rng(seed)
        x, y = draw.normal(size=(60, 5)).astype(np.float32), np.arange(60) % 3
        np.savez(tmp_path / "data.npz", x_train=x, y_train=y, x_test=x[:9], y_test=y[:9])
        found.append(shape_of(str(tmp_path / "data.npz")))
    assert found[0] == found[1]


def test_a_large_data_set_is_stood_for_by_a_smaller_one() -> None:
    from evoloss.evolve import DataShape

    shape = DataShape("large", 1_000_000, (400_000, 300_000, 300_000), (3, 32, 32))
    regime = shape.regime("memorisation")
    assert regime.images
    assert regime.samples is not None
    assert regime.classes is not None
    assert regime.samples[0] <= regime.samples[1] <= 5000
    Prior(samples=regime.samples, classes=regime.classes)


def test_mistakes_are_those_of_data_sets(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is not a file that can be read"):
        shape_of(str(tmp_path / "none.npz"))
    with pytest.raises(ConfigError, match="no table"):
        shape_of("digits", "label")
    with pytest.raises(ConfigError, match="ignore_columns is for tables"):
        shape_of("digits", ignore_columns=["label"])
