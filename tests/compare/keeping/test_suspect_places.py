"""Wrong labels at known places of a user's data, which suspects have to name as the user finds them."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from evoloss.compare import CompareConfig, compare, compare_datasets
from evoloss.compare.keeping.suspect_files import HEADER

N_SAMPLES = 120
WRONG = (5, 23, 41, 66, 89, 104)
"""Samples with the label of the other class, in the user's order."""
CONFIG = CompareConfig(
    model="mlp",
    losses=("cross_entropy",),
    seeds=(0,),
    epochs=15,
    batch_size=16,
    accelerator="cpu",
    keep="first",
    validation=0.1,
)


def problem() -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Two classes far apart, and labels of which some are wrong."""
    right = np.arange(N_SAMPLES) // 2 % 2
    noise = np.random.default_rng(0).normal(size=(N_SAMPLES, 3))
    x = (4.0 * right[:, None] - 2 + 0.3 * noise).astype(np.float32)
    return x, np.where(np.isin(np.arange(N_SAMPLES), WRONG), 1 - right, right)


def csv_lines(x: npt.NDArray[Any], labels: list[str]) -> tuple[list[str], list[int]]:
    """Lines of a table, some without a label or empty, and the row of each sample in a spreadsheet."""
    lines, rows = ['a,"b\nb",c,kind'], []
    for place, (values, label) in enumerate(zip(x.tolist(), labels, strict=True)):
        lines += [""] * (place == 10) + ["1,2,3,"] * (place == 30) + ["  ", "", ""] * (place == 50)
        lines.append(",".join([*map(repr, values), label]))
        rows.append(len(lines))
    return lines, rows


def in_csv(folder: Path, ending: str = "\n", separator: str = ",") -> tuple[str, list[str]]:
    x, y = problem()
    lines, rows = csv_lines(x, [("cat", "dog")[label] for label in y])
    text = ending.join(lines).replace(",", separator) + 3 * ending
    (folder / "pets.csv").write_bytes(text.encode())
    return "pets.csv", [f"pets.csv, row {row}" for row in rows]


def in_csv_of_windows(folder: Path) -> tuple[str, list[str]]:
    return in_csv(folder, "\r\n", ";")


def in_parquet(folder: Path) -> tuple[str, list[str]]:
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    x, y = problem()
    frame = pandas.DataFrame({"a": x[:, 0], "b": x[:, 1], "c": x[:, 2], "kind": [f"k{label}" for label in y]})
    frame.index = frame.index + 7  # means nothing to a reader of the file
    frame.loc[7, "kind"] = None
    frame.to_parquet(folder / "pets.parquet")
    return "pets.parquet", [f"pets.parquet, row {place + 2}" for place in range(N_SAMPLES)]


def in_arrays(folder: Path) -> tuple[str, list[str]]:
    x, y = problem()
    np.savez(folder / "pets.npz", x_train=x, y_train=y, x_test=x[:20], y_test=y[:20])
    return "pets.npz", [f"pets.npz, x_train[{place}]" for place in range(N_SAMPLES)]


def in_images(folder: Path, within: str = "") -> tuple[str, list[str]]:
    x, y = problem()
    files = []
    for place, (values, label) in enumerate(zip(x, y, strict=True)):
        files.append(f"photos/{within}{('cat', 'dog')[label]}/{place:03}.png")
        (folder / files[-1]).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (4, 4), int(128 + 40 * values[0])).save(folder / files[-1])
    return "photos", files


def in_split_images(folder: Path) -> tuple[str, list[str]]:
    in_images(folder, "test/")
    return in_images(folder, "train/")


def in_program(folder: Path, returned: str, shown: str) -> tuple[str, list[str]]:
    x, y = problem()
    np.savez(folder / "made.npz", x=x, y=y)
    (folder / "my_pets.py").write_text(
        "import numpy as np\n"
        "class Pairs:\n"
        "    def __init__(self, x, y):\n        self.x, self.y = x, y\n"
        "    def __len__(self):\n        return len(self.x)\n"
        "    def __getitem__(self, place):\n        return self.x[place], int(self.y[place])\n"
        "def load():\n"
        "    with np.load('made.npz') as made:\n        x, y = made['x'], made['y']\n"
        f"    return {returned}\n"
    )
    return "my_pets:load", [f"my_pets:load, {shown}[{place}]" for place in range(N_SAMPLES)]


def in_dataset(folder: Path) -> tuple[str, list[str]]:
    return in_program(folder, "Pairs(x, y)", "dataset")


def in_datasets(folder: Path) -> tuple[str, list[str]]:
    return in_program(folder, "Pairs(x, y), Pairs(x[:20], y[:20])", "train, dataset")


def in_pair(folder: Path) -> tuple[str, list[str]]:
    return in_program(folder, "x, y", "inputs")


def in_dict(folder: Path) -> tuple[str, list[str]]:
    return in_program(folder, "{'x_train': x, 'y_train': y, 'x_test': x[:9], 'y_test': y[:9]}", "x_train")


KINDS = [
    in_csv,
    in_csv_of_windows,
    in_parquet,
    in_arrays,
    in_images,
    in_split_images,
    in_dataset,
    in_datasets,
    in_pair,
    in_dict,
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "my_pets", raising=False)
    return tmp_path


def suspects(out: Path, kept: str | None) -> list[dict[str, str]]:
    text = (out / str(kept) / "suspects.csv").read_text(encoding="utf-8")
    found = list(csv.DictReader(io.StringIO(text, newline="")))
    assert tuple(found[0])[: len(HEADER)] == HEADER
    return found


def with_options(name: str) -> CompareConfig:
    table = name.endswith((".csv", ".parquet"))
    return replace(CONFIG, dataset=name, target="kind" if table else None)


@pytest.mark.parametrize("write", KINDS)
def test_a_wrong_label_is_named_where_it_is(
    folder: Path, write: Callable[[Path], tuple[str, list[str]]]
) -> None:
    name, places = write(folder)
    (run,) = compare(with_options(name), out=folder / "out").runs
    found = [row["where"] for row in suspects(folder / "out", run.kept)]
    planted = {places[place] for place in WRONG}
    there = planted & set(found)  # the others are in the validation or test split
    assert len(there) >= 3
    assert set(found[: len(there)]) == there
    assert set(found) <= set(places)
    assert len(set(found)) == len(found)


@pytest.mark.parametrize("write", [in_csv, in_arrays, in_images])
def test_places_stay_right_under_added_noise_and_subsets(
    folder: Path, write: Callable[[Path], tuple[str, list[str]]]
) -> None:
    name, places = write(folder)
    config = replace(with_options(name), label_noise=0.3, train_samples=50, split_seed=4, validation=0.2)
    (run,) = compare(config, out=folder / "out").runs
    _, y = problem()
    names = [str(label) for label in y] if name.endswith(".npz") else [("cat", "dog")[label] for label in y]
    rows = suspects(folder / "out", run.kept)
    assert len(rows) == 50
    assert any(row["is_wrong"] == "1" for row in rows)
    for row in rows:
        assert row["label_before_noise"] == names[places.index(row["where"])]


def test_each_of_several_data_sets_names_its_own(folder: Path) -> None:
    table, rows = in_csv(folder)
    arrays, indices = in_arrays(folder)
    compare_datasets([with_options(table), with_options(arrays)], out=folder / "out")
    found = [
        {row["where"] for row in csv.DictReader(io.StringIO(path.read_text(), newline=""))}
        for path in sorted(folder.glob("out/*/kept/cross_entropy/seed-0/suspects.csv"))
    ]
    assert len(found) == 2
    assert {0 if one <= set(rows) else 1 if one <= set(indices) else None for one in found} == {0, 1}


def test_a_known_data_set_has_places_too(folder: Path) -> None:
    config = replace(CONFIG, train_samples=40, epochs=1)
    (run,) = compare(config, out=folder / "out").runs
    row = suspects(folder / "out", run.kept)[0]
    assert row["where"] == f"digits, sample {row['index']}"
