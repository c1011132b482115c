"""``evoloss inspect``: what kind of loss is this, beside cross-entropy."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

import tyro
from rich.table import Table
from rich.text import Text
from torch import nn

from evoloss._version import __version__
from evoloss.atomic_files import write_text
from evoloss.cli.terminal import Terminal
from evoloss.diagnostics import Curve, Inspection, Reading, inspect_loss, loss_curve, readings
from evoloss.diagnostics.agreements import AGREEMENTS, readings_over
from evoloss.errors import ConfigError
from evoloss.losses import EvolvedLoss
from evoloss.own_files import holds_json, require_replaceable
from evoloss.pairs import MAX_CLASSES
from evoloss.safe_text import one_line

BASELINE = "cross_entropy"
RECORD_FILE, PICTURE_FILES = "inspect.json", ("loss_curve.png", "gradient_profile.png")
_DRAWN = (1.0, 0.5, 0.0)  # agreements at which a paced loss is drawn

_BARS = " ▁▂▃▄▅▆▇█"
_ASCII_BARS = " .:-=+*#@"
_BAR_COLUMNS = 49


@dataclass(frozen=True, kw_only=True)
class InspectCommand:
    """Look at a loss: its curve, its gradient, and how it is likely to train."""

    loss: tyro.conf.Positional[str]
    """A known loss (gce, gce:q=0.5), a shipped one (evolved-base), the directory of a saved one,
    hf://user/name on the Hugging Face Hub, or package.module:callable for your own, which has to take
    reduction="none"."""
    classes: int = 10
    """Class count of the predictions, from 2 to 100,000."""
    seed: int = 0
    """Seed of the random predictions and label distributions."""
    agreement: float = 1.0
    """For a paced loss: how far the batch has learned the label's class, from 0 (chance) to 1. The table
    looks at several; inspect.json and one of the curves are at this one."""
    out: Path | None = None
    """Folder for inspect.json, loss_curve.png and gradient_profile.png; none: print only."""

    def __post_init__(self) -> None:
        """Check what the command line gave."""
        if not 2 <= self.classes <= MAX_CLASSES:
            raise ConfigError(f"--classes must be from 2 to {MAX_CLASSES:,}, got {self.classes}")
        if not 0 <= self.agreement <= 1:
            raise ConfigError(f"--agreement must be from 0 to 1, got {self.agreement}")


def run(config: InspectCommand) -> int:
    """Inspect the loss and cross-entropy, print both, and write the files if asked.

    Raises:
        UnknownNameError: if there is no such loss.
        ConfigError: if the loss does not take this class count.
        MissingExtraError: if files are asked for and matplotlib is not installed; inspect.json is written.
    """
    from evoloss.losses.resolve import make_loss
    from evoloss.losses.state import states_of

    if config.out is not None:
        require_replaceable(config.out, {RECORD_FILE: holds_json("loss", "evoloss_version")}, PICTURE_FILES)
    loss = make_loss(config.loss, reduction="none")
    paced = loss if isinstance(loss, EvolvedLoss) and loss.is_paced else None
    inspected = loss if paced is None else paced.at_agreement(config.agreement)
    inspection = inspect_loss(inspected, n_classes=config.classes, seed=config.seed)
    baseline = inspection
    if config.loss != BASELINE:
        cross_entropy = nn.CrossEntropyLoss(reduction="none")
        baseline = inspect_loss(cross_entropy, n_classes=config.classes, seed=config.seed)
    console = Terminal()
    over = None if paced is None else _over_agreements(config, inspection, paced)
    console.print(readings_table(config.loss, inspection, baseline, over))
    if states_of(loss):
        console.say(
            "This loss follows its training. It is read as at the start of one, when nothing is known yet."
        )
    curves, rivals = _curves(config, inspection, paced)
    curves[BASELINE] = baseline.curve
    rivals.pop(BASELINE, None)
    for line in text_plots(curves, unicode=console.encoding.lower().startswith("utf")):
        console.print(line, highlight=False, markup=False)
    if config.out is not None:
        canonical = paced is None
        for path in write_inspection(
            config.loss, inspection, curves, rivals, config.out, canonical=canonical
        ):
            console.say(f"wrote {path}")
    return 0


def _curves(
    config: InspectCommand, inspection: Inspection, paced: EvolvedLoss | None
) -> tuple[dict[str, Curve], dict[str, Curve]]:
    """The curves to draw of the loss, by name, and with one rival; of a paced loss at several agreements."""
    name = _short(config.loss)
    if paced is None:
        return {name: inspection.curve}, {name: inspection.rival_curve}
    curves, rivals = {}, {}
    for agreement in sorted({config.agreement, *_DRAWN}, reverse=True):
        title, held = f"{name} at A = {agreement:g}", paced.at_agreement(agreement)
        curves[title] = loss_curve(held, n_classes=config.classes)
        rivals[title] = loss_curve(held, n_classes=config.classes, rest="rival")
    return curves, rivals


def _over_agreements(
    config: InspectCommand, inspection: Inspection, paced: EvolvedLoss
) -> tuple[Reading, ...]:
    """Lines on a paced loss over the course of a training."""
    inspections = {config.agreement: inspection}
    for agreement in AGREEMENTS:
        if agreement not in inspections:
            held = paced.at_agreement(agreement)
            inspections[agreement] = inspect_loss(held, n_classes=config.classes, seed=config.seed)
    return readings_over(inspections)


def readings_table(
    name: str, inspection: Inspection, baseline: Inspection, over: tuple[Reading, ...] | None = None
) -> Table:
    """Lay out the readings of a loss, with cross-entropy's values beside them.

    Args:
        name: of the loss.
        inspection: of the loss.
        baseline: of cross-entropy.
        over: the readings of a paced loss over several agreements A, in place of those of ``inspection``.
    """
    title = Text(f"{one_line(name)}, {inspection.n_classes} classes, seed {inspection.seed}")
    table = Table(title=title, title_justify="left", show_lines=True)
    if over is not None:
        table.caption_justify, table.caption = "left", "A: agreement of the batch, 0 at chance, 1 learned"
    table.add_column("diagnostic")
    table.add_column(Text(one_line(_short(name))))
    if name != BASELINE:
        table.add_column(BASELINE, style="dim")
    table.add_column("reading")
    for own, other in zip(over or readings(inspection), readings(baseline), strict=True):
        values = [own.value] if name == BASELINE else [own.value, other.value]
        table.add_row(own.diagnostic, *map(Text, values), Text(own.meaning))
    return table


def text_plots(curves: dict[str, Curve], *, unicode: bool) -> list[str]:
    """Draw each loss and its gradient as a row of bars over p_y, evenly spaced in log-odds.

    Args:
        curves: name of each loss to its curve.
        unicode: bars of eighths; else ASCII characters of rising weight.
    """
    width = max(len(name) for name in curves)
    lines = ["", f"{'loss':>{width}}  over p_y from 1e-8 (left) over 1/2 (middle) to 1 - 1e-8 (right)"]
    lines += [f"{name:>{width}}  {_bars(curve.loss, unicode)}" for name, curve in curves.items()]
    lines.append(f"{'gradient':>{width}}  -dL/dz_y over the same")
    lines += [f"{name:>{width}}  {_bars(curve.gradient, unicode)}" for name, curve in curves.items()]
    return lines


def write_inspection(
    name: str,
    inspection: Inspection,
    curves: dict[str, Curve],
    rivals: dict[str, Curve],
    folder: Path,
    *,
    canonical: bool = True,
) -> tuple[Path, Path, Path]:
    """Write ``inspect.json`` and the two figures, each in full or not at all; return their paths.

    Args:
        name: of the loss.
        inspection: goes into ``inspect.json``.
        curves: name of each loss to its curve.
        rivals: likewise, with the rest of the mass on one class.
        folder: where the files go.
        canonical: draw curves in their own canonical scale; a paced loss has it at agreement 0 alone.

    Raises:
        MissingExtraError: if matplotlib is not installed; the JSON is written before.
    """
    from evoloss.report.loss_figures import gradient_profiles_figure, loss_curves_figure

    content = {"loss": name, "evoloss_version": __version__, **inspection.to_dict()}
    record, losses, gradients = (folder / file for file in (RECORD_FILE, *PICTURE_FILES))
    write_text(record, json.dumps(content, indent=2, allow_nan=False) + "\n")
    title = f"{_short(name)}, {inspection.n_classes} classes"
    loss_curves_figure(curves, losses, title=title, canonical=canonical)
    gradient_profiles_figure(curves, gradients, title=title, canonical=canonical, rivals=rivals)
    return record, losses, gradients


def _short(name: str) -> str:
    """Return the last part of a directory, unless that would pass for the baseline."""
    last = Path(name).name
    return name if last in ("", BASELINE) else last


def _bars(values: tuple[float, ...], unicode: bool) -> str:
    bars = _BARS if unicode else _ASCII_BARS
    shown = [values[round(column * (len(values) - 1) / (_BAR_COLUMNS - 1))] for column in range(_BAR_COLUMNS)]
    finite = [value for value in shown if math.isfinite(value)] or [0.0]
    lowest = min(finite)
    height = (max(finite) - lowest) or 1.0
    return "".join(
        bars[round((value - lowest) / height * (len(bars) - 1))] if math.isfinite(value) else "?"
        for value in shown
    )
