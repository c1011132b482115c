"""Student-t mutation: independent noise with heavier tails than a Gaussian's.

Bailey, "Polar generation of random variates with the t-distribution", Mathematics of Computation 62, 1994.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from evoloss.errors import ConfigError
from evoloss.mutation.protocol import MutationState


@dataclass(frozen=True, kw_only=True)
class StudentT:
    r"""Independent draws from Student's t, divided by its standard deviation :math:`\sqrt{k / (k - 2)}`.

    The state holds the shape of a sample only: nothing is remembered from one generation to the next.

    Args:
        degrees: degrees of freedom k, above 2, below which there is no variance, and finite. The excess
            kurtosis is ``6 / (k - 4)``, infinite for k up to 4; towards infinity the density is Gaussian.

    Raises:
        ConfigError: for degrees out of range.

    Example:
        >>> generator = torch.Generator().manual_seed(0)
        >>> mutation = StudentT(degrees=5.0)
        >>> noise, state = mutation.sample(mutation.init(4, 3, generator), generator)
        >>> noise.shape
        torch.Size([4, 3])
    """

    degrees: float = 5.0

    def __post_init__(self) -> None:
        """Check the field."""
        if not 2.0 < self.degrees < math.inf:
            raise ConfigError(f"degrees must be above 2 and finite, got {self.degrees!r}")

    def init(self, popsize: int, n_params: int, generator: torch.Generator) -> MutationState:
        """Remember the shape; ``generator`` is not used."""
        return {"shape": torch.tensor([popsize, n_params])}

    def sample(self, state: MutationState, generator: torch.Generator) -> tuple[Tensor, MutationState]:
        r"""Draw float32 noise of shape ``(popsize, n_params)``.

        With u and v uniform, :math:`\sqrt{k (u^{-2/k} - 1)} \cos(2 \pi v)` has the t-distribution.
        """
        popsize, n_params = state["shape"].tolist()
        # In float64: a float32 uniform has no value below 6e-8, which would cut the tail.
        u, v = torch.rand(2, popsize, n_params, generator=generator, dtype=torch.float64)
        # 1 - u lies in (0, 1], where the power is finite; expm1 keeps the digits for many degrees.
        square = self.degrees * torch.expm1(torch.log1p(-u) * (-2.0 / self.degrees))
        scale = math.sqrt((self.degrees - 2.0) / self.degrees)
        noise = scale * square.sqrt() * (2.0 * math.pi * v).cos()
        return noise.to(torch.float32), dict(state)
