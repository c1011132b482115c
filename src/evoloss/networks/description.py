"""Loss networks to and from plain dictionaries, as they stand in an artefact's config.json."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evoloss.errors import UnknownNameError
from evoloss.networks.base import LossNetwork
from evoloss.networks.kinds.balanced import BalancedNetwork
from evoloss.networks.kinds.basis import BasisNetwork
from evoloss.networks.kinds.classwise import ClasswiseNetwork
from evoloss.networks.kinds.concat import ConcatNetwork
from evoloss.networks.kinds.mixture import MixtureNetwork
from evoloss.networks.kinds.monotone import MonotoneNetwork
from evoloss.networks.kinds.paced import PacedNetwork
from evoloss.networks.kinds.sensing import SensingNetwork
from evoloss.networks.kinds.tempered import TemperedNetwork

NETWORKS: dict[str, type[LossNetwork]] = {
    "classwise": ClasswiseNetwork,
    "balanced": BalancedNetwork,
    "basis": BasisNetwork,
    "concat": ConcatNetwork,
    "mixture": MixtureNetwork,
    "monotone": MonotoneNetwork,
    "paced": PacedNetwork,
    "sensing": SensingNetwork,
    "tempered": TemperedNetwork,
}


def describe_network(network: LossNetwork) -> dict[str, Any]:
    """Name and fields of a network, for JSON.

    Example:
        >>> describe_network(MonotoneNetwork(hidden=(4,)))
        {'kind': 'monotone', 'hidden': [4], 'activation': 'softplus', 'features': 'log_probs'}
    """
    return {"kind": network.kind, **network.description()}


def build_network(description: Mapping[str, Any]) -> LossNetwork:
    """Build the network that :func:`describe_network` described.

    Raises:
        ConfigError: if a field is missing, unknown, of the wrong type or out of range.
        UnknownNameError: if the kind, the activation or the feature set is not known.

    Example:
        >>> description = describe_network(MonotoneNetwork(hidden=(4,)))
        >>> build_network(description)
        MonotoneNetwork(hidden=(4,), activation='softplus', features='log_probs')
    """
    values = dict(description)
    kind = values.pop("kind", None)
    if not isinstance(kind, str) or kind not in NETWORKS:
        raise UnknownNameError.among("network", str(kind), NETWORKS)
    return NETWORKS[kind].from_description(values)
