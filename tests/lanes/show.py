"""What is said of lanes: which are due, and after a run what each took beside what is written down."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from tests.lanes.result import Result
from tests.lanes.table import Lane, due

NONE = "–"
CONSOLE = Console(width=160, highlight=False, markup=False, soft_wrap=True)


def say(text: str) -> None:
    CONSOLE.print(text)


def show_lanes(lanes: Sequence[Lane], day: int) -> None:
    table = Table("lane", "minutes", "due", "today", "what it runs")
    for lane in lanes:
        table.add_row(lane.name, f"{lane.minutes:g}", when(lane), _today(lane, day), runs(lane))
    CONSOLE.print(table)
    minutes = sum(lane.minutes for lane in due(lanes, day))
    say(f"Due on day {day} of the year: {minutes:g} minutes. `make lane` runs them, `make lane LANE=name` runs one.")


def when(lane: Lane) -> str:
    return "every run" if lane.every == 1 else f"on day {lane.on} of every {lane.every}"


def runs(lane: Lane) -> str:
    return lane.run or f"pytest -m {shlex.quote(lane.marker)}"


def _today(lane: Lane, day: int) -> str:
    if not lane.is_due(day):
        return "no"
    missing = lane.missing()
    return f"not here: no {missing}" if missing else "yes"


def show_results(results: Sequence[Result], absent: Sequence[Lane]) -> None:
    table = Table("lane", "minutes", "written down", "tests", "failed", "skipped", "outcome")
    for result in results:
        table.add_row(result.lane.name, f"{result.seconds / 60:.1f}", f"{result.lane.minutes:g}", *_figures(result))
    for lane in absent:
        table.add_row(lane.name, NONE, f"{lane.minutes:g}", NONE, NONE, NONE, f"not here: no {lane.missing()}")
    CONSOLE.print(table)
    for result in results:
        for reason, count in result.tally.skipped.items() if result.tally else ():
            say(f"skipped in {result.lane.name}: {count} × {reason}")


def _figures(result: Result) -> tuple[str, str, str, str]:
    longer = ", but longer than written down" if result.seconds > result.lane.minutes * 60 else ""
    outcome = result.problem.upper() or f"passed{longer}"
    tally = result.tally
    if tally is None:
        return NONE, NONE, NONE, outcome
    return str(tally.tests), str(tally.failed), str(tally.skipped.total()), outcome
