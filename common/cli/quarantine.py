"""`recsys quarantine`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from common.cli.session import AsJson, session

if TYPE_CHECKING:
    from rich.console import Console

    from common.schemas.quarantine import QuarantineReport

MOST_ROWS_SHOWN = 20


def quarantine(
    report: Annotated[str | None, typer.Argument(help="The key of a report, to show it. Default: list all.")] = None,
    as_json: AsJson = False,
) -> None:
    """List what was refused of uploads, newest first, or show one report: reasons, what to do, where the rows lie."""
    with session(as_json) as current:
        from common.errors import BadRequest
        from common.usecases.ingest.quarantine import list_reports, read_report

        ctx = current.context()
        if report is None:
            found = list_reports(ctx)
            document = [{"report": key, **one.model_dump(mode="json")} for key, one in found]
            current.answer(document, lambda console: _list(console, found))
            return
        shown = read_report(ctx, report)
        if shown is None:
            raise BadRequest(f"{report}: there is no such report; `recsys quarantine` lists them")
        current.answer(shown.model_dump(mode="json"), lambda console: _show(console, shown))


def _list(console: Console, reports: list[tuple[str, QuarantineReport]]) -> None:
    if not reports:
        console.print("nothing is in the quarantine")
    for key, report in reports:
        what = report.problem or ", ".join(f"{one.rows:,} {one.code}" for one in report.reasons)
        refused = "the whole file" if report.problem else f"{report.rows_refused:,} of {report.rows_read:,} rows"
        console.print(f"{report.refused_at:%Y-%m-%d %H:%M} UTC  {refused}: {what}", soft_wrap=True, markup=False)
        console.print(f"  {key}", soft_wrap=True, markup=False)


def _show(console: Console, report: QuarantineReport) -> None:
    from common.usecases.shared.told import because

    lines = [f"{report.upload.key}, refused at {report.refused_at:%Y-%m-%d %H:%M} UTC, kept until "
             f"{report.kept_until:%Y-%m-%d}"]  # fmt: skip
    lines += [f"refused whole: {report.problem}"] if report.problem else []
    lines += [because(reason.code, reason.rows) for reason in report.reasons]
    for row in report.rows[:MOST_ROWS_SHOWN]:
        value = "" if row.value is None else f": {row.value}"
        lines.append(f"  row {row.row}, {row.column or 'the row'}: {row.reason}{value}")
    hidden = report.rows_refused - len(report.rows[:MOST_ROWS_SHOWN])
    lines += [f"  and {hidden:,} more"] if hidden > 0 else []
    lines += [f"all refused rows: {report.rows_file}"] if report.rows_file else []
    lines += [f"the file as it came: {report.file}"] if report.file else []
    for line in lines:
        console.print(line, soft_wrap=True, markup=False)
