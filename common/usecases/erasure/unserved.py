"""Layers that nobody serves and that hold somebody who was erased."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from common.bucket.port import ObjectInfo
from common.errors import CorruptError
from common.schemas.documents import Bundle, ServingDocument
from common.serving.without import KEYS_FILE, keys_in
from common.store.tombstones import Tombstones
from common.usecases.context import Context
from common.usecases.versions import read_manifest


def delete_unserved(ctx: Context, tombstones: Tombstones, work: Path) -> int:
    """Deletes the rows of people in these layers; returns how many layers. Call it after the erasure's commit.

    A layer belongs to one writer. One that was put before the current document was, and is not in it, can no longer
    get into it: its writer loses and makes another. What was put since is left alone.
    """
    info = ctx.bucket.head(ctx.keys.serving_current)
    if info is None:
        return 0
    served = _served(ctx)
    deleted = 0
    for layer_id, objects in _layers(ctx).items():
        if layer_id not in served and _holds(ctx, objects, tombstones, info.modified, work):
            _delete(ctx, objects)
            deleted += 1
    return deleted


def _served(ctx: Context) -> set[str]:
    """The layers of what is served and of what can be gone back to."""
    document = ctx.serving_file.read().document
    bundles = [document.bundle, *_earlier(ctx, document)] if document else []
    return {layer.layer_id for bundle in bundles for layer in bundle.layers}


def _earlier(ctx: Context, document: ServingDocument) -> Iterator[Bundle]:
    for ref in document.history:
        try:
            yield read_manifest(ctx, ref)
        except CorruptError:
            continue  # nobody can go back to it


def _layers(ctx: Context) -> dict[str, list[ObjectInfo]]:
    found: defaultdict[str, list[ObjectInfo]] = defaultdict(list)
    for info in ctx.bucket.list(ctx.keys.serving_people):
        layer_id, _, _ = info.key.removeprefix(ctx.keys.serving_people).partition("/")
        found[layer_id].append(info)
    return found


def _holds(ctx: Context, objects: list[ObjectInfo], tombstones: Tombstones, before: datetime, work: Path) -> bool:
    """Whether the layer was put by `before`, and has a row of somebody who was erased."""
    keys = next((info for info in objects if info.key.endswith(f"/{KEYS_FILE}")), None)
    if keys is None or keys.modified.replace(microsecond=0) > before.replace(microsecond=0):
        return False
    path = work / KEYS_FILE
    return ctx.bucket.fetch(keys.key, path) is not None and bool(tombstones.named(keys_in(path)).any())


def _delete(ctx: Context, objects: list[ObjectInfo]) -> None:
    """The keys go last: a process that dies before leaves what the next one finds."""
    for info in sorted(objects, key=lambda info: info.key.endswith(f"/{KEYS_FILE}")):
        ctx.bucket.delete(info.key)
