"""`recsys upload`."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from common.cli.completion import upload_kinds
from common.cli.session import AsJson, Session, session
from common.errors import FileRejected, UnavailableError

if TYPE_CHECKING:
    from rich.console import Console

    from common.schemas.documents import RunRecord, Upload
    from common.usecases.shared.context import Context


def upload(
    kind: Annotated[
        str,
        typer.Argument(
            help="What the files hold: events, items, or people to erase.",
            metavar="events|items|erasures",
            autocompletion=upload_kinds,
        ),
    ],
    files: Annotated[list[Path], typer.Argument(help="Files ending in .parquet or .csv.")],
    wait: Annotated[
        bool, typer.Option(help="Wait until each file is taken in, and say what became of its rows.")
    ] = False,
    timeout_s: Annotated[float, typer.Option(help="Longest wait for one file, in seconds.")] = 600,
    as_json: AsJson = False,
) -> None:
    """Put files where ingest finds them. With --wait, exit status 4 if one was refused."""
    with session(as_json) as current:
        from common.usecases.ingest.upload import UploadKind
        from common.usecases.ingest.upload import upload as put

        if kind not in tuple(UploadKind):
            raise typer.BadParameter(f"{kind!r} is none of events, items and erasures", param_hint="kind")
        ctx = current.context()
        since = ctx.now()
        uploads = [put(ctx, path, UploadKind(kind)) for path in files]
        runs = [_wait(current, ctx, item, since, timeout_s) for item in uploads] if wait else []
        document = {
            "uploads": [item.model_dump() for item in uploads],
            "runs": [run.model_dump(mode="json") for run in runs],
        }
        current.answer(document, lambda console: _show(console, uploads, runs))
        _raise_first_failure(runs)


def _wait(current: Session, ctx: Context, item: Upload, since: datetime, timeout_s: float) -> RunRecord:
    from common.cli.progress import show_run
    from common.usecases.shared.run_watch import follow, of_upload

    return show_run(current.console, item.key, follow(ctx, of_upload(item), since=since, timeout_s=timeout_s))


def _show(console: Console, uploads: list[Upload], runs: list[RunRecord]) -> None:
    from common.usecases.shared.told import told

    for item in uploads:
        console.print(f"uploaded {item.key}", soft_wrap=True)
    for run in runs:
        figures = ", ".join(f"{name.replace('_', ' ')} {count:,}" for name, count in run.counts.items())
        console.print(f"{run.state}: {figures}", soft_wrap=True)
        for line in told(run):
            console.print(f"  {line}", soft_wrap=True, markup=False)


def _raise_first_failure(runs: list[RunRecord]) -> None:
    from common.schemas.documents import RunState
    from common.usecases.shared.run_watch import describe_failure

    for run in runs:
        if run.state is RunState.REFUSED:
            raise FileRejected(describe_failure(run))
        if run.state is not RunState.DONE:
            raise UnavailableError(describe_failure(run))
