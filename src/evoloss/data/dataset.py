"""Data sets as they are once they are loaded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from evoloss.data.origin import Origin, SampleDetails
from evoloss.errors import DataError


@dataclass(frozen=True)
class Split:
    """Inputs and labels of one part of a data set, in a fixed order.

    Attributes:
        inputs: images, uint8, shape ``(N, C, H, W)``; or features, float32, shape ``(N, D)``.
        labels: class indices, int64, shape ``(N,)``.

    Example:
        >>> part = Split(inputs=torch.zeros(6, 4), labels=torch.tensor([0, 1, 0, 1, 0, 1]))
        >>> len(part)
        6
    """

    inputs: Tensor
    labels: Tensor

    def __post_init__(self) -> None:
        images = self.inputs.dtype == torch.uint8 and self.inputs.ndim == 4
        features = self.inputs.dtype == torch.float32 and self.inputs.ndim == 2
        if not images and not features:
            raise DataError(
                f"inputs have dtype {self.inputs.dtype} and shape {tuple(self.inputs.shape)}; "
                "expected images (N, C, H, W) in uint8 or features (N, D) in float32"
            )
        if self.labels.dtype != torch.int64 or self.labels.ndim != 1:
            raise DataError(
                f"labels have dtype {self.labels.dtype} and shape {tuple(self.labels.shape)}; "
                "expected int64 (N,)"
            )
        if len(self.labels) != len(self.inputs):
            raise DataError(
                f"{len(self.inputs)} inputs but {len(self.labels)} labels; one label per input is expected"
            )

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one input: ``(C, H, W)`` or ``(D,)``."""
        return tuple(self.inputs.shape[1:])


@dataclass(frozen=True)
class Dataset:
    """A data set for classification, split in three parts that share no sample.

    Attributes:
        name: the registered name, or the name of the file or folder.
        train: what the classifier learns from (the only part that label noise may touch).
        validation: what choices, such as the learning rate, are made on; may be empty.
        test: read once, at the end.
        n_classes: number of classes, at least 2.
        class_names: one name a class, in label order.
        notes: what was done to the data as it was found, a sentence each, to be told to the user.
        origin: where the samples were found; None for a data set that was made in memory.

    Example:
        >>> part = Split(torch.zeros(6, 4), torch.tensor([0, 1, 0, 1, 0, 1]))
        >>> Dataset("mine", part, part, part, n_classes=2, class_names=("cat", "dog")).class_names[1]
        'dog'
    """

    name: str
    train: Split
    validation: Split
    test: Split
    n_classes: int
    class_names: tuple[str, ...]
    notes: tuple[str, ...] = ()
    origin: Origin | None = None

    def __post_init__(self) -> None:
        if self.n_classes < 2:
            raise DataError(
                f"data set {self.name!r} has {self.n_classes} class; a classifier needs at least 2"
            )
        if len(self.class_names) != self.n_classes:
            raise DataError(
                f"data set {self.name!r}: {len(self.class_names)} class names, {self.n_classes} classes"
            )
        for part, split in (("train", self.train), ("validation", self.validation), ("test", self.test)):
            if split.input_shape != self.train.input_shape or split.inputs.dtype != self.train.inputs.dtype:
                raise DataError(
                    f"data set {self.name!r}: {part} inputs are {split.input_shape} {split.inputs.dtype}, "
                    f"train inputs are {self.train.input_shape} {self.train.inputs.dtype}; they must agree"
                )
            if part != "validation" and not len(split):
                raise DataError(f"data set {self.name!r}: the {part} split is empty")
            if len(split) and (split.labels.min() < 0 or split.labels.max() >= self.n_classes):
                raise DataError(
                    f"data set {self.name!r}: {part} labels lie outside 0 to {self.n_classes - 1}"
                )

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one input: ``(C, H, W)`` or ``(D,)``."""
        return self.train.input_shape


@dataclass(frozen=True)
class LabelledArrays:
    """Inputs and labels as a reader found them, before anything is split off.

    Attributes:
        inputs: uint8 ``(N, C, H, W)`` or float32 ``(N, D)``; may be a read-only memory map. Or what a source
            with ``fit`` makes features of, N rows.
        labels: integers, ``(N,)``.
    """

    inputs: npt.NDArray[Any]
    labels: npt.NDArray[np.integer[Any]]

    def take(self, index: Tensor | None = None) -> Split:
        """Copy the samples of ``index`` (all, when None) into a :class:`Split`."""
        # Fancy indexing and np.array copy: a tensor over a read-only memory map must not be written to.
        inputs = np.array(self.inputs, order="C") if index is None else self.inputs[index.numpy()]
        labels = self.labels if index is None else self.labels[index.numpy()]
        return Split(
            torch.from_numpy(np.ascontiguousarray(inputs)), torch.from_numpy(labels.astype(np.int64))
        )


class InputEncoder(Protocol):
    """A function that makes inputs of what a reader found, fitted to training samples."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences on what it does."""

    def __call__(self, inputs: npt.NDArray[Any], /) -> npt.NDArray[Any]:
        """Return the inputs of these samples, one for each."""


@dataclass(frozen=True)
class SourceData:
    """The output of a reader: the parts as their publisher divided them.

    Attributes:
        name: name of the data set.
        train: the published training part, or everything there is.
        class_names: one name a class, in label order.
        test: the published test part; None if there is none, then a fixed part of ``train`` is split off.
        validation: the published validation part; None if there is none, then it is split off ``train``.
        notes: what was done to the data, a sentence each, to be told to the user.
        fit: where inputs depend on statistics, which training samples alone may give: makes their encoder
            from the inputs of the training split.
        details: tells more of the samples of ``train``, such as their files.
    """

    name: str
    train: LabelledArrays
    class_names: tuple[str, ...]
    test: LabelledArrays | None = None
    validation: LabelledArrays | None = None
    notes: tuple[str, ...] = ()
    fit: Callable[[npt.NDArray[Any]], InputEncoder] | None = None
    details: SampleDetails | None = None

    def encoded(self, train: Tensor) -> SourceData:
        """Return the source with inputs encoded by what the samples ``train`` of its training part say."""
        if self.fit is None:
            return self
        encoder = self.fit(self.train.inputs[train.numpy()])

        def encode(part: LabelledArrays | None) -> LabelledArrays | None:
            return None if part is None else LabelledArrays(encoder(part.inputs), part.labels)

        return replace(
            self,
            train=LabelledArrays(encoder(self.train.inputs), self.train.labels),
            test=encode(self.test),
            validation=encode(self.validation),
            notes=(*self.notes, *encoder.notes),
            fit=None,
        )
