from __future__ import annotations

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from evoloss.errors import ConfigError, UnknownNameError
from evoloss.pairs import DEFAULT_WEIGHTS, REGIMES, Pairs, PairsConfig, sample_pairs, stream_pairs
from evoloss.random_streams import stream

NAMES = tuple(REGIMES)


def same(a: Pairs, b: Pairs) -> bool:
    return all(torch.equal(getattr(a, name), getattr(b, name)) for name in ("log_probs", "target", "regime"))


@pytest.mark.parametrize("weights", [DEFAULT_WEIGHTS, {"vertex": 3.0, "boundary": 1.0, "dirichlet": 6.0}])
def test_regimes_come_in_the_proportion_of_their_weights(weights: dict[str, float]) -> None:
    pairs = sample_pairs(PairsConfig(weights=weights), 8000, 3, stream(0, "mixture"))
    counts = torch.bincount(pairs.regime, minlength=len(NAMES)).double()
    share = torch.tensor([weights.get(name, 0.0) for name in NAMES], dtype=torch.float64)
    share = share / share.sum()
    assert (counts[share == 0] == 0).all()
    kept = share > 0
    assert stats.chisquare(counts[kept].numpy(), (8000 * share[kept]).numpy()).pvalue > 1e-3


def test_the_default_mixture_weighs_every_regime() -> None:
    assert set(DEFAULT_WEIGHTS) == set(REGIMES)
    assert min(DEFAULT_WEIGHTS.values()) > 0


def test_rows_belong_to_the_regime_that_is_named_for_them() -> None:
    config = PairsConfig(weights={"vertex": 1.0, "confident_wrong": 1.0, "near_uniform": 1.0})
    pairs = sample_pairs(config, 600, 10, stream(1, "mixture"))
    top = pairs.log_probs.amax(1)
    is_from = {name: pairs.regime == NAMES.index(name) for name in config.weights}
    assert (top[is_from["vertex"]] >= math.log1p(-1.1e-4)).all()
    assert (top[is_from["near_uniform"]] < math.log(0.5)).all()
    assert (pairs.errors()[is_from["confident_wrong"]] >= 0.9 - 1e-6).all()
    # In random order: neighbours differ about as often as two draws from three regimes do.
    assert 0.5 < float((pairs.regime[1:] != pairs.regime[:-1]).float().mean()) < 0.8


@pytest.mark.parametrize("weight", [1e-60, 1e200])
def test_only_the_proportion_of_weights_counts(weight: float) -> None:
    scaled = PairsConfig(weights={"vertex": weight, "boundary": weight})
    reference = PairsConfig(weights={"vertex": 1.0, "boundary": 1.0})
    assert same(
        sample_pairs(scaled, 50, 4, stream(2, "scale")), sample_pairs(reference, 50, 4, stream(2, "scale"))
    )


@settings(deadline=None, max_examples=25)
@given(
    n=st.integers(1, 20),
    n_classes=st.integers(2, 300),
    seed=st.integers(0, 2**31),
    dtype=st.sampled_from([torch.float32, torch.float64]),
)
def test_any_size(n: int, n_classes: int, seed: int, dtype: torch.dtype) -> None:
    pairs = sample_pairs(PairsConfig(), n, n_classes, stream(seed), dtype)
    assert pairs.log_probs.shape == (n, n_classes)
    assert pairs.log_probs.dtype == dtype
    assert pairs.target.shape == pairs.regime.shape == (n,)
    assert ((pairs.target >= 0) & (pairs.target < n_classes)).all()
    assert pairs.log_probs.isfinite().all()
    assert pairs.log_probs.logsumexp(1).abs().max() < 1e-5
    for kind in ("one_minus_p", "total_variation"):
        error = pairs.errors(kind)
        assert ((error > 0) & (error <= 1 + 1e-6)).all()


def test_a_hundred_thousand_classes() -> None:
    pairs = sample_pairs(PairsConfig(), 8, 100_000, stream(3, "many"))
    assert pairs.log_probs.shape == (8, 100_000)
    assert pairs.log_probs.double().logsumexp(1).abs().max() < 5e-5


def test_the_generator_is_the_only_source_of_randomness() -> None:
    config = PairsConfig()
    before = torch.get_rng_state()
    first = sample_pairs(config, 200, 5, stream(4, "same"))
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(99)
    assert same(first, sample_pairs(config, 200, 5, stream(4, "same")))
    assert not same(first, sample_pairs(config, 200, 5, stream(5, "same")))


def test_a_stream_is_fresh_pairs_without_end() -> None:
    config = PairsConfig()
    generator = stream(6, "stream")
    one_by_one = [sample_pairs(config, 30, 4, generator, torch.float64) for _ in range(3)]
    streamed = list(itertools.islice(stream_pairs(config, 30, 4, stream(6, "stream"), torch.float64), 3))
    assert all(same(a, b) for a, b in zip(one_by_one, streamed, strict=True))
    assert not same(streamed[0], streamed[1])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_the_generator_decides_the_device() -> None:
    pairs = sample_pairs(PairsConfig(), 500, 10, stream(7, "device", device="cuda"))
    assert pairs.log_probs.is_cuda
    assert pairs.target.is_cuda
    assert pairs.log_probs.isfinite().all()


@pytest.mark.parametrize(
    ("weights", "error", "message"),
    [
        ({"vertexx": 1.0}, UnknownNameError, "no regime 'vertexx'. Did you mean 'vertex'?"),
        ({"vertex": -1.0}, ConfigError, "regime 'vertex' must be finite and at least 0, got -1.0"),
        ({"vertex": math.nan}, ConfigError, "must be finite and at least 0, got nan"),
        ({"vertex": math.inf}, ConfigError, "must be finite and at least 0, got inf"),
        ({"vertex": 0.0}, ConfigError, "all regime weights are 0; at least one must be positive"),
        ({}, ConfigError, "all regime weights are 0; at least one must be positive"),
    ],
)
def test_wrong_weights(weights: dict[str, float], error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        PairsConfig(weights=weights)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("n", "n_classes", "dtype", "message"),
    [
        (5, 1, torch.float32, "n_classes must be from 2 to 100000, got 1"),
        (5, 100_001, torch.float32, "n_classes must be from 2 to 100000, got 100001"),
        (0, 5, torch.float32, "the number of pairs must be at least 1, got 0"),
        (5, 5, torch.float16, "pairs are sampled in float32 or float64, got torch.float16"),
    ],
)
def test_wrong_sizes(n: int, n_classes: int, dtype: torch.dtype, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        sample_pairs(PairsConfig(), n, n_classes, stream(0), dtype)
    assert message in str(caught.value)


def test_dominance_has_no_value_per_pair() -> None:
    pairs = sample_pairs(PairsConfig(), 4, 3, stream(0))
    with pytest.raises(UnknownNameError, match="no error with a value per pair 'dominance'"):
        pairs.errors("dominance")
