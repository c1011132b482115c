"""The interface of a kind of loss network, in the search and in use.

Whoever works with a network asks it, and never what kind it is: a new kind is its own file, one entry of
``NETWORKS``, its tests and a page.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

import torch
from torch import Tensor

from evoloss.errors import ConfigError
from evoloss.networks.least_search import least_prediction
from evoloss.networks.options import NetworkOptions, checked_fields
from evoloss.networks.slopes import Slopes, SlopesByCount
from evoloss.networks.states import BatchSums, RunningState, States
from evoloss.networks.tempering import Tempering
from evoloss.networks.terms import Context, LabelView, Terms, wide_dtype

if TYPE_CHECKING:
    from evoloss.networks.lookup import LookupTables
    from evoloss.networks.table import LossTable

# Class counts at which a loss for any count must have a canonical form.
CHECKED_CLASSES = (2, 10, 100, 1000)


class Form(Protocol):
    """A canonical form; ``exists`` says for which candidates there is one."""

    @property
    def exists(self) -> Tensor:
        """Shape ``(popsize,)``, bool."""


@dataclass(frozen=True, kw_only=True)
class LossNetwork(ABC):
    """Base of all kinds. ``params`` is one candidate a row, ``(popsize, n_params)``, unless said otherwise.

    A kind is a frozen dataclass whose fields are what can be chosen about it: integers, strings and tuples of
    integers, as they stand in an artefact. Questions that most kinds answer alike have that answer here.

    Attributes:
        kind: the name of the kind, its key in ``NETWORKS``.
        summary: what it is, in a phrase, for the help of the command line.
        sees_batch: whether the cost of a prediction depends on the rest of its batch.
        keeps_state: whether a loss in use has running statistics (:meth:`take_in`); students: :meth:`states`.
        is_tabulated: whether a loss in use is read from tables, which :meth:`tables` makes.
        follows_dominance_only: whether 'dominance' is the only error that it can order all predictions
            by: its cost is no falling function of the label's probability alone.
        tells_classes_apart: whether the cost of a prediction changes when classes other than the label change
            places. Such a loss cannot be judged by errors that treat classes alike.
        has_slopes: whether students can be trained with it; see :meth:`slopes`.
        interpolates_slopes: whether a polynomial through some of its slopes (Chebyshev) stands for them.
        can_imitate: whether a search can start where it is close to a known loss; see :meth:`imitate`.
        is_nonnegative: whether by construction no cost is below 0, so that no least one is searched.
        revision: goes up when the same parameters begin to give another loss; in fingerprints from 2 on.

    Example:
        >>> network = NETWORKS["monotone"].from_options(NetworkOptions(hidden=(4,)))
        >>> isinstance(network, LossNetwork), network.kind, network.hidden
        (True, 'monotone', (4,))
    """

    kind: ClassVar[str]
    summary: ClassVar[str]
    sees_batch: ClassVar[bool] = False
    keeps_state: ClassVar[bool] = False
    is_tabulated: ClassVar[bool] = False
    follows_dominance_only: ClassVar[bool] = False
    tells_classes_apart: ClassVar[bool] = False
    has_slopes: ClassVar[bool] = True
    interpolates_slopes: ClassVar[bool] = True
    can_imitate: ClassVar[bool] = False
    is_nonnegative: ClassVar[bool] = False
    revision: ClassVar[int] = 1

    # What there is to choose.

    @classmethod
    def from_options(cls, options: NetworkOptions) -> Self:
        """Build the network that the settings of a search ask for; here, for kinds without a choice.

        Raises:
            ConfigError: if an option that the kind uses is out of range.
            UnknownNameError: if the activation or the feature set is not known.
        """
        del options
        return cls()

    @classmethod
    def from_description(cls, values: Mapping[str, Any]) -> Self:
        """Build a network from its fields as JSON has them; the opposite of :meth:`description`.

        Raises:
            ConfigError: if a field is missing, unknown, of the wrong type or out of range.
            UnknownNameError: if the activation or the feature set is not known.
        """
        return cls(**checked_fields(cls, values))

    def description(self) -> dict[str, Any]:
        """The fields as JSON has them."""
        return {
            name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()
        }

    @property
    def class_counts(self) -> tuple[int, ...] | None:
        """The class counts that a loss of this network is for; None for any."""
        return None

    @property
    def checked_classes(self) -> tuple[int, ...]:
        """The class counts at which a loss of this network must have a canonical form to be used."""
        return self.class_counts or CHECKED_CLASSES

    @property
    @abstractmethod
    def n_params(self) -> int:
        """Length of a candidate's parameter vector."""

    @abstractmethod
    def initial(self, generator: torch.Generator) -> Tensor:
        """A random starting point, shape ``(n_params,)``."""

    @abstractmethod
    def form(self, params: Tensor, n_classes: int) -> Form:
        """The canonical form of candidates at a class count."""

    def forms(self, params: Tensor, counts: Sequence[int]) -> Sequence[Form]:
        """The canonical forms of candidates at several class counts, which may cost less together."""
        return [self.form(params, n_classes) for n_classes in counts]

    @abstractmethod
    def losses(self, params: Tensor, log_probs: Tensor, target: Tensor) -> Tensor:
        """Canonical losses ``(popsize, N)`` of predictions ``(N, C)`` with labels ``(N,)``.

        Predictions are judged by themselves here. A kind whose cost follows its batch or its training says
        what it takes them to be; such as labels that are learned.
        """

    # In the search: how a population is judged.

    def exact_elements(self, n_classes: int) -> int:
        """Numbers in memory for each prediction that :meth:`losses` works on, about, for one candidate."""
        return n_classes

    def population_table(self, n_grid: int) -> LossTable | None:
        """The table that makes a population's losses one matrix product; None evaluates them as they are.

        A kind can have one if its loss is a sum over the classes of functions of one probability. Then
        classes of equal probability can also be drawn as groups.

        Args:
            n_grid: nodes of the table.
        """
        del n_grid
        return None

    def slopes(self, params: Tensor, n_classes: int, *, canonical: bool = True) -> Slopes:
        """The slopes by log p at a class count, of other classes and of the label; students train with them.

        Candidates without a canonical form may have any slopes, NaN too. Where there is a :meth:`tempering`
        or there are :meth:`states`, the slopes are functions of ``t log p``, of shape ``(M,)`` or
        ``(popsize, M)``, and those of other classes are 0.

        Args:
            params: one candidate a row.
            n_classes: the class count.
            canonical: of the canonical form; else of the network as it is.

        Raises:
            ConfigError: if the kind has none (``has_slopes`` is False).
        """
        raise ConfigError(f"a {self.kind} network has no slopes by log p: students cannot be trained with it")

    def tempering(self, params: Tensor) -> Tempering | None:
        """The exponent t of each candidate as a function of its prediction or batch; None for t = 1."""
        del params
        return None

    def states(self, params: Tensor, n_classes: int) -> States | None:
        """The states that candidates keep of their training; None for a kind without a state.

        Students are to train as with the loss in use: the same statistics of the same batches, and the slopes
        of its costs at the same contexts. Where there is a tempering too, its exponent multiplies theirs.
        """
        del params, n_classes
        return None

    def imitate(self, start: Tensor, known: SlopesByCount, name: str) -> Tensor:
        """Parameters ``(n_params,)`` with which the network is close to a known loss at all class counts.

        Args:
            start: parameters to begin with, ``(n_params,)``; gives the dtype.
            known: the slopes of the known loss.
            name: its name, for the error.

        Raises:
            CanonicalFormError: if the fit fails: another seed or a larger network may do.
            ConfigError: if the kind does not imitate (``can_imitate`` is False).
        """
        raise ConfigError(f"a {self.kind} network cannot imitate {name}; use start='random'")

    # In use: one candidate, ``params`` of shape ``(n_params,)``, by differentiable operations.

    def check_classes(self, n_classes: int) -> None:
        """Raise ``ValueError`` (PyTorch's type for mismatched sizes) for a class count that it is not for."""
        if self.class_counts is not None and n_classes not in self.class_counts:
            known = ", ".join(map(str, self.class_counts))
            raise ValueError(f"this loss is for {known} classes and cannot score {n_classes}")

    @abstractmethod
    def class_costs(
        self, params: Tensor, log_probs: Tensor, form: Any = None, context: Context = None
    ) -> Tensor:
        """Canonical ``L(p, k)`` for every class k, ``(N, C)``.

        Args:
            params: of one candidate.
            log_probs: of the predictions, ``(N, C)``.
            form: the canonical form at C, if it is known already.
            context: what :meth:`context` gave for the batch, or a scalar for all rows.
        """

    @abstractmethod
    def label_costs(
        self, params: Tensor, log_probs: Tensor, target: Tensor, form: Any = None, context: Context = None
    ) -> Tensor:
        """Canonical ``L(p, y)`` of labels ``(N,)``; the other arguments are those of :meth:`class_costs`."""

    def context(
        self, params: Tensor, log_probs: Tensor, labels: LabelView, state: RunningState | None = None
    ) -> Context:
        """The context of a batch: what costs depend on beside prediction and label; without gradient.

        Args:
            params: of one candidate, ``(n_params,)``, without gradient.
            log_probs: of the predictions, ``(N, C)``, likewise.
            labels: of the rows.
            state: the running statistics, this batch taken in if it is one of the training; or sums of a
                larger batch that the rows are a part of.
        """
        del params, log_probs, labels, state
        return None

    def initial_state(self, n_classes: int) -> RunningState:
        """The running statistics of a training that has not begun; where ``keeps_state``.

        Their names are those of buffers, their values mean that nothing is known yet, and they have dtypes of
        their own: float32 or float64, whatever that of the logits.

        Args:
            n_classes: the class count, the length of the first axis of statistics of each class. 0 before the
                first batch, when it is not known.
        """
        raise TypeError(f"a {self.kind} network keeps no state")

    def batch_sums(
        self, params: Tensor, state: RunningState, log_probs: Tensor, labels: LabelView
    ) -> BatchSums:
        """Sums over the samples of a batch: all that :meth:`take_in`, or a context of a batch, needs of it.

        They add up: those of a batch are those of its parts, wherever the parts are, for the same state. Rows
        to ignore and predictions that are not finite add nothing, also to the number of samples.

        Args:
            params: of one candidate, ``(n_params,)``, without gradient.
            state: before the batch.
            log_probs: of the predictions, ``(N, C)``, without gradient.
            labels: of the rows.
        """
        raise TypeError(f"a {self.kind} network keeps no state")

    def take_in(self, params: Tensor, state: RunningState, sums: BatchSums) -> RunningState:
        """The running statistics after one more batch of a training, in new tensors; where ``keeps_state``.

        Statistics move with the samples, not with the calls, and a batch without any changes nothing.

        Args:
            params: of one candidate, ``(n_params,)``, without gradient.
            state: before the batch.
            sums: of the batch, by :meth:`batch_sums`.
        """
        raise TypeError(f"a {self.kind} network keeps no state")

    def constants(self, params: Tensor, n_classes: int) -> Any:
        """The canonical form of one candidate, in numbers where it has few; what a loss in use keeps."""
        return self.form(params[None], n_classes)

    def least_cost(self, params: Tensor, n_classes: int, form: Any = None) -> Tensor:
        """The least canonical cost over predictions and labels, at most 0, a scalar.

        A loss in use subtracts it. Searched in general (:mod:`evoloss.networks.least_search`); 0 where
        ``is_nonnegative``. Its derivative is that of the cost at the place that was found (envelope
        theorem).
        """
        if self.is_nonnegative:
            return params.new_zeros(())
        wide = params.detach().to(wide_dtype(params.device))
        known = self.form(wide[None], n_classes)
        labels = range(n_classes if self.tells_classes_apart else 1)
        place, label = least_prediction(
            lambda log_probs, target: self.label_costs(wide, log_probs, target, known),
            n_classes,
            labels,
            wide,
        )
        return self.label_costs(params, place.to(params.dtype), label, form)[0].clamp(max=0.0)

    def terms(self, params: Tensor, n_classes: int) -> Terms | None:
        """The loss at a class count as numbers, on the CPU; None where it has no fast way."""
        del params, n_classes
        return None

    def tables(self, params: Tensor, n_classes: int, n_nodes: int | None = None) -> LookupTables:
        """The terms as tables, on the device of the parameters; where ``is_tabulated``.

        Args:
            params: of one candidate.
            n_classes: the class count.
            n_nodes: nodes of the grid; as many as a loss in use has if it is not given.
        """
        raise TypeError(f"a {type(self).__name__} is not tabulated")
