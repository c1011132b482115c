from __future__ import annotations

import pytest

from evoloss.ablate.variants import Variant, parse_settings, parse_variants
from evoloss.errors import ConfigError, UnknownNameError
from evoloss.pretraining import PretrainConfig


def test_one_setting_with_several_values() -> None:
    assert parse_variants(["mutation=gaussian,chaotic"], []) == (
        Variant("mutation=gaussian", {"mutation": "gaussian"}),
        Variant("mutation=chaotic", {"mutation": "chaotic"}),
    )


def test_several_settings_span_a_grid_and_named_ones_follow() -> None:
    variants = parse_variants(["sigma=0.1,1", "hidden=[8, 8],[16]"], ["mine: popsize=8  slots=0"])
    assert [(variant.name, variant.settings) for variant in variants] == [
        ("sigma=0.1 hidden=[8, 8]", {"sigma": 0.1, "hidden": [8, 8]}),
        ("sigma=0.1 hidden=[16]", {"sigma": 0.1, "hidden": [16]}),
        ("sigma=1 hidden=[8, 8]", {"sigma": 1, "hidden": [8, 8]}),
        ("sigma=1 hidden=[16]", {"sigma": 1, "hidden": [16]}),
        ("mine", {"popsize": 8, "slots": 0}),
    ]


def test_a_named_variant_may_change_nothing() -> None:
    assert parse_variants([], ["as it is:"]) == (Variant("as it is", {}),)


def test_a_table_is_one_value() -> None:
    (settings,) = (variant.settings for variant in parse_variants(["regimes={boundary=1, vertex=2}"], []))
    assert settings == {"regimes": {"boundary": 1, "vertex": 2}}


def test_the_configuration_of_a_run() -> None:
    base = PretrainConfig(popsize=16, seed=9)
    assert Variant("x", {"sigma": 0.5}).config(base, 3) == PretrainConfig(popsize=16, sigma=0.5, seed=3)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ((["mutation"], []), "'mutation' varies nothing; write NAME=VALUE,VALUE"),
        ((["mutation="], []), "'mutation=' varies nothing"),
        ((["sigma=big"], []), "sigma=big: the value cannot be read as a number or a list"),
        ((["seed=1,2"], []), "seed cannot be varied like a setting; give --seeds"),
        (([], ["sigma=1"]), "'sigma=1' is no named variant; write 'NAME: FIELD=VALUE"),
        (([], ["a: sigma"]), "'sigma' is no setting; write NAME=VALUE"),
        (([], ["a: sigma=1", "a: sigma=2"]), "two variants are called 'a'"),
    ],
)
def test_texts_of_another_form_are_refused(texts: tuple[list[str], list[str]], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_variants(*texts)


def test_unknown_names_come_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"no pretraining setting 'sigm'\. Did you mean 'sigma'"):
        parse_settings(["sigm=1"])
    with pytest.raises(UnknownNameError, match=r"no mutation 'gaus'\. Did you mean 'gaussian'"):
        parse_settings(["mutation=gaus"])


def test_a_value_of_the_wrong_type_names_the_variant() -> None:
    (variant,) = parse_variants([], ["odd: popsize=1.5"])
    with pytest.raises(ConfigError, match=r"variant 'odd': popsize must be of type int, got 1\.5"):
        variant.config(PretrainConfig(), 0)
