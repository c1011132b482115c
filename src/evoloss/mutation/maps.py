r"""Chaotic maps, each with its domain, its invariant density and how to start in it.

The *invariant density* is the distribution that a long orbit visits, and that independent orbits keep if they
start in it. Its mean and standard deviation turn a value of the orbit into noise with mean 0 and variance 1:

======================  ===========================================  ==========  ==========  =========
map                     invariant density                            mean        std         known
======================  ===========================================  ==========  ==========  =========
logistic, r = 4         arcsine, 1 / (pi sqrt(x (1 - x)))            1/2         sqrt(1/8)   exactly
tent, peak at 0.49      uniform on [0, 1]                            1/2         sqrt(1/12)  exactly
sine                    like arcsine, heavier below 1/2              0.4680      0.3535      numbers
Chebyshev, degree 4     arcsine, 1 / (pi sqrt(1 - x^2))              0           sqrt(1/2)   exactly
Gauss (mouse)           singular spikes along the critical orbit     -0.0386     0.3059      numbers
Henon, x-coordinate     that of the strange attractor, no formula    0.2569      0.7210      numbers
======================  ===========================================  ==========  ==========  =========

"Numbers" are averages over 1e9 to 2.4e9 values, from 20,000 chains each; they are good to about 5e-5.

All arithmetic is in float64 and each expression keeps its form: ``(r * x) * (1 - x)`` offers a compiler no
multiply-add to fuse, and fusing kills most orbits. Rounding still ends an orbit now and then, which is why
:mod:`evoloss.mutation.orbits` watches over them.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

Rule = tuple[tuple[float, ...], tuple[float, ...]]
"""Nodes and weights of a quadrature rule; the weights sum to 1."""


@dataclass(frozen=True)
class ChaoticMap(ABC):
    """A map that is iterated on many points at once.

    Attributes:
        dimension: how many coordinates a point has; the first one is the value that is used.
        low: lower end of the values.
        high: upper end of the values.
        average: mean of the invariant density.
        std: standard deviation of the invariant density.
        margin: orbits that come this close to an end of the domain are started anew, because there rounding
            decides where they go; 0 where the ends are not special.
        burn_in: steps from a random start until the invariant density is reached for practical purposes.
        rule: Gauss quadrature rule of the standardised invariant density, for smooth
            functions' expectations.
    """

    dimension: ClassVar[int] = 1
    low: ClassVar[float]
    high: ClassVar[float]
    average: ClassVar[float]
    std: ClassVar[float]
    margin: ClassVar[float] = 1e-12
    burn_in: ClassVar[int] = 0
    rule: ClassVar[Rule]

    @abstractmethod
    def step(self, point: Tensor) -> Tensor:
        """Map points of shape ``(dimension, ...)``, float64, to the next ones."""

    @abstractmethod
    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """Draw ``count`` independent start points, shape ``(dimension, count)``, before burn-in."""

    def start(self, count: int, generator: torch.Generator) -> Tensor:
        """Draw ``count`` points of the invariant density, shape ``(dimension, count)``, float64."""
        point = self.draw(count, generator)
        for _ in range(self.burn_in):
            point = self.step(point)
        return point

    def standardise(self, point: Tensor) -> Tensor:
        """Return the value of each point with mean 0 and variance 1, shape ``point.shape[1:]``."""
        return (point[0] - self.average) / self.std

    def expectation_of_exp(self, rate: float) -> float:
        """Return E[exp(rate * z)] for a standardised value z of the invariant density."""
        nodes, weights = self.rule
        return math.fsum(w * math.exp(rate * z) for z, w in zip(nodes, weights, strict=True))


def _uniform(shape: tuple[int, ...], low: float, high: float, generator: torch.Generator) -> Tensor:
    return low + (high - low) * torch.rand(shape, generator=generator, dtype=torch.float64)


def _arcsine_rule(count: int = 32) -> Rule:
    """Gauss-Chebyshev rule: equal weights at the zeros of a Chebyshev polynomial, here for variance 1."""
    angles = [(2 * k + 1) * math.pi / (2 * count) for k in range(count)]
    return tuple(math.sqrt(2.0) * math.cos(a) for a in angles), (1.0 / count,) * count


def _uniform_rule(count: int = 1024) -> Rule:
    """Midpoint rule on [-sqrt(3), sqrt(3)], the uniform density of variance 1; relative error below 1e-6."""
    width = 2.0 * math.sqrt(3.0) / count
    return tuple(-math.sqrt(3.0) + (k + 0.5) * width for k in range(count)), (1.0 / count,) * count


class Logistic(ChaoticMap):
    """``x <- 4 x (1 - x)`` on [0, 1]; arcsine density; successive values are uncorrelated."""

    low = 0.0
    high = 1.0
    average = 0.5
    std = math.sqrt(1.0 / 8.0)
    rule = _arcsine_rule()

    def step(self, point: Tensor) -> Tensor:
        """Map x to (4 x) (1 - x)."""
        return (4.0 * point) * (1.0 - point)

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """Draw from the arcsine density, as sin(u)^2 with a uniform angle."""
        return _uniform((1, count), 0.0, math.pi / 2.0, generator).sin().square()


class Tent(ChaoticMap):
    """``x <- x / 0.49`` below 0.49 and ``(1 - x) / 0.51`` above, on [0, 1]; uniform density.

    The symmetric tent of slope 2 only shifts the binary digits of its start point, so in float64 it is dead
    after 63 steps. With the peak at 0.49, which has no finite binary form, each division rounds and new
    digits come in. Successive values have correlation 2 * 0.49 - 1 = -0.02.
    """

    peak: ClassVar[float] = 0.49
    low = 0.0
    high = 1.0
    average = 0.5
    std = math.sqrt(1.0 / 12.0)
    rule = _uniform_rule()

    def step(self, point: Tensor) -> Tensor:
        """Map x to min(x / 0.49, (1 - x) / 0.51)."""
        return torch.minimum(point / self.peak, (1.0 - point) / (1.0 - self.peak))

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """Draw uniformly."""
        return _uniform((1, count), 0.0, 1.0, generator)


class Sine(ChaoticMap):
    """``x <- sin(pi x)`` on [0, 1]; a density with square-root singularities at both ends.

    Values one step apart have the correlation 0.06.
    """

    low = 0.0
    high = 1.0
    average = 0.46795
    std = 0.35354
    burn_in = 24
    rule = (
        (-1.30650, -1.17170, -0.91454, -0.55914, -0.13956, 0.30340, 0.72614, 1.08671, 1.34918, 1.48733),
        (0.11358, 0.11170, 0.10845, 0.10451, 0.10049, 0.09685, 0.09380, 0.09150, 0.08995, 0.08918),
    )

    def step(self, point: Tensor) -> Tensor:
        """Map x to sin(pi x)."""
        return (math.pi * point).sin()

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """Draw uniformly."""
        return _uniform((1, count), 0.0, 1.0, generator)


class Chebyshev(ChaoticMap):
    """``x <- T4(x) = cos(4 arccos x)`` on [-1, 1]; arcsine density; successive values are uncorrelated."""

    low = -1.0
    high = 1.0
    average = 0.0
    std = math.sqrt(1.0 / 2.0)
    rule = _arcsine_rule()

    def step(self, point: Tensor) -> Tensor:
        """Map x to 8 x^2 (x^2 - 1) + 1, the same polynomial without the inverse cosine."""
        square = point * point
        return (8.0 * square) * (square - 1.0) + 1.0

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """Draw from the arcsine density, as the cosine of a uniform angle."""
        return _uniform((1, count), 0.0, math.pi, generator).cos()


class GaussMouse(ChaoticMap):
    """``x <- exp(-12 x^2) + b`` with b = -0.48270609454010327; the "mouse" map.

    It is named after the shape of its bifurcation diagram. (Another map of Gauss, 1/x modulo 1, goes by
    the same name in places.) For many parameters what looks chaotic may be a long cycle, and at the usual
    exponent 6.2 the attractor is close to two bands that are visited in turn. Here b is such that the
    critical point 0 lands on the repelling fixed point 0.184 in six steps; the Schwarzian derivative, -2
    (12 x)^2 - 3 / (2 x^2), is negative, so by Misiurewicz's theorem (Publ. Math. IHES 53, 1981) there is
    an absolutely continuous invariant measure. Lyapunov exponent 0.53; values 1 to 5 steps apart have the
    correlations 0.00, -0.14, -0.23, -0.13 and 0.15.
    """

    exponent: ClassVar[float] = 12.0
    offset: ClassVar[float] = -0.48270609454010327
    low = offset
    high = 1.0 + offset
    average = -0.03855
    std = 0.30589
    margin = 0.0
    burn_in = 32
    rule = (
        (-1.30110, -1.12390, -0.85854, -0.45587, -0.01738, 0.50955, 0.90014, 1.32682, 1.63455, 1.79649),
        (0.06920, 0.13019, 0.15899, 0.14376, 0.09799, 0.10320, 0.11562, 0.06903, 0.05800, 0.05402),
    )

    def step(self, point: Tensor) -> Tensor:
        """Map x to exp(-12 x^2) + b."""
        return (-self.exponent * (point * point)).exp() + self.offset

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """Draw uniformly on [b, b + 1]."""
        return _uniform((1, count), self.low, self.high, generator)


class Henon(ChaoticMap):
    """``(x, y) <- (1 - 1.4 x^2 + y, 0.3 x)``; the value is x (Henon, Commun. Math. Phys. 50, 1976).

    The invariant measure lives on the strange attractor. Values 1 to 5 steps apart have the
    correlations -0.31, 0.25, -0.39, 0.06 and -0.19.
    """

    dimension = 2
    low = -1.3
    high = 1.3
    average = 0.25693
    std = 0.72098
    margin = 0.0
    burn_in = 32
    rule = (
        (-2.10993, -1.89790, -1.55940, -1.07873, -0.59205, -0.00011, 0.45926, 0.87303, 1.18830, 1.37578),
        (0.02432, 0.04242, 0.07051, 0.10552, 0.10369, 0.15472, 0.20022, 0.13060, 0.10697, 0.06102),
    )

    def step(self, point: Tensor) -> Tensor:
        """Map (x, y) to (1 - 1.4 x^2 + y, 0.3 x)."""
        x, y = point
        return torch.stack(((1.0 - 1.4 * (x * x)) + y, 0.3 * x))

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """Draw uniformly on [-0.1, 0.1]^2, which lies inside the basin of the attractor."""
        return _uniform((2, count), -0.1, 0.1, generator)


MAPS: dict[str, ChaoticMap] = {
    "logistic": Logistic(),
    "tent": Tent(),
    "sine": Sine(),
    "chebyshev": Chebyshev(),
    "gauss": GaussMouse(),
    "henon": Henon(),
}
"""Every map by name."""
