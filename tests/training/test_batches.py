from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from evoloss.training.augment import AugmentPlan
from evoloss.training.batches import Normaliser, TrainingStream, batch_order, epoch_samples

CPU = torch.device("cpu")


@settings(deadline=None, max_examples=50)
@given(n=st.integers(1, 60), batch=st.integers(1, 70), seed=st.integers(0, 5), epoch=st.integers(0, 5))
def test_every_sample_comes_at_most_once_an_epoch(n: int, batch: int, seed: int, epoch: int) -> None:
    order = batch_order(n, batch, seed, epoch)
    assert order.shape == (n // min(n, batch), min(n, batch))
    assert len(set(order.flatten().tolist())) == order.numel()
    assert torch.equal(order, batch_order(n, batch, seed, epoch))


def test_order_changes_with_epoch_and_seed() -> None:
    orders = [batch_order(40, 8, seed, epoch).flatten().tolist() for seed in (0, 1) for epoch in (0, 1)]
    assert len({tuple(order) for order in orders}) == 4


def test_normaliser_of_images_is_per_channel() -> None:
    images = torch.randint(
        0, 256, (50, 3, 5, 4), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    images[:, 1] = 7
    out = Normaliser.of(images)(images)
    reference = images.double()
    expected = (reference - reference.mean((0, 2, 3), keepdim=True)) / reference.std(
        (0, 2, 3), keepdim=True, unbiased=False
    )
    torch.testing.assert_close(out[:, ::2], expected[:, ::2].float(), rtol=1e-5, atol=1e-5)
    assert torch.equal(out[:, 1], torch.zeros(50, 5, 4)), "a constant channel becomes 0, not nan"


def test_normaliser_of_features_leaves_constants_at_zero() -> None:
    rows = (
        torch.randn(100, 3, generator=torch.Generator().manual_seed(0)) * torch.tensor([1.0, 50.0, 0.0]) + 0.1
    )
    out = Normaliser.of(rows)(rows)
    torch.testing.assert_close(out.mean(0), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(out.std(0, unbiased=False), torch.tensor([1.0, 1.0, 0.0]), atol=1e-4, rtol=0)


def _stream(rank: int = 0, world: int = 1, batch_size: int = 8) -> TrainingStream:
    inputs = torch.arange(3 * 4 * 4 * 20, dtype=torch.int64).remainder(251).to(torch.uint8).view(20, 3, 4, 4)
    return TrainingStream.place(
        inputs,
        torch.arange(20),
        device=CPU,
        plan=AugmentPlan(1, True),
        batch_size=batch_size,
        seed=3,
        rank=rank,
        world=world,
    )


def test_ranks_share_the_batches_of_one_process() -> None:
    whole = list(_stream().epoch(0))
    halves = [list(_stream(rank, 2).epoch(0)) for rank in (0, 1)]
    assert len(whole) == 2
    for step, (inputs, labels, index) in enumerate(whole):
        assert torch.equal(labels, torch.arange(20)[index])
        for rank in (0, 1):
            part_inputs, part_labels, part_index = halves[rank][step]
            assert torch.equal(part_labels, labels[rank::2])
            assert torch.equal(part_index, index[rank::2])
            assert torch.equal(part_inputs, inputs[rank::2])


@pytest.mark.parametrize(("batch_size", "world", "used"), [(64, 3, 18), (8, 2, 8), (64, 1, 20)])
def test_batches_are_cut_to_equal_shares(batch_size: int, world: int, used: int) -> None:
    stream = _stream(0, world, batch_size)
    assert stream.batch_size == used
    inputs, labels, _ = next(iter(stream.epoch(0)))
    assert len(inputs) == len(labels) == used // world
    assert inputs.shape[1:] == (3, 4, 4)
    assert inputs.dtype == torch.float32


@pytest.mark.parametrize(
    ("n_samples", "batch", "world", "expected"),
    [
        (100, 30, 1, {"drop": 90, "keep": 100, "auto": 100}),
        (91, 30, 1, {"drop": 90, "keep": 90, "auto": 90}),  # one sample would stop batch normalisation
        (609, 30, 1, {"drop": 600, "keep": 609, "auto": 600}),
        (20, 30, 1, {"drop": 20, "keep": 20, "auto": 20}),
        (103, 30, 2, {"drop": 90, "keep": 102, "auto": 102}),
        (93, 30, 2, {"drop": 90, "keep": 90, "auto": 90}),
    ],
)
def test_the_last_batch_is_left_out_unless_it_is_wanted(
    n_samples: int, batch: int, world: int, expected: dict[Any, int]
) -> None:
    found = {choice: epoch_samples(n_samples, batch, choice, world=world) for choice in expected}
    assert found == expected


def test_a_last_batch_that_is_wanted_has_the_rest() -> None:
    inputs, labels = torch.randn(52, 3), torch.arange(52)
    seen = []
    for rank in range(2):
        batches = TrainingStream.place(
            inputs,
            labels,
            device=torch.device("cpu"),
            plan=AugmentPlan(0, False),
            batch_size=16,
            seed=0,
            rank=rank,
            world=2,
            last_batch="keep",
        )
        assert (batches.steps_per_epoch, batches.samples_per_epoch) == (4, 52)
        steps = list(batches.epoch(3))
        assert [len(index) for _, _, index in steps] == [8, 8, 8, 2]
        seen += [index for _, _, index in steps]
    assert sorted(torch.cat(seen).tolist()) == list(range(52))
