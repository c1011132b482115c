from __future__ import annotations

import pytest

from benchmarks.chaos.results import load
from benchmarks.chaos.words import in_words


@pytest.mark.parametrize(
    ("variant", "reference", "words"),
    [
        ("gaussian", None, "Gaussian"),
        ("tent", None, "tent map"),
        ("logistic both", None, "logistic map, lengths and directions"),
        ("gauss", "gauss independent", "Gauss map: orbit − independent draws"),
        ("tent", "student_t", "tent map − Student-t"),
    ],
)
def test_variants_in_words(variant: str, reference: str | None, words: str) -> None:
    assert in_words(variant, reference) == words


def test_every_variant_that_is_drawn_has_words_of_its_own() -> None:
    ablation = load("fixed-0.3")
    rows = {
        (row.variant, None if row.reference == ablation.baseline else row.reference)
        for row in ablation.comparisons
    }
    words = {in_words(*row) for row in rows}
    assert len(words) == len(rows) > 20
    assert not any("_" in text for text in words)
