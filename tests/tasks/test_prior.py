from __future__ import annotations

from typing import Any

import pytest

from evoloss.errors import ConfigError, UnknownNameError
from evoloss.tasks import PRIORS, Prior, named_prior


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"classes": (1, 5)}, "classes of a prior must be a range"),
        ({"samples": (50, 20)}, "samples of a prior must be a range"),
        ({"noise": (0.0, 0.99)}, "noise of a prior must be a range"),
        ({"long_modes": (0, 2)}, "long_modes of a prior must be a range"),
        ({"long_separation": (3.0, 2.0)}, "long_separation of a prior must be a range"),
        ({"feature_noise": (0.0, 1.0)}, "feature_noise of a prior must be a range"),
        ({"depth": (1, 5)}, "depth of a prior must be a range"),
        ({"rate": (0.1, float("inf"))}, "rate of a prior must be a range"),
        ({"noisy": 1.5}, "noisy of a prior must be a share"),
        ({"augmented": -0.1}, "augmented of a prior must be a share"),
        ({"augmentation": (0.0, 1.0)}, "augmentation of a prior must be a range"),
        ({"epochs": (0, 5)}, "epochs of a prior must be a range"),
        ({"long_epochs": (5, 2)}, "long_epochs of a prior must be a range"),
        ({"rate_batch": 0}, "rate_batch of a prior must be at least 1, got 0"),
        ({"stretch": 0.5}, "stretch of a prior must be at least 1 and finite, got 0.5"),
        ({"test_samples": 0}, "test_samples of a prior must be at least 1"),
        ({"norms": {}}, "norms of a prior must hold weights above 0"),
        ({"activations": {"relu": -1.0}}, "activations of a prior must hold weights above 0"),
    ],
)
def test_values_out_of_range(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Prior(**values)


def test_unknown_entries() -> None:
    with pytest.raises(UnknownNameError, match="no entry of noise_kinds 'symetric'"):
        Prior(noise_kinds={"symetric": 1.0})
    with pytest.raises(UnknownNameError, match=r"no prior 'generel'. Did you mean 'general'"):
        named_prior("generel")


def test_named_priors_can_be_moved_to_a_regime() -> None:
    assert named_prior("few-shot") == PRIORS["few-shot"]
    moved = named_prior("general", classes=(10, 10), samples=(50, 80), noise=(0.3, 0.5))
    assert moved.classes == (10, 10)
    assert moved.samples == moved.long_samples == (50, 80)
    assert (moved.noise, moved.noisy) == ((0.3, 0.5), 1.0)
    assert named_prior("label-noise", noise=(0.0, 0.0)).noisy == 0.0
    with pytest.raises(ConfigError, match="prior_noise must be a range of two numbers"):
        named_prior("general", noise=(0.3,))
