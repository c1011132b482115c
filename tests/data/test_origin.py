from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from evoloss.data import load_dataset


def test_samples_are_found_again_in_arrays(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(90, 4)).astype(np.float32), np.arange(90) % 3
    np.savez(tmp_path / "own.npz", x_train=x, y_train=y, x_test=x[:30] + 1, y_test=y[:30])
    data = load_dataset(str(tmp_path / "own.npz"), train_samples=30)
    assert data.origin is not None
    assert torch.equal(torch.from_numpy(x)[data.origin.train], data.train.inputs)
    assert torch.equal(torch.from_numpy(x[:30] + 1)[data.origin.test], data.test.inputs)
    assert data.origin.reference is None
    assert data.origin.details is not None
    assert data.origin.details.columns == data.origin.details(3) == ()
    assert data.origin.details.where(3) == "own.npz, x_train[3]"
    np.savez(tmp_path / "given.npz", labels=(y + 1) % 3)
    given = load_dataset(str(tmp_path / "own.npz"), train_labels=tmp_path / "given.npz")
    assert given.origin is not None
    assert given.origin.reference is not None
    assert torch.equal((given.origin.reference + 1) % 3, given.train.labels)


def test_samples_of_a_known_data_set_that_has_no_test_part() -> None:
    data = load_dataset("digits")
    assert data.origin is not None
    assert len({*data.origin.train.tolist(), *data.origin.test.tolist()}) == len(data.train) + len(data.test)


def test_images_are_known_by_their_files(tmp_path: Path) -> None:
    for name, shade in (("a", 10), ("b", 100)):
        (tmp_path / "photos/train" / name / "more").mkdir(parents=True)
        (tmp_path / "photos/test" / name).mkdir(parents=True)
        for i in range(10):
            Image.new("L", (2, 2), shade + i).save(tmp_path / f"photos/train/{name}/more/{i}.png")
        Image.new("L", (2, 2), shade).save(tmp_path / f"photos/test/{name}/0.png")
    data = load_dataset(str(tmp_path / "photos"), validation=0.2)
    assert data.origin is not None
    assert data.origin.details is not None
    assert data.origin.details.columns == ("file",)
    for place, image in zip(data.origin.train.tolist(), data.train.inputs, strict=True):
        (file,) = data.origin.details(place)
        with Image.open(tmp_path / "photos" / file) as found:
            assert found.getpixel((0, 0)) == image[0, 0, 0]


def test_rows_of_a_table_keep_their_number_and_their_cells(tmp_path: Path) -> None:
    pytest.importorskip("pandas")
    columns = [f"c{i}" for i in range(25)]
    lines = [
        ",".join(["red" if i % 3 else "", f"{i / 8}", *(str((i * k) % 11) for k in range(23)), "xy"[i % 2]])
        for i in range(40)
    ]
    lines.insert(5, "blue,1.5" + ",2" * 23 + ",")  # no label: left out, and counted all the same
    (tmp_path / "t.csv").write_text(",".join([*columns, "label"]) + "\n" + "\n".join(lines) + "\n")
    data = load_dataset(str(tmp_path / "t.csv"), target="label")
    assert data.origin is not None
    details = data.origin.details
    assert details is not None
    assert details.columns[:3] == ("row", "feature_c0", "feature_c1")
    assert len(details.columns) == 21
    for place, label in zip(data.origin.train.tolist(), data.train.labels.tolist(), strict=True):
        row, *cells = details(place)
        found = lines[int(row) - 1].split(",")
        assert found[-1] == data.class_names[label]
        assert cells[0] == found[0]
        assert float(cells[1]) == float(found[1])
