from __future__ import annotations

from pathlib import Path

import pytest

from evoloss.errors import ConfigError, UnknownNameError
from evoloss.evolve import DataShape, EvolveConfig

SHAPE = DataShape("mine", 150, (50, 50, 50), (4,))


def test_a_file_gives_the_settings_back(tmp_path: Path) -> None:
    config = EvolveConfig(purpose="noise", classes="3", noise="0.2-0.5", budget="90s", seed=4)
    path = tmp_path / "evolve.toml"
    path.write_text(config.to_toml())
    assert EvolveConfig.from_toml(path) == config
    assert "ignore_columns" not in path.read_text()
    config = EvolveConfig(purpose="noise", like="a.csv", target="y", ignore_columns=("id", "ward no."))
    path.write_text(config.to_toml())
    assert EvolveConfig.from_toml(path) == config


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ('purpose = "noise"\nclases = "3"', "Did you mean 'classes'"),
        ('purpose = "noise"\nclasses = 3', "classes must be text, got 3"),
        ('purpose = "noise"\nseed = "3"', "seed must be a whole number"),
        ('budget = "10m"', "does not say the purpose"),
        ('purpose = "noise"\nlike = "a.csv"\nignore_columns = "id"', "must be a list of texts, got 'id'"),
        ('purpose = "noise"\nlike = "a.csv"\nignore_columns = [1]', "must be a list of texts"),
        ('purpose = "nois"', "Did you mean 'noise'"),
    ],
)
def test_a_file_with_a_mistake(tmp_path: Path, text: str, error: str) -> None:
    path = tmp_path / "evolve.toml"
    path.write_text(text)
    with pytest.raises((ConfigError, UnknownNameError), match=error):
        EvolveConfig.from_toml(path)


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"purpose": "clean", "noise": "0.2"}, "leave --noise out, or say --for noise"),
        ({"purpose": "noise", "noise": "0"}, "say --for clean"),
        ({"purpose": "noise", "target": "y"}, "give --like too"),
        ({"purpose": "noise", "ignore_columns": ("id",)}, "columns of the table that --like names; give"),
        ({"purpose": "noise", "seed": -1}, "at least 0"),
        ({"purpose": "noise", "features": "pixels"}, "--features must be a whole number or a range"),
    ],
)
def test_settings_that_contradict_each_other(settings: dict[str, object], error: str) -> None:
    with pytest.raises(ConfigError, match=error):
        EvolveConfig(**settings)  # type: ignore[arg-type]


def test_what_is_given_wins_over_a_shape() -> None:
    read = EvolveConfig(purpose="noise").regime(SHAPE)
    assert (read.classes, read.samples, read.features) == ((3, 3), (100, 225), (4, 4))
    given = EvolveConfig(purpose="noise", samples="50-60", features="images")
    assert given.overridden() == ["samples", "features"]
    regime = given.regime(SHAPE)
    assert (regime.samples, regime.features, regime.images, regime.classes) == ((50, 60), None, True, (3, 3))
