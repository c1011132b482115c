"""The statistics of a loss in the state dict of a model, for trainers that save nothing else."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from torch import nn

from evoloss import make_loss
from evoloss.errors import ConfigError
from evoloss.integrations.model_state import keep_state_in
from evoloss.losses import strip_loss_state
from tests.integrations.plain_loop import assert_same_state, network, train_plainly


def trained() -> nn.Module:
    criterion = make_loss("adaptive", weight=torch.tensor([1.0, 2.0, 1.0]))
    train_plainly(criterion)
    return criterion


def test_they_are_saved_and_loaded_with_the_model() -> None:
    first, second = trained(), make_loss("adaptive", weight=torch.tensor([3.0, 1.0, 1.0]))
    model, other = nn.ModuleDict({"inner": network()}), nn.ModuleDict({"inner": network()})
    keep_state_in(model["inner"], first)
    keep_state_in(other["inner"], second)
    saved = model.state_dict()
    assert any(key.startswith("inner.evoloss.loss_state.") for key in saved)
    other.load_state_dict(saved)
    second.weight = first.weight
    assert_same_state(first, second)
    assert set(strip_loss_state(saved)) == {f"inner.{key}" for key in network().state_dict()}


def test_class_weights_are_those_that_the_loss_has() -> None:
    second = make_loss("adaptive", weight=torch.tensor([3.0, 1.0, 1.0]))
    model, other = network(), network()
    keep_state_in(model, trained())
    keep_state_in(other, second)
    other.load_state_dict(model.state_dict())
    assert second.weight.tolist() == [3.0, 1.0, 1.0]


def test_another_loss_takes_its_place_and_one_without_adds_nothing() -> None:
    model, second = network(), trained()
    keep_state_in(model, make_loss("gce"))
    assert set(model.state_dict()) == set(network().state_dict())
    keep_state_in(model, second)
    keep_state_in(model, second)
    assert len(model.state_dict()) == len(network().state_dict()) + len(second.state_dict()) - 1
    fresh = make_loss("adaptive")
    saved = {key: value.clone() for key, value in model.state_dict().items()}
    keep_state_in(model, fresh)
    model.load_state_dict(saved)
    fresh.weight = second.weight
    assert_same_state(second, fresh)


def test_what_is_no_model_and_no_loss_is_told() -> None:
    criterion = make_loss("adaptive", n_samples=8)
    with pytest.raises(ConfigError, match="the loss is a str; expected"):
        keep_state_in(network(), "adaptive")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"the call is keep_state_in\(model, criterion\)"):
        keep_state_in(criterion, network())


def test_a_copy_of_the_model_has_none_and_leaves_the_loss_alone() -> None:
    model, criterion = network(), trained()
    keep_state_in(model, criterion)
    average = copy.deepcopy(model)
    assert set(average.state_dict()) == set(network().state_dict())
    before = copy.deepcopy(criterion)
    other = make_loss("adaptive")
    train_plainly(other, 1)
    elsewhere = network()
    keep_state_in(elsewhere, other)
    average.load_state_dict(elsewhere.state_dict())
    assert_same_state(before, criterion)


def test_a_pickle_and_a_copy_of_both_keep_both_together() -> None:
    both = {"criterion": trained(), "model": network()}
    keep_state_in(both["model"], both["criterion"])
    for made in (pickle.loads(pickle.dumps(both)), copy.deepcopy(both)):
        made["criterion"].reset()
        key = "evoloss.loss_state.completed"
        assert torch.equal(
            made["model"].state_dict()[key], made["criterion"].loss_state.get_buffer("completed")
        )
