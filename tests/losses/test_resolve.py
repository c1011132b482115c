from __future__ import annotations

from pathlib import Path

import pytest
import torch

from evoloss import EvolvedLoss, make_loss
from evoloss.errors import ArtefactError, ConfigError, UnknownNameError
from evoloss.losses import LOSSES
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
    with pytest.raises(UnknownNameError, match=r"no gce parameter 'wieght'. Did you mean 'weight'\?"):
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


@pytest.mark.parametrize("name", [name for name, loss in LOSSES.items() if loss.ranges])
def test_parameters_are_given_by_keyword_and_by_text(name: str):
    values = {
        key: allowed.search[1] if allowed.search else 1.0 for key, allowed in LOSSES[name].ranges.items()
    }
    text = ",".join(f"{key}={value}" for key, value in values.items())
    for loss in (make_loss(name, **values), make_loss(f"{name}:{text}")):
        assert type(loss) is LOSSES[name]
        assert loss.hyperparameters == values


def test_what_all_losses_share_can_be_given(tmp_path: Path):
    evolved("monotone").save_pretrained(tmp_path)
    for name in ("gce", "evolved", str(tmp_path)):
        loss = make_loss(f"{name}:label_smoothing=0.1,reduction=sum", weight=torch.ones(4), ignore_index=3)
        assert isinstance(loss, EvolvedLoss) == (name != "gce")
        assert (loss.label_smoothing, loss.reduction, loss.ignore_index) == (0.1, "sum", 3)
        assert loss.weight.tolist() == [1.0] * 4
    assert make_loss("adaptive:n_samples=500").loss_state is not None
    assert make_loss(tmp_path, label_smoothing=0.1).network == evolved("monotone").network


@pytest.mark.parametrize(
    ("spec", "parameters", "message"),
    [
        (
            "gce:q=2",
            {},
            "loss 'gce:q=2': q must be a number above 0 and at most 1, got 2; without it the loss",
        ),
        ("gce", {"q": "half"}, "loss 'gce': q must be a number above 0 and at most 1, got 'half'"),
        ("gce", {"q": None}, "got None; without it the loss has its default, 0.7"),
        ("gce:q=0.5", {"q": 0.5}, "is given q twice"),
        ("gce:q", {}, "after 'gce' and a colon come parameters, name=value, as in 'gce:q=0.7'"),
        ("mae:0.5", {}, "after 'mae' and a colon come parameters, name=value"),
        ("evolved:x", {}, "after 'evolved' and a colon come parameters"),
        ("gce:reduction=avg", {}, "reduction must be one of none, mean, sum, got 'avg'"),
        ("gce:ignore_index=0.5", {}, "ignore_index must be a whole number, got 0.5"),
        ("gce:label_smoothing=2", {}, "label_smoothing must be a number at least 0 and at most 1"),
        ("gce:weight=2", {}, "weight must be a torch.Tensor with one factor a class, or None; no text"),
        ("evolved:exact=1", {}, "exact must be true or false, got 1"),
        ("adaptive:n_samples=0", {}, "loss 'adaptive': n_samples must be a whole number, at least 1, got 0"),
        ("adaptive", {"n_samples": -3}, "loss 'adaptive': n_samples must be a whole number, at least 1"),
        ("adaptive", {"n_samples": 0.5}, "loss 'adaptive': n_samples must be a whole number, at least 1"),
        ("adaptive", {"n_samples": 10**39}, "at least 1 and at most 1,000,000,000,000,000, got 1000"),
        ("gce:q=" + "9" * 400, {}, "at most 1, got a whole number of 1,329 bits; without it the loss"),
        (None, {}, "a loss is named by a text or the path of a directory, got None"),
    ],
)
def test_values_that_cannot_be_are_refused_with_what_can(spec: str, parameters: dict, message: str):
    with pytest.raises(ConfigError) as refused:
        make_loss(spec, **parameters)
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("gcee:q=0.5", "no loss or directory 'gcee'. Did you mean 'gce'?"),
        ("hf:/ada/mild", "A loss on the Hugging Face Hub is named 'hf://ada/mild'. Known: cross_entropy"),
        ("https://huggingface.co/ada/mild", "A loss on the Hugging Face Hub is named 'hf://ada/mild'."),
        ("./ada", "no loss or directory './ada'. Known: "),
        ("focal:gama=1", "no focal parameter 'gama'. Did you mean 'gamma'? Known: gamma, weight, "),
        ("evolved-base:q=1", "no evolved-base parameter 'q'. Known: weight, "),
    ],
)
def test_unknown_names_are_refused_with_the_nearest(spec: str, message: str):
    with pytest.raises(UnknownNameError) as refused:
        make_loss(spec)
    assert message in str(refused.value)


def test_a_known_loss_is_none_that_was_saved():
    with pytest.raises(UnknownNameError, match=r"'gce'\. A known loss is made by make_loss\. Known: a"):
        EvolvedLoss.from_pretrained("gce")
    with pytest.raises(UnknownNameError, match=r"is named 'hf://ada/mild'\. Known: adaptive"):
        EvolvedLoss.from_pretrained("ada/mild")
