"""What a loss in use works out of its parameters once, and keeps until they change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch
from torch import Tensor

from evoloss.networks import LookupTables

K = TypeVar("K")
V = TypeVar("V")
State = tuple[int, int]


def state_of(params: Tensor) -> State:
    """Where parameters lie, and how often that place has been written to."""
    return params.data_ptr(), params._version


class KeptValues(Generic[K, V]):
    """Values by key; all are dropped as soon as the parameters lie elsewhere or have been written to."""

    def __init__(self) -> None:
        self._of: State | None = None
        self._values: dict[K, V] = {}

    def get(self, params: Tensor, key: K, make: Callable[[], V]) -> V:
        """The value of a key, made if it is not there; what ``make`` raises, this raises."""
        state = state_of(params)
        if self._of != state:
            self._of, self._values = state, {}
        if key not in self._values:
            self._values[key] = make()
        return self._values[key]


@dataclass
class KeptTables:
    """Tables, and the parameters they were made of.

    Tables take some twenty milliseconds, so they outlive parameters that are written to or moved without
    being changed: distributed training writes buffers anew in every step.

    Attributes:
        tables: at one class count, on one device.
        params: a copy of the parameters.
        state: where they lay, and how often that place had been written to, when they were last compared.
    """

    tables: LookupTables
    params: Tensor
    state: State

    @classmethod
    def of(cls, tables: LookupTables, params: Tensor) -> KeptTables:
        """Keep tables that were just made of ``params``."""
        return cls(tables, params.detach().clone(), state_of(params))

    def still_of(self, params: Tensor) -> bool:
        """Whether the tables are those of ``params``; compares the numbers only where it must."""
        state = state_of(params)
        if self.state == state:
            return True
        if self.params.dtype == params.dtype and torch.equal(self.params, params):
            self.state = state
            return True
        return False
