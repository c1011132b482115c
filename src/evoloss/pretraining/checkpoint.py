"""Checkpoints: everything that the loop remembers, in one safetensors file, replaced atomically."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import safetensors
import safetensors.torch
from torch import Tensor

from evoloss._version import __version__
from evoloss.atomic_files import write_bytes
from evoloss.errors import CheckpointError, EvolossError
from evoloss.pretraining.checks import Attempt, Incumbent
from evoloss.pretraining.config import PretrainConfig
from evoloss.pretraining.evaluation.elites import Elites
from evoloss.regular_files import open_regular
from evoloss.safe_text import one_line
from evoloss.strict_json import parse_json

CHECKPOINT_FILE = "checkpoint.safetensors"
# 1: evoloss 0.1.0, whose generations drew other pairs; 2: 0.2.0, whose history has other columns; 3: 0.3.0,
# whose searches neither kept their best usable loss nor began anew.
_FORMAT = 4
START_AGAIN = "move the directory away, or choose another, and start again"


@dataclass(frozen=True)
class Checkpoint:
    """The loop after ``generation`` generations.

    Attributes:
        generation: generations done.
        seconds: time spent on them.
        state: the strategy's state.
        best: the best candidate of the last generation, shape ``(n_params,)``.
        elites: the means of the search that did best on held-out tasks; none with the ranking fitness.
        attempt: the start that the search comes from, and what was seen of it.
        incumbent: the best usable loss so far.
    """

    generation: int
    seconds: float
    state: dict[str, Tensor]
    best: Tensor
    elites: Elites
    attempt: Attempt = field(default_factory=Attempt)
    incumbent: Incumbent | None = None


def write_checkpoint(directory: Path, config: PretrainConfig, checkpoint: Checkpoint) -> None:
    """Replace the checkpoint in ``directory``.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> from evoloss.pretraining.evaluation.elites import Elites
        >>> config = PretrainConfig(network="mixture", seed=7)
        >>> checkpoint = Checkpoint(5, 1.2, {"mean": torch.zeros(9)}, torch.zeros(9), Elites.none(9))
        >>> with TemporaryDirectory() as folder:
        ...     write_checkpoint(Path(folder), config, checkpoint)
        ...     sorted(path.name for path in Path(folder).iterdir())
        ['checkpoint.safetensors']
    """
    tensors = {f"state.{name}": tensor.contiguous() for name, tensor in checkpoint.state.items()}
    tensors["best"] = checkpoint.best.contiguous()
    tensors |= {f"elites.{name}": value.contiguous() for name, value in vars(checkpoint.elites).items()}
    attempt, incumbent = checkpoint.attempt, checkpoint.incumbent
    tensors["attempt.scores"] = attempt.scores.contiguous()
    if incumbent is not None:
        tensors["incumbent.params"] = incumbent.params.contiguous()
    metadata = {
        "format": str(_FORMAT),
        "evoloss_version": __version__,
        "generation": str(checkpoint.generation),
        "seconds": repr(checkpoint.seconds),
        "attempt": _to_json(attempt, "scores"),
        "incumbent": "null" if incumbent is None else _to_json(incumbent, "params"),
        "config": json.dumps(config.to_dict(), sort_keys=True),
    }
    metadata["sha256"] = _digest(metadata, tensors)
    write_bytes(directory / CHECKPOINT_FILE, safetensors.torch.save(tensors, metadata))


def read_checkpoint(directory: Path, config: PretrainConfig) -> Checkpoint:
    """Read the checkpoint of a run and make sure that it belongs to ``config``.

    The number of generations and how often the run is evaluated and saved may differ; nothing else may.

    Raises:
        CheckpointError: if there is none, it is damaged, or its configuration is another.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> config = PretrainConfig(generations=4, popsize=8, pairs=64, network="mixture", classes=(3,))
        >>> with TemporaryDirectory() as folder:
        ...     result = pretrain(config, out=folder)
        ...     read_checkpoint(Path(folder), config).generation
        4
    """
    path = directory / CHECKPOINT_FILE
    _require_readable(path)
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
        if int(metadata["format"]) > _FORMAT:
            raise CheckpointError(
                f"{path} is from evoloss {metadata.get('evoloss_version')}; upgrade evoloss to resume it"
            )
        if int(metadata["format"]) < _FORMAT:
            raise CheckpointError(
                f"{path} is from evoloss {metadata.get('evoloss_version')}, whose generations this version "
                f"does not repeat; finish the run with that version, or {START_AGAIN}"
            )
        if metadata.get("sha256") != _digest(metadata, tensors):
            raise CheckpointError(f"{path} is damaged (its checksum is wrong); {START_AGAIN}")
        saved = PretrainConfig.from_dict(parse_json(metadata["config"]), str(path))
        checkpoint = Checkpoint(
            int(metadata["generation"]),
            float(metadata["seconds"]),
            {k.removeprefix("state."): v for k, v in tensors.items() if k.startswith("state.")},
            tensors["best"],
            Elites(*(tensors[f"elites.{name}"] for name in ("params", "scores", "generations"))),
            Attempt(**parse_json(metadata["attempt"]), scores=tensors["attempt.scores"]),
            None
            if metadata["incumbent"] == "null"
            else Incumbent(**parse_json(metadata["incumbent"]), params=tensors["incumbent.params"]),
        )
    except CheckpointError:
        raise
    except KeyError as error:
        raise CheckpointError(
            f"{path} is no checkpoint of evoloss (it has no {error}); {START_AGAIN}"
        ) from error
    except (safetensors.SafetensorError, OSError, TypeError, ValueError, EvolossError) as error:
        raise CheckpointError(f"{path} is damaged ({one_line(error, 300)}); {START_AGAIN}") from error
    _require_same(path, saved, config)
    if checkpoint.generation > config.most_generations:
        raise CheckpointError(
            f"{path} is at generation {checkpoint.generation}, beyond the {config.most_generations} asked for"
        )
    return checkpoint


def _require_readable(path: Path) -> None:
    """Tell apart, as safetensors does not, a file that is not there from one that may be whole."""
    try:
        open_regular(path).close()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise CheckpointError(
            f"{path} does not exist: there is nothing to resume; start without --resume"
        ) from error
    except OSError as error:
        raise CheckpointError(
            f"{path} cannot be read ({error.strerror}); the run in it may be whole: make it readable, and "
            "resume it then"
        ) from error


def _to_json(record: Attempt | Incumbent, tensor: str) -> str:
    """The fields of a part of the checkpoint but the one that is a tensor, as JSON."""
    return json.dumps({name: value for name, value in vars(record).items() if name != tensor})


def _digest(metadata: Mapping[str, str], tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 of everything in a checkpoint; safetensors does not notice a flipped bit among the numbers."""
    hashed = hashlib.sha256()
    for name, value in sorted(metadata.items()):
        if name != "sha256":
            hashed.update(f"{name}={value}\n".encode())
    for name, tensor in sorted(tensors.items()):
        hashed.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        hashed.update(tensor.numpy().tobytes())
    return hashed.hexdigest()


def _require_same(path: Path, saved: PretrainConfig, config: PretrainConfig) -> None:
    free = {"generations", "eval_pairs", "checkpoint_every", "checkpoint_seconds"}
    if config.fitness == "ranking":  # with learnability the looks at held-out tasks decide what is kept
        free |= {"eval_every", "eval_groups", "elites"}
    before, now = saved.to_dict(), config.to_dict()
    changed = [f"{k}: {before[k]!r} -> {now[k]!r}" for k in now if k not in free and before[k] != now[k]]
    if changed:
        raise CheckpointError(
            f"{path} belongs to another configuration ({'; '.join(changed)}); resume with the same one, "
            "or start anew in another directory"
        )
