from __future__ import annotations

import pytest

from evoloss.errors import ConfigError
from evoloss.pretraining import PretrainConfig
from evoloss.pretraining.effects import without_effect


def test_defaults_have_nothing_to_say() -> None:
    assert without_effect(PretrainConfig()) == []
    learned = PretrainConfig(fitness="learnability", groups=8, promote=0.5, prior="label-noise")
    assert without_effect(learned) == []


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"groups": 8, "promote": 0.5}, "groups, promote"),
        ({"fitness": "learnability", "clean_tolerance": 0.1}, "clean_tolerance"),
        ({"margin": 0.2}, "margin"),
        ({"chaotic_map": "tent"}, "chaotic_map"),
        ({"strategy": "open_es", "step_control": "none"}, "step_control"),
        ({"learning_rate": 0.1}, "learning_rate"),
        ({"network": "mixture", "hidden": (4,)}, "hidden"),
    ],
)
def test_a_setting_without_effect_is_told(settings: dict[str, object], named: str) -> None:
    (sentence,) = without_effect(PretrainConfig(**settings))  # type: ignore[arg-type]
    assert sentence.startswith(f"no effect of {named}: ")


@pytest.mark.parametrize(
    "settings",
    [
        {"prior": "label-noise"},
        {"prior_classes": (3, 3)},
        {"prior_noise": (0.1, 0.2)},
        {"prior_features": (4, 4)},
        {"prior_imbalanced": 0.0},
    ],
)
def test_a_prior_that_no_student_is_trained_on_is_an_error(settings: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="--fitness learnability"):
        PretrainConfig(**settings)  # type: ignore[arg-type]
    PretrainConfig(fitness="learnability", **settings)  # type: ignore[arg-type]
