"""Lineage of the loss that a search kept: its parents, generation by generation, and each gain on the way.

A strategy moves one mean, and candidates are mutations of it. So the line of descent is that of the means,
from a start to the generation whose loss was kept, and the parents of a mean are the candidates that it was
made of.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

from evoloss.pretraining.config import PretrainConfig
from evoloss.pretraining.history import GenerationRecord
from evoloss.report.html.columns import Cell, Numbers, numbers
from evoloss.report.html.search.course import DIGITS, disorder, thinned
from evoloss.safe_text import one_line

_MOST_SINGLE = 60  # generations whose parents are drawn one by one
_MOST_DRAWN = 12  # parents of a generation
_MOST_LABELS = 6
_LEAST_GAIN = {"advantage": 0.05, "disorder": 1.2}  # of those that have a label
_APART = 0.11  # of the line, between two labels
_KNOWN = {"gce": "GCE", "sce": "SCE", "label_smoothing": "label smoothing", "smoothed_log": "−log(p + 1/C)"}
_DRIVES = {
    "direction": "orbits give the direction of a step",
    "step": "orbits give the length of a step, its direction is Gaussian",
    "both": "orbits give direction and length of a step",
}
_ORDERS = {
    "orbit": "in the order of the orbit",
    "independent": "as independent draws from its density",
    "shuffled": "in random order",
}


class Lineage(TypedDict):
    """Line of descent of a loss.

    Attributes:
        sentences: what it descends from, and how.
        measure: what the values are, ``advantage`` (points over cross-entropy) or ``disorder`` (share of
            couples in the wrong order).
        generations: a row a generation of the line, parents as numbers of candidates, from 1, best first.
        improvements: the rows in which the mean was better than ever before.
        descent: what is drawn: parents, their range, and the mean held out.
    """

    sentences: list[str]
    measure: str
    generations: Numbers
    improvements: Numbers
    descent: Numbers


@dataclass(frozen=True)
class _Step:
    """A generation of the line.

    Attributes:
        record: as the history has it.
        value: of the mean on held-out tasks or pairs, where it was measured.
        improved: whether it was better than ever before.
        gain: on the best before: in points of accuracy, or by what the share of couples in the wrong order
            was divided.
    """

    record: GenerationRecord
    value: float | None
    improved: bool
    gain: float | None


def lineage_of(
    history: Sequence[GenerationRecord], summary: Mapping[str, Any], config: PretrainConfig | None
) -> Lineage:
    """Return the lineage of the loss that was kept; of a search that still runs, that of its mean so far.

    Args:
        history: of the run, all of it.
        summary: of the run; empty as long as it is not finished.
        config: of the run, where it is known.
    """
    line = _line(history, summary)
    measure = "advantage" if any(row.advantage_best is not None for row in line) else "disorder"
    steps = list(_steps(line, measure))
    return {
        "sentences": [one_line(text, 600) for text in _sentences(history, line, summary, config)],
        "measure": measure,
        "generations": _generations(steps, config),
        "improvements": _improvements(steps, measure),
        "descent": numbers(
            ["series", "part", "generation", "value", "low", "high", "candidate", "rank", "id", "gain"],
            [*_parents_drawn(line, measure, config), *_means_drawn(steps, _LEAST_GAIN[measure])],
            DIGITS,
        ),
    }


def _line(history: Sequence[GenerationRecord], summary: Mapping[str, Any]) -> list[GenerationRecord]:
    """The generations from the start that led to the loss, up to its own."""
    kept = summary.get("kept_generation", len(history))
    if not isinstance(kept, int) or not 1 <= kept <= len(history):
        return []
    attempt = history[kept - 1].attempt
    return [record for record in history[:kept] if record.attempt == attempt]


def _steps(line: Sequence[GenerationRecord], measure: str) -> Iterator[_Step]:
    best: tuple[float, float] | None = None  # what is chosen by, and what is shown
    for record in line:
        if measure == "advantage":
            value, score = record.held_out_advantage, record.held_out_score
        else:
            score = record.held_out_consistency
            value = None if score is None else disorder(score)
        if value is None:
            yield _Step(record, None, False, None)
            continue
        score = value if score is None else score
        improved, gain = best is None or score > best[0], None
        if best and improved:
            gain = value - best[1] if measure == "advantage" else best[1] / value
        yield _Step(record, value, improved, gain)
        best = (score, value) if improved else best


def _sentences(
    history: Sequence[GenerationRecord],
    line: Sequence[GenerationRecord],
    summary: Mapping[str, Any],
    config: PretrainConfig | None,
) -> Iterator[str]:
    if not line:
        yield "The loss is the start itself: no generation was kept." if summary else "No generation is done."
        return
    last = line[-1].generation
    if not summary:
        yield f"The search is not finished. This is the line of its mean so far, after generation {last:,}."
    elif summary.get("kept_is_mean") is True:
        yield f"The loss is the mean of the search after generation {last:,}."
    elif summary.get("kept_is_mean") is False:
        yield f"The loss is the best candidate of generation {last:,}, a mutation of the mean before it."
    else:
        yield f"The loss is that of generation {last:,}."
    if summary.get("kept_is_mean") and "learnability" in summary:
        yield "It was chosen among the best on the way, on tasks that none of them had been kept for."
    starts = len({record.attempt for record in history})
    source = "" if config is None else _start(config.start)
    began = f"start {line[0].attempt} of {starts}, after generation {line[0].generation - 1:,}"
    yield (
        f"It descends from {source or 'a start'}{f' ({began})' if starts > 1 else ''} through "
        f"{len(line):,} generation{'' if len(line) == 1 else 's'}."
    )
    if config is not None:
        yield _selection(line, config)
        yield f"Mutation: {_mutation(config)}."


def _start(name: str) -> str:
    if name == "random":
        return "a random start"
    if name == "set_by_hand":
        return "a start set by hand"
    return f"a start that imitates {_KNOWN.get(name, name.replace('_', '-'))}"


def _selection(line: Sequence[GenerationRecord], config: PretrainConfig) -> str:
    """The sentence on how a mean is made of candidates."""
    asked, chosen = config.popsize, max((len(record.parents or ()) for record in line), default=0)
    if config.strategy in ("open_es", "snes"):
        return (
            f"All {asked} candidates of a generation move its mean, each by its rank ({config.strategy}): "
            "there are no parents to name."
        )
    if config.strategy == "pycma":
        return f"{asked} candidates a generation, weighed by pycma, which does not tell the parents."
    if not any(record.parents is not None for record in line):
        return (
            f"{asked} candidates a generation. Who the parents were was not recorded: the search is from a "
            "version of evoloss that did not."
        )
    best = f"the {chosen} best" if chosen > 1 else "the best"
    became = "became the parents of the next mean" if chosen > 1 else "became the next mean"
    if config.strategy == "es_plus":
        return (
            f"In every generation the parents of the one before were judged again, beside mutations of their "
            f"mean, {asked} candidates in all; {best} {became}."
        )
    return f"In every generation {asked} candidates were mutations of the mean; {best} {became}."


def _kind(config: PretrainConfig) -> str:
    """The kind of mutation in a word."""
    return {"gaussian": "Gaussian", "student_t": "Student-t"}.get(config.mutation, config.mutation)


def _mutation(config: PretrainConfig) -> str:
    if config.strategy == "pycma":
        return "Gaussian, from a covariance that pycma adapts"
    if config.mutation != "chaotic":
        return _kind(config)
    drives, order = _DRIVES[config.chaos_drives], _ORDERS[config.chaos_order]
    return f"chaotic ({config.chaotic_map} map; {drives}, {order})"


def _generations(steps: Sequence[_Step], config: PretrainConfig | None) -> Numbers:
    shown = {record.generation for record in thinned([step.record for step in steps])} if steps else set()
    mutation = None if config is None else _kind(config)
    rows: list[list[Cell]] = []
    for step in steps:
        record = step.record
        if record.generation in shown or step.improved:
            named = None if record.parents is None else " ".join(str(place + 1) for place in record.parents)
            scores = record.parent_scores
            best, last = (scores[0], scores[-1]) if scores else (None, None)
            told: list[Cell] = [record.generation, named, best, last, mutation, record.sigma]
            rows.append([*told, step.value, step.gain])
    names = ["generation", "parents", "best_parent", "last_parent", "mutation", "step", "mean", "gain"]
    return numbers(names, rows, DIGITS)


def _improvements(steps: Sequence[_Step], measure: str) -> Numbers:
    rows: list[list[Cell]] = [
        [
            step.record.generation,
            step.value,
            step.record.held_out_error if measure == "advantage" else None,
            step.gain,
        ]
        for step in steps
        if step.improved
    ]
    return numbers(["generation", "mean", "error", "gain"], rows, DIGITS)


def _parents_drawn(
    line: Sequence[GenerationRecord], measure: str, config: PretrainConfig | None
) -> Iterator[list[Cell]]:
    """Rows of the parents and of their range; in a long line the range alone."""
    single = len(line) <= _MOST_SINGLE
    again = config is not None and config.strategy == "es_plus"
    shown = {record.generation for record in thinned(line)} if line else set()
    before: list[str] = []  # what the parents of the generation before are called
    for record in line:
        places, scores = record.parents or [], record.parent_scores or []
        if not places:
            continue
        values = [score if measure == "advantage" else disorder(score) for score in scores]
        names = [
            before[place] if again and 0 <= place < len(before) else f"{record.generation}.{place + 1}"
            for place in places
        ]
        before = names
        if record.generation in shown:
            yield [
                *("parents", "range", record.generation, None, min(values), max(values)),
                *(None, None, None, None),
            ]
        if single:
            for at in _spread(len(places), _MOST_DRAWN):
                yield [
                    *("parents", "parent", record.generation, values[at], None, None),
                    *(places[at] + 1, at + 1, names[at], None),
                ]


def _spread(count: int, most: int) -> list[int]:
    """So many places of a list at most, evenly from first to last."""
    if count <= most:
        return list(range(count))
    return sorted({round(place * (count - 1) / (most - 1)) for place in range(most)})


def _means_drawn(steps: Sequence[_Step], least: float) -> Iterator[list[Cell]]:
    """Rows of the mean held out; the largest gains have a label, where there is room for it."""
    length = max(1, len(steps) - 1)
    labelled: list[int] = []
    for step in sorted(steps, key=lambda step: -(step.gain or 0.0)):
        generation = step.record.generation
        room = all(abs(generation - other) >= _APART * length for other in labelled)
        if step.gain is not None and step.gain > least and room and len(labelled) < _MOST_LABELS:
            labelled.append(generation)
    for step in steps:
        if step.value is not None:
            generation = step.record.generation
            gain = step.gain if generation in labelled else None
            part = "improvement" if step.improved else "mean"
            yield ["mean", part, generation, step.value, *[None] * 5, gain]
