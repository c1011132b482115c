"""The picture of a loss: its pull on the label's logit, at several class counts or agreements."""

from __future__ import annotations

import io
from functools import cache
from pathlib import Path

from torch import nn

from evoloss import EvolvedLoss, make_loss
from evoloss.atomic_files import write_bytes
from evoloss.diagnostics import Curve, loss_curve
from evoloss.diagnostics.criterion import NotApplicableError
from evoloss.diagnostics.curves import P_MIN
from evoloss.losses.state import states_of
from evoloss.report.direct_labels import label_ends

CLASS_COUNTS = (2, 10, 100, 1000)
AGREEMENTS = (0.0, 0.5, 1.0)
BASELINE = "cross_entropy"
_POINTS = 301
_LEAST = 1e-9  # of a pull, on the logarithmic axis
_ALIKE = 1e-3  # pulls that differ by less look alike


@cache
def curves(name: str) -> dict[str, Curve]:
    """The curves of a loss by what they are of; one alone where the class count makes no difference."""
    loss = make_loss(name, reduction="none")
    if isinstance(loss, EvolvedLoss) and loss.is_paced:
        return {
            f"A = {agreement:g}": loss_curve(loss.at_agreement(agreement), n_classes=10, points=_POINTS)
            for agreement in AGREEMENTS
        }
    found = {}
    for count in CLASS_COUNTS:
        try:
            found[f"{count:,} classes"] = loss_curve(loss, n_classes=count, points=_POINTS)
        except NotApplicableError:
            continue
    first, *others = found.values()
    if all(_alike(first, other) for other in others):
        return {name: first}
    return found


def caption(name: str) -> str:
    """What the picture of a loss shows."""
    drawn = curves(name)
    loss = make_loss(name)
    which = "It is the same at any number of classes."
    if len(drawn) > 1:
        which = "It depends on the number of classes."
        if isinstance(loss, EvolvedLoss) and loss.is_paced:
            which = (
                "A is the agreement of the batch with its labels: 0 at chance, 1 where the class is learned."
            )
    if states_of(loss):
        which += " This loss follows its training; this is its start, when nothing is known yet."
    return (
        r"How hard the loss pulls on the label's logit, $-\partial L / \partial z_y$, against the "
        f"probability $p_y$ that the label has, with the rest spread evenly over the other classes. {which} "
        "Cross-entropy's pull, dashed, is $1 - p_y$. The right half goes from certain and right to certain "
        "and wrong."
    )


def draw(name: str, path: Path) -> None:
    """Draw the picture of a loss: the pull, and on the right its logarithm for confident mistakes."""
    import matplotlib
    from matplotlib.figure import Figure

    drawn = curves(name)
    # A fixed place for the axes, and text that stays text: a tenth of the time of a layout with paths.
    figure = Figure(figsize=(8.4, 3.4))
    linear = figure.add_axes((0.075, 0.15, 0.36, 0.72))
    logarithmic = figure.add_axes((0.535, 0.15, 0.36, 0.72))
    reference = loss_curve(nn.CrossEntropyLoss(reduction="none"), points=_POINTS)
    for axes in (linear, logarithmic):
        axes.plot(reference.p, reference.gradient, color="0.45", linestyle="--", linewidth=1.3)
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_xlabel("probability of the label")
    ends = [(reference.gradient[0], "cross-entropy", "0.45")]
    for (label, curve), colour in zip(drawn.items(), _shades(len(drawn)), strict=False):
        if name == BASELINE:
            continue
        linear.plot(curve.p, curve.gradient, color=colour, linewidth=2.0)
        logarithmic.plot(
            curve.p, [max(value, _LEAST) for value in curve.gradient], color=colour, linewidth=2.0
        )
        ends.append((max(curve.gradient[0], _LEAST), label, colour))
    right = [
        pull for curve in drawn.values() for p, pull in zip(curve.p, curve.gradient, strict=True) if p < 0.5
    ]
    least = max(min([0.01, *(pull for pull in right if pull > 0)]) / 3, _LEAST)
    linear.set_title("pull on the label's logit", loc="left", fontsize="medium")
    linear.axhline(0.0, color="0.85", linewidth=0.8, zorder=0)
    logarithmic.set(xscale="log", yscale="log", ylim=(least, None), xlim=(1.0, P_MIN))
    logarithmic.set_title("the same, logarithmic: confident mistakes", loc="left", fontsize="medium")
    label_ends(logarithmic, ends)
    buffer = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "evoloss", "svg.fonttype": "none"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    write_bytes(path, buffer.getvalue())


def _shades(count: int) -> list[str]:
    return ["#0072B2"] if count == 1 else ["#9ecae1", "#4292c6", "#08519c", "#041f3f"][-count:]


def _alike(one: Curve, other: Curve) -> bool:
    largest = max(map(abs, one.gradient))
    return all(abs(a - b) <= _ALIKE * largest for a, b in zip(one.gradient, other.gradient, strict=True))
