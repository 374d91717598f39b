"""Publishing what training made, and going back to what was published before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from common.bucket.commit import Proposal, commit
from common.errors import NotFound, NotReady, RefusedError
from common.ids import new_id
from common.models.artifact import Artifact
from common.schemas.data import U64, Catalogue, Interactions
from common.schemas.documents import Bundle, BundleRef, ModelInfo, RepeatPurchases, ServingDocument, StoreDocument
from common.store.interactions import unique_keys
from common.store.reader import open_store
from common.usecases.bundles import make_layer, one_blas_thread, with_answers_ahead
from common.usecases.context import Context
from common.usecases.erasure.served import erase_served
from common.usecases.layers.base import Stock, base_content
from common.usecases.publication import Publication
from common.usecases.runs import RunLog, start_run
from common.usecases.tombstones import newest_erasure, read_tombstones, reading_store
from common.usecases.update import bring_up_to_date
from common.usecases.versions import delete_abandoned_layers, layer_ids, next_version, read_manifest
from common.usecases.workspace import workspace


@dataclass(frozen=True)
class StoreRead:
    """All that the store held at one commit; `erasure` is the number of the newest erasure by then."""

    commit_id: str
    erasure: int
    interactions: Interactions
    catalogue: Catalogue


def publish_base(
    ctx: Context,
    artifact: Artifact,
    metrics: Mapping[str, Any],
    covers_seq: int,
    log: RunLog,
    read: StoreRead | None = None,
    repeats: RepeatPurchases | None = None,
) -> Bundle:
    """Serves `artifact`, trained on the batches up to `covers_seq`, for everything that the store holds by now.

    `read` is what training has read: it is taken over if nothing has been committed to the store since. `repeats` is
    what to do with what people have bought, as judged under this model. The version of the model is the id of the run.
    Batches that land meanwhile are brought in at the end, and people who are erased meanwhile are left out. Returns
    what is served then: another training's where it shares the search and was faster, of which a notice tells.
    """
    now = ctx.now()
    model = ModelInfo(
        family=artifact.family,
        version=log.record.run_id,
        dim=artifact.dim,
        encoder=artifact.encoder,
        encoder_params=artifact.encoder_params,
        params=artifact.params,
        metrics=dict(metrics),
        repeats=repeats,
        trained_at=now,
    )
    with workspace(ctx) as work:
        stored, stock, changed = reading_store(ctx, lambda document: _stock(ctx, document, covers_seq, work, read))
        stock = replace(stock, repeat_half_life_days=repeats.half_life_days if repeats else None)
        with one_blas_thread():
            content = base_content(artifact, stock, changed, ctx.settings.n_threads)
        layer = make_layer(ctx, content, "base", stored.seq, work / "layer")
        bundle = Bundle(
            bundle_id=new_id(now),
            created_at=now,
            created_by="train",
            covers_seq=stored.seq,
            model=model,
            layers=(layer.ref,),
        )
        with one_blas_thread():
            layer = with_answers_ahead(ctx, bundle, layer, work / "layer")
        shared_since = log.record.started_at if ctx.settings.optuna_storage else None
        publication = Publication(ctx, bundle, stored.erasure, work, [layer], shared_since)
        landed = commit(ctx.serving_file, publication.change, now=ctx.now)
        assert landed is not None  # `change` proposes a version where there is none
        if landed.bundle.model.version != model.version:
            log.note(notices=[f"training {landed.bundle.model.version}, which shares the search, was published first"])
        delete_abandoned_layers(ctx, publication.made, layer_ids(landed.bundle))
        if landed.erasure < reading_store(ctx, newest_erasure):
            erase_served(ctx)
    return bring_up_to_date(ctx, log)


def _stock(
    ctx: Context, stored: StoreDocument | None, covers_seq: int, work: Path, read: StoreRead | None
) -> tuple[StoreDocument, Stock, U64]:
    """What the store holds, and the (n, 2) keys of people whose events are others than training has seen: they have
    some in batches after `covers_seq`, or were erased and are back."""
    if stored is None:
        raise RefusedError("there is nothing to publish: the store is empty")
    now_s = _newest_event_s(stored, covers_seq)
    with open_store(stored, ctx.path_of, work) as reader:
        pairs = reader.co_purchases(ctx.settings.min_pair_people)
        if read is not None and read.commit_id == stored.commit_id:
            return stored, Stock(read.interactions, read.catalogue, now_s, pairs), np.empty((0, 2), dtype=np.uint64)
        stock = Stock(reader.interactions(), reader.catalogue(), now_s, pairs)
        changed = reader.changed_since(covers_seq).user_keys
    people = stock.interactions.user_keys
    erased = people[read_tombstones(ctx, stored).named(people, read.erasure if read else 0)]
    return stored, stock, unique_keys(np.concatenate([changed, erased]))[0]


def _newest_event_s(stored: StoreDocument, covers_seq: int) -> int:
    """The moment, in epoch seconds, from which recency is counted: that of the newest event that training has seen."""
    newest = [(segment.seq, segment.max_ts.timestamp()) for segment in stored.segments if segment.max_ts]
    seen = [moment for seq, moment in newest if seq <= covers_seq] or [moment for _, moment in newest]
    return int(max(seen, default=0.0))


def rollback(ctx: Context, to: str | None = None) -> Bundle:
    """Serves an earlier model again: bundle `to` of the history, or else the one trained before that which is served.

    Batches that it does not cover are brought in at once. Raises `NotReady` where nothing is published, `NotFound` for
    a bundle that the history does not list, `RefusedError` where there is none before or its files are gone.
    """
    with start_run(ctx, "rollback") as log:
        commit(ctx.serving_file, lambda snapshot: _point_back(ctx, snapshot.document, to), now=ctx.now)
        bundle = bring_up_to_date(ctx, log)
        log.finish(details={"bundle_id": bundle.bundle_id, "family": bundle.model.family})
    return bundle


def _point_back(ctx: Context, document: ServingDocument | None, to: str | None) -> Proposal:
    if document is None:
        raise NotReady("nothing is published yet, so there is nothing to go back to")
    ref, target = _choose(ctx, document, to)
    _require_files(ctx, target)
    now = ctx.now()
    bundle = target.model_copy(update={"bundle_id": new_id(now), "created_at": now, "created_by": "rollback"})
    others = tuple(other for other in document.history if other != ref)
    return next_version(ctx, document.model_copy(update={"history": others}), bundle, ())


def _choose(ctx: Context, document: ServingDocument, to: str | None) -> tuple[BundleRef, Bundle]:
    if to is not None:
        for ref in document.history:
            if ref.bundle_id == to:
                return ref, read_manifest(ctx, ref)
        known = ", ".join(ref.bundle_id for ref in document.history) or "none"
        raise NotFound(f"bundle {to} is not in the history, which lists {known}")
    served = document.bundle.model.trained_at
    earlier = [
        (ref, manifest) for ref in document.history if (manifest := read_manifest(ctx, ref)).model.trained_at < served
    ]
    if not earlier:
        raise RefusedError("the history lists no model that was trained before the one that is served")
    return max(earlier, key=lambda pair: pair[1].model.trained_at)


def _require_files(ctx: Context, bundle: Bundle) -> None:
    refs = {ref.key for layer in bundle.layers for ref in layer.files.values()}
    missing = sorted(key for key in refs if ctx.bucket.head(key) is None)
    if missing:
        raise RefusedError(
            f"bundle {bundle.bundle_id} cannot be served again: {len(missing)} of its {len(refs)} files are gone, "
            f"{missing[0]} among them"
        )
