from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from benchmarks import report
from benchmarks.harness.page import replace_between
from benchmarks.harness.study_tables import BEGIN, END
from benchmarks.report import STUDIES, Name, Report, lines, main, readme
from tests.benchmarks.harness.studies import write_runs

every_study = pytest.mark.parametrize("study", get_args(Name))


@every_study
def test_a_study_has_situations_of_its_conditions_and_a_place_for_its_tables(study: Name) -> None:
    make, situations = STUDIES[study]
    names = [condition.name for condition in make(Path("results")).conditions]
    assert {name for group in situations.values() for name in group} == set(names)
    text = readme(study).read_text(encoding="utf-8")
    assert replace_between(text, BEGIN, END, ["new"]).count("new\n") >= 1


@every_study
def test_committed_results_can_be_shown(study: Name) -> None:
    assert lines(study)


def test_tables_are_printed_or_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    write_runs(tmp_path / "wine-clean", {"cross_entropy": (90.0, 91.0), "gce": (91.0, 93.0)})
    page = tmp_path / "README.md"
    page.write_text(f"# Study\n\n{BEGIN}\n\nearlier tables\n\n{END}\n\nend\n", encoding="utf-8")
    monkeypatch.setattr(report, "readme", lambda _: page)
    main(Report(study="tabular", results=tmp_path))
    assert "| gce † | +1.50 |" in capsys.readouterr().out
    assert "earlier tables" in page.read_text(encoding="utf-8")
    main(Report(study="tabular", results=tmp_path, write=True))
    text = page.read_text(encoding="utf-8")
    assert "earlier tables" not in text
    assert "| gce † | +1.50 |" in text
    assert text.startswith("# Study\n")
    assert text.endswith("end\n")
