"""What is shipped is what the recipes give. The slow tests of the history run a part of the search again."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from evoloss import EvolvedLoss
from evoloss.errors import ConfigError, UnknownNameError
from evoloss.losses.artefact.format import read_artefact
from evoloss.pretraining import PretrainConfig
from evoloss.pretraining.result import CONFIG_FILE
from evoloss.zoo import SHIPPED, shipped_path
from recipes import build
from recipes.build import RECIPES, Build, main, settings, write_loss

every_shipped = pytest.mark.parametrize("name", SHIPPED)


def test_every_shipped_loss_has_a_recipe_and_every_recipe_a_loss() -> None:
    assert {path.parent.name for path in RECIPES.glob("*/config.toml")} == set(SHIPPED)


@every_shipped
def test_a_recipe_holds_all_about_its_loss(name: str) -> None:
    files = {path.name for path in (RECIPES / name).iterdir()}
    assert {"config.toml", "notes.md", "history.jsonl", "summary.json"} <= files
    others = files - {"config.toml", "notes.md", "history.jsonl", "summary.json"}
    assert all(file.startswith("priors-") and file.endswith(".json") for file in others), "decisions only"


@every_shipped
def test_the_decisions_were_made_between_losses(name: str) -> None:
    for path in (RECIPES / name).glob("priors-*.json"):
        record = json.loads(path.read_text(encoding="utf-8"))
        for kinds in record.values():
            tables = [kinds[kind]["difference"] for kind in ("short", "long") if kind in kinds]
            assert tables
            assert all(len(table) > 2 and table["cross_entropy"]["mean"] == 0 for table in tables)


TABLE_ERRORS = re.compile(rb"^\| 10+ \| (\d\.\de-\d\d) \| (\d\.\de-\d\d) \|$", re.MULTILINE)


@every_shipped
def test_the_files_of_the_package_are_what_the_recipe_gives(name: str, tmp_path: Path) -> None:
    """Byte for byte, but for the version, settings that came later, and the rounding of tables."""
    shipped = shipped_path(name)
    write_loss(name, EvolvedLoss.from_pretrained(name), settings(name), tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in shipped.iterdir()}
    version = json.loads((shipped / "config.json").read_text(encoding="utf-8"))["evoloss_version"]
    now = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))["evoloss_version"]
    assert PretrainConfig.from_toml(tmp_path / CONFIG_FILE) == PretrainConfig.from_toml(shipped / CONFIG_FILE)
    for path in shipped.iterdir():
        if path.name == CONFIG_FILE:
            continue
        there = path.read_bytes()
        made = (tmp_path / path.name).read_bytes().replace(now.encode(), version.encode())
        errors = [
            [float(cell) for row in TABLE_ERRORS.findall(text) for cell in row] for text in (made, there)
        ]
        assert errors[0] == pytest.approx(errors[1], rel=0.5)
        message = f"{path.name}: run python -m recipes.build {name} --card"
        assert TABLE_ERRORS.sub(b"", made) == TABLE_ERRORS.sub(b"", there), message


@every_shipped
def test_the_shipped_loss_is_the_one_of_the_search_that_the_recipe_records(name: str) -> None:
    record = read_artefact(shipped_path(name)).record
    summary = json.loads((RECIPES / name / "summary.json").read_text(encoding="utf-8"))
    assert PretrainConfig.from_dict(record["pretraining"]) == settings(name)
    assert record["scores"] == summary["scores"]
    assert record["learnability"] == summary["learnability"]
    assert record["notes"] == (RECIPES / name / "notes.md").read_text(encoding="utf-8")


def test_a_recipe_is_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    """A small search in the place of evolved-base's, all of it in folders of the test."""
    recipes, zoo = tmp_path / "recipes", tmp_path / "zoo"
    small = replace(settings("evolved-base"), fitness="ranking", generations=3, popsize=16, classes=(3,))
    (recipes / "evolved-base").mkdir(parents=True)
    (recipes / "evolved-base/config.toml").write_text(small.to_toml())
    (recipes / "evolved-base/notes.md").write_text("Of a test.\n")
    monkeypatch.setattr(build, "RECIPES", recipes)
    monkeypatch.setattr(build, "shipped_path", lambda name: zoo / name)
    threads = torch.get_num_threads()
    try:
        main(Build(name="evolved-base"))
        built = EvolvedLoss.from_pretrained(zoo / "evolved-base")
        assert PretrainConfig.from_toml(zoo / "evolved-base/pretrain.toml") == small
        assert (built.record["title"], built.record["notes"]) == ("evolved-base", "Of a test.\n")
        assert len((recipes / "evolved-base/history.jsonl").read_text().splitlines()) == 3
        summary = json.loads((recipes / "evolved-base/summary.json").read_text())
        assert summary["scores"] == built.record["scores"]

        before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
        main(Build(name="evolved-base", out=tmp_path / "elsewhere"))
        assert {path: path.read_bytes() for path in before} == before
        assert (tmp_path / "elsewhere/loss.safetensors").read_bytes() == (
            zoo / "evolved-base/loss.safetensors"
        ).read_bytes()
        assert (tmp_path / "elsewhere/summary.json").exists()
    finally:
        torch.set_num_threads(threads)
    assert "written to" in capsys.readouterr().out


def test_a_card_is_written_without_a_search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "evolve", lambda *_, **__: pytest.fail("a search was run"))
    main(Build(name="evolved-small", card=True, out=tmp_path))
    assert "For few samples per class." in (tmp_path / "README.md").read_text(encoding="utf-8")
    assert not (tmp_path / "history.jsonl").exists()


def test_unknown_names_and_settings_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'evolved-base'"):
        main(Build(name="evolved-bas", out=tmp_path / "out"))
    assert not (tmp_path / "out").exists()
    with pytest.raises(ConfigError, match="--card runs no search"):
        Build(name="evolved-base", card=True, work=tmp_path)
