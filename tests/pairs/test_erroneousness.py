from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from evoloss.errors import UnknownNameError
from evoloss.pairs import (
    ERROR_KINDS,
    PairsConfig,
    dominates,
    error_key,
    label_log_probs,
    move_mass,
    one_minus_p,
    sample_pairs,
    total_variation,
)
from evoloss.random_streams import stream

seeds = st.integers(0, 2**31)
class_counts = st.integers(2, 30)
dtypes = st.sampled_from([torch.float32, torch.float64])


def couple(*rows: list[float], label: int = 0) -> tuple[Tensor, Tensor]:
    return torch.tensor(rows, dtype=torch.float64).log(), torch.full((len(rows),), label)


def test_the_error_of_a_prediction_by_hand() -> None:
    log_probs, target = couple([0.5, 0.3, 0.2], [0.0, 0.25, 0.75], [1.0, 0.0, 0.0])
    expected = torch.tensor([0.5, 1.0, 0.0], dtype=torch.float64)
    torch.testing.assert_close(one_minus_p(log_probs, target), expected)
    torch.testing.assert_close(total_variation(log_probs, target), expected)
    torch.testing.assert_close(label_log_probs(log_probs, target), expected.neg().add(1).log())


@settings(deadline=None, max_examples=25)
@given(seed=seeds, n_classes=class_counts, dtype=dtypes)
def test_total_variation_is_one_minus_p(seed: int, n_classes: int, dtype: torch.dtype) -> None:
    pairs = sample_pairs(PairsConfig(), 100, n_classes, stream(seed), dtype)
    log_probs, target = pairs.log_probs, pairs.target
    one_hot = torch.nn.functional.one_hot(target, n_classes)
    reference = 0.5 * (log_probs.double().exp() - one_hot).abs().sum(1)
    digits = {"rtol": 1e-5, "atol": 2e-7} if dtype == torch.float32 else {"rtol": 1e-12, "atol": 1e-15}
    error = one_minus_p(log_probs, target)
    # Relative accuracy down to errors of 1e-30, which the plain difference has not.
    torch.testing.assert_close(total_variation(log_probs, target), error, rtol=digits["rtol"], atol=0)
    torch.testing.assert_close(error.double(), reference, **digits)


def test_the_key_orders_what_one_minus_p_cannot_tell_apart() -> None:
    log_p = torch.tensor([-1e-30, -1e-20, -0.5, math.log(1e-20), math.log(1e-30)])
    log_probs = torch.stack([log_p, torch.full_like(log_p, -1.0)], 1)
    target = torch.zeros(5, dtype=torch.int64)
    assert one_minus_p(log_probs, target)[3] == one_minus_p(log_probs, target)[4] == 1
    for kind in ("one_minus_p", "total_variation"):
        assert (error_key(kind, log_probs, target).diff() > 0).all()


def test_dominance_has_no_key() -> None:
    assert "dominance" in ERROR_KINDS
    with pytest.raises(UnknownNameError, match=r"no totally ordered error 'dominance'.*Known: one_minus_p"):
        error_key("dominance", *couple([0.5, 0.5]))


@settings(deadline=None, max_examples=25)
@given(seed=seeds, n_classes=class_counts, dtype=dtypes)
def test_moved_mass_is_worse_and_stays_normalised(seed: int, n_classes: int, dtype: torch.dtype) -> None:
    pairs = sample_pairs(PairsConfig(), 100, n_classes, stream(seed), dtype)
    moved = move_mass(pairs.log_probs, pairs.target, stream(seed, "move"))
    before, after = (pairs.log_probs, pairs.target), (moved, pairs.target)
    assert dominates(after, before).all()
    assert not dominates(before, after).any()
    assert moved.dtype == dtype
    assert moved.double().logsumexp(1).abs().max() < (5e-6 if dtype == torch.float32 else 1e-13)
    others = torch.ones_like(moved, dtype=torch.bool).scatter(1, pairs.target[:, None], False)
    assert (moved >= pairs.log_probs)[others].all()
    assert (one_minus_p(*after) >= one_minus_p(*before)).all()


def test_the_moved_share_is_uniform() -> None:
    log_probs = torch.full((4000, 5), -math.log(5), dtype=torch.float64)
    target = torch.arange(4000) % 5
    kept = (label_log_probs(move_mass(log_probs, target, stream(0, "share")), target) + math.log(5)).exp()
    below = torch.stack([(kept < level).double().mean() for level in (0.1, 0.3, 0.5, 0.7, 0.9)])
    expected = torch.tensor([0.1, 0.3, 0.5, 0.7, 0.9], dtype=torch.float64)
    torch.testing.assert_close(below, expected, rtol=0, atol=0.03)


def test_mass_always_moves_by_more_than_rounding() -> None:
    # log p of -69 has steps of 8e-6 in float32: a share of 1e-6 would leave it where it was.
    n = 1 << 17
    log_probs = torch.tensor([[-1e-30, -69.0]]).expand(n, 2)
    target = torch.ones(n, dtype=torch.int64)
    moved = move_mass(log_probs, target, stream(1, "tiny"))
    assert (label_log_probs(moved, target) < -69.0).all()


@settings(deadline=None, max_examples=25)
@given(seed=seeds, n_classes=class_counts)
def test_dominance_is_a_strict_partial_order(seed: int, n_classes: int) -> None:
    pairs = sample_pairs(PairsConfig(), 60, n_classes, stream(seed), torch.float64)
    generator = stream(seed, "move")
    chain = [pairs.log_probs]
    for _ in range(3):
        chain.append(move_mass(chain[-1], pairs.target, generator))
    for i, low in enumerate(chain):
        for j, high in enumerate(chain):
            expected = j > i  # irreflexive, antisymmetric, transitive along the chain
            assert (dominates((high, pairs.target), (low, pairs.target)) == expected).all()


@settings(deadline=None, max_examples=25)
@given(seed=seeds, n_classes=st.integers(2, 4))
def test_dominance_of_unrelated_predictions_is_a_strict_partial_order(seed: int, n_classes: int) -> None:
    pairs = sample_pairs(PairsConfig(), 24, n_classes, stream(seed), torch.float64)
    n = len(pairs.target)
    rows, columns = torch.meshgrid(torch.arange(n), torch.arange(n), indexing="ij")
    worse, better = (
        (pairs.log_probs[index.flatten()], pairs.target[index.flatten()]) for index in (rows, columns)
    )
    relation = dominates(worse, better).view(n, n)
    assert not relation.diagonal().any()
    assert not (relation & relation.T).any()
    two_steps = (relation.double() @ relation.double()) > 0
    assert relation[two_steps].all()
    # Two classes leave nothing to compare but p_y, so the order is total there.
    if n_classes == 2:
        different = pairs.errors()[:, None] != pairs.errors()[None, :]
        assert (relation | relation.T)[different].all()


def test_couples_that_cannot_be_compared() -> None:
    spread, peaked = couple([0.5, 0.25, 0.25]), couple([0.4, 0.6, 0.0])
    assert not dominates(peaked, spread).any()
    assert not dominates(spread, peaked).any()
    assert dominates(couple([0.4, 0.3, 0.3]), spread).all()
    assert not dominates(spread, spread).any()


@settings(deadline=None, max_examples=25)
@given(seed=seeds, n_classes=class_counts)
def test_errors_are_blind_to_the_names_of_classes(seed: int, n_classes: int) -> None:
    pairs = sample_pairs(PairsConfig(), 60, n_classes, stream(seed), torch.float64)
    moved = move_mass(pairs.log_probs, pairs.target, stream(seed, "move"))
    order = torch.randperm(n_classes, generator=stream(seed, "names"))
    renamed, label = pairs.log_probs[:, order], order.argsort()[pairs.target]
    for kind in (one_minus_p, total_variation):
        torch.testing.assert_close(
            kind(renamed, label), kind(pairs.log_probs, pairs.target), rtol=1e-12, atol=0
        )
    # Only one of the two is renamed, and their labels differ.
    assert dominates((moved, pairs.target), (renamed, label)).all()
    assert not dominates((renamed, label), (moved, pairs.target)).any()
    assert not dominates((renamed, label), (pairs.log_probs, pairs.target)).any()
