"""The verdict on an evolved loss: what it gains, over what, and whether that is worth using it."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from evoloss.evolve.budget import VERDICT_TASKS, WANTED_VERDICT
from evoloss.evolve.fresh import FreshTasks

CONFIDENCE = 0.95
_TOO_WARM, _TOO_COLD = 2.0, 0.5  # temperatures from which probabilities should not be taken as they are


@dataclass(frozen=True)
class Difference:
    """A loss less another on fresh tasks, in points of accuracy.

    Attributes:
        mean: over groups of tasks.
        low: lower end of its 95 % interval.
        high: upper end.
    """

    mean: float
    low: float
    high: float

    @property
    def text(self) -> str:
        """Mean and interval."""
        return f"{self.mean:+.1f} points (95 % interval {self.low:+.1f} to {self.high:+.1f})"


@dataclass(frozen=True)
class LossRow:
    """A loss on fresh tasks.

    Attributes:
        loss: its name.
        accuracy: mean, in percent.
        over_cross_entropy: difference to cross-entropy; None for itself.
        evolved_less_it: difference of the evolved loss to it; None for itself.
        temperature: median over tasks of the best temperature.
        nll: mean negative log-likelihood.
        scaled_nll: at each task's best temperature.
    """

    loss: str
    accuracy: float
    over_cross_entropy: Difference | None
    evolved_less_it: Difference | None
    temperature: float
    nll: float
    scaled_nll: float


@dataclass(frozen=True)
class EvolveVerdict:
    """Verdict on a search.

    Attributes:
        text: the verdict in words.
        worth_it: whether to use the loss.
        use: name of the loss to use; ``this loss`` where it is the evolved one.
        rows: the losses, cross-entropy first and the evolved one last.
        groups: groups of fresh tasks.
        tasks: tasks of all groups.
        rates: learning rates of a task; the best counts for each loss.
        calibration: what to know of its probabilities, in words.
    """

    text: str
    worth_it: bool
    use: str
    rows: tuple[LossRow, ...]
    groups: int
    tasks: int
    rates: int
    calibration: str

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON has them."""
        return {**asdict(self), "rows": [asdict(row) for row in self.rows]}


EVOLVED = "this loss"


def rates_text(rates: int) -> str:
    """Words for the learning rates of the losses, so many on every task.

    Example:
        >>> rates_text(1)
        'every loss at the same learning rate, which was drawn for each task'
    """
    if rates == 1:
        return "every loss at the same learning rate, which was drawn for each task"
    return f"every loss at the best of {rates} learning rates on each task"


def is_calibrated(temperature: float) -> bool:
    """Tell whether probabilities may be taken as they are, by the temperature that suits them best."""
    return _TOO_COLD < temperature < _TOO_WARM


def judge(fresh: FreshTasks, recommended: str) -> EvolveVerdict:
    """The verdict on the last loss of a measurement.

    It is worth it if it is above cross-entropy and above the loss that is recommended without a search, both
    by an interval that leaves out 0, and if no other loss has a mean as high. Where time was too short for
    the tasks that are planned, the verdict says so.

    Args:
        fresh: what was measured.
        recommended: the shipped loss for this purpose.
    """
    rows = rows_of(fresh)
    less = {row.loss: row.evolved_less_it for row in rows if row.evolved_less_it is not None}
    head = f"{less['cross_entropy'].text} over cross-entropy on {fresh.n_tasks} fresh tasks"
    over = less[recommended]
    behind = [name for name, difference in less.items() if difference.high < 0]
    if behind:
        use = min(behind, key=lambda name: less[name].mean)
        text = f"Not worth it: {head}, and {use} is {-less[use].mean:.1f} points better. Use {use}."
    elif less["cross_entropy"].low <= 0:
        use = "cross_entropy"
        text = f"Not worth it: {head}, which may be nothing. Keep cross-entropy."
    elif over.low <= 0:
        use = recommended
        text = (
            f"Not worth it over the loss we recommend: {head}, {over.text} over {recommended}. "
            f"Use {recommended}, which needs no search."
        )
    elif level := [name for name, difference in less.items() if difference.mean <= 0]:
        use = min(level, key=lambda name: less[name].mean)
        text = (
            f"Not worth it: {head}, and {use}, which needs no search, is as good: this loss less it "
            f"{less[use].text}. Use {use}."
        )
    else:
        use = EVOLVED
        text = f"Worth it: {head}, {over.text} over {recommended}, the loss we recommend without a search."
    return EvolveVerdict(
        text=text + _shortage(fresh),
        worth_it=use == EVOLVED,
        use=use,
        rows=rows,
        groups=fresh.n_groups,
        tasks=fresh.n_tasks,
        rates=fresh.rates,
        calibration=_calibration(rows[-1], rows[0]),
    )


def _shortage(fresh: FreshTasks) -> str:
    """A sentence on tasks that there was no time for; empty where there was."""
    if fresh.n_groups >= WANTED_VERDICT:
        return ""
    return (
        f" The time was too short for the {VERDICT_TASKS * WANTED_VERDICT} fresh tasks that are planned: "
        f"with {fresh.n_tasks} the intervals are wider, and a larger budget may change the verdict."
    )


def rows_of(fresh: FreshTasks) -> tuple[LossRow, ...]:
    """The losses of a measurement with their differences to cross-entropy and to the evolved loss."""
    last = len(fresh.names) - 1
    return tuple(
        LossRow(
            loss=name,
            accuracy=float(fresh.accuracy[at].mean()),
            over_cross_entropy=_difference(fresh, at, 0) if at else None,
            evolved_less_it=_difference(fresh, last, at) if at < last else None,
            temperature=float(fresh.temperature[at].median()),
            nll=float(fresh.nll[at].mean()),
            scaled_nll=float(fresh.scaled_nll[at].mean()),
        )
        for at, name in enumerate(fresh.names)
    )


def _difference(fresh: FreshTasks, one: int, other: int) -> Difference:
    values = (fresh.accuracy[one] - fresh.accuracy[other]).tolist()
    return difference_of(values[::2], values[1::2])


def difference_of(short: Sequence[float], long: Sequence[float]) -> Difference:
    """Mean and 95 % interval of differences of short and of long groups of tasks, with equal weights.

    Groups are independent, and half of them are long by design: how far long ones are from short ones is no
    uncertainty. Degrees of freedom as Welch and Satterthwaite have them; three groups of a kind at least.

    Example:
        >>> difference_of([1.0, 2.0, 3.0], [7.0, 8.0, 9.0]).text
        '+5.0 points (95 % interval +3.9 to +6.1)'
    """
    mean = (statistics.fmean(short) + statistics.fmean(long)) / 2
    parts = [statistics.variance(kind) / len(kind) / 4 for kind in (short, long)]
    squares = sum(part**2 / (len(kind) - 1) for part, kind in zip(parts, (short, long), strict=True))
    if not squares:
        return Difference(mean, mean, mean)
    half = t_quantile(sum(parts) ** 2 / squares) * math.sqrt(sum(parts))
    return Difference(mean, mean - half, mean + half)


def t_quantile(freedom: float) -> float:
    """The 97.5 % quantile of Student's t, within 0.3 % from 2 degrees of freedom on.

    The cumulative distribution is integrated and bisected: scipy has it, and is an extra.

    Example:
        >>> [round(t_quantile(freedom), 2) for freedom in (2, 7, 15)]
        [4.3, 2.36, 2.13]
    """
    steps, scale = 400, math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2)
    height = math.exp(scale) / math.sqrt(freedom * math.pi)

    def above_zero(t: float) -> float:
        """Probability between 0 and t, by Simpson's rule."""
        values = [
            (1 + (t * at / steps) ** 2 / freedom) ** (-(freedom + 1) / 2) * (1, 4, 2)[_weight(at, steps)]
            for at in range(steps + 1)
        ]
        return float(height * sum(values) * t / (3 * steps))

    low, high = 1.5, 20.0
    while high - low > 1e-4:
        middle = (low + high) / 2
        low, high = (middle, high) if above_zero(middle) < CONFIDENCE / 2 else (low, middle)
    return (low + high) / 2


def _weight(at: int, steps: int) -> int:
    if at in (0, steps):
        return 0
    return 1 if at % 2 else 2


def _calibration(own: LossRow, cross_entropy: LossRow) -> str:
    """Sentences on the probabilities of classifiers that were trained with the loss."""
    measured = (
        f"The best temperature for its students is {own.temperature:.2g} (median over tasks; "
        f"{cross_entropy.temperature:.2g} for cross-entropy's); their negative log-likelihood is "
        f"{own.nll:.2f} as they are and {own.scaled_nll:.2f} at the best temperature "
        f"({cross_entropy.nll:.2f} and {cross_entropy.scaled_nll:.2f})."
    )
    if is_calibrated(own.temperature):
        return measured
    kind = "certain" if own.temperature >= _TOO_WARM else "uncertain"
    return (
        f"{measured} Probabilities are too {kind} as they are: divide logits by a temperature that was "
        "fitted on validation data before reading them. Which class is predicted does not change."
    )
