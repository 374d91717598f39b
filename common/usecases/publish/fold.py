"""Folding: many delta layers become one, so that a search does not have to read ever more of them.

It follows an update's own commit, so nobody waits for it. If the process dies before it, the next update folds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from common.bucket.commit import Proposal, commit
from common.bucket.current import Snapshot
from common.schemas.data import I32, I64, Catalogue, DueColumns, ItemLists, LayerContent, UserRows
from common.schemas.documents import Bundle, ServingDocument
from common.schemas.links import ItemLinks, Place
from common.serving.items import Items
from common.serving.layer import Layer, open_layer
from common.store.segments.interactions import unique_keys
from common.usecases.publish.build_layer import make_layer
from common.usecases.publish.layers.described import described
from common.usecases.publish.layers.links import newest_rows
from common.usecases.publish.versions import NewLayer, delete_abandoned_layers, layer_ids, next_update
from common.usecases.shared.context import Context
from common.usecases.shared.runs import RunLog
from common.usecases.shared.workspace import workspace


def fold_layers(ctx: Context, log: RunLog, bundle: Bundle) -> Bundle:
    """Folds the deltas of what is served, if it has more than `max_layers`, and returns what is served afterwards.

    `bundle` is what was served last, as far as the caller knows.
    """
    if not _has_too_many(ctx, bundle):
        return bundle
    log.step("folding")
    with workspace(ctx) as work:
        fold = _Fold(ctx, work)
        document = commit(ctx.serving_file, fold.change, now=ctx.now)
        assert document is not None  # what was published once stays published
        delete_abandoned_layers(ctx, fold.made, layer_ids(document.bundle))
    return document.bundle


def _has_too_many(ctx: Context, bundle: Bundle) -> bool:
    return len(bundle.layers) - 1 > ctx.settings.max_layers


@dataclass
class _Fold:
    """The commit of a fold. It uses only the version that it folds: if an erasure replaces that version, the fold is
    made again from the new one."""

    ctx: Context
    work: Path
    made: list[NewLayer] = field(default_factory=list)

    def change(self, snapshot: Snapshot[ServingDocument]) -> Proposal | None:
        served = snapshot.document
        if served is None or not _has_too_many(self.ctx, served.bundle):
            return None
        bundle = served.bundle
        content = fold_content(Items(tuple(open_layer(ref, self.ctx.path_of) for ref in bundle.layers)))
        layer = make_layer(self.ctx, content, "delta", bundle.covers_seq, self.work / f"layer-{len(self.made)}")
        self.made.append(layer)
        return next_update(served, bundle.layers[:1], layer, self.ctx.now())


def fold_content(items: Items) -> LayerContent:
    """The content of all deltas among the layers of `items`; where several describe one thing, the newest counts."""
    deltas = items.layers[1:]
    numbers = np.unique(np.concatenate([layer.item_nos for layer in deltas]))
    rankings = [layer for layer in deltas if layer.popular_by_category is not None]
    return LayerContent(
        item_nos=numbers,
        item_vectors=items.vectors(numbers),
        cards=tuple(items.card(number) for number in numbers.tolist()),
        catalogue=_catalogue(items, numbers),
        users=_people(deltas),
        similar=_similar(items, numbers),
        popular=rankings[-1].popular if rankings else None,
        newest=rankings[-1].newest if rankings else None,
        on_sale=rankings[-1].on_sale if rankings else None,
        few_know=rankings[-1].few_know if rankings else None,
        popular_by_category=rankings[-1].popular_by_category if rankings else None,
        bought_together=_together(deltas),
        links=_links(deltas),
    )


def _catalogue(items: Items, numbers: I32) -> Catalogue:
    """The catalogue rows of the items, from their cards and columns."""
    extra: dict[int, dict[str, str]] = {}
    for layer in filter(lambda layer: layer.info.n_items, items.layers[1:]):
        extra |= zip(layer.item_nos.tolist(), layer.catalogue.extra(), strict=True)
    return replace(described(items, numbers), extra=tuple(extra[number] for number in numbers.tolist()))


def _similar(items: Items, numbers: I32) -> I32:
    similar = np.full((len(numbers), items.layers[0].info.similar_k), -1, dtype=np.int32)
    for place, number in enumerate(numbers.tolist()):
        listed = items.similar(number)
        similar[place, : len(listed)] = listed
    return similar


def _people(deltas: Sequence[Layer]) -> UserRows:
    """Everybody in one of the layers, also people with an empty history, which replaces one of an older layer."""
    parts = [layer.people.rows() for layer in deltas]
    keys, same_as = unique_keys(np.concatenate([part.keys for part in parts]))
    rows = _last_of(same_as, len(keys))
    offsets, entries = _chosen([part.offsets for part in parts], rows)
    vectors = np.concatenate([part.vectors for part in parts])
    return UserRows(
        keys=keys,
        vectors=vectors[rows] if len(vectors) else vectors,
        offsets=offsets,
        items=np.concatenate([part.items for part in parts])[entries],
        weights=np.concatenate([part.weights for part in parts])[entries],
        purchased=np.concatenate([part.purchased for part in parts])[entries],
        repeats=np.concatenate([part.repeats for part in parts])[entries],
        latest=np.concatenate([part.latest for part in parts])[entries],
        due=DueColumns(*map(np.concatenate, zip(*(part.due for part in parts), strict=True))).at(entries),
    )


def _together(deltas: Sequence[Layer]) -> ItemLists | None:
    parts = [layer.bought_together for layer in deltas if layer.bought_together is not None]
    if not parts:
        return None
    nos, same_as = np.unique(np.concatenate([part.nos for part in parts]), return_inverse=True)
    offsets, entries = _chosen([part.offsets for part in parts], _last_of(same_as, len(nos)))
    return ItemLists(nos, offsets, np.concatenate([part.items for part in parts])[entries])


def _links(deltas: Sequence[Layer]) -> dict[str, ItemLinks]:
    places = {place: [layer.links[place] for layer in deltas if place in layer.links] for place in Place}
    return {place.value: rows for place, layers in places.items() if (rows := newest_rows(layers)) is not None}


def _last_of(same_as: I32 | I64, n: int) -> I64:
    """(n,) int64: the last position of each value 0 … n - 1 in `same_as`."""
    last = np.empty(n, dtype=np.int64)
    # Where one place gets several values, the last one stays.
    last[same_as] = np.arange(len(same_as))
    return last


def _chosen(offsets: Sequence[I64], rows: I64) -> tuple[I64, I64]:
    """The chosen `rows` of histories or lists in several parts, taken end to end.

    Returns the offsets of the chosen rows, and the places of their entries among those of all parts.
    """
    lengths = np.concatenate([np.diff(part) for part in offsets])
    starts = np.cumsum(lengths) - lengths
    chosen = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(lengths[rows])])
    return chosen, np.repeat(starts[rows] - chosen[:-1], lengths[rows]) + np.arange(chosen[-1])
