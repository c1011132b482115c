"""Mutation: the noise that an evolution strategy adds to its mean, Gaussian or chaotic."""

from __future__ import annotations

from evoloss.mutation.chaotic import Chaotic
from evoloss.mutation.gaussian import Gaussian
from evoloss.mutation.maps import MAPS
from evoloss.mutation.protocol import Mutation, MutationState

MUTATIONS: dict[str, type[Gaussian] | type[Chaotic]] = {
    "gaussian": Gaussian,
    "chaotic": Chaotic,
}
"""Every mutation by name."""

__all__ = ["MAPS", "MUTATIONS", "Chaotic", "Gaussian", "Mutation", "MutationState"]
