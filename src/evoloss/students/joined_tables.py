"""One population out of several, as tables."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from evoloss.errors import ConfigError
from evoloss.networks import States, Tempering
from evoloss.students.slope_tables import SlopeTables


def join_tables(tables: Sequence[SlopeTables]) -> SlopeTables:
    """One population out of several, in the given order; such as candidates and a known loss beside them.

    Raises:
        ConfigError: if they are for different class counts or of different resolutions, or if several of
            them have states.

    Example:
        >>> from evoloss.losses import LOSSES
        >>> one, other = (
        ...     tabulate_functions([LOSSES[name]().slopes(10)], 10, like=torch.zeros(()))
        ...     for name in ("cross_entropy", "gce")
        ... )
        >>> join_tables([one, other]).exists.shape
        torch.Size([2])
    """
    kinds = {(table.n_classes, table.resolution) for table in tables}
    if len(kinds) != 1:
        raise ConfigError(f"tables of one class count and resolution can be joined, got {sorted(kinds)}")
    return SlopeTables(
        torch.cat([table.intercepts for table in tables]),
        torch.cat([table.gradients for table in tables]),
        torch.cat([table.exists for table in tables]),
        *kinds.pop(),
        _joined_tempering(tables),
        _joined_states(tables),
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
    """The states of all candidates: rows of zeros for those that come without."""
    having = [at for at, entry in enumerate(tables) if entry.states is not None]
    if not having:
        return None
    if len(having) > 1:
        raise ConfigError("tables of one population with a state can be joined with others, got several")
    states = tables[having[0]].states
    assert states is not None
    before, after = (sum(map(len, part)) for part in (tables[: having[0]], tables[having[0] + 1 :]))
    return states.map(
        lambda rows: torch.cat(
            [rows.new_zeros(before, *rows.shape[1:]), rows, rows.new_zeros(after, *rows.shape[1:])]
        )
    )
