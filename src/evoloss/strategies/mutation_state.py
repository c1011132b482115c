"""The state of a mutation inside the flat dictionary of its strategy."""

from __future__ import annotations

import torch
from torch import Tensor

from evoloss.mutation import Mutation, MutationState

PREFIX = "mutation."


def nested(state: MutationState) -> dict[str, Tensor]:
    """Return the mutation's state with every name under ``mutation.``."""
    return {PREFIX + name: value for name, value in state.items()}


def sample_noise(
    mutation: Mutation, state: dict[str, Tensor], generator: torch.Generator
) -> tuple[Tensor, dict[str, Tensor]]:
    """Draw noise from the mutation whose state lies in ``state``.

    Returns:
        The noise in the dtype of ``state["mean"]``, and a copy of ``state`` with the mutation one step on.
    """
    own = {name.removeprefix(PREFIX): value for name, value in state.items() if name.startswith(PREFIX)}
    noise, after = mutation.sample(own, generator)
    return noise.to(state["mean"].dtype), {**state, **nested(after)}
