r"""Chaotic mutation: noise from the orbits of a chaotic map instead of a Gaussian generator.

One orbit belongs to one parameter of one candidate, or to one candidate's step length; no orbit is laid
across neighbouring parameters, whose noise would then be functions of each other. Orbits run on from
generation to generation: the value of a parameter's noise in the next generation is a function of its value
in this one. :mod:`evoloss.mutation.orders` takes that dependence away, to see what it is good for.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from evoloss.errors import ConfigError, UnknownNameError
from evoloss.mutation.maps import MAPS
from evoloss.mutation.orbits import Orbits
from evoloss.mutation.orders import Order, next_values, start_values
from evoloss.mutation.protocol import MutationState

Drives = Literal["direction", "step", "both"]


@dataclass(frozen=True, kw_only=True)
class Chaotic:
    r"""Noise :math:`s_i d_{ij}` for candidate i and parameter j, from orbits of a chaotic map.

    With z a standardised value of an orbit, the direction is d = z and the step length is
    :math:`s = \exp(a z) / \sqrt{E[\exp(2 a z)]}` with ``a = log_spread``, so that :math:`E[s^2] = 1`. Each
    coordinate has mean 0 and variance 1 under the invariant density of the map (see
    :mod:`evoloss.mutation.maps` for what that density is); all its other moments are the map's, not a
    Gaussian's.

    Step-size control is derived for noise that is independent from generation to generation. The maps whose
    values are correlated (henon, gauss; see there) break that, and steps may then shrink before the search is
    over.

    Args:
        map: a name in :data:`evoloss.mutation.maps.MAPS`.
        drives: ``"direction"``: an orbit for each candidate and parameter, s = 1. ``"step"``: an orbit for
            each candidate's step length, Gaussian direction. ``"both"``: both from orbits.
        log_spread: standard deviation of the logarithm of the step length, above 0 and at most 1.
        order: ``"orbit"``: values in the order of the orbit. ``"independent"``: fresh draws from the same
            density. ``"shuffled"``: values of the orbit in random order, see :mod:`evoloss.mutation.orders`.
        renew_every: each orbit is started anew every so many samples, at least 2, each at another time.

    Raises:
        ConfigError: for a field outside its range.
        UnknownNameError: for a map or an order that is not known.

    Example:
        >>> generator = torch.Generator().manual_seed(0)
        >>> mutation = Chaotic(map="logistic", drives="direction")
        >>> noise, state = mutation.sample(mutation.init(4, 3, generator), generator)
        >>> noise.shape
        torch.Size([4, 3])
    """

    map: str = "logistic"
    drives: Drives = "direction"
    order: Order = "orbit"
    log_spread: float = 0.5
    renew_every: int = 1000

    def __post_init__(self) -> None:
        """Check the fields."""
        if self.map not in MAPS:
            raise UnknownNameError.among("chaotic map", self.map, MAPS)
        if self.drives not in get_args(Drives):
            raise ConfigError(f"drives must be one of {', '.join(get_args(Drives))}, got {self.drives!r}")
        if self.order not in get_args(Order):
            raise UnknownNameError.among("chaos order", str(self.order), get_args(Order))
        if not 0.0 < self.log_spread <= 1.0:
            raise ConfigError(f"log_spread must be above 0 and at most 1, got {self.log_spread!r}")
        if self.renew_every < 2:
            raise ConfigError(f"renew_every must be at least 2, got {self.renew_every!r}")

    def init(self, popsize: int, n_params: int, generator: torch.Generator) -> MutationState:
        """Start all orbits independently, in the invariant density."""
        state = {"shape": torch.tensor([popsize, n_params])}
        if self.drives != "step":
            shape = (popsize, n_params)
            state |= _nest("direction", start_values(MAPS[self.map], self.order, shape, generator))
        if self.drives != "direction":
            state |= _nest("step", start_values(MAPS[self.map], self.order, (popsize,), generator))
        return state

    def sample(self, state: MutationState, generator: torch.Generator) -> tuple[Tensor, MutationState]:
        """Return noise of shape ``(popsize, n_params)``: float64, or float32 for a Gaussian direction."""
        popsize, n_params = state["shape"].tolist()
        after = dict(state)
        if self.drives == "step":
            noise = torch.randn(popsize, n_params, generator=generator, dtype=torch.float32)
        else:
            noise = self._next("direction", (popsize, n_params), after, generator)
        if self.drives != "direction":
            length = (self.log_spread * self._next("step", (popsize,), after, generator)).exp()
            scale = 1.0 / math.sqrt(MAPS[self.map].expectation_of_exp(2.0 * self.log_spread))
            noise = noise * (scale * length).to(noise.dtype).unsqueeze(1)
        return noise, after

    def _next(
        self, name: str, shape: tuple[int, ...], state: MutationState, generator: torch.Generator
    ) -> Tensor:
        """Standardised values of one source; ``state``, a copy already, gets what comes after."""
        own = {key.removeprefix(f"{name}."): value for key, value in state.items() if key.startswith(name)}
        values, after = next_values(MAPS[self.map], self.order, own, shape, self.renew_every, generator)
        state |= _nest(name, after)
        return values


def _nest(name: str, orbits: Orbits) -> MutationState:
    return {f"{name}.{key}": value for key, value in orbits.items()}
