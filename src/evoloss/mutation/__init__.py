"""Mutation: the noise that an evolution strategy adds to its mean, Gaussian or chaotic."""

from __future__ import annotations

from evoloss.mutation.gaussian import Gaussian
from evoloss.mutation.protocol import Mutation, MutationState

MUTATIONS: dict[str, type[Gaussian]] = {
    "gaussian": Gaussian,
}
"""Every mutation by name."""

__all__ = ["MUTATIONS", "Gaussian", "Mutation", "MutationState"]
