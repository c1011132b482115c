from __future__ import annotations

import pytest

from evoloss.cli import main
from evoloss.losses import LOSSES
from evoloss.zoo import ALIASES, SHIPPED


def test_every_name_has_a_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setenv("COLUMNS", "300")
    assert main(["losses"]) == 0
    rows = [line.strip("│ ").split("│") for line in capsys.readouterr().out.splitlines() if "│" in line]
    table = {cells[0].strip(): (cells[1].strip(), cells[2].strip()) for cells in rows}
    assert list(table) == [*ALIASES, *SHIPPED, *LOSSES]
    for name, (kind, line) in table.items():
        assert kind == ("known" if name in LOSSES else "alias" if name in ALIASES else "shipped")
        assert line
    assert (
        table["evolved"][1] == f"recommended where nothing is to be set: {ALIASES['evolved']} in this version"
    )
    assert table["evolved-base"][1] == SHIPPED["evolved-base"]
    assert table["gce"][1] == "Generalised cross-entropy"
    assert "q=0.7 in (0, 1]" in next(row[3] for row in rows if row[0].strip() == "gce")
    assert "needs n_samples, index" in next(row[3] for row in rows if row[0].strip() == "elr")
    assert "oracle" in table["epsilon_softmax_mae"][1]


def test_options_are_refused(capsys: pytest.CaptureFixture[str]):
    assert main(["losses", "--all"]) == 2
    assert "--all" in capsys.readouterr().err
