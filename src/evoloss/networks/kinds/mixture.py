r"""Mixture networks: a basis network whose label terms have positive weights, searched by their logarithms.

In :mod:`evoloss.networks.kinds.basis` :math:`-\delta'` is a sum of rising functions of p with weights of
either sign. What makes a loss robust to wrong labels is how little of its pull is left at small p, so a
weight of 0.03 beside the others is another loss than one of 0.3, and a search with steps of one size in the
weights cannot hold the first. Here the label's weights are :math:`e^{\theta}`: a step changes them by a
factor.
Those of all classes may have either sign and are :math:`u \sinh\theta`: fine steps near 0, factors away from
it. The scale u is smallest for the constant slope, which every class feels at every p.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from evoloss.networks.imitation import fit_weights
from evoloss.networks.kinds.basis import N_FUNCTIONS, N_LABEL, BasisNetwork
from evoloss.networks.slopes import SlopesByCount

WEIGHT_SCALES = (0.02, 0.1, 0.1, 0.1)
_LARGEST = 12.0
_LEAST_WEIGHT = 0.03


@dataclass(frozen=True, kw_only=True)
class MixtureNetwork(BasisNetwork):
    """A basis network with label weights ``exp(theta)`` and ``WEIGHT_SCALES * sinh(theta)`` for all classes.

    Fields as there. Parameters are cut at 12 either way.

    Example:
        >>> from evoloss.losses import EvolvedLoss
        >>> network = MixtureNetwork()
        >>> params = network.initial(torch.Generator().manual_seed(0))
        >>> EvolvedLoss(network, params, reduction="none")(torch.zeros(2, 4), torch.tensor([0, 3])).shape
        torch.Size([2])
    """

    kind: ClassVar[str] = "mixture"
    summary: ClassVar[str] = "basis, the label's weights positive and searched by their logarithms"

    def initial(self, generator: torch.Generator) -> Tensor:
        """Log-weights around -1 and small terms of all classes, ``(n_params,)``."""
        theta = 0.5 * torch.randn(N_FUNCTIONS, generator=generator, dtype=torch.float32)
        theta[:N_LABEL] -= 1
        return theta

    def at_weights(self, weights: Tensor) -> Tensor:
        """Parameters for weights ``(n_params,)``, the label's from 0; those near 0 stay within reach.

        From a weight of nothing a search in logarithms would not come back, so the label's are raised to
        0.03 of the largest.
        """
        label = weights[:N_LABEL].clamp(min=0)
        label = label.clamp(min=_LEAST_WEIGHT * float(label.max()))
        return torch.cat([label.log(), (weights[N_LABEL:] / weights.new_tensor(WEIGHT_SCALES)).asinh()])

    def constrain(self, params: Tensor) -> Tensor:
        """The weights of the basis functions."""
        within = params.clamp(-_LARGEST, _LARGEST)
        every = within.new_tensor(WEIGHT_SCALES) * within[:, N_LABEL:].sinh()
        return torch.cat([within[:, :N_LABEL].exp(), every], dim=1)

    def imitate(self, start: Tensor, known: SlopesByCount, name: str) -> Tensor:
        """As for a basis network, the label's weights not negative."""
        del name
        return self.at_weights(fit_weights(self.tangents, known, not_negative=N_LABEL)).to(start.dtype)
