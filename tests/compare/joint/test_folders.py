from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import pytest

from evoloss.compare import CompareConfig
from evoloss.compare.joint.folders import dataset_name, folders_of, labels_of
from evoloss.data import load_dataset
from evoloss.errors import ConfigError
from tests.data.tables.tables import flowers, write


def on(*datasets: str, **settings: object) -> list[CompareConfig]:
    return [CompareConfig(dataset=dataset, **settings) for dataset in datasets]  # type: ignore[arg-type]


def test_a_folder_has_the_name_of_its_data_set() -> None:
    assert folders_of(on("digits", "a/wine.csv", "b/My Data.npz", "my_data:load")) == [
        "digits",
        "wine",
        "my_data-79e53b",
        "my_data_load-1b1365",
    ]


def test_names_are_safe_and_apart_where_data_sets_share_one() -> None:
    configs = [
        *on("a/wine.csv", "b/wine.csv", "Wine", "./digits", "digits"),
        *on("t.csv", target="x"),
        *on("t.csv", target="y"),
    ]
    names = folders_of(configs)
    assert len({name.lower() for name in names}) == len(configs)
    assert all(Path(name).name == name and name == name.lower() for name in names)
    assert names[5:] == ["t-target=x", "t-target=y"]
    for order in itertools.islice(itertools.permutations(range(len(configs))), 0, 5000, 331):
        assert folders_of([configs[place] for place in order]) == [names[place] for place in order]


def test_folders_of_one_name_in_folders_of_one_name(tmp_path: Path) -> None:
    places = [tmp_path / part / "data" / "wine.csv" for part in ("one", "two")]
    for place in places:
        place.parent.mkdir(parents=True)
        place.write_text("a,b\n")
    first, second = folders_of(on(*map(str, places)))
    assert first.startswith("wine-")
    assert second.startswith("wine-")
    assert first != second
    assert folders_of(on(*map(str, reversed(places)))) == [second, first]


def test_labels_of_files_of_one_name_are_other_comparisons() -> None:
    files = [Path("one/labels.npz"), Path("two/labels.npz")]
    first, second = folders_of([CompareConfig(train_labels=file) for file in files])
    assert first.startswith("digits-train_labels=labels-")
    assert first != second
    assert folders_of([CompareConfig(train_labels=file) for file in reversed(files)]) == [second, first]
    with pytest.raises(ConfigError, match="two comparisons are the same"):
        folders_of([CompareConfig(train_labels=files[0])] * 2)


def test_the_same_comparison_twice_is_refused() -> None:
    with pytest.raises(ConfigError, match="two comparisons are the same, on 'digits'"):
        folders_of(on("digits", "digits"))
    assert folders_of([CompareConfig(), replace(CompareConfig(), epochs=3)]) == [
        "digits-epochs=15",
        "digits-epochs=3",
    ]


def test_names_are_those_of_results(tmp_path: Path) -> None:
    table = str(write(tmp_path / "My flowers.csv", flowers()))
    (config,) = on(table, target="species")
    assert dataset_name(config) == load_dataset(table, target="species").name == "My flowers"
    assert labels_of([config, CompareConfig()]) == ["My flowers", "digits"]


def test_labels_of_data_sets_that_share_a_name_are_folders() -> None:
    configs = on("a/wine.csv", "b/wine.csv")
    assert labels_of(configs) == folders_of(configs) == ["wine-a", "wine-b"]
