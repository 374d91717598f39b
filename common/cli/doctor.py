"""`recsys doctor`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from common.cli.session import UNFORESEEN, AsJson, session

if TYPE_CHECKING:
    from rich.console import Console

    from common.usecases.operate.doctor import Finding

_STYLES = {"ok": "green", "warning": "yellow", "failed": "red"}


def doctor(as_json: AsJson = False) -> None:
    """Check the settings, the object store, the stored data and the served bundle. Exit status 1 if a check failed."""
    with session(as_json) as current:
        from common.usecases.operate.doctor import CheckState
        from common.usecases.operate.doctor import doctor as examine

        findings = []
        for finding in examine(current.context()):
            findings.append(finding)
            if not as_json:
                _show(current.console, finding)
        if as_json:
            current.answer([asdict(finding) for finding in findings], lambda _console: None)
    if any(finding.outcome is CheckState.FAILED for finding in findings):
        raise typer.Exit(UNFORESEEN)


def _show(console: Console, finding: Finding) -> None:
    from rich.text import Text

    outcome = Text(f"{finding.outcome:8}", style=_STYLES[finding.outcome])
    console.print(outcome, Text(f"{finding.check}: {finding.message}. {finding.advice}".strip()), soft_wrap=True)
