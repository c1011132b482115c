from __future__ import annotations

import dataclasses
import importlib
import json
import platform
from pathlib import Path
from typing import Any

import pytest

from evoloss.compare import CompareConfig, compare
from evoloss.compare.config import label_loss
from evoloss.compare.results import Results
from evoloss.errors import ConfigError, DataError, ResultsError, UnknownNameError
from evoloss.training import RunResult
from evoloss.zoo import ALIASES
from tests.training.blobs import feature_blobs

# The package exports a function of the module's name, which hides the module from `import ... as`.
module = importlib.import_module("evoloss.compare.comparison")
training = importlib.import_module("evoloss.compare.training_run")

QUICK: dict[str, Any] = {
    "model": "mlp",
    "losses": ("cross_entropy", "gce"),
    "seeds": (0, 1),
    "epochs": 2,
    "batch_size": 16,
    "accelerator": "cpu",
}


class Counter:
    """Replaces ``train`` by itself: counts, and stops after a number of runs."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.calls: list[tuple[str, float, int, bool]] = []
        self.stop_after, self.train = stop_after, training.train

    def __call__(self, dataset, model, loss, config, *, loss_name, read_test, on_epoch) -> RunResult:
        if len(self.calls) == self.stop_after:
            raise KeyboardInterrupt
        self.calls.append((loss_name, config.lr, config.seed, read_test))
        return self.train(
            dataset, model, loss, config, loss_name=loss_name, read_test=read_test, on_epoch=on_epoch
        )


@pytest.fixture(autouse=True)
def _blobs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "load_dataset", lambda name, **_: feature_blobs(spread=2.0))


def test_compares_all_losses_with_all_seeds(tmp_path: Path) -> None:
    results = compare(CompareConfig(**QUICK), out=tmp_path, progress=True)
    assert results.complete
    assert [(run.loss, run.seed) for run in results.runs] == [
        ("cross_entropy", 0),
        ("gce", 0),
        ("cross_entropy", 1),
        ("gce", 1),
    ]
    assert results.baseline == "cross_entropy"
    (row,) = results.summary
    assert (row.loss, row.n_seeds) == ("gce", 2)
    assert Results.read(tmp_path) == results
    assert results.config["dataset"] == "blobs"
    assert {"data_dir", "download", "out"}.isdisjoint(results.config)


def test_the_file_names_no_path_and_no_host(tmp_path: Path) -> None:
    config = CompareConfig(**QUICK, data_dir=tmp_path)
    compare(config, out=tmp_path)
    text = (tmp_path / "results.json").read_text()
    assert str(tmp_path) not in text
    assert platform.node() not in json.loads(text)["created_with"].values()


def test_tuning_is_alike_for_all_and_apart_from_the_report(monkeypatch: pytest.MonkeyPatch) -> None:
    counter = Counter()
    monkeypatch.setattr(training, "train", counter)
    grid = (1e-4, 0.1)
    results = compare(CompareConfig(**QUICK, tune_lr=True, lr_grid=grid, tune_seeds=1))
    tuning = [call for call in counter.calls if not call[3]]
    assert [call[:3] for call in tuning] == [
        (loss, lr, 1_000_000) for loss in ("cross_entropy", "gce") for lr in grid
    ]
    assert counter.calls[:4] == tuning, "all rates are chosen before anything is tested"
    assert all(run.test_accuracy is None for run in results.tuning)
    assert {run.seed for run in results.runs} == {0, 1}
    assert {run.lr for run in results.runs} == {0.1}
    assert len(results.tuning) == 4


def test_goes_on_where_it_was_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = CompareConfig(**QUICK, tune_lr=True, lr_grid=(0.01, 0.1), tune_seeds=1)
    whole = compare(config)
    for stop_after, done in ((3, 3), (2, 5), (None, 8)):
        with monkeypatch.context() as context:
            counter = Counter(stop_after)
            context.setattr(training, "train", counter)
            if stop_after is None:
                results = compare(config, out=tmp_path)
                assert len(counter.calls) == 3, "five runs are taken from the file"
            else:
                with pytest.raises(KeyboardInterrupt):
                    compare(config, out=tmp_path)
                partial = Results.read(tmp_path)
                assert not partial.complete
                assert len(partial.runs) + len(partial.tuning) == done
    timeless = [
        [dataclasses.replace(run, train_seconds=0.0) for run in (*found.tuning, *found.runs)]
        for found in (whole, results)
    ]
    assert timeless[0] == timeless[1]
    assert results.complete


def test_a_second_stop_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Adding a loss puts new runs before old ones; a stop among them must keep the old ones."""
    compare(CompareConfig(**QUICK), out=tmp_path)
    monkeypatch.setattr(training, "train", Counter(stop_after=1))
    with pytest.raises(KeyboardInterrupt):
        compare(CompareConfig(**{**QUICK, "losses": ("cross_entropy", "mae", "gce")}), out=tmp_path)
    assert len(Results.read(tmp_path).runs) == 5


def test_may_grow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compare(CompareConfig(**QUICK), out=tmp_path)
    counter = Counter()
    monkeypatch.setattr(training, "train", counter)
    larger = {**QUICK, "losses": ("cross_entropy", "gce", "mae"), "seeds": (0, 1, 2)}
    results = compare(CompareConfig(**larger), out=tmp_path)
    assert len(results.runs) == 9
    assert len(counter.calls) == 5


def test_tuning_seeds_may_be_added_and_not_taken_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tuned = {**QUICK, "tune_lr": True, "lr_grid": (0.02, 0.1), "tune_seeds": 1}
    compare(CompareConfig(**tuned), out=tmp_path)
    counter = Counter()
    monkeypatch.setattr(training, "train", counter)
    results = compare(CompareConfig(**{**tuned, "tune_seeds": 2}), out=tmp_path)
    assert len(results.tuning) == 8
    # Four new tuning runs, and those at rates that are now another loss's choice.
    assert 4 <= len(counter.calls) <= 8
    with pytest.raises(ResultsError, match="tune_seeds differ"):
        compare(CompareConfig(**tuned), out=tmp_path)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"epochs": 3}, "epochs"),
        ({"losses": ("cross_entropy", "mae")}, "losses"),
        ({"seeds": (1, 2)}, "seeds"),
        ({"label_noise": 0.2, "lr": 0.1}, "label_noise, lr"),
    ],
)
def test_another_comparison_is_not_overwritten(tmp_path: Path, change: dict[str, Any], named: str) -> None:
    compare(CompareConfig(**QUICK), out=tmp_path)
    before = (tmp_path / "results.json").read_bytes()
    with pytest.raises(ResultsError, match=f"holds another comparison: {named} differ"):
        compare(CompareConfig(**{**QUICK, **change}), out=tmp_path)
    assert (tmp_path / "results.json").read_bytes() == before


def test_results_of_another_version_are_not_mixed(tmp_path: Path) -> None:
    compare(CompareConfig(**QUICK), out=tmp_path)
    path = tmp_path / "results.json"
    earlier = Results.read(path)
    dataclasses.replace(earlier, created_with={**earlier.created_with, "torch": "2.0"}).write(path)
    with pytest.raises(ResultsError, match="torch differ"):
        compare(CompareConfig(**QUICK), out=tmp_path)


def test_a_changed_data_set_is_trained_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = compare(CompareConfig(**QUICK), out=tmp_path)
    monkeypatch.setattr(module, "load_dataset", lambda name, **_: feature_blobs(spread=2.1))
    second = compare(CompareConfig(**QUICK), out=tmp_path)
    assert len(second.runs) == 4
    assert {run.data_fingerprint for run in first.runs}.isdisjoint(
        run.data_fingerprint for run in second.runs
    )


def test_a_partial_file_never_mixes_old_and_new_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compare(CompareConfig(**QUICK), out=tmp_path)
    monkeypatch.setattr(module, "load_dataset", lambda name, **_: feature_blobs(spread=2.1))
    monkeypatch.setattr(training, "train", Counter(stop_after=1))
    with pytest.raises(KeyboardInterrupt):
        compare(CompareConfig(**QUICK), out=tmp_path)
    assert len(Results.read(tmp_path).runs) == 1


def test_a_larger_grid_may_choose_another_rate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tuned = {**QUICK, "tune_lr": True, "tune_seeds": 1}
    first = compare(CompareConfig(**tuned, lr_grid=(1e-4,)), out=tmp_path)
    assert {run.lr for run in first.runs} == {1e-4}
    larger = CompareConfig(**tuned, lr_grid=(1e-4, 0.1))
    with monkeypatch.context() as context:
        context.setattr(training, "train", Counter(stop_after=3))
        with pytest.raises(KeyboardInterrupt):
            compare(larger, out=tmp_path)
    assert {run.lr for run in Results.read(tmp_path).runs} == {0.1}, "no table of two rates, not even partial"
    counter = Counter()
    monkeypatch.setattr(training, "train", counter)
    second = compare(larger, out=tmp_path)
    assert {run.lr for run in second.runs} == {0.1}
    assert len(second.runs) == 4
    assert len(counter.calls) == 3, "the rest of the four reported runs"


def test_unknown_names() -> None:
    with pytest.raises(UnknownNameError, match="gcee"):
        compare(CompareConfig(**{**QUICK, "losses": ("gcee",)}))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"losses": ()}, "losses must hold at least one value"),
        ({"losses": ("gce", "gce")}, "none twice"),
        ({"losses": ("runs/a/loss", "runs/b/loss")}, "two losses share a name"),
        ({"losses": ("evolved", ALIASES["evolved"])}, f"evolved stands for {ALIASES['evolved']}"),
        ({"seeds": (1, 1)}, "none twice"),
        ({"seeds": (-1,)}, "seed must be"),
        ({"seeds": (1_000_000,)}, "kept for tuning"),
        ({"lr_grid": (0.1, -1.0)}, "lr must be"),
        ({"tune_seeds": 0}, "tune_seeds must be at least 1"),
        ({"baseline": "mae"}, "'mae' is not among the losses"),
        ({"epochs": 0}, "epochs must be"),
    ],
)
def test_bad_configurations(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        CompareConfig(**{**QUICK, **change})


def test_baseline() -> None:
    assert CompareConfig(losses=("gce", "cross_entropy")).baseline_label == "cross_entropy"
    assert CompareConfig(losses=("gce", "mae")).baseline_label == "gce"
    assert CompareConfig(losses=("gce", "mae"), baseline="mae").baseline_label == "mae"


def test_labels_of_losses(tmp_path: Path) -> None:
    assert label_loss("cross_entropy") == "cross_entropy"
    assert label_loss("runs/mine/") == "mine"
    assert label_loss(str(tmp_path / "evolved")) == "evolved"


def test_results_say_what_the_recommended_loss_was(tmp_path: Path) -> None:
    results = compare(CompareConfig(**{**QUICK, "losses": ("cross_entropy", "evolved")}), out=tmp_path)
    assert {run.loss for run in results.runs} == {"cross_entropy", ALIASES["evolved"]}
    assert Results.read(tmp_path).config["losses"] == ["cross_entropy", ALIASES["evolved"]]


def test_results_from_before_a_setting_was_known_go_on(tmp_path: Path) -> None:
    first = compare(CompareConfig(**QUICK), out=tmp_path)
    document = json.loads((tmp_path / "results.json").read_text())
    for name in ("train_labels", "validation_noise"):
        del document["config"][name]
    for run in document["runs"]:
        del run["validation_noise"]
    (tmp_path / "results.json").write_text(json.dumps(document))
    for run_file in (tmp_path / "runs").iterdir():
        run_file.unlink()
    assert compare(CompareConfig(**QUICK), out=tmp_path).runs == first.runs
    with pytest.raises(ResultsError, match="validation_noise differ"):
        compare(CompareConfig(**QUICK, validation_noise=True), out=tmp_path)


def test_a_grid_is_widened_until_no_rate_is_at_its_end(tmp_path: Path) -> None:
    tuned: dict[str, Any] = {**QUICK, "tune_lr": True, "lr_grid": (1e-5, 2e-5), "tune_seeds": 1}
    narrow = compare(CompareConfig(**tuned), out=tmp_path)
    assert set(narrow.edges.values()) == {"highest"}
    wide = compare(CompareConfig(**tuned, widen_lr_grid=True), out=tmp_path, progress=True)
    rates = {name: sorted({run.lr for run in wide.tuning if run.loss == name}) for name in QUICK["losses"]}
    grid = [1e-5, 2e-5, 4e-5, 8e-5, 16e-5, 32e-5]
    assert list(rates.values()) == [pytest.approx(grid)] * len(rates), "the same for all, four more at most"
    assert {(run.loss, run.lr) for run in narrow.tuning} <= {(run.loss, run.lr) for run in wide.tuning}
    assert min(run.lr for run in wide.runs) > 2e-5
    assert compare(CompareConfig(**tuned, widen_lr_grid=True), out=tmp_path).runs == wide.runs


def test_runs_of_before_keep_their_names(tmp_path: Path) -> None:
    """What came later is no part of a name at its default, and of one anywhere else."""
    first = compare(CompareConfig(**QUICK), out=tmp_path)
    names = {path.name for path in (tmp_path / "runs").iterdir()}
    for path in (tmp_path / "runs").iterdir():
        train = json.loads(path.read_text())["config"]["train"]
        assert not train.keys() & {"optimizer", "last_batch", "early_stopping", "class_weights"}
    document = json.loads((tmp_path / "results.json").read_text())
    for setting in (
        *("optimizer", "last_batch", "early_stopping", "class_weights"),
        "keep",
        "suspects_folds",
    ):
        del document["config"][setting]
    for run in document["runs"]:
        for name in ("optimizer", "last_batch", "early_stopping", "class_weights", "balanced_accuracy"):
            del run[name]
    (tmp_path / "results.json").write_text(json.dumps(document))
    again = compare(CompareConfig(**QUICK), out=tmp_path)
    assert again.runs == first.runs
    assert {path.name for path in (tmp_path / "runs").iterdir()} == names
    with pytest.raises(ResultsError, match="optimizer differ"):
        compare(CompareConfig(**QUICK, optimizer="adamw"), out=tmp_path)


@pytest.mark.parametrize("folder", ["../x", "kept/../../x/seed-0", "/kept/a/seed-0"])
def test_a_folder_elsewhere_is_refused(folder: str, tmp_path: Path) -> None:
    compare(CompareConfig(**QUICK), out=tmp_path)
    document = json.loads((tmp_path / "results.json").read_text())
    document["runs"][0]["kept"] = folder
    (tmp_path / "results.json").write_text(json.dumps(document))
    with pytest.raises(ResultsError, match=r"runs\[0\]\.kept is .*; expected a folder kept/LOSS/seed-N"):
        Results.read(tmp_path)


def test_more_folds_than_samples_are_refused_before_any_training(tmp_path: Path) -> None:
    config = CompareConfig(**QUICK, keep="first", suspects_folds=10_000)
    with pytest.raises(DataError, match="10000 folds for suspects need as many training samples; there are "):
        compare(config, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()
