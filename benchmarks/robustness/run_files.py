"""Files of runs, damaged in every way: runs of a comparison and an ablation, results, checkpoints, settings.

``python -m benchmarks.robustness.run_files`` rewrites ``results/run_files.json``; 10,000 trials take about
twenty minutes on a core.
"""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from benchmarks.robustness.campaign import Campaign, Damage, main
from benchmarks.robustness.mutations import damage_bytes, damage_json
from evoloss.ablate.ablation import AblateConfig, ablate
from evoloss.ablate.results import Ablation
from evoloss.ablate.run import check_evolution
from evoloss.compare import CompareConfig, Results, compare
from evoloss.compare.training_run import check_training
from evoloss.pretraining import PretrainConfig, pretrain
from evoloss.report.tables import markdown_table
from evoloss.sweeps.run_files import Check, Run, read_run
from evoloss.training import RunResult

SETTINGS = PretrainConfig(
    generations=4,
    eval_every=2,
    popsize=8,
    pairs=16,
    classes=(3,),
    eval_pairs=16,
    network="monotone",
    hidden=(3,),
)
CHECKS: dict[str, Check] = {"compare": check_training, "ablation": check_evolution}


class RunFileCampaign(Campaign):
    """Damaged files of runs, results, checkpoints, histories and settings."""

    name = "run_files"

    def prepare(self, folder: Path) -> None:
        """Do a small comparison, a small ablation and a small search."""
        comparison = CompareConfig(
            model="mlp",
            losses=("cross_entropy", "gce"),
            seeds=(0, 1),
            epochs=2,
            tune_lr=True,
            lr_grid=(0.1,),
            tune_seeds=1,
            train_samples=100,
            accelerator="cpu",
        )
        compare(comparison, out=folder / "compare")
        ablate(AblateConfig(base=SETTINGS, vary=("sigma=0.2,0.3",), seeds=(0, 1)), out=folder / "ablate")
        pretrain(SETTINGS, out=folder / "pretrain")

    def trial(self, seed: int, prepared: Path, folder: Path) -> tuple[str, str]:
        """Damage a copy of one file and read it as the package does."""
        draw = random.Random(seed)
        what = draw.choice(sorted(_TRIALS))
        return what, _TRIALS[what](draw, prepared, folder)


def _guarded(what: str, read: Callable[[], Any], wanted: Any) -> str:
    try:
        found = read()
    except Exception as error:
        raise Damage(what) from error
    return "read" if found == wanted else "changed"


def _run_file(place: str, way: str) -> Callable[[random.Random, Path, Path], str]:
    def trial(draw: random.Random, prepared: Path, folder: Path) -> str:
        original = draw.choice(sorted((prepared / place / "runs").glob("*.json")))
        content = json.loads(original.read_text())
        run, path = Run(content["kind"], content["config"]), folder / original.name
        wanted = content["result"]
        if way == "bytes":
            path.write_bytes(damage_bytes(original.read_bytes(), draw))
        elif way == "values":
            path.write_text(json.dumps(damage_json(content, draw)))
        else:  # as versions before 0.4 wrote it
            content.pop("sha256", None)
            content["result"] = damage_json(content["result"], draw)
            path.write_text(json.dumps(content))

        def read() -> Any:
            result = read_run(path, run, CHECKS[run.kind])
            if result is not None and run.kind == "compare":
                RunResult.from_dict(result).as_dict()
            return result

        return _guarded(f"{place}: {way} of a run", read, wanted)

    return trial


def _results(way: str) -> Callable[[random.Random, Path, Path], str]:
    def trial(draw: random.Random, prepared: Path, folder: Path) -> str:
        original, path = prepared / "compare" / "results.json", folder / "results.json"
        _write(path, original, way, draw)

        def read() -> Any:
            results = Results.read(path)
            markdown_table(results)
            results.write(path)
            return results

        return _guarded(f"results: {way}", read, Results.read(original))

    return trial


def _ablation(way: str) -> Callable[[random.Random, Path, Path], str]:
    def trial(draw: random.Random, prepared: Path, folder: Path) -> str:
        original, path = prepared / "ablate" / "ablation.json", folder / "ablation.json"
        _write(path, original, way, draw)
        return _guarded(f"ablation: {way}", lambda: Ablation.read(path), Ablation.read(original))

    return trial


def _resume(name: str) -> Callable[[random.Random, Path, Path], str]:
    def trial(draw: random.Random, prepared: Path, folder: Path) -> str:
        shutil.copytree(prepared / "pretrain", folder / "run")
        path = folder / "run" / name
        path.write_bytes(damage_bytes(path.read_bytes(), draw))

        def read() -> Any:
            result = pretrain(SETTINGS, out=folder / "run", resume=True)
            return [asdict(record) for record in result.history], result.loss.params.tolist()

        lines = (prepared / "pretrain" / "history.jsonl").read_text().splitlines()
        wanted = [json.loads(line) for line in lines]
        params = _loss_params(prepared / "pretrain")
        return _guarded(f"resume: {name}", read, (wanted, params))

    return trial


def _settings(draw: random.Random, prepared: Path, folder: Path) -> str:
    original, path = prepared / "pretrain" / "pretrain.toml", folder / "pretrain.toml"
    path.write_bytes(damage_bytes(original.read_bytes(), draw))
    # Another legal value in a file that people write is theirs to give.
    return _guarded("settings: bytes", lambda: bool(PretrainConfig.from_toml(path)), True)


def _loss_params(directory: Path) -> Any:
    from evoloss.losses.evolved import EvolvedLoss

    return EvolvedLoss.from_pretrained(directory).params.tolist()


def _write(path: Path, original: Path, way: str, draw: random.Random) -> None:
    if way == "bytes":
        path.write_bytes(damage_bytes(original.read_bytes(), draw))
    else:
        path.write_text(json.dumps(damage_json(json.loads(original.read_text()), draw)))


_TRIALS: dict[str, Callable[[random.Random, Path, Path], str]] = {
    **{
        f"{place}: {way} of a run": _run_file(place, way)
        for place in ("compare", "ablate")
        for way in ("bytes", "values", "values, without checksum,")
    },
    **{f"results: {way}": _results(way) for way in ("bytes", "values")},
    **{f"ablation: {way}": _ablation(way) for way in ("bytes", "values")},
    "resume: checkpoint.safetensors": _resume("checkpoint.safetensors"),
    "resume: history.jsonl": _resume("history.jsonl"),
    "settings: bytes": _settings,
}


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(RunFileCampaign(), 10_000)
