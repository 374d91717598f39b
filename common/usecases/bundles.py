"""Versions of what is served: their layers as files of the bucket, and the steps from one version to the next."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import ValidationError
from threadpoolctl import threadpool_limits

from common.bucket.commit import NewFile, Proposal
from common.errors import CorruptError
from common.ids import new_id, sha256_of_file
from common.schemas.data import LayerContent
from common.schemas.documents import Bundle, BundleRef, FileRef, LayerRef, ServingDocument
from common.serving.bundle import write_layer
from common.usecases.context import Context

KEPT_VERSIONS: Final = 7
"""Trained versions that one can go back to: a week of nights. Each keeps its files in the bucket."""


@dataclass(frozen=True)
class NewLayer:
    """A layer on the local disk, and what the bundle will say of it."""

    ref: LayerRef
    files: tuple[NewFile, ...]


def one_blas_thread() -> AbstractContextManager[object]:
    """For the making of a layer's content: with BLAS threads beside our own, thousands of small products wait for each
    other, on a busy machine a hundred times as long as they take."""
    limits: AbstractContextManager[object] = threadpool_limits(1, "blas")
    return limits


def make_layer(
    ctx: Context, content: LayerContent, kind: Literal["base", "delta"], covers_seq: int, directory: Path
) -> NewLayer:
    """Writes the layer under `directory`; `covers_seq` is the newest batch of the store that is in it."""
    directory.mkdir(parents=True, exist_ok=True)
    paths = write_layer(content, kind, directory, ctx.settings.n_threads)
    refs = {name: _file_ref(ctx, path) for name, path in paths.items()}
    for name, path in paths.items():
        ctx.cache.keep(refs[name], path)
    layer = LayerRef(
        layer_id=new_id(ctx.now()),
        kind=kind,
        covers_seq=covers_seq,
        n_items=len(content.item_nos),
        n_users=len(content.users.keys),
        files=refs,
    )
    unique = {refs[name].key: path for name, path in paths.items()}
    return NewLayer(layer, tuple(NewFile(key, path) for key, path in unique.items()))


def _file_ref(ctx: Context, path: Path) -> FileRef:
    sha256 = sha256_of_file(path)
    return FileRef(key=ctx.keys.serving_file(sha256), sha256=sha256, bytes=path.stat().st_size)


def next_update(document: ServingDocument, bundle: Bundle, layer: NewLayer) -> Proposal:
    """`bundle` in place of the one that it brings up to date. What it replaces is not kept: the same data is in it."""
    return Proposal({"bundle": bundle, "history": document.history}, layer.files)


def next_version(
    ctx: Context, document: ServingDocument | None, bundle: Bundle, files: tuple[NewFile, ...]
) -> Proposal:
    """`bundle` in place of another model's; the manifest of what it replaces is kept, so that `rollback` finds it."""
    if document is None:
        return Proposal({"bundle": bundle}, files)
    replaced = document.bundle
    manifest = NewFile(ctx.keys.serving_bundle(replaced.bundle_id), replaced.model_dump_json(indent=1).encode())
    ref = BundleRef(
        bundle_id=replaced.bundle_id,
        key=manifest.key,
        created_at=replaced.created_at,
        created_by=replaced.created_by,
        family=replaced.model.family,
    )
    history = (*document.history, ref)[-KEPT_VERSIONS:]
    fields: dict[str, Any] = {"bundle": bundle, "history": history}
    return Proposal(fields, (*files, manifest))


def read_manifest(ctx: Context, ref: BundleRef) -> Bundle:
    """Raises `CorruptError` where the manifest is gone or is none of this version."""
    blob = ctx.bucket.get(ref.key)
    if blob is None:
        raise CorruptError(f"{ref.key}, which the history lists, is not in the bucket", key=ref.key)
    try:
        return Bundle.model_validate_json(blob.data)
    except ValidationError as error:
        raise CorruptError(f"{ref.key} is no manifest of this version: {error}", key=ref.key) from None
