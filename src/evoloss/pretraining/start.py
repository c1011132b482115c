"""Where the search starts: at random, or at a network that imitates a known loss."""

from __future__ import annotations

from torch import Tensor

from evoloss.networks import LossNetwork
from evoloss.pretraining.config import PretrainConfig
from evoloss.random_streams import stream
from evoloss.students import START_SLOPES


def start_point(config: PretrainConfig, network: LossNetwork) -> Tensor:
    """The mean that the search starts from, shape ``(n_params,)``.

    Raises:
        CanonicalFormError: if the network cannot be fitted to the known loss that it is to start from.
    """
    start = network.initial(stream(config.seed, "start"))
    if config.start == "random":
        return start
    return network.imitate(start, START_SLOPES[config.start], config.start)
