from __future__ import annotations

from pathlib import Path

import pytest
import torch

from evoloss.errors import ArtefactError, UnknownNameError
from evoloss.losses import LOSSES
from evoloss.losses.evolved import EvolvedLoss
from evoloss.losses.resolve import resolve_loss
from evoloss.zoo import ALIASES, SHIPPED
from tests.losses.evolved_losses import evolved


@pytest.mark.parametrize("name", LOSSES)
def test_known_names(name: str):
    loss = resolve_loss(name, reduction="none", ignore_index=3)
    assert type(loss) is LOSSES[name]
    assert (loss.reduction, loss.ignore_index) == ("none", 3)


def test_directories(tmp_path: Path):
    evolved("monotone").save_pretrained(tmp_path)
    loss = resolve_loss(str(tmp_path), label_smoothing=0.1)
    assert isinstance(loss, EvolvedLoss)
    assert torch.equal(loss.params, evolved("monotone").params)
    assert loss.label_smoothing == 0.1


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_names(name: str):
    assert isinstance(resolve_loss(name), EvolvedLoss)


def test_a_known_name_wins_over_a_directory_of_that_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    evolved("monotone").save_pretrained("gce")
    assert type(resolve_loss("gce")) is LOSSES["gce"]
    assert isinstance(resolve_loss("./gce"), EvolvedLoss)


@pytest.mark.parametrize("spec", ["focl", "./focal", "x" * 5000, "a\0b", "", "evolved-bse"], ids=range(6))
def test_anything_else_is_an_unknown_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spec: str):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UnknownNameError, match=r"no loss or directory .*Known: cross_entropy, "):
        resolve_loss(spec)


def test_the_nearest_name_is_suggested():
    with pytest.raises(UnknownNameError, match="Did you mean 'focal'"):
        resolve_loss("focl")


def test_a_directory_without_a_loss_is_an_artefact_error(tmp_path: Path):
    with pytest.raises(ArtefactError, match=r"config\.json cannot be read"):
        resolve_loss(str(tmp_path))


def test_unknown_arguments_are_refused():
    with pytest.raises(TypeError, match="wieght"):
        resolve_loss("gce", wieght=None)


def test_evolved_is_the_recommended_loss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    recommended = EvolvedLoss.from_pretrained(ALIASES["evolved"])
    for loss in (EvolvedLoss(), EvolvedLoss.from_pretrained("evolved"), resolve_loss("evolved")):
        assert loss.network == recommended.network
        assert torch.equal(loss.params, recommended.params)
    # It wins over a directory of that name, as the name of a shipped loss does.
    monkeypatch.chdir(tmp_path)
    evolved("monotone").save_pretrained("evolved")
    assert resolve_loss("evolved").network == recommended.network
    assert resolve_loss("./evolved").network == evolved("monotone").network
