from __future__ import annotations

from benchmarks.harness.words import loss_in_words
from benchmarks.transfer.page import load


def test_losses_that_are_drawn_have_names_without_signs_of_code() -> None:
    names = {row.loss for results in load().values() for row in results.losses}
    words = {name: loss_in_words(name) for name in names}
    assert words["label_smoothing"] == "label smoothing"
    assert words["nce_rce"] == "NCE+RCE"
    assert words["evolved-noise"] == "evolved-noise", "a name of ours is its name"
    assert not any("_" in text for text in words.values())
    assert len(set(words.values())) == len(names)
