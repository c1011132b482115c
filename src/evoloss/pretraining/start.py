"""The start of a search: at random, at numbers set by hand, or at a network that imitates a known loss."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from torch import Tensor

from evoloss.errors import ConfigError
from evoloss.losses.known.cross_entropy import CrossEntropyLoss
from evoloss.losses.known.gce import GceLoss
from evoloss.losses.known.label_smoothing import LabelSmoothingLoss
from evoloss.losses.known.sce import SceLoss
from evoloss.losses.known.smoothed_log import SmoothedLogLoss
from evoloss.networks import NETWORKS, LossNetwork, SlopeFunctions, SlopesByCount
from evoloss.random_streams import stream

if TYPE_CHECKING:
    from evoloss.pretraining.config import PretrainConfig


def _half_smoothed_log(n_classes: int) -> SlopeFunctions:
    """The slopes of ``-log(p + 1/C)``, half of those of the known loss.

    A network of weights takes the scale of what it imitates, and a step of the search is large or small
    beside it: this one is that of cross-entropy at p = 1.
    """
    other, label = SmoothedLogLoss().slopes(n_classes)
    return other, lambda log_p: label(log_p) / 2


START_SLOPES: dict[str, SlopesByCount] = {
    "cross_entropy": CrossEntropyLoss().slopes,
    "label_smoothing": LabelSmoothingLoss().slopes,
    "gce": GceLoss().slopes,
    "sce": SceLoss().slopes,
    "smoothed_log": _half_smoothed_log,
}
"""Slopes of the known losses that a search may start at, by name; with the papers' defaults."""


SET_BY_HAND = "set_by_hand"
"""The start of networks whose parameters somebody has set, as sensing networks have them."""


@runtime_checkable
class SetByHand(Protocol):
    """A network whose parameters somebody has set."""

    def set_by_hand(self) -> Tensor:
        """The parameters, ``(n_params,)``."""
        ...


def require_start(start: str, network: LossNetwork) -> None:
    """Check that a search of a network can have a start.

    Raises:
        ConfigError: if the network imitates no loss, or nobody has set its parameters.
    """
    if start == SET_BY_HAND:
        if not isinstance(network, SetByHand):
            raise ConfigError(f"no numbers of a {network.kind} network are set by hand; use start='random'")
    elif start != "random" and not network.can_imitate:
        known = " or ".join(repr(name) for name, kind in NETWORKS.items() if kind.can_imitate)
        raise ConfigError(f"start={start!r} needs network {known}, got {network.kind!r}")


def start_point(config: PretrainConfig, network: LossNetwork, attempt: int = 0) -> Tensor:
    """The mean that the search starts from, shape ``(n_params,)``; each attempt has another random one.

    Raises:
        CanonicalFormError: if the network cannot be fitted to the known loss that it is to start from.
    """
    if config.start == SET_BY_HAND:
        assert isinstance(network, SetByHand)  # the configuration was checked
        return network.set_by_hand()
    start = network.initial(stream(config.seed, "start", *attempt_labels(attempt)))
    if config.start == "random":
        return start
    return network.imitate(start, START_SLOPES[config.start], config.start)


def attempt_labels(attempt: int) -> tuple[int, ...]:
    """The labels that tell the random streams of an attempt from those of the first."""
    return () if attempt == 0 else (attempt,)
