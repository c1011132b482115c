from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.harness.schema import check_results
from benchmarks.speed.engine.__main__ import EngineBenchmark, main
from benchmarks.speed.engine.convergence import compare_convergence
from benchmarks.speed.engine.subjects import EvolossEngine, check_agreement, start_peers
from benchmarks.speed.engine.workload import NETWORK, first_batch, write_workload
from benchmarks.speed.peers.client import PEERS, ROOT, Peer, PeerError
from benchmarks.speed.peers.formula import direct_fitness
from benchmarks.speed.peers.serving import Workload, couple_order
from benchmarks.speed.peers.torch_engine import PopulationFitness, TorchEngine, silu_base_2
from evoloss.errors import UnknownNameError
from evoloss.fitness import RankingConfig, RankingFitness, make_couples

N_PARAMS = 2 * 16 + 16 + 16 * 16 + 16 + 16


@pytest.fixture(autouse=True)
def _process_as_it_was() -> Iterator[None]:
    # The engines and the driver set these for their process.
    threads = torch.get_num_threads()
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    yield
    torch.set_num_threads(threads)
    torch.set_flush_denormal(False)
    if cores is not None:
        os.sched_setaffinity(0, cores)


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> EngineBenchmark:
    return EngineBenchmark(
        out=tmp_path_factory.mktemp("out") / "engine.json",
        peers_python=Path("no-such-python"),
        couples_per_pair=4,
        peers=("evosax", "PyTorch, loop"),
        rounds=1,
        seconds=0.01,
        threads=1,
        popsizes=(8,),
        pairs=512,
        batches=2,
        seeds=2,
        generations=4,
        every=2,
        converge=("PyTorch, loop",),
    )


@pytest.fixture(scope="module")
def directory(options: EngineBenchmark, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("workload")
    write_workload(options.work(8), directory)
    return directory


@pytest.fixture(scope="module")
def workload(directory: Path) -> Workload:
    return Workload.read(directory)


def a_population(workload: Workload, size: int = 11) -> np.ndarray:
    noise = np.random.default_rng(1).standard_normal((size, workload.n_params))
    return (workload.starts[0] + 0.1 * noise).astype(np.float32)


def test_the_formula_agrees_with_exact_ranking_fitness(workload: Workload, directory: Path) -> None:
    population = torch.from_numpy(a_population(workload))
    assert population.shape[1] == NETWORK.n_params == N_PARAMS
    batch = first_batch(directory)
    config = RankingConfig(n_grid=0, couples_per_pair=4)
    couples = make_couples(config, replace(batch, log_probs=batch.log_probs.double()), torch.Generator())
    evaluation = RankingFitness(config, NETWORK, [couples]).evaluate(population.double())
    accepted = evaluation.fitness.isfinite().numpy()
    assert accepted.sum() >= 6
    expected = direct_fitness(workload, population.numpy())
    np.testing.assert_allclose(evaluation.fitness.numpy()[accepted], expected[accepted], atol=1e-12)


@pytest.mark.parametrize("variant", ["naive", "batched", "vmap"])
def test_torch_peers_compute_the_formula(workload: Workload, variant: str) -> None:
    population = a_population(workload)
    evaluate = PopulationFitness(workload, variant)
    for batch in range(workload.n_batches):
        fitness = evaluate(torch.from_numpy(population), batch + workload.n_batches).numpy()
        expected = direct_fitness(workload, population, batch)
        assert np.abs(fitness - expected).max() <= 2 / workload.comparable[batch]  # of the couples, two
    assert len(np.unique(expected)) > 5


def test_the_short_exponential_is_as_good_as_float32() -> None:
    z = torch.linspace(-300, 300, 200_001)
    made = silu_base_2(z * -np.log2(np.e)) * -np.log(2)
    exact = z.double() * torch.sigmoid(z.double())
    assert ((made - exact).abs() <= 4e-7 * exact.abs().clamp(min=1)).all()


def test_ties_in_error_do_not_count_and_equal_losses_count_half(workload: Workload) -> None:
    tied = np.zeros((1, N_PARAMS), np.float32)
    assert direct_fitness(workload, tied) == [0.5]
    assert PopulationFitness(workload, "batched")(torch.from_numpy(tied)).tolist() == [0.5]
    log_probs, target = np.zeros((1, 6, 10), np.float32), np.zeros((1, 6), np.int64)
    log_probs[0, :, 0] = [-1, -1, -2, -2, -2, -3]
    order = couple_order(log_probs, target, 1)
    assert order.tolist() == [[[0.0, -1.0, 0.0, 0.0, -1.0, 1.0]]]  # the error grows as log p_y falls


def test_naive_and_batched_searches_go_the_same_way(workload: Workload) -> None:
    centres = []
    for variant in ("naive", "batched"):
        engine = TorchEngine(workload, variant)
        engine.restart(1)
        engine.run(3)
        centres.append(engine.centre())
    np.testing.assert_allclose(centres[0], centres[1], atol=1e-4)
    assert np.abs(centres[0] - workload.starts[1]).max() > 1e-3


def test_a_peer_answers_line_by_line(workload: Workload, directory: Path) -> None:
    peer = Peer(Path(sys.executable), "PyTorch, batched", directory, threads=1)
    try:
        assert peer.versions["torch"] == torch.__version__
        assert peer.run(2) > 0
        path = directory / "some.npy"
        population = a_population(workload, size=3)
        np.save(path, population)
        np.testing.assert_allclose(
            peer.fitness(path), direct_fitness(workload, population), atol=2 / workload.comparable[0]
        )
        centres = peer.centres(4, seed=1, every=2)
        assert centres.shape == (2, N_PARAMS)
        np.testing.assert_array_equal(centres, peer.centres(4, seed=1, every=2))
        with pytest.raises(PeerError, match="not a command: 'walk 3'"):
            peer.ask("walk 3")
        assert peer.run(1) > 0  # and goes on
    finally:
        peer.close()
    assert peer.process.returncode == 0


def test_missing_peers_are_named(options: EngineBenchmark, directory: Path) -> None:
    with ExitStack() as stack:
        peers, skipped = start_peers(("evosax", "EvoX"), options.peers_python, directory, 1, stack)
    assert peers == {}
    assert "benchmarks/speed/peers/setup.sh" in skipped["evosax"]
    assert "no environment at no-such-python" in skipped["EvoX"]


def test_ours_agrees_and_the_driver_writes_a_valid_file(
    options: EngineBenchmark, capsys: pytest.CaptureFixture[str]
) -> None:
    main(options)
    assert "SKIPPED evosax: no environment at no-such-python" in capsys.readouterr().out
    content = json.loads(options.out.read_text())
    check_results(content)
    assert [row["subject"] for row in content["rows"]] == ["evoloss", "PyTorch, loop"]
    assert content["command"].startswith("python -m benchmarks.speed.engine --out OUT ")
    assert set(content["skipped"]) == {"evosax"}
    assert max(content["agreement"].values()) <= 1e-3
    assert content["fastest_peer"][0]["peer"] == "PyTorch, loop"
    assert content["convergence"]["generations"] == [2, 4]
    for subject in content["convergence"]["subjects"].values():
        assert np.shape(subject["by_seed"]) == (2, 2)


class Wrong:
    """A subject whose fitness is not the objective's."""

    def run(self, generations: int) -> float:
        return 1.0

    def centres(self, generations: int, seed: int, every: int) -> np.ndarray:
        return np.zeros((generations // every, N_PARAMS), np.float32)

    def fitness(self, path: Path) -> np.ndarray:
        return np.full(len(np.load(path)), 0.25)


def test_a_wrong_fitness_is_seen(options: EngineBenchmark, directory: Path) -> None:
    ours = EvolossEngine(options.work(8), directory)
    try:
        differences = check_agreement({"ours": ours, "wrong": Wrong()}, directory)
    finally:
        ours.close()
    assert differences["ours"] <= 1e-3 < differences["wrong"]
    lengths = {"seeds": 2, "generations": 4, "every": 2}
    result = compare_convergence(options.work(8), {"wrong": Wrong()}, directory, **lengths)
    assert result["subjects"]["wrong"]["mean"] == [0.5, 0.5]  # every loss is equal


def test_every_peer_has_a_program_that_knows_its_variant_and_not_this_package() -> None:
    for program in PEERS.values():
        source = (ROOT / f"benchmarks/speed/peers/{program.module}.py").read_text()
        assert f'"{program.variant}"' in source
        assert "import evoloss" not in source
        assert "from evoloss" not in source


def test_unknown_peers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'evosax'"):
        EngineBenchmark(out=tmp_path / "engine.json", peers=("evosaxe",))
    with pytest.raises(UnknownNameError, match="no peer 'none'"):
        EngineBenchmark(out=tmp_path / "engine.json", converge=("none",))
