"""Evolution strategies: ask for candidates, tell their fitness; the state is a dictionary of tensors."""

from __future__ import annotations

from evoloss.strategies.evolution_strategy import EvolutionStrategy
from evoloss.strategies.open_es import OpenES
from evoloss.strategies.plus_evolution_strategy import PlusEvolutionStrategy
from evoloss.strategies.protocol import Strategy, StrategyState
from evoloss.strategies.pycma import PyCMA
from evoloss.strategies.snes import SNES

STRATEGIES: dict[str, type[EvolutionStrategy | PlusEvolutionStrategy | OpenES | SNES | PyCMA]] = {
    "es_comma": EvolutionStrategy,
    "es_plus": PlusEvolutionStrategy,
    "open_es": OpenES,
    "snes": SNES,
    "pycma": PyCMA,
}
"""Every strategy by name."""

__all__ = [
    "SNES",
    "STRATEGIES",
    "EvolutionStrategy",
    "OpenES",
    "PlusEvolutionStrategy",
    "PyCMA",
    "Strategy",
    "StrategyState",
]
