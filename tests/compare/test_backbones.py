from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from evoloss.compare import CompareConfig, compare, load_classifier
from evoloss.compare.keeping.command import command_of
from evoloss.data import load_dataset
from evoloss.errors import ConfigError
from evoloss.executors import ExecutorConfig
from tests.models.backbones.tiny_vit import save_vit

pytest.importorskip("transformers", reason="the extra transformers is not installed")

QUICK: dict[str, Any] = {
    "losses": ("cross_entropy", "gce"),
    "seeds": (0,),
    "epochs": 1,
    "train_samples": 100,
    "accelerator": "cpu",
}


def runs_in(out: Path) -> set[str]:
    return {path.name for path in (out / "runs").glob("*.json")}


def test_from_a_folder_to_results_and_a_classifier(tmp_path: Path) -> None:
    vit = save_vit(tmp_path / "vit", channels=1)
    config = CompareConfig(
        model=f"transformers:{vit}", backbone="frozen", pretrained=True, keep="first", **QUICK
    )
    results = compare(config, out=tmp_path / "out")
    document = json.loads((tmp_path / "out" / "results.json").read_text())
    for run in document["runs"]:
        assert (run["model"], run["backbone"], run["pretrained"]) == (f"transformers:{vit}", "frozen", True)
        assert len(run["model_fingerprint"]) == 16
    run = results.runs[0]
    assert run.kept is not None
    logits = load_classifier(tmp_path / "out" / run.kept)(load_dataset("digits").test.inputs)
    right = logits.argmax(dim=1) == load_dataset("digits").test.labels
    assert 100 * float(right.double().mean()) == pytest.approx(run.test_accuracy)

    before = runs_in(tmp_path / "out")
    compare(config, out=tmp_path / "out")
    assert runs_in(tmp_path / "out") == before, "they were found"


def test_other_files_in_the_folder_are_another_comparison(tmp_path: Path) -> None:
    vit = save_vit(tmp_path / "vit", channels=1)
    found = []
    for _ in range(2):
        config = CompareConfig(model=f"transformers:{vit}", **QUICK)
        found.append(compare(config, out=tmp_path / "out").runs[0])
        description = json.loads((vit / "config.json").read_text())
        (vit / "config.json").write_text(json.dumps(description | {"intermediate_size": 48}))
    assert found[0].model_fingerprint != found[1].model_fingerprint
    assert found[0].n_parameters < found[1].n_parameters
    assert len(runs_in(tmp_path / "out")) == 4


def test_workers_build_the_same(tmp_path: Path) -> None:
    config = CompareConfig(model=f"transformers:{save_vit(tmp_path / 'vit', channels=1)}", **QUICK)
    here = compare(config)
    with ExecutorConfig(executor="processes", workers=1).make(1) as executor:
        there = compare(config, executor=executor)
    assert [run.test_nll for run in there.runs] == [run.test_nll for run in here.runs]


def test_runs_of_other_models_keep_their_names(tmp_path: Path) -> None:
    # the names given before there were such models: nothing new is in a run.
    compare(CompareConfig(model="mlp", **QUICK), out=tmp_path)
    for path in (tmp_path / "runs").glob("*.json"):
        config = json.loads(path.read_text())["config"]
        assert not {"backbone", "pretrained"} & config["train"].keys()
        assert not {"model_fingerprint", "ignore_columns"} & {*config, *config["dataset"]}


def test_a_frozen_body_of_random_weights_is_told(tmp_path: Path) -> None:
    said: list[str] = []
    config = CompareConfig(
        model=f"transformers:{save_vit(tmp_path / 'vit', channels=1)}", backbone="frozen", **QUICK
    )
    compare(config, warn=said.append)
    assert any("frozen at random weights" in text for text in said)


def test_what_cannot_work_fails_before_any_run(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nothing is fetched without --download"):
        compare(CompareConfig(model="transformers:nobody/nothing-here", **QUICK), out=tmp_path)
    assert not runs_in(tmp_path)


def test_the_command_has_the_columns_and_the_backbone() -> None:
    config = CompareConfig(
        dataset="t.csv",
        target="y",
        ignore_columns=("a", "b c"),
        model="timm:resnet18",
        backbone="frozen",
        pretrained=True,
    )
    command = command_of(config, loss="cross_entropy", seed=0, lr=0.05)
    assert "--ignore-columns a 'b c'" in command
    assert "--backbone frozen --pretrained" in command
