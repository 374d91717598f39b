"""The account of each test, and the summary of a lane."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.trust.accounts import Account, lines, total

DIRECTORY = "tests/trust/"


@pytest.fixture
def account(request: pytest.FixtureRequest) -> Iterator[Account]:
    """`account(kills=1, events=20)` adds to what this test has counted."""
    account = Account()
    yield account
    request.node.user_properties.extend(account.properties())


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [report for kind in ("", "passed", "failed", "error") for report in terminalreporter.getreports(kind)]
    shown = lines((report for report in reports if isinstance(report, pytest.TestReport)), DIRECTORY)
    if not shown:
        return
    terminalreporter.section("accounts")
    for line in shown:
        terminalreporter.write_line(str(line))
    counted = ", ".join(f"{count:,} {what}" for what, count in total(shown).items())
    terminalreporter.write_line(f"{sum(line.seconds for line in shown) / 60:6.2f} min  {len(shown)} tests: {counted}")
