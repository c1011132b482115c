"""The classes of a prediction, as columns: one column each, or few columns that stand for many classes.

A regime describes a prediction by "the label", "a rival", "the other classes, softmax of normal logits".
How many columns that takes is decided here. :class:`EveryClass` gives every class its column. With a
hundred thousand classes most columns are nearly the same number over and over, so :class:`GroupedClasses`
draws the largest logits one by one, from the distribution of the order statistics of all C, and puts the
rest into groups of equal classes, one at a random place in each of as many equal slices of their
distribution. The result is a prediction over C classes in every respect, with ties in its tail; its cost
does not depend on C. What it lacks is the chance by which sums over the tail differ from one prediction to
the next. Only a loss that is blind to the order of the classes can use it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import torch
from torch import Tensor

from evoloss.errors import ConfigError

Sample = tuple[Tensor, Tensor]

GAMMA_LEVELS = (0.1, 0.3, 1.0, 10.0)  # concentrations that log_gamma knows
MIN_COLUMNS = 8  # label, rival, two more on their own, and four groups
_DEEPEST = 8.0  # standard normal value at the ends of a quantile table; beyond it lies 1e-15


class Classes(Protocol):
    """The classes as a regime sees them. Columns are S in number, classes C."""

    @property
    def n_classes(self) -> int:
        """C."""
        ...

    def normal(self, n: int, generator: torch.Generator, dtype: torch.dtype, *, behind: int = 0) -> Tensor:
        """Standard normal logits of all classes but the first ``behind``, ``(n, S - behind)``."""
        ...

    def log_softmax(self, logits: Tensor) -> Tensor:
        """Normalised log-probabilities from logits ``(n, S)``, with all digits of the largest."""
        ...

    def rest(self, behind: int, n: int, generator: torch.Generator, dtype: torch.dtype) -> Tensor:
        """A log-distribution over all classes but the first ``behind``: softmax of normal logits."""
        ...

    def log_gamma(self, concentration: Tensor, generator: torch.Generator) -> Tensor:
        """Logarithms of Gamma variables ``(n, S)``; the concentration ``(n,)`` is of ``GAMMA_LEVELS``."""
        ...

    def place_label(self, log_probs: Tensor, generator: torch.Generator, *, rival: bool = False) -> Sample:
        """Give label (column 0) and rival (column 1) uniformly drawn places; also returns the label's."""
        ...

    def any_label(self, n: int, generator: torch.Generator) -> Tensor:
        """Columns of uniformly drawn classes, ``(n,)``."""
        ...

    def any_other(self, label: Tensor, generator: torch.Generator) -> Tensor:
        """Columns of classes drawn uniformly from those that are not the label, ``(n,)``."""
        ...

    def calibrated_label(self, log_probs: Tensor, generator: torch.Generator) -> Tensor:
        """Columns of classes drawn from the prediction itself, ``(n,)``."""
        ...


@dataclass(frozen=True)
class EveryClass:
    """A column for every class.

    Example:
        >>> generator = torch.Generator().manual_seed(0)
        >>> classes = EveryClass(n_classes=5)
        >>> classes.log_softmax(classes.normal(3, generator, torch.float32)).exp().sum(1)
        tensor([1., 1., 1.])
    """

    n_classes: int

    def normal(self, n: int, generator: torch.Generator, dtype: torch.dtype, *, behind: int = 0) -> Tensor:
        """See :class:`Classes`."""
        return normal((n, self.n_classes - behind), generator, dtype)

    def log_softmax(self, logits: Tensor) -> Tensor:
        """See :class:`Classes`."""
        return log_softmax(logits)

    def rest(self, behind: int, n: int, generator: torch.Generator, dtype: torch.dtype) -> Tensor:
        """See :class:`Classes`."""
        return torch.log_softmax(self.normal(n, generator, dtype, behind=behind), dim=1)

    def log_gamma(self, concentration: Tensor, generator: torch.Generator) -> Tensor:
        """See :class:`Classes`.

        Below a concentration of 1 a Gamma variable underflows long before its logarithm does, hence
        ``log G(a) = log G(a + 1) + log(U) / a`` with U uniform.
        """
        concentrations = concentration[:, None].expand(len(concentration), self.n_classes)
        log_gamma = torch._standard_gamma(concentrations + 1, generator=generator).log()
        return (
            log_gamma
            + uniform(tuple(concentrations.shape), generator, concentrations.dtype).log() / concentrations
        )

    def place_label(self, log_probs: Tensor, generator: torch.Generator, *, rival: bool = False) -> Sample:
        """See :class:`Classes`."""
        n = len(log_probs)
        if rival and self.n_classes > 2:
            other = torch.randint(1, self.n_classes, (n,), generator=generator, device=generator.device)
            log_probs = _swap(log_probs, 1, other)
        target = self.any_label(n, generator)
        return _swap(log_probs, 0, target), target

    def any_label(self, n: int, generator: torch.Generator) -> Tensor:
        """See :class:`Classes`."""
        return torch.randint(self.n_classes, (n,), generator=generator, device=generator.device)

    def any_other(self, label: Tensor, generator: torch.Generator) -> Tensor:
        """See :class:`Classes`."""
        shape, device = (len(label),), generator.device
        offset = torch.randint(1, self.n_classes, shape, generator=generator, device=device)
        return (label + offset) % self.n_classes

    def calibrated_label(self, log_probs: Tensor, generator: torch.Generator) -> Tensor:
        """See :class:`Classes`."""
        return gumbel_max(log_probs, generator)


@dataclass(frozen=True)
class GroupedClasses:
    """``n_columns`` columns for ``n_classes`` classes: one class each in the first half, then one group each.

    Attributes:
        n_classes: more than ``n_columns``.
        n_columns: number of columns, at least ``MIN_COLUMNS``.

    Raises:
        ConfigError: if a number is out of range.

    Example:
        >>> classes = GroupedClasses(n_classes=1000, n_columns=16)
        >>> len(classes.counts), sum(classes.counts)
        (16, 1000)
    """

    n_classes: int
    n_columns: int

    def __post_init__(self) -> None:
        if not MIN_COLUMNS <= self.n_columns < self.n_classes:
            raise ConfigError(
                f"slots must be at least {MIN_COLUMNS} and fewer than the {self.n_classes} classes that they "
                f"stand for, got {self.n_columns}"
            )

    @property
    def n_single(self) -> int:
        """Columns that are one class each."""
        return self.n_columns // 2

    @property
    def counts(self) -> tuple[int, ...]:
        """Number of classes that each column stands for."""
        n_groups = self.n_columns - self.n_single
        size, larger = divmod(self.n_classes - self.n_single, n_groups)
        return (1,) * self.n_single + (size + 1,) * larger + (size,) * (n_groups - larger)

    def normal(self, n: int, generator: torch.Generator, dtype: torch.dtype, *, behind: int = 0) -> Tensor:
        """See :class:`Classes`; each row falls."""
        n_single = self.n_single - behind
        draws = uniform((n, self.n_columns - behind), generator, torch.float64)
        # Largest first: of m uniform variables the largest is U**(1/m), and below it lie m - 1 of the rest.
        left = torch.arange(
            self.n_classes - behind, self.n_classes - self.n_single, -1.0, dtype=torch.float64
        )
        log_cdf = (draws[:, :n_single].log() / left.to(draws.device)).cumsum(dim=1)
        sizes = self._counts(torch.float64, draws.device)[self.n_single :]
        sizes = sizes / sizes.sum()
        edges = sizes.cumsum(0)
        below = log_cdf[:, -1:].exp() * (1 - edges + sizes * draws[:, n_single:])
        # The largest are read from the other side, for their digits.
        upper, lower = -torch.special.ndtri(-torch.expm1(log_cdf)), torch.special.ndtri(below)
        return torch.cat([upper, lower], dim=1).clamp_(-_DEEPEST, _DEEPEST).to(dtype)

    def log_softmax(self, logits: Tensor) -> Tensor:
        """See :class:`Classes`."""
        log_counts = self._counts(logits.dtype, logits.device).log()
        return log_softmax(logits + log_counts) - log_counts

    def rest(self, behind: int, n: int, generator: torch.Generator, dtype: torch.dtype) -> Tensor:
        """See :class:`Classes`."""
        logits = self.normal(n, generator, dtype, behind=behind)
        log_counts = self._counts(dtype, logits.device)[behind:].log()
        return torch.log_softmax(logits + log_counts, dim=1) - log_counts

    def log_gamma(self, concentration: Tensor, generator: torch.Generator) -> Tensor:
        """See :class:`Classes`; a normal variable of the same quantile, looked up in a table."""
        z = self.normal(len(concentration), generator, torch.float64)
        levels, table = _log_gamma_quantiles(concentration.device)
        row = (concentration[:, None].double() - levels).abs().argmin(dim=1)
        place = (z + _DEEPEST) * ((table.shape[1] - 1) / (2 * _DEEPEST))
        node = place.long().clamp_(0, table.shape[1] - 2)
        low, high = table[row[:, None], node], table[row[:, None], node + 1]
        return torch.lerp(low, high, place - node).to(concentration.dtype)

    def place_label(self, log_probs: Tensor, generator: torch.Generator, *, rival: bool = False) -> Sample:
        """See :class:`Classes`; where grouped columns are, places mean nothing, and all stay."""
        return log_probs, torch.zeros(len(log_probs), dtype=torch.int64, device=log_probs.device)

    def any_label(self, n: int, generator: torch.Generator) -> Tensor:
        """See :class:`Classes`."""
        ends = self._counts(torch.int64, generator.device).cumsum(0)
        drawn = torch.randint(self.n_classes, (n,), generator=generator, device=generator.device)
        return torch.searchsorted(ends, drawn, right=True)

    def any_other(self, label: Tensor, generator: torch.Generator) -> Tensor:
        """See :class:`Classes`; for a label in a column of its own."""
        ends = self._counts(torch.int64, generator.device).cumsum(0)
        shape, device = (len(label),), generator.device
        drawn = torch.randint(self.n_classes - 1, shape, generator=generator, device=device)
        # Numbered in order of their columns, the class of the label is number ``label``; it is stepped over.
        return torch.searchsorted(ends, drawn + (drawn >= label), right=True)

    def calibrated_label(self, log_probs: Tensor, generator: torch.Generator) -> Tensor:
        """See :class:`Classes`."""
        return gumbel_max(log_probs + self._counts(log_probs.dtype, log_probs.device).log(), generator)

    def _counts(self, dtype: torch.dtype, device: torch.device) -> Tensor:
        return _count_tensor(self, dtype, device)


@lru_cache(maxsize=64)
def _count_tensor(classes: GroupedClasses, dtype: torch.dtype, device: torch.device) -> Tensor:
    return torch.tensor(classes.counts, dtype=dtype, device=device)


def classes_of(n_classes: int, slots: int) -> EveryClass | GroupedClasses:
    """Columns for so many classes: at most ``slots``, or one a class for ``slots=0``."""
    return GroupedClasses(n_classes, slots) if 0 < slots < n_classes else EveryClass(n_classes)


def uniform(shape: tuple[int, ...], generator: torch.Generator, dtype: torch.dtype) -> Tensor:
    """Uniform in (0, 1]: ``torch.rand`` can return 0, whose logarithm is not finite."""
    return 1 - torch.rand(shape, generator=generator, dtype=dtype, device=generator.device)


def normal(shape: tuple[int, ...], generator: torch.Generator, dtype: torch.dtype) -> Tensor:
    """Standard normal."""
    return torch.randn(shape, generator=generator, dtype=dtype, device=generator.device)


def log1mexp(log_x: Tensor) -> Tensor:
    """``log(1 - exp(log_x))`` for ``log_x < 0``, by whichever of the two forms keeps the digits."""
    return torch.where(log_x > -math.log(2), (-torch.expm1(log_x)).log(), torch.log1p(-log_x.exp()))


def log_softmax(logits: Tensor) -> Tensor:
    """Log-softmax; the largest entry, ``-log1p`` of what the others add up to, keeps its digits near 0."""
    largest, top = logits.max(dim=1, keepdim=True)
    below = logits - largest
    return below - below.exp().scatter_(1, top, 0.0).sum(dim=1, keepdim=True).log1p()


def gumbel_max(log_probs: Tensor, generator: torch.Generator) -> Tensor:
    """A column of each row, drawn with its probability; exact in log space."""
    waiting = -uniform(tuple(log_probs.shape), generator, log_probs.dtype).log()
    # A draw of exactly 1 (one in 2**24 in float32) stands for those half a step below it; a waiting time of 0
    # would win against any probability.
    waiting = waiting.clamp(min=torch.finfo(log_probs.dtype).eps / 4)
    return (log_probs - waiting.log()).argmax(dim=1)


def _swap(values: Tensor, column: int, others: Tensor) -> Tensor:
    """Swap one column with another, ``others``, which may differ from row to row."""
    at = others[:, None]
    swapped = values.scatter(1, at, values[:, column : column + 1])
    swapped[:, column] = values.gather(1, at).squeeze(1)
    return swapped


@lru_cache(maxsize=4)
def _log_gamma_quantiles(device: torch.device, n_nodes: int = 1025) -> Sample:
    """For each level the x with ``P(log G <= x) = P(N <= z)`` on a uniform grid of z."""
    levels = torch.tensor(GAMMA_LEVELS, dtype=torch.float64)
    z = torch.linspace(-_DEEPEST, _DEEPEST, n_nodes, dtype=torch.float64)
    shape = (len(levels), n_nodes)
    level = levels[:, None].expand(shape)
    low, high = torch.full(shape, -400.0, dtype=torch.float64), torch.full(shape, 6.0, dtype=torch.float64)
    lower, upper = torch.special.ndtr(z).expand(shape), torch.special.ndtr(-z).expand(shape)
    for _ in range(60):
        middle = (low + high) / 2
        # Each tail by its own function: 1 minus the other has no digits left.
        below = torch.where(
            z < 0,
            torch.special.gammainc(level, middle.exp()) < lower,
            torch.special.gammaincc(level, middle.exp()) > upper,
        )
        low, high = torch.where(below, middle, low), torch.where(below, high, middle)
    return levels.to(device), ((low + high) / 2).to(device)
