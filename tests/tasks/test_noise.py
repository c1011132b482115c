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
    [
        ("symmetric", 0.8, 0.8),
        ("asymmetric", 0.3, 0.3),
        ("asymmetric", 0.8, 0.45),
        ("instance", 0.4, 0.4),
        ("annotator", 0.2, 0.2),
    ],
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


def test_an_annotator_errs_on_unclear_points_and_confuses_classes_in_its_own_way() -> None:
    y, rival, doubt, given = noisy("annotator", 0.2)
    moved = y != given
    assert float(doubt[moved].mean()) > 1.1 * float(doubt[~moved].mean())
    # Half of the mistakes are the rival; a fifth of the others are by chance.
    to_rival = (given == rival)[moved].double().mean()
    assert 0.5 < float(to_rival) < 0.7
    for task in range(TASKS):
        others = moved[task] & (given[task] != rival[task])
        confused = torch.zeros(C, C).index_put_(
            (y[task][others], given[task][others]), torch.ones(()), accumulate=True
        )
        assert confused.diagonal().sum() == 0
        # Symmetric noise would give each of the five other classes a fifth of the mistakes.
        assert float((confused.amax(dim=1) / confused.sum(dim=1)).mean()) > 0.3
        errors = torch.stack([moved[task][y[task] == c].float().mean() for c in range(C)])
        assert float(errors.max()) > 1.2 * float(errors.min())


def test_an_annotator_leaves_the_labels_of_other_tasks_as_they_are() -> None:
    generators = [stream(1, "noise") for _ in range(2)]
    y = torch.randint(C, (2, N), generator=stream(2, "labels"))
    rival, doubt = (y + 1) % C, torch.full(y.shape, 0.5)
    rates, symmetric = torch.tensor([0.3, 0.3]), NOISE_KINDS.index("symmetric")
    alone, beside = (
        corrupt(y, rival, doubt, C, rates, torch.tensor([symmetric, kind]), generator)
        for kind, generator in zip((symmetric, NOISE_KINDS.index("annotator")), generators, strict=True)
    )
    assert torch.equal(alone[0], beside[0])
    assert not torch.equal(alone[1], beside[1])
