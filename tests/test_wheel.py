"""The wheel: what is in it, and that it works where nothing else of the project is."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest

import evoloss
from evoloss.zoo import SHIPPED

ROOT = Path(__file__).parents[1]
PARTS = ("pyproject.toml", "README.md", "LICENSE", "src")  # all that a build reads
USE = """
import torch
import evoloss
from evoloss import EvolvedLoss

print(evoloss.__file__)
logits = torch.randn(64, 10, requires_grad=True)
for name in {names}:
    arguments = {{"n_samples": 1000}} if name == "adaptive" else {{}}
    loss = EvolvedLoss.from_pretrained(name, **arguments)(logits, torch.arange(64) % 10)
    loss.backward()
    assert loss.isfinite() and logits.grad.isfinite().all()
print("used")
"""


def run(words: list[str], folder: Path, **environment: str) -> str:
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        words, cwd=folder, env=kept | environment, capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if find_spec("build") is None:
        pytest.skip("needs build, of the extra dev")
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for part in PARTS:
        if (ROOT / part).is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
            shutil.copytree(ROOT / part, source / part, ignore=ignored)
        else:
            shutil.copy(ROOT / part, source)
    run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder / "dist")], source
    )
    (found,) = (folder / "dist").glob("*.whl")
    return found


def contents(wheel: Path) -> dict[str, int]:
    with zipfile.ZipFile(wheel) as archive:
        return {entry.filename: entry.file_size for entry in archive.infolist()}


def test_every_file_of_the_package_is_in_it(wheel: Path) -> None:
    source = ROOT / "src"
    expected = {
        path.relative_to(source).as_posix()
        for path in (source / "evoloss").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {"evoloss/py.typed", "evoloss/networks/sensing/noise_rate.json"} <= expected
    for name in SHIPPED:
        assert {f"evoloss/zoo/{name}/{part}" for part in ("loss.safetensors", "config.json")} <= expected
    inside = {name for name in contents(wheel) if ".dist-info/" not in name}
    assert inside == expected


def test_nothing_else_and_nothing_large_is_in_it(wheel: Path) -> None:
    inside = contents(wheel)
    assert {name.split("/")[0].split("-")[0] for name in inside} == {"evoloss"}
    assert not [name for name in inside if "test" in Path(name).parts or name.endswith((".pyc", ".ipynb"))]
    assert not [name for name, size in inside.items() if size > 500_000]
    assert wheel.stat().st_size < 2_000_000
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in inside)


def test_what_it_says_of_itself_can_be_shown(wheel: Path) -> None:
    if find_spec("twine") is None:
        pytest.skip("needs twine, of the extra dev")
    printed = run(
        [sys.executable, "-m", "twine", "check", "--strict", str(wheel)], wheel.parent, NO_COLOR="1"
    )
    assert "PASSED" in printed


def test_it_works_from_an_empty_environment(wheel: Path, tmp_path: Path) -> None:
    place = tmp_path / "venv"
    run([sys.executable, "-m", "venv", "--without-pip", str(place)], tmp_path)
    python = place / "bin/python"
    run(
        [
            sys.executable,
            "-m",
            "pip",
            "--python",
            str(python),
            "install",
            "--no-deps",
            "--no-index",
            str(wheel),
        ],
        tmp_path,
    )
    (packages,) = place.glob("lib/*/site-packages")
    # Torch and the like are those of this environment, behind its own; its .pth files do not count there.
    (packages / "others.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    printed = run([str(python), "-c", USE.format(names=tuple(SHIPPED))], tmp_path)
    where, *_, last = printed.split("\n")[:-1]
    assert Path(where).is_relative_to(place.resolve())
    assert last == "used"
    program = str(place / "bin/evoloss")
    assert run([program, "--version"], tmp_path).strip() == f"evoloss {evoloss.__version__}"
    listed = run([program, "losses"], tmp_path, COLUMNS="200")
    assert all(name in listed for name in (*SHIPPED, "cross_entropy", "gce"))
