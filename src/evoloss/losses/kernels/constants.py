"""Constants of an evolved loss at a class count, from its parameters: canonical form, terms, tables."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from evoloss.losses.artefact.validation import missing_form_message
from evoloss.losses.call.modes import as_constant, on_real_tensors
from evoloss.losses.kernels.cache import SIZE, ParameterCache
from evoloss.networks import LookupTables, LossNetwork, Terms

__all__ = ["CompiledLeastCost", "CompiledTables", "LossConstants"]


class CompiledLeastCost(NamedTuple):
    """The least cost as compiled code finds it, and the parameters that it was worked out of."""

    value: Tensor
    params: Tensor


class CompiledTables(NamedTuple):
    """Tables as compiled code finds them, and the parameters that they were made of."""

    tables: LookupTables
    params: Tensor


class LastTerms(NamedTuple):
    """Terms, and the parameters on the CPU and the class count that they were worked out of."""

    params: Tensor
    n_classes: int
    terms: Terms | None


class LossConstants:
    """Numbers of one network at each class count, made once for as long as its parameters are the same.

    Attributes:
        network: the loss network.
        params: the tensor that the loss has for parameters where nobody has put another in its place.
        compiled: the tables of each class count and device, for compiled code, which finds them here.
        compiled_least: the least cost of each class count, likewise.
        last_terms: those of the last call, for the next, which most often asks for the same.
    """

    def __init__(self, network: LossNetwork, params: Tensor) -> None:
        self.network = network
        self.params = params
        self.compiled: dict[tuple[int, torch.device], CompiledTables] = {}
        self.compiled_least: dict[int, CompiledLeastCost] = {}
        self.last_terms: LastTerms | None = None
        self._cache = ParameterCache()

    def canonical(
        self, params: Tensor, n_classes: int, device: torch.device, dtype: torch.dtype
    ) -> tuple[Any, float]:
        """The canonical form, worked out in a dtype and put on a device, and the least cost.

        Raises:
            ValueError: at a class count where this loss would push the label's probability down.
        """

        def make(params: Tensor) -> tuple[Any, float]:
            self._check_classes(n_classes)
            form = self.network.constants(params.to(dtype), n_classes)
            if not form.exists.item():
                raise ValueError(missing_form_message(n_classes))
            return form, float(self.network.least_cost(params.double(), n_classes))

        form, least = self._cache.get(params, (n_classes, dtype), make)
        entries = (entry if isinstance(entry, float) else as_constant(entry).to(device) for entry in form)
        return type(form)(*entries), least

    def terms(self, params: Tensor, n_classes: int) -> Terms | None:
        """The terms at a class count, on the CPU.

        Raises:
            ValueError: at a class count where this loss would push the label's probability down.
        """

        def make(params: Tensor) -> LastTerms:
            on_cpu = params.cpu()
            if self.network.is_tabulated:
                return LastTerms(on_cpu, n_classes, self.tables(on_cpu, n_classes, on_cpu.device))
            self._require_form(on_cpu, n_classes)
            return LastTerms(on_cpu, n_classes, self.network.terms(on_cpu, n_classes))

        self.last_terms = self._cache.get(params, n_classes, make)
        return self.last_terms.terms

    def tables(self, params: Tensor, n_classes: int, device: torch.device) -> LookupTables:
        """The tables at a class count on a device, of a network that is tabulated.

        Raises:
            ValueError: at a class count where this loss would push the label's probability down.
        """

        def make(params: Tensor) -> CompiledTables:
            self._require_form(params, n_classes)
            return CompiledTables(self.network.tables(params.to(device), n_classes), params)

        found = self._cache.get(params, ("tables", n_classes, device), make)
        if self.compiled.get((n_classes, device)) is not found:
            self.compiled[n_classes, device] = found
            if len(self.compiled) > SIZE:
                self.compiled.pop(next(iter(self.compiled)))
        return found.tables

    def has_tables(self, params: Tensor, n_classes: int, device: torch.device) -> bool:
        """Return whether there are tables at a class count; makes them."""
        try:
            self.tables(params, n_classes, device)
        except ValueError:
            return False
        return True

    def has_least_cost(self, params: Tensor, n_classes: int) -> bool:
        """Return whether there is a form at a class count; leaves the least cost for compiled code."""
        try:
            least = self.canonical(params, n_classes, params.device, params.dtype)[1]
        except ValueError:
            return False
        with on_real_tensors():
            value = torch.tensor(least, dtype=torch.float64)
            self.compiled_least[n_classes] = CompiledLeastCost(value, params.clone())
        return True

    def refresh(self, params: Tensor) -> None:
        """Make what compiled code finds again, of these parameters; drop what there is not."""
        for n_classes in list(self.compiled_least):
            if not self.has_least_cost(params, n_classes):
                self.compiled_least.pop(n_classes, None)
        for n_classes, device in list(self.compiled):
            if not self.has_tables(params, n_classes, device):
                self.compiled.pop((n_classes, device), None)

    def _check_classes(self, n_classes: int) -> None:
        if n_classes < 1:
            raise ValueError(f"a loss is for 1 class or more, got a class count of {n_classes}")
        self.network.check_classes(n_classes)

    def _require_form(self, params: Tensor, n_classes: int) -> None:
        self._check_classes(n_classes)
        if not self.network.form(params.double()[None], n_classes).exists.item():
            raise ValueError(missing_form_message(n_classes))
