"""The lanes that are written down, and which of them a day takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lanes.table import PATIENCE, Lane, chosen, due, read_lanes

DAYS = range(1, 367)
MOST_MINUTES = 40
LANES = read_lanes()


@pytest.fixture(params=LANES, ids=lambda lane: lane.name)
def lane(request: pytest.FixtureRequest) -> Lane:
    written: Lane = request.param
    return written


def test_no_day_takes_longer_than_a_run_may() -> None:
    minutes = {day: sum(lane.minutes for lane in due(LANES, day)) for day in DAYS}
    assert {day: taken for day, taken in minutes.items() if taken > MOST_MINUTES} == {}


def test_every_lane_is_due_once_in_each_of_its_periods(lane: Lane) -> None:
    for first in DAYS[: 1 - lane.every or None]:
        assert sum(lane.is_due(day) for day in range(first, first + lane.every)) == 1, first


def test_the_fast_lane_is_due_in_every_run_and_stays_fast() -> None:
    [fast] = [lane for lane in LANES if lane.name == "fast"]
    assert fast.every == 1
    assert fast.minutes <= 8


def test_lanes_that_all_have_to_be_ended_leave_time_for_lint_and_the_set_up() -> None:
    longest = max(sum(lane.minutes for lane in due(LANES, day)) for day in DAYS)
    assert longest * PATIENCE <= 90 - 20


def test_a_line_is_a_lane(tmp_path: Path) -> None:
    table = tmp_path / "lanes.toml"
    table.write_text('fast = { minutes = 8, run = "make test" }\nshops = { minutes = 2.5, every = 3, on = 2 }\n')
    fast, shops = read_lanes(table)
    assert fast.command == ["make", "test"]
    assert shops.command[1:] == ["-m", "pytest", "-m", 'slow(lane="shops")']
    assert due([fast, shops], 2) == [fast, shops]
    assert due([fast, shops], 3) == [fast]


@pytest.mark.parametrize(("minutes", "every", "on"), [(0, 1, 0), (1, 1, 1), (1, 7, 7), (1, 0, 0)])
def test_a_lane_that_would_never_be_due_is_refused(minutes: float, every: int, on: int) -> None:
    with pytest.raises(ValueError, match="lane never"):
        Lane("never", minutes, every, on)


def test_lanes_are_chosen_by_what_is_due_or_by_name() -> None:
    fast, even, odd = lanes = [Lane("fast", 8), Lane("even", 1, every=2), Lane("odd", 1, every=2, on=1)]
    assert chosen(lanes, "due", day=4) == [fast, even]
    assert chosen(lanes, "all", day=4) == lanes
    assert chosen(lanes, "odd,fast", day=4) == [fast, odd]
    assert chosen(lanes, "o*,*st", day=4) == [fast, odd]
    with pytest.raises(LookupError, match=r"named od; there are: due, all, fast, even, odd"):
        chosen(lanes, "od", day=4)
    with pytest.raises(LookupError, match=r"named x\*"):
        chosen(lanes, "fast,x*", day=4)


def test_a_lane_misses_what_it_needs(tmp_path: Path) -> None:
    lane = Lane("eval", 1, needs="$EVAL_DATA/gowalla")
    assert lane.missing({"EVAL_DATA": str(tmp_path)}) == f"{tmp_path}/gowalla"
    (tmp_path / "gowalla").mkdir()
    assert lane.missing({"EVAL_DATA": str(tmp_path)}) == ""
    assert Lane("faults", 1).missing({}) == ""
