"""Comparisons that leave files, from the data to the classifier that is loaded again."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from evoloss.cli import main
from evoloss.compare import CompareConfig, Results, compare, load_classifier
from evoloss.compare.keeping.command import command_of
from evoloss.data import load_dataset
from evoloss.errors import OutputError, ResultsError
from evoloss.executors import make_executor
from evoloss.executors.serial import SerialExecutor

FILES = {
    *("model.safetensors", "model.json", "predictions.csv", "evaluation.json"),
    *("suspects.csv", "suspects.json", "command.txt"),
}


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CompareConfig:
    monkeypatch.chdir(tmp_path)
    draw = np.random.default_rng(0)
    y = {name: draw.integers(0, 3, size) for name, size in (("train", 150), ("test", 40))}
    x = {
        f"x_{name}": (2 * np.eye(5)[labels] + draw.standard_normal((len(labels), 5))).astype(np.float32)
        for name, labels in y.items()
    }
    np.savez("own.npz", **x, **{f"y_{name}": np.array(["ape", "bee", "cat"])[v] for name, v in y.items()})
    return CompareConfig(
        dataset="own.npz",
        model="mlp",
        losses=("cross_entropy", "gce:q=0.5"),
        seeds=(3, 1),
        epochs=3,
        batch_size=16,
        accelerator="cpu",
        keep="first",
    )


def rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"), newline="")))


def test_the_first_seed_of_each_loss_leaves_its_files(config: CompareConfig, tmp_path: Path) -> None:
    results = compare(config, out=tmp_path / "out")
    assert [run.kept is not None for run in results.runs] == [True, True, False, False]
    assert Results.read(tmp_path / "out").runs == results.runs
    for run in results.runs[:2]:
        folder = tmp_path / "out" / str(run.kept)
        assert {path.name for path in folder.iterdir()} == FILES
        evaluation = json.loads((folder / "evaluation.json").read_text())
        assert evaluation["classes"] == ["ape", "bee", "cat"]
        assert evaluation["balanced_accuracy"] == pytest.approx(run.balanced_accuracy)
        assert evaluation["temperature"] == run.temperature
        predictions = rows(folder / "predictions.csv")
        right = [int(row["correct"]) for row in predictions]
        assert 100 * sum(right) / len(right) == pytest.approx(run.test_accuracy)
        data = load_dataset("own.npz")
        probs = load_classifier(folder)(data.test.inputs).softmax(1)
        cells = [[float(row[f"p_{name}"]) for name in data.class_names] for row in predictions]
        torch.testing.assert_close(probs.detach(), torch.tensor(cells), atol=1e-5, rtol=1e-4)
    described = json.loads((folder / "suspects.json").read_text())
    assert described["out_of_sample"] is False
    assert "average_precision" not in described, "nobody knows which labels of a file are wrong"
    assert "is_wrong" not in rows(folder / "suspects.csv")[0]


def test_files_do_not_change_the_results_and_are_not_written_again(
    config: CompareConfig, tmp_path: Path
) -> None:
    def timeless(results: Results) -> list[Any]:
        return [dataclasses.replace(run, train_seconds=0.0, kept=None) for run in results.runs]

    kept = compare(config, out=tmp_path / "out")
    folder = tmp_path / "out" / str(kept.runs[0].kept)
    assert timeless(compare(dataclasses.replace(config, keep="none"), out=tmp_path / "none")) == timeless(
        kept
    )
    assert not (tmp_path / "none" / "kept").exists()
    (folder / "command.txt").unlink()
    again = compare(dataclasses.replace(config, keep="all"), out=tmp_path / "out")
    assert again.runs == kept.runs, "nothing is done again, so nothing is written"
    assert not (folder / "command.txt").exists()


def test_pictures_of_before_are_removed_and_files_of_others_are_not(
    config: CompareConfig, tmp_path: Path
) -> None:
    config = dataclasses.replace(config, losses=("gce",), seeds=(0,), epochs=1)
    folder = tmp_path / "out/kept/gce/seed-0"
    folder.mkdir(parents=True)
    (folder / "predictions.csv").write_text("mine")
    with pytest.raises(OutputError, match=r"predictions\.csv was not written by evoloss"):
        compare(config, out=tmp_path / "out")
    (folder / "predictions.csv").unlink()
    (folder / "suspects").mkdir()
    for name in ("0001.png", "cat.png"):
        (folder / "suspects" / name).write_bytes(b"")
    compare(config, out=tmp_path / "out")
    assert [path.name for path in (folder / "suspects").iterdir()] == ["cat.png"]
    for path in (tmp_path / "out/runs").iterdir():
        path.unlink()
    (tmp_path / "out/results.json").unlink()
    assert compare(config, out=tmp_path / "out").runs[0].kept == "kept/gce/seed-0", "what is ours is replaced"


@pytest.mark.parametrize("executor", ["here", "serial", "processes"])
def test_wherever_a_run_takes_place(config: CompareConfig, tmp_path: Path, executor: str) -> None:
    config = dataclasses.replace(config, losses=("cross_entropy",), seeds=(0,), keep="all")
    if executor == "here":
        compare(config, out=tmp_path / "out")
    elif executor == "serial":
        with SerialExecutor() as serial:
            compare(config, out=tmp_path / "out", executor=serial)
    else:
        with make_executor("processes", workers=1, threads=1) as workers:
            compare(config, out=tmp_path / "out", executor=workers)
    assert {path.name for path in (tmp_path / "out/kept/cross_entropy/seed-0").iterdir()} == FILES


def test_added_noise_is_told_and_suspects_are_found_out_of_sample(
    config: CompareConfig, tmp_path: Path
) -> None:
    config = dataclasses.replace(
        config, losses=("cross_entropy",), seeds=(0,), label_noise=0.3, suspects_folds=3, epochs=8
    )
    (run,) = compare(config, out=tmp_path / "out").runs
    folder = tmp_path / "out" / str(run.kept)
    described = json.loads((folder / "suspects.json").read_text())
    assert (described["out_of_sample"], described["folds"]) == (True, 3)
    assert described["n_wrong"] == round(0.3 * run.n_train)
    assert described["average_precision"] > 0.6
    found = rows(folder / "suspects.csv")
    assert [int(row["rank"]) for row in found] == list(range(1, run.n_train + 1))
    scores = [float(row["score"]) for row in found]
    assert scores == sorted(scores, reverse=True)
    labels = np.load("own.npz")["y_train"]
    for row in found:
        assert labels[int(row["index"])] == row["label_before_noise"]
        assert (row["label"] != row["label_before_noise"]) == (row["is_wrong"] == "1")
        assert row["suggested"] != row["label"]


def test_labels_of_a_file_are_held_against_those_of_the_data(config: CompareConfig, tmp_path: Path) -> None:
    labels = np.load("own.npz")["y_train"]
    given = labels.copy()
    given[:40] = "bee"
    np.savez("given.npz", labels=given)
    config = dataclasses.replace(config, losses=("gce",), seeds=(0,), train_labels=Path("given.npz"))
    (run,) = compare(config, out=tmp_path / "out").runs
    for row in rows(tmp_path / "out" / str(run.kept) / "suspects.csv"):
        assert row["label"] == given[int(row["index"])]
        assert row["label_before_noise"] == labels[int(row["index"])]


def test_images_have_pictures_and_files_and_tables_their_cells(tmp_path: Path) -> None:
    for name, shade in (("dark", 40), ("light", 200)):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for i in range(20):
            photo = Image.new("RGB", (8, 8), (shade, shade, shade + i))
            photo.save(tmp_path / "photos" / name / f"{i}.png")
    lines = [f"{i % 7},{'red' if i % 2 else ''},{('no', 'yes')[i % 2]}" for i in range(60)]
    (tmp_path / "table.csv").write_text("size,colour,label\n" + "\n".join(lines) + "\n")
    shared: dict[str, Any] = {
        "losses": ("gce",),
        "seeds": (0,),
        "epochs": 1,
        "batch_size": 8,
        "keep": "first",
    }
    photos = CompareConfig(dataset=str(tmp_path / "photos"), model="cnn", **shared)
    (run,) = compare(photos, out=tmp_path / "images").runs
    folder = tmp_path / "images" / str(run.kept)
    found = rows(folder / "suspects.csv")
    for rank in range(1, 25):
        with Image.open(folder / f"suspects/{rank:04}.png") as picture:
            assert picture.size == (96, 96)
            shown = picture.getpixel((0, 0))
        with Image.open(tmp_path / "photos" / found[rank - 1]["file"]) as photo:
            assert photo.getpixel((0, 0)) == shown, "the picture is that of the file"
        assert found[rank - 1]["file"].split("/")[0] == found[rank - 1]["label"]
    table = CompareConfig(dataset=str(tmp_path / "table.csv"), target="label", model="mlp", **shared)
    (run,) = compare(table, out=tmp_path / "rows").runs
    for row in rows(tmp_path / "rows" / str(run.kept) / "suspects.csv"):
        size, colour, label = lines[int(row["row"]) - 1].split(",")
        assert (row["feature_size"], row["feature_colour"], row["label"]) == (size, colour, label)
    assert not list((tmp_path / "rows").rglob("*.png"))


def test_the_command_makes_the_run_again(
    config: CompareConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = dataclasses.replace(
        config,
        clip_grad=None,
        nesterov=False,
        label_noise=0.2,
        tune_lr=True,
        lr_grid=(0.02, 0.1),
        tune_seeds=1,
    )
    first = compare(config, out=tmp_path / "out").runs[1]
    command = (tmp_path / "out" / str(first.kept) / "command.txt").read_text().strip()
    assert command == command_of(config, loss="gce:q=0.5", seed=3, lr=first.lr)
    program, *words = shlex.split(command)
    assert program == "evoloss"
    assert main([*words, "--quiet"]) == 0
    printed = capsys.readouterr().out
    (again,) = Results.read(tmp_path / "again").runs
    assert dataclasses.replace(again, train_seconds=first.train_seconds) == first
    worst = rows(tmp_path / "again" / str(first.kept) / "suspects.csv")[0]
    assert f"\n  again/{first.kept}\n    most suspect: {worst['where']} ({worst['label']}); " in printed
    assert "\n    average precision of the suspects: 0." in printed
    assert "next: evoloss report again" in printed


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("model.json", None, "does not exist; `evoloss compare --keep first`"),
        ("model.safetensors", None, "does not exist"),
        ("model.json", b"{}", "describes no model"),
        ("model.json", b"\xff", "describes no model"),
        ("model.safetensors", b"no", "does not hold the weights of its model"),
    ],
)
def test_a_damaged_classifier_is_told(
    config: CompareConfig, tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    config = dataclasses.replace(config, losses=("gce",), seeds=(0,), epochs=1)
    (run,) = compare(config, out=tmp_path / "out").runs
    path = tmp_path / "out" / str(run.kept) / name
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ResultsError, match=message):
        load_classifier(path.parent)
