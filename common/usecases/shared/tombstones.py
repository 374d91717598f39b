"""Who has been erased, as every writer of the store and of what is served asks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from common.errors import CorruptError
from common.schemas.documents import StoreDocument
from common.store.segments.tombstones import Tombstones
from common.usecases.shared.context import Context

T = TypeVar("T")


def read_tombstones(ctx: Context, document: StoreDocument | None) -> Tombstones:
    """Those of this version of the store. Raises as `Context.path_of` does."""
    pseudonymizer = ctx.shop.pseudonymizer
    if document is None or document.erased is None:
        return Tombstones.none(pseudonymizer)
    return Tombstones.read(ctx.path_of(document.erased), pseudonymizer)


def read_tombstones_now(ctx: Context) -> Tombstones:
    return reading_store(ctx, lambda document: read_tombstones(ctx, document))


def newest_erasure(document: StoreDocument | None) -> int:
    return document.erasure if document else 0


def delete_abandoned(ctx: Context, landed: StoreDocument | None, put: Mapping[str, int]) -> None:
    """Deletes the segments that a writer has put in vain because an erasure came first: they may hold who was erased.

    `put` says of each key up to which erasure its content is clean. Nobody else comes to refer to what is older than
    `landed`. Other segments put in vain may have an equal that another writer is about to commit: the sweep has them.
    """
    if landed is None:
        return
    current = {segment.file.key for segment in landed.segments}
    for key, erasure in put.items():
        if erasure < landed.erasure and key not in current:
            ctx.bucket.delete(key)


def reading_store(ctx: Context, work: Callable[[StoreDocument | None], T]) -> T:
    """`work` on the newest version of the store, once more where an erasure has deleted what it was reading."""
    while True:
        snapshot = ctx.store_file.read()
        try:
            return work(snapshot.document)
        except CorruptError:
            if ctx.store_file.read().etag == snapshot.etag:
                raise
