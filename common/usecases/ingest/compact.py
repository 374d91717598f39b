"""Compaction: base, catalogue and deltas are merged into a new base and a new catalogue."""

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

# The number of uploads that a merged segment lists. If an older one is delivered again, its rows are compared instead.
MAX_UPLOADS: Final = 2_000


@dataclass(frozen=True)
class _Fold:
    """The merged segments, by the sha256 of their files, and the file that replaces them."""

    sources: tuple[str, ...]
    file: SegmentFile


def compact(ctx: Context) -> StoreDocument | None:
    """Compacts the store and drops events older than `retention_days`.

    Deltas that are committed meanwhile stay deltas. If another compaction commits first, the result of this one is
    dropped; if an erasure does, the compaction begins again. If there is nothing to merge or drop, nothing is written.

    Returns the current document afterwards, None for an empty store.
    """
    while True:
        folded, current = _fold_once(ctx)
        if folded is None or current is None or folded.erasure == current.erasure:
            return current


def _fold_once(ctx: Context) -> tuple[StoreDocument | None, StoreDocument | None]:
    """The version that was merged, and the current version afterwards."""
    return reading_store(ctx, lambda document: (document, _fold(ctx, document) if document else None))


def _fold(ctx: Context, document: StoreDocument) -> StoreDocument | None:
    with workspace(ctx) as work:
        events = _folded_events(ctx, document, work / "base.duckdb")
        items = _folded_items(ctx, document, work / "catalogue.duckdb")
        if events is None and items is None:
            return document
        current = commit(ctx.store_file, lambda snapshot: _proposal(ctx, snapshot, events, items), now=ctx.now)
        put = [ctx.keys.store_base(fold.file.sha256) for fold in (events, items) if fold]
        delete_abandoned(ctx, current, dict.fromkeys(put, document.erasure))
        return current


def _folded_events(ctx: Context, document: StoreDocument, target: Path) -> _Fold | None:
    deltas = [delta for delta in document.deltas if delta.events]
    segments = [document.base, *deltas] if document.base else deltas
    days = ctx.settings.retention_days
    cutoff = ctx.now() - timedelta(days=days) if days else None
    if not deltas and not _has_expired(segments, cutoff):
        return None
    file = fold_events(segments, ctx.path_of, target, cutoff, ctx.settings.ingest_memory_bytes)
    return _Fold(_names(segments), file)


def _folded_items(ctx: Context, document: StoreDocument, target: Path) -> _Fold | None:
    deltas = [delta for delta in document.deltas if delta.items]
    if not deltas:
        return None
    segments = [document.catalogue, *deltas] if document.catalogue else deltas
    return _Fold(_names(segments), fold_items(segments, ctx.path_of, target, ctx.settings.ingest_memory_bytes))


def _has_expired(segments: Sequence[Segment], cutoff: datetime | None) -> bool:
    return cutoff is not None and any(segment.min_ts and segment.min_ts < cutoff for segment in segments)


def _names(segments: Sequence[Segment]) -> tuple[str, ...]:
    return tuple(segment.file.sha256 for segment in segments)


def _proposal(
    ctx: Context, snapshot: Snapshot[StoreDocument], events: _Fold | None, items: _Fold | None
) -> Proposal | None:
    """None if a merged segment is not in the store any more, because another compaction has merged it."""
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
    """The new segment's entry. It lists the snapshot's uploads, since some may have been added during the merge."""
    sources = [present[name] for name in fold.sources]
    uploads = [upload for segment in sources for upload in segment.uploads]
    seq = max(segment.seq for segment in sources)
    return fold.file.entry(ctx.keys.store_base, seq, uploads[-MAX_UPLOADS:])
