"""Compaction: base, catalogue and deltas folded into a new base and catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from common.bucket.commit import NewFile, Proposal, commit
from common.bucket.current import Snapshot
from common.schemas.documents import Segment, StoreDocument
from common.store.segments.compaction import fold_events, fold_items
from common.store.segments.segment import SegmentFile
from common.usecases.shared.context import Context
from common.usecases.shared.tombstones import delete_abandoned, reading_store
from common.usecases.shared.workspace import workspace

# An upload older than this many others is forgotten by name. If it comes once more, its rows are recognised one by one.
MAX_UPLOADS: Final = 2_000


@dataclass(frozen=True)
class _Fold:
    """The segments that were folded, by the sha256 of their files, and the file that they became."""

    sources: tuple[str, ...]
    file: SegmentFile


def compact(ctx: Context) -> StoreDocument | None:
    """Folds the store as it is now, drops events over `retention_days`, and returns the document that is current
    afterwards; None for an empty store.

    Deltas that land meanwhile stay deltas. If another compaction lands first, its work stands and this one's is
    dropped; if an erasure does, all is folded anew. Where there is nothing to fold or to drop nothing is written.
    """
    while True:
        folded, landed = _fold_once(ctx)
        if folded is None or landed is None or folded.erasure == landed.erasure:
            return landed


def _fold_once(ctx: Context) -> tuple[StoreDocument | None, StoreDocument | None]:
    """The version that was folded, and the one that is current afterwards."""
    return reading_store(ctx, lambda document: (document, _fold(ctx, document) if document else None))


def _fold(ctx: Context, document: StoreDocument) -> StoreDocument | None:
    with workspace(ctx) as work:
        events = _folded_events(ctx, document, work / "base.duckdb")
        items = _folded_items(ctx, document, work / "catalogue.duckdb")
        if events is None and items is None:
            return document
        landed = commit(ctx.store_file, lambda snapshot: _proposal(ctx, snapshot, events, items), now=ctx.now)
        put = [ctx.keys.store_base(fold.file.sha256) for fold in (events, items) if fold]
        delete_abandoned(ctx, landed, dict.fromkeys(put, document.erasure))
        return landed


def _folded_events(ctx: Context, document: StoreDocument, target: Path) -> _Fold | None:
    deltas = [delta for delta in document.deltas if delta.events]
    segments = [document.base, *deltas] if document.base else deltas
    days = ctx.settings.retention_days
    cutoff = ctx.now() - timedelta(days=days) if days else None
    if not deltas and not _outlived(segments, cutoff):
        return None
    made = fold_events(segments, ctx.path_of, target, cutoff, ctx.settings.ingest_memory_bytes)
    return _Fold(_names(segments), made)


def _folded_items(ctx: Context, document: StoreDocument, target: Path) -> _Fold | None:
    deltas = [delta for delta in document.deltas if delta.items]
    if not deltas:
        return None
    segments = [document.catalogue, *deltas] if document.catalogue else deltas
    return _Fold(_names(segments), fold_items(segments, ctx.path_of, target, ctx.settings.ingest_memory_bytes))


def _outlived(segments: Sequence[Segment], cutoff: datetime | None) -> bool:
    return cutoff is not None and any(segment.min_ts and segment.min_ts < cutoff for segment in segments)


def _names(segments: Sequence[Segment]) -> tuple[str, ...]:
    return tuple(segment.file.sha256 for segment in segments)


def _proposal(
    ctx: Context, snapshot: Snapshot[StoreDocument], events: _Fold | None, items: _Fold | None
) -> Proposal | None:
    """None if one of the folded segments is no longer there: somebody else has folded it."""
    document = snapshot.document
    present = {segment.file.sha256: segment for segment in document.segments} if document else {}
    folds = [fold for fold in (events, items) if fold]
    folded = {name for fold in folds for name in fold.sources}
    if document is None or not folded <= present.keys():
        return None
    fields = {
        **document.carried(),
        "base": _entry(ctx, events, present) if events else document.base,
        "catalogue": _entry(ctx, items, present) if items else document.catalogue,
        "deltas": tuple(delta for delta in document.deltas if delta.file.sha256 not in folded),
    }
    files = tuple(NewFile(ctx.keys.store_base(fold.file.sha256), fold.file.path) for fold in folds)
    return Proposal(fields=fields, files=files)


def _entry(ctx: Context, fold: _Fold, present: dict[str, Segment]) -> Segment:
    """Uploads are taken from the snapshot: one may have been added to an entry since the fold began."""
    sources = [present[name] for name in fold.sources]
    uploads = [upload for segment in sources for upload in segment.uploads]
    seq = max(segment.seq for segment in sources)
    return fold.file.entry(ctx.keys.store_base, seq, uploads[-MAX_UPLOADS:])
