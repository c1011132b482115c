r"""Inputs and labels of random classification tasks, made by a generator from nothing.

A point is a class centre plus spread in a space of few dimensions, laid into the feature space by a random
map. What makes tasks differ, drawn for each one: one to six clusters a class; centres alone or grouped in
superclasses; normal or heavy-tailed spread, of another shape in each class; how far the classes overlap; a
flat or a warped embedding with noise in all directions; equal or unequal classes; or labels that a random
network gives. Tasks of one shape are made at once.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from evoloss.tasks.draws import Draw, Samples, draw_labels
from evoloss.tasks.prior import Prior

_LARGEST_MODES = 6
_LARGEST_LATENT = 10


def draw_samples(
    prior: Prior, n_tasks: int, n: int, n_classes: int, features: int, generator: torch.Generator
) -> Samples:
    """Draw ``n`` points of each of ``n_tasks`` tasks with ``n_classes`` classes and ``features`` features."""
    draw = Draw(n_tasks, generator)
    latent = int(draw.integers(2, min(_LARGEST_LATENT, features), (1,)))
    y = draw_labels(prior, draw, n, n_classes)
    points = _clusters(prior, draw, y, n_classes, latent)
    taught = draw.chance(0.15)
    points = torch.where(taught[:, None, None], draw.normal(n, latent), points)
    scores = _teacher(draw, points, n_classes)
    y = torch.where(taught[:, None], scores.argmax(dim=2), y)
    rival, doubt = _nearest_other(draw, points, y, n_classes, scores, taught)
    return Samples(_embed(prior, draw, points, features), y, rival, doubt)


def _clusters(prior: Prior, draw: Draw, y: Tensor, n_classes: int, latent: int) -> Tensor:
    tasks, n = y.shape
    parents = draw.normal(max(2, round(math.sqrt(n_classes))), latent)
    parent = torch.randint(parents.shape[1], (tasks, n_classes), generator=draw.generator)
    nested = draw.chance(0.3)[:, None, None]
    family = torch.take_along_dim(parents, parent[:, :, None], dim=1)
    centres = draw.normal(n_classes, latent)
    centres = torch.where(nested, 0.9 * family + 0.45 * centres, centres)
    between = torch.cdist(centres, centres) + torch.diag(
        torch.full((n_classes,), math.inf, dtype=torch.float32)
    )
    centres = centres / between.amin(dim=2).mean(dim=1)[:, None, None]
    apart = (
        draw.normal(n_classes, _LARGEST_MODES, latent)
        * (draw.uniform(0.5, 1.5) / math.sqrt(latent))[:, None, None, None]
    )
    modes = draw.integers(*prior.modes)[:, None]
    mode = (draw.uniform(0, 1, n) * modes).long().clamp(max=_LARGEST_MODES - 1)
    apart = torch.where((modes > 1)[..., None, None], apart, 0.0)
    places = (centres[:, :, None] + apart).flatten(1, 2)
    at = torch.take_along_dim(places, (y * _LARGEST_MODES + mode)[:, :, None], dim=1)
    shape = (0.4 * draw.normal(n_classes, latent)).exp()
    spread = draw.normal(n, latent) * torch.take_along_dim(shape, y[:, :, None], dim=1)
    # Student-t with three degrees of freedom, of about the same middle.
    heavy = (draw.normal(n, 3).square().mean(dim=2) + 1e-3).rsqrt()
    spread = torch.where(draw.chance(0.2)[:, None, None], 0.7 * spread * heavy[:, :, None], spread)
    separation = draw.log_uniform(*prior.separation)[:, None, None]
    return at * separation + spread


def _teacher(draw: Draw, points: Tensor, n_classes: int) -> Tensor:
    """Scores of the classes by a random network of one hidden layer, each class about equally often first."""
    latent, width = points.shape[2], 24
    first = draw.normal(latent, width) * (draw.uniform(1, 3) / math.sqrt(latent))[:, None, None]
    second = draw.normal(width, n_classes)
    scores = torch.tanh(points @ first + 0.5 * draw.normal(1, width)) @ second
    return (scores - scores.mean(dim=1, keepdim=True)) / (scores.std(dim=1, keepdim=True) + 1e-6)


def _nearest_other(
    draw: Draw, points: Tensor, y: Tensor, n_classes: int, scores: Tensor, taught: Tensor
) -> tuple[Tensor, Tensor]:
    """The likeliest wrong class and how close it is: by class means, or by the teacher's scores."""
    is_label = torch.nn.functional.one_hot(y, n_classes).to(points.dtype)
    means = is_label.mT @ points / (is_label.sum(dim=1)[:, :, None] + 1e-6)
    by_mean = -torch.cdist(points, means)
    closeness = torch.where(taught[:, None, None], scores, by_mean)
    own = closeness.gather(2, y[:, :, None]).squeeze(2)
    best, rival = closeness.masked_fill(is_label.bool(), -math.inf).max(dim=2)
    return rival, torch.sigmoid(best - own).clamp(min=1e-6)


def _embed(prior: Prior, draw: Draw, points: Tensor, features: int) -> Tensor:
    """Lay the points into the feature space: linear, or warped by sines; with noise in every direction."""
    latent = points.shape[2]
    scale = points.std(dim=(1, 2), keepdim=True) + 1e-6
    points = points / scale
    flat = points @ draw.normal(latent, features) / math.sqrt(latent)
    frequency = draw.log_uniform(0.5, 3.0)[:, None, None]
    phase = draw.uniform(0, 2 * math.pi, 1, features)
    bent = torch.sin(frequency * (points @ draw.normal(latent, features)) + phase)
    x = torch.where(draw.chance(0.5)[:, None, None], bent + draw.uniform(0, 1)[:, None, None] * flat, flat)
    noise = draw.log_uniform(*prior.feature_noise)[:, None, None]
    x = x + noise * draw.normal(points.shape[1], features)
    return (x - x.mean(dim=1, keepdim=True)) / (x.std(dim=1, keepdim=True) + 1e-6)
