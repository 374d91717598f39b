"""People out of what is served, and out of every version that `rollback` can go back to."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from common.bucket.commit import NewFile, Proposal, commit
from common.bucket.current import Snapshot
from common.errors import CorruptError
from common.ids import new_id
from common.schemas.documents import Bundle, BundleRef, LayerRef, ServingDocument
from common.serving.without import keys_of
from common.store.tombstones import Tombstones
from common.usecases.context import Context
from common.usecases.erasure.unserved import delete_unserved
from common.usecases.tombstones import read_tombstones, read_tombstones_now
from common.usecases.versions import NewLayer, delete_abandoned_layers, kept_version, layer_without, read_manifest
from common.usecases.workspace import workspace


def erase_served(ctx: Context) -> ServedErasure:
    """Takes everybody out whom the store's erasures name, and deletes the files that held them."""
    with workspace(ctx) as work:
        erasure = ServedErasure(ctx, work)
        erasure.carry_out()
        erasure.deleted = delete_unserved(ctx, read_tombstones_now(ctx), work)
    return erasure


@dataclass
class ServedErasure:
    """Everybody whom the store's erasures name and what is served has not heard of yet, on the way out.

    A row goes whatever it was made from: who has new events is back with the next training.

    The document is replaced even if nobody is found: whoever is about to publish what they have made of the store as it
    was before loses to this commit, and begins again. `layers` and `versions` count what was made anew, `dropped` the
    earlier versions that were damaged and can no longer be gone back to, `deleted` the layers that nobody serves.
    """

    ctx: Context
    work: Path
    layers: int = 0
    versions: int = 0
    dropped: int = 0
    deleted: int = 0
    _made: dict[tuple[str, int, int], NewLayer | None] = field(default_factory=dict)
    _used: set[str] = field(default_factory=set)

    def carry_out(self) -> ServingDocument | None:
        """Returns what is current afterwards; None where nothing is published."""
        landed = commit(self.ctx.serving_file, self._change, now=self.ctx.now)
        made = [layer for layer in self._made.values() if layer is not None]
        delete_abandoned_layers(self.ctx, made, self._used)
        return landed

    def _change(self, snapshot: Snapshot[ServingDocument]) -> Proposal | None:
        served, stored = snapshot.document, self.ctx.store_file.read().document
        self.layers = self.versions = self.dropped = 0
        self._used = set()
        if served is None or stored is None or served.erasure >= stored.erasure:
            return None
        step = _Step(self, read_tombstones(self.ctx, stored), served.erasure, stored.erasure)
        bundle = step.without(served.bundle)
        if bundle != served.bundle:
            now = self.ctx.now()
            bundle = bundle.model_copy(update={"bundle_id": new_id(now), "created_at": now, "created_by": "erase"})
        history = tuple(ref for earlier in served.history if (ref := step.earlier(earlier)))
        fields = {**served.carried(), "bundle": bundle, "history": history, "erasure": stored.erasure}
        return Proposal(fields, tuple(step.files))

    def use(self, layer: NewLayer) -> None:
        """Notes that the version that is being made refers to the layer."""
        self._used.add(layer.ref.layer_id)

    def layer(self, ref: LayerRef, tombstones: Tombstones, since: int, erasure: int) -> NewLayer | None:
        """The layer without whom erasures after `since` name, up to `erasure`; None if it has none of them."""
        name = (ref.layer_id, since, erasure)
        if name not in self._made:
            gone = tombstones.named(keys_of(ref, self.ctx.path_of), since)
            directory = self.work / f"layer-{len(self._made)}"
            self._made[name] = layer_without(self.ctx, ref, gone, directory) if gone.any() else None
        return self._made[name]


@dataclass
class _Step:
    """One try: from a version that knows of erasures up to `since` to one that does up to `erasure`."""

    of: ServedErasure
    tombstones: Tombstones
    since: int
    erasure: int
    files: list[NewFile] = field(default_factory=list)

    def without(self, bundle: Bundle) -> Bundle:
        layers = []
        for ref in bundle.layers:
            made = self.of.layer(ref, self.tombstones, self.since, self.erasure)
            if made is not None:
                self.of.layers += 1
                self.of.use(made)
                self.files += [file for file in made.files if file not in self.files]
            layers.append(made.ref if made else ref)
        return bundle.model_copy(update={"layers": tuple(layers)})

    def earlier(self, ref: BundleRef) -> BundleRef | None:
        """Where the earlier version is listed now. It keeps its time under a new id, because a manifest is never
        changed."""
        try:
            kept = read_manifest(self.of.ctx, ref)
            bundle = self.without(kept)
        except CorruptError:
            self.of.dropped += 1
            return None
        if bundle == kept:
            return ref
        self.of.versions += 1
        bundle = bundle.model_copy(update={"bundle_id": new_id(kept.created_at)})
        manifest, listed = kept_version(self.of.ctx, bundle)
        self.files.append(manifest)
        return listed
