"""One population out of several, as tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from evoloss.errors import ConfigError
from evoloss.networks import SlopeArgument, States, Tempering, TrainingState
from evoloss.students.slope_tables import SlopeTables


def join_tables(tables: Sequence[SlopeTables]) -> SlopeTables:
    """One population out of several, in the given order; such as candidates and a known loss beside them.

    Raises:
        ConfigError: if they are for different class counts, of different resolutions or scales, or if
            several of them have states.

    Example:
        >>> from evoloss.losses import LOSSES
        >>> one, other = (
        ...     tabulate_functions([LOSSES[name]().slopes(10)], 10, like=torch.zeros(()))
        ...     for name in ("cross_entropy", "gce")
        ... )
        >>> join_tables([one, other]).exists.shape
        torch.Size([2])
    """
    kinds = {(table.n_classes, table.resolution, table.scale) for table in tables}
    if len(kinds) != 1:
        raise ConfigError(
            f"tables of one class count, resolution and scale can be joined, got {sorted(kinds)}"
        )
    n_classes, resolution, scale = kinds.pop()
    return SlopeTables(
        torch.cat([table.intercepts for table in tables]),
        torch.cat([table.gradients for table in tables]),
        torch.cat([table.exists for table in tables]),
        n_classes,
        resolution,
        _joined_tempering(tables),
        _joined_states(tables),
        scale,
        all(table.only_labels for table in tables),
    )


def _joined_tempering(tables: Sequence[SlopeTables]) -> Tempering | None:
    """The tempering of all candidates: without one t is 1, whatever the certainty."""
    if all(table.tempering is None for table in tables):
        return None
    own = [table.tempering or Tempering(*table.intercepts.new_ones(2, len(table), 1)) for table in tables]
    least, power = (torch.cat(parts) for parts in zip(*(tempering[:2] for tempering in own), strict=True))
    paced = None
    if any(tempering.paced is not None for tempering in own):
        paced = torch.cat(
            [
                torch.zeros_like(tempering.least) if tempering.paced is None else tempering.paced
                for tempering in own
            ]
        )
    return Tempering(least, power, paced)


def _joined_states(tables: Sequence[SlopeTables]) -> States | None:
    """The states of all candidates, of which some keep none."""
    having = [at for at, entry in enumerate(tables) if entry.states is not None]
    if not having:
        return None
    if len(having) > 1:
        raise ConfigError("tables of one population with a state can be joined with others, got several")
    states = tables[having[0]].states
    assert states is not None
    before, after = (sum(map(len, part)) for part in (tables[: having[0]], tables[having[0] + 1 :]))
    keeping = StatesOfSome(states, tables[having[0]].intercepts.new_ones(len(tables[having[0]]), 1))
    return keeping.map(
        lambda rows: torch.cat(
            [rows.new_zeros(before, *rows.shape[1:]), rows, rows.new_zeros(after, *rows.shape[1:])]
        )
    )


@dataclass(frozen=True)
class StatesOfSome:
    """The states of a population some of whose candidates keep none.

    Attributes:
        states: rows of zeros where there is none.
        keeps: 1 for candidates with a state, else 0, ``(popsize, 1)``.
    """

    states: States
    keeps: Tensor

    def map(self, change: Callable[[Tensor], Tensor]) -> StatesOfSome:
        """The same with every tensor changed."""
        return StatesOfSome(self.states.map(change), change(self.keeps))

    def begin(self, n_tasks: int, n_samples: int) -> TrainingStateOfSome:
        """The statistics of trainings that have not begun."""
        return TrainingStateOfSome(self.states.begin(n_tasks, n_samples), self.keeps[:, :, None] != 0)


@dataclass(frozen=True)
class TrainingStateOfSome:
    """The running statistics of trainings, some of which keep none and look slopes up at log p."""

    state: TrainingState
    keeps: Tensor  # bool, (popsize, 1, 1)

    def take_in(self, log_probs: Tensor, is_label: Tensor) -> SlopeArgument:
        """Take in a batch; see :class:`~evoloss.networks.states.TrainingState`."""
        made = self.state.take_in(log_probs, is_label)
        without = (1.0, 0.0, 0.0)
        return SlopeArgument(
            *(
                None if value is None else torch.where(self.keeps, value, other)
                for value, other in zip(made, without, strict=True)
            )
        )
