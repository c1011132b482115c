"""Priors of tiny tasks in the place of those of the presets."""

from __future__ import annotations

import pytest

from benchmarks.robustness.evolving.small_evolve import small_prior
from evoloss.tasks import PRIORS


def small_priors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the tasks of every prior tiny, so that a search takes seconds."""
    for name, prior in PRIORS.items():
        monkeypatch.setitem(PRIORS, name, small_prior(prior))
