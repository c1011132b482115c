"""Evolution of a loss for one's own regime: presets over pretraining, a budget, a verdict."""

from evoloss.evolve.beginning import Begin
from evoloss.evolve.config import EvolveConfig
from evoloss.evolve.search import EvolveResult, evolve
from evoloss.evolve.shape import DataShape, shape_of
from evoloss.evolve.verdict import Difference, EvolveVerdict, LossRow

__all__ = [
    "Begin",
    "DataShape",
    "Difference",
    "EvolveConfig",
    "EvolveResult",
    "EvolveVerdict",
    "LossRow",
    "evolve",
    "shape_of",
]
