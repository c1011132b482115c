from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from evoloss.compare.joint.results import JOINT_FILE, JointResults, holds_several
from evoloss.errors import ResultsError
from tests.compare.joint.made_up import ACCURACIES, make_joint, results_on


def write(joint: JointResults, directory: Path) -> Path:
    for folder, results in joint.comparisons.items():
        (directory / folder).mkdir(parents=True)
        results.write(directory / folder / "results.json")
    joint.write(directory)
    return directory


def test_what_is_written_is_read(tmp_path: Path) -> None:
    joint = make_joint()
    again = JointResults.read(write(joint, tmp_path))
    assert list(again.comparisons) == ["digits", "wine", "iris"], "in the order in which they were asked for"
    assert again.text() == joint.text() == (tmp_path / JOINT_FILE).read_text()
    document = json.loads(joint.text())
    assert (document["schema"], document["baseline"], document["complete"]) == (1, "cross_entropy", True)
    assert [row["label"] for row in document["datasets"]] == ["digits", "wine", "iris"]
    assert [row["baseline_accuracy"] for row in document["datasets"]] == [91.0, 81.0, 71.0]
    assert [row["loss"] for row in document["losses"]] == ["cross_entropy", "gce", "mae"]
    assert len(document["differences"]) == 6


def test_a_folder_of_comparisons_is_one_without_the_file(tmp_path: Path) -> None:
    write(make_joint(), tmp_path)
    (tmp_path / JOINT_FILE).unlink()
    assert holds_several(tmp_path)
    assert list(JointResults.read(tmp_path).comparisons) == ["digits", "iris", "wine"]
    assert not holds_several(tmp_path / "digits"), "it has results of its own"
    assert not holds_several(tmp_path / "digits" / "results.json")
    assert not holds_several(tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    assert not holds_several(tmp_path / "empty")


def test_data_sets_that_share_a_name_are_told_by_their_folders() -> None:
    results = results_on("wine", ACCURACIES["wine"])
    joint = JointResults({"wine-a": results, "wine-b": results, "digits": results_on("digits", {})})
    assert [row.label for row in joint.datasets] == ["wine-a", "wine-b", "digits"]
    assert joint.datasets[2].baseline_accuracy is joint.datasets[2].model is None


def test_baselines_have_to_agree() -> None:
    digits, wine = results_on("digits", ACCURACIES["digits"]), results_on("wine", ACCURACIES["wine"])
    other = replace(wine, baseline="gce")
    with pytest.raises(ResultsError, match=r"digits, wine have different baselines \(cross_entropy, gce\)"):
        JointResults({"digits": digits, "wine": other})
    with pytest.raises(ResultsError, match="there is no comparison"):
        JointResults({})


def test_it_is_complete_when_all_are() -> None:
    digits = results_on("digits", ACCURACIES["digits"])
    assert JointResults({"digits": digits}).complete
    assert not JointResults({"digits": digits, "wine": results_on("wine", {}, complete=False)}).complete


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("[]",), "is not a file of joint results"),
        (("{",), "is not valid JSON"),
        (('"schema": 1', '"schema": 2'), "has schema 2"),
        (('"folder": "wine"', '"folder": "../wine"'), "'../wine' is no name of a folder beside it"),
        (('"folder": "wine"', '"folder": ".."'), "'..' is no name of a folder"),
        (('"folder": "wine"', '"folder": 3'), r"datasets\[1\].folder is 3"),
        (('"folder": "wine"', '"folder": "gone"'), r"gone.* does not exist"),
    ],
)
def test_damaged_files_are_refused(tmp_path: Path, change: tuple[str, ...], message: str) -> None:
    write(make_joint(), tmp_path)
    text = (tmp_path / JOINT_FILE).read_text()
    (tmp_path / JOINT_FILE).write_text(change[0] if len(change) == 1 else text.replace(*change))
    with pytest.raises(ResultsError, match=message):
        JointResults.read(tmp_path)
