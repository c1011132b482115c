from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from evoloss.errors import ConfigError
from evoloss.random_streams import stream
from evoloss.tasks import PRIORS, Prior, StudentConfig, draw_group
from evoloss.tasks.groups import TaskGroup, epochs
from tests.sampling import sampled


def within(value: float, bounds: tuple[float, float]) -> bool:
    return bounds[0] <= value <= bounds[1]


def check(prior: Prior, group: TaskGroup) -> None:
    if group.long:
        prior = prior.of_long_groups()
    n_tasks, samples, features = group.tasks.x.shape
    assert within(group.tasks.n_classes, prior.classes)
    patches = group.config.patches
    assert patches == 1 or within(patches, prior.patches)
    assert features % patches == 0
    assert within(features // patches, prior.features)
    low, high = prior.samples
    assert max(low, 2 * group.tasks.n_classes) <= samples <= max(high, 2 * group.tasks.n_classes)
    if prior.epochs is None:
        assert within(group.plan.steps, prior.steps)
    else:
        assert within(group.plan.steps / (samples // group.plan.batches.shape[2]), prior.epochs)
    size = group.plan.augmentation
    assert size is None or (prior.augmented > 0 and all(within(float(s), prior.augmentation) for s in size))
    assert within(len(group.config.hidden), prior.depth)
    assert all(within(width, prior.width) for width in group.config.hidden)
    assert group.config.norm in prior.norms
    assert group.config.activation in prior.activations
    peaks = prior.adam_rate if group.config.optimizer == "adam" else prior.rate
    scale = (group.plan.batches.shape[2] / prior.rate_batch) ** 0.5 if prior.rate_batch else 1.0
    assert float(group.plan.rates.max()) <= scale * peaks[1] * (1 + 1e-6)
    assert group.plan.evaluate_at[-1] == group.plan.steps
    assert group.noise.shape == (n_tasks,)


@pytest.mark.parametrize("name", sampled(PRIORS, 3))
def test_groups_keep_to_their_prior(name: str) -> None:
    prior = PRIORS[name]
    groups = [draw_group(prior, 3, stream(seed, "group")) for seed in range(60)]
    for group in groups:
        check(prior, group)
    assert {group.long for group in groups} == {True, False}
    assert {len(group.config.hidden) for group in groups} == set(range(prior.depth[0], prior.depth[1] + 1))
    patched = [group.config.patches > 1 for group in groups]
    assert abs(sum(patched) / len(patched) - prior.patched) < 0.2
    assert {group.config.norm for group in groups} == {"none", "layer"}
    assert {group.config.optimizer for group in groups} == {"sgd", "adam"}
    noise = torch.cat([group.noise for group in groups])
    assert abs(float((noise > 0).float().mean()) - prior.noisy) < 0.15


def test_a_group_is_a_function_of_its_generator() -> None:
    one, same = (draw_group(PRIORS["label-noise"], 2, stream(7, "group")) for _ in range(2))
    assert one.config == same.config
    assert torch.equal(one.tasks.x, same.tasks.x)
    assert torch.equal(one.tasks.y, same.tasks.y)
    assert torch.equal(one.plan.batches, same.plan.batches)


def test_length_can_be_asked_for_and_stretched() -> None:
    prior = Prior(steps=(10, 10), long_steps=(50, 50), long=0.0)
    assert draw_group(prior, 1, stream(0, "g"), long=True).plan.steps == 50
    group, longer = (draw_group(prior, 2, stream(0, "g"), stretch=s) for s in (1.0, 10.0))
    assert (group.plan.steps, longer.plan.steps) == (10, 100)
    assert torch.equal(group.tasks.x, longer.tasks.x)
    assert torch.equal(group.plan.initial[0][0], longer.plan.initial[0][0])


def test_long_groups_have_ranges_of_their_own() -> None:
    prior = Prior(
        samples=(50, 50),
        long_samples=(70, 70),
        separation=(0.01, 0.01),
        long_separation=(50.0, 50.0),
        modes=(1, 1),
        long_modes=(1, 1),
        imbalanced=0.0,
    )
    own = prior.of_long_groups()
    assert (own.samples, own.separation, own.modes, own.steps) == ((70, 70), (50, 50), (1, 1), (400, 1000))
    near, far = (draw_group(prior, 8, stream(2, "g"), long=long) for long in (False, True))
    assert (near.tasks.x.shape[1], far.tasks.x.shape[1]) == (50, 70)
    assert spread_of_classes(far) > 2 * spread_of_classes(near)


def test_long_groups_may_have_students_and_batches_of_their_own() -> None:
    own = {
        "feature_noise": (2.0, 3.0),
        "patched": 1.0,
        "depth": (3, 3),
        "width": (5, 5),
        "batch": (8, 8),
        "epochs": (2, 2),
    }
    prior = Prior(**{f"long_{name}": value for name, value in own.items()})  # type: ignore[arg-type]
    moved, kept = prior.of_long_groups(), Prior().of_long_groups()
    for name, value in own.items():
        assert getattr(moved, name) == value
        assert getattr(kept, name) == getattr(Prior(), name)
    group = draw_group(prior, 1, stream(0, "g"), long=True)
    assert group.config.hidden == (5, 5, 5)
    assert group.config.patches > 1
    assert group.plan.batches.shape[2] == 8
    with pytest.raises(ConfigError, match=r"long_patched of a prior must be a share from 0 to 1, got 1\.5"):
        Prior(long_patched=1.5)


def spread_of_classes(group: TaskGroup) -> float:
    """Variance of class means as a share of all variance, largest over the tasks' features."""
    x, y = group.tasks.x_test, group.tasks.y_test
    shares = []
    for points, labels in zip(x, y, strict=True):
        means = torch.stack([points[labels == c].mean(dim=0) for c in labels.unique()])
        shares.append(float((means.var(dim=0) / points.var(dim=0)).max()))
    return sum(shares) / len(shares)


def test_test_labels_stay_clean() -> None:
    prior = replace(PRIORS["label-noise"], noisy=1.0, noise=(0.8, 0.8), noise_kinds={"symmetric": 1.0})
    clean = replace(prior, noisy=0.0)
    one, other = draw_group(prior, 4, stream(3, "g")), draw_group(clean, 4, stream(3, "g"))
    assert torch.equal(one.tasks.y_test, other.tasks.y_test)
    assert float(one.noise.mean()) > 0.7
    assert float(other.noise.max()) == 0.0


def test_batches_go_through_all_samples_each_epoch() -> None:
    batches = epochs(12, 2, 4, 7, stream(0, "batches"))
    assert batches.shape == (7, 2, 4)
    for task in range(2):
        for epoch in range(2):
            seen = batches[3 * epoch : 3 * epoch + 3, task].flatten()
            assert sorted(seen.tolist()) == list(range(12))
    assert not torch.equal(batches[:3], batches[3:6])


@pytest.mark.parametrize(
    ("name", "labels", "first", "samples"),
    [("label-noise-wide", 12953, 35391, 1189), ("images", 13227, 28912, 913)],
)
def test_groups_stay_what_they_are(name: str, labels: int, first: int, samples: int) -> None:
    # The recipes of the shipped losses give the same losses as long as this holds.
    group = draw_group(PRIORS[name], 2, stream(5, "recorded"), long=False)
    assert group.tasks.x.shape[1] == samples
    assert (int(group.tasks.y.sum()), int(group.plan.batches[0].sum())) == (labels, first)
    assert group.plan.augmentation is None


def test_length_in_epochs_holds_for_every_batch_size() -> None:
    for batch, steps in ((7, 28), (20, 10), (50, 4)):
        prior = Prior(samples=(100, 100), classes=(3, 3), epochs=(2, 2), batch=(batch, batch))
        group = draw_group(prior, 2, stream(0, "g"), long=False)
        assert group.plan.steps == steps
        # What does not fill a batch is left out, and losses that count epochs are told so.
        assert group.plan.samples_per_epoch == 100 // batch * batch
        assert draw_group(prior, 2, stream(0, "g"), long=True).plan.steps in range(400, 1001)
        assert draw_group(prior, 2, stream(0, "g"), long=False, stretch=3.0).plan.steps == 3 * steps


def test_fresh_noise_on_inputs_is_drawn_for_some_groups() -> None:
    prior = Prior(augmented=0.5, augmentation=(0.2, 0.4), samples=(60, 60))
    sizes = [draw_group(prior, 3, stream(seed, "g"), long=False).plan.augmentation for seed in range(60)]
    drawn = [size for size in sizes if size is not None]
    assert 18 <= len(drawn) <= 42
    assert all(size.shape == (3,) and within(float(size.min()), prior.augmentation) for size in drawn)
    # All else is as it was without, and of long groups none is asked for.
    group, plain = (draw_group(replace(prior, augmented=share), 3, stream(1, "g")) for share in (1.0, 0.0))
    assert torch.equal(group.tasks.x, plain.tasks.x)
    assert torch.equal(group.plan.batches, plain.plan.batches)
    assert draw_group(prior, 3, stream(1, "g"), long=True).plan.augmentation is None
    by_rate = draw_group(replace(prior, augmented=1.0), 2, stream(1, "g"), long=False, rates=3).plan
    assert by_rate.augmentation is not None
    assert torch.equal(by_rate.augmentation, by_rate.augmentation[::3].repeat_interleave(3))


def test_configurations_are_checked_by_the_engine() -> None:
    assert isinstance(draw_group(Prior(adam=1.0), 1, stream(0, "g")).config, StudentConfig)
