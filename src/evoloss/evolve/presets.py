"""Presets: for each purpose the tasks, the network, the start and how candidates are judged.

They were chosen on synthetic tasks alone; docs/evolve.md has the table and the command.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from evoloss.evolve.regime import Purpose, Regime
from evoloss.pretraining import PretrainConfig


@dataclass(frozen=True, kw_only=True)
class Preset:
    """The search for a purpose.

    Attributes:
        summary: in a phrase.
        prior: of tasks whose inputs are features.
        image_prior: of tasks whose inputs are made of patches, as images are.
        recommended: the shipped loss that is recommended for the purpose without a search.
        settings: of :class:`~evoloss.pretraining.PretrainConfig` for features.
        image_settings: those that differ for images.
    """

    summary: str
    prior: str
    image_prior: str
    recommended: str
    settings: Mapping[str, Any]
    image_settings: Mapping[str, Any] = field(default_factory=dict)


_SHARED: dict[str, Any] = {
    "fitness": "learnability",
    "scoring": "points",
    "promote": 0.5,
    "pairs": 128,
    "nll_weight": 0.2,
    "worst_weight": 0.2,
    "strategy": "es_comma",
    "eval_every": 2,
}
_ROBUST = {"network": "paced", "start": "random", "sigma": 0.3, "step_control": "none", "rates": 1}
_CLEAN = {
    **{"network": "basis", "start": "sce", "sigma": 0.4, "step_control": "csa"},
    **{"rates": 2, "worst_weight": 0.4},
}

PRESETS: dict[Purpose, Preset] = {
    "noise": Preset(
        summary="some training labels are wrong",
        prior="label-noise",
        image_prior="label-noise-images",
        recommended="evolved-noise",
        settings=_ROBUST,
    ),
    "clean": Preset(
        summary="training labels are right",
        prior="general",
        image_prior="images",
        recommended="evolved-base",
        settings=_CLEAN,
    ),
    "few-samples": Preset(
        summary="a few samples a class",
        prior="few-shot",
        image_prior="few-shot-images",
        recommended="evolved-small",
        settings=_CLEAN,
    ),
    "memorisation": Preset(
        summary="wrong labels, in trainings long enough to learn them by heart",
        prior="memorisation",
        image_prior="memorisation",
        recommended="evolved-noise-long",
        settings=_ROBUST,
    ),
}
"""Every purpose and its preset."""


def config_of(regime: Regime, scale: Mapping[str, int], seed: int) -> PretrainConfig:
    """The configuration of the search for a regime.

    Args:
        regime: what the tasks look like.
        scale: population, groups and so on; see :mod:`evoloss.evolve.budget`.
        seed: of every random stream.

    Example:
        >>> config = config_of(Regime(purpose="noise", classes=(3, 3)), {"popsize": 8}, seed=0)
        >>> config.prior, config.promote, config.task_prior.classes
        ('label-noise', 0.5, (3, 3))
    """
    preset = PRESETS[regime.purpose]
    settings = {**_SHARED, **preset.settings, **(preset.image_settings if regime.images else {}), **scale}
    if regime.imbalanced is not None:
        settings["prior_imbalanced"] = 1.0 if regime.imbalanced else 0.0
    return PretrainConfig(
        **settings,
        seed=seed,
        prior=preset.image_prior if regime.images else preset.prior,
        prior_classes=regime.classes or (),
        prior_samples=regime.samples or (),
        prior_noise=regime.noise or (),
        prior_features=regime.features or (),
        classes=tuple(dict.fromkeys(regime.classes or (3, 10, 100))),
    )
