"""The tables against the network in float64: values, slopes, ends, and the errors that they state."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from evoloss.losses.artefact.format import read_artefact
from evoloss.networks import (
    LOG_P_FLOOR,
    BalancedNetwork,
    BasisNetwork,
    ClasswiseNetwork,
    LookupTables,
    MixtureNetwork,
    MonotoneNetwork,
    tabulate,
)
from evoloss.zoo import SHIPPED, shipped_path
from tests.networks.populations import accepted

CLASSES = (2, 3, 10, 1000, 100_000)
NETWORKS = {
    "classwise": ClasswiseNetwork(hidden=(6, 6)),
    "classwise-tanh": ClasswiseNetwork(hidden=(5,), activation="tanh"),
    "classwise-probs": ClasswiseNetwork(hidden=(4,), features="probs"),
    "monotone": MonotoneNetwork(hidden=(5, 4)),
    "balanced": BalancedNetwork(),
    "basis": BasisNetwork(),
    "mixture": MixtureNetwork(),
    "monotone-tanh": MonotoneNetwork(hidden=(4,), activation="tanh"),
}
every_network = pytest.mark.parametrize("kind", NETWORKS)
every_count = pytest.mark.parametrize("n_classes", CLASSES)


def candidate(kind: str, *class_counts: int, seed: int = 0) -> Tensor:
    """Random parameters with a canonical form at these class counts, in float64."""
    return accepted(NETWORKS[kind], 1, seed, *class_counts)[0]


def exact(network: ClasswiseNetwork, params: Tensor, log_p: Tensor, n_classes: int) -> tuple[Tensor, ...]:
    """phi_0, delta less the least cost, and their derivatives by autograd through the network, in float64."""
    row = params.double()[None]
    form = network.form(row, n_classes)
    at = log_p.double().requires_grad_()
    other = network.phi_other(row, form, at, n_classes)[0]
    delta = network.phi_label(row, form, at, n_classes)[0] - other
    delta = delta - network.least_cost(row[0], n_classes)
    slopes = [torch.autograd.grad(function.sum(), at, retain_graph=True)[0] for function in (other, delta)]
    return other.detach(), delta.detach(), *slopes


def made(tables: LookupTables, log_p: Tensor) -> tuple[Tensor, ...]:
    """The same by the tables, as float32 uses them, with the slopes that autograd finds."""
    at = log_p.float().requires_grad_()
    both = tables.other(at), tables.label(at)
    slopes = [torch.autograd.grad(function.sum(), at, retain_graph=True)[0] for function in both]
    return *(function.detach().double() for function in both), *(slope.double() for slope in slopes)


def inside(n: int, seed: int = 0) -> Tensor:
    """Log-probabilities of every size, dense where p changes quickly; float32 numbers."""
    generator = torch.Generator().manual_seed(seed)
    u = torch.rand(n, generator=generator, dtype=torch.float64)
    return torch.cat([LOG_P_FLOOR * u[: n // 2], -8 * u[n // 2 :] ** 2]).float()


def float32_rounding(tables: LookupTables, furthest: float) -> float:
    """What rounding the entries, their product with log p and the sum may cost down to a log-probability."""
    used = slice(0, int(furthest * -tables.scale) + 1)
    largest = max(function[used].abs().max().item() for function in (tables.other_value, tables.label_value))
    steepest = max(function[used].abs().max().item() for function in (tables.other_slope, tables.label_slope))
    return 2.0**-24 * (2 * largest - 3 * furthest * steepest)


def check_errors(network: ClasswiseNetwork, params: Tensor, n_classes: int, n_nodes: int, seed: int) -> None:
    tables = tabulate(network, params, n_classes, n_nodes)
    width = 1 / tables.scale
    # The curvature of the network, from its slopes at neighbouring nodes.
    nodes = (torch.arange(n_nodes, dtype=torch.float64) * -width).clamp(min=LOG_P_FLOOR)
    slopes = exact(network, params, nodes, n_classes)[2:]
    curvature = max((slope.diff() / width).abs().max().item() for slope in slopes)
    for furthest in (-8.0, LOG_P_FLOOR):
        log_p = inside(4000, seed).clamp(min=furthest)
        both = zip(made(tables, log_p), exact(network, params, log_p, n_classes), strict=True)
        errors = [(mine - theirs).abs().max().item() for mine, theirs in both]
        rounding = float32_rounding(tables, furthest)
        assert max(errors[:2]) <= 1.2 * width**2 / 8 * curvature + rounding
        assert max(errors[2:]) <= 1.2 * width / 2 * curvature + rounding
        assert max(errors[:2]) <= 1.05 * tables.value_error + rounding
        assert max(errors[2:]) <= 1.05 * tables.slope_error + rounding
    # Nor are the errors overstated.
    assert tables.value_error <= 1.2 * width**2 / 8 * curvature + rounding
    assert tables.slope_error <= 1.2 * width / 2 * curvature + rounding


@every_network
@every_count
def test_errors_are_those_stated_and_within_the_bounds(kind: str, n_classes: int) -> None:
    check_errors(NETWORKS[kind], candidate(kind, n_classes), n_classes, 1 << 14, seed=1)


# Tempered losses have no tables; what they have is checked in test_tempered.py.
TABULATED = [
    name for name in SHIPPED if isinstance(read_artefact(shipped_path(name)).network, ClasswiseNetwork)
]


@pytest.mark.parametrize("name", TABULATED)
@every_count
def test_errors_of_shipped_losses_are_small(name: str, n_classes: int) -> None:
    artefact = read_artefact(shipped_path(name))
    assert isinstance(artefact.network, ClasswiseNetwork)
    check_errors(artefact.network, artefact.params, n_classes, 1 << 16, seed=2)
    tables = tabulate(artefact.network, artefact.params, n_classes)
    assert tables.value_error < 2e-5
    assert tables.slope_error < 1e-3 * tables.label_slope.abs().max().item()


@settings(deadline=None, max_examples=15)
@given(
    kind=st.sampled_from(list(NETWORKS)),
    n_classes=st.integers(2, 100_000),
    seed=st.integers(0, 1000),
    n_nodes=st.integers(1 << 12, 1 << 14),
)
def test_errors_of_any_candidate(kind: str, n_classes: int, seed: int, n_nodes: int) -> None:
    check_errors(NETWORKS[kind], candidate(kind, n_classes, seed=seed), n_classes, n_nodes, seed)


@pytest.mark.parametrize("n_nodes", [2, 3, 16, 1000, 1024, 16384, 65536, 65537, 1 << 20])
def test_the_floor_is_the_start_of_the_last_cell(n_nodes: int) -> None:
    tables = tabulate(NETWORKS["monotone"], candidate("monotone", 10), 10, n_nodes)
    assert tables.floor == pytest.approx(LOG_P_FLOOR, rel=1e-6)
    assert (n_nodes - 1) / tables.scale == pytest.approx(-LOG_P_FLOOR, rel=1e-6)
    assert torch.tensor(tables.scale).item() == tables.scale, "float32 holds the scale"
    above = torch.tensor(tables.floor).nextafter(torch.tensor(0.0))
    places = torch.tensor([0.0, tables.floor, 2 * tables.floor, -1e30, -math.inf])
    assert tables.cells(places).tolist() == [0] + 4 * [n_nodes - 1]
    assert tables.cells(above).item() in (n_nodes - 2, n_nodes - 1)
    assert 0 <= tables.cells(torch.tensor(math.nan)).item() < n_nodes
    assert tables.cells(places).dtype == torch.int32


@every_network
def test_cells_meet_at_the_nodes(kind: str) -> None:
    tables = tabulate(NETWORKS[kind], candidate(kind, 10), 10, 512)
    nodes = torch.arange(1, 512, dtype=torch.float64) / -tables.scale
    for value, slope in (
        (tables.other_value, tables.other_slope),
        (tables.label_value, tables.label_slope),
    ):
        value, slope = value.double(), slope.double()
        left, right = value[:-1] + slope[:-1] * nodes, value[1:] + slope[1:] * nodes
        size = value.abs().max() + slope.abs().max() * -LOG_P_FLOOR
        torch.testing.assert_close(left, right, rtol=0, atol=4 * 2.0**-24 * size.item())


@every_network
def test_below_the_floor_one_function_stands_still_and_the_other_goes_on(kind: str) -> None:
    network, params = NETWORKS[kind], candidate(kind, 10)
    tables = tabulate(network, params, 10)
    far = torch.tensor([-70.0, -200.0, -1e4])
    other, delta, _, slope = exact(network, params, far, 10)
    ours, label, ours_slope, label_slope = made(tables, far)
    torch.testing.assert_close(ours, other, rtol=0, atol=1e-5)
    assert ours_slope.tolist() == [0.0, 0.0, 0.0]
    torch.testing.assert_close(label, delta, rtol=1e-5, atol=1e-4)
    torch.testing.assert_close(label_slope, slope, rtol=1e-6, atol=1e-7)
    row = params[None]
    form = network.form(row, 10)
    assert tables.label_slope[-1].item() == pytest.approx(float(form.scale * form.tail), rel=1e-6, abs=1e-12)


def test_a_probability_of_zero_costs_nothing_as_another_class_and_infinity_as_the_label() -> None:
    tables = tabulate(NETWORKS["monotone"], candidate("monotone", 10), 10)
    assert tables.label_slope[-1] < 0
    nowhere = torch.tensor([-math.inf], requires_grad=True)
    (slope,) = torch.autograd.grad(tables.other(nowhere), nowhere)
    assert tables.other(nowhere).item() == pytest.approx(0.0, abs=1e-6)
    assert slope.item() == 0.0
    assert tables.label(nowhere).item() == math.inf


def test_a_certain_prediction_of_the_label_costs_what_the_least_is_below_0() -> None:
    for kind, network in NETWORKS.items():
        params, certain = candidate(kind, 10), torch.zeros(1)
        tables = tabulate(network, params, 10)
        # At p = 1 all other classes are at the floor, where their terms are 0.
        cost = (
            tables.other(torch.tensor([-torch.inf])) * 9 + tables.other(certain) + tables.label(certain)
        ).item()
        assert cost == pytest.approx(-float(network.least_cost(params, 10)), rel=1e-6, abs=1e-6)


def test_nan_stays_nan() -> None:
    tables = tabulate(NETWORKS["monotone"], candidate("monotone", 10), 10)
    assert tables.other(torch.tensor(math.nan)).isnan()
    assert tables.label(torch.tensor(math.nan)).isnan()


def test_other_classes_are_left_out_where_they_say_nothing() -> None:
    artefact = read_artefact(Path(__file__).parents[2] / "benchmarks/archive/0.1/ranking")
    network = artefact.network
    assert isinstance(network, ClasswiseNetwork)
    tables = tabulate(network, artefact.params, 1000)
    assert not tables.has_other
    assert not tables.other_value.any()
    assert not tables.other_slope.any()
    other, _, slope, _ = exact(network, artefact.params, inside(4000), 1000)
    assert 1000 * max(other.abs().max().item(), slope.abs().max().item()) < 2.0**-24
    assert tabulate(NETWORKS["monotone"], candidate("monotone", 1000), 1000).has_other


def test_twice_the_nodes_leave_a_quarter_of_the_value_error_and_half_of_the_slope_error() -> None:
    network, params = NETWORKS["monotone-tanh"], candidate("monotone-tanh", 10)
    coarse, fine = (tabulate(network, params, 10, n) for n in (1025, 2049))
    assert coarse.value_error / fine.value_error == pytest.approx(4, rel=0.1)
    assert coarse.slope_error / fine.slope_error == pytest.approx(2, rel=0.1)


def test_tables_do_not_depend_on_the_dtype_of_the_parameters() -> None:
    params = candidate("classwise", 10).float()
    single, double = (
        tabulate(NETWORKS["classwise"], params, 10),
        tabulate(NETWORKS["classwise"], params.double(), 10),
    )
    for name in ("other_value", "other_slope", "label_value", "label_slope"):
        table = getattr(single, name)
        assert table.dtype == torch.float32
        assert table.is_contiguous()
        assert not table.requires_grad
        assert torch.equal(table, getattr(double, name))
    assert single.n_classes == 10
