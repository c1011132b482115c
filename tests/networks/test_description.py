from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evoloss.errors import ConfigError, EvolossError, UnknownNameError
from evoloss.networks import (
    NETWORKS,
    BalancedNetwork,
    ClasswiseNetwork,
    ConcatNetwork,
    LossNetwork,
    MonotoneNetwork,
    build_network,
    describe_network,
)

widths = st.lists(st.integers(1, 64), min_size=1, max_size=5).map(tuple)
features = st.sampled_from(["log_probs", "probs"])
smooth = st.sampled_from(["softplus", "silu", "tanh"])
networks = st.one_of(
    st.builds(ClasswiseNetwork, hidden=widths, activation=smooth, features=features),
    st.builds(BalancedNetwork, hidden=widths, activation=smooth, features=features),
    st.builds(
        MonotoneNetwork, hidden=widths, activation=st.sampled_from(["softplus", "tanh"]), features=features
    ),
    st.builds(
        ConcatNetwork, n_classes=st.integers(2, 99), hidden=widths, activation=smooth, features=features
    ),
)

DESCRIPTION = describe_network(ClasswiseNetwork())
CONCAT = describe_network(ConcatNetwork(n_classes=10))


@settings(deadline=None, max_examples=60)
@given(network=networks)
def test_a_description_survives_json(network: LossNetwork) -> None:
    again = build_network(json.loads(json.dumps(describe_network(network))))
    assert again == network
    assert type(again) is type(network)
    assert again.n_params == network.n_params


def test_every_kind_is_named() -> None:
    for name, kind in NETWORKS.items():
        assert kind.kind == name
        assert kind.__name__.lower() == f"{name}network"
    assert DESCRIPTION == {
        "kind": "classwise",
        "hidden": [8, 8],
        "activation": "silu",
        "features": "log_probs",
    }


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"kind": "classwize"}, UnknownNameError, "no network 'classwize'. Did you mean 'classwise'?"),
        ({"kind": None}, UnknownNameError, "no network 'None'"),
        ({"kind": ["classwise"]}, UnknownNameError, "no network"),
        ({"activation": "relu"}, UnknownNameError, "no activation 'relu'"),
        ({"features": "logits"}, UnknownNameError, "no feature set 'logits'"),
        ({"activation": 3}, ConfigError, "activation must be a string, got 3"),
        ({"features": None}, ConfigError, "features must be a string, got None"),
        ({"hidden": "88"}, ConfigError, "hidden must be a list of integers, got '88'"),
        ({"hidden": [8.0]}, ConfigError, "hidden must be a list of integers"),
        ({"hidden": [True]}, ConfigError, "hidden must be a list of integers"),
        ({"hidden": []}, ConfigError, "hidden must name at least one layer"),
        ({"hidden": [0]}, ConfigError, "hidden must name at least one layer"),
        ({"hidden": [1025]}, ConfigError, "hidden may name up to 16 layers of width 1024, got"),
        ({"hidden": [8] * 17}, ConfigError, "hidden may name up to 16 layers of width 1024, got"),
        ({"extra": 1}, ConfigError, "a classwise network is described by"),
        ({"n_classes": 3}, ConfigError, "a classwise network is described by"),
        ({"kind": "concat"}, ConfigError, "a concat network is described by"),
        ({"kind": "monotone"}, ConfigError, "a monotone network needs an activation"),
    ],
)
def test_damaged_descriptions(change: dict[str, Any], error: type[EvolossError], message: str) -> None:
    with pytest.raises(error) as caught:
        build_network({**DESCRIPTION, **change})
    assert message in str(caught.value)


@pytest.mark.parametrize("field", ["kind", "hidden", "activation", "features"])
def test_missing_fields(field: str) -> None:
    partial = {name: value for name, value in DESCRIPTION.items() if name != field}
    with pytest.raises((ConfigError, UnknownNameError), match=r"no network|is described by"):
        build_network(partial)


@pytest.mark.parametrize("n_classes", [1, 0, -3, 2.0, "10", None, True, 100_001, 10**12])
def test_damaged_class_counts(n_classes: object) -> None:
    with pytest.raises(
        ConfigError, match=r"n_classes (must be an integer|of a concat network must be from 2 to 1024), got"
    ):
        build_network({**CONCAT, "n_classes": n_classes})


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=4,
)


@settings(deadline=None, max_examples=250)
@given(field=st.sampled_from([*CONCAT]), value=json_values, base=st.sampled_from([DESCRIPTION, CONCAT]))
def test_any_value_builds_a_network_or_says_what_is_wrong(
    field: str, value: object, base: dict[str, Any]
) -> None:
    with contextlib.suppress(ConfigError, UnknownNameError):
        assert build_network({**base, field: value}).n_params > 0
