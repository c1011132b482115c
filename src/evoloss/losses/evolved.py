"""The evolved loss: a trained loss network with the call of ``nn.CrossEntropyLoss``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from evoloss.losses.artefact.format import Artefact, write_artefact
from evoloss.losses.artefact.pretrained import read_loss
from evoloss.losses.artefact.push import OnHub
from evoloss.losses.artefact.validation import checked_params, missing_form_message
from evoloss.losses.base import Reduction
from evoloss.losses.call.gather import gather
from evoloss.losses.call.labels import Labels
from evoloss.losses.call.modes import (
    constant_to_compilers,
    inside_transform,
    is_eager,
    is_exporting,
    is_real,
    on_real_tensors,
)
from evoloss.losses.joint_batch import BatchLoss
from evoloss.losses.kernels import triton_rows
from evoloss.losses.kernels.traced_rows import traced_rows
from evoloss.losses.parameters import WRITTEN_TO
from evoloss.losses.state import NAME
from evoloss.networks import Context, LookupTables, LossNetwork, Terms

DEFAULT = "evolved"
"""The name of what ``EvolvedLoss()`` is: of losses that have to be told nothing, the one to begin with."""


class EvolvedLoss(BatchLoss, OnHub):
    r"""A learned classification loss, used in the place of ``nn.CrossEntropyLoss``.

    The cost of a prediction p whose label is k is that of the loss network in canonical form: with
    cross-entropy's gradient, :math:`-\partial L/\partial z_y = 1 - 1/C`, at the uniform prediction, so that a
    learning rate carries over; and with a constant for each class count that makes 0 the least that any
    prediction costs. Where the least lies at the certain right prediction, as for most losses, that costs 0;
    a loss that punishes certainty, as label smoothing does, has it elsewhere (:meth:`least_cost`). Concat
    losses fit the number of classes that they were evolved for, all others any.

    Classwise and monotone losses are two functions of one number. On logits of float32 or less they are
    read from tables (:mod:`evoloss.networks.lookup`), in a pass over the logits that costs about what
    cross-entropy costs; :meth:`tables` says how far the tables are from the network. Logits in
    float64 are always given to the network itself, all are with ``exact=True``, and second derivatives are
    the network's.

    A paced loss (:mod:`evoloss.networks.kinds.paced`) sees its batch: the cost of a prediction depends on how
    far the labels of the call are learned, also with ``reduction="none"``. Of small batches and micro-batches
    that is little to go by; ``agreement_window`` makes it the last samples of the training, and
    :meth:`sync_batch` the batches of all processes.

    The parameters are a buffer that is not in the state dict and is never rounded; see
    :class:`~evoloss.losses.parameters.ParametricLoss`. A gradient by them is the network's: give parameters
    that require one by ``torch.func.functional_call(criterion, {"params": p}, (logits, target))``.

    Args:
        network: the loss network; or the name of a shipped loss or the directory of a saved one, as
            :meth:`from_pretrained` takes it; by default what ``"evolved"`` is.
        params: the network's parameters, shape ``(n_params,)``, finite; None with a name.
        record: facts about the loss for its config file: how it was made, what was measured. JSON values.
        exact: evaluate the network itself in every precision, which takes tens of times as long.
        weight: as in ``nn.CrossEntropyLoss``; so are ``ignore_index``, ``reduction``, ``label_smoothing``.
        n_samples: size of the training set, for losses that sense their training (:meth:`plan_training`).
        agreement_window: over how many samples a paced loss takes its batch, about
            (:class:`~evoloss.losses.joint_batch.JointBatch`); by default over those of each call.

    Raises:
        ConfigError: if ``params`` does not fit the network or is not finite, or ``n_samples`` or
            ``agreement_window`` is below 1 or the latter not for this loss.
        UnknownNameError: if a name is neither a shipped one nor a directory.
        ArtefactError: if a saved loss is missing, damaged or not usable.
        CanonicalFormError: if the loss has no canonical form at the class counts it is for.

    References:
        Xiang and Pei 2026, "Distribution-Free Pretraining of Classification Losses via Evolutionary
        Dynamics", arXiv 2605.03722.

    Example:
        >>> criterion = EvolvedLoss.from_pretrained("evolved-base", label_smoothing=0.1)
        >>> logits = torch.tensor([[2.0, 0.0, -1.0], [0.0, 1.0, 0.0]], requires_grad=True)
        >>> loss = criterion(logits, torch.tensor([0, 2]))
        >>> loss.backward()
        >>> print(f"{loss.item():.3f}", tuple(logits.grad.shape))
        1.048 (2, 3)
    """

    name: ClassVar[str] = "evolved"
    __jit_unused_properties__: ClassVar[list[str]] = [
        "hyperparameters",
        "is_paced",
        "joint_batch",
        "noise_rate",
        "senses_noise",
    ]

    def __init__(
        self,
        network: LossNetwork | str | Path = DEFAULT,
        params: Tensor | None = None,
        *,
        record: Mapping[str, Any] | None = None,
        exact: bool = False,
        weight: Tensor | None = None,
        ignore_index: int = -100,
        reduction: Reduction = "mean",
        label_smoothing: float = 0.0,
        n_samples: int | None = None,
        agreement_window: int | None = None,
    ) -> None:
        with on_real_tensors():
            if isinstance(network, str | Path):
                built, checked, record = read_loss(network, params, record)
            else:
                built, checked = network, checked_params(network, params)
        super().__init__(
            built,
            checked,
            weight,
            ignore_index=ignore_index,
            reduction=reduction,
            label_smoothing=label_smoothing,
        )
        self.record = dict(record or {})
        self.exact = exact
        self.told_name = built.kind if built is network else str(network)
        if n_samples is not None:
            self.plan_training(n_samples=n_samples)
        self.look_back(agreement_window)

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
        n_samples: int | None = None,
        agreement_window: int | None = None,
    ) -> EvolvedLoss:
        """Load a shipped loss by name, or a saved one from its directory or from ``hf://user/name``.

        A shipped name wins over a directory of that name; write ``./name`` for the directory.

        Args:
            name_or_dir: a name that ``evoloss losses`` lists (``"evolved"`` is the recommended one that needs
                no setting), a directory of :meth:`save_pretrained`, or ``"hf://user/name@revision"``.
            weight: as in ``nn.CrossEntropyLoss``; so are the others.
            ignore_index: index target that costs nothing.
            reduction: ``"none"``, ``"sum"`` or ``"mean"``.
            label_smoothing: in [0, 1].
            exact: evaluate the network itself in every precision.
            n_samples: size of the training set; see the class.
            agreement_window: of a paced loss; see the class.

        Raises:
            UnknownNameError: if it is neither a shipped name nor a directory.
            ArtefactError: if the files are missing, damaged, oversized, mistyped or from a newer version.
        """
        return cls(
            name_or_dir,
            exact=exact,
            weight=weight,
            ignore_index=ignore_index,
            reduction=reduction,
            label_smoothing=label_smoothing,
            n_samples=n_samples,
            agreement_window=agreement_window,
        )

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

    def class_costs(self, logits: Tensor, agreement: Context = None) -> Tensor:
        """L(p, k) for every class k, from the network itself; ``(N, C)`` to ``(N, C)``.

        Args:
            logits: float32 or float64.
            agreement: for a paced loss, from 0 to 1: a scalar, or of each position and class, ``(N, C)``;
                None is 1.
        """
        return self.network_class_costs(F.log_softmax(logits, dim=1), agreement)

    def label_costs(self, logits: Tensor, target: Tensor, agreement: Context = None) -> Tensor:
        """L(p, y), from the network itself; ``(N, C)`` and ``(N,)`` to ``(N,)``.

        The agreement of a paced loss may be of each position, ``(N,)``; see :meth:`class_costs`.
        """
        log_probs = F.log_softmax(logits, dim=1)
        gather(log_probs, target)  # raises for an index out of range, as cross-entropy does
        return self.network_label_costs(log_probs, target, agreement)

    def terms(self, logits: Tensor, labels: Labels | None) -> Terms | None:
        """Tables, or the numbers of a loss; None for ``exact=True``, float64, concat and one class.

        Those of a loss that keeps statistics or sees its batch are of this one call; see
        :meth:`terms_of_call`.

        Args:
            logits: of the call.
            labels: of its rows; None for the terms at this class count, whatever the call.

        Raises:
            ValueError: at a class count where this loss would push the label's probability down.
        """
        n_classes, params = logits.shape[1], self.params
        if self.exact or logits.dtype == torch.float64 or n_classes < 2:
            return None
        terms, last = None, self._constants.last_terms
        if last is not None and last.n_classes == n_classes and type(params) is Tensor:
            same = params.is_cpu and not params.requires_grad and params.dtype == last.params.dtype
            if same and torch.equal(params, last.params):
                terms = last.terms
        if terms is None:
            known = self.known_params()
            terms = None if known is None else self._constants.terms(known, n_classes)
        if terms is None or labels is None or not (terms.has_state or terms.sees_batch):
            return terms
        # What terms_of_call would say of most calls of a loss that sees its batch, in less time.
        is_all = not (terms.has_state or NAME in self._modules or self._singles) and logits.shape[0] != 1
        return terms if is_all else self.terms_of_call(terms, logits, labels)

    def costs(self, logits: Tensor, labels: Labels) -> Tensor:
        """Costs of rows by differentiable operations; on GPUs and in compiled code by tables.

        Raises:
            ValueError: at a class count where this loss would push the label's probability down.
        """
        tables = self._tables_for(logits)
        if tables is None:
            return self.exact_costs(logits, labels)
        if logits.is_cuda and triton_rows.usable(logits, labels.target, labels.weight):
            unweighted = labels if labels.is_dense else labels._replace(weight=None)
            costs = triton_rows.row_costs(
                logits,
                labels.target,
                tables,
                weight=labels.weight if labels.is_dense else None,
                ignore_index=labels.ignore_index,
                label_smoothing=labels.smoothing,
                has_other=tables.has_other,
                fallback=lambda rows: self.exact_costs(rows, unweighted),
            )
            return labels.without_ignored(costs) if labels.is_dense else labels.weigh(costs)
        return traced_rows(logits.float(), labels, tables)

    def tables(self, n_classes: int) -> LookupTables | None:
        """The tables at a class count, with their errors; None for concat and tempered losses, without any.

        Raises:
            ValueError: at a class count where this loss would push the label's probability down.
        """
        if not self.network.is_tabulated:
            return None
        return self._constants.tables(self.params.detach(), n_classes, self.params.device)

    def least_cost(self, n_classes: int) -> float:
        """The least cost of the network in canonical form, at most 0; it is subtracted.

        So the cheapest prediction costs 0, and a certain right one minus this number.

        Raises:
            ValueError: at a class count that this loss is not for.
        """
        if n_classes == 1:
            self.network.check_classes(1)
            return 0.0
        params = self.params.detach()
        return self._constants.canonical(params, n_classes, params.device, params.dtype)[1]

    def _tables_for(self, logits: Tensor) -> LookupTables | None:
        """The tables that :meth:`costs` reads for these logits; None where it asks the network itself."""
        n_classes = logits.shape[1]
        if self.exact or self.network.keeps_state or logits.dtype == torch.float64 or n_classes < 2:
            return None
        if logits.is_meta or is_exporting():
            return None
        if torch.compiler.is_compiling():
            return None if inside_transform() else self._traced_tables(n_classes, logits.device)
        if logits.device.type == "cpu" or not (self.network.is_tabulated and is_eager() and is_real(logits)):
            return None
        known = self.known_params()
        return None if known is None else self._constants.tables(known, n_classes, logits.device)

    def _traced_tables(self, n_classes: int, device: torch.device) -> LookupTables | None:
        """The tables in compiled code: taken from this module at each call, guarded as any attribute is.

        So one graph serves every loss that has tables. Whether they are made of the parameters as they are,
        nobody but the graph can ask; it does.
        """
        if not self.network.is_tabulated:
            return None
        # len(range()) makes a number of a symbolic size: each class count is a graph of its own.
        n_classes = len(range(n_classes))
        if not self._has_tables(n_classes, device):
            raise ValueError(missing_form_message(n_classes))
        compiled = self._constants.compiled[n_classes, device]
        torch._assert_async((compiled.params == self.params).all(), WRITTEN_TO)
        return compiled.tables

    @constant_to_compilers
    def _has_tables(self, n_classes: int, device: torch.device) -> bool:
        """Make tables, also while a compiler traces, which finds them afterwards; False if there are none."""
        return self._constants.has_tables(self.params.detach(), n_classes, device)
