from __future__ import annotations

import pytest
import torch

import evoloss.pretraining.evaluation.held_out as held_out
from evoloss.fitness import ranking_scores
from evoloss.networks import ClasswiseNetwork, ConcatNetwork, MonotoneNetwork, TemperedNetwork
from evoloss.pairs import PairsConfig, error_key
from evoloss.pretraining import held_out_pairs, score, score_all
from evoloss.pretraining.evaluation.held_out import dominance_consistency

NETWORK = MonotoneNetwork(hidden=(4,))


def start(network: ClasswiseNetwork | ConcatNetwork, seed: int = 0) -> torch.Tensor:
    return network.initial(torch.Generator().manual_seed(seed))


def test_pairs_are_the_same_on_every_call_and_in_float64():
    first, second = held_out_pairs((2, 7), 16), held_out_pairs([7, 2], 16)
    assert list(first) == [2, 7]
    for count in first:
        assert first[count].log_probs.dtype == torch.float64
        assert first[count].log_probs.shape == (16, count)
        assert torch.equal(first[count].log_probs, second[count].log_probs)
        assert torch.equal(first[count].target, second[count].target)


def test_the_mixture_is_used():
    only = held_out_pairs((5,), 32, PairsConfig(weights={"near_uniform": 1.0}))[5]
    assert only.log_probs.exp().max().item() < 0.6


@pytest.mark.parametrize("network", [NETWORK, ConcatNetwork(hidden=(4,), n_classes=5)])
def test_chunks_do_not_show(network: ClasswiseNetwork | ConcatNetwork, monkeypatch: pytest.MonkeyPatch):
    pairs = held_out_pairs((5,), 33)[5]
    params = next(p for p in (start(network, s) for s in range(99)) if score(network, p, pairs) is not None)
    whole = score(network, params, pairs)
    monkeypatch.setattr(held_out, "_ELEMENTS", 40)
    assert score(network, params, pairs) == whole
    losses = network.losses(params[None].double(), pairs.log_probs, pairs.target)[0]
    expected = ranking_scores(losses, error_key("one_minus_p", pairs.log_probs, pairs.target))
    assert whole == pytest.approx(expected)


def test_a_loss_upside_down_has_no_score_and_spoils_the_whole():
    network = ClasswiseNetwork(hidden=(4,))
    pairs = held_out_pairs((3, 10), 16)
    usable = [p for p in (start(network, s) for s in range(50)) if score_all(network, p, pairs)]
    flipped = usable[0].clone()
    flipped[-4:] *= -1  # the output weights: a loss that rewards errors
    assert score(network, flipped, pairs[3]) is None
    assert score_all(network, flipped, pairs) is None


def test_a_constant_or_infinite_loss_has_no_score(monkeypatch: pytest.MonkeyPatch):
    pairs = held_out_pairs((3,), 16)[3]
    for value in (1.0, torch.inf, torch.nan):
        monkeypatch.setattr(
            MonotoneNetwork, "losses", lambda self, p, logs, y, v=value: torch.full((1, len(y)), v)
        )
        assert score(NETWORK, start(NETWORK), pairs) is None


def test_a_monotone_loss_is_consistent_with_two_classes():
    # With two classes dominance orders all couples of one label, and the classes are exchangeable.
    scores = score_all(NETWORK, start(NETWORK), held_out_pairs((2,), 256))
    assert scores is not None
    assert scores[2].consistency > 0.99


def test_consistency_under_dominance_compares_a_pair_with_itself_made_worse(monkeypatch: pytest.MonkeyPatch):
    pairs, network = held_out_pairs((3, 10), 200), TemperedNetwork()
    params = start(network)
    found = dominance_consistency(network, params, pairs)
    assert found == {3: pytest.approx(1, abs=0.02), 10: pytest.approx(1, abs=0.02)}
    # Of predictions that dominance does not compare it has an order of its own.
    by_p = score(network, params, pairs[10])
    assert by_p is not None
    assert by_p.consistency < 0.9
    monkeypatch.setattr(held_out, "_ELEMENTS", 40)
    assert dominance_consistency(network, params, pairs) == found
