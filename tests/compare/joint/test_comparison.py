from __future__ import annotations

import importlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evoloss.compare import CompareConfig, Results, compare, compare_datasets
from evoloss.compare.joint.comparison import estimate_datasets
from evoloss.compare.joint.results import JOINT_FILE, JointResults
from evoloss.errors import ConfigError, DataError, EvolossError, OutputError, ResultsError, UnknownNameError
from tests.data.tables.tables import flowers, write

training = importlib.import_module("evoloss.compare.training_run")
SMALL = CompareConfig(
    model="mlp",
    losses=("cross_entropy", "gce"),
    seeds=(0, 1),
    epochs=1,
    train_samples=40,
    batch_size=16,
    accelerator="cpu",
)


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The data sets of the trainings that were done, in their order."""
    found: list[str] = []
    train = training.train

    def counted(dataset: Any, *arguments: Any, **options: Any) -> Any:
        found.append(dataset.name)
        return train(dataset, *arguments, **options)

    monkeypatch.setattr(training, "train", counted)
    return found


@pytest.fixture
def configs(tmp_path: Path) -> list[CompareConfig]:
    table = write(tmp_path / "flowers.csv", flowers())
    return [SMALL, replace(SMALL, dataset=str(table), target="species", epochs=2)]


def test_each_data_set_is_a_comparison_of_its_own(tmp_path: Path, configs: list[CompareConfig]) -> None:
    out, begun, ended = tmp_path / "out", [], []
    joint = compare_datasets(
        configs, out=out, on_begin=begun.append, on_done=lambda *done: ended.append(done)
    )
    assert list(joint.comparisons) == begun == [name for name, _ in ended] == ["digits", "flowers"]
    assert ended[1][1] is joint.comparisons["flowers"]
    assert {path.name for path in out.iterdir() if not path.name.startswith(".")} == {
        "digits",
        "flowers",
        JOINT_FILE,
    }
    for config, (folder, results) in zip(configs, joint.comparisons.items(), strict=True):
        alone = compare(config)
        values = [(run.loss, run.seed, run.test_accuracy, run.epochs) for run in results.runs]
        assert values == [(run.loss, run.seed, run.test_accuracy, run.epochs) for run in alone.runs]
        assert Results.read(out / folder).runs == results.runs
    assert JointResults.read(out).text() == joint.text() == (out / JOINT_FILE).read_text()


def test_what_is_done_is_not_done_again_and_data_sets_can_be_added(
    tmp_path: Path, configs: list[CompareConfig], trained: list[str]
) -> None:
    out = tmp_path / "out"
    compare_datasets(configs[:1], out=out)
    assert trained == ["digits"] * 4
    compare_datasets(configs, out=out)
    assert trained == ["digits"] * 4 + ["flowers"] * 4
    more = [replace(one, seeds=(0, 1, 2)) for one in configs]
    joint = compare_datasets(more, out=out)
    assert trained == ["digits"] * 4 + ["flowers"] * 4 + ["digits"] * 2 + ["flowers"] * 2
    assert joint.losses[1].n_datasets == 2
    assert compare_datasets(more[1:], out=out).datasets[0].label == "flowers"
    found = json.loads((out / JOINT_FILE).read_text())["datasets"]
    assert [row["label"] for row in found] == ["flowers"], "the data sets of the last call"


def test_it_goes_on_where_it_was_stopped(
    tmp_path: Path, configs: list[CompareConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    out, train, count = tmp_path / "out", training.train, 0

    def stopping(*arguments: Any, **options: Any) -> Any:
        nonlocal count
        count += 1
        if count == 6:
            raise KeyboardInterrupt
        return train(*arguments, **options)

    monkeypatch.setattr(training, "train", stopping)
    with pytest.raises(KeyboardInterrupt):
        compare_datasets(configs, out=out)
    stopped = JointResults.read(out)
    assert [(row.label, row.complete) for row in stopped.datasets] == [("digits", True), ("flowers", False)]
    joint = compare_datasets(configs, out=out)
    assert joint.complete
    assert count == 9, "one training was stopped, none was done twice"


Change = dict[str, Any]
BAD: dict[str, tuple[Change, type[EvolossError], str]] = {
    "no file": ({"dataset": "gone.csv"}, DataError, "data set gone: gone.csv is not a file"),
    "no column": ({"target": "kind"}, UnknownNameError, "data set flowers: .* no column 'kind'"),
    "no target": ({"target": None}, ConfigError, "data set flowers: .* is a table; name the column"),
    "no images": ({"model": "cnn"}, ConfigError, "data set flowers: model 'cnn' takes images"),
    "too few": ({"train_samples": 400}, ConfigError, "data set flowers: train_samples must be 1 to"),
    "no validation": ({"validation": 0.0}, DataError, "^data set .flowers. has no validation split"),
    "folds": ({"suspects_folds": 41, "keep": "first"}, DataError, "data set flowers: 41 folds"),
}


@pytest.mark.parametrize("name", BAD)
def test_every_data_set_is_checked_before_the_first_training(
    name: str, tmp_path: Path, configs: list[CompareConfig], trained: list[str]
) -> None:
    change, kind, message = BAD[name]
    bad = [configs[0], replace(configs[1], **change)]
    for call in (compare_datasets, estimate_datasets):
        with pytest.raises(kind, match=message):
            call(bad, out=tmp_path / "out")
    assert trained == []
    assert not (tmp_path / "out").exists()


def test_a_mistake_in_a_loss_is_not_one_of_a_data_set(configs: list[CompareConfig]) -> None:
    with pytest.raises(UnknownNameError, match=r"^no loss or directory 'gcee'"):
        compare_datasets([replace(one, losses=("cross_entropy", "gcee")) for one in configs])


def test_a_folder_with_another_comparison_is_found_before_the_first_training(
    tmp_path: Path, configs: list[CompareConfig], trained: list[str]
) -> None:
    out = tmp_path / "out"
    compare(replace(configs[1], label_noise=0.4), out=out / "flowers")
    trained.clear()
    with pytest.raises(ResultsError, match=r"data set flowers: .* holds another comparison: label_noise"):
        compare_datasets(configs, out=out)
    run = next((out / "flowers" / "runs").glob("*.json"))
    (out / "flowers" / "results.json").unlink()
    compare_datasets(configs[1:], out=out)
    trained.clear()
    for run in (out / "flowers" / "runs").glob("*.json"):
        run.write_text(run.read_text().replace('"gce"', '"mae"'))
    (out / "flowers" / "results.json").unlink()
    with pytest.raises(ResultsError, match=r"data set flowers: .* damaged or was changed"):
        compare_datasets(configs, out=out)
    assert trained == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"losses": ("gce", "cross_entropy")}, "losses differ: gce, cross_entropy on 'flowers.csv'"),
        ({"baseline": "gce"}, "baselines differ: gce on 'flowers.csv', cross_entropy on 'digits'"),
    ],
)
def test_losses_and_baseline_have_to_be_the_same(change: Change, message: str) -> None:
    other = replace(SMALL, dataset="flowers.csv", **change)
    with pytest.raises(ConfigError, match=message):
        compare_datasets([SMALL, other])


def test_one_data_set_and_several_do_not_share_a_directory(
    tmp_path: Path, configs: list[CompareConfig]
) -> None:
    compare(SMALL, out=tmp_path / "one")
    with pytest.raises(ConfigError, match="one holds a comparison on one data set"):
        compare_datasets(configs, out=tmp_path / "one")
    compare_datasets(configs, out=tmp_path / "several")
    with pytest.raises(ConfigError, match="several holds comparisons on several data sets"):
        compare(SMALL, out=tmp_path / "several")
    assert compare(SMALL, out=tmp_path / "several" / "digits").complete


def test_what_evoloss_did_not_write_is_not_replaced(tmp_path: Path, configs: list[CompareConfig]) -> None:
    (tmp_path / JOINT_FILE).write_text('{"mine": 1}')
    with pytest.raises(OutputError, match=r"joint\.json was not written by evoloss"):
        compare_datasets(configs, out=tmp_path)
    assert (tmp_path / JOINT_FILE).read_text() == '{"mine": 1}'


def test_results_do_not_go_among_the_images_of_a_data_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos" / "cat").mkdir(parents=True)
    photos = replace(SMALL, dataset="photos", model="cnn")
    for out in (tmp_path, tmp_path / "photos", tmp_path / "photos" / "results"):
        with pytest.raises(ConfigError, match="which is in the data set 'photos'"):
            compare_datasets([SMALL, photos], out=out)


def test_it_tells_what_was_done_to_which_data(configs: list[CompareConfig]) -> None:
    said: list[str] = []
    warned: list[str] = []
    compare_datasets(configs, say=said.append, warn=warned.append)
    assert any(note.startswith("digits: split here, each class in proportion") for note in said)
    assert "flowers: 60 rows with a label (species)" in said
    assert len(said) == len(set(said)), "each once"
    assert any(caution.startswith("flowers: a training has") for caution in warned)


def test_an_estimate_of_each_data_set(tmp_path: Path, configs: list[CompareConfig]) -> None:
    found = estimate_datasets(configs, tmp_path / "out")
    assert [(name, one.n_runs, one.n_done) for name, one in found.items()] == [
        ("digits", 4, 0),
        ("flowers", 4, 0),
    ]
    assert all(one.seconds > 0 for one in found.values())
    assert not (tmp_path / "out").exists()
    compare_datasets(configs[:1], out=tmp_path / "out")
    assert [one.n_done for one in estimate_datasets(configs, tmp_path / "out").values()] == [4, 0]
