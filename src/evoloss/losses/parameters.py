"""The parameters of a loss network in a module: a buffer that follows the logits and is never rounded."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, Self, Unpack

import torch
import torch.nn.functional as F
from torch import Tensor

from evoloss.losses.artefact.validation import missing_form_message
from evoloss.losses.base import ClassificationLoss, Options
from evoloss.losses.call.gather import gather
from evoloss.losses.call.labels import Labels
from evoloss.losses.call.modes import (
    as_constant,
    autograd_takes,
    constant_to_compilers,
    inside_transform,
    is_eager,
    is_fake_of,
    is_real,
    is_traced_input,
    moved,
    on_real_tensors,
)
from evoloss.losses.call.numbers import positive_count
from evoloss.losses.kernels.constants import LossConstants
from evoloss.losses.state import SIZE, LossState
from evoloss.networks import (
    Context,
    LossNetwork,
    NoiseRate,
    RunningState,
    SensesNoise,
    Terms,
    describe_network,
    noise_rate_of,
)
from evoloss.safe_text import quoted

__all__ = ["WRITTEN_TO", "ParametricLoss"]

WRITTEN_TO = (
    "the parameters of an EvolvedLoss in compiled code were written to in place: use load_state_dict, or "
    "call the loss once outside of compiled code"
)


class HoldsContext(Protocol):
    """Such as the terms of a call of a loss with a state, once they have been used."""

    @property
    def held(self) -> Context:
        """The context that costs are to go by."""


class ParametricLoss(ClassificationLoss):
    """A loss that a network with parameters gives; base of :class:`~evoloss.losses.evolved.EvolvedLoss`.

    The parameters are a buffer, not ``nn.Parameter``: an optimizer over ``criterion.parameters()`` finds
    nothing to change. They are not in the state dict, so that the checkpoint of a model is the same with this
    loss as with cross-entropy; they follow the logits to their device, and stay what they are when the module
    is cast, moved to the meta device or given empty memory.

    What is worked out of them once, such as the canonical form, is used while they are the same numbers; what
    is not a number, since it is traced or differentiated, is worked out in the call.

    Args:
        network: the loss network.
        params: its parameters, checked, shape ``(n_params,)``, real.
        weight: one factor a class; see :class:`ClassificationLoss`.
        **options: ``ignore_index``, ``reduction``, ``label_smoothing``; see there.
    """

    if TYPE_CHECKING:  # TorchScript reads annotations, and takes no strings for types
        params: Tensor
        loss_state: LossState

    def __init__(
        self, network: LossNetwork, params: Tensor, weight: Tensor | None = None, **options: Unpack[Options]
    ) -> None:
        super().__init__(weight, **options)
        self.network = network
        # Not in the state dict: a model's checkpoint is the same with this loss as with cross-entropy.
        self.register_buffer("params", params, persistent=False)
        # What gives models empty weights patches the line above.
        self._buffers["params"] = params
        self._constants = LossConstants(network, params)
        if network.keeps_state:
            with on_real_tensors():
                self.loss_state = LossState(network.initial_state(0))

    def known_params(self) -> Tensor | None:
        """The parameters as a real tensor whose numbers hold for the call; None where they are variables.

        A tensor that somebody has put in the place of the loss's own may be the input of a trace or of a
        transform. The loss's own is not, nor is what an exporter has put in its place.
        """
        if torch.compiler.is_dynamo_compiling() or self.params.requires_grad:
            return None
        own = self._constants.params
        if is_traced_input(self.params):
            return None
        if self.params is own or is_fake_of(self.params, own):
            return own
        return self.params if is_eager() and is_real(self.params) else None

    def canonical(self, log_probs: Tensor) -> tuple[Tensor, Any, Tensor | float]:
        """Parameters where the predictions are, in their dtype, with canonical form and least cost.

        Args:
            log_probs: of the predictions, ``(N, C)`` with C at least 2.

        Raises:
            ValueError: at a class count where this loss would push the label's probability down.
        """
        n_classes, known = log_probs.shape[1], self.known_params()
        where = log_probs.device, log_probs.dtype
        if known is not None:
            form, least = self._constants.canonical(known, int(n_classes), *where)
            return as_constant(self.params).to(*where), form, least
        params = self.params.to(*where)
        self.network.check_classes(n_classes)
        made: Any = self.network.form(params[None], n_classes)
        if is_eager() and is_real(params) and not made.exists.item():
            raise ValueError(missing_form_message(n_classes))
        return params, made, self._traced_least_cost(params, n_classes, made)

    def _traced_least_cost(self, params: Tensor, n_classes: int, form: Any) -> Tensor:
        """The least cost of parameters that are variables; in compiled code taken from this module.

        There it would be a search of thousands of operations in the graph, guarded as the tables are.
        """
        searched = self.network.is_nonnegative or inside_transform()
        if searched or not torch.compiler.is_dynamo_compiling():
            return self.network.least_cost(params, n_classes, form)
        # len(range()) makes a number of a symbolic size: each class count is a graph of its own.
        n_classes = len(range(n_classes))
        if not self._has_least_cost(n_classes):
            raise ValueError(missing_form_message(n_classes))
        cached = self._constants.compiled_least[n_classes]
        torch._assert_async((cached.params == self.params).all(), WRITTEN_TO)
        return cached.value.to(params)

    @constant_to_compilers
    def _has_least_cost(self, n_classes: int) -> bool:
        """Leave the least cost for a compiler that traces to find; False if there is none."""
        return self._constants.has_least_cost(self.params.detach(), n_classes)

    def network_class_costs(self, log_probs: Tensor, context: Context) -> Tensor:
        """L(p, k) for every class k from the network itself, ``(N, C)`` to ``(N, C)``."""
        if log_probs.shape[1] == 1:
            return self._one_class(log_probs)
        params, form, least = self.canonical(log_probs)
        return self.network.class_costs(params, log_probs, form, context) - least

    def network_label_costs(self, log_probs: Tensor, target: Tensor, context: Context) -> Tensor:
        """L(p, y) from the network itself, ``(N, C)`` and ``(N,)`` to ``(N,)``."""
        if log_probs.shape[1] == 1:
            return self._one_class(log_probs)[:, 0]
        params, form, least = self.canonical(log_probs)
        return self.network.label_costs(params, log_probs, target, form, context) - least

    def _one_class(self, log_probs: Tensor) -> Tensor:
        """The cost of one class, ``(N, 1)``: 0, the log-probability, since it is no choice; NaN for NaN."""
        self.network.check_classes(1)
        return log_probs

    def batch_context(self, logits: Tensor, log_probs: Tensor, labels: Labels) -> Context:
        """The context of a call's costs beside each prediction and its label; the state moves on.

        None for one class, which is no choice.

        Raises:
            ValueError: if a training batch has another class count than the training before it.
        """
        if logits.shape[1] == 1:
            return None
        network, log_probs = self.network, log_probs.detach()
        params = as_constant(self.params).detach().to(log_probs.device, log_probs.dtype)
        if not network.keeps_state:
            return network.context(params, log_probs, labels)
        of_processes = self.loss_state.over_processes

        def after(state: RunningState) -> RunningState:
            sums = network.batch_sums(params, state, log_probs, labels)
            return network.take_in(params, state, of_processes(sums))

        state = self.loss_state.of_call(logits, network.initial_state, after)
        return network.context(params, log_probs, labels, state)

    def terms_of_call(self, terms: Terms, logits: Tensor, labels: Labels) -> Terms | None:
        """The terms of one call of a loss with a state, which take its batch in if it is one of the training.

        None where there is no fast way, for dense labels, statistics elsewhere than on the CPU and processes
        that share batches: then :meth:`costs` takes the batch in.
        """
        state = self.loss_state
        arrays = None if labels.is_dense else state.arrays(self.network.initial_state, logits.shape[1])
        if arrays is None:
            return None
        if not state.takes_in(logits):
            return terms.of_call(arrays, None)
        state.warn_of_unknown_size()
        return terms.of_call(arrays, partial(state.write, arrays))

    def exact_costs(self, logits: Tensor, labels: Labels, held: HoldsContext | None = None) -> Tensor:
        """The costs of :meth:`costs`, from the network itself; at the context that a call has held."""
        log_probs = F.log_softmax(logits.to(torch.promote_types(logits.dtype, torch.float32)), dim=1)
        if labels.has_indices:
            gather(log_probs, labels.label)  # raises for an index out of range, as cross-entropy does
        context = self.batch_context(logits, log_probs, labels) if held is None else held.held
        if labels.is_dense:
            return labels.mix(self.network_class_costs(log_probs, context))
        return labels.weigh(self.network_label_costs(log_probs, labels.label, context))

    def costs_of_call(self, terms: Terms) -> Callable[[Tensor, Labels], Tensor]:
        """Costs of rows by differentiable operations, by the statistics as the call has left them."""
        return partial(self.exact_costs, held=terms)

    def plan_training(
        self, *, n_samples: int, epochs: int | None = None, samples_per_epoch: int | None = None
    ) -> None:
        """Say how large the training set is, for a loss whose statistics are over epochs.

        It stays known after :meth:`reset`. A training that began without it begins anew.

        Args:
            n_samples: size of the training set, at least 1.
            epochs: of no consequence.
            samples_per_epoch: where they are fewer, since incomplete batches are left out.

        Raises:
            ConfigError: if a number is below 1.
        """
        loss = f"loss {quoted(getattr(self, 'told_name', self.network.kind), 200)}"
        n_samples = positive_count("n_samples", n_samples, loss)
        if samples_per_epoch is not None:
            n_samples = positive_count("samples_per_epoch", samples_per_epoch, loss)
        if self.network.keeps_state:
            size = self.loss_state.values().get(SIZE)
            begins = size is not None and not size.item() > 0  # what there was, was of no epoch
            self.loss_state.know(SIZE, n_samples)
            if begins:
                self.loss_state.reset()

    @property
    def senses_noise(self) -> bool:
        """True if its :attr:`noise_rate` may be a number."""
        return isinstance(self.network, SensesNoise)

    @property
    def noise_rate(self) -> NoiseRate:
        """The share of wrong labels that this loss has sensed in its training so far, or why it cannot tell.

        Reading it changes nothing, and takes a few hundred microseconds. It never raises: tools look at every
        attribute of a module.

        Example:
            >>> from evoloss.losses import EvolvedLoss
            >>> from evoloss.networks import NETWORKS
            >>> network = NETWORKS["sensing"]()
            >>> criterion = EvolvedLoss(network, torch.zeros(network.n_params), n_samples=50_000)
            >>> print(criterion.noise_rate)
            cannot tell: epochs that have been read: 0, needed: 2 (n_samples is 50,000)
        """
        return noise_rate_of(self.network, self.loss_state.values() if self.senses_noise else {})

    def describe(self) -> dict[str, Any]:
        """The description of the network and the options of the call; the parameters are a tensor."""
        revised = {"revision": self.network.revision} if self.network.revision > 1 else {}
        return {**super().describe(), "network": describe_network(self.network), **revised}

    def extra_repr(self) -> str:
        """List the network and the shared parameters inside ``repr(loss)``."""
        return f"{self.network}, {super().extra_repr()}"

    def _load_from_state_dict(
        self,
        state_dict: dict[str, Any],
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        # Versions up to 0.3 saved the parameters; such a checkpoint still has them loaded.
        saved = state_dict.pop(f"{prefix}params", None)
        if isinstance(saved, Tensor) and saved.shape == self.params.shape:
            with on_real_tensors():
                self.params = saved.detach().to(self.params, copy=True)
        elif saved is not None:
            error_msgs.append(
                f"{prefix}params, saved by a version of evoloss up to 0.3, is of another loss than "
                f"{self.network}; remove the key to use this loss with the checkpoint"
            )
        super()._load_from_state_dict(
            state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
        )
        # Eager calls see for themselves that parameters have changed; compiled code takes what is there.
        self._constants.refresh(self.params.detach())

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name == "params":
            self._constants.params = value

    def __getstate__(self) -> dict[str, Any]:
        # Tables are made again where they are needed: copies and pickles stay small.
        return {name: value for name, value in self.__dict__.items() if name != "_constants"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._buffers["params"] = autograd_takes(self.params)
        self._constants = LossConstants(self.network, self.params)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        before = self._buffers.pop("params")
        super()._apply(fn, recurse)
        self._buffers["params"] = before
        self.params = moved(fn, self.params)
        return self
