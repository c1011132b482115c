"""A trained classifier that a comparison left, ready for use."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from evoloss.compare.keeping.files import MODEL_FILE, MODEL_SCHEMA, WEIGHTS_FILE
from evoloss.errors import ConfigError, ResultsError
from evoloss.models import build_model, names_trees
from evoloss.regular_files import read_regular
from evoloss.safe_text import one_line
from evoloss.strict_json import parse_json
from evoloss.sweeps.decoding import DecodeError, build
from evoloss.training.batches import Normaliser
from evoloss.training.trees.classifier import GrownTrees
from evoloss.training.trees.parameters import TreeSpec
from evoloss.training.trees.train_trees import MODEL_FILES

_MAX_BYTES = 1 << 34


@dataclass(frozen=True, kw_only=True)
class _Description:
    """The content of ``model.json``."""

    schema: int
    model: str
    input_shape: tuple[int, ...]
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    scale: tuple[float, ...]


class TrainedClassifier(nn.Module):
    """A classifier with the normalisation of its training, from inputs as a data set has them to logits.

    Args:
        model: from normalised inputs to logits.
        normalise: of the training split.
        class_names: in the order of the logits.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, model: nn.Module, normalise: Normaliser, class_names: tuple[str, ...]) -> None:
        super().__init__()
        self.model, self.class_names = model, class_names
        self.register_buffer("mean", normalise.mean)
        self.register_buffer("scale", normalise.scale)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return logits ``(N, C)`` of images, uint8 ``(N, channels, H, W)``, or features ``(N, D)``."""
        logits: Tensor = self.model((inputs - self.mean) * self.scale)
        return logits


def load_classifier(folder: Path | str) -> TrainedClassifier:
    """Load the classifier that ``evoloss compare`` left in ``DIR/kept/LOSS/seed-N``, in evaluation mode.

    A model of the user's own is imported as ``package.module:callable``, which runs its code; weights and
    trees are read without running any.

    Args:
        folder: with ``model.json``, and ``model.safetensors``, ``model.ubj`` of XGBoost or ``model.txt`` of
            LightGBM.

    Raises:
        ResultsError: if a file is missing or damaged, or the weights are not those of the model.
        EvolossError: if there is no such model.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from evoloss.compare import CompareConfig, compare
        >>> from evoloss.data import load_dataset
        >>> few = {"model": "mlp", "epochs": 1, "train_samples": 50, "losses": ("gce",), "seeds": (0,)}
        >>> with tempfile.TemporaryDirectory() as out:
        ...     run = compare(CompareConfig(**few, keep="first"), out=Path(out)).runs[0]
        ...     classifier = load_classifier(Path(out) / run.kept)
        >>> classifier(load_dataset("digits").test.inputs).shape
        torch.Size([359, 10])
    """
    folder = Path(folder)
    path = folder / MODEL_FILE
    try:
        found = build(_Description, parse_json(_read(path)))
    except (ValueError, DecodeError) as error:
        raise ResultsError(f"{path} describes no model: {one_line(error, 300)}") from error
    if found.schema != MODEL_SCHEMA:
        raise ResultsError(
            f"{path} has schema {found.schema}, this version of evoloss reads {MODEL_SCHEMA}; a newer "
            "evoloss may have written it"
        )
    model = _trees(found, folder) if names_trees(found.model) else _network(found, folder)
    shape = (-1, 1, 1) if len(found.input_shape) == 3 else (-1,)
    mean, scale = (torch.tensor(values).view(shape) for values in (found.mean, found.scale))
    if len(mean) != found.input_shape[0] or mean.shape != scale.shape:
        raise ResultsError(f"{path}: mean and scale have not one number for each of {found.input_shape[0]}")
    return TrainedClassifier(model, Normaliser(mean, scale), found.classes).eval()


def _trees(found: _Description, folder: Path) -> nn.Module:
    path = folder / MODEL_FILES[TreeSpec.parse(found.model).library]
    size = {"n_features": math.prod(found.input_shape), "n_classes": len(found.classes)}
    try:
        return GrownTrees(found.model, _read(path), **size)
    except ConfigError as error:
        raise ResultsError(f"{path}: {one_line(error, 300)}; was it changed?") from error


def _network(found: _Description, folder: Path) -> nn.Module:
    from safetensors import SafetensorError
    from safetensors.torch import load

    path = folder / WEIGHTS_FILE
    model = build_model(found.model, input_shape=found.input_shape, n_classes=len(found.classes))
    try:
        model.load_state_dict(load(_read(path)))
    except (SafetensorError, RuntimeError) as error:
        raise ResultsError(
            f"{path} does not hold the weights of its model ({one_line(error, 300)}); was it changed?"
        ) from error
    return model


def _read(path: Path) -> bytes:
    try:
        return read_regular(path, _MAX_BYTES)
    except FileNotFoundError as error:
        raise ResultsError(
            f"{path} does not exist; `evoloss compare --keep first` leaves one in DIR/kept/LOSS/seed-N"
        ) from error
    except OSError as error:
        raise ResultsError(f"{path} cannot be read: {error.strerror}") from error
