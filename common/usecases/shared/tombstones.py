"""The reading of tombstones, and the deletion of files that an erasure has made obsolete."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from common.errors import CorruptError
from common.schemas.documents import StoreDocument
from common.store.segments.tombstones import Tombstones
from common.usecases.shared.context import Context

T = TypeVar("T")


def read_tombstones(ctx: Context, document: StoreDocument | None) -> Tombstones:
    """The tombstones of this version of the store. Raises as `Context.path_of` does."""
    pseudonymizer = ctx.shop.pseudonymizer
    if document is None or document.erased is None:
        return Tombstones.none(pseudonymizer)
    return Tombstones.read(ctx.path_of(document.erased), pseudonymizer)


def read_tombstones_now(ctx: Context) -> Tombstones:
    return reading_store(ctx, lambda document: read_tombstones(ctx, document))


def newest_erasure(document: StoreDocument | None) -> int:
    return document.erasure if document else 0


def delete_abandoned(ctx: Context, document: StoreDocument | None, put: Mapping[str, int]) -> None:
    """Deletes a writer's uncommitted segments that may hold people of a later erasure.

    `put` maps the key of each segment to the number of the last erasure that it takes into account. `document` is the
    current version: no other writer can commit a segment that does not take its erasure into account. Other uncommitted
    segments are left to the sweep, because another writer may be about to commit the same content.
    """
    if document is None:
        return
    current = {segment.file.key for segment in document.segments}
    for key, erasure in put.items():
        if erasure < document.erasure and key not in current:
            ctx.bucket.delete(key)


def reading_store(ctx: Context, work: Callable[[StoreDocument | None], T]) -> T:
    """Returns the result of `work` with the newest version of the store.

    If an erasure deletes files while `work` reads them, `work` is called again with the new version."""
    while True:
        snapshot = ctx.store_file.read()
        try:
            return work(snapshot.document)
        except CorruptError:
            if ctx.store_file.read().etag == snapshot.etag:
                raise
