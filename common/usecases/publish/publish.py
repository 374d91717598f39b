"""Publishing of a trained model: a base layer for all stored data, committed as a new version."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from common.bucket.commit import commit
from common.errors import RefusedError
from common.ids import new_id
from common.models.artifact import Artifact
from common.models.popularity import WINDOW_DAYS
from common.schemas.data import U64, Catalogue, Interactions
from common.schemas.documents import (
    DEFAULT_BLEND,
    Bundle,
    DueSettings,
    ModelInfo,
    RepeatPurchases,
    SimilarBlend,
    StoreDocument,
)
from common.schemas.links import Place
from common.store.segments.interactions import unique_keys
from common.usecases.publish.build_layer import make_layer, one_blas_thread, with_precomputed_answers
from common.usecases.publish.commit_bundle import BundleCommit
from common.usecases.publish.layers.base import StoreContent, base_content
from common.usecases.publish.versions import delete_abandoned_layers, layer_ids
from common.usecases.shared.context import Context
from common.usecases.shared.learning import open_for_learning, pair_rule
from common.usecases.shared.runs import RunLog
from common.usecases.shared.tombstones import newest_erasure, read_tombstones, reading_store
from common.usecases.shared.workspace import workspace


@dataclass(frozen=True)
class StoreRead:
    """All data of the store at one commit; `erasure` is the number of the newest erasure at that commit."""

    commit_id: str
    erasure: int
    interactions: Interactions
    catalogue: Catalogue


class Beside(NamedTuple):
    """A model of links that answers one place, and its figures."""

    artifact: Artifact
    metrics: Mapping[str, Any]


@dataclass(frozen=True)
class ServingChoices:
    """What a training has chosen for serving, beside the model.

    repeats: the treatment of repeat purchases that was judged for the model
    beside: models of links by the place that each answers in front of the model
    popular_days: the window of what is popular
    similar: how similar items are found, None for the nearest vectors
    due: what `buy-again` is ranked by, None where it was not judged
    first_lists: by kind, the list that it is filled from first
    """

    repeats: RepeatPurchases | None = None
    beside: Mapping[Place, Beside] = field(default_factory=dict)
    popular_days: float = WINDOW_DAYS
    similar: SimilarBlend | None = DEFAULT_BLEND
    due: DueSettings | None = None
    first_lists: Mapping[str, str] = field(default_factory=dict)

    def of_model(self) -> dict[str, Any]:
        """The fields of `ModelInfo` that hold them."""
        own = {name: getattr(self, name) for name in ("repeats", "popular_days", "similar", "due")}
        return {**own, "first_lists": dict(self.first_lists)}


class FollowUps(NamedTuple):
    """What may have to follow a new version. Both are in rooms that import this one, so callers pass them in.

    erase_again: takes out people who were erased while a shop's first version was made
    bring_up_to_date: adds the batches that came meanwhile, and returns what is served then
    """

    erase_again: Callable[[Context], object]
    bring_up_to_date: Callable[[Context, RunLog], Bundle]


def publish_base(
    ctx: Context,
    artifact: Artifact,
    metrics: Mapping[str, Any],
    covers_seq: int,
    log: RunLog,
    follow_ups: FollowUps,
    read: StoreRead | None,
    choices: ServingChoices,
) -> Bundle:
    """Publishes `artifact`, trained on the batches up to `covers_seq`, with all data that the store has now.

    read: what training has read; it is used again if nothing has been committed to the store since

    The version of the model is the run's id. Batches that are committed meanwhile are added at the end, and people who
    are erased meanwhile are left out. Returns what is served then; if a training that shares the search was faster, it
    is that one's bundle, and a notice says so. Raises `RefusedError` where the store is empty.
    """
    # By a clock that is behind, the model would be older than the one before, and nothing could be gone back to.
    now, version = max(ctx.now(), ctx.bucket.now()), log.record.run_id
    model = _model_info(artifact, version, metrics, now).model_copy(update=choices.of_model())
    others = choices.beside
    with workspace(ctx) as work:
        stored, held, changed = reading_store(
            ctx, lambda document: _store_content(ctx, document, covers_seq, work, read)
        )
        held = replace(
            held,
            repeat_half_life_days=choices.repeats.half_life_days if choices.repeats else None,
            popular_days=choices.popular_days,
            similar=choices.similar,
            due=choices.due or DueSettings(),
            pairs=pair_rule(ctx.settings),
            links={place: other.artifact for place, other in others.items()},
        )
        with one_blas_thread():
            content = base_content(artifact, held, changed, ctx.settings.n_threads)
        layer = make_layer(ctx, content, "base", stored.seq, work / "layer")
        bundle = Bundle(
            bundle_id=new_id(now),
            created_at=now,
            created_by="train",
            covers_seq=stored.seq,
            model=model,
            beside={
                place.value: _model_info(other.artifact, version, other.metrics, now) for place, other in others.items()
            },
            layers=(layer.ref,),
        )
        with one_blas_thread():
            layer = with_precomputed_answers(ctx, bundle, layer, work / "layer")
        shared_since = log.record.started_at if ctx.settings.optuna_storage else None
        publication = BundleCommit(ctx, bundle, stored.erasure, work, [layer], shared_since)
        committed = commit(ctx.serving_file, publication.change, now=ctx.now)
        assert committed is not None  # `change` proposes a version if nothing is served
        if committed.bundle.model.version != model.version:
            log.note(
                notices=[f"training {committed.bundle.model.version}, which shares the search, was published first"]
            )
        delete_abandoned_layers(ctx, publication.made, layer_ids(committed.bundle))
        if committed.erasure < reading_store(ctx, newest_erasure):
            follow_ups.erase_again(ctx)
    return follow_ups.bring_up_to_date(ctx, log)


def _model_info(artifact: Artifact, version: str, metrics: Mapping[str, Any], now: datetime) -> ModelInfo:
    return ModelInfo(
        family=artifact.family,
        version=version,
        dim=artifact.dim,
        encoder=artifact.encoder,
        encoder_params=artifact.encoder_params,
        params=artifact.params,
        metrics=dict(metrics),
        trained_at=now,
    )


def _store_content(
    ctx: Context, stored: StoreDocument | None, covers_seq: int, work: Path, read: StoreRead | None
) -> tuple[StoreDocument, StoreContent, U64]:
    """The data of the store, and the (n, 2) uint64 keys of people whose events differ from those that training has
    seen.

    These people have events in batches after `covers_seq`, or were erased and have come back.
    """
    if stored is None:
        raise RefusedError("there is nothing to publish: the store is empty")
    now_s = _newest_event_s(stored, covers_seq)
    with open_for_learning(ctx, stored, work) as reader:
        pairs = reader.co_purchases(pair_rule(ctx.settings))
        if read is not None and read.commit_id == stored.commit_id:
            return (
                stored,
                StoreContent(read.interactions, read.catalogue, now_s, pairs),
                np.empty((0, 2), dtype=np.uint64),
            )
        held = StoreContent(reader.interactions(), reader.catalogue(), now_s, pairs)
        changed = reader.changed_since(covers_seq).user_keys
    people = held.interactions.user_keys
    erased = people[read_tombstones(ctx, stored).named(people, read.erasure if read else 0)]
    return stored, held, unique_keys(np.concatenate([changed, erased]))[0]


def _newest_event_s(stored: StoreDocument, covers_seq: int) -> int:
    """The time (epoch seconds) from which recency is counted: that of the newest event that training has seen."""
    newest = [(segment.seq, segment.max_ts.timestamp()) for segment in stored.segments if segment.max_ts]
    seen = [moment for seq, moment in newest if seq <= covers_seq] or [moment for _, moment in newest]
    return int(max(seen, default=0.0))
