from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from evoloss.data.label_noise import (
    CIFAR10_CONFUSIONS,
    CIFAR100_CONFUSIONS,
    CONFUSIONS,
    noisy_labels,
    usual_confusions,
)
from evoloss.data.readers.cifar_classes import (
    CIFAR10_CLASSES,
    CIFAR100_CLASSES,
    CIFAR100_COARSE,
    CIFAR100_SUPERCLASSES,
)
from evoloss.errors import ConfigError
from evoloss.random_streams import stream


@settings(deadline=None, max_examples=60)
@given(n=st.integers(0, 300), n_classes=st.integers(2, 12), rate=st.floats(0, 1), seed=st.integers(0, 2**31))
def test_symmetric_noise_replaces_the_exact_share(n: int, n_classes: int, rate: float, seed: int) -> None:
    labels = torch.randint(n_classes, (n,), generator=stream(seed))
    noisy = noisy_labels(labels, n_classes, rate, "symmetric", stream(seed, "noise"))
    assert int((noisy != labels).sum()) == round(rate * n)
    assert noisy.dtype == torch.int64
    assert n == 0 or (noisy.min() >= 0 and noisy.max() < n_classes)


@settings(deadline=None, max_examples=40)
@given(n=st.integers(0, 300), n_classes=st.integers(2, 12), rate=st.floats(0, 1), seed=st.integers(0, 2**31))
def test_asymmetric_noise_replaces_the_exact_share_of_every_class(
    n: int, n_classes: int, rate: float, seed: int
) -> None:
    labels = torch.randint(n_classes, (n,), generator=stream(seed))
    noisy = noisy_labels(labels, n_classes, rate, "asymmetric", stream(seed, "noise"))
    for k in range(n_classes):
        of_class = noisy[labels == k]
        changed = of_class[of_class != k]
        assert len(changed) == round(rate * len(of_class))
        assert bool((changed == (k + 1) % n_classes).all())


def test_symmetric_noise_is_uniform_over_the_other_classes() -> None:
    labels = torch.arange(10).repeat_interleave(5000)
    noisy = noisy_labels(labels, 10, 0.4, "symmetric", stream(3))
    for k in range(10):
        counts = torch.bincount(noisy[(labels == k) & (noisy != labels)], minlength=10)
        assert counts[k] == 0
        others = torch.cat([counts[:k], counts[k + 1 :]])
        # 10 tests from one fixed seed: each would fail one time in ten thousand if the draw were uniform.
        assert stats.chisquare(others.numpy()).pvalue > 1e-4
        assert abs(int(others.sum()) - 2000) < 5 * (5000 * 0.4 * 0.6) ** 0.5


def test_which_samples_are_hit_does_not_depend_on_their_place() -> None:
    labels = torch.zeros(20_000, dtype=torch.int64)
    noisy = noisy_labels(labels, 3, 0.25, "symmetric", stream(5))
    per_block = (noisy != labels).reshape(20, 1000).sum(1).float()
    assert stats.chisquare(per_block.numpy()).pvalue > 1e-4


def test_the_usual_confusions_are_found_by_the_classes() -> None:
    assert usual_confusions(CIFAR10_CLASSES) == CIFAR10_CONFUSIONS
    assert usual_confusions(CIFAR100_CLASSES) == CIFAR100_CONFUSIONS
    assert usual_confusions(tuple("0123456789")) is None
    assert usual_confusions(CIFAR10_CLASSES[::-1]) is None
    assert CONFUSIONS == {"cifar10": CIFAR10_CONFUSIONS, "cifar100": CIFAR100_CONFUSIONS}


def test_cifar10_confusions_are_the_published_ones() -> None:
    names = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    moved = {names[k]: names[t] for k, t in enumerate(CIFAR10_CONFUSIONS) if t != k}
    assert moved == {
        "truck": "automobile", "bird": "airplane", "deer": "horse", "cat": "dog", "dog": "cat"
    }  # fmt: skip
    labels = torch.arange(10).repeat_interleave(100)
    noisy = noisy_labels(labels, 10, 0.4, "asymmetric", stream(0), confusions=CIFAR10_CONFUSIONS)
    assert int((noisy != labels).sum()) == 5 * 40
    for k, target in enumerate(CIFAR10_CONFUSIONS):
        assert set(noisy[labels == k].tolist()) == {k, target}


def test_cifar100_confusions_stay_in_the_superclass_and_go_round_it() -> None:
    assert len(set(CIFAR100_CLASSES)) == 100
    assert [CIFAR100_COARSE[CIFAR100_CLASSES.index(name)] for name in ("apple", "baby", "whale", "worm")] == [
        4, 14, 0, 13
    ]  # fmt: skip
    for members in CIFAR100_SUPERCLASSES.values():
        seen = [CIFAR100_CLASSES.index(members[0])]
        for _ in range(4):
            seen.append(CIFAR100_CONFUSIONS[seen[-1]])
        assert {CIFAR100_CLASSES[k] for k in seen} == set(members)
        assert CIFAR100_CONFUSIONS[seen[-1]] == seen[0]


@pytest.mark.parametrize("kind", ["symmetric", "asymmetric"])
def test_same_generator_same_noise_and_the_input_is_left_alone(kind: str) -> None:
    labels = torch.arange(100) % 7
    kept = labels.clone()
    first = noisy_labels(labels, 7, 0.5, kind, stream(1))  # type: ignore[arg-type]
    again = noisy_labels(labels, 7, 0.5, kind, stream(1))  # type: ignore[arg-type]
    other = noisy_labels(labels, 7, 0.5, kind, stream(2))  # type: ignore[arg-type]
    assert torch.equal(labels, kept)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_rate_zero_changes_nothing() -> None:
    labels = torch.arange(50) % 5
    assert torch.equal(noisy_labels(labels, 5, 0.0, "symmetric", stream(0)), labels)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rate": 1.5}, "between 0 and 1, got 1.5"),
        ({"rate": float("nan")}, "between 0 and 1, got nan"),
        ({"kind": "pair"}, "got 'pair'"),
        ({"n_classes": 1}, "at least 2 classes"),
        ({"n_classes": 3}, "labels must be 0 to 2, got 0 to 4"),
        ({"labels": torch.zeros(3)}, "int64"),
        ({"confusions": [1, 0, 2, 3, 4]}, "belong to asymmetric noise"),
        ({"confusions": [1, 0], "kind": "asymmetric"}, "5 classes"),
        ({"confusions": [1, 0, 2, 3, 5], "kind": "asymmetric"}, "0 to 4"),
    ],
)
def test_bad_arguments_are_named(change: dict[str, object], message: str) -> None:
    arguments: dict[str, object] = {
        "labels": torch.arange(5), "n_classes": 5, "rate": 0.2, "kind": "symmetric", "generator": stream(0)
    }  # fmt: skip
    with pytest.raises(ConfigError, match=message):
        noisy_labels(**(arguments | change))  # type: ignore[arg-type]
