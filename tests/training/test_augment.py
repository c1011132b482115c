from __future__ import annotations

import pytest
import torch

from evoloss.training.augment import AugmentPlan, crop_and_flip, draw_epoch, pad_images, plan_augmentation


@pytest.mark.parametrize(
    ("augment", "shape", "expected", "text"),
    [
        ("auto", (3, 32, 32), AugmentPlan(4, True), "crop 4 + flip"),
        ("auto", (1, 28, 28), AugmentPlan(0, False), "none"),
        ("auto", (3, 16, 16), AugmentPlan(0, False), "none"),
        ("standard", (1, 28, 28), AugmentPlan(3, False), "crop 3"),
        ("standard", (1, 8, 8), AugmentPlan(1, False), "crop 1"),
        ("standard", (3, 32, 32), AugmentPlan(4, True), "crop 4 + flip"),
        ("standard", (20,), AugmentPlan(0, False), "none"),
        ("none", (3, 32, 32), AugmentPlan(0, False), "none"),
    ],
)
def test_plan(augment, shape: tuple[int, ...], expected: AugmentPlan, text: str) -> None:
    plan = plan_augmentation(augment, shape)
    assert plan == expected
    assert str(plan) == text


def test_the_gather_equals_slicing_and_flipping_one_by_one() -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (7, 3, 10, 12), dtype=torch.uint8, generator=generator)
    padded = pad_images(images, 2)
    indices = torch.tensor([3, 0, 6, 6])
    draws = torch.tensor([[0, 4, 0], [2, 2, 1], [4, 0, 1], [1, 3, 0]])
    found = crop_and_flip(padded, indices, draws, (10, 12))
    for row, (index, (top, left, flip)) in enumerate(zip(indices, draws.tolist(), strict=True)):
        crop = padded[index, :, top : top + 10, left : left + 12]
        assert torch.equal(found[row], crop.flip(2) if flip else crop)
    assert padded.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(crop_and_flip(padded.contiguous(), indices, draws, (10, 12)), found), (
        "any memory layout"
    )
    assert torch.equal(found[1], images[0].flip(2)), "offset = pad and a flip is the mirror image"


def test_padding_is_black_and_keeps_the_middle() -> None:
    images = torch.full((1, 1, 2, 2), 9, dtype=torch.uint8)
    padded = pad_images(images, 1)
    assert padded.shape == (1, 1, 4, 4)
    assert padded.sum() == 4 * 9
    assert torch.equal(padded[:, :, 1:3, 1:3], images)


def test_draws_cover_all_offsets_evenly_and_flip_half() -> None:
    draws = draw_epoch(AugmentPlan(4, True), 20_000, seed=1, epoch=0)
    for column in (0, 1):
        counts = torch.bincount(draws[:, column], minlength=9)
        assert len(counts) == 9
        # Five standard deviations of a binomial count.
        assert (counts - 20_000 / 9).abs().max() < 5 * (20_000 * 8 / 81) ** 0.5
    assert abs(draws[:, 2].float().mean() - 0.5) < 5 * 0.5 / 20_000**0.5


def test_draws_depend_on_seed_and_epoch_only() -> None:
    plan = AugmentPlan(4, True)
    assert torch.equal(draw_epoch(plan, 50, 1, 2), draw_epoch(plan, 50, 1, 2))
    assert not torch.equal(draw_epoch(plan, 50, 1, 2), draw_epoch(plan, 50, 1, 3))
    assert not torch.equal(draw_epoch(plan, 50, 1, 2), draw_epoch(plan, 50, 2, 2))
    assert draw_epoch(AugmentPlan(4, False), 50, 1, 2)[:, 2].sum() == 0
