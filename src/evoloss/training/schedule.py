"""The learning rate as a function of the step."""

from __future__ import annotations

import math

from evoloss.training.config import Schedule

WARM_UP_SHARE = 0.3
"""Share of the steps in which ``one_cycle`` rises."""
START_SHARE = 1 / 25
"""The first rate of ``one_cycle``, as a share of the highest."""


def learning_rate(schedule: Schedule, step: int, n_steps: int, peak: float) -> float:
    r"""Learning rate at one step.

    ``constant`` is ``peak``. ``cosine`` is :math:`peak (1 + \cos(\pi\, step / n)) / 2`. ``one_cycle`` rises
    linearly from ``peak / 25`` to ``peak`` over 30 % of the steps, then falls along a half cosine towards 0;
    the momentum is left alone.

    Args:
        schedule: which of the three.
        step: in ``[0, n_steps)``.
        n_steps: steps of the whole training.
        peak: the highest rate.

    References:
        Smith and Topin 2017, arXiv:1708.07120 (one cycle).
        Loshchilov and Hutter 2016, arXiv:1608.03983 (cosine).
    """
    if schedule == "constant":
        return peak
    if schedule == "cosine":
        return peak * _half_cosine(step / n_steps)
    warm_up = round(WARM_UP_SHARE * n_steps)
    if step < warm_up:
        return peak * (START_SHARE + (1 - START_SHARE) * step / warm_up)
    return peak * _half_cosine((step - warm_up) / (n_steps - warm_up))


def _half_cosine(progress: float) -> float:
    return 0.5 * (1 + math.cos(math.pi * progress))
