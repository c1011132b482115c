"""What every known loss with a state promises; one that is entered in ``LOSSES`` is tested here."""

from __future__ import annotations

import copy
import io

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.checkpoint import checkpoint

from evoloss.diagnostics import inspect_loss
from evoloss.errors import ConfigError
from evoloss.losses import LOSSES, strip_loss_state
from tests.losses.known.training_calls import (
    EPOCHS,
    STATEFUL,
    C,
    N,
    batch,
    call,
    every_stateful,
    ready,
    said,
    train,
)
from tests.networks.stateful import assert_same_state, changed, state_of


def test_there_are_such_losses() -> None:
    assert {"dal", "base_mda", "ogc", "elr"} <= set(STATEFUL)


@every_stateful
def test_a_training_call_takes_its_batch_in_and_nothing_else_does(name: str) -> None:
    loss = ready(name)
    train(loss, range(3))
    before, (logits, target, index) = state_of(loss), batch(7)
    leaf, more = logits.clone().requires_grad_(), said(loss, index)
    loss(logits, target, **more)
    loss(logits, target)
    with torch.no_grad():
        loss(leaf, target)
    loss.eval()
    loss(leaf, target, **more).backward()
    loss(leaf, target).backward()
    loss.train()
    torch.func.grad(lambda rows: loss(rows, target))(logits)
    with FakeTensorMode(allow_non_fake_inputs=True):
        fake = torch.empty(12, C, requires_grad=True)
        assert loss(fake, torch.zeros(12, dtype=torch.int64)).shape == ()
    assert loss(torch.empty(4, C, device="meta", requires_grad=True), target[:4].to("meta")).is_meta
    loss.reduction = "none"
    inspect_loss(loss, n_classes=C)
    loss.reduction = "mean"
    assert loss.loss_state.training
    assert not changed(before, state_of(loss))
    loss(leaf, target, **more)
    assert changed(before, state_of(loss))


@every_stateful
def test_the_statistics_are_in_samples(name: str) -> None:
    at_once, in_parts, ignoring = ready(name), ready(name), ready(name, ignore_index=-7)
    logits, target, _ = batch(0)
    rows, labels, index = logits.repeat(8, 1), target.repeat(8), torch.arange(N)
    call(at_once, rows, labels, index)
    for part in index.split(12):
        call(in_parts, rows[part], labels[part], part)
    for key, value in state_of(at_once).items():
        torch.testing.assert_close(state_of(in_parts)[key], value, rtol=1e-4, atol=0)
    # Rows to ignore and broken ones are no samples, and a batch without any is none.
    more = torch.cat([rows, 9 * torch.ones(3, C), torch.full((2, C), torch.nan)])
    others = torch.cat([labels, torch.full((3,), -7), torch.arange(2)])
    call(ignoring, more, others, torch.cat([index, index[:5]]))
    assert_same_state(ignoring, state_of(at_once), rtol=1e-6)
    before = state_of(ignoring)
    call(ignoring, torch.ones(3, C), torch.full((3,), -7), index[:3])
    call(ignoring, torch.ones(0, C), torch.zeros(0, dtype=torch.int64), index[:0])
    assert_same_state(ignoring, before, rtol=1e-6)


@every_stateful
def test_options_of_the_call_do_not_enter(name: str) -> None:
    plain, data = ready(name), batch(1)
    call(plain, *data)
    for options in ({"reduction": "none"}, {"reduction": "sum"}, {"label_smoothing": 0.1}):
        loss = ready(name, **options)
        call(loss, *data)
        assert_same_state(loss, state_of(plain), rtol=1e-6)
    logits, target, index = data
    dense, images = ready(name), ready(name)
    call(dense, logits, nn.functional.one_hot(target, C).float(), index)
    assert_same_state(dense, state_of(plain), rtol=1e-6)
    places = logits.view(3, 2, 2, C).permute(0, 3, 1, 2)
    call(images, places, target.view(3, 2, 2), index.view(3, 2, 2))
    assert_same_state(images, state_of(plain), rtol=1e-6)


@every_stateful
def test_a_training_that_resumes_goes_on_bit_for_bit(name: str) -> None:
    whole, first, resumed = ready(name), ready(name), ready(name)
    expected = train(whole, range(16))[-8:]
    train(first, range(12))
    file = io.BytesIO()
    torch.save({"state": first.state_dict(), "loss": first}, file)
    file.seek(0)
    saved = torch.load(file, weights_only=True)
    resumed.load_state_dict(saved["state"], strict=True)
    for loss in (resumed, saved["loss"]):
        found = train(loss, range(12, 16))
        assert all(torch.equal(mine, theirs) for mine, theirs in zip(found, expected, strict=True))
        assert_same_state(loss, state_of(whole))


@every_stateful
def test_checkpoints_without_the_statistics_copies_casts_and_reset(name: str) -> None:
    loss = ready(name)
    train(loss, range(10))
    before = state_of(loss)
    assert strip_loss_state({f"criterion.{key}": value for key, value in loss.state_dict().items()}) == {}
    loss.load_state_dict({}, strict=True)
    other = copy.deepcopy(loss)
    train(other, range(10, 12))
    assert_same_state(loss, before)
    assert changed(before, state_of(other))
    other.reset()
    assert_same_state(other, state_of(ready(name)))
    assert torch.equal(train(other, range(1))[1], train(ready(name), range(1))[1])
    nn.ModuleList([loss]).half().bfloat16().double().to("meta").to_empty(device="cpu")
    assert_same_state(loss, before)


@every_stateful
def test_checkpointed_activations_count_once(name: str) -> None:
    once, twice = ready(name), ready(name)
    for seed in range(10):
        logits, target, index = batch(seed)
        leaf = logits.clone().requires_grad_()
        checkpoint(twice, leaf, target, use_reentrant=False, **said(twice, index)).backward()
        assert torch.equal(leaf.grad, call(once, logits, target, index)[1])
    assert_same_state(twice, state_of(once))


@every_stateful
# A graph that is interrupted begins anew with tensors within the forward pass.
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning")
def test_compiled_steps_are_the_same(name: str) -> None:
    torch._dynamo.reset()
    eager, loss = ready(name), ready(name)
    compiled = torch.compile(loss, fullgraph=name != "ogc", backend="aot_eager")
    compiled.training_arguments = loss.training_arguments
    for mine, theirs in zip(train(compiled, range(10)), train(eager, range(10)), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=1e-6)
    assert_same_state(loss, state_of(eager), rtol=1e-5)
    torch._dynamo.reset()


@every_stateful
def test_half_precision_and_autocast(name: str) -> None:
    wide, cast = ready(name), ready(name)
    logits, target, index = batch(3)
    logits = logits.bfloat16()
    call(wide, logits.float(), target, index)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        call(cast, logits, target, index)
    assert_same_state(cast, state_of(wide), rtol=1e-6)


@every_stateful
def test_one_class_is_no_choice(name: str) -> None:
    loss = ready(name)
    train(loss, range(2))
    before = state_of(loss)
    value, gradient = call(loss, torch.ones(3, 1), torch.zeros(3, dtype=torch.int64), torch.arange(3))
    assert value.item() == pytest.approx(0.0, abs=1e-6)
    assert not gradient.any()
    assert_same_state(loss, before)


@pytest.mark.parametrize("name", ["base_mda", "elr"])
def test_a_training_has_one_class_count(name: str) -> None:
    loss = ready(name)
    train(loss, range(2))
    before, (logits, target, index) = state_of(loss), batch(3, n_classes=3)
    for mode in (True, False):
        with pytest.raises(ValueError, match=r"a training with 5 classes and cannot score 3.*reset\(\)"):
            call(loss.train(mode), logits, target, index)
    assert_same_state(loss, before)
    loss.train().reset()
    call(loss, logits, target, index)


@pytest.mark.parametrize("name", ["dal", "base_mda", "elr"])
def test_a_training_whose_length_nobody_has_said_is_an_error(name: str) -> None:
    loss = type(ready(name))()
    before = state_of(loss)
    with pytest.raises(ConfigError, match=rf"^{name} .*plan_training\(n_samples=len\(train_set\), epochs"):
        train(loss, range(1))
    assert_same_state(loss, before)
    logits, target, _ = batch(0)
    assert loss.eval()(logits.requires_grad_(), target).isfinite()
    for wrong in ({"n_samples": 0, "epochs": EPOCHS}, {"n_samples": N, "epochs": 0}):
        if name != "elr" or not wrong["n_samples"]:
            with pytest.raises(ConfigError, match=rf"^loss '{name}': (n_samples|epochs) must be a whole n"):
                loss.plan_training(**wrong)
    with pytest.raises(ConfigError, match=rf"^{name} .*plan_training"):  # no half of a refused plan stays
        train(loss.train(), range(1))


@pytest.mark.parametrize(("name", "argument"), [("ogc", "lr=..."), ("elr", "index=...")])
def test_a_training_call_that_says_too_little_is_an_error(name: str, argument: str) -> None:
    loss, (logits, target, _) = ready(name), batch(0)
    before = state_of(loss)
    with pytest.raises(TypeError, match=f"^{name}: a training call needs .*{argument}"):
        loss(logits.requires_grad_(), target)
    assert_same_state(loss, before)


def test_other_losses_take_no_such_arguments() -> None:
    logits, target, index = batch(0)
    for loss, named in ((ready("ogc"), {"index": index}), (LOSSES["gce"](), {"lr": 0.1})):
        with pytest.raises(TypeError, match=f"{type(loss).__name__} takes no argument '{next(iter(named))}'"):
            loss(logits, target, **named)


def test_what_a_training_says_is_of_no_consequence_to_other_losses() -> None:
    logits, target, _ = batch(0)
    loss = LOSSES["gce"]()
    expected = loss(logits, target)
    loss.plan_training(n_samples=1, epochs=1)
    loss.reset()
    assert torch.equal(loss(logits, target), expected)
    assert not loss.state_dict()


def test_misuse_of_what_a_call_says() -> None:
    elr, ogc, (logits, target, index) = ready("elr"), ready("ogc"), batch(0)
    leaf = logits.requires_grad_()
    for wrong in (index[:-1], index.float(), index > 0, index[None, :3]):
        with pytest.raises(ValueError, match="an integer for each of the 12 positions"):
            elr(leaf, target, index=wrong)
    with pytest.raises(TypeError, match="elr: index must be a tensor of integers, got list"):
        elr(leaf, target, index=index.tolist())
    for wrong, found in ((index - N, "index -"), (index + N, "index ")):
        with pytest.raises(IndexError, match=f"{found}.*outside of the training set of {N} samples"):
            elr(leaf, target, index=wrong)
    assert not elr.loss_state.memory.numel()
    elr(leaf, target, index=index)
    elr.plan_training(n_samples=2 * N, epochs=1)
    with pytest.raises(ConfigError, match=rf"a training with {N} samples.*{2 * N}"):
        elr(leaf, target, index=index)
    for rate in (-0.1, float("nan"), "0.1"):
        with pytest.raises(ConfigError, match="ogc: lr must be a number at least 0"):
            ogc(leaf, target, lr=rate)
