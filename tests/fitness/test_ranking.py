from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import torch
from torch import Tensor

from evoloss.errors import ConfigError, EvolossError, UnknownNameError
from evoloss.fitness import Couples, RankingConfig, RankingFitness, make_couples
from evoloss.networks import ClasswiseNetwork, ConcatNetwork, LossNetwork, MonotoneNetwork
from evoloss.pairs import Pairs, PairsConfig, dominates, sample_pairs
from evoloss.random_streams import stream
from evoloss.students import Workspace

NETWORK = ClasswiseNetwork()


def pairs(n_classes: int, n: int = 120, dtype: torch.dtype = torch.float64) -> Pairs:
    return sample_pairs(PairsConfig(), n, n_classes, stream(0, "pairs", n_classes), dtype)


def couples(config: RankingConfig, *class_counts: int, dtype: torch.dtype = torch.float64) -> list[Couples]:
    return [make_couples(config, pairs(count, dtype=dtype), stream(1, count)) for count in class_counts]


def population(network: LossNetwork, popsize: int, seed: int = 0) -> Tensor:
    generator = stream(seed, "population")
    rows = torch.stack([network.initial(generator) for _ in range(popsize)]).double()
    return rows + 0.2 * torch.randn(rows.shape, generator=generator, dtype=torch.float64)


def accepted(network: LossNetwork, popsize: int, *class_counts: int) -> Tensor:
    rows = population(network, 12 * popsize)
    keep = torch.stack([network.form(rows, count).exists for count in class_counts]).all(0)
    return rows[keep][:popsize]


def gaps(network: LossNetwork, row: Tensor, made: Couples) -> Tensor:
    """L(worse) - L(better) of one candidate, couple by couple from the two predictions."""
    worse, better = (
        network.losses(row[None], made.log_probs[index], made.target[index])[0]
        for index in (made.worse, made.better)
    )
    return worse - better


def met(made: Couples) -> set[frozenset[int]]:
    """Which pairs were compared, whatever the order."""
    return {frozenset(couple) for couple in zip(made.worse.tolist(), made.better.tolist(), strict=True)}


def by_hand(objective: str, gap: Tensor, margin: float) -> float:
    values = []
    for d in gap.tolist():
        if objective == "sign":
            values.append(1.0 if d < 0 else 0.5 if d == 0 else 0.0)
        elif objective == "hinge":
            values.append(max(0.0, 1 - d / margin))
        else:
            values.append(math.log1p(math.exp(-abs(d / margin))) + max(0.0, -d / margin))
    return sum(values) / len(values)


@pytest.mark.parametrize("error", ["one_minus_p", "total_variation"])
def test_the_worse_of_a_couple_has_the_smaller_probability(error: str) -> None:
    batch = pairs(5, 200, torch.float32)
    made = make_couples(RankingConfig(error=error, couples_per_pair=3), batch, stream(0))  # type: ignore[arg-type]
    log_p = made.log_probs.gather(1, made.target[:, None]).squeeze(1)
    assert (log_p[made.worse] < log_p[made.better]).all()
    assert len(made.worse) == 600
    # Each pair meets three others, and is met by three.
    assert (torch.bincount(torch.cat([made.worse, made.better])) == 6).all()
    assert len(met(made)) == 600


def test_no_more_couples_than_there_are_partners() -> None:
    made = make_couples(RankingConfig(couples_per_pair=50), pairs(5, 4), stream(0))
    assert met(made) == {frozenset(combination) for combination in itertools.combinations(range(4), 2)}


def test_ties_are_left_out() -> None:
    log_probs = torch.tensor([[0.7, 0.2, 0.1], [0.7, 0.1, 0.2], [0.5, 0.3, 0.2]]).log()
    batch = Pairs(log_probs, torch.zeros(3, dtype=torch.int64), torch.zeros(3, dtype=torch.int64))
    made = make_couples(RankingConfig(couples_per_pair=2), batch, stream(0))
    assert (made.worse == 2).all()
    assert set(made.better.tolist()) == {0, 1}


@pytest.mark.parametrize("n", [1, 4])
def test_nothing_but_ties(n: int) -> None:
    zeros = torch.zeros(n, dtype=torch.int64)
    batch = Pairs(torch.full((n, 2), -math.log(2)), zeros, zeros)
    with pytest.raises(
        ConfigError, match="no couple of pairs is comparable: all errors are equal; draw more"
    ):
        make_couples(RankingConfig(), batch, stream(0))


def test_dominance_couples_a_pair_with_itself_made_worse() -> None:
    batch = pairs(6, 100)
    config = RankingConfig(error="dominance")
    made = make_couples(config, batch, stream(3))
    assert made.log_probs.shape == (200, 6)
    worse, better = ((made.log_probs[index], made.target[index]) for index in (made.worse, made.better))
    assert torch.equal(better[0], batch.log_probs)
    assert torch.equal(better[1], batch.target)
    assert torch.equal(worse[1], batch.target)
    assert dominates(worse, better).all()
    again = make_couples(config, batch, stream(3))
    assert torch.equal(made.log_probs, again.log_probs)


@pytest.mark.parametrize("objective", ["sign", "hinge", "logistic"])
@pytest.mark.parametrize(("network", "counts"), [(NETWORK, (2, 10)), (ConcatNetwork(n_classes=4), (4,))])
def test_exact_fitness_follows_the_formula(
    network: LossNetwork, counts: tuple[int, ...], objective: str
) -> None:
    config = RankingConfig(objective=objective, margin=0.3, n_grid=0, couples_per_pair=2)  # type: ignore[arg-type]
    all_couples = couples(config, *counts)
    params = accepted(network, 4, *counts)
    evaluation = RankingFitness(config, network, all_couples).evaluate(params)
    for row, fitness, consistency in zip(params, evaluation.fitness, evaluation.consistency, strict=True):
        found = [gaps(network, row, made) for made in all_couples]
        expected = sum(by_hand(objective, gap, 0.3) for gap in found) / len(counts)
        assert float(fitness) == pytest.approx(expected, rel=1e-6)
        share = sum(by_hand("sign", gap, 0.3) for gap in found) / len(counts)
        assert float(consistency) == pytest.approx(1 - share, abs=1e-9)
    assert evaluation.rejected == 0


@pytest.mark.parametrize("objective", ["sign", "hinge", "logistic"])
def test_tables_stand_for_the_networks(objective: str) -> None:
    exact, tabulated = (RankingConfig(objective=objective, n_grid=n) for n in (0, 128))  # type: ignore[arg-type]
    all_couples = couples(exact, 2, 10)
    params = accepted(NETWORK, 8, 2, 10)
    one, other = (
        RankingFitness(config, NETWORK, all_couples).evaluate(params) for config in (exact, tabulated)
    )
    torch.testing.assert_close(other.consistency, one.consistency, rtol=0, atol=5e-3)
    torch.testing.assert_close(other.fitness, one.fitness, rtol=5e-3, atol=5e-3)
    assert not torch.equal(one.fitness, other.fitness) or objective == "sign"


@pytest.mark.parametrize("n_grid", [0, 128])
def test_broken_candidates_are_rejected_counted_and_harmless(n_grid: int) -> None:
    config = RankingConfig(n_grid=n_grid)
    fitness = RankingFitness(config, NETWORK, couples(config, 2, 10))
    good = accepted(NETWORK, 3, 2, 10)
    width = NETWORK.hidden[-1]
    reversed_ = torch.cat([good[:1, :-width], -good[:1, -width:]], dim=1)
    one_nan = good[:1].clone()
    one_nan[0, 5] = math.nan
    bad = torch.cat([one_nan, good[:1] * math.inf, good[:1] * 0, reversed_, good[:1] * 1e200])
    alone = fitness.evaluate(good)
    mixed = fitness.evaluate(torch.cat([bad[:2], good, bad[2:]]))
    assert alone.rejected == 0
    assert alone.fitness.isfinite().all()
    assert mixed.rejected == 5
    assert (mixed.fitness[[0, 1, 5, 6, 7]] == math.inf).all()
    assert mixed.consistency[[0, 1, 5, 6, 7]].isnan().all()
    torch.testing.assert_close(mixed.fitness[2:5], alone.fitness, rtol=0, atol=1e-3)
    assert mixed.consistency[2:5].isfinite().all()


def test_one_class_count_without_a_form_rejects_the_candidate() -> None:
    config = RankingConfig()
    params = population(NETWORK, 64)
    at_2, at_1000 = (NETWORK.form(params, count).exists for count in (2, 1000))
    assert (at_2 != at_1000).any()
    evaluation = RankingFitness(config, NETWORK, couples(config, 2, 1000)).evaluate(params)
    assert torch.equal(evaluation.fitness.isfinite(), at_2 & at_1000)
    assert evaluation.rejected == int((~(at_2 & at_1000)).sum())


@pytest.mark.parametrize("objective", ["sign", "logistic"])
@pytest.mark.parametrize("n_grid", [0, 128])
def test_fitness_does_not_depend_on_the_rest_of_the_population(n_grid: int, objective: str) -> None:
    config = RankingConfig(n_grid=n_grid, objective=objective)  # type: ignore[arg-type]
    fitness = RankingFitness(config, NETWORK, couples(config, 10))
    params = accepted(NETWORK, 6, 10)
    together = fitness.evaluate(params).fitness
    alone = torch.cat([fitness.evaluate(row[None]).fitness for row in params])
    torch.testing.assert_close(together, alone, rtol=1e-9, atol=1e-3 if objective == "sign" else 1e-9)
    twins = fitness.evaluate(params[:1].repeat(4, 1)).fitness
    torch.testing.assert_close(twins, twins[:1].expand(4), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("n_grid", [0, 128])
def test_a_monotone_candidate_orders_every_dominance_couple(n_grid: int, dtype: torch.dtype) -> None:
    network = MonotoneNetwork()
    config = RankingConfig(error="dominance", n_grid=n_grid)
    fitness = RankingFitness(config, network, couples(config, 2, 40, dtype=dtype))
    evaluation = fitness.evaluate(population(network, 8).to(dtype))
    assert evaluation.rejected == 0
    # In float32 two losses may agree to the last digit.
    least = 1.0 if dtype == torch.float64 else 0.995
    assert (evaluation.consistency >= least).all()
    assert evaluation.fitness.dtype == dtype


def test_a_classwise_candidate_need_not() -> None:
    config = RankingConfig(error="dominance")
    fitness = RankingFitness(config, NETWORK, couples(config, 10))
    assert fitness.evaluate(accepted(NETWORK, 8, 10)).consistency.min() < 0.9


@pytest.mark.parametrize(
    ("fields", "error", "message"),
    [
        ({"objective": "sgn"}, UnknownNameError, "no ranking objective 'sgn'. Did you mean 'sign'?"),
        ({"error": "dominence"}, UnknownNameError, "no error 'dominence'. Did you mean 'dominance'?"),
        ({"margin": 0.0}, ConfigError, "margin must be above 0 and finite, got 0.0"),
        ({"margin": math.nan}, ConfigError, "margin must be above 0 and finite, got nan"),
        ({"couples_per_pair": 0}, ConfigError, "couples_per_pair must be at least 1, got 0"),
        ({"n_grid": 1}, ConfigError, "n_grid must be 0 (exact) or at least 5, got 1"),
        ({"n_grid": -2}, ConfigError, "n_grid must be 0 (exact) or at least 5, got -2"),
    ],
)
def test_wrong_fields(fields: dict[str, Any], error: type[EvolossError], message: str) -> None:
    with pytest.raises(error) as caught:
        RankingConfig(**fields)
    assert message in str(caught.value)


@pytest.mark.parametrize("objective", ["sign", "hinge"])
def test_chunks_and_reused_memory_do_not_show(objective: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for n_grid in (0, 32):
        config = RankingConfig(n_grid=n_grid, objective=objective)  # type: ignore[arg-type]
        params = accepted(NETWORK, 6, 2, 10)
        whole = RankingFitness(config, NETWORK, couples(config, 2, 10)).evaluate(params)
        workspace = Workspace()
        with monkeypatch.context() as patch:
            patch.setattr("evoloss.fitness.ranking.chunk_rows", lambda elements: 7)
            for _ in range(2):
                fitness = RankingFitness(config, NETWORK, couples(config, 2, 10), workspace)
                cut = fitness.evaluate(params)
        torch.testing.assert_close(cut.fitness, whole.fitness, rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(cut.consistency, whole.consistency, rtol=1e-9, atol=1e-9)


def test_grouped_classes_are_judged_like_the_classes_they_stand_for() -> None:
    """The mean consistency of a candidate over grouped pairs is that over pairs drawn class by class."""
    config = RankingConfig()
    params = accepted(NETWORK, 12, 300)

    def consistency(slots: int) -> Tensor:
        found = []
        for seed in range(6):
            batch = sample_pairs(PairsConfig(slots=slots), 400, 300, stream(seed, slots), torch.float64)
            found.append(
                RankingFitness(config, NETWORK, [make_couples(config, batch, stream(0))]).evaluate(params)
            )
        return torch.stack([value.consistency for value in found])

    grouped, every = consistency(64), consistency(0)
    error = ((grouped.var(0) + every.var(0)) / 6).sqrt()
    assert ((grouped.mean(0) - every.mean(0)).abs() < 4.5 * error + 2e-3).all()


def test_grouped_classes_need_tables_and_a_total_order() -> None:
    batch = sample_pairs(PairsConfig(slots=8), 20, 100, stream(0))
    made = make_couples(RankingConfig(), batch, stream(0))
    assert made.n_classes == 100
    with pytest.raises(ConfigError, match="grouped classes need tables: set n_grid, or draw every class"):
        RankingFitness(RankingConfig(n_grid=0), NETWORK, [made])
    with pytest.raises(ConfigError, match="dominance moves mass between classes, grouped here"):
        make_couples(RankingConfig(error="dominance"), batch, stream(0))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("n_grid", [0, 32])
def test_the_same_fitness_on_a_gpu(n_grid: int) -> None:
    config = RankingConfig(n_grid=n_grid, objective="logistic")
    made = couples(config, 2, 10)
    there = [
        Couples(
            couple.log_probs.cuda(),
            couple.target.cuda(),
            couple.n_classes,
            couple.worse.cuda(),
            couple.better.cuda(),
        )
        for couple in made
    ]
    params = accepted(NETWORK, 6, 2, 10)
    here, gpu = (
        RankingFitness(config, NETWORK, place).evaluate(rows)
        for place, rows in ((made, params), (there, params.cuda()))
    )
    torch.testing.assert_close(gpu.fitness.cpu(), here.fitness, rtol=1e-6, atol=1e-6)
