"""What a loss in use works out of its parameters once, and uses while they are the same."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

import torch
from torch import Tensor

V = TypeVar("V")

SIZE = 16  # values that are kept: tables of one class count are a megabyte and a half


class ParameterCache:
    """Values by key, made of a tensor of parameters, and dropped as soon as that holds other numbers.

    Neither an address nor a version tells one tensor from another: memory is used again, and ``.data`` is
    written to unseen. So a tensor of the CPU is compared number by number at each use, which takes a
    microsecond for the few that a loss has; one on another device, where that would wait, only after it has
    been written to. The values that were used last stay, :data:`SIZE` of them.
    """

    def __init__(self) -> None:
        self._copy: Tensor | None = None
        self._tensor: Tensor | None = None
        self._version = -1
        self._values: OrderedDict[Hashable, Any] = OrderedDict()

    def find(self, params: Tensor, key: Hashable) -> Any:
        """The value of a key, or None if it is not there for these parameters."""
        copy = self._copy
        # A tensor of the CPU is compared number by number; nothing else tells whether it is the same.
        if copy is None or not (
            torch.equal(copy, params)
            if copy.device == params.device and params.is_cpu and copy.dtype == params.dtype
            else self._holds(params)
        ):
            return None
        return self._values.get(key)

    def get(self, params: Tensor, key: Hashable, make: Callable[[], V]) -> V:
        """The value of a key, made if it is not there; what ``make`` raises, this raises."""
        if self._copy is None or not self._holds(params):
            self._values.clear()
            with torch.inference_mode(False):
                self._copy = params.detach().clone()
            self._tensor, self._version = params, _version(params)
        found = self._values.get(key)
        if found is None:
            found = self._values[key] = make()
            if len(self._values) > SIZE:
                self._values.popitem(last=False)
        else:
            self._values.move_to_end(key)
        value: V = found
        return value

    def clear(self) -> None:
        """Drop all values."""
        self._copy = self._tensor = None
        self._values.clear()

    def _holds(self, params: Tensor) -> bool:
        """Whether the values were made of these numbers."""
        copy = self._copy
        assert copy is not None  # get saw to that
        known = params is self._tensor and self._version == _version(params) >= 0
        if known and params.device.type != "cpu":
            return True
        if copy.dtype != params.dtype or copy.device != params.device or not torch.equal(copy, params):
            return False
        self._tensor, self._version = params, _version(params)
        return True


def _version(params: Tensor) -> int:
    """How often a tensor has been written to; -1 where nobody counts."""
    return -1 if params.is_inference() else params._version
