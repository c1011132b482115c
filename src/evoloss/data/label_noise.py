"""Label noise: a known share of wrong labels, for training labels only (the caller sees to that).

References:
    Patrini et al. 2017, *Making Deep Neural Networks Robust to Label Noise*, arXiv:1609.03683 (the asymmetric
    map of CIFAR-10); Zhang and Sabuncu 2018, arXiv:1805.07836 (the protocol that most papers follow since).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from evoloss.data.readers.cifar_classes import CIFAR10_CLASSES, CIFAR100_CLASSES, CIFAR100_SUPERCLASSES
from evoloss.errors import ConfigError

NoiseKind = Literal["symmetric", "asymmetric"]

CIFAR10_CONFUSIONS: tuple[int, ...] = (0, 1, 0, 5, 7, 3, 6, 7, 8, 1)
"""The target of each class of CIFAR-10 under asymmetric noise: truck to automobile, bird to airplane, deer to
horse, cat and dog to each other; the other five classes to themselves (they stay clean)."""

CIFAR100_CONFUSIONS: tuple[int, ...] = tuple(
    CIFAR100_CLASSES.index(members[(members.index(name) + 1) % len(members)])
    for name in CIFAR100_CLASSES
    for members in CIFAR100_SUPERCLASSES.values()
    if name in members
)
"""The target of each class of CIFAR-100 under asymmetric noise: the next of the five in its superclass,
in a circle."""

CONFUSIONS: dict[str, tuple[int, ...]] = {"cifar10": CIFAR10_CONFUSIONS, "cifar100": CIFAR100_CONFUSIONS}
"""The usual confusions by data set; for others ``k + 1 mod C`` stands in."""

_BY_CLASSES = {CIFAR10_CLASSES: CIFAR10_CONFUSIONS, CIFAR100_CLASSES: CIFAR100_CONFUSIONS}


def usual_confusions(class_names: tuple[str, ...]) -> tuple[int, ...] | None:
    """Return the usual confusions of a data set with these classes, in this order; None if there are none.

    A data set is known by what its classes are, not by the name of a file that holds it.
    """
    return _BY_CLASSES.get(class_names)


def noisy_labels(
    labels: Tensor,
    n_classes: int,
    rate: float,
    kind: NoiseKind,
    generator: torch.Generator,
    *,
    confusions: Sequence[int] | None = None,
) -> Tensor:
    """Return a copy of the labels in which an exact share is replaced.

    ``symmetric``: ``round(rate * N)`` samples, drawn without replacement, get a label uniform among the
    *other* classes. So ``rate`` is the true share of wrong labels. (Papers that draw among all classes have
    ``rate * (C - 1) / C`` wrong labels at the rate they name.)

    ``asymmetric``: class k becomes ``confusions[k]``, for ``round(rate * n_k)`` of its n_k samples, drawn
    without replacement; classes that map to themselves stay clean. Without ``confusions`` it is
    ``k + 1 mod C``.

    Args:
        labels: class indices, int64, shape ``(N,)``; not changed.
        n_classes: number of classes C, at least 2.
        rate: share of labels to replace, in ``[0, 1]``.
        kind: ``"symmetric"`` or ``"asymmetric"``.
        generator: source of all random choices; CPU.
        confusions: for ``"asymmetric"``, the class that each class turns into, C entries, as in
            :data:`CIFAR10_CONFUSIONS`.

    Returns:
        Labels, int64, shape ``(N,)``.

    Raises:
        ConfigError: if the rate, the kind, the labels or the confusions are out of range.

    Example:
        >>> labels = torch.arange(10) % 5
        >>> noisy = noisy_labels(labels, 5, 0.4, "symmetric", torch.Generator().manual_seed(0))
        >>> (noisy != labels).sum().item()
        4
    """
    _check(labels, n_classes, rate, kind, confusions)
    if kind == "symmetric":
        return _symmetric(labels, n_classes, rate, generator)
    target = torch.tensor(
        confusions if confusions is not None else [(k + 1) % n_classes for k in range(n_classes)]
    )
    return _asymmetric(labels, target, rate, generator)


def _symmetric(labels: Tensor, n_classes: int, rate: float, generator: torch.Generator) -> Tensor:
    chosen = torch.randperm(len(labels), generator=generator)[: round(rate * len(labels))]
    # A shift of 1 to C - 1 reaches every other class with equal probability and never the class itself.
    shift = torch.randint(1, n_classes, (len(chosen),), generator=generator)
    noisy = labels.clone()
    noisy[chosen] = (labels[chosen] + shift) % n_classes
    return noisy


def _asymmetric(labels: Tensor, target: Tensor, rate: float, generator: torch.Generator) -> Tensor:
    noisy = labels.clone()
    for k in range(len(target)):
        members = torch.nonzero(labels == k).flatten()
        order = torch.randperm(len(members), generator=generator)
        noisy[members[order[: round(rate * len(members))]]] = target[k]
    return noisy


def _check(labels: Tensor, n_classes: int, rate: float, kind: str, confusions: Sequence[int] | None) -> None:
    if kind not in ("symmetric", "asymmetric"):
        raise ConfigError(f"label noise must be 'symmetric' or 'asymmetric', got {kind!r}")
    if not 0.0 <= rate <= 1.0:
        raise ConfigError(f"the label noise rate must be between 0 and 1, got {rate}")
    if n_classes < 2:
        raise ConfigError(f"label noise needs at least 2 classes, got {n_classes}")
    if labels.dtype != torch.int64 or labels.ndim != 1:
        raise ConfigError(f"labels must be int64 (N,), got {labels.dtype} {tuple(labels.shape)}")
    if len(labels) and not (int(labels.min()) >= 0 and int(labels.max()) < n_classes):
        raise ConfigError(
            f"labels must be 0 to {n_classes - 1}, got {int(labels.min())} to {int(labels.max())}"
        )
    if confusions is None:
        return
    if kind == "symmetric":
        raise ConfigError("confusions belong to asymmetric noise; symmetric noise treats all classes alike")
    if len(confusions) != n_classes or not all(0 <= target < n_classes for target in confusions):
        raise ConfigError(
            f"confusions must be {n_classes} classes, each 0 to {n_classes - 1}; got {list(confusions)}"
        )
