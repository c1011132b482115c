from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from evoloss import EvolvedLoss
from evoloss.losses.artefact.card import card_text

CLASSWISE = {
    "kind": "classwise",
    "hidden": [8, 4],
    "activation": "silu",
    "features": "log_probs",
}


def card(network: dict[str, Any] | None = None, **record: Any) -> str:
    return card_text({"network": network or CLASSWISE, "record": record, "evoloss_version": "9.8.7"}, 123)


def test_card_without_a_record_says_what_the_loss_is_and_how_to_use_it():
    text = card()
    assert text.startswith("# An evolved classification loss\n")
    assert "A classwise loss network (hidden layers 8-4, silu, features log_probs, 123 parameters)" in text
    assert "any number of classes" in text
    assert "evoloss 9.8.7" in text
    assert "EvolvedLoss.from_pretrained(" in text
    assert "##" not in text
    assert text.endswith("\n")


@pytest.mark.parametrize(
    ("pretraining", "origin"),
    [
        ({"generations": 3, "start": "set_by_hand"}, "learned from synthetic prediction-label pairs alone"),
        ({"generations": 0, "start": "set_by_hand"}, "set by hand; no search has changed them"),
        ({"generations": 0, "start": "sce"}, "that a search would start from; no search has changed them"),
    ],
)
def test_the_card_says_where_the_parameters_are_from(pretraining: dict[str, Any], origin: str):
    assert origin in " ".join(card(pretraining=pretraining).split())


def test_a_concat_loss_names_its_class_count():
    text = card({**CLASSWISE, "kind": "concat", "n_classes": 7})
    assert "for 7 classes" in text
    assert "any number" not in text


def test_title_notes_scores_and_settings_are_shown():
    scores = {"10": {"consistency": 0.9991234, "kendall_tau": 0.998, "spearman_rho": 1.0}}
    text = card(title="My loss", notes="It wins **here**.\n", scores=scores, pretraining={"popsize": 64})
    assert text.startswith("# My loss\n")
    assert "\n\nIt wins **here**.\n" in text
    assert "| 10 | 0.99912 | 0.99800 | 1.00000 |" in text
    assert "| popsize | 64 |" in text


@pytest.mark.parametrize(
    "scores", [{"10": {}}, {"10": None}, {"10": {"consistency": "high"}}, [1], "x", None]
)
def test_scores_of_a_strangers_record_do_no_harm(scores: Any):
    text = card(scores=scores)
    assert ("| 10 | - | - | - |" in text) == isinstance(scores, dict)


def test_the_card_states_how_far_the_tables_are_from_the_network(tmp_path: Path) -> None:
    loss = EvolvedLoss.from_pretrained("evolved-base")
    loss.save_pretrained(tmp_path)
    card = (tmp_path / "README.md").read_text(encoding="utf-8")
    for n_classes in (10, 1000):
        tables = loss.tables(n_classes)
        assert tables is not None
        assert f"| {n_classes} | {tables.value_error:.1e} | {tables.slope_error:.1e} |" in card


def test_held_out_tasks_are_shown_and_a_strangers_do_no_harm():
    row = {"mean": 1.25, "se": 0.5, "tasks": 32}
    text = card(learnability={"score": 0.1, "short": row, "long": row, "stretched": row})
    assert "| short training | 32 | +1.25 | 0.50 |" in text
    for found in ({"short": None}, {"short": {"mean": "high"}}, [1], "x"):
        assert card(learnability=found).startswith("# An evolved")


HOSTILE = "\x1b[2J\x07a|b\u202e\nnext" + "x" * 50_000


def test_what_a_stranger_wrote_is_shown_short_and_without_control_characters():
    text = card(
        title=HOSTILE,
        notes="first\n\nsecond\x1b[31m\n" + "y" * 100_000,
        scores={HOSTILE: {"consistency": 10**400, "kendall_tau": True, "spearman_rho": HOSTILE}},
        pretraining={HOSTILE: HOSTILE, **{str(i): i for i in range(10_000)}},
        learnability={"short": {"mean": 10**400, "se": HOSTILE, "tasks": 1}},
    )
    assert all(char.isprintable() or char == "\n" for char in text)
    assert len(text) < 30_000
    lines = text.splitlines()
    assert lines[0].startswith(r"# \x1b[2J\x07a|b\u202e\nnextxxx")
    assert "second\\x1b[31m" in lines
    assert max(map(len, lines)) < 21_000
    rows = [line for line in lines if line.startswith(r"| \x1b")]
    assert len(rows) == 2
    assert all(r"a\|b\u202e\nnext" in row for row in rows)
    assert "nan" in text, "a number beyond the range is shown as none"


def test_every_record_that_json_holds_makes_a_card_and_is_saved_again(tmp_path: Path) -> None:
    record = {"title": ["a"], "notes": 3, "scores": {"2": [1]}, "pretraining": {"a": {"b": None}}}
    loss = EvolvedLoss.from_pretrained("evolved-noise")
    EvolvedLoss(loss.network, loss.params, record=record).save_pretrained(tmp_path)
    again = EvolvedLoss.from_pretrained(tmp_path)
    again.save_pretrained(tmp_path)
    assert again.record == record


def test_a_network_without_layers_says_so_and_lists_no_setting_of_them():
    settings = {"popsize": 64, "hidden": [8, 8], "activation": "auto"}
    for network in ({**CLASSWISE, "hidden": [], "activation": "none"}, {"kind": "paced"}):
        text = card(network, pretraining=settings)
        assert "none, none" not in text
        assert ("no hidden layers, features log_probs" in text) == ("hidden" in network)
        assert "[8, 8]" not in text
        assert "| popsize | 64 |" in text
    assert "| hidden | [8, 8] |" in card(pretraining=settings)
