"""The explorer's document says what the committed results say."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import pytest

from benchmarks.harness.comparison import require_known
from evoloss.strict_json import parse_json
from website import choices, gains
from website.runs import BASELINE, ROOT, collect, document, studies

SINGLE = [
    (study, condition.name)
    for study, conditions in studies().items()
    for condition in conditions
    if (ROOT / f"benchmarks/{study}/results/{condition.name}/results.json").exists()
]


def test_every_accuracy_study_is_in_it() -> None:
    assert {"transfer", "cifar10_20k", "cifar10_resnets", "tabular"} <= set(studies())
    files = ROOT.glob("benchmarks/*/results/*/results.json")
    committed = {path.parts[-2] for path in files if path.parts[-4] in studies()}
    assert committed == {name for _, name in SINGLE}
    assert {one["id"] for one in collect()["conditions"]} >= {"/".join(pair) for pair in SINGLE}


@pytest.mark.parametrize(("study", "name"), SINGLE, ids=["/".join(pair) for pair in SINGLE])
def test_cells_are_those_of_the_results_file(study: str, name: str) -> None:
    content = parse_json((ROOT / f"benchmarks/{study}/results/{name}/results.json").read_bytes())
    cells = {cell["loss"]: cell for cell in collect()["cells"] if cell["condition"] == f"{study}/{name}"}
    assert set(cells) == {row["loss"] for row in content["losses"]}
    for row in content["losses"]:
        cell = cells[row["loss"]]
        assert cell["accuracy"] == pytest.approx(row["mean_test_accuracy"], abs=1e-3)
        assert (cell["lr"], cell["seeds"]) == (row["lr"], row["n_seeds"])
        assert len(cell["runs"]) == row["n_seeds"]
        assert all(len(run["epochs"]) == len(run["validation"]) > 0 for run in cell["runs"])
    for row in content["summary"]:
        cell = cells[row["loss"]]
        assert cell["difference"] == pytest.approx(row["mean_difference"], abs=1e-3)
        if row["ci_low"] is None:
            assert cell["interval"] is None
        else:
            assert cell["interval"] == pytest.approx([row["ci_low"], row["ci_high"]], abs=1e-3)
    assert cells[BASELINE]["difference"] == 0


def test_commands_name_conditions_of_their_study() -> None:
    for one in collect()["conditions"]:
        words = one["command"].split()
        assert words[:3] == ["python", "-m", f"benchmarks.{one['study']}.run"]
        require_known("condition", words[4:], [condition.name for condition in studies()[one["study"]]])


def test_the_document_is_strict_json_of_a_size_for_a_page() -> None:
    text = document()
    assert len(text) < 5_000_000
    assert parse_json(text.encode()) == json.loads(text)


def test_means_medians_and_the_worst() -> None:
    found = gains.gains_of("gce")
    assert found is not None
    values = sorted(found.points.values())
    assert found.mean == pytest.approx(math.fsum(values) / len(values))
    assert found.worst[1] == values[0]
    assert values[(len(values) - 1) // 2] <= found.median <= values[len(values) // 2]
    assert gains.gains_of(BASELINE) is None


def test_tables_of_a_page() -> None:
    page = "before\n<!-- gains: right-labels gce evolved-base -->\n<!-- rates: gce -->\nafter"
    lines = choices.fill(page).splitlines()
    assert choices.fill("\n".join(lines)).splitlines() == lines
    old = [line.replace("-4", "-9") if line.startswith("| `gce`") else line for line in lines]
    assert old != lines
    assert choices.fill("\n".join(old)).splitlines() == lines
    assert lines[0] == "before"
    assert lines[-1] == "after"
    assert [line.split(" | ")[0] for line in lines if line.startswith("| `")] == [
        "| `gce`",
        "| `evolved-base`",
        "| `gce`",
    ]
    with pytest.raises(LookupError, match="no situation 'wet'"):
        choices.fill("<!-- gains: wet gce -->")
    with pytest.raises(ValueError, match="baikal has not been run"):
        choices.fill("<!-- gains: tables-right baikal -->")


def test_tables_of_committed_pages_are_those_of_the_committed_results() -> None:
    assert choices.due() == {}, "run python -m website.choices --write"
    assert "| `adaptive` | " in (ROOT / "docs/choose/cost.md").read_text(encoding="utf-8")


def test_tables_are_written_where_they_are_due(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.md"
    page.write_text("<!-- rates: gce -->\n", encoding="utf-8")
    monkeypatch.setattr(choices, "DOCS", tmp_path)
    monkeypatch.setattr(choices, "ROOT", tmp_path)
    choices.main(choices.Choices())
    assert page.read_text(encoding="utf-8") == "<!-- rates: gce -->\n"
    choices.main(choices.Choices(write=True))
    assert "| `gce` | " in page.read_text(encoding="utf-8")
    assert capsys.readouterr().out == "out of date: page.md\nwritten: page.md\n"
    assert choices.due() == {}


def test_links_of_pages_work_in_a_checkout() -> None:
    """Pages that only the site has cannot be linked to from one that is read without it."""
    broken = []
    for page in sorted((ROOT / "docs").rglob("*.md")):
        text = re.sub(r"^```.*?^```$|`[^`\n]*`", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
        for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
            if not re.match("https?:|mailto:", link) and not (page.parent / link).exists():
                broken.append(f"{page.relative_to(ROOT)}: {link}")
    assert broken == []
