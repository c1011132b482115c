"""The judging of a search: its time, its record, and how it goes on. Time is a double that counts work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmarks.robustness.evolving.small_evolve import WorkClock, small_and_counted
from benchmarks.robustness.killed_commands import content
from evoloss.errors import CheckpointError
from evoloss.evolve import Begin, EvolveConfig, EvolveResult, evolve
from evoloss.evolve.budget import FEWEST_VERDICT, WANTED_VERDICT
from evoloss.evolve.journal import JOURNAL_FILE, Journal
from evoloss.pretraining import PretrainConfig, pretrain

CONFIG = EvolveConfig(purpose="noise", classes="3", samples="20-30", noise="0.2-0.5", budget="19s", seed=5)
JUDGED = ("choose", "report", "fresh")
SHORT = "The time was too short for the 64 fresh tasks that are planned: with "


class Killed(BaseException):
    """As SIGKILL ends a process: nothing is saved on the way."""


def run(
    out: Path,
    clock: WorkClock,
    *,
    budget: str = CONFIG.budget,
    resume: bool = False,
    on_begin: Callable[[Begin], None] | None = None,
) -> EvolveResult:
    with small_and_counted(clock):
        return evolve(replace(CONFIG, budget=budget), out, resume=resume, on_begin=on_begin)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, WorkClock, EvolveResult]:
    """A run that nothing stopped."""
    torch.set_num_threads(1)
    out, clock = tmp_path_factory.mktemp("undisturbed") / "mine", WorkClock()
    return out, clock, run(out, clock)


def test_the_time_that_is_kept_is_used_and_not_overdrawn(
    undisturbed: tuple[Path, WorkClock, EvolveResult],
) -> None:
    _, clock, result = undisturbed
    assert result.verdict.groups >= WANTED_VERDICT
    assert SHORT not in result.verdict.text
    assert 0.6 * CONFIG.seconds < result.seconds <= CONFIG.seconds - 4.0
    assert clock.now == pytest.approx(result.seconds)


@pytest.mark.parametrize("ending", [KeyboardInterrupt, Killed])
@pytest.mark.parametrize(
    ("label", "number"),
    [("learnability", 1), ("learnability", 9), ("choose", 1), ("report", 2), ("fresh", 0), ("fresh", 7)],
)
def test_stopped_anywhere_it_ends_with_the_same_files(
    undisturbed: tuple[Path, WorkClock, EvolveResult],
    tmp_path: Path,
    label: str,
    number: int,
    ending: type[BaseException],
) -> None:
    whole, reference, wanted = undisturbed
    assert reference.worked is not None
    clock, seen = WorkClock(), list[str]()
    names = {name for name, _ in reference.worked}
    search = (names - {*JUDGED, "stop", "pace"}).pop()
    stop_at = search if label == "learnability" else label

    def stop(name: str, group: int) -> None:
        seen.append(name)
        if name == stop_at and seen.count(name) == number + 1:
            raise ending

    clock.before = stop
    out = tmp_path / "mine"
    with pytest.raises(ending):
        run(out, clock)
    again, begun = WorkClock(), list[Begin]()
    result = run(out, again, resume=True, on_begin=begun.append)
    assert content(out) == content(whole)
    assert result.verdict == wanted.verdict
    assert torch.equal(result.pretrained.loss.params, wanted.pretrained.loss.params)
    assert clock.worked is not None
    assert again.worked is not None
    judged = [call for call in clock.worked + again.worked if call[0] in JUDGED]
    assert judged == [call for call in reference.worked if call[0] in JUDGED], "nothing is judged twice"
    if label in JUDGED:
        assert begun[0].ended_with == len(wanted.pretrained.history)
        assert not begun[0].has_ended
        assert {name for name, _ in again.worked} <= set(JUDGED), "neither timed nor searched again"


def copied(folder: Path, out: Path) -> Path:
    """Another folder with the same files."""
    out.mkdir()
    for path in folder.iterdir():
        (out / path.name).write_bytes(path.read_bytes())
    return out


def test_a_run_that_has_ended_is_not_judged_again(
    undisturbed: tuple[Path, WorkClock, EvolveResult], tmp_path: Path
) -> None:
    whole, _, wanted = undisturbed
    out = copied(whole, tmp_path / "mine")
    for budget in (CONFIG.budget, "1s"):  # less has no effect any more
        again, begun = WorkClock(), list[Begin]()
        result = run(out, again, budget=budget, resume=True, on_begin=begun.append)
        assert begun[0].has_ended
        assert begun[0].judged == wanted.verdict.groups
        assert again.worked == []
        assert result.verdict == wanted.verdict
        assert result.seconds == wanted.seconds
        assert content(out) == content(whole)
        assert (out / JOURNAL_FILE).read_bytes() == (whole / JOURNAL_FILE).read_bytes(), "times too"
    (out / "README.md").unlink()
    run(out, WorkClock(), resume=True)
    assert (out / "README.md").read_bytes() == (whole / "README.md").read_bytes(), (
        "a lost file is written again"
    )


def test_more_budget_searches_on_and_judges_the_new_loss(
    undisturbed: tuple[Path, WorkClock, EvolveResult], tmp_path: Path
) -> None:
    whole, _, wanted = undisturbed
    out = copied(whole, tmp_path / "mine")
    clock = WorkClock()
    result = run(out, clock, budget="26s", resume=True)
    assert len(result.pretrained.history) > len(wanted.pretrained.history)
    assert CONFIG.seconds < result.seconds <= 26.0 - 4.0
    assert clock.worked is not None
    assert [group for name, group in clock.worked if name == "fresh"] == list(range(result.verdict.groups))
    journal = Journal(out)
    assert journal.head is not None
    assert journal.head.generation == len(result.pretrained.history)
    assert journal.count("fresh") == result.verdict.groups
    assert 'budget = "26s"' in (out / "evolve.toml").read_text()


def test_a_busy_machine_gets_fewer_generations_and_no_longer_run(
    undisturbed: tuple[Path, WorkClock, EvolveResult], tmp_path: Path
) -> None:
    _, reference, wanted = undisturbed
    clock = WorkClock()
    assert reference.worked is not None

    def slow(name: str, group: int) -> None:
        clock.factor = 1.0 if name == "pace" else 1.6

    clock.before = slow
    result = run(tmp_path / "mine", clock)
    assert len(result.pretrained.history) < len(wanted.pretrained.history)
    assert result.seconds <= CONFIG.seconds
    assert result.verdict.groups >= FEWEST_VERDICT


def test_a_judging_that_turns_out_slow_has_fewer_tasks_and_says_so(tmp_path: Path) -> None:
    clock = WorkClock()

    def slow(name: str, group: int) -> None:
        clock.factor = 2.0 if name == "fresh" else 1.0

    clock.before = slow
    result = run(tmp_path / "mine", clock)
    groups = result.verdict.groups
    assert FEWEST_VERDICT <= groups < WANTED_VERDICT
    assert groups % 2 == 0, "as many long ones as short ones"
    assert result.seconds <= CONFIG.seconds
    assert f"{SHORT}{4 * groups} the intervals are wider" in result.verdict.text
    assert result.verdict.text in (tmp_path / "mine" / "README.md").read_text()


def test_an_interval_has_three_groups_of_a_kind_even_where_there_is_no_time(tmp_path: Path) -> None:
    clock = WorkClock()

    def slow(name: str, group: int) -> None:
        clock.factor = 40.0 if name == "fresh" else 1.0

    clock.before = slow
    result = run(tmp_path / "mine", clock)
    assert result.verdict.groups == FEWEST_VERDICT == 6
    assert f"{SHORT}24 " in result.verdict.text


def test_half_a_line_of_the_history_keeps_nobody_from_going_on(
    undisturbed: tuple[Path, WorkClock, EvolveResult], tmp_path: Path
) -> None:
    whole, _, wanted = undisturbed
    out, clock = tmp_path / "mine", WorkClock()

    def stop(name: str, group: int) -> None:
        if name == "report":
            raise Killed

    clock.before = stop
    with pytest.raises(Killed):
        run(out, clock)
    with (out / "history.jsonl").open("a") as file:
        file.write('{"generation": 99, "fit')  # as a full disk or a loss of power leaves it
    assert run(out, WorkClock(), resume=True).verdict == wanted.verdict
    assert content(out) == content(whole)


def test_settings_make_the_loss_again_after_a_judging_that_went_on(
    undisturbed: tuple[Path, WorkClock, EvolveResult],
) -> None:
    whole, _, wanted = undisturbed
    with small_and_counted(WorkClock()):
        again = pretrain(PretrainConfig.from_toml(whole / "pretrain.toml"))
    assert torch.equal(again.loss.params, wanted.pretrained.loss.params)


def test_a_damaged_record_is_an_error_and_can_be_moved_away(
    undisturbed: tuple[Path, WorkClock, EvolveResult], tmp_path: Path
) -> None:
    whole, _, wanted = undisturbed
    out = copied(whole, tmp_path / "mine")
    path = out / JOURNAL_FILE
    path.write_bytes(path.read_bytes().replace(b'"fresh", "group": 1,', b'"fresh", "group": 2,', 1))
    with pytest.raises(CheckpointError, match=r"judging\.jsonl is damaged in line"):
        run(out, WorkClock(), resume=True)
    path.unlink()
    result = run(out, WorkClock(), resume=True)
    assert result.verdict.groups >= FEWEST_VERDICT
    assert len(result.pretrained.history) >= len(wanted.pretrained.history)
