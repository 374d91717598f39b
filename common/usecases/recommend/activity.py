"""What goes on in a shop's bucket, as its listings tell it: for the figures of recommend, which is always there.

The writers' own figures end with their processes: jobs last as long as one run, and functions scale to zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from common.schemas.documents import Upload
from common.usecases.shared.context import Context


@dataclass(frozen=True)
class Activity:
    """last_runs: when a run of a function last ended so, by (function, outcome); oldest_upload_s: for how many seconds
    the oldest upload has waited to be taken in, 0 where none waits; quarantine_reports: how many there are."""

    last_runs: Mapping[tuple[str, str], datetime]
    oldest_upload_s: float
    quarantine_reports: int


def read_activity(ctx: Context) -> Activity:
    """Three listings, and the store's document if anything lies under `incoming/`. Raises as the bucket does."""
    return Activity(_last_runs(ctx), _oldest_upload_s(ctx), _quarantine_reports(ctx))


def _last_runs(ctx: Context) -> dict[tuple[str, str], datetime]:
    ended = {}
    for info in ctx.bucket.list(ctx.keys.last_runs):
        function, _, outcome = info.key.removeprefix(ctx.keys.last_runs).partition("-")
        ended[function, outcome] = info.modified
    return ended


def _oldest_upload_s(ctx: Context) -> float:
    """Uploads that stay after their commit do not wait, nor do those that are over the limit: nobody will take them."""
    limit = ctx.settings.max_upload_bytes
    incoming = ctx.bucket.list(ctx.keys.incoming)
    lying = [info for info in incoming if not info.key.endswith("/") and info.size <= limit]
    document = ctx.store_file.read().document if lying else None
    waiting = [
        info.modified
        for info in lying
        if document is None or not document.has(Upload(key=info.key, etag=info.etag, modified=info.modified))
    ]
    return max(0.0, (ctx.now() - min(waiting)).total_seconds()) if waiting else 0.0


def _quarantine_reports(ctx: Context) -> int:
    return sum(info.key.endswith(".json") for info in ctx.bucket.list(ctx.keys.quarantine))
