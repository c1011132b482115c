from __future__ import annotations

import csv
import io

import pytest
import torch
from sklearn.metrics import balanced_accuracy_score, confusion_matrix, recall_score

from evoloss.compare.keeping.evaluation import evaluation, predictions_csv
from evoloss.training.metrics import evaluate_logits


def drawn(n: int = 400, n_classes: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    labels = (torch.rand(n, generator=generator) ** 2 * n_classes).long()  # unbalanced
    logits = torch.randn(n, n_classes, generator=generator)
    logits[torch.arange(n), labels] += 1.0
    return logits.double().log_softmax(1), labels


def test_numbers_are_those_of_scikit_learn() -> None:
    log_probs, labels = drawn()
    probs = log_probs.exp()
    found, guesses = evaluation(probs, labels, ("a", "b", "c", "d"), 1.5), probs.argmax(1)
    assert found["confusion"] == confusion_matrix(labels, guesses).tolist()
    assert found["recall"] == pytest.approx(recall_score(labels, guesses, average=None).tolist())
    assert found["balanced_accuracy"] == pytest.approx(100 * balanced_accuracy_score(labels, guesses))
    assert (found["classes"], found["temperature"]) == (["a", "b", "c", "d"], 1.5)


def test_the_reliability_gives_the_calibration_error() -> None:
    log_probs, labels = drawn()
    found = evaluation(log_probs.exp(), labels, ("a", "b", "c", "d"), None)["reliability"]
    assert len(found["edges"]) == 16
    assert sum(found["counts"]) == len(labels)
    gaps = [
        count * abs(sure - right)
        for count, sure, right in zip(found["counts"], found["confidence"], found["accuracy"], strict=True)
        if count
    ]
    judged = evaluate_logits(log_probs, labels)
    assert judged is not None
    assert sum(gaps) / len(labels) == pytest.approx(judged.ece, abs=1e-5)
    for count, sure, low, high in zip(
        found["counts"], found["confidence"], found["edges"], found["edges"][1:], strict=False
    ):
        assert (sure is None) == (count == 0)
        assert sure is None or low <= sure <= high


def test_a_certain_prediction_is_in_the_last_bin_and_a_class_without_samples_has_no_recall() -> None:
    found = evaluation(torch.eye(3)[[0, 0]], torch.tensor([0, 0]), ("a", "b", "c"), 1.0)
    assert found["reliability"]["counts"] == [0] * 14 + [2]
    assert found["recall"] == [1.0, None, None]
    assert found["balanced_accuracy"] == 100


def test_predictions_have_a_row_a_sample_and_survive_odd_names() -> None:
    probs = torch.tensor([[0.75, 0.25], [1 / 3, 2 / 3]])
    names = ('a "small", cat', "dog\nor so")
    text = predictions_csv(probs, torch.tensor([0, 0]), torch.tensor([7, 3]), names)
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [row["index"] for row in rows] == ["7", "3"]
    assert [row["correct"] for row in rows] == ["1", "0"]
    assert rows[1]["label"] == names[0]
    assert rows[1]["predicted"] == names[1]
    assert rows[1][f"p_{names[0]}"] == "0.333333"


def test_names_that_a_spreadsheet_would_run_get_an_apostrophe() -> None:
    probs = torch.tensor([[0.75, 0.25], [1e-5, 0.99999]])
    text = predictions_csv(probs, torch.tensor([0, 1]), torch.tensor([0, 1]), ("=HYPERLINK(1)", "-1"))
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [row["label"] for row in rows] == ["'=HYPERLINK(1)", "-1"]
    assert [row["p_=HYPERLINK(1)"] for row in rows] == ["0.75", "1e-05"]
