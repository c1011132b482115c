from __future__ import annotations

import pytest
import torch

from evoloss.errors import ConfigError, UnknownNameError
from evoloss.mutation import MAPS, MUTATIONS, Chaotic, Gaussian, Mutation, StudentT, Uniform
from evoloss.mutation.chaotic import Drives
from evoloss.random_streams import stream

DRIVES: tuple[Drives, ...] = ("direction", "step", "both")
EVERY = [
    Gaussian(),
    Uniform(),
    StudentT(),
    *(Chaotic(map=name, drives=drives) for name in MAPS for drives in DRIVES),
    Chaotic(drives="both", order="independent"),
    Chaotic(drives="both", order="shuffled"),
    Chaotic(map="henon", drives="step", order="independent"),
    Chaotic(map="henon", drives="step", order="shuffled"),
]


def test_registry() -> None:
    kinds = {"gaussian": Gaussian, "uniform": Uniform, "student_t": StudentT, "chaotic": Chaotic}
    assert kinds == MUTATIONS


@pytest.mark.parametrize("mutation", EVERY, ids=repr)
def test_zero_mean_and_unit_variance(mutation: Mutation) -> None:
    generator = stream(0, "moments")
    state = mutation.init(512, 20, generator)
    mean = square = 0.0
    for _ in range(60):
        noise, state = mutation.sample(state, generator)
        mean, square = mean + float(noise.mean()) / 60, square + float(noise.square().mean()) / 60
    assert noise.shape == (512, 20)
    assert abs(mean) < 0.02
    assert square == pytest.approx(1.0, abs=0.03)


@pytest.mark.parametrize("mutation", EVERY, ids=repr)
def test_sample_is_pure(mutation: Mutation) -> None:
    state = mutation.init(8, 5, stream(1, "init"))
    _, state = mutation.sample(state, stream(1, "ask", 0))
    before = {name: value.clone() for name, value in state.items()}
    first, after_first = mutation.sample(state, stream(1, "ask", 1))
    second, after_second = mutation.sample(state, stream(1, "ask", 1))
    assert torch.equal(first, second)
    assert after_first.keys() == after_second.keys() == before.keys()
    for name, value in before.items():
        assert torch.equal(state[name], value)
        assert torch.equal(after_first[name], after_second[name])


@pytest.mark.parametrize("drives", ["direction", "both"])
def test_orbits_run_on_from_sample_to_sample(drives: str) -> None:
    mutation = Chaotic(map="logistic", drives=drives, renew_every=10**9)  # type: ignore[arg-type]
    state = mutation.init(4, 6, stream(2, "init"))
    start = state["direction.point"]
    _, state = mutation.sample(state, stream(2, "a"))
    _, state = mutation.sample(state, stream(2, "b"))
    twice = MAPS["logistic"].step(MAPS["logistic"].step(start))
    assert torch.equal(state["direction.point"], twice)
    assert int(state["direction.steps"]) == 2


def test_neighbouring_parameters_have_independent_orbits() -> None:
    mutation = Chaotic(map="logistic")
    state = mutation.init(2000, 12, stream(3, "init"))
    noise, state = mutation.sample(state, stream(3, "ask"))
    # On one orbit a value is a function of the one before; z^2 shows that where z does not.
    square = noise.square() - 1.0
    neighbours = torch.corrcoef(square.T)
    assert float((neighbours - torch.eye(12)).abs().max()) < 0.12
    # Along one orbit z' = sqrt(2) (1 - z^2): this is what dependence looks like.
    following, _ = mutation.sample(state, stream(3, "ask", 1))
    dependent = torch.corrcoef(torch.stack((square.flatten(), following.flatten())))[0, 1]
    assert float(dependent) < -0.95


@pytest.mark.parametrize("name", list(MAPS))
def test_one_step_length_for_each_candidate(name: str) -> None:
    # The same generator gives both the same Gaussian direction, so the ratio is the step length.
    mutation = Chaotic(map=name, drives="step", renew_every=10**9)
    state = mutation.init(500, 30, stream(4, "init"))
    noise, _ = mutation.sample(state, stream(4, "ask"))
    direction = torch.randn(500, 30, generator=stream(4, "ask"), dtype=torch.float32)
    ratio = noise / direction
    torch.testing.assert_close(ratio, ratio[:, :1].expand_as(ratio))
    assert float(ratio[:, 0].log().std()) == pytest.approx(0.5, abs=0.06)


def test_dead_orbits_are_replaced_in_sample() -> None:
    mutation = Chaotic(map="logistic", drives="both")
    state = mutation.init(4, 6, stream(5, "init"))
    state["direction.point"] = torch.zeros_like(state["direction.point"])
    state["step.point"] = torch.full_like(state["step.point"], 0.75)
    noise, state = mutation.sample(state, stream(5, "ask"))
    assert len(noise.unique()) == 24
    assert len(state["step.point"].unique()) == 4


def test_state_is_float64_and_small() -> None:
    state = Chaotic(map="henon", drives="both").init(4, 6, stream(6, "init"))
    assert {name: (value.dtype, tuple(value.shape)) for name, value in state.items()} == {
        "shape": (torch.int64, (2,)),
        "direction.point": (torch.float64, (2, 4, 6)),
        "direction.reference": (torch.float64, (4, 6)),
        "direction.steps": (torch.int64, ()),
        "step.point": (torch.float64, (2, 4)),
        "step.reference": (torch.float64, (4,)),
        "step.steps": (torch.int64, ()),
    }


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"drives": "sideways"}, "drives must be one of direction, step, both, got 'sideways'"),
        ({"log_spread": 0.0}, "log_spread must be above 0 and at most 1, got 0.0"),
        ({"log_spread": 1.5}, "log_spread must be above 0 and at most 1, got 1.5"),
        ({"renew_every": 1}, "renew_every must be at least 2, got 1"),
    ],
)
def test_fields_are_checked(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Chaotic(**fields)  # type: ignore[arg-type]


def test_an_unknown_map_names_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"no chaotic map 'logistik'\. Did you mean 'logistic'"):
        Chaotic(map="logistik")


def test_an_unknown_order_names_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"no chaos order 'shufled'\. Did you mean 'shuffled'"):
        Chaotic(order="shufled")  # type: ignore[arg-type]
