"""What a test has counted: kills, faults, inputs, events; kept with the test's report, and shown when the lane ends."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import pytest

PREFIX = "account: "
"""Of the properties of a test that are accounts; they are in pytest's JUnit report as well."""


class Account:
    """`account(kills=1)` adds to what the test has counted. It is kept whether the test passes or not."""

    def __init__(self) -> None:
        self.counted: Counter[str] = Counter()

    def __call__(self, **counts: int) -> None:
        self.counted.update(counts)

    def properties(self) -> Iterator[tuple[str, object]]:
        return ((PREFIX + what.replace("_", " "), count) for what, count in self.counted.items())


@dataclass(frozen=True)
class Line:
    """One test of the summary."""

    test: str
    seconds: float
    counted: dict[str, int]

    def __str__(self) -> str:
        counted = ", ".join(f"{count:,} {what}" for what, count in self.counted.items())
        return f"{self.seconds / 60:6.2f} min  {self.test}" + (f": {counted}" if counted else "")


def lines(reports: Iterable[pytest.TestReport], under: str) -> list[Line]:
    """One for each test below the directory `under`, in the order in which they ended.

    The accounts are in the report of the teardown; what a test took is the sum of its set-up, call and teardown.
    """
    seconds: defaultdict[str, float] = defaultdict(float)
    counted: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for report in reports:
        if report.nodeid.startswith(under):
            seconds[report.nodeid] += report.duration
            counted[report.nodeid].update(_counts(report))
    return [Line(test.removeprefix(under), seconds[test], counts) for test, counts in counted.items()]


def total(all_lines: Iterable[Line]) -> Counter[str]:
    return sum((Counter(line.counted) for line in all_lines), Counter())


def _counts(report: pytest.TestReport) -> dict[str, int]:
    return {
        name.removeprefix(PREFIX): count
        for name, count in report.user_properties
        if name.startswith(PREFIX) and isinstance(count, int)
    }
