"""Each regime is what its docstring says; distributions by Kolmogorov-Smirnov at fixed seeds."""

from __future__ import annotations

import math

import pytest
import torch
from scipy import stats
from torch import Tensor

from evoloss.pairs import REGIMES, EveryClass, classes, label_log_probs, one_minus_p, regimes
from evoloss.random_streams import stream

UNLIKELY = 1e-3  # a test statistic rarer than this under the docstring's claim is a failure


def draw(name: str, n: int, n_classes: int, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    return REGIMES[name](n, EveryClass(n_classes), stream(5, name, n_classes), dtype)


def ks(values: Tensor, cdf) -> float:  # type: ignore[no-untyped-def]
    return float(stats.kstest(values.double().numpy(), cdf).pvalue)


def log_uniform(low: float, high: float):  # type: ignore[no-untyped-def]
    return stats.uniform(math.log(low), math.log(high / low)).cdf


def scales_are(scale: Tensor, low: float, high: float) -> None:
    """Log-uniform over the whole range, where each scale is estimated from a thousand logits."""
    assert ks(scale.log(), log_uniform(low, high)) > UNLIKELY
    assert low * 0.9 < scale.min() < low * 1.1
    assert high * 0.9 < scale.max() < high * 1.1


def without(log_probs: Tensor, *classes: Tensor) -> Tensor:
    """The log-probabilities with -inf at the given class of each row."""
    for label in classes:
        log_probs = log_probs.scatter(1, label[:, None], -torch.inf)
    return log_probs


def log_error(log_p: Tensor) -> Tensor:
    """log(1 - p) of log p."""
    return torch.where(log_p > -math.log(2), (-torch.expm1(log_p)).log(), torch.log1p(-log_p.exp()))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("n_classes", [2, 3, 10, 400])
@pytest.mark.parametrize("name", REGIMES)
def test_predictions_are_normalised_and_keep_their_digits(
    name: str, n_classes: int, dtype: torch.dtype
) -> None:
    log_probs, target = draw(name, 250, n_classes, dtype)
    assert log_probs.shape == (250, n_classes)
    assert log_probs.dtype == dtype
    assert target.dtype == torch.int64
    assert target.min() >= 0
    assert target.max() < n_classes
    assert log_probs.isfinite().all()
    assert (log_probs < 0).all()
    digits = 5e-6 if dtype == torch.float32 else 1e-13
    exact = log_probs.double()
    assert exact.logsumexp(1).abs().max() < digits
    # Relative, however small: 1 - p from log p is the sum of the other classes, for the label and the top.
    for one in (target, exact.argmax(1)):
        off = without(exact, one).logsumexp(1)
        torch.testing.assert_close(log_error(label_log_probs(exact, one)), off, rtol=0, atol=digits)


@pytest.mark.parametrize("name", REGIMES)
def test_a_hundred_thousand_classes(name: str) -> None:
    log_probs, target = draw(name, 3, 100_000, torch.float32)
    assert log_probs.isfinite().all()
    assert log_probs.double().logsumexp(1).abs().max() < 5e-5
    assert ((target >= 0) & (target < 100_000)).all()


@pytest.mark.parametrize("n_classes", [2, 7])
@pytest.mark.parametrize("name", REGIMES)
def test_every_class_is_the_label_equally_often(name: str, n_classes: int) -> None:
    _, target = draw(name, 3500, n_classes)
    counts = torch.bincount(target, minlength=n_classes)
    assert stats.chisquare(counts.numpy()).pvalue > UNLIKELY


def test_near_uniform_has_small_gaussian_logits_and_a_label_blind_to_them() -> None:
    log_probs, target = draw("near_uniform", 1500, 1000)
    scale = log_probs.std(dim=1)
    scales_are(scale, 1e-3, 0.3)
    standard = (log_probs - log_probs.mean(dim=1, keepdim=True)) / scale[:, None]
    assert ks(standard[::2].flatten()[::37], "norm") > UNLIKELY
    assert ks(label_log_probs(standard, target), "norm") > UNLIKELY


@pytest.mark.parametrize("n_classes", [2, 10])
def test_confident_right_error_is_log_uniform(n_classes: int) -> None:
    log_probs, target = draw("confident_right", 4000, n_classes)
    error = one_minus_p(log_probs, target)
    assert error.min() >= 1e-4 * (1 - 1e-9)
    assert error.max() <= 0.3 * (1 + 1e-9)
    assert ks(error.log(), log_uniform(1e-4, 0.3)) > UNLIKELY


@pytest.mark.parametrize("name", ["confident_right", "vertex"])
def test_the_mass_off_the_top_is_spread_by_gaussian_logits(name: str) -> None:
    log_probs, _ = draw(name, 4000, 10)
    top = log_probs.argmax(1, keepdim=True)
    # Two classes that are not the top one: the difference of two standard normal logits.
    gap = log_probs.gather(1, (top + 1) % 10) - log_probs.gather(1, (top + 2) % 10)
    assert ks(gap.squeeze(1), stats.norm(0, math.sqrt(2)).cdf) > UNLIKELY


@pytest.mark.parametrize("n_classes", [2, 10])
def test_confident_wrong_label_and_rest_are_log_uniform(n_classes: int) -> None:
    log_probs, target = draw("confident_wrong", 4000, n_classes)
    log_p = label_log_probs(log_probs, target)
    assert ks(log_p, log_uniform(1e-8, 0.1)) > UNLIKELY
    rival = log_probs.argmax(1)
    assert (rival != target).all()
    assert (label_log_probs(log_probs, rival) > math.log(0.8 - 1e-9)).all()
    if n_classes > 2:
        rest = without(log_probs, target, rival).logsumexp(1)
        assert ks(rest, log_uniform(1e-8, 0.1)) > UNLIKELY
        assert abs(stats.spearmanr(rest.numpy(), log_p.numpy()).statistic) < 0.06  # independent of p_y
        where = torch.bincount((rival - target) % n_classes, minlength=n_classes)
        assert where[0] == 0
        assert stats.chisquare(where[1:].numpy()).pvalue > UNLIKELY


def test_two_class_log_odds_between_two_classes() -> None:
    log_probs, target = draw("two_class", 4000, 2)
    odds = label_log_probs(log_probs, target) - label_log_probs(log_probs, 1 - target)
    assert ks(odds, stats.norm(0, 3).cdf) > UNLIKELY


def test_two_class_shares_all_but_the_rest() -> None:
    log_probs, target = draw("two_class", 1500, 2000)
    rival = without(log_probs, target).argmax(1)
    odds = label_log_probs(log_probs, target) - label_log_probs(log_probs, rival)
    # Up to log-odds of 2 the rival is larger than any of the 1998 classes that share at most 0.1.
    known = odds < 2
    assert ks(odds[known], stats.truncnorm(-math.inf, 2 / 3, scale=3).cdf) > UNLIKELY
    rest = without(log_probs, target, rival).logsumexp(1)[known]
    assert ks(rest, log_uniform(1e-8, 0.1)) > UNLIKELY


def test_two_class_rival_keeps_its_digits_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    # The label holds all but 5e-6 of what the two share, and the rest 0.1: a remainder would be 0.3 % off.
    monkeypatch.setattr(classes, "normal", lambda shape, *_: torch.full(shape, -4.0))
    monkeypatch.setattr(regimes, "normal", lambda shape, *_: torch.full(shape, -4.0))
    monkeypatch.setattr(regimes, "_log_uniform", lambda n, *_: torch.full((n,), 0.1))
    log_probs, target = draw("two_class", 100, 3, torch.float32)
    odds = label_log_probs(log_probs, target)[:, None] - log_probs
    assert odds.amax(dim=1).tolist() == pytest.approx([12.0] * 100, rel=1e-6)


def test_boundary_is_a_tie_between_the_label_and_the_largest_other() -> None:
    log_probs, target = draw("boundary", 1500, 1000)
    others = without(log_probs, target)
    gap = label_log_probs(log_probs, target) - others.amax(dim=1)
    assert ks(gap, stats.norm(0, 0.05).cdf) > UNLIKELY
    kept = log_probs[others > -torch.inf].view(len(target), -1)
    scales_are(kept.std(dim=1), 0.3, 10)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("n_classes", [2, 10])
def test_vertex_mass_is_log_uniform_down_to_1e30(n_classes: int, dtype: torch.dtype) -> None:
    log_probs, target = draw("vertex", 4000, n_classes, dtype)
    top = log_probs.argmax(1)
    off = one_minus_p(log_probs, top).double()
    assert off.min() > 1e-30 * (1 - 1e-4)
    assert off.max() < 1e-4 * (1 + 1e-4)
    assert ks(off.log(), log_uniform(1e-30, 1e-4)) > UNLIKELY
    right = int((top == target).sum())
    assert stats.binomtest(right, len(target), 0.5).pvalue > UNLIKELY
    where = torch.bincount(((target - top) % n_classes)[top != target], minlength=n_classes)[1:]
    assert len(where) == 1 or stats.chisquare(where.numpy()).pvalue > UNLIKELY


def test_softmax_gaussian_logits() -> None:
    log_probs, _ = draw("softmax_gaussian", 1500, 1000)
    scale = log_probs.std(dim=1)
    scales_are(scale, 0.1, 20)
    standard = (log_probs - log_probs.mean(dim=1, keepdim=True)) / scale[:, None]
    assert ks(standard.flatten()[::371], "norm") > UNLIKELY


@pytest.mark.parametrize("n_classes", [2, 10])
@pytest.mark.parametrize("name", ["softmax_gaussian", "dirichlet"])
def test_one_half_of_the_labels_is_calibrated(name: str, n_classes: int) -> None:
    n = 10_000
    log_probs, target = draw(name, n, n_classes)
    probs = log_probs.exp()
    label_is = torch.nn.functional.one_hot(target, n_classes).double()
    chance = 0.5 * probs + 0.5 / n_classes
    # At every level of predicted probability the label comes up as often as the mixture of halves says.
    for low, high in ((0, 0.01), (0.01, 0.2), (0.2, 0.6), (0.6, 0.99), (0.99, 1.01)):
        bin_ = (probs >= low) & (probs < high)
        spread = math.sqrt(float((chance * (1 - chance))[bin_].sum()))
        assert bin_.sum() > 25
        assert abs(float((label_is - chance)[bin_].sum())) < 4 * spread


def test_a_uniform_draw_of_one_does_not_make_an_impossible_label(monkeypatch: pytest.MonkeyPatch) -> None:
    # In float32 one draw in 2**24 is exactly 1: at 100,000 classes, one prediction in 170 has one.
    log_probs = torch.tensor([[-1e-26, -60.0]]).repeat(64, 1)
    draws = torch.tensor([[0.5, 1.0]]).repeat(64, 1)
    monkeypatch.setattr(classes, "uniform", lambda *_: draws)
    calibrated = regimes._half_calibrated(log_probs, EveryClass(2), stream(0, "labels"))
    # The uniform half of the labels remains.
    assert 4 < int(calibrated.sum()) < 32
