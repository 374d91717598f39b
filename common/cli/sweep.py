"""`recsys sweep`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from common.cli.session import AsJson, session, show_notices

if TYPE_CHECKING:
    from rich.console import Console

    from common.usecases.operate.sweep import SweepReport


def sweep(as_json: AsJson = False) -> None:
    """Take in uploads that no event announced, serve them, and delete unreferenced files."""
    with session(as_json) as current:
        from common.usecases.operate.sweep import sweep as clean

        report = clean(current.context())
        document = {
            "runs": [run.model_dump(mode="json") for run in report.runs],
            "deleted": report.deleted,
            "notices": report.notices,
        }
        current.answer(document, lambda console: _show(console, report))


def _show(console: Console, report: SweepReport) -> None:
    from common.usecases.shared.run_watch import describe_failure

    for run in report.runs:
        told = f"{run.function}: {run.state}" + (f" ({run.upload.key})" if run.upload else "")
        console.print(f"{told}: {describe_failure(run)}" if run.error else told, soft_wrap=True)
    console.print(f"{len(report.deleted)} unreferenced files deleted")
    show_notices(console, report.notices)
