"""Rows of a linear layer and a loss, a chunk at a time: what they cost, and the gradients.

Of the size of the logits of all rows nothing is ever made. The logits of a chunk are one matrix product; in
the same memory they become the gradient by the logits, a few rows at a time so that what is between stays in
cache; two more products make the gradients by inputs and weights of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from evoloss.losses.base import ClassificationLoss
from evoloss.losses.call.autocast import autocast_off
from evoloss.losses.call.labels import Labels
from evoloss.losses.evolved import EvolvedLoss
from evoloss.losses.kernels.cpu_rows import chunk_of_rows
from evoloss.losses.kernels.index_labels import index_labels, weighted
from evoloss.losses.kernels.pulls import row_chunks
from evoloss.networks import BatchSums, Context, Terms

__all__ = ["Layer", "LinearGradients", "LinearRows", "rows_of_chunk"]

Join = Callable[[BatchSums], BatchSums]

# Of a chunk. Each matrix product goes through the whole weight, for which many rows are better than few.
_LEAST_ROWS = 64
_INPUTS = 2


def rows_of_chunk(n: int, n_features: int, n_classes: int) -> int:
    """The rows of a chunk, as many as make its logits twice as large as the input of all rows."""
    return max(1, min(n, max(_LEAST_ROWS, _INPUTS * n * n_features // max(1, n_classes))))


class Layer(NamedTuple):
    """Inputs of a linear layer ``(N, F)``, its weight ``(C, F)`` and bias ``(C,)``, of one dtype."""

    input: Tensor
    weight: Tensor
    bias: Tensor | None


class LinearGradients(NamedTuple):
    """The gradients by the parts of a layer, None where they are not asked for; that of weights is wide."""

    input: Tensor | None
    weight: Tensor | None
    bias: Tensor | None


class Held(NamedTuple):
    """A context that costs are to go by, as a call of a loss with a state holds it."""

    held: Context


@dataclass
class LinearRows:
    """The rows of one call.

    Attributes:
        criterion: the loss, without running statistics.
        labels: of all rows, class indices; in range where costs may be fused.
        step: rows of a chunk.
        may_fuse: whether costs and slopes may be worked out together: eagerly, on a CPU.
        context: of all rows, ``(N,)``, for a loss that sees its batch and labels that are no shares.
        sums: of the batch, where a loss that sees it has no such context.
    """

    criterion: ClassificationLoss
    labels: Labels
    step: int
    may_fuse: bool
    context: Tensor | None = None
    sums: BatchSums | None = None

    def see_batch(self, layer: Layer, join: Join | None) -> None:
        """Take in the batch for a loss that sees it, which takes a pass over all rows.

        Args:
            layer: inputs, weight and bias.
            join: from the sums of the rows to those of the batch that they are a part of; None for the whole.
        """
        criterion = self.criterion
        assert isinstance(criterion, EvolvedLoss)
        like_logits = layer.input.new_empty(0, len(layer.weight))
        terms = criterion.terms(like_logits, None) if self.may_fuse else None
        if terms is not None and len(layer.input) and not self.labels.is_dense:
            label, counted, *_ = index_labels(self.labels)
            parts = [
                log_probs.gather(1, label[rows, None]).squeeze(1) for rows, log_probs in self._seen(layer)
            ]
            of_batch = terms if join is None else terms.joined(join)
            self.context = of_batch.batch_context(torch.cat(parts), label, counted, len(layer.weight))
            return
        total: dict[str, Tensor] = {}
        for rows, log_probs in self._seen(layer):
            own = self.labels._replace(target=self.labels.target[rows])
            sums = criterion.sums_of_rows(log_probs, own)
            total = {name: total[name] + value if total else value for name, value in sums.items()}
        self.sums = total if join is None else join(total)

    def _seen(self, layer: Layer) -> Iterator[tuple[slice, Tensor]]:
        """A few rows at a time, that what is between stays in cache, and their log-probabilities."""
        for rows, logits in self._chunks(layer):
            for some in row_chunks(*logits.shape):
                log_probs = _log_probs(logits[some])
                first = rows.start + some.start
                yield slice(first, first + len(log_probs)), log_probs

    def run(
        self, layer: Layer, scale: Tensor | None, wanted: tuple[bool, bool, bool]
    ) -> tuple[Tensor, LinearGradients]:
        """The costs of all rows, ``(N,)``, and the gradients of their sum.

        Args:
            layer: inputs, weight and bias.
            scale: what multiplies the cost of each row in the sum, ``(N,)``; None for 1.
            wanted: which gradients are asked for.
        """
        n, wide = len(layer.input), torch.promote_types(layer.input.dtype, torch.float32)
        by_input = torch.empty_like(layer.input) if wanted[0] else None
        by_weight, by_bias = (
            torch.zeros_like(part, dtype=wide) if asked and part is not None else None
            for part, asked in zip(layer[1:], wanted[1:], strict=True)
        )
        costs = torch.empty(n, dtype=wide, device=layer.input.device)
        for rows, logits in self._chunks(layer):
            own = self.labels._replace(target=self.labels.target[rows])
            factor = None if scale is None else scale[rows]
            context = None if self.context is None else self.context[rows]
            costs[rows], gradient = self._chunk(logits, own, context, factor, any(wanted))
            if gradient is None:
                continue
            if by_input is not None:
                torch.mm(gradient.to(layer.weight.dtype), layer.weight, out=by_input[rows])
            if by_weight is not None:
                by_weight.addmm_(gradient.to(wide).t(), layer.input[rows].to(wide))
            if by_bias is not None:
                by_bias.add_(gradient.sum(0, dtype=wide))
        return costs, LinearGradients(by_input, by_weight, by_bias)

    def _chunks(self, layer: Layer) -> Iterator[tuple[slice, Tensor]]:
        """Chunks of rows and their logits, ``(n, C)``, in memory that the next chunk uses again."""
        n, n_classes = len(layer.input), len(layer.weight)
        memory = layer.input.new_empty(min(self.step, n), n_classes)
        for start in range(0, n, self.step):
            rows = slice(start, min(start + self.step, n))
            logits = memory[: rows.stop - start]
            if layer.bias is None:
                torch.mm(layer.input[rows], layer.weight.t(), out=logits)
            else:
                torch.addmm(layer.bias, layer.input[rows], layer.weight.t(), out=logits)
            yield rows, logits

    def _chunk(
        self, logits: Tensor, labels: Labels, context: Context, scale: Tensor | None, wanted: bool
    ) -> tuple[Tensor, Tensor | None]:
        """The costs of a chunk, ``(n,)``, and the gradient by its logits, ``(n, C)``, in their place."""
        terms = self._terms(logits, labels) if self.may_fuse else None
        if terms is None:
            return self._by_autograd(logits, labels, scale, wanted)
        return self._by_terms(logits, labels, terms, context, scale, wanted)

    def _terms(self, logits: Tensor, labels: Labels) -> Terms | None:
        if self.sums is None and self.context is None:
            return self.criterion.terms(logits, labels)
        assert isinstance(self.criterion, EvolvedLoss)
        return self.criterion.terms(logits, None)

    def _context(self, log_probs: Tensor, labels: Labels) -> Context:
        if self.sums is None:
            return None
        assert isinstance(self.criterion, EvolvedLoss)
        return self.criterion.context_among(self.sums, log_probs, labels)

    def _by_terms(
        self,
        logits: Tensor,
        labels: Labels,
        terms: Terms,
        context: Context,
        scale: Tensor | None,
        wanted: bool,
    ) -> tuple[Tensor, Tensor | None]:
        wide = torch.promote_types(logits.dtype, torch.float32)
        label, counted, factor, _ = index_labels(labels)
        if labels.is_dense:  # their weights are in the shares
            factor = None if counted is None else counted.to(wide)
        made = logits if logits.dtype == wide else torch.empty_like(logits, dtype=wide)
        every = slice(None)
        parts = row_chunks(*logits.shape)
        shape = logits[parts[0]].shape
        # The sum over the classes has to have memory of its own to work in.
        kinds = (wide, wide, wide, wide, torch.int32) if terms.has_other else (wide,)
        scratch = [torch.empty(shape, dtype=kind, device=logits.device) for kind in kinds]
        costs = []
        for some in parts:
            own = labels._replace(target=labels.target[some])
            memory = [one[: len(own.target)] for one in scratch]
            log_probs = torch._log_softmax(logits[some].to(wide), 1, False, out=memory[0])
            seen = self._context(log_probs, own) if context is None else context[some]
            cost, slopes = chunk_of_rows(log_probs, own, label[some], every, terms, seen, memory[1:])
            of_rows = scale[some] if scale is not None else None
            if factor is not None:
                cost = weighted(cost, None if counted is None else counted[some], factor[some])
                of_rows = factor[some] if of_rows is None else of_rows * factor[some]
            costs.append(cost)
            if wanted:
                torch._log_softmax_backward_data(slopes, log_probs, 1, wide, out=made[some])
                if of_rows is not None:
                    made[some].mul_(of_rows[:, None])
        return torch.cat(costs), made if wanted else None

    def _by_autograd(
        self, logits: Tensor, labels: Labels, scale: Tensor | None, wanted: bool
    ) -> tuple[Tensor, Tensor | None]:
        criterion = self.criterion
        with torch.set_grad_enabled(wanted), autocast_off(logits.device.type):
            variable = logits.detach().requires_grad_(wanted)
            if self.sums is None:
                costs = criterion.costs(variable, labels)
            else:
                assert isinstance(criterion, EvolvedLoss)
                context = self._context(_log_probs(logits), labels)
                costs = criterion.exact_costs(variable, labels, Held(context))
            if not wanted:
                return costs, None
            total = costs.sum() if scale is None else (costs * scale).sum()
            (gradient,) = torch.autograd.grad(total, variable)
        return costs.detach(), gradient


def _log_probs(logits: Tensor) -> Tensor:
    wide = torch.promote_types(logits.dtype, torch.float32)
    return torch.log_softmax(logits.detach(), 1, dtype=wide)
