"""How a lane ended, and what pytest has counted in it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

from tests.lanes.table import Lane


@dataclass(frozen=True)
class Tally:
    """Figures of one run of pytest; `skipped` counts the reasons."""

    tests: int
    failed: int
    skipped: Counter[str] = field(default_factory=Counter)

    @property
    def ran(self) -> int:
        return self.tests - self.skipped.total()


@dataclass(frozen=True)
class Result:
    """`status` is the command's exit status, None if it had to be ended; `tally` is None without pytest's report."""

    lane: Lane
    seconds: float
    status: int | None
    tally: Tally | None = None

    @property
    def problem(self) -> str:
        """Why the lane has not passed; empty if it has."""
        if self.status is None:
            return f"did not end within {self.lane.limit_s / 60:g} minutes"
        if self.status:
            return f"failed with exit status {self.status}"
        if self.tally is None:
            return "" if self.lane.run else "pytest has counted no tests"
        return "" if self.tally.ran else "every test was skipped"


def read_tally(report: Path) -> Tally | None:
    """From pytest's JUnit report; None if there is no whole one, as after a kill."""
    try:
        suites = ElementTree.parse(report).getroot().findall("testsuite")
    except (FileNotFoundError, ElementTree.ParseError):
        return None
    skipped = [case.get("message", "") for suite in suites for case in suite.findall("testcase/skipped")]
    return Tally(
        tests=sum(int(suite.get("tests", 0)) for suite in suites),
        failed=sum(int(suite.get("failures", 0)) + int(suite.get("errors", 0)) for suite in suites),
        skipped=Counter(skipped),
    )
