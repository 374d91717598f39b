"""`recsys status`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from common.cli.session import AsJson, session

if TYPE_CHECKING:
    from rich.console import Console

    from common.schemas.documents import RunRecord
    from common.usecases.status import Status

_STYLES = {"running": "cyan", "done": "green", "refused": "yellow", "failed": "red"}


def status(
    runs: Annotated[int, typer.Option(help="How many of the newest runs to list.", min=0)] = 10,
    as_json: AsJson = False,
) -> None:
    """Show what is stored, what is served, what waits, and the newest runs."""
    with session(as_json) as current:
        from common.usecases.status import status as look

        found = look(current.context(), runs)
        current.answer(found.model_dump(mode="json"), lambda console: _show(console, found))


def _show(console: Console, found: Status) -> None:
    console.print(f"[bold]{found.shop}[/bold] in bucket {found.bucket}")
    console.print(_store_line(found))
    console.print(_serving_line(found))
    console.print(
        f"waiting   {len(found.waiting)} uploads" + "".join(f"\n          {item.key}" for item in found.waiting)
    )
    if found.quarantined:
        console.print(f"refused   {found.quarantined} reports under quarantine/", style="yellow")
    if found.runs:
        console.print(_runs_table(found.runs))


def _store_line(found: Status) -> str:
    store = found.store
    if store is None:
        return "store     empty"
    newest = f"newest of {store.newest_event:%Y-%m-%d %H:%M} UTC" if store.newest_event else "no event yet"
    return f"store     {store.events:,} events, {store.items:,} items in {store.segments} files; {newest}"


def _serving_line(found: Status) -> str:
    serving = found.serving
    if serving is None:
        return "serving   nothing is published yet"
    behind = f", {serving.batches_behind} batches behind" if serving.batches_behind else ", up to date"
    return (
        f"serving   {serving.family} trained {serving.trained_at:%Y-%m-%d %H:%M} UTC, {serving.layers} layers, "
        f"bundle {serving.bundle_id}{behind}"
    )


def _what(run: RunRecord) -> str:
    if run.error:
        return run.error["message"]
    counts = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in run.counts.items() if count)
    return ": ".join(part for part in (run.upload.key if run.upload else "", counts or run.step) if part)


def _runs_table(runs: tuple[RunRecord, ...]) -> object:
    from rich.table import Table

    table = Table("started", "function", "state", "what", "seconds", box=None, pad_edge=False)
    for run in runs:
        seconds = (run.finished_at - run.started_at).total_seconds() if run.finished_at else None
        table.add_row(
            f"{run.started_at:%m-%d %H:%M:%S}",
            run.function,
            f"[{_STYLES[run.state]}]{run.state}[/]",
            _what(run),
            f"{seconds:.1f}" if seconds is not None else "",
        )
    return table
