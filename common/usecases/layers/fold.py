"""One delta layer that says what several say: made of them alone, so that folding changes no answer."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

import numpy as np

from common.schemas.data import I32, I64, Catalogue, ItemLists, LayerContent, UserRows
from common.serving.items import Items
from common.serving.layer import Layer
from common.store.interactions import unique_keys


def fold_content(items: Items) -> LayerContent:
    """What the deltas among the layers of `items` say together; where several speak of one thing, the newest counts."""
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
        popular_by_category=rankings[-1].popular_by_category if rankings else None,
        bought_together=_together(deltas),
    )


def _catalogue(items: Items, numbers: I32) -> Catalogue:
    """The rows of the items, from their cards and columns."""
    cards = [json.loads(items.card(number)) for number in numbers.tolist()]
    extra: dict[int, dict[str, str]] = {}
    for layer in filter(lambda layer: layer.info.n_items, items.layers[1:]):
        extra |= zip(layer.item_nos.tolist(), layer.catalogue.extra(), strict=True)

    def texts(field: str) -> tuple[str, ...]:
        return tuple(card[field] or "" for card in cards)

    return Catalogue(
        item_ids=texts("item_id"),
        categories=texts("category"),
        brands=texts("brand"),
        prices=np.array([math.nan if card["price"] is None else card["price"] for card in cards], dtype=np.float64),
        img_urls=texts("img_url"),
        titles=texts("title"),
        urls=texts("url"),
        currencies=texts("currency"),
        available=np.array([items.is_available(number) for number in numbers.tolist()], dtype=np.bool_),
        created_at=items.born_at(numbers),
        as_of=items.born_at(numbers),
        extra=tuple(extra[number] for number in numbers.tolist()),
    )


def _similar(items: Items, numbers: I32) -> I32:
    similar = np.full((len(numbers), items.layers[0].info.similar_k), -1, dtype=np.int32)
    for place, number in enumerate(numbers.tolist()):
        listed = items.similar(number)
        similar[place, : len(listed)] = listed
    return similar


def _people(deltas: Sequence[Layer]) -> UserRows:
    """Everybody in one of the layers, also those of whose history nothing is left: they hide an older one."""
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
    )


def _together(deltas: Sequence[Layer]) -> ItemLists | None:
    parts = [layer.bought_together for layer in deltas if layer.bought_together is not None]
    if not parts:
        return None
    nos, same_as = np.unique(np.concatenate([part.nos for part in parts]), return_inverse=True)
    offsets, entries = _chosen([part.offsets for part in parts], _last_of(same_as, len(nos)))
    return ItemLists(nos, offsets, np.concatenate([part.items for part in parts])[entries])


def _last_of(same_as: I32 | I64, n: int) -> I64:
    """(n,) int64: where each of the values 0 … n - 1 stands last in `same_as`."""
    last = np.empty(n, dtype=np.int64)
    # Of several values for one place the last stays.
    last[same_as] = np.arange(len(same_as))
    return last


def _chosen(offsets: Sequence[I64], rows: I64) -> tuple[I64, I64]:
    """Of parts with histories or lists, `rows` of all of them end to end: the offsets of what is chosen, and the places
    of its entries among those of all parts."""
    lengths = np.concatenate([np.diff(part) for part in offsets])
    starts = np.cumsum(lengths) - lengths
    chosen = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(lengths[rows])])
    return chosen, np.repeat(starts[rows] - chosen[:-1], lengths[rows]) + np.arange(chosen[-1])
