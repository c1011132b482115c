r"""Inputs of patches and their labels: what images are to a convolutional network, made from nothing.

A class has a few patterns, its views. An input shows some of them in patches drawn at random, another class's
in fewer or fainter, and clutter from a store that all classes share, under noise in every direction. What
tells classes apart has to be found among patches that say nothing, and the noise of a patch is enough to know
an input again: so wrong labels are learned by heart before predictions are certain. After the signal-noise
patch models that the theory of convolutional networks and label noise works with (Cao et al. 2022,
arXiv:2202.06526; Kou et al. 2023, arXiv:2303.04145; views after Allen-Zhu and Li 2020, arXiv:2012.09816).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from evoloss.tasks.draws import Draw, Samples, draw_labels
from evoloss.tasks.prior import Prior

_CLUTTER = 24  # patterns without a class


def draw_patches(
    prior: Prior,
    n_tasks: int,
    n: int,
    n_classes: int,
    features: int,
    patches: int,
    generator: torch.Generator,
) -> Samples:
    """Draw ``n`` inputs of each of ``n_tasks`` tasks, of ``patches`` patches of ``features`` features each.

    Feature f of patch j stands at ``f * patches + j``. The rival of an input is the class whose pattern it
    shows beside its own.
    """
    draw = Draw(n_tasks, generator)
    y = draw_labels(prior, draw, n, n_classes)
    rival = (y + draw.integers(1, n_classes - 1, (n_tasks, n))) % n_classes
    # So many patches show the class, one less its rival, but at least one, and fainter.
    own = draw.integers(1, max(1, patches // 4))[:, None, None]
    others = (own - 1).clamp(min=1)
    contrast, faint = draw.log_uniform(*prior.contrast)[:, None, None], draw.uniform(0.0, 0.9)[:, None, None]
    rank = draw.uniform(0, 1, n, patches).argsort(dim=2)
    shown = torch.where(rank < own, 1.0, torch.where(rank < own + others, faint, 0.0))
    size = contrast * shown * draw.uniform(0.5, 1.5, n, patches)
    label = torch.where(rank < own, y[:, :, None], rival[:, :, None])
    view = (draw.uniform(0, 1, n, patches) * draw.integers(*prior.modes)[:, None, None]).long()
    patterns = _patterns(draw, n_classes * prior.modes[1], features)
    x = _clutter(draw, n, patches, features)
    x += size[..., None] * _gather(patterns, label * prior.modes[1] + view)
    x = x.mT.flatten(2)
    x = (x - x.mean(dim=(1, 2), keepdim=True)) / x.std(dim=(1, 2), keepdim=True)
    doubt = faint[:, :, 0] * draw.uniform(0.1, 1.0, n) + 1e-6
    return Samples(x, y, rival, doubt)


def _patterns(draw: Draw, count: int, features: int) -> Tensor:
    """Random patterns ``(tasks, count, features)``, of the size of noise of deviation 1."""
    return F.normalize(draw.normal(count, features), dim=2) * math.sqrt(features)


def _clutter(draw: Draw, n: int, patches: int, features: int) -> Tensor:
    """Patches that say nothing, ``(tasks, n, patches, features)``: noise and patterns of no class."""
    store = _patterns(draw, _CLUTTER, features)
    which = draw.integers(0, _CLUTTER - 1, (draw.n_tasks, n, patches))
    size = draw.uniform(0.0, 1.5)[:, None, None] * draw.uniform(0, 1, n, patches)
    return draw.normal(n, patches, features) + size[..., None] * _gather(store, which)


def _gather(patterns: Tensor, which: Tensor) -> Tensor:
    """Patterns ``(tasks, count, features)`` by number ``(tasks, n, patches)``."""
    found = torch.take_along_dim(patterns, which.flatten(1)[:, :, None], dim=1)
    return found.view(*which.shape, -1)
