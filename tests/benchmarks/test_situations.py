from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.harness.results import read_record
from benchmarks.situations import data
from benchmarks.situations import run as study_run
from benchmarks.situations.run import (
    LOSSES,
    MECHANICS,
    README,
    RESULTS,
    SEEDS,
    SITUATIONS,
    SituationStudy,
    call,
    main,
    plan,
    said,
)
from benchmarks.situations.table import COMMANDS, lines, overall, warnings
from evoloss.compare.results import FILE_NAME, Results
from evoloss.data import Dataset, load_dataset
from evoloss.errors import ResultsError, UnknownNameError
from tests.benchmarks.harness.studies import write_runs

pytest.importorskip("pandas", reason="the extra tables is not installed")
pytest.importorskip("PIL", reason="Pillow is not installed")
TITLES = {name: situation.title for name, situation in SITUATIONS.items()}
RUNS = {run: words for _, run, words in plan(SituationStudy())}


def option(words: tuple[str, ...], name: str) -> str | None:
    return words[words.index(name) + 1] if name in words else None


def loaded(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Dataset:
    """The data of a situation, read as its command reads it."""
    SITUATIONS[name].write(folder)
    monkeypatch.chdir(folder)
    words = SITUATIONS[name].words
    size = option(words, "--image-size")
    return load_dataset(
        option(words, "--dataset") or "",
        target=option(words, "--target"),
        image_size=None if size is None else int(size),
    )


@pytest.mark.parametrize(
    ("name", "n_classes", "shape", "n_samples"),
    [
        ("digits-npz", 10, (1, 8, 8), 1797),
        ("breast-cancer", 2, (60,), 569),
        ("wine", 3, (26,), 178),
        ("iris", 3, (8,), 150),
        ("digits-389", 3, (1, 8, 8), 537),
        ("image-folder", 5, (3, 8, 8), 301),
        ("strings", 2, None, 569),
        ("own-dataset", 5, (1, 8, 8), 901),
        ("backbone", 3, (1, 8, 8), 537),
    ],
)
def test_the_files_are_read_as_they_are(
    name: str,
    n_classes: int,
    shape: tuple[int, ...] | None,
    n_samples: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = loaded(name, tmp_path, monkeypatch)
    assert found.n_classes == n_classes
    assert shape is None or found.input_shape == shape
    assert sum(map(len, (found.train, found.validation, found.test))) == n_samples
    again = tmp_path / "again"
    again.mkdir()
    SITUATIONS[name].write(again)
    for path in (path for path in again.rglob("*") if path.is_file()):
        assert path.read_bytes() == (tmp_path / path.relative_to(again)).read_bytes(), path


def test_the_nine_situations_of_the_study() -> None:
    assert len(SITUATIONS) == 9
    assert set(MECHANICS) < set(SITUATIONS)


def test_labels_of_the_arrays_are_wrong_for_training_alone(tmp_path: Path) -> None:
    data.noisy_digits(tmp_path)
    labels, images = data.bunch("digits").target, data.bunch("digits").images
    by_image = {
        np.rint(image * (255 / 16)).astype(np.uint8).tobytes(): label
        for image, label in zip(images, labels, strict=True)
    }
    with np.load(tmp_path / "digits.npz") as arrays:
        right = [by_image[image.tobytes()] for image in arrays["x_train"]]
        wrong = arrays["y_train"] != np.array(right)
        assert wrong.mean() == pytest.approx(data.WRONG, abs=1e-3)
        np.testing.assert_array_equal(wrong, data.wrong_in_file())
        assert [by_image[image.tobytes()] for image in arrays["x_test"]] == arrays["y_test"].tolist()


def test_wrong_labels_are_another_class_each_with_equal_chance() -> None:
    labels = np.repeat([3, 8, 9], 2000)
    found = data.wrong_labels(labels, 0.5, np.random.default_rng(0))
    assert (found != labels).sum() == 3000
    for label in (3, 8, 9):
        counts = np.unique_counts(found[(labels == label) & (found != label)])
        assert set(counts.values) == {3, 8, 9} - {label}
        assert counts.counts.min() > 0.4 * counts.counts.sum()


def test_what_a_user_of_tables_has_is_in_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notes = " ".join(loaded("strings", tmp_path, monkeypatch).notes)
    for told in ("'patient'", "'visit'", "missing numbers", "missing categories", "0 and 1 for each value"):
        assert told in notes
    text = (tmp_path / "patients.csv").read_text(encoding="utf-8")
    cells = [line.split(",") for line in text.splitlines()[1:]]
    empty = [cell in data.EMPTY for row in cells for cell in row[2:-1]]
    assert np.mean(empty) == pytest.approx(data.MISSING, abs=0.01)
    assert {cell for row in cells for cell in row if cell in data.EMPTY} == set(data.EMPTY)
    assert {row[-1] for row in cells} == {"malignant", "benign"}


def test_the_folder_has_images_of_all_kinds(tmp_path: Path) -> None:
    from PIL import Image

    data.image_folder(tmp_path)
    sizes, modes, formats = set(), set(), set()
    for path in tmp_path.rglob("*.*g"):
        with Image.open(path) as image:
            sizes.add(image.size)
            modes.add(image.mode)
            formats.add(image.format)
    assert len(sizes) > 2 * len(data.SIDES)
    assert modes == set(data.MODES)
    assert formats == {"PNG", "JPEG"}


def test_commands_are_plain() -> None:
    allowed = {
        *("--out", "--dataset", "--target", "--model", "--image-size", "--losses", "--seeds", "--threads"),
        *("--label-noise", "--validation-noise"),
    }
    for run, words in RUNS.items():
        assert {word for word in words if word.startswith("--")} <= allowed
        assert ("--label-noise" in words) == run.endswith("-wrong40")
    added = {run.removesuffix("-wrong40") for run in RUNS if run.endswith("-wrong40")}
    assert added == set(SITUATIONS) - {"digits-npz", *MECHANICS}
    with pytest.raises(UnknownNameError, match="wines"):
        list(plan(SituationStudy(only=("wines",))))


def test_a_command_that_fails_says_what_it_said(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match=r"--dataset none.npz ended with 2: .*none.npz"):
        call(("compare", "--out", "cmp", "--dataset", "none.npz"), tmp_path)


def test_warnings_are_told_from_notes() -> None:
    assert said("data: 150 rows\nwarning: few steps\n warning: no\nwritten: x\nwarning: two") == [
        "few steps",
        "two",
    ]


def test_the_study_runs_at_toy_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study_run, "LOSSES", ("cross_entropy", "gce"))
    monkeypatch.setattr(study_run, "README", tmp_path / "README.md")
    shortened = SITUATIONS | {"backbone": replace(SITUATIONS["backbone"], title="a body that is frozen")}
    monkeypatch.setattr(study_run, "SITUATIONS", shortened)
    options = SituationStudy(
        only=("backbone", "digits-npz"), seeds=1, epochs=1, out=tmp_path / "results", files=tmp_path / "files"
    )
    main(options)
    record = read_record(options.out / COMMANDS)
    assert record["backbone"]["found"] == {"models": 2, "body_is_the_same": True, "heads_differ": True}
    found = record["digits-npz"]["found"]
    assert 0.4 < found["wrong_among_as_many_first"] / found["wrong"] <= 1
    assert Results.read(options.out / "digits-npz").complete
    page = f"# Study\n\n{study_run.BEGIN}\n\nearlier\n\n{study_run.END}\n"
    study_run.README.write_text(page, encoding="utf-8")
    main(replace(options, write=True))
    text = study_run.README.read_text(encoding="utf-8")
    assert "| digits-npz | 40 % wrong in the file |" in text
    assert "| backbone | a body that is frozen |" in text
    assert "| backbone | right |" not in text
    assert "earlier" not in text


def test_means_and_medians_are_those_of_the_differences(tmp_path: Path) -> None:
    runs = {}
    for name, gained in {"one": 1.0, "two": 2.0, "three": 9.0}.items():
        write_runs(tmp_path / name, {"cross_entropy": (80.0, 81.0), "gce": (80.0 + gained, 81.0 + gained)})
        runs[name] = Results.read(tmp_path / name)
    assert "| gce | +4.0 | +2.0 | +1.0 one |" in "\n".join(overall(runs))


def test_warnings_that_differ_in_numbers_are_one() -> None:
    record = {
        name: {"warnings": [f"leaves out {number} of 1,000 samples"], "stderr": []}
        for name, number in {"wine": 7, "iris": 12}.items()
    }
    record["wine"]["warnings"].append("another")
    runs = dict.fromkeys(record, None)
    assert warnings(record, runs) == [  # type: ignore[arg-type]
        "- *leaves out 7 of 1,000 samples*\n  (wine, iris)",
        "- *another*\n  (wine)",
    ]
    assert warnings({}, {}) == ["Nothing."]


def test_committed_results_are_those_of_the_plan() -> None:
    record = read_record(RESULTS / COMMANDS)
    assert set(record) == set(RUNS)
    for run, entry in record.items():
        assert entry["command"] == f"evoloss {' '.join(RUNS[run])}"
        assert entry["cpu_seconds"] < 60
        assert not entry["stderr"]
        text = (RESULTS / run / FILE_NAME).read_text(encoding="utf-8")
        assert not re.search(r"/(tmp|home|work|root)/", text)
        results = Results.read(RESULTS / run)
        assert results.complete
        assert {(row.loss, row.seed) for row in results.runs} == {
            (loss, seed) for loss in LOSSES for seed in range(SEEDS)
        }


def test_the_readme_has_the_tables_of_the_results() -> None:
    made = "\n".join(lines(RESULTS, TITLES, MECHANICS))
    assert made in README.read_text(encoding="utf-8"), "run python -m benchmarks.situations.run --write"
