"""Many orbits of a chaotic map, run side by side and kept alive.

In floating point every orbit ends in a cycle. Most cycles are long, but rounding can also drop an orbit on a
fixed point (0 for the logistic map) or a short cycle, where it would be no noise at all. So after each step

- an orbit that has left the domain, or come within ``margin`` of its ends, is started anew;
- an orbit that did not move is started anew;
- an orbit that is back at the value it had at the last multiple of ``WINDOW`` steps is started anew: this
  finds each cycle of at most ``WINDOW`` steps within ``2 * WINDOW`` of them;
- one orbit in ``renew_every``, another one each step, is started anew, whatever its state: this ends longer
  cycles.

Fresh points are independent draws from the passed generator.
"""

from __future__ import annotations

import torch
from torch import Tensor

from evoloss.mutation.maps import ChaoticMap

WINDOW = 32

Orbits = dict[str, Tensor]
"""``point``: float64, ``(dimension, *shape)``; ``reference``: float64, ``shape``; ``steps``: int64."""


def start_orbits(chaotic_map: ChaoticMap, shape: tuple[int, ...], generator: torch.Generator) -> Orbits:
    """Start independent orbits, one for each entry of ``shape``."""
    count = int(torch.Size(shape).numel())
    point = chaotic_map.start(count, generator).reshape(chaotic_map.dimension, *shape)
    return {"point": point, "reference": point[0].clone(), "steps": torch.tensor(0)}


def advance(chaotic_map: ChaoticMap, orbits: Orbits, renew_every: int, generator: torch.Generator) -> Orbits:
    """Take every orbit one step on and replace those that are dead or due; ``orbits`` is left as it is."""
    steps = orbits["steps"] + 1
    point = chaotic_map.step(orbits["point"])
    value = point[0]
    # Written so that NaN, which compares false to everything, counts as outside.
    inside = (value > chaotic_map.low + chaotic_map.margin) & (value < chaotic_map.high - chaotic_map.margin)
    moving = (value != orbits["point"][0]) & (value != orbits["reference"])
    renew = (~(inside & moving)).flatten()
    renew[int(-steps) % renew_every :: renew_every] = True
    which = renew.nonzero().squeeze(1)
    if len(which) > 0:
        # The reshape is a view: a map's step returns a fresh, contiguous tensor.
        point.view(chaotic_map.dimension, -1)[:, which] = chaotic_map.start(len(which), generator)
    reference = point[0].clone() if int(steps) % WINDOW == 0 else orbits["reference"]
    return {"point": point, "reference": reference, "steps": steps}
