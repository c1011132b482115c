"""Priors of tiny tasks in the place of those of the presets."""

from __future__ import annotations

from dataclasses import replace

import pytest

from evoloss.tasks import PRIORS


def small_priors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the tasks of every prior tiny, so that a search takes seconds."""
    for name, prior in PRIORS.items():
        small = replace(
            prior,
            samples=(20, 30),
            long_samples=(20, 30),
            features=(4, 6),
            patches=(2, 3),
            steps=(4, 6),
            long_steps=(6, 8),
            epochs=None if prior.epochs is None else (2, 3),
            long_epochs=None if prior.long_epochs is None else (2, 3),
            width=(4, 6),
            long_width=None,
            depth=(1, 1),
            long_depth=None,
            batch=(8, 8),
            long_batch=None,
            stretch=2.0,
            test_samples=60,
        )
        monkeypatch.setitem(PRIORS, name, small)
