"""`recsys status`."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Final

import typer

from common.cli.session import AsJson, session

_AGES: Final = (("day", 86_400), ("hour", 3_600), ("minute", 60))
_MOST_NEWS: Final = 10
"""Sentences about uploads that are shown at most, the newest first."""
_SIZES: Final = (("GB", 10**9), ("MB", 10**6), ("kB", 10**3))


def ago(time: datetime, now: datetime) -> str:
    """`3 hours ago`, in the largest unit of which there are two, and `just now` under two minutes."""
    seconds = (now - time).total_seconds()
    for unit, length in _AGES:
        if seconds >= 2 * length:
            return f"{seconds // length:,.0f} {unit}s ago"
    return "just now"


def size(count: int) -> str:
    """`1.2 MB`, of 10^6 bytes."""
    for unit, length in _SIZES:
        if count >= length:
            return f"{count / length:,.1f} {unit}"
    return f"{count} bytes"


if TYPE_CHECKING:
    from rich.console import Console

    from common.schemas.documents import RunRecord
    from common.usecases.operate.status import QuarantineStatus, Status

_STYLES = {"running": "cyan", "done": "green", "refused": "yellow", "failed": "red"}


def status(
    runs: Annotated[int, typer.Option(help="How many of the newest runs to list.", min=0)] = 10,
    as_json: AsJson = False,
) -> None:
    """Show the stored data, the served bundle, earlier versions, waiting and refused uploads, and the newest runs."""
    with session(as_json) as current:
        from common.usecases.operate.status import status as look

        found = look(current.context(), runs)
        current.answer(found.model_dump(mode="json"), lambda console: _show(console, found))


def _show(console: Console, found: Status) -> None:
    from rich.text import Text

    console.print(Text(found.shop, style="bold"), f"in bucket {found.bucket}")
    for line in (_store_line(found), _serving_line(found), *_version_lines(found)):
        console.print(line, soft_wrap=True)
    for line in _damage_lines(found):
        console.print(line, style="yellow", soft_wrap=True)
    for line in _waiting_lines(found):
        console.print(line, soft_wrap=True)
    if found.refused:
        console.print(_refused_line(found.refused, found.at), style="yellow", soft_wrap=True)
    console.print(_size_line(found), soft_wrap=True)
    if found.runs:
        console.print(_runs_table(found.runs))
    for line in _news_lines(found.runs):
        console.print(line, soft_wrap=True, markup=False)
    for line in _not_tried_lines(found.runs):
        console.print(line, style="yellow", soft_wrap=True)


def _store_line(found: Status) -> str:
    store = found.store
    if store is None:
        return "store     empty"
    newest = f"newest of {_when(store.newest_event, found.at)}" if store.newest_event else "no event yet"
    return f"store     {store.events:,} events, {store.items:,} items in {store.segments} files; {newest}"


def _serving_line(found: Status) -> str:
    serving = found.serving
    if serving is None:
        return "serving   nothing is published yet"
    behind = f", {serving.batches_behind} batches behind" if serving.batches_behind else ", up to date"
    return (
        f"serving   {serving.family} trained {_when(serving.trained_at, found.at)}, {serving.layers} layers, "
        f"bundle {serving.bundle_id}{behind}"
    )


def _version_lines(found: Status) -> list[str]:
    """The versions to which `recsys rollback` can return."""
    return _listed(
        "versions",
        [
            f"{version.family} trained {_when(version.trained_at, found.at)}, "
            f"bundle {version.bundle_id} by {version.created_by}"
            for version in found.versions
        ],
    )


def _damage_lines(found: Status) -> list[str]:
    """What `recsys rollback` passes over; `recsys doctor` says what to do."""
    return _listed(
        "damaged",
        [f"{version.family}, bundle {version.bundle_id}: {version.problem}" for version in found.damaged_versions],
    )


def _waiting_lines(found: Status) -> list[str]:
    uploads = [f"{item.key}, {size(item.bytes)}, {ago(item.since, found.at)}" for item in found.waiting]
    return [f"waiting   {len(uploads)} uploads", *_listed("", uploads)]


def _refused_line(refused: QuarantineStatus, now: datetime) -> str:
    return (
        f"refused   {refused.reports} reports; the newest, {ago(refused.since, now)}, is {refused.newest}: "
        f"{refused.reason}"
    )


def _size_line(found: Status) -> str:
    parts = [f"{name} {size(count)}" for name, count in found.bytes.items() if count]
    return f"size      {', '.join(parts) or 'nothing'}"


def _news_lines(runs: tuple[RunRecord, ...]) -> list[str]:
    """What the newest uploads were refused for, and what their runs noticed."""
    from common.usecases.shared.told import told

    uploads = [run for run in runs if run.function == "ingest" and run.upload]
    texts = [f"{run.upload.key}: {line}" for run in uploads if run.upload for line in told(run)]
    return _listed("uploads", texts[:_MOST_NEWS])


def _not_tried_lines(runs: tuple[RunRecord, ...]) -> list[str]:
    """What the newest training has not judged, each with the reason."""
    newest = next((run for run in runs if run.function == "train"), None)
    found = newest.details.get("not_tried", ()) if newest else ()
    texts = [f"{one['family']} ({one['origin']}): {one['reason']}" for one in found]
    return _listed("not tried", texts)


def _listed(name: str, lines: list[str]) -> list[str]:
    """The name before the first line, and the others below it."""
    return [f"{name if not number else '':10}{line}" for number, line in enumerate(lines)]


def _when(time: datetime, now: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M} UTC ({ago(time, now)})"


def _what(run: RunRecord) -> str:
    if run.error:
        return run.error["message"]
    counts = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in run.counts.items() if count)
    return ": ".join(part for part in (run.upload.key if run.upload else "", counts or run.step) if part)


def _runs_table(runs: tuple[RunRecord, ...]) -> object:
    from rich.table import Table
    from rich.text import Text

    table = Table("started", "function", "state", "what", "seconds", box=None, pad_edge=False)
    for run in runs:
        seconds = (run.finished_at - run.started_at).total_seconds() if run.finished_at else None
        table.add_row(
            f"{run.started_at:%m-%d %H:%M:%S}",
            run.function,
            Text(run.state, style=_STYLES[run.state]),
            _what(run),
            f"{seconds:.1f}" if seconds is not None else "",
        )
    return table
