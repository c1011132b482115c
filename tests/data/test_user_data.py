from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import Dataset, TensorDataset

from evoloss.data import load_dataset
from evoloss.errors import ConfigError, DataError, UnknownNameError

HERE = "tests.data.test_user_data"
LABELS = np.arange(30) % 3
FEATURES = np.random.default_rng(0).normal(size=(30, 4))
PICTURES = np.random.default_rng(1).integers(0, 256, (30, 3, 5, 6)).astype(np.uint8)


class Pictures(Dataset[Any]):
    """Pictures as torchvision has them."""

    classes = ("cat", "dog", "fox")

    def __init__(self, kind: str = "uint8") -> None:
        self.kind = kind

    def __len__(self) -> int:
        return 30

    def __getitem__(self, index: int) -> Any:
        picture = torch.from_numpy(PICTURES[index])
        if self.kind == "float":
            return picture / 255, int(LABELS[index])
        if self.kind == "pillow":
            return Image.fromarray(PICTURES[index].transpose(1, 2, 0)), torch.tensor(LABELS[index])
        if self.kind == "sizes":
            return picture[:, : 4 + index % 2], 0
        if self.kind == "single":
            return picture
        return (picture, int(LABELS[index])) if self.kind == "uint8" else (picture / 100, 0)


def arrays() -> Any:
    return FEATURES, LABELS


def tensors() -> Any:
    return TensorDataset(torch.from_numpy(FEATURES), torch.from_numpy(LABELS))


def pair() -> Any:
    return (FEATURES, LABELS), (FEATURES[:6], list(LABELS[:6]))


def pair_of_datasets() -> Any:
    return Pictures(), Pictures()


def parts() -> Any:
    return {"train": arrays(), "validation": (FEATURES[:9], LABELS[:9]), "test": (FEATURES[:6], LABELS[:6])}


def keras() -> Any:
    names = np.array(["cat", "dog", "fox"], dtype=object)[LABELS]
    return {"x_train": FEATURES, "y_train": names, "x_test": FEATURES[:6], "y_test": names[:6]}


def pictures() -> Any:
    return Pictures()


def pictures_of_floats() -> Any:
    return Pictures("float")


def pictures_of_pillow() -> Any:
    return Pictures("pillow")


def channels_last() -> Any:
    return PICTURES.transpose(0, 2, 3, 1), LABELS


def channels_first() -> Any:
    return PICTURES, LABELS


def load(name: str) -> Any:
    return load_dataset(f"{HERE}:{name}", validation=0.1)


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("arrays", (22, 2, 6)),
        ("tensors", (22, 2, 6)),
        ("pair", (27, 3, 6)),
        ("parts", (30, 9, 6)),
        ("keras", (27, 3, 6)),
    ],
)
def test_features(name: str, sizes: tuple[int, ...]) -> None:
    data = load(name)
    assert data.name == f"{HERE}:{name}"
    assert (len(data.train), len(data.validation), len(data.test)) == sizes
    assert data.input_shape == (4,)
    assert data.class_names == (("cat", "dog", "fox") if name == "keras" else ("0", "1", "2"))
    if sizes[2] == 6 and name in ("pair", "parts", "keras"):
        torch.testing.assert_close(data.test.inputs, torch.from_numpy(FEATURES[:6].astype(np.float32)))


@pytest.mark.parametrize(
    "name", ["pictures", "pictures_of_floats", "pictures_of_pillow", "channels_last", "channels_first"]
)
def test_pictures_in_all_their_forms(name: str) -> None:
    data = load(name)
    assert data.input_shape == (3, 5, 6)
    found = {
        row.tobytes() for part in (data.train, data.validation, data.test) for row in part.inputs.numpy()
    }
    assert found == {row.tobytes() for row in PICTURES}
    assert data.class_names == (("0", "1", "2") if "channels" in name else ("cat", "dog", "fox"))


def test_a_pair_of_data_sets() -> None:
    data = load("pair_of_datasets")
    assert (len(data.train), len(data.test)) == (27, 30)


def test_module_in_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "import numpy as np\ndef make():\n    return np.eye(30), [n % 2 for n in range(30)]\n"
    (tmp_path / "my_own_data.py").write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry not in ("", str(tmp_path))])
    assert load_dataset("my_own_data:make").n_classes == 2


WRONG: dict[str, Any] = {
    "nothing": None,
    "keys": {"training": arrays(), "test": arrays()},
    "lacking": {"x_train": FEATURES, "y_train": LABELS, "x_test": FEATURES},
    "no_train": {"test": arrays()},
    "lengths": (FEATURES, LABELS[:9]),
    "infinite": (np.full((30, 4), np.nan), LABELS),
    "sizes": Pictures("sizes"),
    "single": Pictures("single"),
    "range": Pictures("range"),
    "shape": (np.zeros((30, 5, 4, 4), np.uint8), LABELS),
    "kind": (np.zeros((30, 2, 4), np.int64), LABELS),
    "one_hot": (FEATURES, np.eye(30)),
}


def wrong(name: str) -> Any:
    return lambda: WRONG[name]


def fails() -> Any:
    raise KeyError("no file")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nothing", "found NoneType; expected inputs and labels, a torch Dataset"),
        ("keys", "a dict with the keys 'training', 'test'; expected"),
        ("lacking", "a dict without y_test"),
        ("no_train", "without a training part"),
        ("lengths", "30 inputs and 9 labels"),
        ("infinite", "NaN or infinite"),
        ("sizes", r"item 1 has shape \(3, 5, 6\), item 0 \(3, 4, 6\); inputs must have one shape"),
        ("single", "item 0 is a Tensor; expected a pair"),
        ("range", "values outside 0 to 1; expected uint8, or ToTensor without Normalize"),
        ("shape", "expected 1 or 3 channels, first or last"),
        ("kind", "inputs have dtype int64"),
        ("one_hot", "rather than one-hot rows"),
    ],
)
def test_what_is_wrong_is_named(name: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[HERE], "chosen", wrong(name), raising=False)
    with pytest.raises(DataError, match=message):
        load("chosen")


class Frame:
    """A table as pandas and polars have it, as far as it matters here."""

    def to_numpy(self) -> Any:
        return FEATURES

    def __len__(self) -> int:
        return 30

    def __getitem__(self, name: str) -> Any:
        raise KeyError(name)


@pytest.mark.parametrize(
    "made",
    [Frame(), (Frame(), LABELS), (FEATURES, Frame()), ((FEATURES, LABELS), (Frame(), Frame()))],
)
@pytest.mark.parametrize("as_keras", [False, True])
def test_tables_of_other_libraries_are_refused_with_what_to_return(
    made: Any, as_keras: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = {"x_train": Frame(), "y_train": LABELS} if as_keras else made
    monkeypatch.setattr(sys.modules[HERE], "arrays", lambda: frame)
    with pytest.raises(DataError, match="returned a Frame of tests; which column has the labels"):
        load("arrays")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("no_such_module_here:make", "data set 'no_such_module_here:make': importing"),
        (f"{HERE}:LABELS", "is a ndarray, not callable"),
        (f"{HERE}:fails", "reading it failed with KeyError: 'no file'; it is called without arguments"),
    ],
)
def test_calls_that_fail(spec: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_dataset(spec)


def test_a_name_that_the_module_does_not_have_lists_those_that_it_has() -> None:
    with pytest.raises(
        UnknownNameError, match=rf"no data set in '{HERE}' with the name 'aray'\. .*'arrays'\? Known: .*keras"
    ):
        load_dataset(f"{HERE}:aray")
