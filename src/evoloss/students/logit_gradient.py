r"""From logits to the gradient of every candidate's loss, by looking up its slopes."""

from __future__ import annotations

import torch
from torch import Tensor

from evoloss.networks import BATCH_COUNT, Tempering, TrainingState, certainty_of
from evoloss.students.batch_labels import BatchLabels
from evoloss.students.network import Memory
from evoloss.students.slope_tables import Cells, SlopeTables, n_cells

# The least of a logit less the largest: below LOG_P_FLOOR, and its exponential is a normal number in float32.
_LOWEST = -80.0


class LogitGradient:
    r"""The gradient :math:`h_j - p_j \sum_i h_i` for a chunk of students.

    Where the tables have an exponent t (:mod:`evoloss.networks.tempering`), h is looked up at ``t log p``;
    where it is paced (:mod:`evoloss.networks.kinds.paced`), t follows the batch; where there is a state
    (:mod:`evoloss.networks.states`), what a student remembers of its training, too. Where only labels have
    slopes, only they are looked up.

    Args:
        tables: one candidate each of the chunk, in the dtype and on the device of the students. For the mean
            over a batch they are divided by its size: a multiple of a loss is a loss.
        out: where gradients go, ``(tasks, popsize, classes, n)``.
        memory: for everything in between.
        state: of the students' trainings, for candidates that keep one; every call takes its batch in.
    """

    def __init__(
        self, tables: SlopeTables, out: Tensor, memory: Memory, state: TrainingState | None = None
    ) -> None:
        tasks, popsize, self._n_classes, columns = out.shape
        self._only_labels, self._tempering = tables.only_labels, None
        if tables.tempering is not None:
            self._tempering = tables.tempering.map(lambda tensor: tensor[:, :, None])
        self._state, self._scale = state, tables.scale
        self._cells = Cells(tables.resolution, out.dtype, out.device)
        # One line of cells for all: other classes' and the label's of the first candidate, of the second, ...
        # or the labels' alone.
        used = slice(1, None) if self._only_labels else slice(None)
        self._intercepts, self._gradients = (
            part[:, used].reshape(-1) for part in (tables.intercepts, tables.gradients)
        )
        self._table = torch.full((), n_cells(tables.resolution), dtype=out.dtype, device=out.device)
        start = torch.arange(popsize, dtype=self._cells.integer, device=out.device)
        start *= len(self._intercepts) // popsize
        self._start = (start - self._cells.first)[:, None, None]
        self._out = out
        self._log_p, self._exps, self._full = (
            memory.take(name, tuple(out.shape), out) for name in ("log_p", "exps", "full")
        )
        self._total, self._sum = (
            memory.take(name, (tasks, popsize, 1, columns), out) for name in ("total", "sum")
        )
        # One for the label of a sample, or one for each class.
        of_slopes = (tasks, popsize, 1 if self._only_labels else self._n_classes, columns)
        self._argument, self._place, self._factor = (
            memory.take(name, of_slopes, out) for name in ("argument", "place", "factor")
        )
        # Slopes of all classes stand where the gradient will.
        self._slope = memory.take("slope", of_slopes, out) if self._only_labels else out
        cells = self._place.view(self._cells.integer)
        self._flat = cells.view(-1), self._slope.view(-1), self._factor.view(-1)

    def labels(self, target: Tensor) -> BatchLabels:
        """The form of targets ``(..., n)`` that :meth:`__call__` wants."""
        cells = self._table.to(self._cells.integer)
        return BatchLabels.of(target, self._n_classes, self._out.dtype, cells=cells)

    def __call__(self, logits: Tensor, labels: BatchLabels) -> None:
        """Write the gradient with respect to logits ``(tasks, popsize, classes, n)``."""
        # log_p, exps and out are (tasks, popsize, classes, n), total and the sums (tasks, popsize, 1, n).
        log_p, exps, out, total = self._log_p, self._exps, self._out, self._total
        torch.amax(logits, dim=2, keepdim=True, out=total)
        # Far below the floor, where the slopes are constant, all is the same; but an exponential that is a
        # denormal number takes seven times as long.
        torch.sub(logits, total, out=log_p).clamp_(min=_LOWEST)
        torch.exp(log_p, out=exps)
        torch.sum(exps, dim=2, keepdim=True, out=total)
        log_p.sub_(torch.log(total, out=self._sum))
        argument, smoothing = self._arguments(labels)
        slope = self._look_up(argument, labels)
        if self._only_labels:
            torch.mul(labels.is_label, slope, out=out)
        if smoothing is not None:
            out.sub_(smoothing * (self._scale / self._n_classes))
        # h stands in out; h_j - p_j sum_i h_i with p = exps / total.
        torch.sum(out, dim=2, keepdim=True, out=self._sum)
        out.addcmul_(exps, self._sum.div_(total), value=-1)

    def _arguments(self, labels: BatchLabels) -> tuple[Tensor, Tensor | None]:
        """Arguments of the slopes, and what samples cost beside (see :class:`.states.SlopeArgument`)."""
        argument, smoothing = self._log_p, None
        if self._only_labels:
            argument = torch.gather(argument, 2, self._index(labels), out=self._argument)
        if self._state is not None:
            exponent, offset, smoothing = self._state.take_in(self._log_p, labels.is_label != 0)
            if offset is not None:
                argument = torch.sub(argument, offset, out=self._argument)
            if exponent is not None:
                argument = torch.mul(argument, exponent, out=self._argument)
        if self._tempering is not None:
            # Other classes have no slope where t is not 1.
            exponent = self._tempering.at(self._context(self._tempering, labels))
            argument = torch.mul(argument, exponent, out=self._argument)
        return argument, smoothing

    def _look_up(self, argument: Tensor, labels: BatchLabels) -> Tensor:
        """The slopes at arguments; of all classes they are written into what the gradient takes."""
        place = self._cells.locate(argument, self._place).add_(self._start)
        if not self._only_labels:
            # The label's table lies behind that of the others.
            place.add_(labels.cells)
        # Flat views of place, slope and factor: one lookup for all, slope = intercept + gradient * argument.
        cell, slope, factor = self._flat
        torch.index_select(self._intercepts, 0, cell, out=slope)
        torch.index_select(self._gradients, 0, cell, out=factor)
        return self._slope.addcmul_(self._factor, argument)

    def _context(self, tempering: Tempering, labels: BatchLabels) -> Tensor:
        """The value that exponents follow, ``(tasks, popsize, 1, n)``, from exponentials and their totals."""
        # The largest probability is 1 / total.
        followed = self._total.reciprocal()
        if tempering.paced is not None:
            # own is p at the label of each sample, sums that of each class, of_class that of its own class,
            # all times the length of a table: of another rounding the results of a seed would be others.
            own = torch.gather(self._exps, 2, self._index(labels), out=self._sum)
            own.mul_(self._table).div_(self._total)
            sums = torch.mul(labels.is_label, own, out=self._full).sum(dim=3, keepdim=True)
            of_class = sums.expand_as(self._full).gather(2, self._index(labels))
            of_class.mul_(self._table).div_(self._table)
            mean = own.mean(dim=3, keepdim=True)
            learned = of_class.sub_(own).add_(mean, alpha=BATCH_COUNT).div_(labels.alike + (BATCH_COUNT - 1))
            learned.div_(self._table)
            # One or the other: weights are 0 or 1.
            followed = torch.lerp(followed, learned, tempering.paced)
        certainty: Tensor = certainty_of(followed, self._n_classes)
        return certainty

    def _index(self, labels: BatchLabels) -> Tensor:
        """Classes of the labels for all candidates, ``(tasks, popsize, 1, n)``."""
        return labels.label.expand_as(self._total)
