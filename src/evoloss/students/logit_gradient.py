r"""From logits to the gradient of every candidate's loss, by looking up its slopes."""

from __future__ import annotations

import torch
from torch import Tensor

from evoloss.networks import BATCH_COUNT, TrainingState, certainty_of
from evoloss.students.network import Memory
from evoloss.students.slope_tables import Cells, SlopeTables, n_cells

# The least of a logit less the largest: below LOG_P_FLOOR, and its exponential is a normal number in float32.
_LOWEST = -80.0


class LogitGradient:
    r"""The gradient :math:`h_j - p_j \sum_i h_i` for a chunk of students.

    Where the tables have an exponent t (:mod:`evoloss.networks.tempering`), h is looked up at ``t log p``;
    where it is paced (:mod:`evoloss.networks.kinds.paced`), t follows the batch; where there is a state
    (:mod:`evoloss.networks.states`), what a student remembers of its training, too.

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
        self._cells = Cells(tables.resolution, out.dtype, out.device)
        # One line of cells for all: other classes' and the label's of the first candidate, of the second, ...
        self._intercepts, self._gradients = tables.intercepts.flatten(), tables.gradients.flatten()
        self._length = n_cells(tables.resolution)
        start = torch.arange(popsize, dtype=self._cells.integer, device=out.device) * (2 * self._length)
        self._start = (start - self._cells.first)[:, None, None]
        self._out = out
        self._log_p, self._exps, self._place, self._factor = (
            memory.take(name, tuple(out.shape), out) for name in ("log_p", "exps", "place", "factor")
        )
        self._total, self._sum = (
            memory.take(name, (tasks, popsize, 1, columns), out) for name in ("total", "sum")
        )
        self._state, self._scale = state, tables.scale
        self._tempering = None
        if tables.tempering is not None:
            self._tempering = tables.tempering.map(lambda tensor: tensor[:, :, None])
        self._flat = self._place.view(self._cells.integer).view(-1), out.view(-1), self._factor.view(-1)

    def label_cells(self, target: Tensor) -> Tensor:
        """By how many cells the label's table lies behind the others', for targets ``(..., n)``.

        Shape ``(..., 1, classes, n)``; what :meth:`__call__` wants.
        """
        classes = torch.arange(self._n_classes, device=target.device)[:, None]
        is_label = (target[..., None, None, :] == classes).to(self._cells.integer)
        return is_label.mul_(self._length)

    def __call__(self, logits: Tensor, label_cells: Tensor) -> None:
        """Write the gradient with respect to logits ``(tasks, popsize, classes, n)``."""
        # log_p, exps and out are (tasks, popsize, classes, n), total and the sums (tasks, popsize, 1, n).
        log_p, exps, out, total, smoothing = self._log_p, self._exps, self._out, self._total, None
        torch.amax(logits, dim=2, keepdim=True, out=total)
        # Far below the floor, where the slopes are constant, all is the same; but an exponential that is a
        # denormal number takes seven times as long.
        torch.sub(logits, total, out=log_p).clamp_(min=_LOWEST)
        torch.exp(log_p, out=exps)
        torch.sum(exps, dim=2, keepdim=True, out=total)
        log_p.sub_(torch.log(total, out=self._sum))
        if self._state is not None:
            exponent, offset, smoothing = self._state.take_in(log_p, label_cells != 0)
            if offset is not None:
                log_p.sub_(offset)
            if exponent is not None:
                log_p.mul_(exponent)
        if self._tempering is not None:
            # Other classes have no slope where t is not 1.
            log_p.mul_(self._tempering.at(self._context(label_cells)))
        self._cells.locate(log_p, self._place).add_(label_cells).add_(self._start)
        # Flat views of place, out and factor: one lookup for all, slope = intercept + gradient * log_p.
        cell, slope, factor = self._flat
        torch.index_select(self._intercepts, 0, cell, out=slope)
        torch.index_select(self._gradients, 0, cell, out=factor)
        out.addcmul_(self._factor, log_p)
        if smoothing is not None:
            out.sub_(smoothing * (self._scale / self._n_classes))
        # h stands in out; h_j - p_j sum_i h_i with p = exps / total.
        torch.sum(out, dim=2, keepdim=True, out=self._sum)
        out.addcmul_(exps, self._sum.div_(total), value=-1)

    def _context(self, label_cells: Tensor) -> Tensor:
        """The value that exponents follow, ``(tasks, popsize, 1, n)``, from exponentials and their totals."""
        # The largest probability is 1 / total.
        certain = certainty_of(self._total.reciprocal(), self._n_classes)
        paced = self._tempering.paced if self._tempering is not None else None
        if paced is None:
            return certain
        # label_cells is the length of a table at the label and 0 elsewhere.
        length, dtype = self._length, self._factor.dtype
        learned = torch.mul(self._exps, label_cells, out=self._factor).div_(self._total)
        # learned is p at the label times length, 0 elsewhere: (tasks, popsize, classes, n). own is that of
        # each sample, sums that of each class, of_class that of each sample's class: (tasks, popsize, 1, n)
        # again.
        own = torch.sum(learned, dim=2, keepdim=True, out=self._sum)
        sums = learned.sum(dim=3, keepdim=True)
        of_class = torch.mul(label_cells, sums, out=self._factor).sum(dim=2, keepdim=True).div_(length)
        # How many samples of the batch have the label of each one, times length squared at that label.
        numbers = label_cells * label_cells.sum(dim=3, keepdim=True, dtype=dtype)
        others = numbers.sum(dim=2, keepdim=True).div_(length**2).add_(BATCH_COUNT - 1)
        mean = own.mean(dim=3, keepdim=True)
        p = of_class.sub_(own).add_(mean, alpha=BATCH_COUNT).div_(others).div_(length)
        return torch.lerp(certain, certainty_of(p, self._n_classes), paced)
