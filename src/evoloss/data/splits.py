"""Stratified splits and class-balanced subsets, as index sets, reproducible from a seed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from evoloss.data.dataset import Dataset, LabelledArrays, SourceData
from evoloss.data.origin import Origin
from evoloss.errors import ConfigError, DataError
from evoloss.random_streams import stream

TEST_SHARE = 0.2
"""Share of the samples that becomes the test split where the publisher made none."""


def stratified_split(labels: Tensor, share: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Split the indices ``0 .. N-1`` in two parts with the same class frequencies.

    The second part has ``round(share * N)`` entries, handed to the classes in proportion to their size by
    largest remainders; a class always keeps at least one sample in the first part, so the second part is
    smaller than asked where classes are tiny.

    Args:
        labels: class indices, shape ``(N,)``.
        share: share of the second part, in ``[0, 1)``.
        generator: source of the random choice; CPU.

    Returns:
        Two ascending index tensors that together hold every index once.

    Raises:
        ConfigError: if ``share`` is outside ``[0, 1)``.
    """
    if not 0.0 <= share < 1.0:
        raise ConfigError(f"the share to split off must be at least 0 and below 1, got {share}")
    members = _shuffled_members(labels, generator)
    wanted = [share * len(member) for member in members]
    taken = [min(int(want), len(member) - 1) for want, member in zip(wanted, members, strict=True)]
    missing = round(share * len(labels)) - sum(taken)
    by_remainder = sorted(range(len(members)), key=lambda k: taken[k] - wanted[k])
    for k in by_remainder:
        if missing > 0 and taken[k] < len(members[k]) - 1:
            taken[k] += 1
            missing -= 1
    second = [member[:n] for member, n in zip(members, taken, strict=True)]
    first = [member[n:] for member, n in zip(members, taken, strict=True)]
    return _sorted_union(first), _sorted_union(second)


def balanced_subset(labels: Tensor, n_samples: int, generator: torch.Generator) -> Tensor:
    """Choose ``n_samples`` indices with the classes as equal in number as they can be.

    A class too small for its share gives all it has, and the others fill up. From equal generators a smaller
    subset is contained in every larger one.

    Args:
        labels: class indices, shape ``(N,)``.
        n_samples: size of the subset, 1 to N.
        generator: source of the random choice; CPU.

    Returns:
        Ascending indices, shape ``(n_samples,)``.

    Raises:
        ConfigError: if ``n_samples`` is not in ``[1, N]``.
    """
    if not 1 <= n_samples <= len(labels):
        raise ConfigError(f"train_samples must be 1 to {len(labels)} (the training split), got {n_samples}")
    members = _shuffled_members(labels, generator)
    # Dealing one sample a class and round, in a fixed random order of classes, makes the subsets nested.
    order = torch.randperm(len(members), generator=generator)
    rounds = torch.cat([torch.arange(len(members[k])) for k in order])
    index = torch.cat([members[k] for k in order])
    turn = torch.argsort(rounds, stable=True)
    return index[turn[:n_samples]].sort().values


def require_disjoint(splits: Mapping[str, Tensor]) -> None:
    """Raise :class:`DataError` if two of the index sets share an index, or one holds an index twice."""
    joined = torch.cat(list(splits.values()))
    if len(torch.unique(joined)) != len(joined):
        sizes = ", ".join(f"{name} ({len(index)})" for name, index in splits.items())
        raise DataError(f"the splits {sizes} share samples; every sample belongs to one split only")


def divide(
    source: SourceData,
    *,
    validation: float,
    train_samples: int | None,
    split_seed: int,
    train_labels: npt.NDArray[np.integer[Any]] | None = None,
    noisy_validation: bool = False,
) -> Dataset:
    """Turn what a reader found into train, validation and test.

    Published parts stay as they are. A missing test part is a stratified fifth of the samples, always the
    same one, whatever ``split_seed`` is: a test sample never becomes a training sample by changing a seed. A
    missing validation part is a stratified share of what remains, chosen by ``split_seed``. Inputs that
    depend on statistics are made last, from the training split.

    Args:
        source: the data as published.
        validation: share of the training part that becomes the validation split, in ``[0, 1)``; without
            effect where the publisher made a validation part.
        train_samples: size of a class-balanced subset of the training split; None keeps all of it.
        split_seed: seed of the validation split and of the subset.
        train_labels: class indices ``(N,)`` that training samples have in place of the source's, which
            still decide about the splits.
        noisy_validation: let the validation split have them too.

    Raises:
        ConfigError: if ``validation`` or ``train_samples`` is out of range, or the validation part is a
            published one, for which ``train_labels`` has nothing.
        DataError: if the data does not make a usable data set.
    """
    labels = torch.from_numpy(source.train.labels.astype("int64"))
    train, splits = _indices(source, labels, validation, train_samples, split_seed)
    source = source.encoded(train)
    relabelled = source.train
    if train_labels is not None:
        relabelled = LabelledArrays(source.train.inputs, train_labels)
        if noisy_validation and source.validation is not None:
            raise ConfigError(
                f"data set {source.name!r} has a validation part of its own, for which there are no other "
                "labels; leave its labels as they are"
            )
    validated = relabelled if noisy_validation else source.train
    return Dataset(
        name=source.name,
        train=relabelled.take(train),
        validation=validated.take(splits["validation"])
        if source.validation is None
        else source.validation.take(),
        test=source.train.take(splits["test"]) if source.test is None else source.test.take(),
        n_classes=len(source.class_names),
        class_names=source.class_names,
        notes=(*source.notes, *_split_notes(source, train, splits, split_seed)),
        origin=Origin(
            train=train,
            test=torch.arange(len(source.test.labels)) if source.test is not None else splits["test"],
            reference=None if train_labels is None else labels[train],
            details=source.details,
        ),
    )


def _indices(
    source: SourceData, labels: Tensor, validation: float, train_samples: int | None, split_seed: int
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the indices of the training split, and of the splits that are taken off the training part."""
    splits: dict[str, Tensor] = {}
    train = torch.arange(len(labels))
    if source.test is None:
        train, splits["test"] = stratified_split(labels, TEST_SHARE, stream(0, "data", "test split"))
        if not len(splits["test"]):
            raise DataError(
                f"data set {source.name!r} has no test part, and its {len(labels)} samples are too few to "
                "split one off: each class keeps one, and a fifth of the rest is none. Add samples"
            )
    if source.validation is None:
        remaining, held_out = stratified_split(
            labels[train], validation, stream(split_seed, "data", "validation split")
        )
        train, splits["validation"] = train[remaining], train[held_out]
    if train_samples is not None:
        train = train[
            balanced_subset(labels[train], train_samples, stream(split_seed, "data", "train subset"))
        ]
    require_disjoint({"train": train, **splits})
    return train, splits


def _split_notes(
    source: SourceData, train: Tensor, splits: Mapping[str, Tensor], split_seed: int
) -> list[str]:
    """Say how what came in fewer than three parts was split."""
    if not splits:
        return []
    parts = [f"{len(train):,} training samples"]
    if "validation" in splits:
        parts.append(f"{len(splits['validation']):,} for validation (split seed {split_seed})")
    if "test" in splits:
        parts.append(f"{len(splits['test']):,} for the test, always the same")
    return [f"split here, each class in proportion: {', '.join(parts)}"]


def _shuffled_members(labels: Tensor, generator: torch.Generator) -> list[Tensor]:
    members = [torch.nonzero(labels == k).flatten() for k in torch.unique(labels)]
    return [member[torch.randperm(len(member), generator=generator)] for member in members]


def _sorted_union(indices: list[Tensor]) -> Tensor:
    return torch.cat([torch.empty(0, dtype=torch.int64), *indices]).sort().values
