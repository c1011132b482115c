"""A page for each loss, from its code: formula, curves, parameters and their source, origin, results."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from griffe import Docstring, DocstringSectionKind

from evoloss.losses import LOSSES
from evoloss.losses.base import ClassificationLoss
from evoloss.losses.catalogue import LossInfo, list_losses
from evoloss.zoo import SHIPPED, shipped_path
from website import links, loss_figures
from website.gains import gains_of
from website.rst import formulas, to_markdown
from website.tables import points, table

PAGES = "losses"
_ARXIV = re.compile(r"arXiv:(\d{4}\.\d{4,5})")


@cache
def pages() -> Mapping[str, str]:
    """Markdown of each page, by its path in the site; the first is the index."""
    losses = [loss for loss in list_losses() if loss.kind != "alias"]
    found = {f"{PAGES}/index.md": _index(losses)}
    for loss in losses:
        text = _known(loss, LOSSES[loss.name]) if loss.kind == "known" else _shipped(loss)
        found[f"{PAGES}/{loss.name}.md"] = text
    return found


def figure_path(loss: str) -> str:
    """The place of a loss's picture in the site."""
    return f"{PAGES}/figures/{loss}.svg"


def _index(losses: Iterable[LossInfo]) -> str:
    rows: dict[str, list[list[str]]] = {"shipped": [], "known": []}
    for loss in losses:
        gains = gains_of(loss.name)
        cells = (
            ["-", "-", "-", "0"]
            if gains is None
            else [points(gains.median), points(gains.mean), points(gains.worst[1]), str(len(gains.points))]
        )
        rows[loss.kind].append([f"[`{loss.name}`]({loss.name}.md)", loss.summary, *cells])
    head = ["loss", "what it is", "median", "mean", "worst", "conditions"]
    return "\n".join(
        [
            "# Losses",
            "",
            "A page each, made from the code of this version. The numbers are points of test accuracy over",
            "cross-entropy, over all committed conditions that a loss was run in. **Losses were run in",
            "different conditions, so compare two of them in the [explorer](../results/index.md)**, which",
            "can keep to the conditions that both have. `evoloss losses` prints the list in the terminal.",
            "",
            "## Shipped: learned, or set by hand",
            "",
            *table(head, rows["shipped"], "llrrrr"),
            "",
            "## Known: with a published formula",
            "",
            *table(head, rows["known"], "llrrrr"),
            "",
        ]
    )


def _known(loss: LossInfo, kind: type[ClassificationLoss]) -> str:
    text = inspect.cleandoc(kind.__doc__ or "")
    told = re.search(r"see :func:`~?([\w.]+)`", text)
    function = getattr(sys.modules[kind.__module__], told[1].split(".")[-1], None) if told else None
    source = inspect.cleandoc(function.__doc__ or "") if function is not None else text
    return "\n".join(
        [
            f"# {loss.summary} (`{loss.name}`)",
            "",
            "## Formula",
            "",
            *_displayed(source),
            _before_sections(source),
            "",
            *([_beside(text, loss.summary), ""] if source != text else []),
            "p is the softmax of the logits z, y or k the label, C the number of classes.",
            "",
            *_call(loss),
            *_shape(loss),
            *_parameters(loss, text),
            "## Origin",
            "",
            f"{_linked(loss.reference)}." if loss.reference else "In use for long; no single publication.",
            "",
            *_results(loss.name),
        ]
    )


def _beside(text: str, summary: str) -> str:
    """What the docstring of the class says beside its name and where the formula is."""
    told = r"; see `[^`]+`(?:,? and `[^`]+`)*(?: for the arguments)?(?=\.)"
    said = re.sub(told, "", _before_sections(text))
    return said.removeprefix(f"{summary}.").strip()


def _displayed(source: str) -> list[str]:
    """The formula on a line of its own, where it stands within a sentence."""
    found = formulas(source)
    return [] if not found or "\n.. math::" in source else ["$$", max(found, key=len), "$$", ""]


def _shipped(loss: LossInfo) -> str:
    source, page = f"src/evoloss/zoo/{loss.name}/README.md", f"{PAGES}/{loss.name}.md"
    card = (shipped_path(loss.name) / "README.md").read_text(encoding="utf-8")
    head, _, rest = card.partition("\n")
    if head != f"# {loss.name}":
        raise ValueError(f"the card of {loss.name} must begin with its name, got {head!r}")
    return "\n".join(
        [
            head,
            "",
            f"For {loss.summary}.",
            "",
            *_call(loss),
            *_shape(loss),
            *_results(loss.name),
            "## Card",
            "",
            "As it lies beside the tensors in the package:",
            "",
            re.sub(
                r"^#",
                "##",
                links.rewrite(rest.strip(), source, page, links.included_pages()),
                flags=re.MULTILINE,
            ),
            "",
        ]
    )


def _call(loss: LossInfo) -> list[str]:
    planned = [need for need in loss.needs if need in ("n_samples", "epochs")]
    said = [need for need in loss.needs if need not in planned]
    arguments = ", n_samples=len(train_set)" if loss.kind == "shipped" and planned else ""
    lines = ["from evoloss import make_loss", "", f'criterion = make_loss("{loss.name}"{arguments})']
    if planned and loss.kind == "known":
        lines.append("criterion.plan_training(n_samples=len(train_set), epochs=10)")
    told = {"index": "index=torch.arange(len(target))", "lr": "lr=0.1"}
    lines.append(f"loss = criterion({', '.join(['logits', 'target', *(told[need] for need in said)])})")
    return ["## Use", "", "```python", *lines, "```", ""]


def _shape(loss: LossInfo) -> list[str]:
    return [
        "## Shape",
        "",
        f"![Pull of {loss.name} on the label's logit, by the label's probability](figures/{loss.name}.svg)",
        "",
        loss_figures.caption(loss.name),
        "",
    ]


def _parameters(loss: LossInfo, text: str) -> list[str]:
    if not loss.parameters:
        return ["## Parameters", "", "None of its own.", ""]
    told = _arguments(text)
    rows = [
        [
            f"`{one.name}`",
            f"{one.default:g}",
            str(one).split(" in ", 1)[1].replace("inf", "∞"),
            f"{one.search[0]:g} to {one.search[1]:g}, {one.scale}",
            told.get(one.name, ""),
        ]
        for one in loss.parameters
    ]
    return [
        "## Parameters",
        "",
        *table(
            ["name", "default", "range", "worth a search", "meaning and source of the default"], rows, "lrlll"
        ),
        "",
        "`weight`, `ignore_index`, `reduction` and `label_smoothing` are those of `nn.CrossEntropyLoss`.",
        "",
    ]


def _results(loss: str) -> list[str]:
    gains = gains_of(loss)
    if loss == "cross_entropy":
        return ["## Results", "", "It is what all others are measured against.", ""]
    if gains is None:
        return ["## Results", "", "It has not been run in a committed study of real data yet.", ""]
    rows = [
        [
            cell["title"],
            cell["study"],
            str(cell["seeds"]),
            f"{cell['accuracy']:.1f}",
            points(cell["difference"]),
            "-"
            if cell["interval"] is None
            else f"{points(cell['interval'][0])} to {points(cell['interval'][1])}",
        ]
        for cell in gains.cells
    ]
    where, least = gains.worst
    lines = [
        f"Points of test accuracy over cross-entropy in {len(rows)} conditions:",
        f"median **{points(gains.median)}**, mean {points(gains.mean)}, worst {points(least)} ({where}).",
    ]
    if gains.left_out is not None:
        lines.append(
            f"Without any one of them the mean is {points(gains.left_out[0])} to {points(gains.left_out[1])}."
        )
    return [
        "## Results",
        "",
        *lines,
        "Every run, with its learning rate and its course, is in the [explorer](../results/index.md).",
        "",
        *table(
            ["condition", "study", "seeds", "accuracy", "over cross-entropy", "95 % interval"], rows, "llrrrr"
        ),
        "",
        "Differences are paired by seed, last epoch against last epoch. An interval takes three seeds, is of",
        "this row alone, and does not know of the choice among losses.",
        "",
    ]


def _before_sections(text: str) -> str:
    """A docstring up to its first section, as Markdown."""
    return to_markdown(re.split(r"\n\n(?:Args|Raises|Returns|References|Example|Attributes):", text)[0])


def _arguments(text: str) -> dict[str, str]:
    """What a docstring says of each argument, on one line."""
    found: dict[str, Any] = {}
    for section in Docstring(text, lineno=1).parse("google", warnings=False):
        if section.kind is DocstringSectionKind.parameters:
            found |= {one.name: to_markdown(" ".join(one.description.split())) for one in section.value}
    return found


def _linked(reference: str) -> str:
    return _ARXIV.sub(r"[arXiv:\1](https://arxiv.org/abs/\1)", reference)


def write_figures(folder: Path) -> dict[str, Path]:
    """Draw all losses into a folder; the files by their place in the site."""
    folder.mkdir(parents=True, exist_ok=True)
    found = {}
    for name in (*SHIPPED, *LOSSES):
        found[figure_path(name)] = path = folder / f"{name}.svg"
        loss_figures.draw(name, path)
    return found
