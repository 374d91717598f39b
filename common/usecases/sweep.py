"""What the scheduled sweep does: take in what no event announced, and remove files that nothing refers to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from common.bucket.current import CurrentFile
from common.bucket.sweep import sweep_unreferenced
from common.schemas.documents import Bundle, RunRecord, ServingDocument, StoreDocument
from common.usecases.context import Context
from common.usecases.ingest import drain
from common.usecases.update import update

MIN_AGE: Final = timedelta(days=1)
"""An unreferenced file may belong to a commit that is being made; none takes this long."""


@dataclass(frozen=True)
class SweepReport:
    """`runs` of ingest and update, and the keys that were deleted."""

    runs: tuple[RunRecord, ...]
    deleted: tuple[str, ...]


def sweep(ctx: Context) -> SweepReport:
    runs = (*drain(ctx), update(ctx))
    return SweepReport(runs=runs, deleted=(*_sweep_store(ctx), *_sweep_serving(ctx)))


def _sweep_store(ctx: Context) -> list[str]:
    document = CurrentFile(ctx.bucket, ctx.keys.store_current, StoreDocument).read().document
    if document is None:
        return []
    referenced = {segment.file.key for segment in document.segments}
    return sweep_unreferenced(ctx.bucket, ctx.keys.store, referenced, MIN_AGE, ctx.now())


def _sweep_serving(ctx: Context) -> list[str]:
    """Versions of the history keep their files, so that `rollback` can point back to them."""
    document = CurrentFile(ctx.bucket, ctx.keys.serving_current, ServingDocument).read().document
    if document is None:
        return []
    bundles = [document.bundle, *_earlier(ctx, document)]
    referenced = {ref.key for bundle in bundles for layer in bundle.layers for ref in layer.files.values()}
    return sweep_unreferenced(ctx.bucket, ctx.keys.serving_files, referenced, MIN_AGE, ctx.now())


def _earlier(ctx: Context, document: ServingDocument) -> list[Bundle]:
    manifests = (ctx.bucket.get(ref.key) for ref in document.history)
    return [Bundle.model_validate_json(blob.data) for blob in manifests if blob is not None]
