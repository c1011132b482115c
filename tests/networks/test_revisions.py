"""A change of what the same parameters compute needs a new revision: fingerprints name results by it.

``python -m tests.networks.test_revisions`` records the values of kinds that are new or have a new revision.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from evoloss.losses import EvolvedLoss
from evoloss.losses.resolve import resolve_loss
from evoloss.networks import NETWORKS, LossNetwork
from evoloss.training.fingerprints import fingerprint_loss
from tests.networks.sensing import streams
from tests.networks.stateful import loss_of

RECORD = Path(__file__).with_name("revisions.json")
EVERY = 5
"""Batches of a training of which one is recorded."""


def _course(loss: EvolvedLoss, batches: Iterator[streams.Batch]) -> list[float]:
    values = []
    for number, (logits, target) in enumerate(batches):
        leaf = logits.double().requires_grad_()
        cost = loss(leaf, target)
        (gradient,) = torch.autograd.grad(cost, leaf)
        if number % EVERY == 0:
            values += [cost.item(), gradient.gather(1, target[:, None]).sum().item()]
    return values


def training_of(n_samples: int) -> list[Iterator[streams.Batch]]:
    """Epochs in which labels are learned, 40 % of them wrong, and epochs in which they are known by heart."""
    return [
        streams.learning(
            streams.symmetric(0.4, 5), n_classes=5, n_samples=n_samples, epochs=6, batch=n_samples // 10
        ),
        streams.by_heart(n_classes=5, n_samples=n_samples, epochs=4),
    ]


def values_of(kind: str) -> list[float]:
    """Costs and pulls on labels in a training on few samples and in one on many, which may differ."""
    values = []
    for n_samples in (1000, 6000):
        loss = loss_of(kind, n_samples=n_samples)
        values += _course(loss, itertools.chain(*training_of(n_samples)))
    return values


@pytest.mark.parametrize("kind", NETWORKS)
def test_values_are_those_recorded_for_the_revision(kind: str) -> None:
    recorded = json.loads(RECORD.read_text())
    assert kind in recorded, "a new kind: python -m tests.networks.test_revisions records its values"
    assert recorded[kind]["revision"] == NETWORKS[kind].revision, (
        "a new revision: python -m tests.networks.test_revisions records its values"
    )
    said = (
        f"{kind} losses compute something else than they did. If that is meant, raise the revision of {kind} "
        "and run python -m tests.networks.test_revisions: results from before are of another loss then"
    )
    assert values_of(kind) == pytest.approx(recorded[kind]["values"], rel=1e-4, abs=1e-5), said


@pytest.mark.parametrize("n_samples", [1000, 6000])
def test_the_trainings_recorded_bring_a_sensing_loss_to_doubt(n_samples: int) -> None:
    loss = loss_of("sensing", n_samples=n_samples)
    for batches in training_of(n_samples):
        streams.trained(loss, batches)
    assert float(loss.loss_state.values()["memorised"]) > 0.5


def test_a_revision_is_part_of_the_fingerprint(monkeypatch: pytest.MonkeyPatch) -> None:
    before = fingerprint_loss(resolve_loss("evolved-base"))
    kind: type[LossNetwork] = type(resolve_loss("evolved-base").network)
    monkeypatch.setattr(kind, "revision", 2)
    second = fingerprint_loss(resolve_loss("evolved-base"))
    monkeypatch.setattr(kind, "revision", 3)
    assert len({before, second, fingerprint_loss(resolve_loss("evolved-base"))}) == 3


def main() -> None:
    """Record what is not recorded; values of a revision that are there stay."""
    recorded = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    for kind, network in NETWORKS.items():
        if recorded.get(kind, {}).get("revision") != network.revision:
            recorded[kind] = {"revision": network.revision, "values": values_of(kind)}
    RECORD.write_text(json.dumps(recorded, indent=1) + "\n")


if __name__ == "__main__":
    main()
