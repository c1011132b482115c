"""Losses with a state in trainings that stop and resume, in copies and casts, and under PyTorch's tools."""

from __future__ import annotations

import copy
import io
from pathlib import Path
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from evoloss.losses import EvolvedLoss, strip_loss_state
from evoloss.networks import NETWORKS
from evoloss.random_streams import stream
from tests.networks.stateful import (
    BATCH,
    N_SAMPLES,
    C,
    assert_same_state,
    batch,
    changed,
    every_kind,
    loss_of,
    state_of,
    train,
)


class Trained(nn.Module):
    """A model with its criterion, and what trains it."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.linear, self.criterion = nn.Linear(3, C), loss_of(kind)
        with torch.no_grad():
            self.linear.weight.copy_(torch.randn(C, 3, generator=stream(5)))
            self.linear.bias.zero_()
        self.optimizer = torch.optim.SGD(self.linear.parameters(), lr=0.5, momentum=0.9)

    def train_on(self, steps: range) -> None:
        for seed in steps:
            inputs = torch.randn(BATCH, 3, generator=stream(seed, "inputs"))
            self.optimizer.zero_grad()
            self.criterion(self.linear(inputs), inputs.argmax(dim=1)).backward()
            self.optimizer.step()


@every_kind
def test_a_training_that_resumes_goes_on_bit_for_bit(kind: str) -> None:
    whole, first, resumed, forgetful = (Trained(kind) for _ in range(4))
    whole.train_on(range(40))
    first.train_on(range(15))
    file = io.BytesIO()
    torch.save({"model": first.state_dict(), "optimizer": first.optimizer.state_dict()}, file)
    for model in (resumed, forgetful):
        file.seek(0)
        saved = torch.load(file, weights_only=True)
        if model is forgetful:
            saved["model"] = strip_loss_state(saved["model"])
        model.load_state_dict(saved["model"], strict=True)
        model.optimizer.load_state_dict(saved["optimizer"])
        model.train_on(range(15, 40))
    assert torch.equal(resumed.linear.weight, whole.linear.weight)
    assert_same_state(resumed.criterion, state_of(whole.criterion))
    assert not torch.equal(forgetful.linear.weight, whole.linear.weight)  # what was remembered matters


@every_kind
def test_checkpoints_with_and_without_the_statistics(kind: str) -> None:
    loss = loss_of(kind)
    train(loss, range(3))
    before = state_of(loss)
    stripped = strip_loss_state({f"criterion.{name}": value for name, value in loss.state_dict().items()})
    assert stripped == {}
    assert list(nn.CrossEntropyLoss().state_dict()) == []
    loss.load_state_dict({}, strict=True)  # that of a model with another loss
    assert_same_state(loss, before)
    with torch.inference_mode():
        fresh = loss_of(kind)
        fresh.load_state_dict(before)
    train(fresh, range(3, 4))
    train(loss, range(3, 4))
    assert_same_state(fresh, state_of(loss))


def test_a_statistic_that_a_checkpoint_does_not_know_begins() -> None:
    """Not as it was in the training that this loss was part of before."""
    kind = "sensing"
    loss, other = loss_of(kind), loss_of(kind)
    train(loss, range(3))
    train(other, range(3, 8))
    saved, begun = state_of(loss), state_of(loss_of(kind))
    for absent in saved:
        other.load_state_dict({name: value for name, value in saved.items() if name != absent}, strict=True)
        assert_same_state(other, {**saved, absent: begun[absent]})
        train(other, range(8, 9))


@every_kind
def test_a_saved_module_has_its_statistics_and_a_saved_loss_has_not(kind: str, tmp_path: Path) -> None:
    loss, file = loss_of(kind), io.BytesIO()
    train(loss, range(3))
    torch.save(loss, file)
    file.seek(0)
    kind_of_loss = type(loss.network)
    with torch.serialization.safe_globals([kind_of_loss]):
        assert_same_state(torch.load(file, weights_only=True), state_of(loss))
    loss.save_pretrained(tmp_path / "saved")
    with patch.dict(NETWORKS, {kind: kind_of_loss}):
        loaded = EvolvedLoss.from_pretrained(tmp_path / "saved", n_samples=N_SAMPLES)
    assert_same_state(loaded, state_of(loss_of(kind)))
    assert torch.equal(train(loaded, range(1))[0], train(loss_of(kind), range(1))[0])


@every_kind
def test_copies_are_independent_and_a_reset_forgets(kind: str) -> None:
    loss = loss_of(kind)
    train(loss, range(3))
    other, before = copy.deepcopy(loss), state_of(loss)
    train(other, range(3, 6))
    assert_same_state(loss, before)
    assert changed(before, state_of(other))
    other.reset()
    assert_same_state(other, state_of(loss_of(kind)))
    assert torch.equal(train(other, range(1))[0], train(loss_of(kind), range(1))[0])


@every_kind
def test_casts_and_moves_round_nothing(kind: str) -> None:
    loss, model = loss_of(kind), nn.ModuleDict()
    train(loss, range(3))
    before, model["criterion"] = state_of(loss), loss
    model.half().bfloat16().double().to("meta").to_empty(device="cpu")
    assert_same_state(loss, before)


@every_kind
def test_checkpointed_activations_count_once(kind: str) -> None:
    once, twice = loss_of(kind), loss_of(kind)
    for seed in range(3):
        (logits, target), gradients = batch(seed), []
        for loss in (once, twice):
            leaf = logits.clone().requires_grad_()
            if loss is once:
                loss(leaf, target).backward()
            else:
                checkpoint(loss, leaf, target, use_reentrant=False).backward()
            gradients.append(leaf.grad)
        assert torch.equal(*gradients)
    assert_same_state(twice, state_of(once))


@every_kind
def test_compiled_steps_are_the_same(kind: str) -> None:
    torch._dynamo.reset()
    eager, loss = loss_of(kind), loss_of(kind)
    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")
    for mine, theirs in zip(train(compiled, range(4)), train(eager, range(4)), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=1e-6)
    assert_same_state(loss, state_of(eager), rtol=1e-5)
    before, (logits, target) = state_of(loss), batch(5)
    loss.eval()
    torch.testing.assert_close(compiled(logits, target), eager.eval()(logits, target))
    assert_same_state(loss, before)
    torch._dynamo.reset()


@every_kind
def test_autocast_and_half_precision(kind: str) -> None:
    plain, cast = loss_of(kind), loss_of(kind)
    logits, target = batch(3)
    logits = logits.bfloat16()
    plain(logits.float().requires_grad_(), target)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        cast(logits.requires_grad_(), target).backward()
    assert_same_state(cast, state_of(plain), rtol=1e-6)


@every_kind
def test_an_export_has_the_statistics_as_they_are(kind: str) -> None:
    model = Trained(kind)
    model.train_on(range(3))
    before, batches = state_of(model.criterion), torch.export.Dim("batch", min=2, max=64)
    exported = torch.export.export(
        _WithLoss(model),
        (torch.randn(8, 3), torch.arange(8) % C),
        dynamic_shapes=({0: batches}, {0: batches}),
        strict=False,
    )
    inputs, target = torch.randn(4, 3, generator=stream(9)), torch.arange(4)
    found = exported.module()(inputs, target)
    assert_same_state(model.criterion, before)
    model.eval()
    torch.testing.assert_close(found, model.criterion(model.linear(inputs), target))


class _WithLoss(nn.Module):
    """A forward pass that ends with the loss."""

    def __init__(self, model: Trained) -> None:
        super().__init__()
        self.linear, self.criterion = model.linear, model.criterion

    def forward(self, inputs: Tensor, target: Tensor) -> Tensor:
        loss: Tensor = self.criterion(self.linear(inputs), target)
        return loss
