from __future__ import annotations

import pytest
import torch

from evoloss.random_streams import stream
from evoloss.tasks.noise import NOISE_KINDS, corrupt

TASKS, N, C = 3, 20_000, 6


def noisy(kind: str, rate: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = stream(0, "noise")
    y = torch.randint(C, (TASKS, N), generator=generator)
    rival = (y + torch.randint(1, C, y.shape, generator=generator)) % C
    doubt = torch.rand(TASKS, N, generator=generator).clamp(min=1e-3)
    kinds = torch.full((TASKS,), NOISE_KINDS.index(kind))
    rates = torch.full((TASKS,), rate)
    return y, rival, doubt, corrupt(y, rival, doubt, C, rates, kinds, generator)


@pytest.mark.parametrize(
    ("kind", "rate", "share"),
    [("symmetric", 0.8, 0.8), ("asymmetric", 0.3, 0.3), ("asymmetric", 0.8, 0.45), ("instance", 0.4, 0.4)],
)
def test_the_share_of_wrong_labels(kind: str, rate: float, share: float) -> None:
    y, _, _, given = noisy(kind, rate)
    torch.testing.assert_close(
        (y != given).float().mean(dim=1), torch.full((TASKS,), share), atol=0.02, rtol=0
    )


def test_no_noise_leaves_labels_alone() -> None:
    for kind in NOISE_KINDS:
        y, _, _, given = noisy(kind, 0.0)
        assert torch.equal(y, given)


def test_symmetric_goes_everywhere_asymmetric_to_one_class_instance_to_the_rival() -> None:
    y, _, _, given = noisy("symmetric", 0.6)
    moved = y != given
    shifts = torch.bincount(((given - y) % C)[moved], minlength=C).double()
    assert shifts[0] == 0
    torch.testing.assert_close(
        shifts[1:] / shifts.sum(), torch.full((C - 1,), 0.2, dtype=torch.float64), atol=0.02, rtol=0
    )
    y, _, _, given = noisy("asymmetric", 0.4)
    for task in range(TASKS):
        targets = {(int(a), int(b)) for a, b in zip(y[task], given[task], strict=True) if a != b}
        assert len(targets) == C
        assert {a for a, _ in targets} == {b for _, b in targets} == set(range(C))
    y, rival, doubt, given = noisy("instance", 0.3)
    moved = y != given
    assert torch.equal(given[moved], rival[moved])
    assert float(doubt[moved].mean()) > 1.2 * float(doubt[~moved].mean())
