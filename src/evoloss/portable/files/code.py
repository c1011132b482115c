"""Files of code: a loss in plain PyTorch or JAX, with no dependency but that."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

from evoloss._version import __version__
from evoloss.networks.sensing.training import first_statistics
from evoloss.portable import calls
from evoloss.portable.document import description
from evoloss.portable.files.composer import OPERATIONS, WIDEST, Composer, literal, summary_of
from evoloss.portable.files.source import Module
from evoloss.portable.loss import PortableLoss
from evoloss.safe_text import one_line

MARK = "# A loss, written by evoloss"
"""The beginning of the first line of a file."""


@dataclass(frozen=True)
class Library:
    """A library that files are for.

    Attributes:
        name: of the library.
        kind: file in this package and name of the class with its operations.
        imports: lines.
        zero: makes the array that a state is like.
        axis: where the class axis is, in words.
        array: makes an array of stored numbers.
    """

    name: str
    kind: tuple[str, str]
    imports: tuple[str, ...]
    zero: str
    axis: str
    array: str


TORCH = Library(
    "PyTorch",
    ("formulas/tensors.py", "Tensors"),
    ("import torch", "import torch.nn.functional as F"),
    "torch.zeros((), dtype=torch.float32)",
    "the class axis is the second one, or the only one",
    "torch.tensor(value, dtype=torch.float32)",
)
JAX = Library(
    "JAX",
    ("integrations/jax/operations.py", "Jax"),
    ("import jax", "import jax.numpy as jnp"),
    "jnp.zeros((), dtype=jnp.float32)",
    "the class axis is the last one",
    "jnp.asarray(value, dtype=jnp.float32)",
)


def code(loss: PortableLoss, classes: Sequence[int], library: Library) -> str:
    """The file of a loss.

    Args:
        loss: with its formula.
        classes: class counts whose numbers it holds, where they differ.
        library: that the file is for.

    Raises:
        ConfigError: if the loss is not for one of the class counts.
    """
    composer = Composer()
    if loss.keeps_state:
        composer.add(first_statistics)
        composer.add(calls.loss_in_training)
        call = _training_call(loss, library)
    else:
        composer.add(loss.formula.function)
        composer.add(loss.costs)
        composer.add(calls.loss_of_batch)
        call = _call(loss, library)
    path, kind = library.kind
    body = composer.body(Module.at(files("evoloss").joinpath(path)), kind)
    others = composer.imports - {*library.imports}
    imports = sorted(others, key=lambda line: (line.startswith("from"), line))
    wanted = [line for line in library.imports if line != "import torch.nn.functional as F" or "F." in body]
    head = "\n".join([_head(loss, library), "", *imports, "", *wanted])
    return "\n\n\n".join([f"{head}\n\n{_numbers(loss, classes)}", body, call]).rstrip() + "\n"


def _head(loss: PortableLoss, library: Library) -> str:
    example = "value = loss(logits, target)"
    formula = loss.formula.function
    told = [description(loss), f"Its formula, {formula.__name__}: {summary_of(formula)}"]
    if loss.keeps_state:
        example = (
            "state = init_state(n_classes=10, n_samples=50_000)  # of the training set\n"
            "    value, state = loss(state, logits, target)"
        )
        told.append(
            "It follows its training: a state goes in and comes out. Readings of how many labels are wrong "
            "are not part of this file, and no loss depends on them."
        )
    lines = [f"Loss {_name(loss)} in plain {library.name}; {library.axis}."]
    for paragraph in told:
        lines += ["", textwrap.fill(" ".join(paragraph.split()), WIDEST)]
    lines += ["", f"    {example}", ""]
    lines.append("Read it from the end: loss, and then what it calls, which stands above it.")
    text = "\n".join(lines).replace('"""', "'''")
    raw = "r" if "\\" in text else ""
    return f'{MARK} {__version__}; it needs nothing but {library.name}.\n{raw}"""{text}\n"""'


def _name(loss: PortableLoss) -> str:
    """The name of a loss, fit for a docstring whatever a folder is called."""
    return "".join(
        char if char.isprintable() and char not in "\"'\\" else "_" for char in one_line(loss.label, 100)
    )


def _numbers(loss: PortableLoss, classes: Sequence[int]) -> str:
    if loss.any_count:
        lines = [literal("NUMBERS", dict(loss.numbers(classes[0])))]
        if loss.keeps_state:
            state = loss.stored_state()
            without = {name: value for name, value in (state or {}).items() if "course" not in name}
            lines.append(literal("STATE", without if state else None))
        return "\n".join(lines)
    values = {n_classes: dict(loss.numbers(n_classes)) for n_classes in classes}
    return literal("NUMBERS_AT", values)


def _options(loss: PortableLoss) -> str:
    criterion = loss.criterion
    return (
        f"weight={loss.weight!r},\n    ignore_index={criterion.ignore_index!r},\n"
        f"    reduction={criterion.reduction!r},\n    label_smoothing={criterion.label_smoothing!r},"
    ).replace("'", '"')


_RULES = """Arguments are those of torch.nn.CrossEntropyLoss: target holds class indices or class
    probabilities, weight is a factor a class, reduction is "mean", "sum" or "none"."""


def _call(loss: PortableLoss, library: Library) -> str:
    if loss.any_count:
        found = "    return NUMBERS"
        said = "The numbers of the formula, the same at every class count."
    else:
        found = (
            "    if n_classes not in NUMBERS_AT:\n"
            '        known = ", ".join(map(str, NUMBERS_AT))\n'
            "        raise ValueError(\n"
            '            f"this file has the numbers of the loss for {known} classes, got {n_classes}: "\n'
            '            "evoloss export --classes names the class counts"\n'
            "        )\n"
            "    return NUMBERS_AT[n_classes]"
        )
        said = "The numbers of the formula at a class count."
    return f'''def numbers_at(n_classes):
    """{said}"""
{found}


def loss(
    logits,
    target,
    {_options(loss)}
):
    """Loss {_name(loss)}; {library.axis}.

    {_RULES}
    """
    return loss_of_batch(
        {loss.costs.__name__},
        {loss.formula.function.__name__},
        numbers_at,
        logits,
        target,
        weight,
        ignore_index,
        reduction,
        label_smoothing,
        {OPERATIONS},
    )
'''


def _training_call(loss: PortableLoss, library: Library) -> str:
    return f'''def init_state(n_classes, n_samples):
    """The state of a training that has not begun, on a training set of n_samples."""
    return first_statistics(n_classes, n_samples, {library.zero}, {OPERATIONS})


def stored_state():
    """The state of the training in which the loss was exported; None if it was in none."""
    if STATE is None:
        return None
    return {{name: {library.array} for name, value in STATE.items()}}


def loss(
    state,
    logits,
    target,
    training=True,
    {_options(loss)}
):
    """Loss {_name(loss)} and the state after the batch; {library.axis}.

    With training=False the state stays as it is.
    {_RULES}
    """
    return loss_in_training(
        NUMBERS,
        state,
        logits,
        target,
        training,
        weight,
        ignore_index,
        reduction,
        label_smoothing,
        {OPERATIONS},
    )
'''
