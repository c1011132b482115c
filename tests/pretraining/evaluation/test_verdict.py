"""A run ends with a verdict: what came of it and what to do."""

from __future__ import annotations

from typing import Any

import pytest

from evoloss.pretraining import PretrainConfig
from evoloss.pretraining.evaluation.verdict import SETTLED, is_settled, verdict_of
from tests.pretraining.runs import tiny


def scores(*shares: float, order: str = "consistency") -> dict[str, dict[str, float]]:
    counts = ("2", "10", "100", "1000")
    return {count: {"consistency": 0.5, order: share} for count, share in zip(counts, shares, strict=False)}


def test_settled_is_the_least_of_all_class_counts():
    config = PretrainConfig()
    assert is_settled(config, scores(1.0, SETTLED)) is True
    assert is_settled(config, scores(1.0, 0.99899)) is False
    assert is_settled(config, {}) is False, "not measured"
    assert is_settled(PretrainConfig(fitness="learnability"), scores(1.0)) is None
    assert is_settled(PretrainConfig(error="dominance"), scores(1.0, order="dominance")) is True
    assert (
        is_settled(PretrainConfig(error="dominance"), {"2": {"consistency": 1.0, "dominance": 0.9}}) is False
    )


def verdict(config: PretrainConfig, found: dict[str, dict[str, float]], generations: int = 300) -> Any:
    return verdict_of(config, {"scores": found, "generations": generations})


def test_a_settled_search_needs_no_advice():
    found = verdict(PretrainConfig(), scores(0.99999, 0.99912))
    assert found.text == (
        "The search has settled: 99.912 % of held-out couples are in the right order at 10 classes, "
        "where they are fewest."
    )
    assert (found.advice, found.generations) == ("", None)


def test_what_is_short_of_it_is_not_rounded_up():
    text = verdict(PretrainConfig(), scores(0.998999)).text
    assert (
        "only 99.899 % of held-out couples are in the right order at 2 classes, of 99.9 % asked for" in text
    )
    assert "The loss can be used" in text


@pytest.mark.parametrize(
    ("changes", "advice"),
    [
        ({}, "network='monotone', which settles soonest"),
        ({"generations": 300}, "begin again without a number of generations"),
        ({"generations": 300, "start": "gce"}, "network='monotone'"),
        ({"network": "monotone"}, "another seed, or more pairs"),
        ({"network": "concat", "classes": (10,)}, "another seed, or more pairs"),
        ({"features": "probs"}, "features='log_probs'"),
        ({"network": "paced"}, "error='dominance'"),
        ({"network": "tempered", "error": "total_variation"}, "error='dominance'"),
    ],
    ids=str,
)
def test_one_that_has_not_is_told_what_to_do(changes: dict[str, Any], advice: str):
    found = verdict(PretrainConfig(**changes), scores(0.95), generations=100)
    assert advice in found.advice
    assert found.generations == 400
    assert verdict(PretrainConfig(**changes), scores(0.95), generations=2000).generations == 4000


def test_an_order_that_could_not_be_measured():
    assert "not finite on all held-out pairs" in verdict(PretrainConfig(), {}).text


@pytest.mark.parametrize(
    ("means", "text"),
    [
        ((1.0, 2.0, 3.0), "Better: +2.00 ± 0.29 points of accuracy over cross-entropy on 48 held-out tasks."),
        ((-1.0, -2.0, -3.0), "Worse: -2.00 ± 0.29 points"),
        ((0.5, -0.5, 0.3), "No different: +0.10 ± 0.29 points"),
    ],
)
def test_learnability_is_judged_by_its_gain(means: tuple[float, ...], text: str):
    kinds = zip(("short", "long", "stretched"), means, strict=True)
    learnability = {name: {"mean": mean, "se": 0.5, "tasks": 16} for name, mean in kinds}
    found = verdict_of(tiny(fitness="learnability"), {"learnability": learnability, "scores": {}})
    assert found.text.startswith(text)
    assert (found.advice == "") == found.text.startswith("Better")
    assert ("Keep cross-entropy" in found.text) == (found.advice != "")


def test_learnability_without_a_mean_to_judge():
    found = verdict_of(tiny(fitness="learnability"), {"scores": {}})
    assert "none is fit for training" in found.text
    assert "eval_every" in found.advice
