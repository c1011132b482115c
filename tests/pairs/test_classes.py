"""Grouped classes: predictions over all classes, distributed as those drawn class by class."""

from __future__ import annotations

import math

import pytest
import torch
from scipy import special, stats
from torch import Tensor

from evoloss.errors import ConfigError
from evoloss.pairs import (
    REGIMES,
    EveryClass,
    GroupedClasses,
    Pairs,
    PairsConfig,
    label_log_probs,
    sample_pairs,
)
from evoloss.pairs.classes import GAMMA_LEVELS, Classes, _log_gamma_quantiles
from evoloss.random_streams import stream

UNLIKELY = 1e-3
SIZES = [(9, 8), (40, 9), (1000, 64), (100_000, 64)]


@pytest.mark.parametrize(("n_classes", "slots"), SIZES)
def test_the_columns_stand_for_all_classes(n_classes: int, slots: int) -> None:
    counts = GroupedClasses(n_classes, slots).counts
    assert len(counts) == slots
    assert sum(counts) == n_classes
    assert counts[: slots // 2] == (1,) * (slots // 2)
    assert max(counts[slots // 2 :]) - min(counts[slots // 2 :]) <= 1


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("n_classes", "slots"), SIZES)
@pytest.mark.parametrize("name", REGIMES)
def test_predictions_are_normalised(name: str, n_classes: int, slots: int, dtype: torch.dtype) -> None:
    classes = GroupedClasses(n_classes, slots)
    log_probs, target = REGIMES[name](300, classes, stream(0, name), dtype)
    assert log_probs.shape == (300, slots)
    assert log_probs.dtype == dtype
    assert log_probs.isfinite().all()
    assert ((target >= 0) & (target < slots)).all()
    mass = log_probs.double() + torch.tensor(classes.counts, dtype=torch.float64).log()
    assert mass.logsumexp(1).abs().max() < (2e-5 if dtype == torch.float32 else 1e-12)


def readings(log_probs: Tensor, target: Tensor, counts: Tensor) -> dict[str, Tensor]:
    """What a loss can see of a prediction: the label, the top, and sums over all classes."""
    probs = log_probs.exp()
    return {
        "label": label_log_probs(log_probs, target),
        "top": log_probs.amax(1),
        "entropy": -(counts * probs * log_probs).sum(1),
        "mean log p": (counts * log_probs.clamp(min=-69)).sum(1) / counts.sum(),
        "squares": (counts * probs * probs).sum(1).log(),
    }


@pytest.mark.parametrize("name", [name for name in REGIMES if name != "dirichlet"])
def test_sums_over_the_classes_are_distributed_as_class_by_class(name: str) -> None:
    n, n_classes = 3000, 300
    grouped, every = GroupedClasses(n_classes, 64), EveryClass(n_classes)
    made = REGIMES[name](n, grouped, stream(1, name), torch.float64)
    exact = REGIMES[name](n, every, stream(2, name), torch.float64)
    found = readings(*made, torch.tensor(grouped.counts))
    expected = readings(*exact, torch.ones(n_classes))
    for what, values in found.items():
        assert stats.ks_2samp(values.numpy(), expected[what].numpy()).pvalue > UNLIKELY, what


@pytest.mark.parametrize("level", GAMMA_LEVELS)
def test_dirichlet_sums_have_the_mean_of_class_by_class_and_at_most_its_spread(level: float) -> None:
    """Groups sit in equal slices of the distribution, so at one concentration sums over them vary less."""
    n, n_classes = 3000, 300
    concentration = torch.full((n,), level, dtype=torch.float64)
    grouped, every = GroupedClasses(n_classes, 64), EveryClass(n_classes)
    label = torch.zeros(n, dtype=torch.int64)
    found, expected = (
        readings(
            classes.log_softmax(classes.log_gamma(concentration, stream(seed, str(level)))), label, counts
        )
        for seed, classes, counts in (
            (1, grouped, torch.tensor(grouped.counts)),
            (2, every, torch.ones(n_classes)),
        )
    )
    assert stats.ks_2samp(found["top"].numpy(), expected["top"].numpy()).pvalue > UNLIKELY
    for what in ("entropy", "mean log p", "squares"):
        error = float((found[what].var() / n + expected[what].var() / n).sqrt())
        assert abs(float(found[what].mean() - expected[what].mean())) < 4 * error, what
        assert found[what].std() < 1.05 * expected[what].std(), what


@pytest.mark.parametrize("behind", [0, 1, 2])
def test_the_largest_logits_are_order_statistics(behind: int) -> None:
    n_classes = 500
    logits = GroupedClasses(n_classes, 16).normal(4000, stream(3), torch.float64, behind=behind)
    assert logits.shape == (4000, 16 - behind)
    assert (logits.diff(dim=1) <= 0).all()
    left = n_classes - behind
    for rank in (1, 2, 6):
        # The rank-th largest of m uniform variables is Beta(m - rank + 1, rank).
        u = special.ndtr(logits[:, rank - 1].numpy())
        assert stats.kstest(u, stats.beta(left - rank + 1, rank).cdf).pvalue > UNLIKELY


def test_a_column_is_the_label_as_often_as_it_stands_for_classes() -> None:
    classes = GroupedClasses(50, 10)
    counts = torch.tensor(classes.counts)
    seen = torch.bincount(classes.any_label(20_000, stream(4)), minlength=10)
    assert stats.chisquare(seen.numpy(), (20_000 * counts.double() / 50).numpy()).pvalue > UNLIKELY
    label = torch.full((20_000,), 2)
    others = torch.bincount(classes.any_other(label, stream(5)), minlength=10)
    assert others[2] == 0
    share = torch.where(torch.arange(10) == 2, 0, counts).double() / 49
    kept = share > 0
    assert stats.chisquare(others[kept].numpy(), (20_000 * share[kept]).numpy()).pvalue > UNLIKELY


def test_a_calibrated_label_falls_in_a_group_with_the_mass_of_the_group() -> None:
    classes = GroupedClasses(50, 10)
    log_probs = classes.log_softmax(torch.linspace(1, -1, 10, dtype=torch.float64)[None])
    drawn = classes.calibrated_label(log_probs.expand(20_000, 10), stream(6))
    mass = log_probs[0].exp() * torch.tensor(classes.counts)
    assert float(mass.sum()) == pytest.approx(1)
    assert (
        stats.chisquare(torch.bincount(drawn, minlength=10).numpy(), (20_000 * mass).numpy()).pvalue
        > UNLIKELY
    )


def test_the_table_of_gamma_quantiles_is_that_of_scipy() -> None:
    levels, table = _log_gamma_quantiles(torch.device("cpu"))
    z = torch.linspace(-8, 8, table.shape[1], dtype=torch.float64).numpy()
    for row, level in enumerate(GAMMA_LEVELS):
        assert float(levels[row]) == level
        inner = abs(z) < 6
        below = special.gammainc(level, table[row].exp().numpy())
        above = special.gammaincc(level, table[row].exp().numpy())
        assert below[inner & (z < 0)] == pytest.approx(special.ndtr(z)[inner & (z < 0)], rel=1e-6)
        assert above[inner & (z > 0)] == pytest.approx(special.ndtr(-z)[inner & (z > 0)], rel=1e-6)


def test_few_classes_have_a_column_each_and_the_same_bits_as_without_slots() -> None:
    every_class, grouped = (
        sample_pairs(PairsConfig(slots=slots), 50, 64, stream(7), torch.float64) for slots in (0, 64)
    )
    assert grouped.counts is None
    assert torch.equal(every_class.log_probs, grouped.log_probs)
    assert torch.equal(every_class.target, grouped.target)
    many = sample_pairs(PairsConfig(slots=64), 50, 65, stream(7))
    assert many.log_probs.shape == (50, 64)
    assert many.counts is not None
    assert int(many.counts.sum()) == 65


def test_errors_of_grouped_pairs() -> None:
    pairs: Pairs = sample_pairs(PairsConfig(slots=8), 20, 100, stream(8), torch.float64)
    torch.testing.assert_close(pairs.errors(), -torch.expm1(label_log_probs(pairs.log_probs, pairs.target)))
    with pytest.raises(ConfigError, match="total variation sums over classes, which are grouped here"):
        pairs.errors("total_variation")


@pytest.mark.parametrize("slots", [-1, 1, 7])
def test_too_few_slots(slots: int) -> None:
    with pytest.raises(ConfigError, match=f"slots must be 0 \\(every class\\) or at least 8, got {slots}"):
        PairsConfig(slots=slots)
    with pytest.raises(ConfigError, match="slots must be at least 8 and fewer than the 100 classes"):
        GroupedClasses(100, slots)


def test_the_cost_is_in_the_columns() -> None:
    classes: Classes = GroupedClasses(100_000, 16)
    assert classes.rest(2, 5, stream(9), torch.float32).shape == (5, 14)
    total = (
        classes.rest(2, 5, stream(9), torch.float64).exp()
        @ torch.tensor(GroupedClasses(100_000, 16).counts[2:]).double()
    )
    assert total.tolist() == pytest.approx([1.0] * 5)
    assert math.isclose(sum(GroupedClasses(100_000, 16).counts), 100_000)
