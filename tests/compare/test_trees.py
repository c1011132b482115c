"""``evoloss compare`` with boosted trees, from a CSV with words, gaps and wrong labels to its files."""

from __future__ import annotations

import csv
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from evoloss.cli import main
from evoloss.compare import CompareConfig, Results, compare, load_classifier
from evoloss.compare.cautions import cautions
from evoloss.data import load_dataset
from evoloss.errors import ConfigError, ResultsError
from evoloss.executors import make_executor
from evoloss.report.html.again import needs_paths
from evoloss.report.tables import caption
from tests.data.tables.tables import write

every_library = pytest.mark.parametrize("library", ["xgboost", "lightgbm"])
HESSIANS = ("abs", "softmax", "exact")
FILES = {"xgboost": "model.ubj", "lightgbm": "model.txt"}


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """150 flowers: numbers with gaps, words, and a fifth of the labels wrong."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    rng = np.random.default_rng(0)
    kind = rng.integers(0, 3, 150)
    given = np.where(rng.random(150) < 0.2, (kind + 1) % 3, kind)
    gap = rng.random(150) < 0.1
    lengths = [f"{value:.3f}" for value in 4 * kind + rng.normal(size=150)]
    return write(
        tmp_path / "flowers.csv",
        {
            "length": ["" if lacks else value for lacks, value in zip(gap, lengths, strict=True)],
            "width": [f"{value:.3f}" for value in rng.normal(size=150) - 2 * kind],
            "site": [("north", "south", "")[place] for place in rng.integers(0, 3, 150)],
            "species": [("setosa", "versicolor", "virginica")[place] for place in given],
        },
    )


def config(library: str, **settings: Any) -> CompareConfig:
    given = {"losses": ("cross_entropy", "evolved-noise"), "seeds": (0, 1), "rounds": 12, "lr": 0.3}
    shared = {"dataset": "flowers.csv", "target": "species", "early_stopping": 4}
    return CompareConfig(**{**shared, **given, "model": library, **settings})


@every_library
def test_a_table_from_the_command_line(library: str, table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip(library)
    words = ["--dataset", str(table), "--target", "species", "--model", library, "--rounds", "12"]
    words += ["--losses", "cross_entropy", "adaptive", "--seeds", "0", "1", "2", "--lr", "0.3", "--quiet"]
    assert main(["compare", "--out", "out", *words, "--dry-run"]) == 0
    planned = capsys.readouterr().out
    assert "9 reported runs; 0 of them are done" in planned
    assert f"a round here and now: {library} " in planned
    assert not Path("out").exists()
    assert main(["compare", "--out", "out", *words]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert f"{library} is the objective of the library itself" in printed
    assert "leaves), at most 12 rounds" in printed
    assert f"Difference: paired with {library}." in printed
    assert "over seeds, best validation round." in printed
    assert "Wrong training labels by adaptive: cannot tell: trees change their predictions between" in printed
    assert "epoch" not in printed
    assert FILES[library] in printed
    results = Results.read(Path("out"))
    assert results.baseline == library
    assert [run.loss for run in results.runs[:3]] == [library, "cross_entropy", "adaptive"]
    assert all((run.test_accuracy or 0) > 45 for run in results.runs)
    assert results.created_with[library][0].isdigit()
    assert len({run.test_nll for run in results.runs if run.loss == library}) == 3  # seeds are trainings
    before = {path.name: path.stat().st_mtime_ns for path in Path("out/runs").iterdir()}
    assert main(["compare", "--out", "out", *words]) == 0
    assert {path.name: path.stat().st_mtime_ns for path in Path("out/runs").iterdir()} == before
    assert main(["report", "out", "--html", "page.html"]) == 0
    page = Path("page.html").read_text(encoding="utf-8")
    assert "at most 12 rounds, until 50 bring no better validation accuracy" in page
    assert '"unit"' in page
    assert "the library's own objective is cross-entropy" in page
    shown = re.sub(r"<(script|style).*?</\1>", "", page, flags=re.DOTALL)
    assert "Test split, best validation round; mean" in shown
    assert not re.search(r"epoch|batch_size|momentum|Augmentation|nine of ten synthetic", shown)
    assert main(["report", "out"]) == 0
    table_of_all = Path("out/table.md").read_text(encoding="utf-8")
    assert "| at best round, % |" in table_of_all
    assert "epoch" not in table_of_all
    assert not needs_paths(replace(results, config={**results.config, "own_data": False}))


@every_library
def test_what_a_run_leaves_is_read_back(library: str, table: Path) -> None:
    pytest.importorskip(library)
    results = compare(config(library, keep="first", suspects_folds=2, label_noise=0.2), out=Path("out"))
    data = load_dataset(str(table), target="species")
    for run in results.runs[:3]:
        folder = Path("out") / str(run.kept)
        names = {path.name for path in folder.iterdir()}
        assert names == {
            *(FILES[library], "model.json", "predictions.csv", "evaluation.json"),
            *("suspects.csv", "suspects.json", "command.txt"),
        }
        with (folder / "predictions.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        assert 100 * np.mean([int(row["correct"]) for row in rows]) == pytest.approx(run.test_accuracy)
        classifier = load_classifier(folder)
        assert classifier.class_names == ("setosa", "versicolor", "virginica")
        probs = classifier(data.test.inputs).softmax(dim=1)
        cells = [[float(row[f"p_{name}"]) for name in data.class_names] for row in rows]
        torch.testing.assert_close(probs, torch.tensor(cells), atol=1e-5, rtol=1e-4)
        evaluation = json.loads((folder / "evaluation.json").read_text())
        assert sum(map(sum, evaluation["confusion"])) == len(rows) == 30
        assert len(evaluation["recall"]) == 3
        suspects = json.loads((folder / "suspects.json").read_text())
        assert suspects["out_of_sample"] is True
        assert suspects["average_precision"] > 0.3  # at random it is about 0.2
        command = (folder / "command.txt").read_text()
        assert f"--model {library}" in command
        assert "--rounds 12" in command
    (folder / FILES[library]).write_bytes(b"trees")
    with pytest.raises(ResultsError, match=f"{library} cannot read its trees.*was it changed"):
        load_classifier(folder)
    (folder / FILES[library]).unlink()
    with pytest.raises(ResultsError, match="does not exist"):
        load_classifier(folder)


def test_several_tables_in_one_call(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("xgboost")
    shutil.copy(table, "other.csv")
    words = ["--dataset", "flowers.csv:rounds=2", "other.csv:rounds=3", "--target", "species", "--quiet"]
    words += ["--model", "xgboost", "--losses", "gce", "--seeds", "0"]
    assert main(["compare", "--out", "out", *words]) == 0
    assert "xgboost" in capsys.readouterr().out
    found = {name: Results.read(Path("out") / name) for name in ("flowers", "other")}
    assert [run.epochs for results in found.values() for run in results.runs] == [2, 2, 3, 3]
    assert main(["report", "out", "--html", "page.html"]) == 0
    other = ["--dataset", "flowers.csv", "other.csv:model=xgboost", "--target", "species", "--model", "mlp"]
    assert main(["compare", "--out", "more", *other, "--losses", "gce"]) != 0
    assert "losses differ: xgboost, gce on 'other.csv', gce on 'flowers.csv'" in capsys.readouterr().err


@every_library
def test_the_second_derivative_is_a_setting(library: str, table: Path) -> None:
    pytest.importorskip(library)
    shared = {"losses": ("cross_entropy",), "seeds": (0,), "keep": "first"}
    found = {name: compare(config(library, hessian=name, **shared), out=Path(name)) for name in HESSIANS}
    tables = {name: {run.loss: run for run in results.runs} for name, results in found.items()}
    assert {name: runs["cross_entropy"].hessian for name, runs in tables.items()} == {
        name: name for name in HESSIANS
    }
    assert len({runs["cross_entropy"].test_nll for runs in tables.values()}) == len(HESSIANS)
    assert len({runs[library].test_nll for runs in tables.values()}) == 1  # which has its own
    assert Results.read(Path("exact")).runs == found["exact"].runs
    assert "learning rate 0.3, hessian: exact; 1 seed." in caption(found["exact"])
    assert "--hessian exact" in (Path("exact/kept/cross_entropy/seed-0/command.txt")).read_text()
    keys = [{path.name for path in Path(name, "runs").iterdir()} for name in HESSIANS]
    assert not keys[0] & keys[1], "a run with another one is another run"
    with pytest.raises(ResultsError, match="holds another comparison: hessian differ"):
        compare(config(library, hessian="softmax", **shared), out=Path("exact"))


def test_results_from_before_it_was_a_setting_are_read_and_found(table: Path) -> None:
    pytest.importorskip("xgboost")
    compare(config("xgboost", seeds=(0,)), out=Path("out"))
    document = json.loads(Path("out/results.json").read_text())
    assert document["config"].pop("hessian") == "abs"
    assert {run.pop("hessian") for run in document["runs"]} == {"abs"}
    Path("out/results.json").write_text(json.dumps(document))
    before = {path: path.read_bytes() for path in Path("out/runs").iterdir()}
    assert b"hessian" not in b"".join(
        json.dumps(json.loads(text)["config"]).encode() for text in before.values()
    )
    shutil.rmtree("out/runs")
    earlier = Results.read(Path("out"))
    assert compare(config("xgboost", seeds=(0,)), out=Path("out")).runs == earlier.runs  # seconds too
    assert {path for path in Path("out/runs").iterdir()} == before.keys()


@pytest.mark.slow
def test_rates_are_tuned_and_workers_train_the_same(table: Path) -> None:
    pytest.importorskip("xgboost")
    tuned = config("xgboost:max_depth=3", tune_lr=True, lr_grid=(0.05, 0.3), tune_seeds=1)
    here = compare(tuned, out=Path("here"))
    assert {run.lr for run in here.tuning} == {0.05, 0.3}
    assert {run.loss for run in here.tuning} == {"xgboost", "cross_entropy", "evolved-noise"}
    with make_executor("processes", workers=1, threads=1) as workers:
        there = compare(tuned, out=Path("there"), executor=workers)
    values = [[(run.loss, run.seed, run.lr, run.test_nll) for run in one.runs] for one in (here, there)]
    assert values[0] == values[1]


def test_the_own_objective_comes_first_and_is_the_baseline() -> None:
    made = config("xgboost:max_depth=2", losses=("gce", "cross_entropy"))
    assert (made.losses, made.baseline_label) == (("xgboost", "gce", "cross_entropy"), "xgboost")
    assert config("xgboost", baseline="cross_entropy").baseline_label == "cross_entropy"
    assert config("lightgbm", losses=("gce", "lightgbm")).losses == ("gce", "lightgbm")
    train = made.train_config(seed=3, lr=0.1)
    assert (train.epochs, train.early_stopping) == (12, 4)
    assert config("xgboost", early_stopping=None).train_config(seed=0, lr=1.0).early_stopping == 50


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"model": "xgboost", "epochs": 40}, "epochs=40 is a setting of networks.*they have rounds"),
        ({"model": "xgboost", "momentum": 0.0}, "momentum=0.0 is a setting of networks, and xgboost grows"),
        ({"model": "mlp", "rounds": 40}, "rounds=40 is a setting of trees; mlp has epochs"),
        (
            {"model": "mlp", "hessian": "exact"},
            "hessian='exact' is a setting of trees; mlp has no hessian: l",
        ),
        ({"model": "xgboost", "hessian": "abs2"}, "hessian must be one of abs, softmax, exact; got 'abs2'"),
        ({"model": "xgboost", "rounds": 0}, "rounds must be a whole number, at least 1; got 0"),
        (
            {"model": "mlp", "losses": ("xgboost",)},
            "'xgboost' is the objective of --model xgboost, no other's",
        ),
        ({"model": "xgboost", "losses": ("lightgbm",)}, "'lightgbm' is the objective of --model lightgbm"),
        ({"model": "xgboost", "devices": 2, "batch_size": 64}, "devices=2 is a setting of networks"),
    ],
)
def test_settings_that_do_not_fit_are_said(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        CompareConfig(**settings)


def test_a_loss_that_is_none_for_trees_is_said_before_any_run(table: Path) -> None:
    pytest.importorskip("xgboost")
    with pytest.raises(ConfigError, match="loss dal with xgboost: dal asks how long a training will be"):
        compare(config("xgboost", losses=("dal",)), out=Path("out"))
    assert not Path("out/runs").exists()


def test_seeds_that_decide_nothing_are_told(table: Path) -> None:
    data = load_dataset(str(table), target="species")
    (told,) = cautions(config("xgboost:subsample=1"), data)
    assert "all seeds are one training" in told
    assert (
        cautions(config("xgboost"), data) == cautions(config("xgboost:subsample=1", seeds=(0,)), data) == []
    )


def test_networks_are_told_of_as_before() -> None:
    shared = {"dataset": "digits", "train_samples": 50, "losses": ("gce",), "seeds": (0,)}
    found = caption(compare(CompareConfig(**shared, model="mlp", epochs=1)))  # type: ignore[arg-type]
    assert "parameters), 1 epoch," in found
    assert "last epoch and best validation epoch." in found
    stopped = compare(CompareConfig(**shared, model="mlp", epochs=3, early_stopping=1))  # type: ignore[arg-type]
    told = caption(stopped)
    assert "parameters), at most 3 epochs," in told
    assert "over seeds, best validation epoch." in told
    assert "last epoch" not in told
