"""Evolution strategies: ask for candidates, tell their fitness; the state is a dictionary of tensors."""

from __future__ import annotations

from evoloss.strategies.evolution_strategy import EvolutionStrategy
from evoloss.strategies.protocol import Strategy, StrategyState

STRATEGIES: dict[str, type[EvolutionStrategy]] = {
    "es_comma": EvolutionStrategy,
}
"""Every strategy by name."""

__all__ = ["STRATEGIES", "EvolutionStrategy", "Strategy", "StrategyState"]
