"""The summary at the end of a lane tells what each test has counted, and how long it took."""

from __future__ import annotations

from typing import Literal

import pytest

from tests.trust.accounts import Account, lines, total


def report(
    test: str, when: Literal["setup", "call", "teardown"], duration: float, account: Account | None = None
) -> pytest.TestReport:
    properties = list(account.properties()) if account else []
    return pytest.TestReport(
        test, ("", None, ""), {}, "passed", None, when, user_properties=properties, duration=duration
    )


def test_counts_and_minutes_of_each_test_are_shown() -> None:
    account = Account()
    account(kills=1, lost_answers=1_200)
    account(kills=2)
    reports = [
        report("tests/trust/test_one.py::test_a", "setup", 6),
        report("tests/trust/test_one.py::test_a", "call", 60),
        report("tests/trust/test_one.py::test_a", "teardown", 0, account),
        report("tests/trust/test_one.py::test_b", "call", 3),
        report("tests/unit/test_other.py::test_c", "call", 9),
    ]
    shown = lines(reports, "tests/trust/")
    assert [str(line) for line in shown] == [
        "  1.10 min  test_one.py::test_a: 3 kills, 1,200 lost answers",
        "  0.05 min  test_one.py::test_b",
    ]
    assert total(shown) == {"kills": 3, "lost answers": 1_200}


def test_a_test_has_an_account(account: Account) -> None:
    account(tests=1)
    assert account.counted == {"tests": 1}
