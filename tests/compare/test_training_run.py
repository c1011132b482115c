from __future__ import annotations

import copy
import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evoloss.compare import CompareConfig, Results, compare
from evoloss.compare.training_run import Sources, check_training, train_run
from evoloss.errors import ConfigError, DataError, EvolossError, ResultsError
from evoloss.executors import make_executor
from evoloss.executors.serial import SerialExecutor
from evoloss.losses import EvolvedLoss
from evoloss.sweeps.run_files import Run, read_run
from evoloss.training import RunResult


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CompareConfig:
    """A comparison of the user's own: a file, and a loss in a directory, named relative to where one is."""
    monkeypatch.chdir(tmp_path)
    draw = np.random.default_rng(0)
    labels = {name: draw.integers(0, 3, size) for name, size in (("train", 80), ("test", 20))}
    inputs = {
        f"x_{name}": (y[:, None] + 0.3 * draw.standard_normal((len(y), 4))).astype(np.float32)
        for name, y in labels.items()
    }
    np.savez("own.npz", **inputs, **{f"y_{name}": y for name, y in labels.items()})
    EvolvedLoss.from_pretrained("evolved-base").save_pretrained(Path("mine"))
    return CompareConfig(
        dataset="own.npz",
        model="mlp",
        losses=("cross_entropy", "evolved-base", "./mine"),
        seeds=(0, 1),
        epochs=2,
        batch_size=16,
        accelerator="cpu",
        tune_lr=True,
        tune_seeds=1,
        lr_grid=(0.01, 0.1),
    )


def timeless(results: Results) -> list[Any]:
    return [dataclasses.replace(run, train_seconds=0.0) for run in (*results.tuning, *results.runs)]


def test_a_worker_finds_all_by_itself(
    own: CompareConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = dataclasses.replace(own, tune_lr=False)
    here = compare(own)
    monkeypatch.chdir("/")
    with make_executor("processes", workers=1, threads=1) as executor:
        assert executor.submit(os.getcwd).result(60) == "/"
        monkeypatch.chdir(tmp_path)
        there = compare(own, out=tmp_path / "out", executor=executor, progress=True)
    assert timeless(there) == timeless(here)
    assert len(timeless(there)) == 6
    assert there.complete


def test_no_file_names_a_path(own: CompareConfig, tmp_path: Path) -> None:
    compare(own, out=tmp_path / "out", executor=SerialExecutor())
    texts = [path.read_text() for path in (tmp_path / "out").rglob("*.json")]
    assert len(texts) == 13
    assert not any(str(tmp_path) in text or "./mine" in text for text in texts)


def test_the_file_of_a_run_says_all_that_determines_it(own: CompareConfig, tmp_path: Path) -> None:
    results = compare(dataclasses.replace(own, tune_lr=False), out=tmp_path / "out")
    contents = [json.loads(path.read_text()) for path in (tmp_path / "out" / "runs").iterdir()]
    (content,) = [
        text
        for text in contents
        if (text["config"]["loss"]["name"], text["config"]["train"]["seed"]) == ("mine", 1)
    ]
    run = next(run for run in results.runs if (run.loss, run.seed) == ("mine", 1))
    assert content["kind"] == "compare"
    assert content["result"] == run.as_dict()
    config = content["config"]
    assert set(config) == {"dataset", "model", "loss", "train", "read_test", "versions"}
    assert config["dataset"]["fingerprint"] == run.data_fingerprint
    assert config["loss"]["fingerprint"] == run.loss_fingerprint
    assert config["train"]["accelerator"] == "cpu"


def test_a_directory_of_results_without_runs_goes_on(own: CompareConfig, tmp_path: Path) -> None:
    """As those of earlier versions are, and those that were published."""
    config = dataclasses.replace(own, tune_lr=False)
    first = compare(config, out=tmp_path / "out")
    for path in (tmp_path / "out" / "runs").iterdir():
        path.unlink()
    assert compare(config, out=tmp_path / "out").runs == first.runs


def test_other_data_or_another_loss_is_noticed(own: CompareConfig, tmp_path: Path) -> None:
    compare(dataclasses.replace(own, tune_lr=False), out=tmp_path / "out")
    config = json.loads(next((tmp_path / "out" / "runs").iterdir()).read_text())["config"]
    sources = Sources.of(own)
    other_loss = {**config, "loss": {"name": "mine", "fingerprint": "0" * 16}}
    with pytest.raises(ResultsError, match=r"the loss 'mine' that a worker finds at .* differs"):
        train_run(sources, other_loss)
    other_data = {**config, "dataset": {**config["dataset"], "fingerprint": "0" * 16}}
    with pytest.raises(DataError, match=r"the data set .* that a worker finds differs"):
        train_run(sources, other_data)


def test_a_known_name_goes_before_a_directory(own: CompareConfig, tmp_path: Path) -> None:
    (tmp_path / "gce").mkdir()
    (tmp_path / "digits").mkdir()
    found = Sources.of(CompareConfig(dataset="digits", losses=("gce", "evolved-base", "./mine")))
    assert found.losses == {
        "gce": "gce",
        "evolved-base": "evolved-base",
        "mine": str((tmp_path / "mine").resolve()),
    }
    assert found.dataset == "digits"


def test_several_devices_need_this_process(own: CompareConfig) -> None:
    config = dataclasses.replace(own, devices=2)
    with pytest.raises(ConfigError, match="runs on 2 devices need the serial executor"):
        compare(config, executor=SerialExecutor())


def test_a_failed_run_is_named_and_the_rest_is_kept(
    own: CompareConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = dataclasses.replace(own, tune_lr=False, losses=("cross_entropy", "gce"))
    monkeypatch.setattr("evoloss.compare.runner.train_run", _fail_with_gce)
    with pytest.raises(
        EvolossError, match=r"2 of 4 runs failed, the others are done\. RuntimeError: no memory"
    ):
        compare(config, out=tmp_path / "out", executor=SerialExecutor())
    kept = Results.read(tmp_path / "out")
    assert {run.loss for run in kept.runs} == {"cross_entropy"}
    assert not kept.complete


def _fail_with_gce(sources: Sources, config: dict[str, Any]) -> dict[str, Any]:
    if config["loss"]["name"] == "gce":
        raise RuntimeError("no memory")
    return train_run(sources, config)


def places(value: Any) -> list[tuple[Any, Any]]:
    """All (container, key) pairs of a JSON value."""
    if not isinstance(value, dict | list):
        return []
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    return [(value, key) for key in keys] + [pair for key in keys for pair in places(value[key])]


JUNK: tuple[Any, ...] = (None, "x", -1, 1e30, 10**400, [], {}, True, [[0]])


def test_a_result_that_is_not_one_of_its_run_is_refused(own: CompareConfig, tmp_path: Path) -> None:
    """In a file without a checksum, as versions before 0.4 wrote them."""
    compare(dataclasses.replace(own, losses=("cross_entropy",), seeds=(0,)), out=tmp_path / "out")
    accepted = []
    for path in (tmp_path / "out" / "runs").iterdir():
        content = json.loads(path.read_text())
        run = Run(content["kind"], content["config"])
        assert read_run(path, run, check_training) == content["result"]
        del content["sha256"]
        for index in range(len(places(content["result"]))):
            for junk in JUNK:
                changed = copy.deepcopy(content)
                container, key = places(changed["result"])[index]
                container[key] = junk
                path.write_text(json.dumps(changed))
                try:
                    found = read_run(path, run, check_training)
                except ResultsError as error:
                    message = str(error)
                else:
                    assert found is not None
                    RunResult.from_dict(found)
                    accepted.append((key, junk))
                    continue
                assert f"{path} holds no result of its run: result" in message
                assert "move it away, and the run is done again" in message
    # What is left is a number of the right kind in the place of another, and a run without training accuracy.
    assert all(
        junk is None
        or isinstance(junk, int | float)
        or (key, junk) in (("augment", "x"), ("train_accuracy", []))
        for key, junk in accepted
    )


@pytest.mark.parametrize(
    ("name", "value"), [("loss", "gce"), ("seed", 7), ("lr", 0.5), ("epochs", 3), ("dataset", "digits")]
)
def test_a_result_of_another_run_is_refused(
    name: str, value: Any, own: CompareConfig, tmp_path: Path
) -> None:
    compare(
        dataclasses.replace(own, losses=("cross_entropy",), seeds=(0,), tune_lr=False), out=tmp_path / "out"
    )
    (path,) = (tmp_path / "out" / "runs").iterdir()
    content = json.loads(path.read_text())
    del content["sha256"]
    content["result"][name] = value
    path.write_text(json.dumps(content))
    with pytest.raises(ResultsError, match=rf"result\.{name} is {value!r}; its run has"):
        read_run(path, Run(content["kind"], content["config"]), check_training)


@pytest.mark.parametrize("executor", ["here", "worker"])
def test_labels_of_a_file_are_trained_with_wherever_a_run_takes_place(
    own: CompareConfig, tmp_path: Path, executor: str
) -> None:
    np.savez(tmp_path / "given.npz", labels=np.full(80, 2))
    config = dataclasses.replace(
        own, losses=("cross_entropy",), tune_lr=False, train_labels=Path("given.npz"), validation_noise=True
    )
    with SerialExecutor() as serial:
        results = compare(config, out=tmp_path / "out", executor=None if executor == "here" else serial)
    assert results.config["train_labels"] == "given.npz"
    for run in results.runs:
        assert run.validation_accuracy == 100, "there is one label"
        assert (run.test_accuracy or 0) < 70, "and in the test split three"
    np.savez(tmp_path / "given.npz", labels=np.full(80, 1))
    again = compare(config, out=tmp_path / "out")
    assert again.runs[0].data_fingerprint != results.runs[0].data_fingerprint
