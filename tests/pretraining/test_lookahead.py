from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest
import torch

from evoloss.fitness import RankingFitness
from evoloss.pretraining import pretrain
from evoloss.pretraining.components import block_length, make_block, make_fitness, make_network, make_strategy
from evoloss.pretraining.lookahead import Lookahead
from evoloss.pretraining.start import start_point
from evoloss.random_streams import stream
from evoloss.students import Workspace
from tests.pretraining.runs import tiny


@pytest.mark.parametrize("pairs", [24, 3000])
def test_fitness_made_ahead_in_reused_memory_is_the_fitness_made_at_once(pairs: int) -> None:
    config = tiny(classes=(3, 100), slots=16, generations=400, pairs=pairs)
    network, strategy = make_network(config), make_strategy(config)
    state = strategy.init(start_point(config, network), stream(0, "strategy"))
    candidates, _ = strategy.ask(state, stream(0, "ask"))
    length = block_length(config, network)
    assert length == (170 if pairs == 24 else 1)
    lookahead = Lookahead(lambda at, spaces: make_block(config, network, at, spaces), length, last=400)
    try:
        for generation in (1, 2, 3, length, length + 1, 2 * length, 2 * length + 1):
            ahead = lookahead.get(generation).evaluate(candidates)
            alone = make_fitness(config, network, generation).evaluate(candidates)
            assert torch.equal(ahead.fitness, alone.fitness)
    finally:
        lookahead.close()


def test_a_block_ahead_in_another_thread_and_none_beyond_the_last() -> None:
    made: list[tuple[int, int]] = []
    spaces: dict[int, Sequence[Workspace]] = {}

    def make(block: int, workspaces: Sequence[Workspace]) -> list[RankingFitness]:
        made.append((block, threading.get_ident()))
        spaces[block] = workspaces
        return [RankingFitness.__new__(RankingFitness) for _ in range(2)]

    lookahead = Lookahead(make, length=2, last=5)
    seen = [lookahead.get(generation) for generation in range(1, 6)]
    lookahead.close()
    assert len({id(pairs) for pairs in seen}) == 5
    assert [block for block, _ in made] == [0, 1, 2]
    assert {thread for _, thread in made}.isdisjoint({threading.get_ident()})
    assert spaces[0] is spaces[2]
    assert spaces[0] is not spaces[1]
    assert len(spaces[0]) == 3


def test_another_generation_than_the_next_can_be_asked_for() -> None:
    config = tiny(generations=9, pairs=4096)
    network = make_network(config)
    lookahead = Lookahead(lambda at, spaces: make_block(config, network, at, spaces), 1, last=9)
    lookahead.get(1)
    jumped = lookahead.get(7).couples[0].log_probs
    assert torch.equal(jumped, make_fitness(config, network, 7).couples[0].log_probs)
    lookahead.close()


def test_an_error_of_the_other_thread_is_raised_here_and_no_thread_stays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*args: object) -> list[RankingFitness]:
        raise RuntimeError("out of pairs")

    before = threading.active_count()
    monkeypatch.setattr("evoloss.pretraining.loop.make_block", broken)
    with pytest.raises(RuntimeError, match="out of pairs"):
        pretrain(tiny(generations=3))
    assert threading.active_count() == before
