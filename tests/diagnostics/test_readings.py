from __future__ import annotations

import functools

import pytest
import torch

from evoloss.diagnostics import Inspection, inspect_loss, readings
from evoloss.diagnostics.readings import _percent
from tests.diagnostics import reference_losses


@functools.cache
def inspected(name: str) -> Inspection:
    return inspect_loss(reference_losses.LOSSES[name], n_classes=10)


def rows(name: str) -> dict[str, tuple[str, str]]:
    return {row.diagnostic: (row.value, row.meaning) for row in readings(inspected(name))}


def test_cross_entropy_reads_as_it_should() -> None:
    row = rows("cross_entropy")
    assert row["ranking consistency (tau, rho)"] == (
        "1.0000 (1.000, 1.000)",
        "more erroneous predictions cost more",
    )
    assert row["-dL/dz_y at p_y = 1e-2, 1e-4, 1e-8"] == (
        "0.99, 1, 1",
        "persists: a confident mistake still pulls",
    )
    assert row["dL/dlog p_y at the same"][1].endswith("p_y^0.00")
    assert row["calibrated, C = 2, 3, 10"][0] == "100 %, 100 %, 100 %"
    assert row["free predictions reach labels"] == ("Adam 100 %, GD 100 %", "from every start")
    assert row["gradient at uniform / CE's, C = 2, 10, 100, 1000"] == (
        "1, 1, 1, 1",
        "cross-entropy's learning rates carry over",
    )


def test_mae_reads_as_robust_and_slow() -> None:
    row = rows("mae")
    assert row["spread of the class sum"] == ("0", "constant: tolerates uniform label noise")
    assert row["-dL/dz_y at p_y = 1e-2, 1e-4, 1e-8"][1].startswith("vanishes")
    assert "plain descent leaves" in row["free predictions reach labels"][1]
    assert "depend on the class count" in row["gradient at uniform / CE's, C = 2, 10, 100, 1000"][1]


def test_broken_losses_read_as_broken() -> None:
    row = rows("negated")
    assert row["ranking consistency (tau, rho)"][1] == "100 % of couples ordered unlike 1 - p_y"
    assert row["-dL/dz_y at p_y = 1e-2, 1e-4, 1e-8"][1].startswith("reversed")
    assert row["steps toward the label"] == ("0 %", "100 % of predictions are pushed off their label")
    assert "can miss the likeliest class" in row["calibrated, C = 2, 3, 10"][1]
    assert "does not bring" in row["free predictions reach labels"][1]
    assert "no pull" in row["gradient at uniform / CE's, C = 2, 10, 100, 1000"][1]
    assert row["loss at perfect, at uniform"][1] == "guessing costs 2.3 less than being right and certain"
    assert row["lowest at p_y"] == ("1e-08", "predictions surer than 1e-08 cost more again")


def test_every_loss_has_the_same_diagnostics_in_the_same_order() -> None:
    nan = inspect_loss(lambda z, y: reference_losses.mae(z, y) * torch.nan, n_classes=10)
    assert [row.diagnostic for row in readings(nan)] == list(rows("cross_entropy"))
    assert any(row.meaning.startswith("not applicable: ") for row in readings(nan))


@pytest.mark.parametrize(
    ("share", "text"), [(1.0, "100 %"), (0.99999, "99.9 %"), (0.57, "57 %"), (0.0, "0 %")]
)
def test_a_hundred_percent_is_never_rounded_up_to(share: float, text: str) -> None:
    assert _percent(share) == text
