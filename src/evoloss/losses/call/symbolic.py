"""Calls that ``torch.fx.symbolic_trace`` records as calls of the module, as it does PyTorch's own."""

from __future__ import annotations

from typing import Any

import torch
from torch import fx

__all__ = ["is_symbolic", "recorded_call"]


def is_symbolic(*arguments: object) -> bool:
    """Return whether a symbolic trace calls, which gives no tensors but their places in a graph."""
    return any(isinstance(argument, fx.Proxy) for argument in arguments)


def recorded_call(module: torch.nn.Module, *arguments: Any, **named: Any) -> Any:
    """Put a call of a module into the graph of the trace that calls it.

    The tracer looks for what to take as a whole by the file of its class, which only PyTorch's own pass.

    Args:
        module: a part of the model that is traced.
        *arguments: of the call; at least one is a ``torch.fx.Proxy``.
        **named: of the call, by name.

    Raises:
        NameError: if the module is not part of the model that is traced, as for any other module.
    """
    tracer = next(argument.tracer for argument in arguments if isinstance(argument, fx.Proxy))
    path = tracer.path_of_module(module)  # type: ignore[attr-defined]
    return tracer.create_proxy("call_module", path, arguments, named)
