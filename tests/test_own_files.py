from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from evoloss.ablate.results import OWN_FILES as ABLATION_FILES
from evoloss.compare.results import OWN_FILES as RESULT_FILES
from evoloss.errors import OutputError
from evoloss.losses import EvolvedLoss
from evoloss.losses.artefact.format import OWN_FILES as LOSS_FILES
from evoloss.own_files import Recogniser, holds_json, holds_line, require_replaceable
from evoloss.pretraining import pretrain
from evoloss.pretraining.result import RUN_FILES
from evoloss.report.tables import TABLE_FILE, is_table
from evoloss.zoo import SHIPPED, shipped_path
from tests.pretraining.runs import tiny

ROOT = Path(__file__).parents[1]
EVERY: dict[str, Recogniser] = {**RUN_FILES, **RESULT_FILES, **ABLATION_FILES, TABLE_FILE: is_table}

FOREIGN: dict[str, bytes] = {
    "README.md": b"# My project\n\nA loss network, written by me. It uses evoloss 0.3.0.\n",
    "config.json": b'{"model_type": "bert", "architectures": []}',
    "loss.safetensors": (42).to_bytes(8, "little")
    + b'{"weight":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}',
    "pretrain.toml": b'network = "classwise"  # mine\nseed = 3\n',
    "history.jsonl": b'{"event": "commit"}\n',
    "summary.json": b'{"generations": 3}',
    "results.json": b'[{"accuracy": 0.5}]',
    "ablation.json": b'{"schema": 1, "runs": []}',
    "table.md": b"| loss | value |\n|---|---|\n",
}


def committed() -> list[Path]:
    """Every file of a name that evoloss writes, of any version, in this repository."""
    places = [ROOT / "benchmarks", ROOT / "recipes", *(shipped_path(name) for name in SHIPPED)]
    files = [path for place in places for path in place.rglob("*") if path.name in EVERY and path.is_file()]
    # A README that is no card describes a study, a recipe or the archive, and people wrote it.
    return sorted(
        path for path in files if path.name != "README.md" or path.with_name("loss.safetensors").exists()
    )


def test_all_that_was_ever_committed_is_recognised() -> None:
    found = committed()
    assert len(found) > 80
    assert {path.name for path in found} == EVERY.keys()
    for path in found:
        require_replaceable(path.parent, {path.name: EVERY[path.name]})


@pytest.mark.parametrize("name", FOREIGN)
def test_foreign_files_are_not_ours(name: str, tmp_path: Path) -> None:
    for content in (FOREIGN[name], b"", b"\xff\xfe\x00", b"notes", FOREIGN["results.json"]):
        if name == "history.jsonl" and content == b"":
            continue  # a run that has just begun
        (tmp_path / name).write_bytes(content)
        with pytest.raises(OutputError, match=r"was not written by evoloss, and would be replaced") as caught:
            require_replaceable(tmp_path, {name: EVERY[name]})
        assert str(tmp_path / name) in str(caught.value)


def test_what_is_no_file_or_cannot_be_read_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule = {"a.json": holds_json("x")}
    require_replaceable(tmp_path / "none", rule, ["a.png"])
    (tmp_path / "file").touch()
    require_replaceable(tmp_path / "file", rule)  # which is no directory, and another check's business
    (tmp_path / "a.json").mkdir()
    with pytest.raises(OutputError, match="cannot be read: Is a directory"):
        require_replaceable(tmp_path, rule)
    (tmp_path / "a.json").rmdir()
    os.mkfifo(tmp_path / "a.json")
    with pytest.raises(OutputError, match="cannot be read: Is a named pipe"):
        require_replaceable(tmp_path, rule)


def test_pictures_are_ours_beside_a_document_of_ours(tmp_path: Path) -> None:
    rule = {"a.json": holds_json("x"), "b.md": holds_line("head")}
    (tmp_path / "p.png").touch()
    with pytest.raises(OutputError, match=r"p\.png .*none of a\.json, b\.md by evoloss is beside it"):
        require_replaceable(tmp_path, rule, ["p.png"])
    (tmp_path / "b.md").write_text("text\nheadline\n")
    require_replaceable(tmp_path, rule, ["p.png", "q.png"])


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


SAVES: dict[str, Callable[[Path], object]] = {
    "save_pretrained": lambda out: EvolvedLoss.from_pretrained("evolved-base").save_pretrained(out),
    "pretrain": lambda out: pretrain(tiny(), out=out),
    "save": lambda out: pretrain(tiny()).save(out),
}


@pytest.mark.parametrize("how", SAVES)
@pytest.mark.parametrize("name", RUN_FILES)
def test_saving_replaces_no_file_of_others(how: str, name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(FOREIGN[name])
    before = snapshot(tmp_path)
    if how == "save_pretrained" and name not in LOSS_FILES:
        SAVES[how](tmp_path)
        assert (tmp_path / name).read_bytes() == FOREIGN[name]
        return
    with pytest.raises(OutputError, match=name):
        SAVES[how](tmp_path)
    assert snapshot(tmp_path) == before


def test_the_current_folder_is_guarded_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("README.md").write_bytes(FOREIGN["README.md"])
    for here in ("", "."):
        with pytest.raises(OutputError, match=r"README\.md was not written by evoloss"):
            pretrain(tiny(), out=here)
    assert [path.name for path in tmp_path.iterdir()] == ["README.md"]


def test_a_run_is_replaced_by_another_and_goes_on_with_changed_settings(tmp_path: Path) -> None:
    result = pretrain(tiny(), out=tmp_path)
    result.save(tmp_path)
    settings = tmp_path / "pretrain.toml"
    settings.write_text(settings.read_text().replace("generations = 8", "generations = 9  # one more"))
    assert len(pretrain(tiny(generations=9), out=tmp_path, resume=True).history) == 9
