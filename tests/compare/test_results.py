from __future__ import annotations

import copy
import dataclasses
import json
import os
import random
from pathlib import Path
from typing import Any

import pytest

from evoloss.compare.results import Results
from evoloss.errors import ResultsError
from evoloss.networks import NoiseRate
from tests.compare.runs import ADDED_VALUES, make_results, make_run, make_tuning_run

COMMITTED = sorted((Path(__file__).parents[2] / "benchmarks").rglob("results.json"))


def _written(tmp_path: Path, **changes: Any) -> tuple[Path, dict[str, Any]]:
    path = tmp_path / "results.json"
    make_results(**changes).write(path)
    return path, json.loads(path.read_text())


def test_round_trip(tmp_path: Path) -> None:
    results = make_results(tuning=(make_tuning_run("gce", 0.1, 1_000_000, 80.0),), complete=False)
    path = tmp_path / "deep" / "results.json"
    results.write(path)
    assert Results.read(path) == results
    assert Results.read(path.parent) == results
    assert [file.name for file in path.parent.iterdir()] == ["results.json"]


def test_layout_is_the_documented_one(tmp_path: Path) -> None:
    _, document = _written(tmp_path)
    assert document["schema"] == 1
    run = {"loss", "dataset", "model", "seed", "lr", "label_noise", "noise_kind", "epochs", "test_accuracy"}
    run |= {"best_test_accuracy", "test_nll", "test_ece", "train_seconds", "diverged", "n_train"}
    assert run <= document["runs"][0].keys()
    row = {"loss", "baseline", "mean_difference", "ci_low", "ci_high", "p_value", "p_holm", "n_seeds"}
    assert document["summary"][0].keys() == row | {"best_accuracy", "nll", "nll_scaled"}
    contrast = {"mean_difference", "ci_low", "ci_high", "p_value", "p_holm"}
    assert document["summary"][0]["nll"].keys() == contrast
    assert set(ADDED_VALUES) <= document["runs"][0].keys()
    assert [entry["loss"] for entry in document["summary"]] == ["gce", "mae"]
    assert [entry["loss"] for entry in document["losses"]] == ["cross_entropy", "gce", "mae"]


def test_a_file_from_before_the_added_values_is_read(tmp_path: Path) -> None:
    path, document = _written(tmp_path)
    added = {"runs": ADDED_VALUES, "summary": ("best_accuracy", "nll", "nll_scaled")}
    added["losses"] = ("mean_temperature", "mean_test_nll_scaled", "mean_test_ece_scaled")
    added["losses"] += ("mean_best_test_nll", "mean_best_test_ece")
    for table, names in added.items():
        for row in document[table]:
            for name in names:
                del row[name]
    path.write_text(json.dumps(document))
    read = Results.read(path)
    assert read.runs[0].temperature is None
    assert read.losses[0].mean_temperature is None
    assert read.summary[0].nll is not None
    assert read.summary[0].nll_scaled is None
    read.write(path)
    assert Results.read(path) == read


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.parent.name)
def test_committed_results_are_readable(path: Path) -> None:
    assert Results.read(path).runs


def test_a_history_without_training_accuracy_is_read_and_a_broken_one_refused(tmp_path: Path) -> None:
    path, document = _written(tmp_path)
    for run in document["runs"]:
        del run["history"]["train_accuracy"]
    path.write_text(json.dumps(document))
    assert Results.read(path).runs[0].history.train_accuracy == ()
    document["runs"][0]["history"]["train_accuracy"] = [50.0, 101.0]
    path.write_text(json.dumps(document))
    with pytest.raises(ResultsError, match=r"runs\[0\].history.train_accuracy is not in percent"):
        Results.read(path)
    document["runs"][0]["history"]["train_accuracy"] = [50.0]
    path.write_text(json.dumps(document))
    with pytest.raises(ResultsError, match="train_accuracy does not have one entry for each epoch"):
        Results.read(path)


def test_what_a_loss_has_sensed_is_kept_and_other_runs_say_nothing_of_it(tmp_path: Path) -> None:
    told, not_told = NoiseRate(0.38, 0.33, 0.43), NoiseRate(reason="no epoch has been read")
    runs = (make_run("a", 0, noise_rate=told), make_run("a", 1, noise_rate=not_told), make_run("b", 0))
    path, document = _written(tmp_path, runs=runs, baseline="a")
    assert document["runs"][0]["noise_rate"] == {"estimate": 0.38, "low": 0.33, "high": 0.43, "reason": ""}
    assert "noise_rate" not in document["runs"][2]
    assert [run.noise_rate for run in Results.read(path).runs] == [told, not_told, None]


@pytest.mark.parametrize(
    ("rate", "said"),
    [
        ({"estimate": 0.5, "low": 0.6, "high": 0.7, "reason": ""}, "expected 0 <= low <= estimate <= high"),
        ({"estimate": 1.5, "low": 0.6, "high": 1.7, "reason": ""}, "expected 0 <= low <= estimate <= high"),
        ({"estimate": 0.5, "low": None, "high": 0.7, "reason": ""}, "three numbers, or none and a reason"),
        ({"estimate": 0.5, "low": 0.4, "high": 0.7, "reason": "why"}, "three numbers, or none and a reason"),
        ({"estimate": None, "low": None, "high": None, "reason": ""}, "three numbers, or none and a reason"),
        ({"share": 0.5}, r"noise_rate.share is not a known entry"),
    ],
)
def test_a_noise_rate_that_cannot_be_is_refused(tmp_path: Path, rate: dict[str, Any], said: str) -> None:
    path, document = _written(tmp_path)
    document["runs"][0]["noise_rate"] = rate
    path.write_text(json.dumps(document))
    with pytest.raises(ResultsError, match=said):
        Results.read(path)


def test_a_file_from_before_three_seeds_were_needed_is_read(tmp_path: Path) -> None:
    runs = tuple(
        make_run(loss, seed, value)
        for loss, row in {"cross_entropy": (90.0, 91.0), "gce": (91.0, 92.0), "mae": (80.0, 82.5)}.items()
        for seed, value in enumerate(row)
    )
    path, document = _written(tmp_path, runs=runs)
    names = ("ci_low", "ci_high", "p_value", "p_holm")
    for row in document["summary"]:
        assert [row[name] for name in names] == [None] * 4
        assert [row["nll"][name] for name in names] == [None] * 4
    # As version 0.3.0 had it: equal differences certain, two seeds tested.
    document["summary"][0].update(ci_low=1.0, ci_high=1.0, p_value=0.0, p_holm=0.0)
    document["summary"][1].update(ci_low=-18.8, ci_high=0.3, p_value=0.05, p_holm=0.05)
    document["summary"][1]["nll"].update(ci_low=0.0, ci_high=0.0, p_value=1.0, p_holm=1.0)
    path.write_text(json.dumps(document))
    read = Results.read(path)
    assert [row.p_holm for row in read.summary] == [None, None], "what is shown is today's"
    document["summary"][1]["mean_difference"] += 1
    path.write_text(json.dumps(document))
    with pytest.raises(ResultsError, match=r"summary\[1\].mean_difference"):
        Results.read(path)


def test_a_changed_interval_is_refused_where_there_is_a_test(tmp_path: Path) -> None:
    path, document = _written(tmp_path)
    document["summary"][0]["ci_low"] = 0.5
    path.write_text(json.dumps(document))
    with pytest.raises(ResultsError, match=r"summary\[0\].ci_low is 0.5"):
        Results.read(path)


def test_an_empty_comparison_can_be_written(tmp_path: Path) -> None:
    path, document = _written(tmp_path, runs=(), complete=False)
    assert document["runs"] == document["summary"] == []
    assert Results.read(path).runs == ()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"test_accuracy": 100.5}, r"runs\[0\].test_accuracy is 100.5; expected in percent"),
        ({"test_accuracy": None}, r"runs\[0\].test_accuracy must not be null"),
        ({"test_ece": -0.1}, "test_ece is -0.1; expected 0 to 1"),
        ({"test_ece_scaled": 1.5}, "test_ece_scaled is 1.5; expected 0 to 1"),
        ({"temperature": 0.0}, "temperature is 0.0; expected above 0"),
        ({"lr": 0.0}, "lr is 0.0; expected above 0"),
        ({"best_epoch": 3}, "best_epoch is 3; expected 0 to 2"),
        ({"epochs": 1}, "history does not have one entry"),
        ({"seed": -1}, "seed is -1"),
        ({"label_noise": 1.0}, "label_noise is 1.0"),
        ({"test_nll": float("nan")}, "cannot be written as JSON"),
    ],
)
def test_a_bad_run_is_refused_in_a_file_and_never_written(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    path, document = _written(tmp_path, runs=(make_run(),))
    before = path.read_bytes()
    bad = dataclasses.replace(make_results(), runs=(make_run(**changes),))
    if changes.get("test_accuracy", 1) is not None:
        with pytest.raises(ResultsError, match=message):
            bad.write(path)
    assert path.read_bytes() == before
    document["runs"][0].update(changes)
    path.write_text(json.dumps(document))
    with pytest.raises(ResultsError, match="not valid JSON" if "nan" in str(changes) else message):
        Results.read(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": 2}, "has schema 2, this version of evoloss reads 1; a newer evoloss"),
        ({"schema": "1"}, "has schema '1'"),
        ({"schema": True}, "has schema True"),
        ({"runs": {}}, "runs is {}; expected a list"),
        ({"extra": 1}, "extra is not a known entry"),
        ({"baseline": "focal"}, "summary has 2 rows; 0 follow from the runs"),
        ({"complete": "yes"}, "complete is 'yes'; expected true or false"),
    ],
)
def test_a_changed_document_is_refused(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    path, document = _written(tmp_path)
    path.write_text(json.dumps({**document, **change}))
    with pytest.raises(ResultsError, match=message) as caught:
        Results.read(path)
    assert str(path) in str(caught.value)


def test_tables_that_do_not_follow_from_the_runs_are_refused(tmp_path: Path) -> None:
    path, document = _written(tmp_path)
    document["summary"][0]["mean_difference"] += 0.5
    path.write_text(json.dumps(document))
    with pytest.raises(ResultsError, match=r"summary\[0\].mean_difference is 1.5"):
        Results.read(path)
    path, document = _written(tmp_path)
    document["summary"][0]["nll"]["mean_difference"] += 0.5
    path.write_text(json.dumps(document))
    with pytest.raises(ResultsError, match=r"summary\[0\].nll is Contrast"):
        Results.read(path)


def test_a_tuning_run_with_a_test_value_is_refused(tmp_path: Path) -> None:
    path, document = _written(tmp_path, tuning=(make_tuning_run("gce", 0.1, 1_000_000, 80.0),))
    document["tuning"][0]["temperature"] = 1.0
    path.write_text(json.dumps(document))
    with pytest.raises(ResultsError, match=r"tuning\[0\].temperature must be null"):
        Results.read(path)


def test_the_same_run_twice_is_refused(tmp_path: Path) -> None:
    path, document = _written(tmp_path)
    document["runs"].append(document["runs"][0])
    path.write_text(json.dumps(document))
    with pytest.raises(ResultsError, match="same loss, learning rate and seed twice"):
        Results.read(path)


def test_files_that_are_not_results(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="does not exist; `evoloss compare"):
        Results.read(tmp_path / "nowhere")
    path = tmp_path / "results.json"
    for content, message in [
        (b"", "not valid JSON"),
        (b"\xff\xfe", "is UTF-16; save it as UTF-8"),
        (b"\x80abc", "is not UTF-8 text"),
        (b"[]", "no entry 'schema'"),
        (b"[" * 100_000, "not valid JSON"),
        (b'{"schema": 1}', "is missing"),
    ]:
        path.write_bytes(content)
        with pytest.raises(ResultsError, match=message):
            Results.read(path)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(ResultsError, match=r"results\.json cannot be read: Is a named pipe"):
        Results.read(path)


def test_a_byte_order_mark_is_nothing(tmp_path: Path) -> None:
    path, _ = _written(tmp_path)
    before = Results.read(path)
    path.write_text(path.read_text(), encoding="utf-8-sig")
    assert Results.read(path) == before


def _places(value: Any) -> list[tuple[Any, Any]]:
    """All (container, key) pairs of a JSON document."""
    items = list(value.items()) if isinstance(value, dict) else list(enumerate(value))
    found = [(value, key) for key, _ in items]
    for _, item in items:
        if isinstance(item, dict | list):
            found += _places(item)
    return found


def test_damage_is_an_error_of_ours_or_a_valid_file(tmp_path: Path) -> None:
    """Delete or replace one place at a time; whatever is accepted survives being written again."""
    path, document = _written(tmp_path, tuning=(make_tuning_run("gce", 0.1, 1_000_000, 80.0),))
    rng = random.Random(0)
    refused = 0
    for index in range(150):
        damaged = copy.deepcopy(document)
        container, key = rng.choice(_places(damaged))
        if index % 3 == 0:
            del container[key]
        else:
            container[key] = rng.choice([None, True, -1, 1e9, "x", [], {}, [None], 10**400])
        path.write_text(json.dumps(damaged))
        try:
            again = Results.read(path)
        except ResultsError:
            refused += 1
        else:
            again.write(path)
            assert Results.read(path) == again
    assert refused > 100


def test_truncated_files_are_refused(tmp_path: Path) -> None:
    path, _ = _written(tmp_path)
    whole = path.read_bytes().rstrip()
    for length in range(0, len(whole) - 1, 97):
        path.write_bytes(whole[:length])
        with pytest.raises(ResultsError):
            Results.read(path)
