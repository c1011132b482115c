"""What the documents promise can be imported, and importing stays light and safe."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import evoloss

SOURCES = Path(evoloss.__file__).parent
OPTIONAL = (
    "lightning_fabric",
    "torchmetrics",
    "scipy",
    "sklearn",
    "pooch",
    "PIL",
    "matplotlib",
    "cma",
    "ray",
    "jax",
    "keras",
    "onnx",
)
ROOMS = [
    "evoloss",
    "evoloss.pairs",
    "evoloss.networks",
    "evoloss.mutation",
    "evoloss.strategies",
    "evoloss.tasks",
    "evoloss.students",
    "evoloss.fitness",
    "evoloss.pretraining",
    "evoloss.losses",
    "evoloss.zoo",
]


@pytest.mark.parametrize("room", ROOMS)
def test_exported_names_exist_once_each(room: str):
    module = import_module(room)
    assert all(hasattr(module, name) for name in module.__all__)
    assert len(set(module.__all__)) == len(module.__all__)


def test_promised_names():
    from evoloss import EvolvedLoss, PretrainConfig, pretrain
    from evoloss.losses import LOSSES

    assert callable(pretrain)
    assert callable(EvolvedLoss.from_pretrained)
    assert PretrainConfig(generations=200, seed=0).generations == 200
    assert callable(LOSSES["gce"](reduction="none"))
    assert re.fullmatch(r"\d+\.\d+\.\d+\S*", evoloss.__version__)


def test_import_brings_no_optional_package_no_training_and_no_random_numbers():
    code = (
        "import sys, torch\n"
        "before = torch.get_rng_state().clone()\n"
        "import evoloss, evoloss.cli\n"
        "assert torch.equal(before, torch.get_rng_state())\n"
        f"heavy = [name for name in {OPTIONAL!r} if name in sys.modules]\n"
        "names = ('data', 'models', 'training', 'compare', 'ablate', 'report')\n"
        "rooms = [f'evoloss.{name}' for name in names]\n"
        "heavy += [name for name in rooms if name in sys.modules]\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_package_is_marked_as_typed():
    assert (SOURCES / "py.typed").is_file()


@pytest.mark.parametrize(
    "danger",
    [
        r"\bimport pickle|\bpickle\.|\bcPickle\b|\bdill\b|\bcloudpickle\b",
        r"(?<!safetensors\.)\btorch\.load\(",
        r"(?<!safetensors\.)\btorch\.save\(",
        r"allow_pickle\s*=\s*True",
        r"(?<![\w.])(eval|exec)\(",
        r"\byaml\.(unsafe_)?load\(|\bmarshal\.|\bshelve\.|\bjoblib\.load\(",
    ],
)
def test_nothing_in_the_sources_runs_what_a_file_says(danger: str):
    texts = {path: path.read_text(encoding="utf-8") for path in SOURCES.rglob("*.py")}
    assert len(texts) > 50
    # What a process and the workers it has started say to each other over a pipe: no file, no stranger.
    own_pipe = {SOURCES / f"executors/{name}.py" for name in ("processes", "worker") if "pickle" in danger}
    found = [
        str(path.relative_to(SOURCES))
        for path, text in texts.items()
        if re.search(danger, text) and path not in own_pipe
    ]
    assert found == []
