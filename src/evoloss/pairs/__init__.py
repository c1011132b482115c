"""Synthetic prediction-label pairs, without end and without data."""

from evoloss.pairs.classes import MIN_COLUMNS, Classes, EveryClass, GroupedClasses
from evoloss.pairs.erroneousness import (
    ERROR_KINDS,
    ErrorKind,
    dominates,
    error_key,
    label_log_probs,
    move_mass,
    one_minus_p,
    total_variation,
)
from evoloss.pairs.mixture import DEFAULT_WEIGHTS, MAX_CLASSES, Pairs, PairsConfig, sample_pairs, stream_pairs
from evoloss.pairs.regimes import REGIMES

__all__ = [
    "DEFAULT_WEIGHTS",
    "ERROR_KINDS",
    "MAX_CLASSES",
    "MIN_COLUMNS",
    "REGIMES",
    "Classes",
    "ErrorKind",
    "EveryClass",
    "GroupedClasses",
    "Pairs",
    "PairsConfig",
    "dominates",
    "error_key",
    "label_log_probs",
    "move_mass",
    "one_minus_p",
    "sample_pairs",
    "stream_pairs",
    "total_variation",
]
