"""What waits to be taken in, and which of it may be taken in together."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from common.bucket.keys import is_no_upload
from common.bucket.port import ObjectInfo
from common.store.uploads.files import CSV
from common.usecases.ingest.attempts_together import tried_before
from common.usecases.ingest.commit_together import KnownUploads
from common.usecases.ingest.quarantine import report_key
from common.usecases.ingest.take_upload import SMALL_BYTES, is_kept, upload_of
from common.usecases.shared.context import Context

MOST_UPLOADS: Final = 100
"""Uploads of one commit. With more, what is the same for all of them is hardly less for each; see also
`reading_together.MOST_ROWS`."""

MOST_BYTES: Final = 1 << 20
"""The most bytes of all of them. Reading a MB takes about as long as the rest of a commit."""


def waiting_for_ingest(ctx: Context, skipped: Collection[str] = ()) -> list[ObjectInfo]:
    """Uploads and requests of erasures, oldest first, without those to which nothing is to be done."""
    keys = ctx.keys
    prefixes = (keys.incoming_events, keys.incoming_items, keys.incoming_erasures, keys.erasure_requests)
    found = [info for prefix in prefixes for info in ctx.bucket.list(prefix) if info.key not in skipped]
    known = KnownUploads(ctx.store_file.read().document)
    return sorted((info for info in found if not _needs_nothing(ctx, known, info)), key=lambda info: info.modified)


def _needs_nothing(ctx: Context, known: KnownUploads, info: ObjectInfo) -> bool:
    """Whether nothing is to be done for this object.

    That is no upload at all, a committed upload that is kept for some days, or a too large upload with a report."""
    if is_no_upload(info.key):
        return True
    upload = upload_of(info)
    if known.has(upload):
        return is_kept(ctx, info)
    return info.size > ctx.settings.max_upload_bytes and ctx.bucket.head(report_key(ctx, upload)) is not None


def taken_alone(ctx: Context, found: Sequence[ObjectInfo]) -> set[str]:
    """The keys of uploads that are taken in by themselves: tried before, or in the store already."""
    known = KnownUploads(ctx.store_file.read().document)
    return tried_before(ctx) | {info.key for info in found if known.has(upload_of(info))}


def is_small(ctx: Context, info: ObjectInfo) -> bool:
    """Whether the upload may be taken in with others: a small CSV file of events or items."""
    keys = ctx.keys
    return (
        0 < info.size <= min(SMALL_BYTES, ctx.settings.max_upload_bytes)
        and info.key.lower().endswith(CSV)
        and info.key.startswith((keys.incoming_events, keys.incoming_items))
    )


def first_together(ctx: Context, waiting: Sequence[ObjectInfo], apart: Collection[str]) -> Sequence[ObjectInfo]:
    """The first of `waiting` that may be taken in together: up to one that is not small, or whose key is `apart`."""
    count = size = 0
    for info in waiting[:MOST_UPLOADS]:
        size += info.size
        if not is_small(ctx, info) or info.key in apart or size > MOST_BYTES:
            break
        count += 1
    return waiting[:count]


def around(ctx: Context, info: ObjectInfo) -> Sequence[ObjectInfo]:
    """The upload and others that wait, which may be taken in together; the others are those before it and behind it,
    up to one that may not. Where uploads are kept it stays alone: there a listing may be long."""
    if not is_small(ctx, info) or ctx.settings.keep_uploads_days:
        return ()
    small = [other for other in ctx.bucket.list(ctx.keys.incoming) if is_small(ctx, other)]
    if len(small) < 2:
        return ()
    waiting = waiting_for_ingest(ctx)
    apart = taken_alone(ctx, waiting)
    keys = [other.key for other in waiting]
    if info.key not in keys or info.key in apart:
        return ()
    place = first = keys.index(info.key)
    while first and place - first < MOST_UPLOADS // 2 and first_together(ctx, waiting[first - 1 : first], apart):
        first -= 1
    together = first_together(ctx, waiting[first:], apart)
    return together if len(together) > place - first else first_together(ctx, waiting[place:], apart)
