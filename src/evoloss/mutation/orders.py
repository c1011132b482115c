"""In which order the values of a chaotic map are used: along the orbit, or with its dynamics taken away.

Chaotic noise differs from Gaussian noise in its density and in its dependence in time. To tell what each of
them does, the dependence can be removed:

- ``orbit``: the values as the map gives them, one after the other.
- ``independent``: fresh independent draws from the invariant density. Same density, no orbit.
- ``shuffled``: the orbit's own values, :data:`SHUFFLE_WINDOW` consecutive steps at a time, each orbit's in a
  random order of its own. Exactly the orbit's values, but what follows what is chance.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from evoloss.mutation.maps import ChaoticMap
from evoloss.mutation.orbits import Orbits, advance, start_orbits

Order = Literal["orbit", "independent", "shuffled"]

SHUFFLE_WINDOW = 64
"""Consecutive steps of an orbit that are put into a random order."""


def start_values(
    chaotic_map: ChaoticMap, order: Order, shape: tuple[int, ...], generator: torch.Generator
) -> Orbits:
    """Start a source of values for each entry of ``shape``; independent draws need no state."""
    if order == "independent":
        return {}
    orbits = start_orbits(chaotic_map, shape, generator)
    if order == "shuffled":
        orbits["window"] = torch.zeros(SHUFFLE_WINDOW, *shape, dtype=torch.float64)
        orbits["used"] = torch.tensor(SHUFFLE_WINDOW)
    return orbits


def next_values(
    chaotic_map: ChaoticMap,
    order: Order,
    state: Orbits,
    shape: tuple[int, ...],
    renew_every: int,
    generator: torch.Generator,
) -> tuple[Tensor, Orbits]:
    """Return standardised values of shape ``shape`` and the next state; ``state`` is left as it is."""
    if order == "independent":
        count = int(torch.Size(shape).numel())
        return chaotic_map.standardise(chaotic_map.start(count, generator)).reshape(shape), {}
    if order == "orbit":
        orbits = advance(chaotic_map, state, renew_every, generator)
        return chaotic_map.standardise(orbits["point"]), orbits
    if int(state["used"]) == SHUFFLE_WINDOW:
        state = _shuffle(chaotic_map, state, renew_every, generator)
    value = state["window"][int(state["used"])].clone()
    return value, {**state, "used": state["used"] + 1}


def _shuffle(chaotic_map: ChaoticMap, state: Orbits, renew_every: int, generator: torch.Generator) -> Orbits:
    """Take every orbit a window on and put each orbit's values into a random order of its own."""
    orbits = {name: state[name] for name in ("point", "reference", "steps")}
    values = torch.empty_like(state["window"])
    for index in range(SHUFFLE_WINDOW):
        orbits = advance(chaotic_map, orbits, renew_every, generator)
        values[index] = chaotic_map.standardise(orbits["point"])
    keys = torch.rand(values.shape, generator=generator, dtype=torch.float64)
    return {**orbits, "window": values.gather(0, keys.argsort(0)), "used": torch.tensor(0)}
