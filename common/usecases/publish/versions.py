"""Versions of what is served: the files of their layers, and the commits from one version to the next.

It does not import Faiss, because ingest uses it to erase people and its image has no Faiss.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from common.bucket.commit import NewFile, Proposal
from common.ids import new_id, sha256_of_file
from common.schemas.data import Bools
from common.schemas.documents import Bundle, BundleRef, FileRef, LayerRef, ServingDocument
from common.serving.rewrite import is_of_people, rewrite_without_people
from common.usecases.shared.context import Context

KEPT_VERSIONS: Final = 7
"""Trained versions that one can go back to: one week. The files of each stay in the bucket."""


def layer_ids(bundle: Bundle) -> set[str]:
    """The ids of the bundle's layers."""
    return {layer.layer_id for layer in bundle.layers}


@dataclass(frozen=True)
class NewLayer:
    """A layer on the local disk, and its entry in the bundle."""

    ref: LayerRef
    files: tuple[NewFile, ...]


def layer_without_people(
    ctx: Context, ref: LayerRef, gone: Bools, directory: Path, path_of: Callable[[FileRef], Path] | None = None
) -> NewLayer:
    """The layer without the people `gone` (n_users,) bool, under a new id; files without rows of people stay the same.

    `path_of` finds files that are not in the bucket yet.
    """
    directory.mkdir(parents=True, exist_ok=True)
    made = rewrite_without_people(ref, path_of or ctx.path_of, gone, directory)
    layer = ref.model_copy(update={"layer_id": new_id(ctx.now()), "n_users": made.n_users})
    return with_files(ctx, layer, made.files)


def with_files(ctx: Context, layer: LayerRef, paths: Mapping[str, Path]) -> NewLayer:
    """The layer with these files, by their names within it, in place of files of the same names."""
    refs = {name: _file_ref(ctx, layer.layer_id, name, path) for name, path in paths.items()}
    for name, path in paths.items():
        ctx.cache.keep(refs[name], path)
    unique = {refs[name].key: path for name, path in paths.items()}
    files = tuple(NewFile(key, path) for key, path in unique.items())
    return NewLayer(layer.model_copy(update={"files": {**layer.files, **refs}}), files)


def _file_ref(ctx: Context, layer_id: str, name: str, path: Path) -> FileRef:
    sha256 = sha256_of_file(path)
    key = ctx.keys.serving_people_file(layer_id, name) if is_of_people(name) else ctx.keys.serving_file(sha256)
    return FileRef(key=key, sha256=sha256, bytes=path.stat().st_size)


def delete_abandoned_layers(ctx: Context, made: Iterable[NewLayer], committed: Set[str]) -> None:
    """Deletes the rows of people in layers of versions that were not committed; `committed` are the ids of those that
    were.

    No document refers to these files, and they may contain people who were erased meanwhile.
    """
    for layer in made:
        if layer.ref.layer_id not in committed:
            for name in filter(is_of_people, layer.ref.files):
                ctx.bucket.delete(ctx.keys.serving_people_file(layer.ref.layer_id, name))


def next_update(document: ServingDocument, below: tuple[LayerRef, ...], layer: NewLayer, now: datetime) -> Proposal:
    """The same model with `layer` on top of `below`. The replaced version is not kept in the history, because its data
    is in the new one."""
    changes = {
        "bundle_id": new_id(now),
        "created_at": now,
        "created_by": "update",
        "covers_seq": layer.ref.covers_seq,
        "layers": (*below, layer.ref),
    }
    return Proposal({**document.carried(), "bundle": document.bundle.model_copy(update=changes)}, layer.files)


def next_version(
    ctx: Context, document: ServingDocument | None, bundle: Bundle, files: tuple[NewFile, ...], erasure: int = 0
) -> Proposal:
    """`bundle` in place of another model's; the manifest of the replaced version is kept for `rollback`.

    `bundle` has nobody of the erasures up to the number `erasure`. The versions of the history may still have some of
    them, so a document with a history keeps its own number.
    """
    if document is None:
        return Proposal({"bundle": bundle, "erasure": erasure}, files)
    manifest, ref = kept_version(ctx, document.bundle)
    history = (*document.history, ref)[-KEPT_VERSIONS:]
    return Proposal({**document.carried(), "bundle": bundle, "history": history}, (*files, manifest))


def kept_version(ctx: Context, bundle: Bundle) -> tuple[NewFile, BundleRef]:
    """The manifest of a version for `rollback`, and its entry in the history."""
    manifest = NewFile(ctx.keys.serving_bundle(bundle.bundle_id), bundle.model_dump_json(indent=1).encode())
    ref = BundleRef(
        bundle_id=bundle.bundle_id,
        key=manifest.key,
        created_at=bundle.created_at,
        created_by=bundle.created_by,
        family=bundle.model.family,
    )
    return manifest, ref
