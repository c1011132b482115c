"""What every kind of network with a state promises; one that is entered in ``NETWORKS`` is tested here."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from evoloss.diagnostics import inspect_loss
from evoloss.errors import ConfigError
from evoloss.fitness import label_pulls
from evoloss.losses import EvolvedLoss
from evoloss.losses.known.cross_entropy import CrossEntropyLoss
from evoloss.networks import NETWORKS
from evoloss.students.joined_tables import join_tables
from evoloss.students.logit_gradient import LogitGradient
from evoloss.students.slope_tables import tabulate_functions, tabulate_network
from evoloss.students.workspace import Workspace
from tests.networks.populations import accepted
from tests.networks.remembering import RememberingNetwork
from tests.networks.stateful import (
    BATCH,
    N_SAMPLES,
    C,
    assert_same_state,
    batch,
    changed,
    every_kind,
    loss_of,
    network_of,
    state_of,
    train,
)
from tests.networks.test_kinds import check_promises


def test_the_kind_of_these_tests_keeps_what_every_kind_promises(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(NETWORKS, "remembering", RememberingNetwork)
    check_promises("remembering", monkeypatch)


@every_kind
def test_a_training_call_takes_its_batch_in_and_nothing_else_does(kind: str) -> None:
    loss = loss_of(kind)
    train(loss, range(3))
    before, (logits, target) = state_of(loss), batch(7)
    leaf = logits.clone().requires_grad_()
    loss(logits, target)
    with torch.no_grad():
        loss(leaf, target)
    loss.eval()
    loss(leaf, target).backward()
    loss.train()
    torch.func.grad(lambda rows: loss(rows, target))(logits)
    torch.func.vmap(lambda row: loss(row, target[0]))(logits)
    with FakeTensorMode(allow_non_fake_inputs=True):
        fake = torch.empty(BATCH, C, requires_grad=True)
        assert loss(fake, torch.zeros(BATCH, dtype=torch.int64)).shape == ()
    assert loss(torch.empty(4, C, device="meta", requires_grad=True), target[:4].to("meta")).is_meta
    assert not changed(before, state_of(loss))
    loss(leaf, target)
    assert changed(before, state_of(loss))


@every_kind
def test_a_look_at_a_loss_leaves_it_alone(kind: str) -> None:
    loss = loss_of(kind, reduction="none")
    train(loss, range(3))
    before = state_of(loss)
    inspection = inspect_loss(loss, n_classes=C)
    assert not changed(before, state_of(loss))
    assert loss.loss_state.training
    assert inspection.direction is not None


@every_kind
def test_the_same_batches_give_the_same_numbers_in_a_search(kind: str) -> None:
    """Beside losses without a state: the gradients of training, and so the states that they come from."""
    network, steps = network_of(kind), range(8)
    params = accepted(network, 3, 1, C)
    like = torch.zeros(0, dtype=torch.float64)
    reference = tabulate_functions([CrossEntropyLoss().slopes(C)], C, like=like, resolution=12)
    tables = join_tables([reference, tabulate_network(network, params, C, resolution=12), reference])
    assert tables.states is not None
    out = torch.empty(2, len(tables), C, BATCH, dtype=torch.float64)
    students = LogitGradient(tables, out, Workspace(), tables.states.begin(2, N_SAMPLES))
    losses = [
        [nn.CrossEntropyLoss(reduction="sum")]
        + [EvolvedLoss(network, row.float(), reduction="sum", n_samples=N_SAMPLES) for row in params]
        + [nn.CrossEntropyLoss(reduction="sum")]
        for _ in range(2)
    ]
    for step in steps:
        batches = [batch(10 * step + task, learned=step * (task + 1) / 4) for task in range(2)]
        logits = torch.stack([rows for rows, _ in batches]).double()
        target = torch.stack([labels for _, labels in batches])
        students(logits.mT[:, None].expand(-1, len(tables), -1, -1).contiguous(), students.labels(target))
        for task, candidate in itertools.product(range(2), range(len(tables))):
            leaf = logits[task].clone().requires_grad_()
            losses[task][candidate](leaf, target[task]).backward()
            torch.testing.assert_close(out[task, candidate].T, leaf.grad, rtol=0, atol=5e-5)


@every_kind
def test_training_starts_with_the_gradient_of_cross_entropy(kind: str) -> None:
    """At the uniform prediction; and with the pulls that the filters read off."""
    network = network_of(kind)
    params = accepted(network, 3, 2, C)
    for row in params:
        leaf = torch.zeros(C, C, dtype=torch.float64, requires_grad=True)
        EvolvedLoss(network, row.float(), reduction="sum", n_samples=C)(leaf, torch.arange(C)).backward()
        expected = torch.full((C, C), 1 / C, dtype=torch.float64) - torch.eye(C, dtype=torch.float64)
        torch.testing.assert_close(leaf.grad, expected, rtol=1e-4, atol=1e-5)
    spread, _, _ = label_pulls(network, params, C)
    label = torch.linspace(
        torch.tensor(0.01 / C).log().item(), torch.tensor(0.5).log().item(), spread.shape[1]
    )
    for row, pulls in zip(params, spread, strict=True):
        for log_p, pull in zip(label.double(), pulls, strict=True):
            rows = torch.zeros(2, C, dtype=torch.float64)
            rows[0, 0] = log_p
            rows[0, 1:] = torch.log1p(-log_p.exp()) - torch.tensor(C - 1.0).log()
            leaf = rows.requires_grad_()
            loss = EvolvedLoss(network, row.float(), reduction="sum", n_samples=2)
            loss(leaf, torch.zeros(2, dtype=torch.int64)).backward()
            assert leaf.grad is not None
            torch.testing.assert_close(-leaf.grad[0, 0], pull, rtol=1e-4, atol=1e-6)


@every_kind
def test_the_window_is_in_samples(kind: str) -> None:
    # An epoch that is long, as seen from a batch.
    at_once, in_parts = (loss_of(kind, n_samples=100_000) for _ in range(2))
    ignoring = loss_of(kind, n_samples=100_000, ignore_index=-7)
    logits, target = batch(0)
    at_once(logits.repeat(8, 1).requires_grad_(), target.repeat(8)).backward()
    for _ in range(8):
        in_parts(logits.clone().requires_grad_(), target).backward()
    assert_same_state(at_once, state_of(in_parts), rtol=1e-3)
    # Rows to ignore and broken ones are no samples, and a batch without any is none.
    more = torch.cat([logits.repeat(8, 1), 9 * torch.ones(3, C), torch.full((2, C), torch.nan)])
    ignoring(more.requires_grad_(), torch.cat([target.repeat(8), torch.full((3,), -7), torch.arange(2)]))
    assert_same_state(ignoring, state_of(at_once), rtol=1e-6)
    before = state_of(ignoring)
    ignoring(torch.ones(3, C, requires_grad=True), torch.full((3,), -7))
    ignoring(torch.ones(0, C, requires_grad=True), torch.zeros(0, dtype=torch.int64))
    assert_same_state(ignoring, before, rtol=1e-6)


@every_kind
def test_options_of_the_call_do_not_enter(kind: str) -> None:
    """One state, whatever the reduction; a one-hot distribution is its index; smoothing is no label."""
    plain, (logits, target) = loss_of(kind), batch(1)
    plain(logits.clone().requires_grad_(), target)
    for options in ({"reduction": "none"}, {"reduction": "sum"}, {"label_smoothing": 0.1}):
        loss = loss_of(kind, **options)
        loss(logits.clone().requires_grad_(), target)
        assert_same_state(loss, state_of(plain), rtol=1e-6)
    dense, dense_none = loss_of(kind), loss_of(kind, reduction="none")
    probs = nn.functional.one_hot(target, C).float()
    value, rows = dense(logits.clone().requires_grad_(), probs), dense_none(logits.requires_grad_(), probs)
    assert_same_state(dense, state_of(plain), rtol=1e-6)
    torch.testing.assert_close(rows.mean(), value)
    dense_images = loss_of(kind)
    dense_images(
        logits.detach().view(3, 2, 2, C).permute(0, 3, 1, 2).clone().requires_grad_(), target.view(3, 2, 2)
    )
    assert_same_state(dense_images, state_of(plain), rtol=1e-6)


class _Indices:
    """Index labels, some to ignore."""

    is_dense = False

    def __init__(self, target: Tensor) -> None:
        self.counted = target >= 0
        self.label = target.clamp(min=0)

    def shares(self, log_probs: Tensor) -> Tensor:
        one_hot = nn.functional.one_hot(self.label, log_probs.shape[1])
        return (one_hot * self.counted[:, None]).to(log_probs.dtype)


@every_kind
def test_sums_of_parts_add_up(kind: str) -> None:
    network = network_of(kind)
    params, state = accepted(network, 1, 0, C)[0], network.initial_state(C)
    logits, target = batch(2)
    target[3] = -1
    log_probs = logits.double().log_softmax(1)
    whole = network.batch_sums(params, state, log_probs, _Indices(target))
    parts = [
        network.batch_sums(params, state, log_probs[rows], _Indices(target[rows]))
        for rows in (slice(0, 5), slice(5, BATCH))
    ]
    for name, value in whole.items():
        torch.testing.assert_close(parts[0][name] + parts[1][name], value)
    after = network.take_in(params, state, whole)
    assert after.keys() == state.keys()


@every_kind
def test_one_class_is_no_choice(kind: str) -> None:
    loss = loss_of(kind)
    before = state_of(loss)
    assert loss(torch.ones(3, 1, requires_grad=True), torch.zeros(3, dtype=torch.int64)) == 0
    assert_same_state(loss, before)


def test_a_training_has_one_class_count() -> None:
    loss = loss_of("remembering")
    assert loss.state_dict()["loss_state.mean"].shape == (0,)
    assert loss(torch.zeros(2, 3), torch.arange(2)).isfinite()  # nothing is known of any class yet
    train(loss, range(2))
    before = state_of(loss)
    for mode in (True, False):
        with pytest.raises(ValueError, match=r"a training with 5 classes and cannot score 3.*reset\(\)"):
            loss.train(mode)(torch.zeros(2, 3, requires_grad=True), torch.arange(2))
    assert_same_state(loss, before)
    loss.train().reset()
    loss(torch.zeros(2, 3, requires_grad=True), torch.arange(2))
    assert loss.state_dict()["loss_state.mean"].shape == (3,)


def test_a_buffer_stays_the_same_tensor() -> None:
    """What holds on to it, as DDP and CUDA graphs do, sees what is written."""
    loss = loss_of("remembering")
    buffer = loss.loss_state.mean
    train(loss, range(2))
    assert loss.loss_state.mean is buffer
    loss.reset()
    assert loss.loss_state.mean is buffer


def test_two_populations_with_states_are_not_joined() -> None:
    network = network_of("remembering")
    tables = tabulate_network(network, accepted(network, 2, 0, C), C)
    with pytest.raises(ConfigError, match="one population with a state can be joined with others"):
        join_tables([tables, tables])
