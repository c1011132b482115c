from __future__ import annotations

import pytest
import torch
from torch import Tensor

from evoloss.compare.keeping.noise_model import confident_counts, estimate_transitions
from evoloss.compare.keeping.suspects import Suspects, average_precision, self_confidence
from evoloss.data import noisy_labels


def noisy_problem(
    kind: str, rate: float, n: int = 3000, n_classes: int = 6, seed: int = 0
) -> tuple[Tensor, ...]:
    """Labels, noisy ones, predictions by a classifier that has learned their chances, transitions."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(n_classes, (n,), generator=generator)
    noisy = noisy_labels(labels, n_classes, rate, kind, generator)  # type: ignore[arg-type]
    logits = 1.5 * torch.randn(n, n_classes, generator=generator)
    logits[torch.arange(n), labels] += 4.0
    transitions = torch.full((n_classes, n_classes), rate / (n_classes - 1))
    if kind == "asymmetric":
        transitions = rate * torch.eye(n_classes).roll(1, 0)
    transitions.fill_diagonal_(1 - rate)
    return labels, noisy, logits.softmax(1) @ transitions.T, transitions


def test_the_transitions_are_found() -> None:
    for kind in ("symmetric", "asymmetric"):
        _, noisy, probs, transitions = noisy_problem(kind, 0.3)
        found = estimate_transitions(probs.double(), noisy)
        assert found.sum(0).tolist() == pytest.approx([1] * 6)
        # Confident samples alone are counted, and so are some mistakes of the classifier.
        torch.testing.assert_close(found.float(), transitions, atol=0.08, rtol=0)


def test_noise_without_direction_is_shrunk_to_all_classes_alike() -> None:
    _, noisy, probs, _ = noisy_problem("symmetric", 0.3, n=600)
    counts = confident_counts(probs.double(), noisy)
    raw = counts / counts.sum(0)
    found = estimate_transitions(probs.double(), noisy)
    off = ~torch.eye(6, dtype=torch.bool)
    assert found[off].std() < 0.3 * raw[off].std()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("kind", "gain"), [("symmetric", -0.002), ("asymmetric", 0.05)])
def test_wrong_labels_come_first(kind: str, gain: float, seed: int) -> None:
    labels, noisy, probs, _ = noisy_problem(kind, 0.4, seed=seed)
    wrong = noisy != labels
    suspects = Suspects.of(probs, noisy)
    found = average_precision(suspects.scores, wrong)
    assert found > average_precision(self_confidence(probs, noisy), wrong) + gain
    assert found > 0.8
    first = suspects.order[:200]
    assert (suspects.suggested[first] == labels[first]).float().mean() > 0.85


def test_scores_are_in_their_range_and_the_label_is_never_suggested() -> None:
    _, noisy, probs, _ = noisy_problem("symmetric", 0.2, n=200)
    probs[0] = torch.eye(6)[noisy[0]]
    probs[1] = torch.eye(6)[(noisy[1] + 1) % 6]
    suspects = Suspects.of(probs, noisy)
    assert bool(((suspects.scores >= 0) & (suspects.scores <= 1)).all())
    assert bool((suspects.suggested != noisy).all())
    assert bool((suspects.scores[suspects.order].diff() <= 0).all())
    assert suspects.scores[0] == 0
    assert suspects.order[0] == 1


@pytest.mark.parametrize("labels", [[0, 0, 0], [0, 1, 1], [2, 2, 0]])
def test_few_samples_and_classes_without_any(labels: list[int]) -> None:
    suspects = Suspects.of(
        torch.tensor([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.3, 0.4, 0.3]]), torch.tensor(labels)
    )
    assert bool(suspects.scores.isfinite().all())
    assert sorted(suspects.order.tolist()) == [0, 1, 2]


def test_chunks_of_rows_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    _, noisy, probs, _ = noisy_problem("asymmetric", 0.2, n=100)
    whole = Suspects.of(probs, noisy)
    monkeypatch.setattr("evoloss.compare.keeping.suspects._ROWS", 7)
    assert torch.equal(Suspects.of(probs, noisy).scores, whole.scores)
