"""What a shop's bucket holds just now, in one look."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from common.schemas.documents import LayerRef, RunRecord, ServingDocument, StoreDocument
from common.serving.layer import LayerFiles
from common.store.reader import open_store
from common.usecases.context import Context
from common.usecases.watch import recent_runs
from common.usecases.workspace import workspace


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class StoreStatus(_Part):
    """`seq` is the newest batch."""

    committed_at: datetime
    seq: int
    segments: int
    events: int
    items: int
    newest_event: datetime | None
    bytes: int


class ServingStatus(_Part):
    """`batches_behind` is how many batches of the store are not served yet."""

    bundle_id: str
    family: str
    trained_at: datetime
    published_at: datetime
    published_by: str
    layers: int
    items: int
    batches_behind: int
    bytes: int
    metrics: dict[str, Any]


class Waiting(_Part):
    key: str
    bytes: int
    since: datetime


class Status(_Part):
    """None where nothing has been committed or published yet."""

    shop: str
    bucket: str
    store: StoreStatus | None
    serving: ServingStatus | None
    waiting: tuple[Waiting, ...]
    quarantined: int
    runs: tuple[RunRecord, ...]


def status(ctx: Context, runs: int = 10) -> Status:
    """With the newest `runs` runs. Files of several uploads that describe items are fetched, to count each once.

    Raises `BucketUnavailable`, `CorruptError`.
    """
    store = ctx.store_file.read().document
    serving = ctx.serving_file.read().document
    incoming = ctx.bucket.list(ctx.keys.incoming)
    return Status(
        shop=ctx.shop.name,
        bucket=ctx.settings.bucket,
        store=_store(ctx, store) if store else None,
        serving=_serving(ctx, serving, store.seq if store else 0) if serving else None,
        waiting=tuple(Waiting(key=info.key, bytes=info.size, since=info.modified) for info in incoming),
        quarantined=sum(1 for info in ctx.bucket.list(ctx.keys.quarantine) if info.key.endswith(".json")),
        runs=tuple(recent_runs(ctx, runs)),
    )


def _store(ctx: Context, document: StoreDocument) -> StoreStatus:
    segments = document.segments
    return StoreStatus(
        committed_at=document.committed_at,
        seq=document.seq,
        segments=len(segments),
        events=sum(segment.events for segment in segments),
        items=_stored_items(ctx, document),
        newest_event=max((segment.max_ts for segment in segments if segment.max_ts), default=None),
        bytes=sum(segment.file.bytes for segment in segments),
    )


def _stored_items(ctx: Context, document: StoreDocument) -> int:
    """Each once. What is in a single segment the document tells; several may describe the same items."""
    described = tuple(segment for segment in document.segments if segment.items)
    if len(described) < 2:
        return sum(segment.items for segment in described)
    only_these = document.model_copy(update={"base": None, "catalogue": None, "deltas": described})
    with workspace(ctx) as work, open_store(only_these, ctx.path_of, work) as reader:
        return reader.counts().items


def _served_items(ctx: Context, layers: Sequence[LayerRef]) -> int:
    """Each once: a delta defines numbers of the layers below anew, or goes on behind their highest."""
    numbers = [LayerFiles(layer, ctx.path_of).array("item_nos", np.int32, None) for layer in layers[1:]]
    return max([layers[0].n_items, *(int(nos.max(initial=-1)) + 1 for nos in numbers)])


def _serving(ctx: Context, document: ServingDocument, seq: int) -> ServingStatus:
    bundle = document.bundle
    files = {ref.key: ref.bytes for layer in bundle.layers for ref in layer.files.values()}
    return ServingStatus(
        bundle_id=bundle.bundle_id,
        family=bundle.model.family,
        trained_at=bundle.model.trained_at,
        published_at=bundle.created_at,
        published_by=bundle.created_by,
        layers=len(bundle.layers),
        items=_served_items(ctx, bundle.layers),
        batches_behind=max(0, seq - bundle.covers_seq),
        bytes=sum(files.values()),
        metrics=bundle.model.metrics,
    )
