"""What is left of erased people where no current document looks: all that needs no commit to be deleted."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from common.bucket.port import ObjectInfo
from common.bucket.sweep import SHORTEST_AGE
from common.errors import CorruptError
from common.schemas.documents import StoreDocument, Upload
from common.store.segments.erasure import find_erased
from common.store.segments.tombstones import Tombstones
from common.usecases.shared.context import Context
from common.usecases.shared.garbage import collect_garbage
from common.usecases.shared.report_files import delete_reports
from common.usecases.shared.tombstones import read_tombstones

_ROWS_OF_PEOPLE: Final = ("/user_keys.npy", "/user_vectors.npy")
_EMPTY_ARRAY_BYTES: Final = 128
"""An .npy file without a row is its header."""


def delete_leftovers(ctx: Context, work: Path) -> dict[str, int]:
    """Returns what was deleted, by kind. Call it after the commits of the erasure."""
    document = ctx.store_file.read().document
    tombstones = read_tombstones(ctx, document)
    return {
        "store_files_deleted": _delete_segments(ctx, document, tombstones, work),
        "model_files_emptied": _empty_models(ctx, work),
        "reports_deleted": delete_reports(ctx, tombstones),
        "quarantined_files_deleted": _delete_quarantined(ctx),
        "kept_uploads_deleted": _delete_kept_uploads(ctx, document),
        "unreferenced_files_deleted": len(collect_garbage(ctx, SHORTEST_AGE)),
        "object_versions_deleted": _purge(ctx),
    }


def _delete_segments(ctx: Context, document: StoreDocument | None, tombstones: Tombstones, work: Path) -> int:
    """Segments that the store no longer refers to. One that holds erased events never comes back into it: no writer
    can commit what the tombstones keep out."""
    current = {segment.file.key for segment in document.segments} if document else set()
    candidates = [info for info in ctx.bucket.list(ctx.keys.store) if info.key.endswith(".duckdb")]
    doomed = [info for info in candidates if info.key not in current and _holds(ctx, info, tombstones, work)]
    for info in doomed:
        ctx.bucket.delete(info.key)
    return len(doomed)


def _holds(ctx: Context, info: ObjectInfo, tombstones: Tombstones, work: Path) -> bool:
    """True also for what cannot be read as a segment: no writer puts such a thing."""
    path = work / "leftover.duckdb"
    if ctx.bucket.fetch(info.key, path) is None:
        return False
    try:
        found = find_erased(path, info.key, tombstones, 0, work, ctx.settings.ingest_memory_bytes)
    except CorruptError:
        return True
    finally:
        path.unlink(missing_ok=True)
    return found.events > 0


def _empty_models(ctx: Context, work: Path) -> int:
    """Models of releases that saved a row for every person."""
    full = [
        info
        for info in ctx.bucket.list(ctx.keys.models)
        if info.key.endswith(_ROWS_OF_PEOPLE) and info.size > _EMPTY_ARRAY_BYTES
    ]
    path = work / "rows.npy"
    for info in full:
        if ctx.bucket.fetch(info.key, path):
            np.save(path, np.load(path, allow_pickle=False)[:0], allow_pickle=False)
            ctx.bucket.put(info.key, path.read_bytes())
    return len(full)


def _delete_quarantined(ctx: Context) -> int:
    """Files that were refused whole: nobody could tell whom they name. Their reports stay."""
    kinds = (ctx.keys.incoming_events, ctx.keys.incoming_erasures)
    files = [
        info.key
        for kind in kinds
        for info in ctx.bucket.list(ctx.keys.quarantined(kind))
        if not info.key.endswith((".json", ".rows.csv"))
    ]
    for key in files:
        ctx.bucket.delete(key)
    return len(files)


def _delete_kept_uploads(ctx: Context, document: StoreDocument | None) -> int:
    """Uploads that were taken in and are kept for some days (`keep_uploads_days`): user ids stand in them."""
    kept = [
        info.key
        for info in ctx.bucket.list(ctx.keys.incoming_events)
        if document and document.has(Upload(key=info.key, etag=info.etag, modified=info.modified))
    ]
    for key in kept:
        ctx.bucket.delete(key)
    return len(kept)


def _purge(ctx: Context) -> int:
    """Object versions that the bucket keeps of whatever may hold rows of people."""
    keys = ctx.keys
    prefixes = (keys.store, keys.serving, keys.models, keys.incoming, keys.quarantine, keys.erasure_requests)
    return sum(ctx.bucket.purge_versions(prefix) for prefix in prefixes)
