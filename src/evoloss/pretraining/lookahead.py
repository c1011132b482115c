"""Drawing the pairs of generations to come while this one is evaluated.

Pairs are a function of the seed and the generation alone, so they can be drawn by a second thread before the
first one asks for them; PyTorch releases the interpreter while it computes. What is drawn is the same bits as
without. They come in blocks of generations (:func:`evoloss.pretraining.components.make_block`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from evoloss.fitness import RankingFitness
from evoloss.students import Workspace

Block = list[RankingFitness]


class Lookahead:
    """Makes fitness objects a block of generations ahead.

    Args:
        make: makes the fitness of each generation of a block, in a workspace each and one to share.
        length: generations in a block.
        last: the last generation; no block is made beyond its.
    """

    def __init__(self, make: Callable[[int, Sequence[Workspace]], Block], length: int, last: int) -> None:
        self._make, self.length, self._last_block = make, length, (last - 1) // length
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="evoloss-lookahead")
        self._now: tuple[int, Block] | None = None
        self._ahead: tuple[int, Future[Block]] | None = None
        # One set for the block that is evaluated, one for the block that is made.
        self._workspaces = tuple([Workspace() for _ in range(length + 1)] for _ in range(2))

    def get(self, generation: int) -> RankingFitness:
        """The fitness of a generation, from 1; those returned before must no longer be in use."""
        block, position = divmod(generation - 1, self.length)
        if self._now is None or self._now[0] != block:
            self._advance(block)
        assert self._now is not None
        return self._now[1][position]

    def wait(self) -> None:
        """Wait until the block ahead is made, so that nothing is drawn while something else is timed."""
        if self._ahead is not None:
            self._ahead[1].exception()

    def close(self) -> None:
        """Wait for the thread to end."""
        self._executor.shutdown(wait=True, cancel_futures=True)

    def _advance(self, block: int) -> None:
        if self._ahead is None or self._ahead[0] != block:
            self._submit(block)
        assert self._ahead is not None
        self._now = block, self._ahead[1].result()
        self._ahead = None
        if block < self._last_block:
            self._submit(block + 1)

    def _submit(self, block: int) -> None:
        self.wait()  # for a block that nobody asked for, perhaps still in the making
        self._ahead = block, self._executor.submit(self._make, block, self._workspaces[block % 2])
