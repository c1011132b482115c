from __future__ import annotations

import threading

import pytest
import torch

from evoloss.fitness import RankingFitness, Workspace
from evoloss.pretraining import pretrain
from evoloss.pretraining.lookahead import Lookahead
from evoloss.pretraining.parts import make_fitness, make_network, make_strategy, start_point
from evoloss.random_streams import stream
from tests.pretraining.runs import tiny


def test_fitness_made_ahead_in_reused_memory_is_the_fitness_made_at_once() -> None:
    config = tiny(classes=(3, 100), slots=16, generations=6)
    network, strategy = make_network(config), make_strategy(config)
    state = strategy.init(start_point(config, network), stream(0, "strategy"))
    candidates, _ = strategy.ask(state, stream(0, "ask"))
    lookahead = Lookahead(lambda at, workspace: make_fitness(config, network, at, workspace), last=6)
    try:
        for generation in range(1, 7):
            ahead = lookahead.get(generation).evaluate(candidates)
            alone = make_fitness(config, network, generation).evaluate(candidates)
            assert torch.equal(ahead.fitness, alone.fitness)
    finally:
        lookahead.close()


def test_one_generation_ahead_in_another_thread_and_none_beyond_the_last() -> None:
    made: list[tuple[int, int]] = []
    workspaces: dict[int, Workspace] = {}

    def make(generation: int, workspace: Workspace) -> RankingFitness:
        made.append((generation, threading.get_ident()))
        workspaces[generation] = workspace
        return RankingFitness.__new__(RankingFitness)

    lookahead = Lookahead(make, last=3)
    for generation in (1, 2, 3):
        lookahead.get(generation)
    lookahead.close()
    assert [generation for generation, _ in made] == [1, 2, 3]
    assert {thread for _, thread in made}.isdisjoint({threading.get_ident()})
    assert workspaces[1] is workspaces[3]
    assert workspaces[1] is not workspaces[2]


def test_another_generation_than_the_next_can_be_asked_for() -> None:
    config = tiny(generations=9)
    network = make_network(config)
    lookahead = Lookahead(lambda at, workspace: make_fitness(config, network, at, workspace), last=9)
    lookahead.get(1)
    jumped = lookahead.get(7).couples[0].log_probs
    assert torch.equal(jumped, make_fitness(config, network, 7).couples[0].log_probs)
    lookahead.close()


def test_an_error_of_the_other_thread_is_raised_here_and_no_thread_stays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*args: object) -> RankingFitness:
        raise RuntimeError("out of pairs")

    before = threading.active_count()
    monkeypatch.setattr("evoloss.pretraining.loop.make_fitness", broken)
    with pytest.raises(RuntimeError, match="out of pairs"):
        pretrain(tiny(generations=3))
    assert threading.active_count() == before
