from __future__ import annotations

import pytest
import torch

from evoloss.random_streams import stream
from evoloss.tasks import Prior
from evoloss.tasks.synthetic_data import draw_samples
from tests.fitness.samples import check_samples


@pytest.mark.parametrize(("n_classes", "features"), [(2, 4), (7, 2), (100, 32)])
def test_shapes_ranges_and_standardised_inputs(n_classes: int, features: int) -> None:
    made = draw_samples(Prior(), 3, 600, n_classes, features, stream(0, "data"))
    check_samples(made, 3, 600, features, n_classes)
    torch.testing.assert_close(made.x.mean(dim=1), torch.zeros(3, features), atol=1e-4, rtol=0)
    torch.testing.assert_close(made.x.std(dim=1), torch.ones(3, features), atol=1e-3, rtol=0)


def test_everything_comes_from_the_generator() -> None:
    one, same, other = (draw_samples(Prior(), 2, 50, 5, 8, stream(seed, "data")) for seed in (3, 3, 4))
    assert all(torch.equal(a, b) for a, b in zip(one, same, strict=True))
    assert not torch.equal(one.x, other.x)


def nearest_mean_accuracy(separation: float) -> float:
    prior = Prior(separation=(separation, separation), imbalanced=0.0)
    made = draw_samples(prior, 24, 1200, 6, 12, stream(1, "data"))
    is_label = torch.nn.functional.one_hot(made.y[:, :800], 6).float()
    means = is_label.mT @ made.x[:, :800] / is_label.sum(dim=1)[:, :, None].clamp(min=1)
    guess = torch.cdist(made.x[:, 800:], means).argmin(dim=2)
    return float((guess == made.y[:, 800:]).float().mean())


def test_separation_goes_from_hopeless_to_easy() -> None:
    hard, middle, easy = (nearest_mean_accuracy(s) for s in (0.3, 3.0, 20.0))
    assert hard < 0.45
    assert hard + 0.1 < middle < easy
    assert easy > 0.6  # warped and taught tasks stay hard for class means


def test_unequal_classes_only_where_the_prior_has_them() -> None:
    def spread(share: float) -> torch.Tensor:
        prior = Prior(imbalanced=share)
        made = draw_samples(prior, 40, 2000, 4, 6, stream(2, "data"))
        counts = torch.nn.functional.one_hot(made.y, 4).sum(dim=1).double()
        return counts.amax(dim=1) / counts.amin(dim=1).clamp(min=1)

    assert float(spread(1.0).median()) > 3 * float(spread(0.0).median()) / 1.5
    assert float(spread(0.0).median()) < 1.5


def test_doubt_is_larger_where_a_simple_classifier_errs() -> None:
    made = draw_samples(Prior(separation=(3.0, 3.0)), 24, 1500, 5, 10, stream(5, "data"))
    is_label = torch.nn.functional.one_hot(made.y, 5).float()
    means = is_label.mT @ made.x / is_label.sum(dim=1)[:, :, None].clamp(min=1)
    wrong = torch.cdist(made.x, means).argmin(dim=2) != made.y
    assert float(made.doubt[wrong].mean()) > 1.3 * float(made.doubt[~wrong].mean())


def likeness_to_the_nearest_point(noise: float) -> float:
    """Largest cosine of a point with another one, on average: 1 for twins, near 0 where all are apart."""
    made = draw_samples(Prior(feature_noise=(noise, noise)), 12, 400, 5, 128, stream(6, "data"))
    unit = torch.nn.functional.normalize(made.x, dim=2)
    cosines = unit @ unit.mT - 2 * torch.eye(400)
    return float(cosines.amax(dim=2).mean())


def test_noise_in_many_features_puts_points_apart_in_all_directions() -> None:
    none, some, much = (likeness_to_the_nearest_point(noise) for noise in (0.02, 1.0, 4.0))
    assert none > 0.9
    assert none - 0.2 > some > much + 0.1
    assert much < 0.4
