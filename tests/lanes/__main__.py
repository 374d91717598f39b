from __future__ import annotations

import argparse
import os
import shlex
import sys
import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import tests.lanes
from infra.local.children import end_on_signals
from tests.lanes import bounded
from tests.lanes.result import Result, read_tally
from tests.lanes.show import runs, say, show_lanes, show_results
from tests.lanes.table import TABLE, Lane, chosen, read_lanes

REPORTS = Path("build/lanes")
WRONG_USAGE = 2
INTERRUPTED = 130


def main() -> int:
    arguments = _arguments()
    lanes, day = read_lanes(arguments.table), _day()
    if arguments.what == "list":
        show_lanes(lanes, day)
        return 0
    try:
        wanted = chosen(lanes, arguments.lanes, day)
    except LookupError as error:
        say(str(error))
        return WRONG_USAGE
    end_on_signals()
    try:
        return run(wanted, by_name=arguments.lanes not in ("due", "all"))
    except KeyboardInterrupt:
        say("stopped")
        return INTERRUPTED


def run(lanes: Sequence[Lane], *, by_name: bool) -> int:
    """Runs one lane after the other, whatever becomes of each, and sums up. 0 if all have passed.

    A lane whose data are not here fails the run only if it was asked for by name.
    """
    absent = [lane for lane in lanes if lane.missing()]
    results = [run_lane(lane) for lane in lanes if lane not in absent]
    show_results(results, absent)
    problems = [f"lane {result.lane.name}: {result.problem}" for result in results if result.problem]
    if by_name:
        problems += [f"lane {lane.name}: not here" for lane in absent]
    for problem in problems:
        say(problem)
    return 1 if problems else 0


def run_lane(lane: Lane) -> Result:
    say(f"lane {lane.name}: {runs(lane)} ({lane.minutes:g} minutes, ended after {lane.limit_s / 60:g})")
    report = REPORTS.absolute() / f"{lane.name}.xml"
    report.unlink(missing_ok=True)
    # Through the environment, so that it reaches a pytest that make starts.
    options = f"{os.environ.get('PYTEST_ADDOPTS', '')} --junitxml={shlex.quote(str(report))}"
    environment = {**os.environ, "PYTEST_ADDOPTS": options, "LANE_MINUTES": f"{lane.minutes:g}"}
    started = time.monotonic()
    status = bounded.run(lane.command, environment, lane.limit_s)
    return Result(lane, time.monotonic() - started, status, read_tally(report))


def _day() -> int:
    return int(os.environ.get("CI_DAY") or date.today().timetuple().tm_yday)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.lanes", description=tests.lanes.__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("what", nargs="?", choices=("list", "run"), default="list")
    parser.add_argument("lanes", nargs="?", default="due", metavar="NAME,NAME", help="due, all, or names")
    parser.add_argument("--table", type=Path, default=TABLE, help="another table of lanes")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
