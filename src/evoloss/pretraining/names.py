"""The names that settings may have, from the dictionaries that hold what they name.

For a type checker they are strings; at run time, for the checks of a configuration and the choices of the
command line, they are literals.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from evoloss.mutation import MAPS, MUTATIONS
from evoloss.networks import ACTIVATIONS, NETWORKS
from evoloss.pretraining.start import SET_BY_HAND, START_SLOPES
from evoloss.strategies import STRATEGIES
from evoloss.tasks import PRIORS

if TYPE_CHECKING:
    ActivationName = str
    MapName = str
    MutationName = str
    NetworkName = str
    PriorName = str
    StartName = str
    StrategyName = str
else:
    ActivationName = Literal["auto", *ACTIVATIONS]
    MapName = Literal[*MAPS]
    MutationName = Literal[*MUTATIONS]
    NetworkName = Literal[*NETWORKS]
    PriorName = Literal[*PRIORS]
    StartName = Literal["random", SET_BY_HAND, *START_SLOPES]
    StrategyName = Literal[*STRATEGIES]
