from __future__ import annotations

import pytest
import torch

from evoloss.random_streams import stream
from evoloss.tasks import Prior, draw_group
from evoloss.tasks.synthetic_patches import draw_patches
from tests.fitness.samples import check_samples

PRIOR = Prior(patched=1.0, imbalanced=0.0)


@pytest.mark.parametrize(("n_classes", "features", "patches"), [(2, 3, 2), (7, 5, 9), (40, 12, 24)])
def test_shapes_ranges_and_standardised_inputs(n_classes: int, features: int, patches: int) -> None:
    made = draw_patches(PRIOR, 3, 500, n_classes, features, patches, stream(0, "data"))
    check_samples(made, 3, 500, features * patches, n_classes)
    torch.testing.assert_close(made.x.mean(dim=(1, 2)), torch.zeros(3), atol=1e-4, rtol=0)
    torch.testing.assert_close(made.x.std(dim=(1, 2)), torch.ones(3), atol=1e-3, rtol=0)


def test_everything_comes_from_the_generator() -> None:
    one, same, other = (draw_patches(PRIOR, 2, 50, 5, 4, 6, stream(seed, "data")) for seed in (3, 3, 4))
    assert all(torch.equal(a, b) for a, b in zip(one, same, strict=True))
    assert not torch.equal(one.x, other.x)


def patches_of(x: torch.Tensor, patches: int) -> torch.Tensor:
    """``(tasks, n, patches, features)``, as students cut their inputs."""
    return x.unflatten(2, (-1, patches)).mT


def test_a_class_stands_in_few_patches_and_anywhere() -> None:
    """One view of great contrast: the largest patch of each input is one of C patterns, at any place."""
    prior = Prior(patched=1.0, imbalanced=0.0, modes=(1, 1), contrast=(30.0, 30.0))
    made = draw_patches(prior, 4, 600, 5, 8, 12, stream(1, "data"))
    cut = patches_of(made.x, 12)
    largest = cut.norm(dim=3).argmax(dim=2)
    assert set(largest.flatten().tolist()) == set(range(12))
    shown = torch.nn.functional.normalize(
        torch.take_along_dim(cut, largest[..., None, None], 2)[:, :, 0], dim=2
    )
    for task in range(4):
        means = torch.stack([shown[task][made.y[task] == label].mean(0) for label in range(5)])
        right = (shown[task] @ torch.nn.functional.normalize(means, dim=1).T).argmax(1) == made.y[task]
        assert right.float().mean() > 0.7  # a rival may be as large


def accuracy_of_pooled_matches(contrast: float) -> float:
    """How well a linear classifier of the mean patch does, from half of the inputs."""
    prior = Prior(patched=1.0, imbalanced=0.0, modes=(1, 1), contrast=(contrast, contrast))
    made = draw_patches(prior, 12, 800, 4, 10, 8, stream(2, "data"))
    pooled = patches_of(made.x, 8).mean(2)
    wanted = torch.nn.functional.one_hot(made.y, 4).float()
    fitted = torch.linalg.lstsq(pooled[:, :400], wanted[:, :400]).solution
    return float(((pooled[:, 400:] @ fitted).argmax(2) == made.y[:, 400:]).float().mean())


def test_contrast_goes_from_hopeless_to_easy() -> None:
    hopeless, middle, easy = (accuracy_of_pooled_matches(contrast) for contrast in (0.02, 1.0, 20.0))
    assert 0.2 < hopeless < 0.35
    assert hopeless + 0.1 < middle < easy
    assert easy > 0.75  # a rival class shows too


def test_groups_of_patches_have_students_to_match() -> None:
    prior = Prior(
        patched=0.5, patches=(6, 9), features=(3, 5), steps=(4, 4), samples=(40, 40), test_samples=8
    )
    groups = [draw_group(prior, 2, stream(seed, "groups"), rates=2) for seed in range(12)]
    cut = [group.config.patches for group in groups]
    assert {1} < set(cut) <= {1, 6, 7, 8, 9}
    for group, patches in zip(groups, cut, strict=True):
        features = group.tasks.x.shape[2]
        assert features % patches == 0
        assert 3 <= features // patches <= 5
        assert group.plan.initial[0][0].shape[1] == features // patches
