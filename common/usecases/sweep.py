"""What the scheduled sweep does: take in what no event announced, and remove files that nothing refers to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from common.bucket.sweep import sweep_unreferenced
from common.schemas.documents import Bundle, RunRecord
from common.usecases.bundles import read_manifest
from common.usecases.context import Context
from common.usecases.ingest import drain
from common.usecases.update import update

MIN_AGE: Final = timedelta(days=1)
"""An unreferenced file may belong to a commit that is being made; none takes this long."""

KEEP_RUNS: Final = timedelta(days=90)


@dataclass(frozen=True)
class SweepReport:
    """`runs` of ingest and update, and the keys that were deleted."""

    runs: tuple[RunRecord, ...]
    deleted: tuple[str, ...]


def sweep(ctx: Context) -> SweepReport:
    runs = (*drain(ctx), update(ctx))
    deleted = (*_sweep_store(ctx), *_sweep_versions(ctx), *_sweep_runs(ctx))
    return SweepReport(runs=runs, deleted=deleted)


def _sweep_store(ctx: Context) -> list[str]:
    document = ctx.store_file.read().document
    if document is None:
        return []
    referenced = {segment.file.key for segment in document.segments}
    return sweep_unreferenced(ctx.bucket, ctx.keys.store, referenced, MIN_AGE, ctx.now())


def _sweep_versions(ctx: Context) -> list[str]:
    """What is served keeps its files and its artifact, and so do the versions that `rollback` can go back to."""
    document = ctx.serving_file.read().document
    if document is None:
        return []
    bundles = [document.bundle, *(read_manifest(ctx, ref) for ref in document.history)]
    manifests = {ctx.keys.serving_bundle(bundle.bundle_id) for bundle in bundles}
    files = {ref.key for bundle in bundles for layer in bundle.layers for ref in layer.files.values()}
    return [
        *sweep_unreferenced(ctx.bucket, ctx.keys.serving, files | manifests, MIN_AGE, ctx.now()),
        *sweep_unreferenced(ctx.bucket, ctx.keys.models, _artifacts(ctx, bundles), MIN_AGE, ctx.now()),
    ]


def _artifacts(ctx: Context, bundles: list[Bundle]) -> set[str]:
    prefixes = tuple(ctx.keys.model_file(bundle.model.version, "") for bundle in bundles)
    return {info.key for info in ctx.bucket.list(ctx.keys.models) if info.key.startswith(prefixes)}


def _sweep_runs(ctx: Context) -> list[str]:
    return sweep_unreferenced(ctx.bucket, ctx.keys.runs, set(), KEEP_RUNS, ctx.now())
