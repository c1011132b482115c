from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from evoloss.compare.config import CompareConfig, ComparisonSettings
from evoloss.compare.joint.dataset_specs import OPTIONS, DatasetSpec, configs_of
from evoloss.errors import ConfigError, UnknownNameError

SETTINGS = ComparisonSettings(model="mlp", epochs=7)


@pytest.mark.parametrize(
    ("text", "base", "options"),
    [
        ("digits", "digits", {}),
        ("my_data:load", "my_data:load", {}),
        ("my_data:load:epochs=3", "my_data:load", {"epochs": 3}),
        ("t.csv:target=a b", "t.csv", {"target": "a b"}),
        ("t.csv:target=a,model=mlp", "t.csv", {"target": "a", "model": "mlp"}),
        ("t.csv:target=a,b", "t.csv", {"target": "a,b"}),
        ("t.csv:target=a:b", "t.csv", {"target": "a:b"}),
        ("t.csv:ignore-columns=a,b,target=c", "t.csv", {"ignore_columns": ("a", "b"), "target": "c"}),
        ("x.npz:lr=0.5,validation=0.2", "x.npz", {"lr": 0.5, "validation": 0.2}),
        ("x.npz:train_labels=l.npz", "x.npz", {"train_labels": Path("l.npz")}),
        (
            "p:image_size=8,batch_size=4,train_samples=9",
            "p",
            {"image_size": 8, "batch_size": 4, "train_samples": 9},
        ),
    ],
)
def test_a_text_is_taken_apart(text: str, base: str, options: dict[str, Any]) -> None:
    spec = DatasetSpec.parse(text)
    assert spec.base == base
    assert spec.options == options


def test_every_option_is_a_setting_of_a_comparison() -> None:
    assert set(OPTIONS) <= set(ComparisonSettings.__dataclass_fields__)


def test_what_is_there_keeps_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "odd:target=x.csv").write_text("a,b\n")
    assert DatasetSpec.parse("odd:target=x.csv") == DatasetSpec("odd:target=x.csv")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("t.csv:target=", "target must be the name of a column, got ''"),
        ("t.csv:epochs=many", "epochs must be a whole number, got 'many'; write options of one data set as"),
        ("t.csv:lr=fast", "lr must be a number, got 'fast'"),
        ("t.csv:ignore_columns=a,,b", "names of columns, with commas between them"),
        ("t.csv:target=a,target=b", "has target twice"),
        (":target=a", "has no name before the colon"),
    ],
)
def test_mistakes_in_options(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        DatasetSpec.parse(text)


@pytest.mark.parametrize("text", ["t.csv:taget=a", "t.csv:epochs=3,taget=a", "t.csv:taget=a,epochs=3"])
def test_an_unknown_option_is_told_with_the_nearest(text: str) -> None:
    with pytest.raises(UnknownNameError, match=r"t\.csv\) 'taget'. Did you mean 'target'\? Known: target, "):
        DatasetSpec.parse(text)


def test_one_data_set_has_every_setting_as_it_is() -> None:
    settings = ComparisonSettings(target="a", ignore_columns=("b",), image_size=3, epochs=7)
    (config,) = configs_of(settings, ["digits"])
    assert config == CompareConfig(target="a", ignore_columns=("b",), image_size=3, epochs=7)
    (config,) = configs_of(settings, ["t.csv:target=c"], {"accelerator": "cuda"})
    assert (config.dataset, config.target, config.accelerator) == ("t.csv", "c", "cuda")


def test_settings_of_tables_and_folders_go_to_these_alone(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    settings = ComparisonSettings(target="a", ignore_columns=("b",), image_size=3, data_dir=tmp_path)
    names = ["digits", "t.csv", "u.parquet:target=c,ignore_columns=d", "x.npz", "m:load", "photos"]
    found = configs_of(settings, names)
    assert [(one.target, one.ignore_columns, one.image_size) for one in found] == [
        (None, (), None),
        ("a", ("b",), None),
        ("c", ("d",), None),
        (None, (), None),
        (None, (), None),
        (None, (), 3),
    ]


def test_what_stands_behind_a_name_wins_for_it_alone() -> None:
    first, second = configs_of(SETTINGS, ["digits:epochs=3,model=cnn", "cifar10"])
    assert (first.epochs, first.model, second.epochs, second.model) == (3, "cnn", 7, "mlp")


@pytest.mark.parametrize(
    ("settings", "datasets", "message"),
    [
        ({}, [], "name at least one data set"),
        ({}, ["digits", "x.npz", "digits"], "'digits' is named twice"),
        ({}, ["t.csv:target=a", "t.csv:target=a"], "is named twice"),
        (
            {"target": "a"},
            ["digits", "x.npz"],
            r"--target is for tables \(.csv, .parquet\), and none .* digits, x",
        ),
        ({}, ["digits", "x.npz:epochs=0"], "data set 'x.npz:epochs=0': epochs must be a whole number, at le"),
        ({"ignore_columns": ("a",)}, ["digits", "x.npz"], "--ignore-columns is for tables"),
        ({"image_size": 3}, ["digits", "t.csv"], "--image-size is for folders of images, and none"),
        (
            {"train_labels": Path("l.npz")},
            ["digits", "x.npz"],
            "for one data set, and there are 2; .* as in digits:train_labels=l.npz",
        ),
    ],
)
def test_what_no_data_set_could_take_is_refused(
    settings: dict[str, Any], datasets: list[str], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        configs_of(ComparisonSettings(**settings), datasets)


def test_one_file_by_two_paths_is_one_data_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.csv").write_text("a,b\n")
    with pytest.raises(ConfigError, match="is named twice"):
        configs_of(SETTINGS, ["t.csv:target=a", str(tmp_path / "t.csv:target=a")])
    one, other = configs_of(SETTINGS, ["t.csv:target=a", "t.csv:target=b"])
    assert (one.target, other.target) == ("a", "b"), "two targets of one table are two data sets"
