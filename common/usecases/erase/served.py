"""The erasure of people from the served version, and from every version to which `rollback` can return."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from common.bucket.commit import NewFile, Proposal, commit
from common.bucket.current import Snapshot
from common.bucket.port import ObjectInfo
from common.bucket.precedence import Precedence
from common.errors import CorruptError
from common.ids import new_id
from common.schemas.documents import Bundle, BundleRef, LayerRef, ServingDocument
from common.serving.rewrite import KEYS_FILE, keys_in, keys_of
from common.store.segments.tombstones import Tombstones
from common.usecases.erase.stored import COMMIT_DEADLINE_S
from common.usecases.publish.versions import (
    NewLayer,
    delete_abandoned_layers,
    kept_version,
    layer_without_people,
)
from common.usecases.shared.context import Context
from common.usecases.shared.manifests import read_manifest, read_served
from common.usecases.shared.tombstones import read_tombstones, read_tombstones_now
from common.usecases.shared.workspace import workspace


def erase_served(ctx: Context) -> ServedErasure:
    """Removes all people whom the store's erasures name, and deletes the files that held their rows."""
    with workspace(ctx) as work:
        erasure = ServedErasure(ctx, work)
        erasure.carry_out()
        erasure.deleted = delete_unserved(ctx, read_tombstones_now(ctx), work)
    return erasure


@dataclass
class ServedErasure:
    """The removal of people whom erasures of the store name since the last removal here.

    A person's row is removed even if newer events are in it; the next training brings those back. The document is
    replaced even if no row is found, so that a writer who has read the store before the erasure loses its commit and
    begins again.

    `layers` and `versions` are the numbers of rewritten layers and earlier versions, `deleted` the number of unserved
    layers that were deleted. `dropped` names the damaged earlier versions that left the history.
    """

    ctx: Context
    work: Path
    layers: int = 0
    versions: int = 0
    deleted: int = 0
    dropped: list[str] = field(default_factory=list)
    _rewritten: dict[tuple[str, int, int], NewLayer | None] = field(default_factory=dict)
    _used: set[str] = field(default_factory=set)

    def carry_out(self) -> ServingDocument | None:
        """Commits the removal and returns the current document; None if nothing is published."""
        with Precedence(self.ctx.bucket, self.ctx.keys.erasure_mark) as first:
            document = commit(
                self.ctx.serving_file, self._change, now=self.ctx.now, deadline_s=COMMIT_DEADLINE_S, precedence=first
            )
        layers = [layer for layer in self._rewritten.values() if layer is not None]
        delete_abandoned_layers(self.ctx, layers, self._used)
        return document

    def _change(self, snapshot: Snapshot[ServingDocument]) -> Proposal | None:
        served, stored = snapshot.document, self.ctx.store_file.read().document
        self.layers = self.versions = 0
        self._used = set()
        self.dropped.clear()
        if served is None or stored is None or served.erasure >= stored.erasure:
            return None
        step = _Step(self, read_tombstones(self.ctx, stored), served.erasure, stored.erasure)
        bundle = step.rewritten(served.bundle)
        if bundle != served.bundle:
            now = self.ctx.now()
            bundle = bundle.model_copy(update={"bundle_id": new_id(now), "created_at": now, "created_by": "erase"})
        history = tuple(ref for earlier in served.history if (ref := step.earlier(earlier)))
        fields = {**served.carried(), "bundle": bundle, "history": history, "erasure": stored.erasure}
        return Proposal(fields, tuple(step.files))

    def use(self, layer: NewLayer) -> None:
        """Notes that the next version references the layer."""
        self._used.add(layer.ref.layer_id)

    def layer(self, ref: LayerRef, tombstones: Tombstones, since: int, erasure: int) -> NewLayer | None:
        """The layer without the people whom the erasures `since` + 1 … `erasure` name; None if it has none of them."""
        name = (ref.layer_id, since, erasure)
        if name not in self._rewritten:
            erased = tombstones.named(keys_of(ref, self.ctx.path_of), since)
            directory = self.work / f"layer-{len(self._rewritten)}"
            self._rewritten[name] = layer_without_people(self.ctx, ref, erased, directory) if erased.any() else None
        return self._rewritten[name]


@dataclass
class _Step:
    """One try of the commit, from a version free of the people of erasures up to `since` to one up to `erasure`."""

    of: ServedErasure
    tombstones: Tombstones
    since: int
    erasure: int
    files: list[NewFile] = field(default_factory=list)

    def rewritten(self, bundle: Bundle) -> Bundle:
        layers = []
        for ref in bundle.layers:
            layer = self.of.layer(ref, self.tombstones, self.since, self.erasure)
            if layer is not None:
                self.of.layers += 1
                self.of.use(layer)
                self.files += [file for file in layer.files if file not in self.files]
            layers.append(layer.ref if layer else ref)
        return bundle.model_copy(update={"layers": tuple(layers)})

    def earlier(self, ref: BundleRef) -> BundleRef | None:
        """The history's entry of the rewritten earlier version; None if the version is damaged.

        The version keeps its time and gets a new id, because a manifest is never changed."""
        try:
            kept = read_manifest(self.of.ctx, ref)
            bundle = self.rewritten(kept)
        except CorruptError as error:
            self.of.dropped.append(f"bundle {ref.bundle_id} can no longer be gone back to: {error.message}")
            return None
        if bundle == kept:
            return ref
        self.of.versions += 1
        bundle = bundle.model_copy(update={"bundle_id": new_id(kept.created_at)})
        manifest, listed = kept_version(self.of.ctx, bundle)
        self.files.append(manifest)
        return listed


def delete_unserved(ctx: Context, tombstones: Tombstones, work: Path) -> int:
    """Deletes erased people's files of unreferenced layers and returns the number of layers.

    It is called after the erasure's commit. A layer belongs to one writer. If it is older than the current document and
    not in it, it cannot become part of it any more: its writer loses the commit and makes another layer. Newer layers
    stay.
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
    found = read_served(ctx)
    if found is None:
        return set()
    document, history = found
    bundles = [document.bundle, *(bundle for _, bundle in history.readable)]
    return {layer.layer_id for bundle in bundles for layer in bundle.layers}


def _layers(ctx: Context) -> dict[str, list[ObjectInfo]]:
    found: defaultdict[str, list[ObjectInfo]] = defaultdict(list)
    for info in ctx.bucket.list(ctx.keys.serving_people):
        layer_id, _, _ = info.key.removeprefix(ctx.keys.serving_people).partition("/")
        found[layer_id].append(info)
    return found


def _holds(ctx: Context, objects: list[ObjectInfo], tombstones: Tombstones, before: datetime, work: Path) -> bool:
    """Whether the layer is not newer than `before`, and has a row of an erased person or cannot be read."""
    keys = next((info for info in objects if info.key.endswith(f"/{KEYS_FILE}")), None)
    if keys is None or keys.modified.replace(microsecond=0) > before.replace(microsecond=0):
        return False
    path = work / KEYS_FILE
    if ctx.bucket.fetch(keys.key, path) is None:
        return False
    try:
        return bool(tombstones.named(keys_in(path)).any())
    except CorruptError:
        return True


def _delete(ctx: Context, objects: list[ObjectInfo]) -> None:
    """Deletes the file of keys last, so that the next call still finds the layer if the process dies in between."""
    for info in sorted(objects, key=lambda info: info.key.endswith(f"/{KEYS_FILE}")):
        ctx.bucket.delete(info.key)
