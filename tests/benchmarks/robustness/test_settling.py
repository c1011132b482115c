"""How the settling of the defaults is measured, and the committed result."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from benchmarks.robustness.settling import CLASSES, GOAL, PAIRS, consistency, foreign_pairs
from evoloss.losses import LOSSES

RESULTS = Path(__file__).parents[3] / "benchmarks/robustness/results"


@pytest.mark.parametrize("n_classes", [2, 10])
def test_foreign_pairs_are_of_every_kind(n_classes: int):
    logits, target = foreign_pairs(n_classes)
    assert logits.shape == (PAIRS, n_classes)
    assert 0 <= int(target.min()) <= int(target.max()) < n_classes
    right = (logits.argmax(1) == target).double().mean()
    assert 1 / 3 < right < 1 / 3 + 2 / 3 * (1 / min(n_classes, 5) + 0.05)
    p = F.log_softmax(logits, dim=1).gather(1, target[:, None])
    assert p.min() < -60
    assert p.max() > -1e-9
    again = foreign_pairs(n_classes)
    assert torch.equal(again[0], logits)
    assert torch.equal(again[1], target)


def test_a_loss_that_orders_by_the_label_alone_is_consistent_and_others_are_not():
    logits, target = foreign_pairs(10)
    right = F.cross_entropy(logits, target, reduction="none")
    assert consistency(right, logits, target) == 1.0
    assert consistency(-right, logits, target) == 0.0
    # Of the couples half are tied, which counts one half.
    assert consistency((right > right.median()).double(), logits, target) == pytest.approx(0.75, abs=0.01)
    brier = LOSSES["brier"](reduction="none")(logits, target)
    assert 0.5 < consistency(brier, logits, target) < GOAL


def test_the_committed_result_says_what_its_runs_say():
    content = json.loads((RESULTS / "settling.json").read_text(encoding="utf-8"))
    runs, summary = content["runs"], content["summary"]
    assert summary["seeds"] == len({run["seed"] for run in runs}) == len(runs) >= 10
    for run in runs:
        assert set(run["foreign"]) == {str(count) for count in CLASSES}
        assert run["lowest_foreign"] == min(scores["float64"] for scores in run["foreign"].values())
    assert summary["settled"] == sum(run["settled"] for run in runs)
    assert summary["foreign_at_goal"] == sum(run["lowest_foreign"] >= GOAL for run in runs)
    assert summary["lowest_foreign"] == min(run["lowest_foreign"] for run in runs)
    assert summary["most_cpu_seconds"] == max(run["cpu_seconds"] for run in runs)
    # What is asked for: every seed, 0.999 at every class count, within a minute on one core.
    assert summary["settled"] == summary["foreign_at_goal"] == summary["seeds"]
    assert summary["most_cpu_seconds"] < 60
