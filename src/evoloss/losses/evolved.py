"""The evolved loss: a trained loss network with the call of ``nn.CrossEntropyLoss``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from evoloss.errors import ArtefactError, CanonicalFormError, ConfigError
from evoloss.losses.artefact.format import Artefact, read_artefact, write_artefact
from evoloss.losses.artefact.validation import checked_params, no_form
from evoloss.losses.base import ClassificationLoss, Reduction, constant_to_compilers
from evoloss.losses.call.gather import pick
from evoloss.losses.call.labels import Labels
from evoloss.losses.kernels import triton_rows
from evoloss.losses.kernels.agreement import batch_agreements
from evoloss.losses.kernels.cache import KeptTables, KeptValues
from evoloss.losses.kernels.cpu_rows import looked_up_labels, looked_up_rows, traced_rows
from evoloss.networks import (
    ClasswiseForm,
    ClasswiseNetwork,
    ConcatNetwork,
    LookupTables,
    Network,
    TemperedCosts,
    TemperedNetwork,
    describe_network,
    tabulate,
)
from evoloss.zoo import SHIPPED, shipped_path

_WRITTEN_TO = (
    "the parameters of an EvolvedLoss in compiled code were written to in place: use load_state_dict, or "
    "call the loss once outside of compiled code"
)


class EvolvedLoss(ClassificationLoss):
    r"""A learned classification loss, used in the place of ``nn.CrossEntropyLoss``.

    The cost of a prediction p whose label is k is that of the loss network in canonical form: 0 for a
    perfect prediction, and with cross-entropy's gradient, :math:`-\partial L/\partial z_y = 1 - 1/C`, at the
    uniform prediction, so that a learning rate carries over. Concat losses fit the number of classes that
    they were evolved for, all others any.

    Classwise and monotone losses are two functions of one number. On logits of float32 or less they are
    read from tables (:mod:`evoloss.networks.lookup`), in a pass over the logits that costs about what
    cross-entropy costs; :meth:`tables` says how far the tables are from the network. Logits in
    float64 are always given to the network itself, all are with ``exact=True``, and second derivatives are
    the network's.

    A paced loss (:mod:`evoloss.networks.paced`) sees its batch: the cost of a prediction depends on how far
    the labels of the call are learned, also with ``reduction="none"``.

    The parameters are a buffer, not ``nn.Parameter``: an optimizer over ``criterion.parameters()`` finds
    nothing to change. They stay in float32 or float64 when the module is cast to half precision.

    Args:
        network: the loss network.
        params: its parameters, shape ``(n_params,)``, finite.
        record: facts about the loss for its config file: how it was made, what was measured. JSON values.
        exact: evaluate the network itself in every precision, which takes tens of times as long.
        weight: as in ``nn.CrossEntropyLoss``; so are the others.
        ignore_index: index target that costs nothing.
        reduction: ``"none"``, ``"sum"`` or ``"mean"``.
        label_smoothing: in [0, 1].

    Raises:
        ConfigError: if ``params`` does not fit the network or is not finite.
        CanonicalFormError: if the loss has no canonical form at the class counts it is for.

    References:
        Xiang and Pei 2026, "Distribution-Free Pretraining of Classification Losses via Evolutionary
        Dynamics", arXiv 2605.03722.
    """

    name: ClassVar[str] = "evolved"

    params: Tensor

    def __init__(
        self,
        network: Network,
        params: Tensor,
        *,
        record: Mapping[str, Any] | None = None,
        exact: bool = False,
        weight: Tensor | None = None,
        ignore_index: int = -100,
        reduction: Reduction = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(
            weight=weight, ignore_index=ignore_index, reduction=reduction, label_smoothing=label_smoothing
        )
        params = checked_params(network, params)
        self.network = network
        self.record = dict(record or {})
        self.exact = exact
        self._forms: KeptValues[tuple[int, torch.dtype], ClasswiseForm] = KeptValues()
        self._costs: KeptValues[int, TemperedCosts] = KeptValues()
        self._kept: dict[tuple[int, torch.device], KeptTables] = {}
        self.register_buffer("params", params)

    @classmethod
    def from_pretrained(
        cls,
        name_or_dir: str | Path,
        *,
        weight: Tensor | None = None,
        ignore_index: int = -100,
        reduction: Reduction = "mean",
        label_smoothing: float = 0.0,
        exact: bool = False,
    ) -> EvolvedLoss:
        """Load a shipped loss by name, or a saved one from its directory.

        A shipped name wins over a directory of that name; write ``./name`` for the directory.

        Args:
            name_or_dir: a name that ``evoloss losses`` lists, or a directory written by
                :meth:`save_pretrained`.
            weight: as in ``nn.CrossEntropyLoss``; so are the others.
            ignore_index: index target that costs nothing.
            reduction: ``"none"``, ``"sum"`` or ``"mean"``.
            label_smoothing: in [0, 1].
            exact: evaluate the network itself in every precision.

        Raises:
            UnknownNameError: if it is neither a shipped name nor a directory.
            ArtefactError: if the files are missing, damaged, oversized, mistyped or from a newer version.
        """
        shipped = str(name_or_dir) in SHIPPED
        artefact = read_artefact(shipped_path(str(name_or_dir)) if shipped else Path(name_or_dir))
        try:
            return cls(
                artefact.network,
                artefact.params,
                record=artefact.record,
                exact=exact,
                weight=weight,
                ignore_index=ignore_index,
                reduction=reduction,
                label_smoothing=label_smoothing,
            )
        except (ConfigError, CanonicalFormError) as error:
            raise ArtefactError(f"{name_or_dir} holds no usable loss: {error}") from error

    def save_pretrained(self, directory: str | Path) -> None:
        """Write ``loss.safetensors``, ``config.json`` and the card ``README.md``; nothing is half-written.

        What is saved is the loss itself: weight, ignore_index, reduction and label_smoothing are choices of
        the use, and are given again on loading.
        """
        errors = {}
        for n_classes in (10, 1000):
            tables = self.tables(n_classes)
            if tables is not None:
                errors[n_classes] = tables.value_error, tables.slope_error
        write_artefact(Path(directory), Artefact(self.network, self.params, self.record), errors)

    @property
    def is_paced(self) -> bool:
        """Whether the cost of a prediction depends on the rest of its batch."""
        return isinstance(self.network, TemperedNetwork) and self.network.paced

    def class_costs(self, logits: Tensor, agreement: Tensor | None = None) -> Tensor:
        """L(p, k) for every class k, from the network itself; ``(N, C)`` to ``(N, C)``.

        Args:
            logits: float32 or float64.
            agreement: for a paced loss, from 0 to 1: a scalar, or of each position and class, ``(N, C)``;
                None is 1.
        """
        params, log_probs = self.params.to(logits.dtype), F.log_softmax(logits, dim=1)
        if isinstance(self.network, TemperedNetwork):
            return self.network.class_costs(params, log_probs, agreement=agreement)
        if isinstance(self.network, ConcatNetwork):
            return self.network.class_costs(params, log_probs)
        return self.network.class_costs(params, log_probs, self._form(self.network, params, logits.shape[1]))

    def label_costs(self, logits: Tensor, target: Tensor, agreement: Tensor | None = None) -> Tensor:
        """L(p, y), from the network itself; ``(N, C)`` and ``(N,)`` to ``(N,)``.

        The agreement of a paced loss may be of each position, ``(N,)``; see :meth:`class_costs`.
        """
        if isinstance(self.network, ConcatNetwork):
            return pick(self.class_costs(logits), target)
        log_probs = F.log_softmax(logits, dim=1)
        pick(log_probs, target)  # raises for an index out of range, as cross-entropy does
        params = self.params.to(logits.dtype)
        if isinstance(self.network, TemperedNetwork):
            return self.network.losses(params[None], log_probs, target, agreement=agreement).squeeze(0)
        form = self._form(self.network, params, logits.shape[1])
        return self.network.losses(params[None], log_probs, target, form).squeeze(0)

    def at_agreement(self, agreement: float) -> Callable[[Tensor, Tensor], Tensor]:
        """This loss with the agreement of the batch held, one cost a row, from the network itself.

        For a look at a paced loss; of one that is not paced it is the loss as it is, without weight,
        ignore_index or smoothing.

        Args:
            agreement: from 0, predictions at chance, to 1, labels that are learned.

        Raises:
            ConfigError: if it is out of range.
        """
        if not 0 <= agreement <= 1:
            raise ConfigError(f"agreement must be from 0 to 1, got {agreement}")

        def costs(logits: Tensor, target: Tensor) -> Tensor:
            return self.label_costs(logits, target, logits.new_tensor(agreement))

        return costs

    def batch_costs(self, logits: Tensor, labels: Labels) -> Tensor | None:
        """Costs of a paced loss from the network itself; None for the others, in which a row stands alone."""
        if not self.is_paced:
            return None
        return self._exact_rows(logits, labels, batch_agreements(logits, labels))

    def row_costs(self, logits: Tensor, labels: Labels) -> Tensor | None:
        """Costs by tables; None for concat losses, float64, ``exact=True``, one class and the meta device.

        Tempered losses need no tables: their costs and slopes are worked out together in eager mode (on
        CPUs, for dense labels); otherwise they are what autograd makes of the network.

        Raises:
            ValueError: at a class count where this loss would push the label's probability down.
        """
        n_classes = logits.shape[1]
        if self.exact or isinstance(self.network, ConcatNetwork) or n_classes < 2:
            return None
        if logits.dtype == torch.float64 or logits.is_meta or self.params.is_meta:
            return None
        if isinstance(self.network, TemperedNetwork):
            return self._tempered_rows(self.network, logits, labels)
        if torch.compiler.is_compiling():
            tables = self._traced_tables(n_classes)
        else:
            tables = self._tables_at(self.network, n_classes)
        exact = partial(self._exact_rows, labels=labels)
        if logits.is_cuda and triton_rows.usable(logits, labels.target, labels.weight):
            return triton_rows.row_costs(
                logits,
                labels.target,
                tables,
                weight=labels.weight if labels.is_dense else None,
                ignore_index=labels.ignore_index,
                label_smoothing=labels.smoothing,
                has_other=tables.has_other,
                fallback=exact,
            )
        if torch.compiler.is_compiling() or logits.device.type != "cpu":
            return traced_rows(logits.float(), labels, tables)
        if logits.dtype == torch.float32 and not (tables.has_other or labels.is_dense):
            delta = partial(self._exact_delta, self.network, n_classes)
            return looked_up_labels(logits, labels, tables, delta)
        return looked_up_rows(logits, labels, tables, exact)

    def tables(self, n_classes: int) -> LookupTables | None:
        """The tables at a class count, with their errors; None for concat and tempered losses, without any.

        Raises:
            ValueError: at a class count where this loss would push the label's probability down.
        """
        if not isinstance(self.network, ClasswiseNetwork):
            return None
        return self._tables_at(self.network, n_classes)

    def _tempered_rows(self, network: TemperedNetwork, logits: Tensor, labels: Labels) -> Tensor | None:
        """What :meth:`row_costs` gives for a tempered loss."""
        on_cpu = logits.device.type == "cpu"
        if torch.compiler.is_compiling() or (labels.is_dense and not on_cpu):
            return None
        n_classes = logits.shape[1]
        costs = self._costs.get(self.params, n_classes, lambda: network.in_use(self.params, n_classes))
        if on_cpu and (labels.is_dense or logits.dtype != torch.float32):
            agreement = batch_agreements(logits, labels) if network.paced else None
            exact_rows = partial(self._exact_rows, labels=labels, agreement=agreement)
            return looked_up_rows(logits, labels, costs, exact_rows, agreement)

        def exact(log_p: Tensor, measure: Tensor | None) -> Tensor:
            assert measure is not None
            row = self.params.to(log_p.dtype)[None]
            return network.costs(row, network.form(row, n_classes), log_p, measure.expand(len(log_p)))[0]

        return looked_up_labels(logits.float(), labels, costs, exact)

    def _exact_rows(self, logits: Tensor, labels: Labels, agreement: Tensor | None = None) -> Tensor:
        """What :meth:`row_costs` gives, from the network itself."""
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        if labels.is_dense:
            masses = labels.traced_masses(logits)
            costs = torch.where(masses == 0, 0.0, self.class_costs(logits, agreement) * masses).sum(1)
        else:
            costs = self.label_costs(logits, labels.label, agreement)
        if labels.target.dim() == 2:
            return costs
        return torch.where(labels.target == labels.ignore_index, 0.0, costs)

    def _exact_delta(
        self, network: ClasswiseNetwork, n_classes: int, log_p: Tensor, measure: Tensor | None
    ) -> Tensor:
        """The part of a cost that depends on the label, from the network itself; ``(N,)`` to ``(N,)``."""
        del measure  # the rest of a prediction is nothing to it
        row = self.params.to(log_p.dtype)[None]
        form = self._form(network, row[0], n_classes) or network.form(row, n_classes)
        label = network.phi_label(row, form, log_p, n_classes)
        return (label - network.phi_other(row, form, log_p, n_classes))[0]

    def _form(self, network: ClasswiseNetwork, params: Tensor, n_classes: int) -> ClasswiseForm | None:
        """The canonical form at a class count, worked out once a dtype; None leaves it to the network.

        Raises:
            ValueError: at a class count where this loss would push the label's probability down.
        """
        # A tensor's value cannot be asked for while compiling, nor on the meta device.
        if torch.compiler.is_compiling() or self.params.is_meta:
            return None

        def make() -> ClasswiseForm:
            form = network.constants(params, n_classes)
            # One class is no choice: every loss costs 0 there, and no form is needed.
            if n_classes > 1 and not form.exists.item():
                raise ValueError(no_form(n_classes))
            return form

        return self._forms.get(self.params, (n_classes, params.dtype), make)

    def _tables_at(self, network: ClasswiseNetwork, n_classes: int) -> LookupTables:
        """The tables at a class count, worked out once."""
        key = (n_classes, self.params.device)
        kept = self._kept.get(key)
        if kept is not None and kept.still_of(self.params):
            return kept.tables
        if not network.form(self.params.double()[None], n_classes).exists.item():
            raise ValueError(no_form(n_classes))
        tables = tabulate(network, self.params, n_classes)
        self._kept[key] = KeptTables.of(tables, self.params)
        return tables

    def _traced_tables(self, n_classes: int) -> LookupTables:
        """The tables in compiled code: taken from this module at each call, guarded as any attribute is.

        So one graph serves every loss that has tables. Whether they are made of the parameters as they are,
        nobody but the graph can ask; it does.
        """
        # len(range()) makes a number of a symbolic size: each class count is a graph of its own.
        n_classes = len(range(n_classes))
        if not self._make_tables(n_classes):
            raise ValueError(no_form(n_classes))
        kept = self._kept[n_classes, self.params.device]
        torch._assert_async((kept.params == self.params).all(), _WRITTEN_TO)
        return kept.tables

    @constant_to_compilers
    def _make_tables(self, n_classes: int) -> bool:
        """Make tables, also while a compiler traces, which finds them afterwards; False if there are none."""
        try:
            self.tables(n_classes)
        except ValueError:
            return False
        return True

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        super()._load_from_state_dict(*args, **kwargs)
        # Eager calls see for themselves that parameters have changed; compiled code takes what stands here.
        for n_classes, device in list(self._kept):
            if device != self.params.device or not self._make_tables(n_classes):
                del self._kept[n_classes, device]

    def __getstate__(self) -> dict[str, Any]:
        # Tables are made again where they are needed: copies and pickles stay small.
        return {**self.__dict__, "_kept": {}}

    def describe(self) -> dict[str, Any]:
        """The description of the network and the options of the call; the parameters are a tensor."""
        return {**super().describe(), "network": describe_network(self.network)}

    def extra_repr(self) -> str:
        """List the network and the shared parameters inside ``repr(loss)``."""
        return f"{self.network}, {super().extra_repr()}"

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> EvolvedLoss:
        # A whole model may be cast to half precision; rounding a loss to three digits would change it.
        exact = self.params
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        if self.params.dtype not in (torch.float32, torch.float64):
            self.params = exact.to(self.params.device)
        return self
