"""The shipped losses: each loads, has its card and the configuration that made it, and is packaged."""

from __future__ import annotations

import shutil
import tomllib
import zipfile
from fnmatch import fnmatch
from importlib import util
from pathlib import Path

import pytest
import torch

from evoloss.errors import UnknownNameError
from evoloss.losses.artefact.format import read_artefact
from evoloss.losses.evolved import EvolvedLoss
from evoloss.pretraining import PretrainConfig, held_out_pairs, score_all
from evoloss.pretraining.evaluation.held_out import dominance_consistency
from evoloss.zoo import SHIPPED, shipped_path

FILES = {"loss.safetensors", "config.json", "README.md", "pretrain.toml"}
ROOT = Path(__file__).parents[2]
every_shipped = pytest.mark.parametrize("name", SHIPPED)


def test_evolved_base_is_shipped():
    assert "evolved-base" in SHIPPED


def test_every_folder_of_the_zoo_is_listed_and_described():
    zoo = shipped_path("evolved-base").parent
    folders = {path.name for path in zoo.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert folders == set(SHIPPED)
    assert all(line.strip() for line in SHIPPED.values())


@every_shipped
def test_shipped_loss_is_complete_and_small(name: str):
    folder = shipped_path(name)
    assert {path.name for path in folder.iterdir()} == FILES
    assert sum(file.stat().st_size for file in folder.iterdir()) < 100_000


@every_shipped
@pytest.mark.parametrize("n_classes", [2, 10, 100, 1000])
def test_shipped_loss_loads_and_pulls_as_cross_entropy_at_uniform(name: str, n_classes: int):
    loss = EvolvedLoss.from_pretrained(name)
    logits = torch.zeros(1, n_classes, dtype=torch.float64, requires_grad=True)
    loss(logits, torch.tensor([1])).backward()
    assert logits.grad is not None
    assert logits.grad[0, 1].item() == pytest.approx(-(1 - 1 / n_classes), rel=1e-5)


@every_shipped
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_shipped_loss_is_finite_for_extreme_logits(name: str, dtype: torch.dtype):
    loss = EvolvedLoss.from_pretrained(name, reduction="none")
    logits = torch.full((10, 10), -1e4).fill_diagonal_(1e4).to(dtype).requires_grad_()
    value = loss(logits, torch.zeros(10, dtype=torch.long))
    value.sum().backward()
    assert value.isfinite().all()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


@every_shipped
def test_card_shows_the_scores_that_the_loss_has(name: str):
    folder = shipped_path(name)
    artefact = read_artefact(folder)
    card = (folder / "README.md").read_text(encoding="utf-8")
    scores = artefact.record["scores"]
    assert scores
    for n_classes, row in scores.items():
        assert f"| {n_classes} | {row['consistency']:.5f} | {row['kendall_tau']:.5f} |" in card
    counts = [int(n_classes) for n_classes in scores]
    config = PretrainConfig.from_toml(folder / "pretrain.toml")
    held_out = held_out_pairs(counts, config.eval_pairs, config.pairs_mixture)
    measured = score_all(artefact.network, artefact.params, held_out)
    assert measured is not None
    for n_classes, row in measured.items():
        assert row.consistency == pytest.approx(scores[str(n_classes)]["consistency"], abs=1e-3)
    if config.error == "dominance":
        found = dominance_consistency(artefact.network, artefact.params, held_out)
        assert found == {int(n): pytest.approx(row["dominance"], abs=1e-3) for n, row in scores.items()}
    else:
        found = {count: row.consistency for count, row in measured.items()}
    assert min(found.values()) >= config.ranking_floor  # under the error that it was evolved with


@every_shipped
def test_the_configuration_beside_it_is_the_one_in_its_record(name: str):
    config = PretrainConfig.from_toml(shipped_path(name) / "pretrain.toml")
    # Settings that came later than the artefact have their defaults.
    assert PretrainConfig.from_dict(read_artefact(shipped_path(name)).record["pretraining"]) == config


def test_unknown_name_is_refused_with_the_nearest():
    with pytest.raises(UnknownNameError, match="Did you mean 'evolved-base'"):
        shipped_path("evolved-bas")


@every_shipped
def test_every_file_matches_the_patterns_of_the_package(name: str):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = project["tool"]["setuptools"]["package-data"]["evoloss.zoo"]
    for file in FILES:
        assert any(fnmatch(f"{name}/{file}", pattern) for pattern in patterns), file


@pytest.mark.slow
@pytest.mark.skipif(util.find_spec("build") is None, reason="the package 'build' is not installed")
def test_the_wheel_holds_the_shipped_losses(tmp_path: Path):
    from build import ProjectBuilder

    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("*.egg-info"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    wheel = ProjectBuilder(tmp_path).build("wheel", tmp_path / "dist")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {f"evoloss/zoo/{name}/{file}" for name in SHIPPED for file in FILES} <= names
    assert "evoloss/py.typed" in names


@pytest.mark.slow
@pytest.mark.parametrize(("name", "least"), [("evolved-noise", 0.2), ("evolved-noise-strong", 0.1)])
def test_a_class_that_is_not_learned_is_not_given_up(name: str, least: float):
    """Its labels are pulled, though all others are learned; a label of theirs that is contradicted is not."""
    target = torch.arange(60) % 10
    probs = torch.full((60, 10), 0.003)
    probs[torch.arange(60), target] = 0.973
    for row in (*torch.where(target == 0)[0].tolist(), 1):  # class 0, and one sample of class 1
        probs[row, :] = 0.003
        probs[row, target[row]], probs[row, 5] = 0.01, 0.966
    pulls = []
    for criterion in (
        EvolvedLoss.from_pretrained(name, reduction="sum"),
        torch.nn.CrossEntropyLoss(reduction="sum"),
    ):
        logits = probs.log().requires_grad_()
        criterion(logits, target).backward()
        assert logits.grad is not None
        pulls.append(logits.grad[torch.arange(60), target])
    share = pulls[0] / pulls[1]
    assert (share[target == 0] > least).all()
    assert share[1] < 0.05
