"""Mutation: the noise that an evolution strategy adds to its mean, Gaussian, chaotic or another kind."""

from __future__ import annotations

from evoloss.mutation.chaotic import Chaotic
from evoloss.mutation.gaussian import Gaussian
from evoloss.mutation.maps import MAPS
from evoloss.mutation.protocol import Mutation, MutationState
from evoloss.mutation.student_t import StudentT
from evoloss.mutation.uniform import Uniform

MUTATIONS: dict[str, type[Gaussian] | type[Uniform] | type[StudentT] | type[Chaotic]] = {
    "gaussian": Gaussian,
    "uniform": Uniform,
    "student_t": StudentT,
    "chaotic": Chaotic,
}
"""Every mutation by name."""

__all__ = ["MAPS", "MUTATIONS", "Chaotic", "Gaussian", "Mutation", "MutationState", "StudentT", "Uniform"]
