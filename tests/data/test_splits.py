from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from evoloss.data.dataset import LabelledArrays, SourceData
from evoloss.data.splits import balanced_subset, divide, require_disjoint, stratified_split
from evoloss.errors import ConfigError, DataError
from evoloss.random_streams import stream

label_lists = st.lists(st.integers(0, 6), min_size=1, max_size=200).map(torch.tensor)


@settings(deadline=None, max_examples=80)
@given(labels=label_lists, share=st.floats(0, 0.999), seed=st.integers(0, 99))
def test_stratified_split_is_a_partition_in_proportion(labels: torch.Tensor, share: float, seed: int) -> None:
    first, second = stratified_split(labels, share, stream(seed))
    assert torch.cat([first, second]).sort().values.tolist() == list(range(len(labels)))
    assert first.tolist() == sorted(first.tolist())
    assert len(second) <= round(share * len(labels))
    for k in torch.unique(labels):
        size = int((labels == k).sum())
        taken = int((labels[second] == k).sum())
        assert taken < size
        assert abs(taken - share * size) <= 1 or taken == size - 1


@settings(deadline=None, max_examples=80)
@given(labels=label_lists, data=st.data(), seed=st.integers(0, 99))
def test_balanced_subset_is_as_equal_as_it_can_be_and_nested(
    labels: torch.Tensor, data: st.DataObject, seed: int
) -> None:
    n = data.draw(st.integers(1, len(labels)))
    smaller = data.draw(st.integers(1, n))
    chosen = balanced_subset(labels, n, stream(seed))
    assert len(set(chosen.tolist())) == n
    counts = torch.bincount(labels[chosen], minlength=7)
    sizes = torch.bincount(labels, minlength=7)
    not_exhausted = counts[(counts < sizes)]
    if len(not_exhausted):
        assert int(counts.max() - not_exhausted.min()) <= 1
    assert set(balanced_subset(labels, smaller, stream(seed)).tolist()) <= set(chosen.tolist())


def numbered(n: int, n_classes: int = 4, **parts: LabelledArrays) -> SourceData:
    """Make a data set whose single feature is the number of the sample."""
    arrays = LabelledArrays(np.arange(n, dtype=np.float32)[:, None], np.arange(n) % n_classes)
    return SourceData("numbered", arrays, tuple("abcdefgh"[:n_classes]), **parts)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("train_samples", [None, 40])
def test_no_sample_is_in_two_splits(seed: int, train_samples: int | None) -> None:
    data = divide(numbered(200), validation=0.2, train_samples=train_samples, split_seed=seed)
    parts = [set(split.inputs[:, 0].tolist()) for split in (data.train, data.validation, data.test)]
    assert [len(part) for part in parts] == [train_samples or 128, 32, 40]
    assert len(set.union(*parts)) == sum(len(part) for part in parts)
    for split in (data.train, data.validation, data.test):
        assert torch.equal(split.labels, split.inputs[:, 0].long() % 4)


def test_published_parts_stay_as_they_are() -> None:
    test = LabelledArrays(np.full((6, 1), -1, np.float32), np.arange(6) % 4)
    data = divide(numbered(100, test=test), validation=0.1, train_samples=None, split_seed=0)
    assert (len(data.train), len(data.validation), len(data.test)) == (90, 10, 6)
    assert float(data.test.inputs.max()) == -1
    validation = LabelledArrays(np.full((5, 1), -2, np.float32), np.arange(5) % 4)
    both = divide(
        numbered(100, test=test, validation=validation), validation=0.1, train_samples=None, split_seed=0
    )
    assert (len(both.train), len(both.validation), len(both.test)) == (100, 5, 6)


def test_splits_copy_read_only_arrays() -> None:
    source = numbered(40)
    source.train.inputs.setflags(write=False)
    data = divide(source, validation=0.1, train_samples=None, split_seed=0)
    data.train.inputs.zero_()
    assert float(source.train.inputs.sum()) == sum(range(40))


def test_no_validation_is_an_empty_split() -> None:
    assert len(divide(numbered(40), validation=0.0, train_samples=None, split_seed=0).validation) == 0


def test_disjointness_is_enforced() -> None:
    with pytest.raises(DataError, match=r"train \(2\), test \(2\) share samples"):
        require_disjoint({"train": torch.tensor([0, 1]), "test": torch.tensor([1, 2])})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"validation": 1.0}, "at least 0 and below 1, got 1.0"),
        ({"validation": -0.1}, "at least 0 and below 1"),
        ({"train_samples": 0}, "train_samples must be 1 to 72"),
        ({"train_samples": 73}, "train_samples must be 1 to 72"),
    ],
)
def test_bad_arguments_are_named(arguments: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        divide(numbered(100), **({"validation": 0.1, "train_samples": None, "split_seed": 0} | arguments))  # type: ignore[arg-type]
