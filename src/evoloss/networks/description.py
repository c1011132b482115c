"""Loss networks to and from plain dictionaries, as they stand in an artefact's config.json."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from evoloss.errors import ConfigError, UnknownNameError
from evoloss.networks.balanced import BalancedNetwork
from evoloss.networks.basis import BasisNetwork
from evoloss.networks.classwise import ClasswiseNetwork
from evoloss.networks.concat import ConcatNetwork
from evoloss.networks.mixture import MixtureNetwork
from evoloss.networks.monotone import MonotoneNetwork
from evoloss.networks.paced import PacedNetwork
from evoloss.networks.tempered import TemperedNetwork
from evoloss.safe_text import quoted

AnyCountNetwork = ClasswiseNetwork | TemperedNetwork  # blind to the order of classes, for any number of them
Network = AnyCountNetwork | ConcatNetwork

NETWORKS: dict[str, type[Network]] = {
    "classwise": ClasswiseNetwork,
    "balanced": BalancedNetwork,
    "basis": BasisNetwork,
    "concat": ConcatNetwork,
    "mixture": MixtureNetwork,
    "monotone": MonotoneNetwork,
    "paced": PacedNetwork,
    "tempered": TemperedNetwork,
}


def describe_network(network: Network) -> dict[str, Any]:
    """Name and fields of a network, for JSON."""
    kind = next(name for name, cls in NETWORKS.items() if type(network) is cls)
    values = asdict(network)
    return {"kind": kind, **{k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}}


def build_network(description: Mapping[str, Any]) -> Network:
    """Build the network that :func:`describe_network` described.

    Raises:
        ConfigError: if a field is missing, unknown, of the wrong type or out of range.
        UnknownNameError: if the kind, the activation or the feature set is not known.
    """
    values = dict(description)
    kind = values.pop("kind", None)
    if not isinstance(kind, str) or kind not in NETWORKS:
        raise UnknownNameError.among("network", str(kind), NETWORKS)
    cls = NETWORKS[kind]
    expected = {field.name for field in fields(cls)}
    if set(values) != expected:
        raise ConfigError(
            f"a {kind} network is described by {sorted(expected)}, got {quoted(sorted(values), 200)}"
        )
    if issubclass(cls, TemperedNetwork):
        return cls()
    hidden = values["hidden"]
    if not (isinstance(hidden, list | tuple) and all(type(width) is int for width in hidden)):
        raise ConfigError(f"hidden must be a list of integers, got {quoted(hidden)}")
    if not (isinstance(values["activation"], str) and isinstance(values["features"], str)):
        raise ConfigError("activation and features must be strings")
    if "n_classes" in values and type(values["n_classes"]) is not int:
        raise ConfigError(f"n_classes must be an integer, got {quoted(values['n_classes'])}")
    return cls(**{**values, "hidden": tuple(hidden)})
