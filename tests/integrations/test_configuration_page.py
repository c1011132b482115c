"""Blocks of docs/how-to/configuration.md run, each section where its tool is installed."""

from __future__ import annotations

import logging
import re
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

from evoloss import list_losses, make_loss
from tests.documentation.pages import ROOT

PAGE = ROOT / "docs/how-to/configuration.md"
TOOLS = {
    "Optuna": ("optuna",),
    "Hydra": ("hydra",),
    "jsonargparse": ("jsonargparse",),
    "LightningCLI": ("jsonargparse", "lightning"),
}


def sections(language: str) -> dict[str, list[str]]:
    """The blocks of each section in a language."""
    found = {}
    for part in PAGE.read_text(encoding="utf-8").split("\n## ")[1:]:
        blocks = re.findall(rf"^```{language}\n(.*?)^```$", part, re.M | re.S)
        found[part.partition("\n")[0]] = blocks
    return found


def run(section: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Run a section in an empty folder, and return what its code left."""
    for module in TOOLS[section]:
        pytest.importorskip(module)
    monkeypatch.chdir(folder)
    for text in sections("yaml")[section]:
        path = Path(text.partition("\n")[0].removeprefix("# "))
        path.parent.mkdir(parents=True)
        path.write_text(text)
    # A module of a file, as a program is: LightningCLI looks at the source of what it is given.
    (folder / "page.py").write_text("\n".join(sections("python")[section]), encoding="utf-8")
    spec = spec_from_file_location("page", folder / "page.py")
    assert spec is not None
    assert spec.loader is not None
    page = module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "page", page)
    spec.loader.exec_module(page)
    return vars(page)


def test_every_section_is_run() -> None:
    assert {name for name, blocks in sections("python").items() if blocks} == set(TOOLS)


@pytest.mark.filterwarnings("ignore")
def test_optuna(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scope = run("Optuna", tmp_path, monkeypatch)
    import optuna

    study = scope["study"]
    assert len(study.trials) == 5
    assert study.best_value > 20, "better than chance"
    for trial in study.trials:
        own = [name for name in trial.params if "." in name]
        assert all(name.startswith(f"{trial.params['loss']}.") for name in own)
    for loss in list_losses():
        distributions = {
            p.name: optuna.distributions.FloatDistribution(*p.search, log=p.scale == "log")
            for p in loss.parameters
        }
        for ends in zip(*((one.low, one.high) for one in distributions.values()), strict=True):
            make_loss(loss.name, **dict(zip(distributions, ends, strict=True)))


@pytest.mark.filterwarnings("ignore")
def test_hydra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scope = run("Hydra", tmp_path, monkeypatch)
    from hydra.errors import InstantiationException
    from hydra.utils import instantiate
    from omegaconf import OmegaConf

    assert repr(instantiate(scope["config"].loss)) == repr(make_loss("gce", q=0.5))
    assert repr(instantiate(scope["other"].loss)) == repr(make_loss("sce", alpha=1.0))
    assert repr(instantiate(scope["short"].loss)) == repr(make_loss("sce", alpha=1.0))
    (weight,) = re.findall(r"`(weight: \{_target_.*\})`", PAGE.read_text(encoding="utf-8"))
    OmegaConf.set_struct(scope["config"], False)
    scope["config"].loss.weight = OmegaConf.create(weight).weight
    assert instantiate(scope["config"].loss).weight.tolist() == [1, 2, 4]
    scope["config"].loss.q = 2.0
    with pytest.raises(InstantiationException, match="q must be a number above 0 and at most 1, got 2"):
        instantiate(scope["config"].loss)


@pytest.mark.filterwarnings("ignore")
def test_jsonargparse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scope = run("jsonargparse", tmp_path, monkeypatch)
    assert scope["made"].loss == "gce:q=0.5"
    assert repr(scope["made"].criterion) == repr(make_loss("evolved-noise"))


@pytest.mark.filterwarnings("ignore")
def test_lightning_cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.getLogger("lightning.pytorch"), "level", logging.ERROR)
    scope = run("LightningCLI", tmp_path, monkeypatch)
    assert repr(scope["cli"].model.criterion) == repr(make_loss("gce", q=0.5))
    assert scope["cli"].trainer.global_step == 4
    assert scope["cli"].model.hparams["loss"] == "gce:q=0.5"
