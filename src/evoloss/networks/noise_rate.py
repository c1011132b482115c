"""An estimate of the share of wrong labels, as a loss gives it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from evoloss.networks.states import RunningState


@dataclass(frozen=True)
class NoiseRate:
    """An estimate of the share of wrong labels, or why there is none.

    Attributes:
        estimate: from 0 to 1; None where it cannot tell.
        low: the share is at least this in nine of ten synthetic tasks that were not fitted; None likewise.
        high: at most this.
        reason: why it cannot tell; empty where it can.

    Example:
        >>> print(NoiseRate(0.38, 0.33, 0.43))
        about 0.38 (0.33 to 0.43)
        >>> print(NoiseRate(reason="no epoch has been completed"))
        cannot tell: no epoch has been completed
    """

    estimate: float | None = None
    low: float | None = None
    high: float | None = None
    reason: str = ""

    def __str__(self) -> str:
        if self.estimate is None:
            return f"cannot tell: {self.reason}"
        return f"about {self.estimate:.2f} ({self.low:.2f} to {self.high:.2f})"


@runtime_checkable
class SensesNoise(Protocol):
    """A network whose state tells how many labels are wrong."""

    def noise_rate(self, state: RunningState) -> NoiseRate:
        """Estimate the share of wrong labels from the statistics of a training, which stay as they are."""
        ...


def noise_rate_of(network: object, state: RunningState) -> NoiseRate:
    """The share of wrong labels that statistics tell a network of, or that it does not sense them.

    Args:
        network: of a loss; None for one without.
        state: the statistics of a training, by name.

    Example:
        >>> print(noise_rate_of(None, {}))
        cannot tell: this loss does not sense how many labels are wrong; adaptive does
    """
    if not isinstance(network, SensesNoise):
        return NoiseRate(reason="this loss does not sense how many labels are wrong; adaptive does")
    return network.noise_rate(state)
