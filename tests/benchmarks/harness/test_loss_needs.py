from __future__ import annotations

from benchmarks.harness.loss_needs import is_free, keeps_state, known_needs, need
from evoloss.losses import LOSSES
from evoloss.zoo import SHIPPED


def test_every_known_loss_says_what_it_has_to_be_told() -> None:
    assert set(known_needs()) == set(LOSSES)
    assert need("gce") == "q"
    assert need("elr") == "beta, strength; the index of each sample"
    assert need("epsilon_softmax_mae").startswith("oracle: ")
    assert [name for name in LOSSES if need(name).startswith("oracle")] == ["epsilon_softmax_mae"]


def test_losses_that_keep_statistics_of_their_training() -> None:
    assert {name for name in LOSSES if keeps_state(name)} == {"ogc", "dal", "base_mda", "elr"}
    assert keeps_state("adaptive")
    assert not keeps_state("evolved-base")


def test_what_has_nothing_to_set() -> None:
    assert all(is_free(name) for name in ("cross_entropy", "mae", *SHIPPED))
    assert not any(is_free(name) for name in ("gce", "sce", "label_smoothing", "ogc", "epsilon_softmax_mae"))
    assert need("adaptive") == "the size of the training set"
