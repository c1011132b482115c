from __future__ import annotations

import numpy as np
import torch
from sklearn import datasets

from evoloss.data import load_dataset
from evoloss.data.readers.digits import load_digits


def test_pixels_are_the_counts_stretched_to_255() -> None:
    source = load_digits()
    counts = datasets.load_digits().images
    assert source.train.inputs.shape == (1797, 1, 8, 8)
    assert source.train.inputs.dtype == np.uint8
    assert source.train.inputs.min() == 0
    assert source.train.inputs.max() == 255
    np.testing.assert_allclose(source.train.inputs[:, 0], counts * 255 / 16, atol=0.5)


def test_labels_are_kept() -> None:
    np.testing.assert_array_equal(load_digits().train.labels, datasets.load_digits().target)


def test_split_is_stratified_and_complete() -> None:
    data = load_dataset("digits")
    assert (len(data.train), len(data.validation), len(data.test)) == (1294, 144, 359)
    for split, share in ((data.train, 0.72), (data.validation, 0.08), (data.test, 0.2)):
        expected = torch.bincount(torch.from_numpy(datasets.load_digits().target)) * share
        assert (torch.bincount(split.labels, minlength=10) - expected).abs().max() < 2


def test_same_seed_same_split_and_the_test_split_is_always_the_same() -> None:
    first, again, other = (load_dataset("digits", split_seed=seed) for seed in (0, 0, 1))
    torch.testing.assert_close(first.train.inputs, again.train.inputs)
    torch.testing.assert_close(first.test.inputs, other.test.inputs)
    assert not torch.equal(first.validation.inputs, other.validation.inputs)
