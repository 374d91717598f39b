"""The deletion of erased people's data outside the current documents, where no commit is needed."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from common.bucket.port import ObjectInfo
from common.bucket.sweep import SHORTEST_AGE
from common.errors import CorruptError
from common.schemas.documents import StoreDocument, Upload
from common.schemas.npy import read_npy
from common.store.segments.erasure import find_erased
from common.store.segments.tombstones import Tombstones
from common.usecases.shared.context import Context
from common.usecases.shared.garbage import collect_garbage
from common.usecases.shared.report_files import delete_reports
from common.usecases.shared.runs import RunLog
from common.usecases.shared.tombstones import read_tombstones

_ROWS_OF_PEOPLE: Final = ("/user_keys.npy", "/user_vectors.npy")
_EMPTY_ARRAY_BYTES: Final = 128
"""The size of an .npy file without rows, which is only its header."""


def delete_leftovers(ctx: Context, work: Path, run: RunLog) -> dict[str, int]:
    """Deletes the leftovers and returns their numbers by kind; damage becomes a notice of `run`.

    It is called after the commits of the erasure.
    """
    document = ctx.store_file.read().document
    tombstones = read_tombstones(ctx, document)
    deleted = {
        "store_files_deleted": _delete_segments(ctx, document, tombstones, work),
        "model_files_emptied": _empty_models(ctx, work),
        "reports_deleted": delete_reports(ctx, tombstones),
        "quarantined_files_deleted": _delete_quarantined(ctx),
        "kept_uploads_deleted": _delete_kept_uploads(ctx, document),
    }
    garbage = collect_garbage(ctx, SHORTEST_AGE)
    run.note(notices=garbage.notices)
    return deleted | {
        "unreferenced_files_deleted": len(garbage.deleted),
        "object_versions_deleted": _purge(ctx),
    }


def _delete_segments(ctx: Context, document: StoreDocument | None, tombstones: Tombstones, work: Path) -> int:
    """Deletes unreferenced segments with erased events. No writer can commit such a segment against the tombstones."""
    current = {segment.file.key for segment in document.segments} if document else set()
    candidates = [info for info in ctx.bucket.list(ctx.keys.store) if info.key.endswith(".duckdb")]
    erased = [info for info in candidates if info.key not in current and _holds(ctx, info, tombstones, work)]
    for info in erased:
        ctx.bucket.delete(info.key)
    return len(erased)


def _holds(ctx: Context, info: ObjectInfo, tombstones: Tombstones, work: Path) -> bool:
    """Whether the file holds erased events. True also for an unreadable file, because no writer puts such files."""
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
    """Empties the files of models that hold a row for every person, as earlier releases saved them; deletes the
    unreadable ones."""
    full = [
        info
        for info in ctx.bucket.list(ctx.keys.models)
        if info.key.endswith(_ROWS_OF_PEOPLE) and info.size > _EMPTY_ARRAY_BYTES
    ]
    path = work / "rows.npy"
    for info in full:
        if ctx.bucket.fetch(info.key, path):
            _empty(ctx, info.key, path)
    return len(full)


def _empty(ctx: Context, key: str, path: Path) -> None:
    """`path` holds what is at `key`."""
    try:
        rows = read_npy(path, key)
    except CorruptError:
        ctx.bucket.delete(key)
        return
    np.save(path, rows[:0], allow_pickle=False)
    ctx.bucket.put(key, path.read_bytes())


def _delete_quarantined(ctx: Context) -> int:
    """Deletes files that were refused whole, since it is unknown whom they name. Their reports stay."""
    files = [info.key for info in ctx.bucket.list(ctx.keys.quarantine) if not info.key.endswith((".json", ".rows.csv"))]
    for key in files:
        ctx.bucket.delete(key)
    return len(files)


def _delete_kept_uploads(ctx: Context, document: StoreDocument | None) -> int:
    """Deletes committed uploads that are kept for some days (`keep_uploads_days`), because they hold user ids."""
    kept = [
        info.key
        for info in ctx.bucket.list(ctx.keys.incoming_events)
        if document and document.has(Upload(key=info.key, etag=info.etag, modified=info.modified))
    ]
    for key in kept:
        ctx.bucket.delete(key)
    return len(kept)


def _purge(ctx: Context) -> int:
    """Deletes noncurrent object versions of files that may hold rows of people."""
    keys = ctx.keys
    prefixes = (keys.store, keys.serving, keys.models, keys.incoming, keys.quarantine, keys.erasure_requests)
    return sum(ctx.bucket.purge_versions(prefix) for prefix in prefixes)
