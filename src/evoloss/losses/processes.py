"""Exchange between processes that train together: sums over their batches, and rows."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from evoloss.networks import BatchSums

__all__ = ["Processes"]


class Processes:
    """The processes of one group, as ``torch.distributed`` has them; a process without others is alone.

    Copies speak with the same processes.

    Args:
        group: a process group; None for the default one, whatever that is when something is said.

    Example:
        >>> Processes().summed({"samples": torch.tensor(3.0)})
        {'samples': tensor(3.)}
    """

    def __init__(self, group: Any = None) -> None:
        self.group = group

    @property
    def are_there(self) -> bool:
        """True if a process group has been initialised."""
        return dist.is_available() and dist.is_initialized()

    def summed(self, sums: BatchSums) -> BatchSums:
        """Sums over the batches of all processes, from those of this one's; equal in all of them."""
        if not self.are_there:
            return sums
        flat = torch.cat([value.reshape(-1) for value in sums.values()])
        dist.all_reduce(flat, group=self.group)
        parts = torch.split(flat, [value.numel() for value in sums.values()])
        return {
            name: part.reshape(value.shape).to(value.dtype)
            for (name, value), part in zip(sums.items(), parts, strict=True)
        }

    def gathered(self, rows: Tensor) -> Tensor:
        """The rows of all processes, one process after another.

        Args:
            rows: of the batch, equally many in every process.
        """
        if not self.are_there:
            return rows
        parts = [torch.empty_like(rows) for _ in range(dist.get_world_size(self.group))]
        dist.all_gather(parts, rows.contiguous(), group=self.group)
        return torch.cat(parts)

    def __deepcopy__(self, memo: dict[int, Any]) -> Processes:
        return self  # a process group has no copy
