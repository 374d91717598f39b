"""The base layer: all that is served, as training leaves it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from common.models.artifact import Artifact
from common.models.due import ItemRhythms
from common.models.popularity import WINDOW_DAYS, PopularCounts, counts_of
from common.models.similar.interchange import Interchange
from common.models.similar.paths import CategoryTree
from common.schemas.data import (
    DAY_S,
    F32,
    I32,
    I64,
    U64,
    Bools,
    Catalogue,
    DueColumns,
    Interactions,
    LayerContent,
    UserRows,
    Weighting,
)
from common.schemas.documents import DueSettings, SimilarBlend
from common.schemas.links import Place
from common.schemas.pairs import PairRule
from common.store.segments.co_purchases import CoPurchases
from common.usecases.publish.layers.cards import cards_of
from common.usecases.publish.layers.cold import SAMPLE, Groups, learn_groups
from common.usecases.publish.layers.due import due_of, rhythm_arrays, rhythms_of
from common.usecases.publish.layers.extras import BaseArrays
from common.usecases.publish.layers.histories import Histories, buyers_of, histories_of
from common.usecases.publish.layers.items import aligned, first_seen, on_sale_rows, take, with_birth
from common.usecases.publish.layers.links import StoredLinks
from common.usecases.publish.layers.people import PersonEncoder, Query, find_keys, user_rows
from common.usecases.publish.layers.rankings import NEW_DAYS, RankedItems, category_codes
from common.usecases.publish.layers.similar import SimilarBase, lists_of_base, mixed_directions, nearest
from common.usecases.publish.layers.together import StoredCoPurchases

# Neighbours with at least 10 buyers were in the same basket in 12.8 % of cases (docs/measurements-models.md).
NEIGHBOUR_PEOPLE: Final = 10
MIN_NEIGHBOURS: Final = 1_000
"""In a shop with fewer items of `NEIGHBOUR_PEOPLE` buyers, the items with the most buyers make up this number."""


def eligible(people: I64, trained: Bools) -> Bools:
    """(n,) bool: the trained items that may be neighbours; people (n,) int64 is the number of buyers."""
    counts = np.sort(people[trained])
    enough = counts[-MIN_NEIGHBOURS:].min(initial=NEIGHBOUR_PEOPLE)
    chosen: Bools = trained & (people >= enough)
    return chosen


@dataclass(frozen=True)
class StoreContent:
    """The data of the store for a base. `now_s` (epoch seconds) is the time from which recency is counted, as in
    training; `repeat_half_life_days` is as in `repeated`; `links` are models of links by the place that they answer;
    `popular_days` is the window of what is popular. `similar` is how similar items are found, None for the nearest
    vectors; `pairs` says who is behind each pair of items that counts there. `due` is what `buy-again` is ranked
    by."""

    interactions: Interactions
    catalogue: Catalogue
    now_s: int
    co_purchases: CoPurchases
    links: Mapping[Place, Artifact] = field(default_factory=dict)
    repeat_half_life_days: float | None = None
    popular_days: float = WINDOW_DAYS
    similar: SimilarBlend | None = field(default_factory=SimilarBlend)
    pairs: PairRule = field(default_factory=PairRule)
    due: DueSettings = field(default_factory=DueSettings)


@dataclass(frozen=True)
class _Items:
    """Every item of the artifact, the catalogue or an event; item number i is row i.

    trained: (n_trained,) int32, the numbers of the artifact's items, in its order
    of_codes: (n_items,) int32, the number of each item code of the interactions
    """

    catalogue: Catalogue
    trained: I32
    of_codes: I32

    @property
    def is_trained(self) -> Bools:
        mask = np.zeros(len(self.catalogue), dtype=np.bool_)
        mask[self.trained] = True
        return mask


def base_content(artifact: Artifact, held: StoreContent, changed: U64, threads: int) -> LayerContent:
    """The layer for all of `held`.

    The vectors of people in `changed` (n, 2) uint64, who have events that training has not seen, and of people whom
    training did not know come from their histories.
    """
    items = _number(artifact, held)
    encoder = PersonEncoder(artifact.encoder, artifact.encoder_params, artifact.encoder_arrays)
    groups = _learn_groups(artifact, held, items, encoder)
    vectors = groups.vectors_of(items.catalogue)
    vectors[items.trained] = artifact.item_vectors
    width = artifact.dim - encoder.n_biases(artifact.item_vectors)
    of_codes = vectors[items.of_codes]
    counts = _counts(held, items)
    shelf = _shelf(counts, items)
    rhythms = rhythms_of(held.interactions, held.now_s, items.of_codes, len(items.catalogue))
    histories, due = _histories(artifact, held, items, rhythms, shelf)
    users = _people(
        artifact, held, items, changed, histories, due, lambda codes, weights: encoder.query(of_codes[codes], weights)
    )
    people = np.bincount(items.of_codes, buyers_of(histories, held.interactions), len(items.catalogue)).astype(np.int64)
    neighbours = eligible(people, items.is_trained)
    together = _together(held, items, shelf.named_categories())
    links = _links(held, items)
    of_links = {name: array for place, stored in links.items() for name, array in stored.arrays(place).items()}
    directions = mixed_directions(
        own=vectors[:, :width],
        group=groups.directions_of(items.catalogue)[:, :width],
        people=people,
        trained=items.is_trained,
    )
    similar, for_updates = _similar(held, items, shelf, directions, neighbours, threads)
    extras = BaseArrays(groups, items.is_trained, neighbours, counts, shelf.created_at, held.now_s)
    return LayerContent(
        item_nos=np.arange(len(items.catalogue), dtype=np.int32),
        item_vectors=vectors,
        cards=cards_of(items.catalogue),
        catalogue=items.catalogue,
        users=users,
        similar=similar,
        popular=shelf.popular(),
        newest=shelf.newest(),
        on_sale=shelf.on_sale(on_sale_rows(items.catalogue)),
        few_know=shelf.few_know(held.now_s - NEW_DAYS * DAY_S),
        popular_by_category=shelf.popular_by_category(),
        bought_together=together.lists,
        links={place.value: stored.links for place, stored in links.items()},
        encoder={
            **artifact.encoder_arrays,
            **extras.arrays(),
            **rhythm_arrays(rhythms),
            **together.arrays(),
            **of_links,
            **for_updates,
        },
    )


def _number(artifact: Artifact, held: StoreContent) -> _Items:
    data = held.interactions
    linked = (item_id for links in held.links.values() for item_id in links.item_ids)
    item_ids = sorted({*artifact.item_ids, *held.catalogue.item_ids, *data.item_ids, *linked})
    nos = {item_id: no for no, item_id in enumerate(item_ids)}
    catalogue = aligned(held.catalogue, item_ids, unlisted_available=len(held.catalogue) == 0)
    return _Items(
        catalogue=with_birth(catalogue, first_seen(data)),
        trained=np.array([nos[item_id] for item_id in artifact.item_ids], dtype=np.int32),
        of_codes=np.array([nos[item_id] for item_id in data.item_ids], dtype=np.int32),
    )


def _learn_groups(artifact: Artifact, held: StoreContent, items: _Items, encoder: PersonEncoder) -> Groups:
    return learn_groups(
        vectors=artifact.item_vectors,
        catalogue=take(items.catalogue, items.trained),
        n_biases=encoder.n_biases(artifact.item_vectors),
        people=_queries(artifact, held, encoder),
        unseen=take(items.catalogue, np.flatnonzero(~items.is_trained)),
    )


def _queries(artifact: Artifact, held: StoreContent, encoder: PersonEncoder) -> F32:
    """(m, dim) float32: query vectors of some people, as training knew them."""
    if len(artifact.user_vectors):
        return artifact.user_vectors
    row_of = {item_id: row for row, item_id in enumerate(artifact.item_ids)}
    rows = np.array([row_of.get(item_id, -1) for item_id in held.interactions.item_ids], dtype=np.int64)
    sampled = np.zeros(held.interactions.n_users + 1, dtype=np.bool_)
    sampled[: -1 : max(held.interactions.n_users // SAMPLE, 1)] = True
    data = held.interactions.where(sampled[held.interactions.users] & (rows[held.interactions.items] >= 0))
    histories = histories_of(data, _weighting(artifact), held.now_s)
    known = np.flatnonzero(np.diff(histories.offsets))
    vectors = np.empty((len(known), artifact.dim), dtype=np.float32)
    for place, person in enumerate(known):
        span = slice(histories.offsets[person], histories.offsets[person + 1])
        vectors[place] = encoder.query(artifact.item_vectors[rows[histories.items[span]]], histories.weights[span])
    return vectors


def _weighting(artifact: Artifact) -> Weighting:
    return Weighting.model_validate(artifact.params.get("weighting", {}))


def _counts(held: StoreContent, items: _Items) -> PopularCounts:
    counted = counts_of(held.interactions, held.now_s, held.popular_days)
    return counted.placed(items.of_codes, len(items.catalogue))


def _shelf(counts: PopularCounts, items: _Items) -> RankedItems:
    codes, names = category_codes(items.catalogue.categories)
    return RankedItems(counts.scores(), items.catalogue.available, items.catalogue.created_at, codes, names)


def _together(held: StoreContent, items: _Items, categories: I32) -> StoredCoPurchases:
    nos = {item_id: no for no, item_id in enumerate(items.catalogue.item_ids)}
    numbers = np.array([nos[item_id] for item_id in held.co_purchases.item_ids], dtype=np.int32)
    return StoredCoPurchases.counted(held.co_purchases, numbers, categories)


def _similar(
    held: StoreContent, items: _Items, shelf: RankedItems, directions: F32, neighbours: Bools, threads: int
) -> tuple[I32, dict[str, npt.NDArray[Any]]]:
    """The lists of similar items, and the arrays for later ones."""
    if held.similar is None:
        return nearest(directions, items.is_trained, neighbours & shelf.available, threads), {}
    kept = SimilarBase.of(directions, items.catalogue)
    leaves = CategoryTree.of(shelf.categories, shelf.names).leaves
    bought = Interchange.of(held.interactions, items.of_codes, leaves, held.pairs)
    lists = lists_of_base(held.similar, kept, shelf, bought, directions, items.is_trained, neighbours, threads)
    return lists, kept.arrays()


def _links(held: StoreContent, items: _Items) -> dict[Place, StoredLinks]:
    nos = {item_id: no for no, item_id in enumerate(items.catalogue.item_ids)}
    made = {}
    for place, artifact in held.links.items():
        numbers = np.array([nos[item_id] for item_id in artifact.item_ids], dtype=np.int32)
        made[place] = StoredLinks.of_artifact(artifact, numbers, len(nos))
    return made


def _histories(
    artifact: Artifact, held: StoreContent, items: _Items, rhythms: ItemRhythms, shelf: RankedItems
) -> tuple[Histories, DueColumns]:
    data = held.interactions
    histories = histories_of(data, _weighting(artifact), held.now_s, held.repeat_half_life_days)
    expected = rhythms.expected(shelf.categories).at(items.of_codes)
    return histories, due_of(data, histories, expected, held.due, held.now_s)


def _people(
    artifact: Artifact,
    held: StoreContent,
    items: _Items,
    changed: U64,
    histories: Histories,
    due: DueColumns,
    query: Query,
) -> UserRows:
    """The rows of everybody with a history."""
    data = held.interactions
    known = np.flatnonzero(np.diff(histories.offsets))
    keys = data.user_keys[known]
    kept = len(keys) if len(artifact.user_vectors) else 0
    vectors = np.full((kept, artifact.dim), np.nan, dtype=np.float32)
    if kept:
        rows = find_keys(keys, artifact.user_keys)
        usable = (rows >= 0) & (find_keys(keys, changed) < 0)
        vectors[usable] = artifact.user_vectors[rows[usable]]
    return user_rows(keys, histories.of_people(known), due, items.of_codes, query, vectors)
