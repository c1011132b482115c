"""What every kind of network promises; a kind that is entered in ``NETWORKS`` is tested here."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import pytest
import torch
from torch import Tensor

from evoloss.errors import ConfigError
from evoloss.losses import EvolvedLoss
from evoloss.networks import (
    MIN_GRID,
    NETWORKS,
    LossNetwork,
    NetworkOptions,
    build_network,
    certainty,
    describe_network,
    imitation,
)
from evoloss.pretraining.start import START_SLOPES
from evoloss.random_streams import stream
from tests.networks.populations import accepted, pairs_of

N_CLASSES = 5


def network_of(kind: str) -> LossNetwork:
    return NETWORKS[kind].from_options(NetworkOptions(hidden=(5, 4), classes=(N_CLASSES,)))


every_kind = pytest.mark.parametrize("kind", NETWORKS)


@every_kind
def test_its_name_and_what_it_says_of_itself(kind: str) -> None:
    network = network_of(kind)
    assert network.kind == kind
    assert type(network).__name__.lower() == f"{kind}network"
    assert 5 < len(network.summary) < 120
    assert "summary" in vars(type(network))  # not that of the kind it derives from


@every_kind
def test_it_is_built_from_its_description(kind: str) -> None:
    network = network_of(kind)
    again = build_network(json.loads(json.dumps(describe_network(network))))
    assert again == network
    assert hash(again) == hash(network)
    with pytest.raises(ConfigError, match=f"a {kind} network is described by"):
        build_network({**describe_network(network), "surplus": 1})


@every_kind
def test_it_takes_of_the_options_what_it_has_a_use_for(kind: str) -> None:
    network = NETWORKS[kind].from_options(
        NetworkOptions(hidden=(3,), activation="tanh", features="probs", classes=(N_CLASSES,))
    )
    described = network.description()
    assert described.get("n_classes", N_CLASSES) == N_CLASSES
    if described.get("hidden"):
        assert (described["hidden"], described["activation"]) == ([3], "tanh")
        assert described["features"] == "probs"


@every_kind
def test_it_starts_somewhere_and_has_a_form(kind: str) -> None:
    network = network_of(kind)
    start = network.initial(stream(3, "start"))
    assert start.shape == (network.n_params,)
    assert torch.equal(start, network.initial(stream(3, "start")))
    counts = network.class_counts or (2, N_CLASSES, 1000)
    for n_classes in counts:
        params = accepted(network, 2, 0, n_classes)
        assert network.form(params, n_classes).exists.tolist() == [True, True]
        assert not network.form(params * torch.nan, n_classes).exists.any()
    assert set(network.checked_classes) >= set(network.class_counts or ())


def gradients(network: LossNetwork, row: Tensor, logits: Tensor, target: Tensor) -> Tensor:
    leaf = logits.clone().requires_grad_()
    losses = network.losses(row[None], torch.log_softmax(leaf, dim=1), target)
    (gradient,) = torch.autograd.grad(losses.sum(), leaf)
    return gradient


@every_kind
def test_the_gradient_at_the_uniform_prediction_is_that_of_cross_entropy(kind: str) -> None:
    network, target = network_of(kind), torch.arange(N_CLASSES)
    params = accepted(network, 3, 1, N_CLASSES)
    if network.keeps_state:
        return  # in the first batch of a training: test_kinds_with_a_state.py
    if network.sees_batch:
        # In a batch of such predictions nothing is learned.
        exponent = network.tempering(params).at(torch.zeros(1, 1).double())
        other, label = network.slopes(params, N_CLASSES)(exponent * -math.log(N_CLASSES)).unbind(1)
        torch.testing.assert_close(other - label, torch.ones(3, 1).double(), rtol=1e-9, atol=0)
        return
    for row in params:
        gradient = gradients(network, row, torch.zeros(N_CLASSES, N_CLASSES).double(), target)
        pull = float(gradient.diagonal().mean())  # the mean over the labels, where classes are told apart
        assert pull == pytest.approx(1 / N_CLASSES - 1, rel=1e-8)


@every_kind
def test_a_perfect_prediction_costs_nothing(kind: str) -> None:
    network, params = network_of(kind), accepted(network_of(kind), 3, 2, N_CLASSES)
    log_probs = torch.where(torch.eye(N_CLASSES) > 0, 0.0, -torch.inf).double()
    assert network.losses(params, log_probs, torch.arange(N_CLASSES)).abs().max() < 1e-9


@every_kind
def test_other_classes_may_change_places_unless_they_are_told_apart(kind: str) -> None:
    network, params = network_of(kind), accepted(network_of(kind), 3, 3, N_CLASSES)
    log_probs, _ = pairs_of(40, N_CLASSES)
    target = torch.zeros(40, dtype=torch.int64)
    turned = torch.cat([log_probs[:, :1], log_probs[:, 1:].flip(1)], dim=1)
    losses, others = (network.losses(params, prediction, target) for prediction in (log_probs, turned))
    alike = torch.allclose(losses, others, rtol=1e-9, atol=1e-9)
    assert alike is not network.tells_classes_apart


@every_kind
def test_slopes_make_the_gradient(kind: str) -> None:
    network, params = network_of(kind), accepted(network_of(kind), 3, 4, N_CLASSES)
    if not network.has_slopes:
        with pytest.raises(ConfigError, match=f"a {kind} network has no slopes"):
            network.slopes(params, N_CLASSES)
        return
    logits = 3 * torch.randn(12, N_CLASSES, generator=stream(0, "logits"), dtype=torch.float64)
    target = torch.randint(N_CLASSES, (12,), generator=stream(0, "target"))
    log_probs = torch.log_softmax(logits, dim=1)
    is_label = torch.nn.functional.one_hot(target, N_CLASSES).bool()
    tempering = network.tempering(params)
    # Those of a kind with a state follow its training: test_kinds_with_a_state.py.
    for at, row in enumerate(() if network.keeps_state else params):
        exponents = torch.ones(12, 1).double()
        if tempering is not None:
            # Without a batch to follow, its labels are taken for learned.
            followed = exponents[:, 0] if network.sees_batch else certainty(log_probs)
            exponents = tempering.at(followed)[at][:, None]
        slopes = network.slopes(row[None], N_CLASSES)((exponents * log_probs).reshape(-1))[0]
        other, label = slopes.view(2, 12, N_CLASSES)
        h = torch.where(is_label, label, other)
        expected = h - log_probs.exp() * h.sum(dim=1, keepdim=True)
        torch.testing.assert_close(gradients(network, row, logits, target), expected, rtol=1e-7, atol=1e-9)
    free = network.slopes(params, N_CLASSES, canonical=False)(log_probs[0])
    scaled = network.slopes(params, N_CLASSES)(log_probs[0])
    ratio = (scaled / free).flatten(1).nanmedian(dim=1).values[:, None, None]
    torch.testing.assert_close(free * ratio, scaled, rtol=1e-7, atol=1e-9)


@every_kind
def test_a_table_stands_for_the_losses(kind: str) -> None:
    network, params = network_of(kind), accepted(network_of(kind), 3, 5, N_CLASSES)
    table = network.population_table(64)
    if table is None:
        return
    log_probs, target = pairs_of(60, N_CLASSES)
    made = table.tables(params, N_CLASSES) @ table.weights(log_probs, target).T
    exact = network.losses(params, log_probs, target)
    assert float((made - exact).abs().max()) < 1e-3 * float(exact.abs().max())
    with pytest.raises(ConfigError, match=f"at least {MIN_GRID}"):
        network.population_table(MIN_GRID - 1)


@every_kind
def test_it_imitates_or_says_that_it_cannot(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imitation, "_ROUNDS", 4)  # of 20, the last of which gain little
    network = NETWORKS[kind].from_options(NetworkOptions(classes=(N_CLASSES,)))
    start = network.initial(stream(1, "start"))
    if not network.can_imitate:
        with pytest.raises(ConfigError, match=f"a {kind} network cannot imitate sce; use start='random'"):
            network.imitate(start, START_SLOPES["sce"], "sce")
        return
    params = network.imitate(start, START_SLOPES["sce"], "sce")
    assert params.dtype == start.dtype
    log_p = torch.linspace(-6, -0.1, 40, dtype=torch.float64)
    made = network.slopes(params[None].double(), 10)(log_p)[0, 1]
    wanted = START_SLOPES["sce"](10)[1](log_p) / 0.5  # it has half of the slope of cross-entropy at 1/10
    assert float((made - wanted).abs().max()) < 0.16 * float(wanted.abs().max())


@every_kind
def test_a_loss_in_use_is_that_of_the_search(kind: str) -> None:
    """By the fast way of float32, where the kind has one, and by the network itself, but for a constant."""
    network, params = network_of(kind), accepted(network_of(kind), 1, 6, N_CLASSES)[0]
    if network.class_counts is None:
        params = accepted(network, 1, 6, *network.checked_classes)[0]
    logits = 2 * torch.randn(30, N_CLASSES, generator=stream(0, "logits"))
    target = torch.randint(N_CLASSES, (30,), generator=stream(0, "target"))
    for label_smoothing in (0.0, 0.2):
        made = []
        for exact in (False, True):
            leaf = (logits.double() if exact else logits.clone()).requires_grad_()
            loss = EvolvedLoss(network, params, exact=exact, label_smoothing=label_smoothing, n_samples=30)
            cost = loss(leaf, target)
            made.append((cost.detach().double(), torch.autograd.grad(cost, leaf)[0].double()))
        for fast, slow in zip(*made, strict=True):
            torch.testing.assert_close(fast, slow, rtol=2e-3, atol=1e-4)
    if not (network.sees_batch or network.keeps_state):  # the search judges predictions by themselves
        loss = EvolvedLoss(network, params, reduction="none")
        differences = loss(logits.double(), target) - network.losses(
            params[None], torch.log_softmax(logits.double(), dim=1), target
        ).squeeze(0)
        torch.testing.assert_close(differences, differences[:1].expand(30), rtol=0, atol=1e-9)


def check_promises(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run these tests over a kind that has been entered, but for the one of its row in the docs."""
    checks = [check for name, check in globals().items() if name.startswith("test_")]
    assert len(checks) > 10
    for check in checks:
        if check is test_it_imitates_or_says_that_it_cannot:
            check(kind, monkeypatch)
        elif check is not test_its_row_in_the_docs:
            check(kind)


@every_kind
def test_its_row_in_the_docs(kind: str) -> None:
    text = (Path(__file__).parents[2] / "docs/networks.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1:-1] for line in text.splitlines() if line.startswith(f"| `{kind}` |")]
    assert len(rows) == 1, f"docs/networks.md has a row for every kind, and none for {kind}"
    _, parameters, starts, students = (cell.strip() for cell in rows[0])
    network = NETWORKS[kind].from_options(NetworkOptions(classes=(N_CLASSES,)))
    factor, count = re.fullmatch(r"(?:(\d+) C \+ )?(\d+)(?: with hidden 8, 8)?", parameters).groups()
    assert int(factor or 0) * N_CLASSES + int(count) == network.n_params
    assert starts == ("yes" if network.can_imitate else "no")
    assert students == ("yes" if network.has_slopes else "no")
    assert text.count(f"\n- `{kind}`") == 1
