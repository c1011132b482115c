"""Drawing the next generation's pairs while this one is evaluated.

The pairs of a generation are a function of the seed and the generation alone, so they can be drawn by a
second thread before the first one asks for them; PyTorch releases the interpreter while it computes. What
is drawn is the same bits as without.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from evoloss.fitness import RankingFitness, Workspace


class Lookahead:
    """Makes fitness objects one generation ahead.

    Args:
        make: makes the fitness of a generation in a workspace.
        last: the last generation; none is made beyond it.
    """

    def __init__(self, make: Callable[[int, Workspace], RankingFitness], last: int) -> None:
        self._make, self._last = make, last
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="evoloss-lookahead")
        self._ahead: tuple[int, Future[RankingFitness]] | None = None
        # One for the generation that is evaluated, one for the generation that is made.
        self._workspaces = (Workspace(), Workspace())

    def get(self, generation: int) -> RankingFitness:
        """The fitness of a generation; those returned before must no longer be in use."""
        if self._ahead is None or self._ahead[0] != generation:
            self._submit(generation)
        assert self._ahead is not None
        fitness = self._ahead[1].result()
        self._ahead = None
        if generation < self._last:
            self._submit(generation + 1)
        return fitness

    def close(self) -> None:
        """Wait for the thread to end."""
        self._executor.shutdown(wait=True, cancel_futures=True)

    def _submit(self, generation: int) -> None:
        if self._ahead is not None:  # of a generation that nobody asked for, perhaps still at work
            self._ahead[1].exception()
        workspace = self._workspaces[generation % 2]
        self._ahead = generation, self._executor.submit(self._make, generation, workspace)
