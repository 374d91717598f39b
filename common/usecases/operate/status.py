"""The status of a shop: a summary of the current content of its bucket."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from common.bucket.keys import Keys
from common.schemas.documents import Bundle, BundleRef, LayerRef, RunRecord, ServingDocument, StoreDocument
from common.schemas.quarantine import QuarantineReport
from common.serving.layer import LayerFiles
from common.store.segments.reader import open_store
from common.usecases.ingest.quarantine import read_report
from common.usecases.shared.context import Context
from common.usecases.shared.manifests import DamagedVersion, read_served
from common.usecases.shared.run_watch import recent_runs
from common.usecases.shared.waiting import waiting_uploads
from common.usecases.shared.workspace import workspace


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class StoreStatus(_Part):
    """The store. `seq` is the number of the newest batch."""

    committed_at: datetime
    seq: int
    segments: int
    events: int
    items: int
    newest_event: datetime | None
    bytes: int


class ServingStatus(_Part):
    """The served bundle. `batches_behind` is the number of batches in the store that are not served yet."""

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


class Version(_Part):
    """An earlier version to which `rollback` can return."""

    bundle_id: str
    family: str
    trained_at: datetime
    created_by: str


class UnusableVersion(_Part):
    """An earlier version that is listed and that nobody can go back to."""

    bundle_id: str
    family: str
    problem: str


class WaitingUpload(_Part):
    """An upload that has not been taken in yet."""

    key: str
    bytes: int
    since: datetime


class QuarantineStatus(_Part):
    """The quarantine: the number of its reports, and the key, time and main reason of the newest one."""

    reports: int
    newest: str
    since: datetime
    reason: str


class Status(_Part):
    """The status of a shop at the time `at`.

    `store` is None before the first batch, `serving` before the first training, `refused` if the quarantine is empty.
    `versions` and `damaged_versions` are listed newest first. `bytes` is the total size of the objects under each
    prefix, by its name.
    """

    shop: str
    bucket: str
    at: datetime
    store: StoreStatus | None
    serving: ServingStatus | None
    versions: tuple[Version, ...]
    damaged_versions: tuple[UnusableVersion, ...]
    waiting: tuple[WaitingUpload, ...]
    refused: QuarantineStatus | None
    bytes: dict[str, int]
    runs: tuple[RunRecord, ...]


def status(ctx: Context, runs: int = 10) -> Status:
    """Returns the status, with the newest `runs` runs.

    If several segments describe items, these are fetched, so that each item is counted once. Raises `BucketUnavailable`
    and `CorruptError`.
    """
    store = ctx.store_file.read().document
    found = read_served(ctx)
    serving, history = found or (None, None)
    return Status(
        shop=ctx.shop.name,
        bucket=ctx.settings.bucket,
        at=ctx.now(),
        store=_store(ctx, store) if store else None,
        serving=_serving(ctx, serving, store.seq if store else 0) if serving else None,
        versions=tuple(map(_version, reversed(history.readable))) if history else (),
        damaged_versions=tuple(map(_unusable, reversed(history.damaged))) if history else (),
        waiting=tuple(
            WaitingUpload(key=info.key, bytes=info.size, since=info.modified) for info in waiting_uploads(ctx)
        ),
        refused=_refused(ctx),
        bytes={name: sum(info.size for info in ctx.bucket.list(prefix)) for name, prefix in _prefixes(ctx.keys)},
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
    """The number of distinct items. Only if several segments describe items, their files are read."""
    described = tuple(segment for segment in document.segments if segment.items)
    if len(described) < 2:
        return sum(segment.items for segment in described)
    only_these = document.model_copy(update={"base": None, "catalogue": None, "deltas": described})
    with workspace(ctx) as work, open_store(only_these, ctx.path_of, work) as reader:
        return reader.counts().items


def _served_items(ctx: Context, layers: Sequence[LayerRef]) -> int:
    """The number of distinct items: a delta redefines item numbers of earlier layers or continues after the highest."""
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


def _version(listed: tuple[BundleRef, Bundle]) -> Version:
    ref, bundle = listed
    return Version(
        bundle_id=ref.bundle_id,
        family=ref.family,
        trained_at=bundle.model.trained_at,
        created_by=ref.created_by,
    )


def _unusable(version: DamagedVersion) -> UnusableVersion:
    return UnusableVersion(bundle_id=version.ref.bundle_id, family=version.ref.family, problem=version.problem)


def _refused(ctx: Context) -> QuarantineStatus | None:
    reports = [info for info in ctx.bucket.list(ctx.keys.quarantine) if info.key.endswith(".json")]
    if not reports:
        return None
    newest = max(reports, key=lambda info: info.modified)
    report = read_report(ctx, newest.key)
    return QuarantineStatus(
        reports=len(reports),
        newest=newest.key,
        since=newest.modified,
        reason=_main_reason(report) if report else "the report cannot be read",
    )


def _main_reason(report: QuarantineReport) -> str:
    if report.problem is not None or not report.reasons:
        return report.problem or ""
    main = max(report.reasons, key=lambda reason: reason.rows)
    return f"{main.code} ({main.rows} of {report.rows_read} rows): {main.problem}"


def _prefixes(keys: Keys) -> list[tuple[str, str]]:
    prefixes = (keys.incoming, keys.quarantine, keys.store, keys.serving, keys.models, keys.runs, keys.erasures)
    return [(prefix.removeprefix(keys.prefix).rstrip("/"), prefix) for prefix in prefixes]
