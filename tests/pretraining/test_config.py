from __future__ import annotations

import os
from dataclasses import FrozenInstanceError, fields, replace
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from evoloss.errors import ConfigError, UnknownNameError
from evoloss.mutation import MAPS, MUTATIONS
from evoloss.networks import ACTIVATIONS, NETWORKS
from evoloss.networks.kinds.sensing import SensingNetwork
from evoloss.networks.sensing.numbers import SensorNumbers
from evoloss.pairs import REGIMES
from evoloss.pretraining import PretrainConfig
from evoloss.pretraining.components import make_network
from evoloss.pretraining.start import SET_BY_HAND, START_SLOPES, start_point
from evoloss.strategies import STRATEGIES
from evoloss.tasks import PRIORS

POSITIVE = st.floats(1e-6, 1e6)
WEIGHTS = st.dictionaries(st.sampled_from(sorted(REGIMES)), st.floats(0.1, 10), min_size=1)
HINTS = get_type_hints(PretrainConfig)
NAMES = {name: st.sampled_from(get_args(hint)) for name, hint in HINTS.items() if get_origin(hint) is Literal}


def configuration(prior: str, **values: Any) -> PretrainConfig:
    """With a prior only where students are trained."""
    named = {"prior": prior} if values["fitness"] == "learnability" else {}
    return PretrainConfig(**named, **values)


CONFIGS = st.builds(
    configuration,
    **NAMES
    | {
        "network": st.sampled_from(["classwise", "balanced", "basis"]),
        "start": st.sampled_from(["random", *START_SLOPES]),
    },
    generations=st.integers(1, 10**9) | st.none(),
    seed=st.integers(0, 2**60),
    hidden=st.lists(st.integers(1, 99), min_size=1, max_size=3).map(tuple),
    classes=st.lists(st.integers(2, 100_000), min_size=1, max_size=4, unique=True).map(tuple),
    n_grid=st.integers(5, 500) | st.just(0),
    slots=st.integers(8, 500) | st.just(0),
    popsize=st.integers(2, 999),
    margin=POSITIVE,
    sigma=POSITIVE,
    learning_rate=POSITIVE,
    checkpoint_seconds=POSITIVE,
    regimes=WEIGHTS,
)


@settings(deadline=None, max_examples=60)
@given(config=CONFIGS)
def test_toml_round_trip(config: PretrainConfig, tmp_path_factory: pytest.TempPathFactory):
    path = tmp_path_factory.mktemp("config") / "c.toml"
    path.write_text(config.to_toml(), encoding="utf-8")
    assert PretrainConfig.from_toml(path) == config
    assert PretrainConfig.from_dict(config.to_dict()) == config


def test_every_field_is_written_and_left_out_ones_have_defaults():
    assert set(PretrainConfig().to_dict()) == {field.name for field in fields(PretrainConfig)}
    assert PretrainConfig.from_dict({"seed": 3}) == PretrainConfig(seed=3)


def test_a_number_of_generations_may_be_left_out():
    config = PretrainConfig()
    assert config.generations is None
    assert "generations" not in config.to_toml()
    assert PretrainConfig.from_dict({"generations": None}) == config
    assert config.most_generations == 2000
    assert PretrainConfig(fitness="learnability").most_generations == 300
    assert PretrainConfig(generations=7).most_generations == 7


def test_whole_numbers_do_for_floats_and_lists_for_tuples():
    config = PretrainConfig.from_dict({"sigma": 1, "hidden": [3], "regimes": {"boundary": 2}})
    assert (config.sigma, config.hidden, config.regimes) == (1.0, (3,), {"boundary": 2.0})


def test_unknown_key_is_named_with_the_nearest(tmp_path: Path):
    path = tmp_path / "c.toml"
    path.write_text("popsiz = 4\n")
    with pytest.raises(UnknownNameError, match=r"c\.toml, 'popsiz'\. Did you mean 'popsize'\?"):
        PretrainConfig.from_toml(path)


WRONG_TYPES: dict[str, tuple[Any, str]] = {
    "generations": ("5", "of type int, got '5'"),
    "popsize": (True, "of type int, got True"),
    "seed": (1.0, "of type int, got 1.0"),
    "sigma": ("big", "of type float, got 'big'"),
    "margin": (True, "of type float"),
    "hidden": (8, "a list of int, got 8"),
    "classes": ([2, "10"], "a list of int"),
    "regimes": ([1.0], "a table of numbers"),
    "network": (3, f"one of {', '.join(NETWORKS)}, got 3"),
}


@pytest.mark.parametrize("key", WRONG_TYPES)
def test_wrong_types_are_refused_from_files_and_in_code(key: str):
    value, text = WRONG_TYPES[key]
    with pytest.raises(ConfigError, match=f"my.toml: {key} must be .*") as caught:
        PretrainConfig.from_dict({key: value}, "my.toml")
    assert text in str(caught.value)
    with pytest.raises(ConfigError, match=f"^{key} must be ") as caught:
        PretrainConfig(**{key: value})
    assert text in str(caught.value)


OUT_OF_RANGE: dict[str, tuple[dict[str, Any], str]] = {
    "no generations": ({"generations": -1}, "generations must be at least 0, got -1"),
    "no generations from a random start": ({"generations": 0}, "name it .* or give at least 1"),
    "negative seed": ({"seed": -1}, "seed must be at least 0"),
    "one candidate": ({"popsize": 1}, "popsize must be at least 2"),
    "one pair": ({"pairs": 1}, "pairs must be at least 2"),
    "never evaluated": ({"eval_every": 0}, "eval_every must be at least 1"),
    "one held-out pair": ({"eval_pairs": 1}, "eval_pairs must be at least 2"),
    "never saved": ({"checkpoint_every": 0}, "checkpoint_every must be at least 1"),
    "sigma 0": ({"sigma": 0.0}, "sigma must be above 0 and finite"),
    "sigma infinite": ({"sigma": float("inf")}, "sigma must be above 0 and finite"),
    "sigma NaN": ({"sigma": float("nan")}, "sigma must be above 0 and finite"),
    "no learning rate": ({"learning_rate": 0.0}, "learning_rate must be above 0"),
    "no time": ({"checkpoint_seconds": 0.0}, "checkpoint_seconds must be above 0"),
    "margin NaN": ({"margin": float("nan")}, "margin must be above 0"),
    "no couples": ({"couples_per_pair": 0}, "couples_per_pair must be at least 1"),
    "grid of one": ({"n_grid": 1}, "n_grid must be 0"),
    "too few slots": ({"slots": 4}, "slots must be 0"),
    "no classes": ({"classes": ()}, "at least one class count"),
    "class count twice": ({"classes": (3, 3)}, "each once"),
    "one class": ({"classes": (1,)}, "from 2 to 100,000"),
    "too many classes": ({"classes": (100_001,)}, "from 2 to 100,000"),
    "concat with two counts": (
        {"network": "concat", "classes": (2, 10)},
        r"a concat network has one class count, got classes=\(2, 10\)",
    ),
    "concat with dominance": ({"network": "concat", "classes": (3,), "error": "dominance"}, "'dominance'"),
    "no weight": ({"regimes": {"boundary": 0.0}}, "all regime weights are 0"),
    "negative weight": ({"regimes": {"boundary": -1.0}}, "'boundary' must be finite and at least 0"),
}


@pytest.mark.parametrize("name", OUT_OF_RANGE)
def test_values_out_of_range_are_refused(name: str):
    changes, text = OUT_OF_RANGE[name]
    with pytest.raises(ConfigError, match=text):
        PretrainConfig(**changes)


def test_only_networks_whose_numbers_are_set_by_hand_can_start_there():
    config = PretrainConfig(network="sensing", error="dominance", start=SET_BY_HAND)
    network = make_network(config)
    assert isinstance(network, SensingNetwork)
    torch.testing.assert_close(start_point(config, network), SensorNumbers.set_by_hand(), rtol=0, atol=0)
    with pytest.raises(ConfigError, match="no numbers of a classwise network are set by hand"):
        PretrainConfig(start=SET_BY_HAND)


DICTIONARIES: dict[str, tuple[str, ...]] = {
    "network": tuple(NETWORKS),
    "activation": ("auto", *ACTIVATIONS),
    "start": ("random", SET_BY_HAND, *START_SLOPES),
    "prior": tuple(PRIORS),
    "strategy": tuple(STRATEGIES),
    "mutation": tuple(MUTATIONS),
    "chaotic_map": tuple(MAPS),
}


@pytest.mark.parametrize("key", DICTIONARIES)
def test_the_names_of_a_setting_are_the_keys_of_its_dictionary(key: str):
    assert get_args(HINTS[key]) == DICTIONARIES[key]


@pytest.mark.parametrize("key", sorted(NAMES))
def test_unknown_names_are_refused_with_the_known_ones(key: str):
    known = get_args(HINTS[key])
    with pytest.raises(UnknownNameError, match=f"no {key} 'nonsense'.*{known[0]}"):
        PretrainConfig(**{key: "nonsense"})


NAMED = {
    "network": NETWORKS,
    "activation": ("auto", *ACTIVATIONS),
    "start": ("random", SET_BY_HAND, *START_SLOPES),
    "prior": PRIORS,
    "strategy": STRATEGIES,
    "mutation": MUTATIONS,
    "chaotic_map": MAPS,
}


@pytest.mark.parametrize("key", NAMED)
def test_whatever_is_registered_can_be_chosen(key: str):
    assert get_args(HINTS[key]) == tuple(NAMED[key])


def test_unknown_regime_is_refused():
    with pytest.raises(UnknownNameError, match="Did you mean 'boundary'"):
        PretrainConfig(regimes={"boundry": 1.0})


@pytest.mark.parametrize(
    "content",
    [
        *(b"seed = ", b"[seed", b"\xff\xfe", b"seed = 1\nseed = 2", b"{}", b"\x80", b"\xef\xbb"),
        b"seed = " + b"[" * 100_000,
        b"seed = " + b"1" * 10_000,
        "seed = 1".encode("utf-16"),
    ],
    ids=range(10),
)
def test_what_is_not_toml_is_refused(content: bytes, tmp_path: Path):
    path = tmp_path / "c.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"c\.toml is not TOML"):
        PretrainConfig.from_toml(path)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"none\.toml cannot be read: No such file"):
        PretrainConfig.from_toml(tmp_path / "none.toml")
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        PretrainConfig.from_toml(tmp_path)
    os.mkfifo(tmp_path / "pipe.toml")
    with pytest.raises(ConfigError, match=r"pipe\.toml cannot be read: Is a named pipe"):
        PretrainConfig.from_toml(tmp_path / "pipe.toml")
    (tmp_path / "long.toml").write_bytes(b"#" * 2_000_000)
    with pytest.raises(ConfigError, match=r"long\.toml cannot be read: Is larger than 1048576 bytes"):
        PretrainConfig.from_toml(tmp_path / "long.toml")


def test_a_byte_order_mark_is_nothing(tmp_path: Path):
    (tmp_path / "c.toml").write_text("seed = 3\n", encoding="utf-8-sig")
    assert PretrainConfig.from_toml(tmp_path / "c.toml") == PretrainConfig(seed=3)


@settings(deadline=None, max_examples=100)
@given(content=st.binary(max_size=60) | st.text("seedpoiz =[]{}\"'1.\n", max_size=40).map(str.encode))
def test_any_file_gives_a_config_or_a_config_error(content: bytes, tmp_path_factory: pytest.TempPathFactory):
    path = tmp_path_factory.mktemp("fuzz") / "c.toml"
    path.write_bytes(content)
    try:
        config = PretrainConfig.from_toml(path)
    except (ConfigError, UnknownNameError):
        return
    assert PretrainConfig.from_dict(config.to_dict()) == config


def test_configs_are_frozen_and_defaults_are_not_shared():
    config = PretrainConfig()
    with pytest.raises(FrozenInstanceError):
        config.seed = 1  # type: ignore[misc]
    assert PretrainConfig().regimes is not config.regimes
    assert replace(config, seed=2).seed == 2
