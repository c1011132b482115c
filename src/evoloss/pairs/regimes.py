"""The regimes: ways of being right or wrong, each a sampler of log-probabilities and labels.

A regime is a function ``(n, classes, generator, dtype) -> (log_probs (n, S), target (n,))``, where
``classes`` decides how many columns S stand for the C classes. Everything is computed in log space, so that
a probability of 1e-30 keeps its digits and ``1 - p_y`` can be read from ``log p_y`` where p_y is nearly 1.
Which class is the label is uniform unless a regime says otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from evoloss.pairs.classes import GAMMA_LEVELS, Classes, Sample, log1mexp, normal

Regime = Callable[[int, Classes, torch.Generator, torch.dtype], Sample]

LOG_SMALLEST = math.log(1e-30)  # the smallest error a regime asks for


def near_uniform(n: int, classes: Classes, generator: torch.Generator, dtype: torch.dtype) -> Sample:
    """An untrained classifier: Gaussian logits of scale log-uniform in [1e-3, 0.3]."""
    scale = _log_uniform(n, 1e-3, 0.3, generator, dtype)
    log_probs = classes.log_softmax(scale[:, None] * classes.normal(n, generator, dtype))
    return log_probs, classes.any_label(n, generator)


def confident_right(n: int, classes: Classes, generator: torch.Generator, dtype: torch.dtype) -> Sample:
    """Nearly all mass on the label: ``1 - p_y`` log-uniform in [1e-4, 0.3]."""
    log_error = _log_uniform(n, 1e-4, 0.3, generator, dtype).log()
    return _label_and_rest(log1mexp(log_error), log_error, classes, generator)


def confident_wrong(n: int, classes: Classes, generator: torch.Generator, dtype: torch.dtype) -> Sample:
    """Nearly all mass on one wrong class: p_y log-uniform in [1e-8, 0.1], as little for the rest.

    With two classes the rest is empty and the rival holds ``1 - p_y``.
    """
    log_p = _log_uniform(n, 1e-8, 0.1, generator, dtype).log()
    log_rest = _log_uniform(n, 1e-8, 0.1, generator, dtype).log()
    log_off_rival = torch.logaddexp(log_p, log_rest) if classes.n_classes > 2 else log_p
    return _label_rival_rest(log_p, log1mexp(log_off_rival), log_rest, classes, generator)


def two_class(n: int, classes: Classes, generator: torch.Generator, dtype: torch.dtype) -> Sample:
    """Label and one rival share all but 1e-8 to 0.1 of the mass; normal log-odds, deviation 3."""
    log_rest = _log_uniform(n, 1e-8, 0.1, generator, dtype).log()
    log_odds = normal((n,), generator, dtype).mul(-3)
    log_shared = log1mexp(log_rest) if classes.n_classes > 2 else torch.zeros_like(log_rest)
    # Each from its own logsigmoid: as the remainder of the label, a small rival would lose its digits.
    log_p, log_rival = (log_shared + F.logsigmoid(odds) for odds in (log_odds, -log_odds))
    return _label_rival_rest(log_p, log_rival, log_rest, classes, generator)


def boundary(n: int, classes: Classes, generator: torch.Generator, dtype: torch.dtype) -> Sample:
    """On a decision boundary: the label's logit is the largest of the others, give or take 0.05.

    The others are Gaussian logits of scale log-uniform in [0.3, 10].
    """
    scale = _log_uniform(n, 0.3, 10.0, generator, dtype)
    others = scale[:, None] * classes.normal(n, generator, dtype, behind=1)
    label = others.amax(dim=1) + 0.05 * normal((n,), generator, dtype)
    return classes.place_label(classes.log_softmax(torch.cat([label[:, None], others], dim=1)), generator)


def vertex(n: int, classes: Classes, generator: torch.Generator, dtype: torch.dtype) -> Sample:
    """Close to a vertex of the simplex, the label's or (in one half) another's.

    The mass off the vertex is log-uniform in [1e-30, 1e-4].
    """
    log_error = _log_uniform(n, 1e-30, 1e-4, generator, dtype).log()
    log_probs, at = _label_and_rest(log1mexp(log_error), log_error, classes, generator)
    elsewhere = torch.rand(n, generator=generator, device=generator.device, dtype=torch.float32) < 0.5
    return log_probs, torch.where(elsewhere, classes.any_other(at, generator), at)


def softmax_gaussian(n: int, classes: Classes, generator: torch.Generator, dtype: torch.dtype) -> Sample:
    """Gaussian logits of scale log-uniform in [0.1, 20].

    One half of the labels is drawn from the prediction itself (a calibrated classifier), one half uniformly.
    """
    scale = _log_uniform(n, 0.1, 20.0, generator, dtype)
    log_probs = classes.log_softmax(scale[:, None] * classes.normal(n, generator, dtype))
    return log_probs, _half_calibrated(log_probs, classes, generator)


def dirichlet(n: int, classes: Classes, generator: torch.Generator, dtype: torch.dtype) -> Sample:
    """Dirichlet at a concentration of 0.1, 0.3, 1 or 10, the same for all classes.

    Labels are drawn as in ``softmax_gaussian``.
    """
    levels = torch.tensor(GAMMA_LEVELS, dtype=dtype, device=generator.device)
    choices = torch.randint(len(levels), (n,), generator=generator, device=generator.device)
    log_probs = classes.log_softmax(classes.log_gamma(levels[choices], generator))
    return log_probs, _half_calibrated(log_probs, classes, generator)


REGIMES: dict[str, Regime] = {
    "near_uniform": near_uniform,
    "confident_right": confident_right,
    "confident_wrong": confident_wrong,
    "two_class": two_class,
    "boundary": boundary,
    "vertex": vertex,
    "softmax_gaussian": softmax_gaussian,
    "dirichlet": dirichlet,
}


def _log_uniform(n: int, low: float, high: float, generator: torch.Generator, dtype: torch.dtype) -> Tensor:
    share = torch.rand(n, generator=generator, dtype=dtype, device=generator.device)
    return torch.exp(math.log(low) + share * (math.log(high) - math.log(low)))


def _label_and_rest(log_p: Tensor, log_rest: Tensor, classes: Classes, generator: torch.Generator) -> Sample:
    """The label holds ``exp(log_p)``, the other classes share ``exp(log_rest)`` at random."""
    rest = log_rest[:, None] + classes.rest(1, len(log_p), generator, log_p.dtype)
    return classes.place_label(torch.cat([log_p[:, None], rest], dim=1), generator)


def _label_rival_rest(
    log_p: Tensor, log_rival: Tensor, log_rest: Tensor, classes: Classes, generator: torch.Generator
) -> Sample:
    """Label, one rival, and ``exp(log_rest)`` spread over the other classes, if there are any."""
    two = torch.stack([log_p, log_rival], dim=1)
    if classes.n_classes == 2:
        return classes.place_label(two, generator)
    rest = log_rest[:, None] + classes.rest(2, len(log_p), generator, log_p.dtype)
    return classes.place_label(torch.cat([two, rest], dim=1), generator, rival=True)


def _half_calibrated(log_probs: Tensor, classes: Classes, generator: torch.Generator) -> Tensor:
    """Labels, one half drawn from the prediction, one half uniform."""
    n = len(log_probs)
    calibrated = classes.calibrated_label(log_probs, generator)
    any_label = classes.any_label(n, generator)
    half = torch.rand(n, generator=generator, device=generator.device, dtype=torch.float32) < 0.5
    return torch.where(half, calibrated, any_label)
