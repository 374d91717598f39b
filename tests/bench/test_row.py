"""What a row says of itself: the ratio decides where there is a reference, and else the measured number."""

from __future__ import annotations

import pytest

from tests.bench.row import Row


@pytest.mark.parametrize(
    ("row", "holds"),
    [
        (Row("rate", "50/s", "100/s", 0.5, ">= 0.50"), True),
        (Row("rate", "49/s", "100/s", 0.49, ">= 0.50"), False),
        (Row("seconds", "3 s", "1 s", 3.0, "<= 3.0"), True),
        (Row.bound("memory", "160 MB", 160.0, "<= 160 MB"), True),
        (Row.bound("memory", "161 MB", 161.0, "<= 160 MB"), False),
        (Row.bound("wrong answers", "none", 0.0, "<= 0 answers"), True),
    ],
    ids=lambda value: value.value if isinstance(value, Row) else str(value),
)
def test_a_row_holds_its_goal(row: Row, holds: bool) -> None:
    assert row.holds is holds


def test_a_bound_has_no_ratio_in_the_file() -> None:
    told = Row.bound("memory", "90 MB", 90.0, "<= 160 MB").as_dict()
    assert told == {
        "row": "memory",
        "value": "90 MB",
        "reference": "–",
        "ratio": None,
        "goal": "<= 160 MB",
        "holds": True,
    }
