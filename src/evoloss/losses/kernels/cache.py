"""A cache of what a loss in use works out of its parameters once, and uses while they are the same."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Any, TypeVar

import torch
from torch import Tensor

from evoloss.losses.call.modes import is_eager, on_real_tensors

V = TypeVar("V")

SIZE = 16  # values that are held: tables of one class count are a megabyte and a half


class ParameterCache:
    """Values by key, made of a tensor of parameters, and dropped as soon as that holds other numbers.

    Neither an address nor a version tells one tensor from another: memory is used again, and ``.data`` is
    written to unseen. So a tensor of the CPU is compared number by number at each use, which takes a
    microsecond for the few that a loss has; one on another device, where that would wait, only after it has
    been written to or has other memory. The values that were used last stay, :data:`SIZE` of them.

    Threads may share a cache. Values are made of a copy of the parameters and stay with that copy, so what
    one thread writes while another makes a value does not reach it.
    """

    def __init__(self) -> None:
        # One a device: the replicas of data-parallel training share the module, and with it this cache.
        self._by_device: dict[torch.device, _Values] = {}

    def get(self, params: Tensor, key: Hashable, make: Callable[[Tensor], V]) -> V:
        """The value of a key, made if it is not there; what ``make`` raises, this raises.

        Args:
            params: real, without a gradient asked for.
            key: what the value is for.
            make: from a copy of the parameters to the value; called where tensors are real, without gradient.
        """
        values = self._by_device.get(params.device)
        if values is None or not values.are_of(params):
            values = self._by_device[params.device] = _Values(params)
        return values.get(key, make)


class _Values:
    """Values of one copy of parameters, which never changes."""

    def __init__(self, params: Tensor) -> None:
        # The mark comes first: what is written between the two is then seen next time.
        self._seen, self._mark = params, _mark(params)
        with on_real_tensors():
            self.copy = params.detach().clone()
        self.by_key: OrderedDict[Hashable, Any] = OrderedDict()
        self._lock = Lock()

    def are_of(self, params: Tensor) -> bool:
        """Return whether the values were made of these numbers."""
        if params.is_cpu:
            return self.copy.dtype == params.dtype and _equal(self.copy, params)
        mark = _mark(params)
        if params is self._seen and mark is not None and mark == self._mark:
            return True
        if self.copy.dtype != params.dtype or not _equal(self.copy, params):
            return False
        self._seen, self._mark = params, mark
        return True

    def get(self, key: Hashable, make: Callable[[Tensor], V]) -> V:
        """The value of a key; of two threads that miss one and make it, the first to be done gives it."""
        with self._lock:
            if key in self.by_key:
                self.by_key.move_to_end(key)
                found: V = self.by_key[key]
                return found
        with on_real_tensors(), torch.no_grad():
            made = make(self.copy)
        with self._lock:
            given: V = self.by_key.setdefault(key, made)
            if len(self.by_key) > SIZE:
                self.by_key.popitem(last=False)
        return given


def _equal(copy: Tensor, params: Tensor) -> bool:
    if is_eager():
        return torch.equal(copy, params)
    with on_real_tensors():
        return torch.equal(copy, params)


def _mark(params: Tensor) -> tuple[int, int] | None:
    """A mark that changes when a tensor is written to, but through ``.data``; None where nobody counts."""
    return None if params.is_inference() else (params.data_ptr(), params._version)
