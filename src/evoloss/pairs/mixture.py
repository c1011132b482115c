"""The sampler: a weighted mixture of regimes, driven by a generator and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from evoloss.errors import ConfigError, UnknownNameError
from evoloss.pairs.classes import MIN_COLUMNS, GroupedClasses, classes_of
from evoloss.pairs.erroneousness import one_minus_p, total_variation
from evoloss.pairs.regimes import REGIMES

MIN_CLASSES, MAX_CLASSES = 2, 100_000

# The extremes (vertex, and Dirichlet at low concentration) are a smaller share: there a loss in float32
# cannot resolve the order any more, and a trained classifier seldom is.
DEFAULT_WEIGHTS: dict[str, float] = {
    "near_uniform": 1.0,
    "confident_right": 1.0,
    "confident_wrong": 1.0,
    "two_class": 1.0,
    "boundary": 1.0,
    "vertex": 0.5,
    "softmax_gaussian": 2.0,
    "dirichlet": 1.0,
}


@dataclass(frozen=True, kw_only=True)
class PairsConfig:
    """The mixture of regimes.

    Attributes:
        weights: a weight of at least 0 for each regime of ``REGIMES``; one that is left out has weight 0.
        slots: with more classes than this, pairs have so many columns, some for a group of equal classes each
            (see :class:`GroupedClasses`); at least ``MIN_COLUMNS``, or 0 for a column a class at any count.

    Raises:
        UnknownNameError: if a regime is not known.
        ConfigError: if a weight is negative or not finite, or all are 0, or ``slots`` is out of range.

    Example:
        >>> config = PairsConfig(weights={"softmax_gaussian": 1.0}, slots=64)
        >>> sample_pairs(config, 10, 1000, torch.Generator().manual_seed(0)).log_probs.shape
        torch.Size([10, 64])
    """

    weights: Mapping[str, float] = field(default_factory=lambda: dict(DEFAULT_WEIGHTS))
    slots: int = 0

    def __post_init__(self) -> None:
        if self.slots != 0 and self.slots < MIN_COLUMNS:
            raise ConfigError(f"slots must be 0 (every class) or at least {MIN_COLUMNS}, got {self.slots}")
        for name, weight in self.weights.items():
            if name not in REGIMES:
                raise UnknownNameError.among("regime", name, REGIMES)
            if not 0 <= weight < float("inf"):
                raise ConfigError(
                    f"the weight of regime {name!r} must be finite and at least 0, got {weight}"
                )
        if not any(weight > 0 for weight in self.weights.values()):
            raise ConfigError("all regime weights are 0; at least one must be positive")


@dataclass(frozen=True)
class Pairs:
    """Synthetic predictions and their labels.

    Attributes:
        log_probs: normalised log-probabilities, shape ``(N, S)``; S = C unless classes are grouped.
        target: the label's column, in ``[0, S)``, int64, shape ``(N,)``.
        regime: position in ``REGIMES`` of the regime each pair was drawn from, shape ``(N,)``.
        counts: how many classes each column stands for, int64, shape ``(S,)``; None for one each. The
            probabilities times the counts sum to 1.

    Example:
        >>> log_probs = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1]]).log()
        >>> pairs = Pairs(log_probs, target=torch.tensor([0, 2]), regime=torch.tensor([0, 0]))
        >>> one_minus_p(pairs.log_probs, pairs.target)
        tensor([0.3000, 0.9000])
    """

    log_probs: Tensor
    target: Tensor
    regime: Tensor
    counts: Tensor | None = None

    @property
    def n_classes(self) -> int:
        """The class count C."""
        return self.log_probs.shape[1] if self.counts is None else int(self.counts.sum())

    def errors(self, kind: str = "one_minus_p") -> Tensor:
        """The error of each pair, in [0, 1], shape ``(N,)``.

        Raises:
            UnknownNameError: if ``kind`` is neither ``one_minus_p`` nor ``total_variation`` (dominance is a
                partial order and has no value per pair).
            ConfigError: for the total variation of grouped classes.
        """
        errors = {"one_minus_p": one_minus_p, "total_variation": total_variation}
        if kind not in errors:
            raise UnknownNameError.among("error with a value per pair", kind, errors)
        if kind == "total_variation" and self.counts is not None:
            raise ConfigError("total variation sums over classes, which are grouped here; draw with slots=0")
        return errors[kind](self.log_probs, self.target)


def sample_pairs(
    config: PairsConfig,
    n: int,
    n_classes: int,
    generator: torch.Generator,
    dtype: torch.dtype = torch.float32,
) -> Pairs:
    """Draw ``n`` fresh pairs on the generator's device, in random order.

    Args:
        config: the mixture.
        n: number of pairs, at least 1.
        n_classes: from 2 to 100,000.
        generator: the only source of randomness; its device is the device of the pairs.
        dtype: ``torch.float32`` or ``torch.float64``.

    Raises:
        ConfigError: if a number or the dtype is outside its range.

    Example:
        >>> pairs = sample_pairs(PairsConfig(), 100, 10, torch.Generator().manual_seed(0))
        >>> pairs.log_probs.shape, pairs.target.shape
        (torch.Size([100, 10]), torch.Size([100]))
    """
    if not MIN_CLASSES <= n_classes <= MAX_CLASSES:
        raise ConfigError(f"n_classes must be from {MIN_CLASSES} to {MAX_CLASSES}, got {n_classes}")
    if n < 1:
        raise ConfigError(f"the number of pairs must be at least 1, got {n}")
    if dtype not in (torch.float32, torch.float64):
        raise ConfigError(f"pairs are sampled in float32 or float64, got {dtype}")
    device = generator.device
    largest = max(config.weights.values())  # relative to it, any weights fit into float32
    weights = torch.tensor(
        [config.weights.get(name, 0.0) / largest for name in REGIMES], dtype=torch.float32, device=device
    )
    regime = torch.multinomial(weights, n, replacement=True, generator=generator)
    classes = classes_of(n_classes, config.slots)
    counts = classes.counts if isinstance(classes, GroupedClasses) else None
    # Drawn regime by regime, then put where the regimes are: one pass over the pairs instead of one a regime.
    order = regime.argsort(stable=True)
    sizes = torch.bincount(regime, minlength=len(REGIMES)).tolist()
    drawn = [
        sampler(size, classes, generator, dtype)
        for size, sampler in zip(sizes, REGIMES.values(), strict=True)
        if size
    ]
    by_regime = torch.cat([log_probs for log_probs, _ in drawn]), torch.cat([target for _, target in drawn])
    log_probs, target = (torch.empty_like(values).index_copy_(0, order, values) for values in by_regime)
    grouped = None if counts is None else torch.tensor(counts, device=device)
    return Pairs(log_probs, target, regime, grouped)


def stream_pairs(
    config: PairsConfig,
    n: int,
    n_classes: int,
    generator: torch.Generator,
    dtype: torch.dtype = torch.float32,
) -> Iterator[Pairs]:
    """Yield fresh batches without end; nothing is stored. Arguments as for :func:`sample_pairs`.

    Example:
        >>> stream = stream_pairs(PairsConfig(), 100, 10, torch.Generator().manual_seed(0))
        >>> next(stream).log_probs.shape
        torch.Size([100, 10])
    """
    while True:
        yield sample_pairs(config, n, n_classes, generator, dtype)
