from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from evoloss.networks import NoiseRate
from evoloss.report.tables import HEADERS, markdown_table, rich_table, table_rows
from tests.compare.runs import make_results, make_run, make_tuning_run


def _printed(results, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(rich_table(results))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_rows_by_hand() -> None:
    base, gce, mae = table_rows(make_results())
    # sqrt(0.91 * 0.09 / 359) = 0.0151.
    assert base[:6] == ("cross_entropy", "0.05", "91.00 ± 1.00", "1.51", "91.50 ± 1.00", "baseline")
    assert gce[0] == "gce"
    assert gce[2:4] == ("92.00 ± 0.87", "1.43")
    # Differences 1, 1.5 and 0.5: mean 1, standard deviation 0.5, t quantile 4.303; p 0.0742 alone, and larger
    # than that of mae, so that Holm leaves it and its interval as they are.
    assert gce[5:10] == ("+1.00", "2.08", "-0.24 to +2.24", "-0.24 to +2.24", "0.074")
    assert gce[10:] == ("0.250", "0.030", "1.25", "0.200", "0.020", "1.5")
    assert mae[5] == "-71.00"
    # The first of two: half the level, t quantile 6.205 for 4.303.
    assert mae[7:9] == ("-93.36 to -48.64", "-103.24 to -38.76")


def test_runs_without_a_temperature_show_none() -> None:
    old = (make_run(temperature=None, test_nll_scaled=None, test_ece_scaled=None),)
    assert table_rows(make_results(runs=old))[0][12:15] == ("–", "–", "–")
    assert "T: temperature" not in markdown_table(make_results(runs=old))
    assert "T: temperature" in markdown_table(make_results())


def test_what_losses_have_sensed_of_the_labels_is_said() -> None:
    unknown = NoiseRate(reason="no epoch has been read")
    sensed = (NoiseRate(0.36, 0.3, 0.42), NoiseRate(0.38, 0.34, 0.44), NoiseRate(0.44, 0.35, 0.5), unknown)
    runs = [make_run("cross_entropy", seed) for seed in range(4)]
    runs += [make_run("a", seed, noise_rate=rate) for seed, rate in enumerate(sensed)]
    runs += [make_run("b", seed, noise_rate=unknown) for seed in range(4)]
    text = markdown_table(make_results(runs=tuple(runs)))
    assert "Wrong training labels by a: about 0.38 (0.34 to 0.44) in 3 of 4 runs." in text
    assert "Wrong training labels by b: cannot tell: no epoch has been read." in text
    assert "Wrong training labels by cross_entropy" not in text
    assert "Wrong training labels" not in markdown_table(make_results())


def test_names_of_classes_and_what_was_done_to_the_data() -> None:
    config = make_results().config
    named = make_results(config={**config, "class_names": ["cat", "dog"], "data_notes": ["2 rows left out"]})
    text = markdown_table(named)
    assert "digits, 2 classes (cat, dog), " in text
    assert text.endswith("|\n\nData:\n\n- 2 rows left out\n")
    assert "2 classes (cat, dog)" in " ".join(_printed(named, 200).split())
    many = make_results(config={**config, "class_names": [f"c{k}" for k in range(12)]})
    assert "12 classes (c0, c1, c2, c3, c4, c5, c6, c7, c8, c9 and 2 more), " in markdown_table(many)
    for foreign in (["0", "1"], "text", None):
        text = markdown_table(make_results(config={**config, "class_names": foreign, "data_notes": foreign}))
        assert "classes (" not in text


@pytest.mark.parametrize(("n_seeds", "said"), [(1, "1 seed"), (2, "2 seeds")])
def test_few_seeds_have_no_test_and_say_so(n_seeds: int, said: str) -> None:
    values = {"cross_entropy": (90.0, 91.0), "gce": (95.0, 96.5)}
    runs = tuple(make_run(loss, seed, row[seed]) for seed in range(n_seeds) for loss, row in values.items())
    results = make_results(runs=runs)
    assert table_rows(results)[1][7:10] == (f"{said}: no test", "–", "–")
    for text in (markdown_table(results), " ".join(_printed(results, 200).split())):
        assert f"{said}: no test and no interval below 3." in text
        assert "< 0.001" not in text
        assert "t-test" not in text


def test_equal_differences_have_no_test_and_say_so() -> None:
    runs = tuple(
        make_run(loss, seed, value) for seed in range(4) for loss, value in (("a", 90.0), ("b", 95.0))
    )
    results = make_results(runs=runs, baseline="a")
    assert table_rows(results)[1][5:10] == ("+5.00", "1.96", "equal differences: no test", "–", "–")
    assert "< 0.001" not in markdown_table(results) + _printed(results, 120)


def test_rates_at_the_end_of_their_grid_are_marked_everywhere() -> None:
    chosen = {"cross_entropy": 0.1, "gce": 0.4, "mae": 0.2}
    runs = tuple(make_run(loss, seed, lr=lr) for seed in range(3) for loss, lr in chosen.items())
    tuning = tuple(make_tuning_run(loss, lr, 1_000_000, 80.0) for loss in chosen for lr in (0.1, 0.2, 0.4))
    results = make_results(runs=runs, tuning=tuning)
    base, gce, mae = table_rows(results)
    assert (base[1], gce[1], mae[1]) == ("0.1 ↓", "0.4 ↑", "0.2")
    assert (gce[5], mae[5]) == ("+0.00 ↑", "+0.00")
    for text in (markdown_table(results), " ".join(_printed(results, 120).split())):
        assert "at an end of its grid (↓ lower, ↑ upper)" in text
        assert "So it is for cross_entropy, which every difference depends on." in text
    text = markdown_table(make_results(runs=runs))
    assert "↓" not in text, "rates that were not chosen have no grid"
    assert "↑" not in text


def test_the_sampling_error_of_the_test_set_stands_beside_the_spread() -> None:
    text = " ".join(_printed(make_results(), 120).split())
    assert "91.00 ± 1.00 (1.5)" in text
    assert (
        "Test set s.e. (359 samples, shared by all seeds): 2.11 points at most, of a difference 2.60" in text
    )


def test_markdown_has_equal_columns_everywhere() -> None:
    lines = [line for line in markdown_table(make_results()).splitlines() if line.startswith("|")]
    assert len(lines) == 2 + 3
    assert {line.count("|") for line in lines} == {len(HEADERS) + 1}


@pytest.mark.parametrize(
    ("config", "noise", "expected"),
    [
        ({}, 0.0, "training samples, clean labels;"),
        ({"own_data": False}, 0.4, "training samples, 40% symmetric label noise;"),
        ({"own_data": True}, 0.0, "training samples, labels as given (how many are wrong is unknown);"),
        ({"own_data": True}, 0.4, "40% symmetric label noise added to labels as given (how many"),
        ({"own_data": False, "train_labels": "votes.npz"}, 0.0, "training samples, labels of votes.npz;"),
    ],
)
def test_nobody_says_that_labels_of_the_users_own_are_clean(
    config: dict[str, Any], noise: float, expected: str
) -> None:
    results = make_results(runs=(make_run(label_noise=noise),))
    table = markdown_table(replace(results, config={**results.config, **config}))
    assert expected in table
    assert ("agreement with the test labels as given" in table) == bool(config.get("own_data"))


def test_a_reason_why_a_loss_cannot_tell_is_whole() -> None:
    reason = (
        "it may be anything from 0.00 to 0.67; labels are hardly learned, or memorised as they are learned"
    )
    results = make_results(runs=(make_run(noise_rate=NoiseRate(reason=reason)),))
    assert f"cannot tell: {reason}." in markdown_table(results)


def test_caption_tells_what_was_run() -> None:
    text = markdown_table(make_results())
    for part in ("digits", "1,294 training", "clean labels", "cnn", "47,034", "2 epochs", "0.05", "3 seeds"):
        assert part in text
    noisy = tuple(make_run(seed=seed, label_noise=0.4, lr=0.01 * (seed + 1)) for seed in range(2))
    tuning = (make_tuning_run("cross_entropy", 0.1, 1_000_000, 80.0),)
    text = markdown_table(make_results(runs=noisy, tuning=tuning, complete=False))
    assert "40% symmetric label noise" in text
    assert "chosen on the validation split" in text
    assert "not complete" in text


def test_diverged_runs_are_named() -> None:
    runs = (make_run(), make_run("gce", 0), make_run("gce", 1, diverged=True))
    assert table_rows(make_results(runs=runs))[1][0] == "gce (1 of 2 diverged)"


def test_terminal_table_fits_80_columns() -> None:
    text = _printed(make_results())
    assert max(len(line) for line in text.splitlines()) <= 80
    for part in ("cross_entropy", "91.00 ± 1.00 (1.5)", "+1.00 [-0.24, +2.24]", "0.250", "0.030"):
        assert part in text


def test_terminal_table_shows_rates_where_they_differ() -> None:
    assert "lr" not in _printed(make_results()).splitlines()[1]
    runs = (make_run(), make_run("gce", lr=0.2))
    assert "0.2" in _printed(make_results(runs=runs), 100)


def test_no_runs() -> None:
    empty = make_results(runs=())
    assert "No run has finished yet." in markdown_table(empty)
    assert "No run has finished yet." in _printed(empty)


HOSTILE = "\x1b[2J[bold red]a|b[/x]\n" + "y" * 5000


def hostile_results():
    """What a stranger's results.json may hold."""
    names = {"dataset": HOSTILE, "model": HOSTILE, "augment": HOSTILE}
    losses = (HOSTILE, HOSTILE + "2")
    runs = tuple(make_run(loss, seed, 90.0 + seed, **names) for loss in losses for seed in range(3))
    return make_results(runs=runs, baseline=HOSTILE)


def test_what_a_stranger_wrote_is_shown_short_and_without_control_characters() -> None:
    printed, written = _printed(hostile_results(), width=400), markdown_table(hostile_results())
    for text in (printed, written):
        assert all(char.isprintable() or char == "\n" for char in text)
        assert r"\x1b[2J[bold red]" in text
        assert len(text) < 6000
    assert r"[2J[bold red]a|b[/x]\nyyy" in printed
    assert r"[2J[bold red]a\|b[/x]\nyyy" in written
    assert len(written.strip().splitlines()) == 6
